//! Those who watch a run while it lasts: one takes samples of what it uses, one sees that it does not get stuck.
//!
//! They log as `main`. From the moment on when `main` counts the lines of the run, the log takes none of theirs any more.

use std::{
    ops::ControlFlow,
    sync::{
        Arc, OnceLock,
        mpsc::{RecvTimeoutError, channel},
    },
    time::{Duration, Instant},
};

use crate::{
    log::clock::Stamp,
    log::event::{Event, Known},
    observe::process::Usage,
    observe::sources::Sources,
    plan::workload::Micros,
    shutdown::{Cause, Stop},
    threads::Background,
    work::recorder::{Counters, Totals},
    work::status::{State, View},
};

/// Why a watcher looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Again,
    ForTheLastTime,
}

/// Looks at once, every `interval`, and for the last time when the watcher is dropped; a look may end it before.
///
/// # Errors
/// The system refuses the thread.
pub(crate) fn repeat(
    name: &str,
    interval: Duration,
    mut look: impl FnMut(Look) -> ControlFlow<()> + Send + 'static,
) -> anyhow::Result<Background> {
    let (end, ended) = channel::<()>();
    Background::start(
        name,
        move || drop(end),
        move || {
            let mut due = Instant::now();
            loop {
                let left = due.saturating_duration_since(Instant::now());
                let why = match ended.recv_timeout(left) {
                    Err(RecvTimeoutError::Timeout) => Look::Again,
                    _ => Look::ForTheLastTime,
                };
                if look(why).is_break() || why == Look::ForTheLastTime {
                    return;
                }
                // A look that took longer than the interval is followed by the next one whole interval later, not by a series
                // that makes up for it.
                due = (due + interval).max(Instant::now());
            }
        },
    )
}

/// Logs what the process uses: at once, every `interval`, and for the last time when the watcher is dropped.
///
/// # Errors
/// The system refuses the thread.
pub(crate) fn sample(
    interval: Micros,
    counters: Arc<[Arc<Counters>]>,
) -> anyhow::Result<Background> {
    repeat("sampler", interval.into(), move |_| {
        let usage = Usage::now();
        let (counter, data_length) = Totals::latest(&counters);
        Event::Sample {
            resident_bytes: Known(usage.memory),
            cpu_us: Known(usage.cpu.map(|cpu| cpu.as_micros() as u64)),
            threads: Known(usage.threads),
            open_files: Known(usage.open_files),
            counter,
            data_length,
        }
        .emit();
        ControlFlow::Continue(())
    })
}

/// A run that came to a standstill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stall {
    /// How long nothing had moved when it was noticed.
    pub after: Duration,
    /// Where workers wait for each other, in words.
    pub deadlocks: Vec<String>,
}

/// Ends the run when no worker has made progress for `after` although none sleeps: dumps the threads, asks for a stop,
/// logs it, leaves what it found in `found`, and calls `tell`.
///
/// # Errors
/// The system refuses the thread.
pub(crate) fn watch_for_stall(
    after: Micros,
    sources: Sources,
    stop: Arc<Stop>,
    found: Arc<OnceLock<Stall>>,
    tell: impl Fn() + Send + 'static,
) -> anyhow::Result<Background> {
    let after = Duration::from(after);
    let interval = (after / 10).min(LOOK_MAX);
    let mut standstill = Standstill::default();
    repeat("watchdog", interval, move |look| {
        let now = sources.board.now();
        let idle = standstill.lasts(sources.board.read(), now, 2 * interval);
        if look == Look::ForTheLastTime {
            return ControlFlow::Break(());
        }
        if idle < after {
            return ControlFlow::Continue(());
        }
        let deadlocks = sources.board.deadlocks();
        let text = sources.thread_dump();
        // First the stop: it ends the patience with a console that stalls, which may be what the workers wait for.
        stop.request(Cause::Stall);
        sources.pipeline.console.say(&format!(
            "hifi: no worker made progress for {idle:.1?}, and none sleeps\n{text}"
        ));
        Event::Stalled {
            idle_us: Micros(u64::try_from(idle.as_micros()).unwrap_or(u64::MAX)),
            deadlocks: deadlocks.len() as u64,
            cycle: deadlocks.first().map_or("none", String::as_str).to_owned(),
        }
        .emit();
        let _ = found.set(Stall {
            after: idle,
            deadlocks,
        });
        tell();
        ControlFlow::Break(())
    })
}

/// The longest pause between two looks of the watchdog.
const LOOK_MAX: Duration = Duration::from_millis(250);

/// How long the board has looked the same.
#[derive(Debug, Default)]
struct Standstill {
    idle: Duration,
    /// When it was looked at last.
    last_look: Stamp,
    views: Vec<View>,
}

