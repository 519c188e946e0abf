//! From the accounts to the verdict: what was found is named, put in order and counted.
//!
//! This file must not know how lines are read, nor how a verdict is shown.

use std::sync::atomic::Ordering;

use super::{
    AuditConfig, Select,
    account::{Account, Damage},
    books::{self, Balance, Loss},
    judge::Judge,
    route::Budget,
    spans::{Location, Span, Spans},
    verdict::{Counts, Finding, Place, Range, RunVerdict, Status, Verdict},
};

/// How many findings of a kind are shown of a run; all are counted.
const SHOWN_MAX: usize = 1000;

/// Sums up. `whole` says that memory sufficed to read everything.
pub fn verdict(
    config: &AuditConfig,
    names: &[String],
    judge: Judge<'_>,
    bytes: u64,
    whole: bool,
) -> Verdict {
    let namer = Namer { names };
    let mut budget = judge.budget;
    let selected = selected(config, &judge.accounts);
    let mut out = Verdict {
        status: Status::Clean,
        cannot_tell: Vec::new(),
        lines: judge.lines,
        bytes,
        runs: Vec::new(),
        strays: Vec::new(),
        stray_count: judge.stray_count,
    };
    for stray in judge.strays {
        out.strays.push(Finding::Unexpected {
            why: stray.why.into(),
            count: stray.count,
            at: namer.place(stray.at),
            text: stray.text,
        });
    }
    for (index, account) in judge.accounts.into_iter().enumerate() {
        // A run of which only a damaged line was seen has no account to settle.
        if selected.is_none_or(|selected| selected == index) {
            out.runs
                .push(run_verdict(config, &namer, account, &mut budget));
        }
    }
    if judge.shared.worn_out.load(Ordering::Relaxed) {
        let why = "what each damaged line was: there are so many that the later ones are only called unexpected";
        out.cannot_tell.push(why.into());
    }
    if !whole {
        out.cannot_tell.push(format!(
            "the log is in such disorder that {} MiB do not suffice; --memory allows more",
            config.memory >> 20
        ));
    }
    if judge.homeless > 0 {
        out.cannot_tell.push(format!(
            "{} lines belong to more runs than {} MiB allow; --memory allows more",
            judge.homeless,
            config.memory >> 20
        ));
    }
    if out.runs.is_empty() && out.cannot_tell.is_empty() {
        let why = match config.select {
            Select::Run(id) => format!("there is no run {id:016x} in it"),
            _ => "there is no run in it".into(),
        };
        out.cannot_tell.push(why);
    }
    out.status = overall(&out, config.select);
    out
}

/// The run to be judged, if not all are.
fn selected(config: &AuditConfig, accounts: &[Account]) -> Option<usize> {
    match config.select {
        Select::All => None,
        Select::Run(id) => Some(
            accounts
                .iter()
                .position(|account| account.run.id == id)
                .unwrap_or(usize::MAX),
        ),
        Select::Last => accounts
            .iter()
            .enumerate()
            .max_by_key(|(_, account)| account.first_stamp)
            .map(|(index, _)| index),
    }
}

/// Findings are certain, and win; of runs, one that cannot be told makes the whole so.
fn overall(verdict: &Verdict, select: Select) -> Status {
    let any = |status| verdict.runs.iter().any(|run| run.status == status);
    if any(Status::Findings)
        || (verdict.stray_count > 0 && select == Select::All && !verdict.runs.is_empty())
    {
        Status::Findings
    } else if any(Status::CannotTell) || !verdict.cannot_tell.is_empty() {
        Status::CannotTell
    } else {
        Status::Clean
    }
}

/// Gives inputs and authors their names.
struct Namer<'a> {
    names: &'a [String],
}

impl Namer<'_> {
    fn place(&self, spot: Location) -> Place {
        Place {
            file: self
                .names
                .get(spot.file as usize)
                .cloned()
                .unwrap_or_default(),
            line: spot.line,
        }
    }

    fn range(&self, span: &Span) -> Range {
        Range {
            author: span.author.thread(),
            first: span.first,
            last: span.last,
            count: span.last - span.first + 1,
        }
    }

    fn loss(&self, loss: &Loss) -> Range {
        let authors: Vec<_> = loss.authors.iter().map(|author| author.thread()).collect();
        Range {
            author: authors.join(" or "),
            first: loss.numbers.start,
            last: loss.numbers.end.saturating_sub(1),
            count: loss.count,
        }
    }
}

