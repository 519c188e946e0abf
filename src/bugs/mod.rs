//! The specimens: bugs that `--bug` puts into an otherwise honest run, one at a time.
//!
//! Each is a file that reads as the mistake it teaches, a row of this table, and a test. A row says all that others need to
//! know: the command line takes the names from it, a run takes the seam, and the lab the words. What is mended is
//! never a second copy: a row points at the program's own lines.
//!
//! To add one takes three things. Its file is the mistake as a competent person would have made it, in safe code and with
//! nothing else wrong; it comes in through a [`Seam`], and if two workers have to meet, `BadLuck` makes them. Its row points
//! at two pieces of source: the cause in its own file, and the fix, which is the program's real code. Its test in
//! `tests/cli/lab.rs` draws seeds of its own, and fails if the bug is missed once or the fixed run is not clean.

mod bad_luck;
mod deadlock;
mod lossy_log;
mod lost_update;
mod source;
mod split_state;
mod swallowed_errors;
mod unbounded_memory;

use std::sync::Arc;

pub(crate) use self::source::Excerpt;
use self::source::source;
use crate::{
    log::file::Wrap,
    plan::Attempts,
    plan::workload::{Limit, Workload},
    shutdown::Stop,
    work::processor::Handle,
    work::status::StatusBoard,
};

/// A bug, and all that is to be said of it.
#[derive(Debug)]
pub struct Specimen {
    /// What `--bug` calls it.
    pub name: &'static str,
    /// What goes wrong, in a few words.
    pub title: &'static str,
    /// Where it stands in the review of the original program.
    pub problem: &'static str,
    /// How somebody came to write it; paragraphs are separated by a newline.
    pub story: &'static str,
    /// What the run has to say for itself, and why with that exit code.
    pub claim: &'static str,
    /// The exit code of a run with this bug.
    pub exit_code: i32,
    /// Who catches it.
    pub caught_by: CaughtBy,
    /// What to look at.
    pub exhibit: Exhibit,
    /// Why it goes wrong, and the lines that do it.
    pub cause: (&'static str, Excerpt),
    /// What is done instead, and the program's lines that do it.
    pub fix: (&'static str, Excerpt),
    /// With fewer workers it cannot go wrong.
    pub workers_min: u32,
    /// The options with which the lab shows it.
    pub lab_options: &'static str,
    /// Where it gets in.
    pub seam: Seam,
}

/// Who catches a bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaughtBy {
    /// The audit of the log.
    Audit,
    /// The samples of memory in the log.
    Samples,
    /// The stall watchdog and its thread dump.
    Watchdog,
}

/// What shows a bug best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exhibit {
    /// Two workers step by step, up to the same counter value.
    Interleaving,
    /// The counter values of each worker.
    Counters,
    /// The plan of a worker beside what it logged.
    PlanBesideLog,
    /// Lines that are gone, beside the summary that counts them as written.
    LinesGone,
    /// Memory over operations.
    Memory,
    /// The thread dump.
    ThreadDump,
}

/// Where a bug gets in: what an honest run does in another way.
#[derive(Debug)]
pub enum Seam {
    /// What the workers share, and how a result is recorded there.
    Processor(fn(&Setting) -> Arc<dyn Handle>),
    /// What each thread works with, opened in that thread.
    EachThread(fn(&Setting) -> Arc<dyn Handle>),
    /// What a worker makes of the attempts that are planned for it.
    Attempts(fn(&Workload, u32) -> Attempts),
    /// How the log reaches its file while the workers are at work.
    Log(Wrap),
}

/// The run that a specimen gets into, as far as it needs to know.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Items kept in memory.
    pub data_limit: Limit,
    /// What the workers are doing.
    pub board: Arc<StatusBoard>,
    /// The request to stop.
    pub stop: Arc<Stop>,
}

/// The specimen that `--bug` calls `name`.
pub(crate) fn find(name: &str) -> Option<&'static Specimen> {
    SPECIMENS.iter().find(|specimen| specimen.name == name)
}

