//! The thread dump: what every thread is doing, in the style of the JVM's, and where threads wait for each other.
//!
//! It is made from the status board and from what the system tells of the other threads. Reading them takes no
//! lock that a worker holds, so a dump can be had of a run that is stuck.

use std::{collections::HashSet, fs, process, sync::mpsc::Receiver};

use strum::VariantArray;

use crate::{
    log::event::Event,
    observe::sources::Sources,
    plan::format::Seconds,
    threads,
    work::status::{Lock, State, View},
};

impl Sources {
    /// Prints a dump that `cause` asked for, and notes it in the log.
    pub fn dump(&self, cause: &str) {
        self.pipeline.console.say(&self.thread_dump());
        self.event(cause).emit();
    }

    /// The dump as text.
    pub fn thread_dump(&self) -> String {
        let board = &*self.board;
        let (views, now) = (board.read(), board.now());
        let (version, run) = (env!("CARGO_PKG_VERSION"), self.run);
        let age = Seconds::from_nanos(now.0);
        let mut text =
            format!("Full thread dump hifi {version}, run {run:016x}, {age} after its start:\n\n");
        for view in &views {
            let (worker, os_thread) = (view.worker, view.os_thread);
            let state = words(view.state);
            let time = Seconds::from_nanos(now.nanos_since(view.since));
            text +=
                &format!("\"Worker-{worker}\" #{worker} os_thread={os_thread} {state} for {time}");
            if view.at.iteration > 0 {
                text += &format!(
                    ", iteration {}, attempt {}",
                    view.at.iteration, view.at.attempt
                );
            }
            text.push('\n');
            for lock in Lock::VARIANTS.iter().filter(|lock| view.holds(**lock)) {
                text += &format!("   - locked {lock}\n");
            }
            if let Some(lock) = view.waits_for {
                let holders = named(&views, |other| other.holds(lock));
                text += &format!("   - waiting to lock {lock}, held by {holders}\n");
            }
        }
        let workers: HashSet<u64> = views.iter().map(|view| view.os_thread).collect();
        other_threads(&workers, &mut text);
        text.push('\n');
        for &lock in Lock::VARIANTS {
            let holds = |view: &View| view.holds(lock);
            let waits = |view: &View| view.waits_for == Some(lock);
            if lock == Lock::Processor || views.iter().any(|view| holds(view) || waits(view)) {
                let (held, waited) = (named(&views, holds), named(&views, waits));
                text += &format!("Lock {lock}: held by {held}, waited for by {waited}\n");
            }
        }
        let deadlocks = board.deadlocks();
        for cycle in &deadlocks {
            text += &format!("DEADLOCK: {cycle}\n");
        }
        if deadlocks.is_empty() {
            text += "No deadlock found.\n";
        }
        text.push('\n');
        text
    }

    fn event(&self, cause: &str) -> Event {
        let views = self.board.read();
        let count = |state| views.iter().filter(|view| view.state == state).count() as u64;
        Event::ThreadDump {
            cause: cause.to_owned(),
            starting: count(State::Starting),
            idle: count(State::Idle),
            working: count(State::Working),
            waiting: count(State::Waiting),
            sleeping: count(State::Sleeping),
            backing_off: count(State::BackingOff),
            ended: count(State::Ended),
            deadlocks: self.board.deadlocks().len() as u64,
        }
    }
}

fn words(state: State) -> &'static str {
    match state {
        State::Starting => "starting",
        State::Idle => "waiting for a request",
        State::Working => "working",
        State::Waiting => "waiting for a lock",
        State::Sleeping => "sleeping after a success",
        State::BackingOff => "sleeping after a failure",
        State::Ended => "ended",
    }
}

fn named(views: &[View], which: impl Fn(&View) -> bool) -> String {
    let views = views.iter().filter(|view| which(view));
    let names: Vec<_> = views
        .map(|view| format!("\"Worker-{}\"", view.worker))
        .collect();
    match names[..] {
        [] => "nobody".into(),
        _ => names.join(", "),
    }
}

/// Adds the threads that are no workers, as far as the system tells of them.
fn other_threads(workers: &HashSet<u64>, text: &mut String) {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else {
        return;
    };
    let mut ids: Vec<u64> = tasks
        .filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok())
        .filter(|id| !workers.contains(id))
        .collect();
    ids.sort_unstable();
    for id in ids {
        let read = |file: &str| fs::read_to_string(format!("/proc/self/task/{id}/{file}"));
        // A thread may end at any time: one that is gone by now is left out.
        let (Ok(name), Ok(stat)) = (read("comm"), read("stat")) else {
            continue;
        };
        let name = match u64::from(process::id()) == id {
            true => "main",
            false => name.trim_end(),
        };
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.get(..1));
        let state = match state.unwrap_or_default() {
            "R" => "running",
            "S" => "waiting",
            "D" => "waiting for a device",
            other => other,
        };
        *text += &format!("\"{name}\" os_thread={id} {state}\n");
    }
}

/// Starts the thread that dumps on request: whoever asks must not wait for a console that stalls. It ends when nobody is left who
/// could ask.
///
/// # Errors
/// The system refuses it.
pub(crate) fn serve(sources: Sources, requests: Receiver<()>) -> anyhow::Result<()> {
    let dump = move || requests.iter().for_each(|()| sources.dump("SIGQUIT"));
    threads::spawn("thread-dump", dump).map(drop)
}