fn run_verdict(
    config: &AuditConfig,
    namer: &Namer<'_>,
    mut account: Account,
    budget: &mut Budget,
) -> RunVerdict {
    let balance = books::balance(&mut account, config.killed, budget);
    let mut out = RunVerdict {
        run: format!("{:016x}", account.run.id),
        status: Status::Clean,
        cannot_tell: balance.cannot_tell.clone(),
        notes: balance.notes.clone(),
        lines: account.lines,
        threads: account.run.workload().map(|workload| workload.threads),
        seed: account.run.workload().map(|workload| workload.seed),
        ended: balance.ended,
        outstanding: balance
            .outstanding
            .iter()
            .filter(|loss| loss.count > 0)
            .map(|loss| namer.loss(loss))
            .collect(),
        counts: Counts::default(),
        findings: Vec::new(),
    };
    let judged = account.run.workload().is_some() && !account.run.contradicted();
    if judged {
        lost(namer, &account, &balance, &mut out);
        spans(namer, &account, &mut out);
        damage(config, namer, &account, &mut out);
        unexpected(namer, &account, &balance, &mut out);
        out.counts.books = balance.fault_count;
        for (what, at) in balance.faults.iter().take(SHOWN_MAX) {
            out.findings.push(Finding::Books {
                what: what.clone(),
                at: at.map(|spot| namer.place(spot)),
            });
        }
    }
    out.status = status(config, &out);
    out
}

/// What the counts come to under the options.
fn status(config: &AuditConfig, run: &RunVerdict) -> Status {
    let counts = &run.counts;
    let duplicated = if config.at_least_once {
        0
    } else {
        counts.duplicated
    };
    let others = [
        duplicated,
        counts.reordered,
        counts.altered,
        counts.truncated,
        counts.unexpected,
        counts.books,
    ];
    if counts.lost > config.allow_lost || others.iter().any(|count| *count > 0) {
        Status::Findings
    } else if run.cannot_tell.is_empty() {
        Status::Clean
    } else {
        Status::CannotTell
    }
}

fn lost(namer: &Namer<'_>, account: &Account, balance: &Balance, out: &mut RunVerdict) {
    out.counts.lost = balance.lost_count;
    out.counts.announced = balance.announced;
    for loss in balance.lost.iter().take(SHOWN_MAX) {
        let opening = account.openings.iter().find(|opening| {
            loss.authors == [opening.author]
                && opening.first < loss.numbers.end
                && loss.numbers.start < opening.end
        });
        out.findings.push(Finding::Lost {
            range: namer.loss(loss),
            announced: loss.announced,
            before: opening.map(|opening| namer.place(opening.at)),
        });
    }
}

fn spans(namer: &Namer<'_>, account: &Account, out: &mut RunVerdict) {
    out.counts.duplicated = account.duplicated.count;
    for span in &account.duplicated.kept {
        out.findings.push(Finding::Duplicated {
            range: namer.range(span),
            at: namer.place(span.at),
        });
    }
    out.counts.reordered = account.reordered.count;
    for span in &account.reordered.kept {
        out.findings.push(Finding::Reordered {
            range: namer.range(span),
            at: namer.place(span.at),
            time_only: span.mark,
        });
    }
}

/// Altered and truncated lines.
fn damage(config: &AuditConfig, namer: &Namer<'_>, account: &Account, out: &mut RunVerdict) {
    for damage in &account.damage {
        let Damage {
            slot,
            changes,
            sure: _,
            at,
            text,
        } = damage;
        let at = namer.place(*at);
        let author = slot.map(|(author, _)| author.thread());
        let seq = slot.map(|(_, seq)| seq);
        match (changes, author, seq) {
            (Some(changes), Some(author), Some(seq)) => {
                out.counts.altered += 1;
                out.findings.push(Finding::Altered {
                    author,
                    seq,
                    changes: changes.clone(),
                    at,
                });
            }
            (_, author, seq) => {
                if config.killed && !out.ended && account.ends_at(damage.at) {
                    let note = "its last line is cut short, as a kill leaves it";
                    out.notes.push(note.into());
                    continue;
                }
                out.counts.truncated += 1;
                out.findings.push(Finding::Truncated {
                    author,
                    seq,
                    at,
                    text: text.clone(),
                });
            }
        }
    }
    out.counts.altered += account.altered_more;
    out.counts.truncated += account.truncated_more;
}

fn unexpected(namer: &Namer<'_>, account: &Account, balance: &Balance, out: &mut RunVerdict) {
    out.counts.unexpected += account.off_plan.count + account.stray_count;
    off_plan(namer, &account.off_plan, out);
    for stray in &account.strays {
        out.findings.push(Finding::Unexpected {
            why: stray.why.into(),
            count: stray.count,
            at: namer.place(stray.at),
            text: stray.text.clone(),
        });
    }
    for (author, numbers, at) in &balance.beyond {
        let count = numbers.end - numbers.start;
        out.counts.unexpected += count;
        out.findings.push(Finding::Unexpected {
            why: format!(
                "{} logged seq {} after its end",
                author.thread(),
                books::numbers(numbers.start, numbers.end.saturating_sub(1))
            ),
            count,
            at: namer.place(*at),
            text: String::new(),
        });
    }
}

fn off_plan(namer: &Namer<'_>, off_plan: &Spans, out: &mut RunVerdict) {
    for span in &off_plan.kept {
        let (why, text) = span.note.as_deref().cloned().unwrap_or_default();
        out.findings.push(Finding::Unexpected {
            why: format!(
                "{} at seq {} left its plan: {why}",
                span.author.thread(),
                books::numbers(span.first, span.last)
            ),
            count: span.last - span.first + 1,
            at: namer.place(span.at),
            text,
        });
    }
}