/// All specimens, in the order of the review's problems.
pub(crate) static SPECIMENS: &[Specimen] = &[
    Specimen {
        name: "unbounded-memory",
        title: "a global list that nobody empties",
        problem: "problem 1, `leaky_global` grows for ever",
        story: "Somebody wanted to look at the results after a run, and put each of them into a global list as \
                well. In every test that worked: tests are short.\n\
                Nothing in the program takes anything out of that list again. It needs memory for every operation \
                that was ever completed, until the system ends the process, on whichever night that happens to be.",
        claim: "All is well, and every figure is right. The peak of its memory is among them, but one figure does \
                not say whether it would have gone on rising.",
        exit_code: 0,
        caught_by: CaughtBy::Samples,
        exhibit: Exhibit::Memory,
        cause: (
            "A `static` lives as long as the process, and so does all that is in it. `--data-limit` bounds the \
             Processor's items; of this list it knows nothing.",
            Excerpt {
                file: source!("bugs/unbounded_memory.rs"),
                parts: &["static RESULTS", "fn record(&self"],
            },
        ),
        fix: (
            "Whatever grows with the work has a bound, and what falls out at the other end is counted. There is no \
             global list.",
            Excerpt {
                file: source!("work/processor.rs"),
                parts: &["fn complete_operation"],
            },
        ),
        workers_min: 1,
        lab_options: "--threads 4 --iterations 40000 --data-limit 1000 --sample-interval 5ms --time-scale 0",
        seam: Seam::Processor(unbounded_memory::open),
    },
    Specimen {
        name: "lost-update",
        title: "two workers read the same counter, and one of their updates is lost",
        problem: "problem 2, `counter += 1` is not atomic",
        story: "Workers are threads: they run at the same time, and here they share one counter of completed \
                operations. A lock protects it: only one worker at a time may hold the lock. To hold it as briefly \
                as possible, somebody let go of it while the item's text is made, and took it again to write the \
                result.\n\
                Each access is protected now, but not the two together. Between reading the counter and writing it \
                there is a gap, in which another worker reads the same old value. Both add one to it, both write \
                the same result, and two operations have raised the counter by one.",
        claim: "It ends as if all were done. Only because completed operations are also counted in a second place \
                does it notice that two of its figures differ, and exits with 1.",
        exit_code: 1,
        caught_by: CaughtBy::Audit,
        exhibit: Exhibit::Interleaving,
        cause: (
            "The lock is taken twice. What was read the first time is old the second time. (Out there one may wait \
             for weeks for two workers to meet in that gap; `bad_luck` sees to it that they do, once in a run.)",
            Excerpt {
                file: source!("bugs/lost_update.rs"),
                parts: &["fn record"],
            },
        ),
        fix: (
            "Reading, adding and writing happen under one lock, without a gap: `record` takes it, and lets go of it \
             only when `complete_operation` is done.",
            Excerpt {
                file: source!("work/processor.rs"),
                parts: &[
                    "fn record(&self, worker: &WorkerStatus) -> Recorded {",
                    "fn complete_operation",
                ],
            },
        ),
        workers_min: 2,
        lab_options: "--threads 4 --iterations 50 --success-delay 1ms --retry-delay 1ms",
        seam: Seam::Processor(lost_update::open),
    },
    Specimen {
        name: "split-state",
        title: "a Processor for each thread, where one was to be shared",
        problem: "problem 3, a Processor is made in each thread",
        story: "The code that a thread runs makes the Processor that it needs, as a function makes what it needs. \
                It even has a lock, and every test of a single thread passes.\n\
                But each thread has made its own. Nobody ever waits for these locks, each worker counts from 1, and \
                the Processor that the main thread asks for the total has seen none of the work.",
        claim: "It ends, and gives a total of 0. Its own books notice that this is not what the workers counted, \
                and it exits with 1.",
        exit_code: 1,
        caught_by: CaughtBy::Audit,
        exhibit: Exhibit::Counters,
        cause: (
            "This is called in every thread, and opens another Processor each time.",
            Excerpt {
                file: source!("bugs/split_state.rs"),
                parts: &["fn open"],
            },
        ),
        fix: (
            "One Processor is made before the threads are, and each thread is handed a clone of the handle, which \
             leads to the same Processor.",
            Excerpt {
                file: source!("run/workers.rs"),
                parts: &["fn share_processor"],
            },
        ),
        workers_min: 2,
        lab_options: "--threads 4 --iterations 50 --time-scale 0",
        seam: Seam::EachThread(split_state::open),
    },
    Specimen {
        name: "swallowed-errors",
        title: "errors are thrown away, and failures pass for successes",
        problem: "problem 4, errors are printed and never handled",
        story: "The compiler warned that the result of the I/O operation is not used. Putting `let _ =` before it \
                made the warning go away, and the error with it.\n\
                What follows is done whether the operation worked or not: it is counted, logged as a success, and \
                never tried again. The log has no error in it, and the summary is the best that anyone has ever \
                seen.",
        claim: "All is well, and better than that: every operation completed, not one failure. All its figures \
                agree, because all of them come from the same lie.",
        exit_code: 0,
        caught_by: CaughtBy::Audit,
        exhibit: Exhibit::PlanBesideLog,
        cause: (
            "`let _ =` throws the result away. The compiler had asked for it to be looked at.",
            Excerpt {
                file: source!("bugs/swallowed_errors.rs"),
                parts: &["let operations =", "Box::new(operations.map"],
            },
        ),
        fix: (
            "A failure is an outcome like any other: it is counted, logged, and tried again after a delay.",
            Excerpt {
                file: source!("work/worker.rs"),
                parts: &["Outcome::Retry { delay } => {"],
            },
        ),
        workers_min: 1,
        lab_options: "--threads 4 --iterations 50 --time-scale 0",
        seam: Seam::Attempts(swallowed_errors::attempts),
    },
    Specimen {
        name: "lossy-log",
        title: "a log that loses lines and reports success",
        problem: "problem 5, no monitoring that can be trusted",
        story: "Writing to a file takes time, so a buffer was put before it, with a thread of its own that does the \
                writing while the workers are busy. The library gives back two things: the writer, and a guard. As \
                long as the guard lives, so does that thread.\n\
                The function that sets this up returns the writer. The guard is a local variable of that function, \
                and ends with it. From then on every line is accepted, counted as written, and gone.",
        claim: "All is well: every line was written, none was lost. The buffer has told it so.",
        exit_code: 0,
        caught_by: CaughtBy::Audit,
        exhibit: Exhibit::LinesGone,
        cause: (
            "The guard is dropped where the function ends, and the thread behind the buffer ends with it. The \
             underscore in its name has silenced the warning that it is never used.",
            Excerpt {
                file: source!("bugs/lossy_log.rs"),
                parts: &["fn set_up"],
            },
        ),
        fix: (
            "Who opens the log keeps it until the last line, and waits for its writer to end. Dropping it too early \
             would close it, not lose what it holds.",
            Excerpt {
                file: source!("log/mod.rs"),
                parts: &["fn finish(&mut self)"],
            },
        ),
        workers_min: 1,
        lab_options: "--threads 4 --iterations 50 --time-scale 0",
        seam: Seam::Log(lossy_log::set_up),
    },
    Specimen {
        name: "deadlock",
        title: "two workers wait for each other for ever",
        problem: "its advice to take thread dumps",
        story: "All workers queued up for one lock. So the Processor was split in two, its counter and its data, \
                each with a lock of its own; and because an operation needs both, every other operation begins with \
                the data, so that the queue is shared out.\n\
                That goes well until one worker holds the counter and wants the data, while another holds the data \
                and wants the counter. Each waits for what the other one has, and neither will ever let go. No \
                error, no line in the log, no work for the CPU: the program just stands still.",
        claim: "Left alone it says nothing: it stands still until somebody ends it. Here --stall-after has ended \
                it, with exit code 1.",
        exit_code: 1,
        caught_by: CaughtBy::Watchdog,
        exhibit: Exhibit::ThreadDump,
        cause: (
            "Two locks, and two orders in which they are taken. As long as nobody comes by in between, that does no \
             harm. (Out there one may wait for weeks until somebody does; `bad_luck` sees to it, once in a run.)",
            Excerpt {
                file: source!("bugs/deadlock.rs"),
                parts: &["fn record"],
            },
        ),
        fix: (
            "There is one lock, and nobody who holds it waits for another. Where two are needed, all take them in \
             the same order: then whoever holds the last one never waits for the first.",
            Excerpt {
                file: source!("work/processor.rs"),
                parts: &[
                    "type SharedProcessor",
                    "fn record(&self, worker: &WorkerStatus) -> Recorded {",
                ],
            },
        ),
        workers_min: 2,
        lab_options: "--threads 4 --iterations 50 --stall-after 500ms --time-scale 0",
        seam: Seam::Processor(deadlock::open),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_whole() {
        for specimen in SPECIMENS {
            let name = specimen.name;
            assert!(std::ptr::eq(find(name).unwrap(), specimen), "{name} twice");
            for (words, excerpt) in [&specimen.cause, &specimen.fix] {
                let lines = excerpt.lines();
                assert!((3..=40).contains(&lines.len()), "{name}: {lines:#?}");
                let holds =
                    |part: &&str| lines.iter().flatten().any(|(_, line)| line.contains(*part));
                assert!(excerpt.parts.iter().all(holds), "{name}: {lines:#?}");
                assert!(!words.is_empty());
            }
            let file = specimen.cause.1.file.path;
            let expected = format!("src/bugs/{}.rs", name.replace('-', "_"));
            assert_eq!(file, expected, "a specimen has a file of its own");
            assert!(
                !specimen.fix.1.file.path.starts_with("src/bugs"),
                "{name}: the fix is the program's own"
            );
        }
    }
}
