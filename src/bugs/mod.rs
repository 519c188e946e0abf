//! The specimens: bugs that `--bug` puts into an otherwise honest run, one at a time.
//!
//! Each is a file that reads as the mistake it teaches, its story beside it, a row of this table, and a test. A row says all
//! that others need to know: the command line takes the names from it, a run takes the seam, and the lab the words. What is
//! mended is never a second copy: a row points at the program's own lines.
//!
//! To add one takes four things. Its file is the mistake as a competent person would have made it, in safe code and with
//! nothing else wrong; it comes in through a [`Seam`], and if two workers have to meet, `BadLuck` makes them. Its story says
//! in words what there is to read about it. Its row points at two pieces of source: the cause in its own file, and the fix,
//! which is the program's real code. Its test in `tests/cli/lab.rs` draws seeds of its own, and fails if the bug is missed
//! once or the fixed run is not clean.

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
use self::source::excerpt;
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
    /// What there is to read about it, under headings.
    prose: &'static str,
    /// The exit code of a run with this bug.
    pub exit_code: i32,
    /// What to look at, and so who catches it.
    pub exhibit: ExhibitKind,
    /// The lines that go wrong.
    pub cause: Excerpt,
    /// The program's lines that do it instead.
    pub fix: Excerpt,
    /// With fewer workers it cannot go wrong.
    pub workers_min: u32,
    /// The options with which the lab shows it.
    pub lab_options: &'static str,
    /// Where it gets in.
    pub seam: Seam,
}

impl Specimen {
    /// What stands under a heading of its prose; paragraphs are parted by an empty line.
    ///
    /// - Title: what goes wrong, in a few words.
    /// - Review: where it stands in the review of the original program.
    /// - Story: how somebody came to write it.
    /// - Claim: what the run has to say for itself, and why with that exit code.
    /// - Evidence: what is to be seen in it, for a person who sees it for the first time.
    /// - Cause and Fix: why it goes wrong, and what is done instead.
    pub fn prose(&self, heading: &str) -> &'static str {
        let mut parts = self.prose.split("## ");
        let part = parts.find_map(|part| part.strip_prefix(heading));
        part.unwrap_or_default().trim()
    }
}

/// What shows a bug best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExhibitKind {
    /// What the audit of the log says.
    Audit,
    /// Two workers step by step, up to the same counter value; the audit.
    Interleaving,
    /// Lines that are gone, beside the summary that counts them as written; the audit.
    LinesGone,
    /// Memory over operations, from the samples in the log.
    Memory,
    /// The thread dump of the stall watchdog.
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
        prose: include_str!("unbounded_memory.md"),
        exit_code: 0,
        exhibit: ExhibitKind::Memory,
        cause: excerpt!("bugs/unbounded_memory.rs", "fn record"),
        fix: excerpt!("work/processor.rs", "fn complete_operation"),
        workers_min: 1,
        lab_options: "--threads 4 --iterations 40000 --data-limit 1000 --sample-interval 5ms --time-scale 0",
        seam: Seam::Processor(unbounded_memory::open),
    },
    Specimen {
        name: "lost-update",
        prose: include_str!("lost_update.md"),
        exit_code: 1,
        exhibit: ExhibitKind::Interleaving,
        cause: excerpt!("bugs/lost_update.rs", "fn record"),
        fix: excerpt!("work/processor.rs", "WorkerStatus) -> Recorded {"),
        workers_min: 2,
        lab_options: "--threads 4 --iterations 50 --success-delay 1ms --retry-delay 1ms",
        seam: Seam::Processor(lost_update::open),
    },
    Specimen {
        name: "split-state",
        prose: include_str!("split_state.md"),
        exit_code: 1,
        exhibit: ExhibitKind::Audit,
        cause: excerpt!("bugs/split_state.rs", "fn open"),
        fix: excerpt!("run/workers.rs", "fn share_processor"),
        workers_min: 2,
        lab_options: "--threads 4 --iterations 50 --time-scale 0",
        seam: Seam::EachThread(split_state::open),
    },
    Specimen {
        name: "swallowed-errors",
        prose: include_str!("swallowed_errors.md"),
        exit_code: 0,
        exhibit: ExhibitKind::Audit,
        cause: excerpt!("bugs/swallowed_errors.rs", "fn attempts"),
        fix: excerpt!("work/worker.rs", "Outcome::Retry { delay } => {"),
        workers_min: 1,
        lab_options: "--threads 4 --iterations 50 --time-scale 0",
        seam: Seam::Attempts(swallowed_errors::attempts),
    },
    Specimen {
        name: "lossy-log",
        prose: include_str!("lossy_log.md"),
        exit_code: 0,
        exhibit: ExhibitKind::LinesGone,
        cause: excerpt!("bugs/lossy_log.rs", "fn set_up"),
        fix: excerpt!("log/mod.rs", "fn drop(&mut self)"),
        workers_min: 1,
        lab_options: "--threads 4 --iterations 50 --time-scale 0",
        seam: Seam::Log(lossy_log::set_up),
    },
    Specimen {
        name: "deadlock",
        prose: include_str!("deadlock.md"),
        exit_code: 1,
        exhibit: ExhibitKind::ThreadDump,
        cause: excerpt!("bugs/deadlock.rs", "fn record"),
        fix: excerpt!("work/processor.rs", "WorkerStatus) -> Recorded {"),
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
            for excerpt in [&specimen.cause, &specimen.fix] {
                let lines: Vec<_> = excerpt.lines().collect();
                assert!((3..=40).contains(&lines.len()), "{name}: {lines:#?}");
                assert!(
                    lines[lines.len() - 1]
                        .1
                        .trim_start()
                        .starts_with(['}', ')'])
                );
            }
            for heading in ["Title", "Review", "Story", "Claim", "Cause", "Fix"] {
                assert!(!specimen.prose(heading).is_empty(), "{name}: {heading}");
            }
            let expected = format!("src/bugs/{}.rs", name.replace('-', "_"));
            assert_eq!(
                specimen.cause.path, expected,
                "a specimen has a file of its own"
            );
            assert!(
                !specimen.fix.path.starts_with("src/bugs"),
                "{name}: the fix is the program's own"
            );
        }
    }
}
