//! The request to stop: made once, seen by all, and it cuts every sleep short.
//!
//! Signals: the first asks the run to stop, the second ends the program at once.

use std::{
    fmt, io,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
        mpsc::SyncSender,
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use nix::sys::signal::{SigSet, SigmaskHow};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ},
    flag,
    iterator::Signals,
    low_level,
};

use crate::threads::{Background, lock};

/// How long a reader that stalls may hold up the end, once a stop was asked for.
pub const PATIENCE_AFTER_STOP: Duration = Duration::from_millis(500);

/// What asked for the stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A signal, by its number.
    Signal(i32),
    /// The run itself could not go on.
    Failure,
    /// The workers got stuck.
    Stall,
    /// There is nothing left to wait for.
    Done,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(number) => match low_level::signal_name(*number) {
                Some(name) => f.write_str(name),
                None => write!(f, "signal {number}"),
            },
            Self::Failure => f.write_str("failure"),
            Self::Stall => f.write_str("stall"),
            Self::Done => f.write_str("end"),
        }
    }
}

/// A stop that may be asked for. One is shared by all threads of a run.
#[derive(Default, derive_more::Debug)]
pub struct Stop {
    /// What asked for it, and when.
    request: OnceLock<(Cause, Instant)>,
    /// What is to be done then.
    #[debug(skip)]
    hooks: Mutex<Vec<Box<dyn Fn() + Send>>>,
}

impl Stop {
    /// Asks for the stop and wakes every sleeper. Only the first cause counts.
    pub fn request(&self, cause: Cause) {
        self.request.get_or_init(|| (cause, Instant::now()));
        lock(&self.hooks).iter().for_each(|hook| hook());
    }

    /// Has `hook` called when the stop is asked for, and at once if it was already. It must not ask for anything here.
    pub fn on_request(&self, hook: impl Fn() + Send + 'static) {
        let mut hooks = lock(&self.hooks);
        if self.requested() {
            hook();
        }
        hooks.push(Box::new(hook));
    }

    /// Whether the stop was asked for.
    #[inline]
    pub fn requested(&self) -> bool {
        self.request.get().is_some()
    }

    /// What asked for the stop, if anything did.
    pub fn cause(&self) -> Option<Cause> {
        self.request.get().map(|(cause, _)| *cause)
    }

    /// How long ago the stop was asked for.
    pub fn elapsed(&self) -> Option<Duration> {
        self.request.get().map(|(_, at)| at.elapsed())
    }

    /// Makes the calling thread one that a stop wakes. To be called before its first [`Stop::sleep`].
    pub fn enlist(&self) {
        let sleeper = thread::current();
        self.on_request(move || sleeper.unpark());
    }

    /// Sleeps for `length`, or until the stop. A length past the clock's end is sleep without end.
    pub fn sleep(&self, length: Duration) {
        let deadline = Instant::now().checked_add(length);
        while !self.requested() {
            let left = deadline.map_or(Duration::MAX, |end| end - Instant::now());
            if left.is_zero() {
                return;
            }
            thread::park_timeout(left);
        }
    }
}

/// What comes so soon after the first signal is the same request: `timeout` signals its child and then the child's
/// group, and a shell that loses its terminal does the like.
const SAME_REQUEST: Duration = Duration::from_millis(250);

/// A program that has not ended so long after the signal may never do so, and a person should know what helps.
const SLOW_END: Duration = Duration::from_secs(1);

/// How often the thread looks at the clock between the first signal and [`SLOW_END`].
const LOOK: Duration = Duration::from_millis(20);