impl Standstill {
    /// For how long nothing has moved, given what is seen at the time `now`. A worker that sleeps will move of its own, and
    /// where all have ended or wait for a request there is nothing that should. A look that comes late counts for no more than `step_max`: the
    /// whole process may have been stopped meanwhile (Ctrl-Z), and the workers with it.
    fn lasts(&mut self, views: Vec<View>, now: Stamp, step_max: Duration) -> Duration {
        let will_move = views
            .iter()
            .any(|view| matches!(view.state, State::Sleeping | State::BackingOff))
            || views
                .iter()
                .all(|view| matches!(view.state, State::Ended | State::Idle));
        if will_move || views != self.views {
            self.idle = Duration::ZERO;
        } else {
            let step = Duration::from_nanos(now.nanos_since(self.last_look));
            self.idle += step.min(step_max);
        }
        self.last_look = now;
        self.views = views;
        self.idle
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Barrier, Mutex};

    use super::*;
    use crate::{
        log::Log,
        log::clock::Clock,
        log::config::{ConsoleConfig, LogConfig, LogFormat, Rotation},
        log::stream::Patience,
        plan::Position,
        work::status::{Lock, StatusBoard},
    };

    /// Two locks in opposite order. The threads stay stuck until the test program ends.
    #[test]
    fn a_deadlock_is_named_and_ends_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let config = LogConfig {
            path: Some(folder.path().join("app.log")),
            format: LogFormat::Text,
            rotation: Rotation::Never,
            flush_interval: Micros(5000),
            console: ConsoleConfig {
                level: None,
                coloured: false,
                progress: false,
            },
        };
        let (clock, stop) = (Clock::start(), Arc::new(Stop::default()));
        let patience = Patience::new(Arc::clone(&stop), None);
        let log = Log::open(&config, 7, 2, clock, &patience).unwrap();
        let board = Arc::new(StatusBoard::new(0..2, clock));
        let sources = Sources {
            run: 7,
            workload: crate::audit::simulate::workload(7, 2, 1),
            counters: Arc::default(),
            backlog: None,
            board: Arc::clone(&board),
            pipeline: Arc::clone(log.pipeline()),
        };
        let mutexes = Arc::new([Mutex::new(()), Mutex::new(())]);
        let locks = [Lock::Counter, Lock::Data];
        let both_hold = Arc::new(Barrier::new(2));
        for worker in 0..2 {
            let (board, mutexes, both_hold) = (
                Arc::clone(&board),
                Arc::clone(&mutexes),
                Arc::clone(&both_hold),
            );
            std::thread::spawn(move || {
                let status = board.worker(worker as u32);
                status.register();
                status.work_at(Position::FIRST, Stamp(1));
                let _first = status.lock(locks[worker], &mutexes[worker]);
                both_hold.wait();
                let _second = status.lock(locks[1 - worker], &mutexes[1 - worker]);
            });
        }
        let (found, (told, heard)) = (Arc::default(), channel());
        let tell = move || told.send(()).unwrap();
        let watchdog = watch_for_stall(
            Micros(20_000),
            sources.clone(),
            Arc::clone(&stop),
            Arc::clone(&found),
            tell,
        );
        let _watchdog = watchdog.unwrap();
        heard.recv().unwrap();
        let cycle = "Worker-0 waits for data, held by Worker-1; Worker-1 waits for counter, held by Worker-0";
        assert_eq!(
            found.get().map(|stall: &Stall| stall.deadlocks.clone()),
            Some(vec![cycle.into()])
        );
        assert_eq!(stop.cause(), Some(Cause::Stall));
        let text = sources.thread_dump();
        for part in [
            "waiting for a lock for ",
            "   - locked counter\n   - waiting to lock data, held by \"Worker-1\"\n",
            "Lock data: held by \"Worker-1\", waited for by \"Worker-0\"\n",
            &format!("DEADLOCK: {cycle}\n"),
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn a_standstill_is_when_nobody_moves_nor_will() {
        let board = StatusBoard::new(0..2, Clock::start());
        let mut standstill = Standstill::default();
        let mut idle_at = |now| {
            standstill
                .lasts(board.read(), Stamp(now), Duration::from_nanos(10))
                .as_nanos()
        };
        let [one, two] = [board.worker(0), board.worker(1)];
        let attempt = |attempt| Position {
            attempt,
            ..Position::FIRST
        };
        one.work_at(Position::FIRST, Stamp(1));
        two.enter(State::Ended, Stamp(1));
        assert_eq!(idle_at(10), 0);
        assert_eq!(idle_at(15), 5);
        one.work_at(attempt(2), Stamp(15));
        assert_eq!(idle_at(20), 0, "an attempt is progress");
        assert_eq!(idle_at(29), 9);
        one.enter(State::BackingOff, Stamp(29));
        idle_at(30);
        assert_eq!(idle_at(35), 0, "who sleeps will wake");
        one.work_at(attempt(3), Stamp(35));
        assert_eq!((idle_at(36), idle_at(44)), (0, 8));
        assert_eq!(idle_at(5000), 18, "a late look is one look");
        one.enter(State::Ended, Stamp(5000));
        idle_at(5001);
        assert_eq!(idle_at(5005), 0, "who has ended need not move");
    }
}
