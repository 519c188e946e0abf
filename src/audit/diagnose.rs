//! What a damaged line was, and what was changed in it.
//!
//! It is held against each line that could have stood there ([`expected`](super::expected)); where no plan helps, single
//! characters are tried until the checksum holds ([`repair`](super::repair)). This file must not know files or line
//! numbers.

use super::{
    account::Account,
    changes::changes,
    expected::Expected,
    record::{
        self, JSON_START, Producer, Record, SUM_LEN, find, hex8, number, render, starts_here,
    },
    repair::{REPAIR, REPAIR_JSON, is_json, repair},
    route::Budget,
    shared::Shared,
    verdict::Change,
};
use crate::plan::Position;

/// What a damaged line was.
#[derive(Debug)]
pub enum Diagnosis {
    /// This record, with these changes: the checksum says so.
    Altered {
        /// The run, by its place in the registry.
        run: u32,
        /// The line as it was.
        record: Box<Record>,
        /// What was changed.
        changes: Vec<Change>,
    },
    /// Most likely the line with this number; the checksum does not say.
    Unsure {
        /// The run, by its place in the registry.
        run: u32,
        /// Producer and number.
        slot: (Producer, u64),
        /// What differs from that line.
        changes: Vec<Change>,
    },
    /// A part of a line.
    Truncated {
        /// The run, by its place in the registry, if that part is there.
        run: Option<u32>,
        /// Producer and number, if that part is there.
        slot: Option<(Producer, u64)>,
    },
    /// Nothing that can be recognised.
    Unknown,
}

/// How much trouble it is to hold a line against its plan.
const COMPARE: u64 = 1;

/// How many runs are considered for a line that names none.
const RUNS_MAX: usize = 8;
/// What can still be read of a damaged line.
#[derive(Debug, Default)]
struct Hints {
    json: bool,
    run: Option<u64>,
    workers: Vec<u32>,
    main: bool,
    seq: Option<u64>,
    iteration: Option<u64>,
    attempt: Option<u64>,
    /// The checksum at its end.
    sum: Option<u32>,
}

impl Hints {
    fn of(bytes: &[u8]) -> Self {
        let json = is_json(bytes);
        let value = |name: &str| {
            let mark = if json {
                format!("\"{name}\":")
            } else {
                format!(" {name}=")
            };
            find(bytes, mark.as_bytes()).map(|at| &bytes[at + mark.len()..])
        };
        // Digits at the very end of what is left may be the first of more.
        let whole = |name: &str| {
            let (n, length) = number(value(name)?)?;
            (length < value(name)?.len()).then_some(n)
        };
        let mut workers: Vec<u32> = Vec::new();
        let named = find(bytes, b"Worker-").and_then(|at| number(&bytes[at + 7..]));
        for worker in [whole("worker"), named.map(|(n, _)| n)]
            .into_iter()
            .flatten()
        {
            workers.extend(u32::try_from(worker).ok().filter(|w| !workers.contains(w)));
        }
        let run = value("run").map(|rest| rest.strip_prefix(b"\"").unwrap_or(rest));
        let end = bytes.strip_suffix(b"\"}").unwrap_or(bytes);
        Self {
            json,
            run: run
                .and_then(|rest| rest.get(..16))
                .and_then(|id| std::str::from_utf8(id).ok())
                .and_then(|id| u64::from_str_radix(id, 16).ok()),
            workers,
            main: find(bytes, b" main ").is_some() || find(bytes, b"\"main\"").is_some(),
            seq: whole("seq"),
            iteration: whole("iteration"),
            attempt: whole("attempt"),
            sum: end.len().checked_sub(8).and_then(|at| hex8(&end[at..])),
        }
    }

    /// Whether the line ends as a line does.
    fn ends_well(&self, bytes: &[u8]) -> bool {
        let (mark, length): (&[u8], usize) = if self.json {
            (b",\"sum\":\"", 18)
        } else {
            (b" sum=", SUM_LEN)
        };
        let tail = bytes.len().checked_sub(length).map(|at| &bytes[at..]);
        self.sum.is_some() && tail.is_some_and(|tail| tail.starts_with(mark))
    }
}

/// Finds out what `bytes` were. `near` is the run of the lines around them.
pub fn diagnose(
    bytes: &[u8],
    accounts: &mut [Account],
    near: Option<u32>,
    shared: &Shared,
    budget: &mut Budget,
) -> Diagnosis {
    let hints = Hints::of(bytes);
    let runs = candidate_runs(&hints, accounts, near);
    let mut best = None;
    if shared.bear(COMPARE) {
        for run in &runs {
            match against_plan(bytes, &hints, &mut accounts[*run as usize], budget) {
                Some(done @ (Diagnosis::Altered { .. } | Diagnosis::Truncated { .. })) => {
                    return done;
                }
                unsure => best = best.or(unsure),
            }
        }
    }
    let trouble = if hints.json { REPAIR_JSON } else { REPAIR };
    let worth_it = hints.ends_well(bytes) || starts_here(bytes);
    if worth_it
        && !cut_short(bytes, &hints)
        && shared.bear(trouble)
        && let Some(record) = repair(bytes)
        && let Some(account) = accounts.iter().find(|a| a.run.id == record.run)
        && let Some(event) = &record.event
    {
        let whole = render(
            record.run,
            record.author,
            record.seq,
            record.stamp,
            event,
            hints.json,
        );
        return Diagnosis::Altered {
            run: account.run.index,
            changes: changes(&whole, bytes, hints.json),
            record: Box::new(record),
        };
    }
    if let Some(unsure) = best {
        return unsure;
    }
    part(bytes, &hints, &runs, accounts)
}