impl Stop {
    /// Watches for the signals that end a program, and asks for the stop at the first. None is missed from now on. One
    /// that comes more than `SAME_REQUEST` later ends the program at once; if the end takes long, `tell` tells a person
    /// so. Where there are threads to dump, SIGQUIT asks for that in `dumps`, as it does of the JVM; elsewhere it ends the program,
    /// as it does any.
    ///
    /// # Errors
    /// The system refuses a handler or a thread.
    pub(crate) fn watch_signals(
        self: &Arc<Self>,
        dumps: Option<SyncSender<()>>,
        tell: impl Fn(&str) + Send + 'static,
    ) -> anyhow::Result<Background> {
        let (mut signals, second_ends) =
            register(dumps.is_some()).context("cannot watch for signals")?;
        let (stop, end) = (Arc::clone(self), signals.handle());
        let heed = move |signal| match &dumps {
            // A request that comes too early waits; a second one while one is waiting asks for nothing more.
            Some(dumps) if signal == SIGQUIT => drop(dumps.try_send(())),
            _ => stop.request(Cause::Signal(signal)),
        };
        let watch = move || {
            let mut arriving = signals.forever().inspect(|signal| heed(*signal));
            if let Some(first) = arriving.find(|signal| *signal != SIGQUIT) {
                let at = Instant::now();
                while at.elapsed() < SLOW_END && !signals.handle().is_closed() {
                    thread::sleep(LOOK);
                    signals.pending().for_each(&heed);
                    second_ends.store(at.elapsed() >= SAME_REQUEST, Ordering::SeqCst);
                }
                if !signals.handle().is_closed() {
                    let cause = Cause::Signal(first);
                    tell(&format!(
                        "{cause} was heard, but the program has not ended yet; send it again to end it at once, without \
                         a summary"
                    ));
                }
            }
            signals.forever().for_each(heed);
        };
        Background::start("signals", move || end.close(), watch)
    }
}

/// Registers all handlers. Signals are held back meanwhile: a handler is set before it knows what to do, and one that
/// came just then would do nothing. A signal that ends the program goes to the thread; once the flag is set, it ends the program
/// in its handler.
fn register(dumps: bool) -> io::Result<(Signals, Arc<AtomicBool>)> {
    let held_back = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let registered = register_all(dumps);
    held_back.thread_set_mask()?;
    registered
}

fn register_all(dumps: bool) -> io::Result<(Signals, Arc<AtomicBool>)> {
    // A file that may not grow further answers a write with an error, once this signal does not kill.
    flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    let signals = Signals::new(ending().chain(dumps.then_some(SIGQUIT)))?;
    let second_ends = Arc::new(AtomicBool::new(false));
    for signal in ending() {
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&second_ends))?;
    }
    Ok((signals, second_ends))
}

/// Has `clean_up` called before a signal ends the program, as it would without this.
///
/// # Errors
/// The system refuses a handler or a thread.
#[cfg(feature = "monitoring")]
pub(crate) fn before_signal_ends(clean_up: impl Fn() + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new(ending())?;
    let wait = move || {
        for signal in signals.forever() {
            clean_up();
            let _ = low_level::emulate_default_handler(signal);
        }
    };
    crate::threads::spawn("signals", wait)
        .map(drop)
        .map_err(io::Error::other)
}

/// The signals that end a program.
fn ending() -> impl Iterator<Item = i32> {
    let is_heard = |signal: &i32| *signal != SIGHUP || !hangup_ignored();
    [SIGINT, SIGTERM, SIGHUP].into_iter().filter(is_heard)
}

/// Whether the program was started with hang-ups ignored, as `nohup` does, which then is to stay so.
fn hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    mask >> (SIGHUP - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_wakes_sleepers_and_keeps_its_first_cause() {
        let stop = Arc::new(Stop::default());
        let sleepers: Vec<_> = (0..4)
            .map(|_| {
                let stop = Arc::clone(&stop);
                thread::spawn(move || {
                    stop.enlist();
                    stop.sleep(Duration::MAX);
                })
            })
            .collect();
        stop.request(Cause::Signal(15));
        stop.request(Cause::Failure);
        for sleeper in sleepers {
            sleeper.join().unwrap();
        }
        assert_eq!(stop.cause(), Some(Cause::Signal(15)));
        assert_eq!(stop.cause().unwrap().to_string(), "SIGTERM");
    }
}