/// The runs that a line may belong to.
fn candidate_runs(hints: &Hints, accounts: &[Account], near: Option<u32>) -> Vec<u32> {
    if let Some(account) = accounts.iter().find(|a| Some(a.run.id) == hints.run) {
        return vec![account.run.index];
    }
    let mut runs: Vec<u32> = near.into_iter().collect();
    for account in accounts.iter().rev() {
        if runs.len() < RUNS_MAX && !runs.contains(&account.run.index) {
            runs.push(account.run.index);
        }
    }
    runs
}

/// Holds the line against the attempts of a run that it may be.
fn against_plan(
    bytes: &[u8],
    hints: &Hints,
    account: &mut Account,
    budget: &mut Budget,
) -> Option<Diagnosis> {
    let mut unsure = None;
    for number in &hints.workers {
        for (seq, agreed) in candidate_numbers(hints, *number, account, budget) {
            let Some(line) = Expected::of(account, *number, seq, hints.json, budget) else {
                continue;
            };
            if let Some(record) = line.matching(bytes, hints.sum) {
                let whole = line.render(record.stamp, line.counter_of(&record));
                if bytes.len() < whole.len() && whole.starts_with(bytes) {
                    return Some(Diagnosis::Truncated {
                        run: Some(account.run.index),
                        slot: Some((record.author, record.seq)),
                    });
                }
                return Some(Diagnosis::Altered {
                    run: account.run.index,
                    changes: changes(&whole, bytes, hints.json),
                    record: Box::new(record),
                });
            }
            if hints.seq == Some(seq) && line.is_part(bytes) {
                return Some(Diagnosis::Truncated {
                    run: Some(account.run.index),
                    slot: Some((Producer::Worker(*number), seq)),
                });
            }
            // What names it must be of one mind: two lines spliced together name two.
            let agreed = agreed && hints.workers.len() == 1 && hints.run == Some(account.run.id);
            if agreed && unsure.is_none() && hints.ends_well(bytes) && line.resembles(bytes) {
                unsure = Some(Diagnosis::Unsure {
                    run: account.run.index,
                    slot: (Producer::Worker(*number), seq),
                    changes: line.changes(bytes),
                });
            }
        }
    }
    unsure
}

/// The numbers that the line may have: the one it claims, and the one that its attempt has by the plan;
/// and whether these agree.
fn candidate_numbers(
    hints: &Hints,
    number: u32,
    account: &mut Account,
    budget: &mut Budget,
) -> Vec<(u64, bool)> {
    let entries_max = account.entries_max;
    let (Some(worker), Some(rules)) = (
        account.workers.get_mut(number as usize),
        account.run.rules(number),
    ) else {
        return Vec::new();
    };
    let position = match (hints.iteration, hints.attempt) {
        (Some(iteration), Some(attempt)) if iteration > 0 && attempt > 0 => {
            Some(Position { iteration, attempt })
        }
        _ => None,
    };
    // Only as far as the log itself has come: a damaged number may be any.
    let near = |n: u64| n <= worker.walk.seq.saturating_add(1 << 20);
    let by_plan = position
        .filter(|p| near(p.iteration))
        .and_then(|p| worker.locate(p, rules, budget, entries_max));
    let claimed = hints
        .seq
        .filter(|seq| *seq <= worker.walk.seq.saturating_add(1 << 20));
    let mut out = Vec::new();
    if let Some(seq) = claimed {
        out.push((seq, by_plan == Some(seq)));
    }
    if let Some(seq) = by_plan.filter(|seq| claimed != Some(*seq)) {
        out.push((seq, false));
    }
    out
}

/// Whether the line begins as a line does and does not end as one.
fn cut_short(bytes: &[u8], hints: &Hints) -> bool {
    // One character of the end may be changed as well: not all of it must be there.
    let tail = &bytes[bytes.len().saturating_sub(20)..];
    let marked = find(tail, b"sum").is_some()
        || bytes.ends_with(b"}")
        || hints.sum.is_some() && find(tail, b"=").is_some();
    starts_like_a_line(bytes) && !marked
}

/// Whether `bytes` begin as a line does, however short they are.
fn starts_like_a_line(bytes: &[u8]) -> bool {
    let stamp = if JSON_START.starts_with(bytes) {
        return !bytes.is_empty();
    } else {
        bytes.strip_prefix(JSON_START).unwrap_or(bytes)
    };
    !stamp.is_empty() && record::has_stamp_shape(stamp)
}

/// A part of a line that no plan knows: of main, of a worker's end, or too short to tell.
fn part(bytes: &[u8], hints: &Hints, runs: &[u32], accounts: &[Account]) -> Diagnosis {
    let begins = starts_like_a_line(bytes);
    let ends = hints.ends_well(bytes);
    if !begins && !ends {
        return Diagnosis::Unknown;
    }
    let run = runs
        .iter()
        .find(|run| Some(accounts[**run as usize].run.id) == hints.run)
        .copied();
    let author = match (&hints.workers[..], hints.main) {
        ([worker], _) if !hints.main => Some(Producer::Worker(*worker)),
        (_, true) => Some(Producer::Main),
        _ => None,
    };
    if begins && ends {
        // Something in between was changed, and nothing says what the line was.
        return Diagnosis::Unknown;
    }
    // Parts of attempts were recognised by their plan before, or are none.
    let ended = find(bytes, b"Worker ended").is_some();
    let author = author.filter(|author| *author == Producer::Main || ended);
    let slot = author.zip(hints.seq).filter(|_| run.is_some());
    Diagnosis::Truncated { run, slot }
}
