//! From the accounts to the verdict: what was found is named, put in order and counted.

use std::ops::Range as Numbers;

use super::{
    account::RunAccount,
    balance::{self, Balance},
    causes,
    config::{AuditConfig, Select},
    cursor::Budget,
    findings::{Detail, Entry, Kind, Location},
    group,
    judge::{Evidence, Judge},
    record::Producer,
    settled::{self, Folded, SettledRun},
    verdict::{Counts, Finding, Place, Range, RunVerdict, Status, Verdict},
};

/// Sums up. `whole` says that memory sufficed to read everything, `cut` what could not be read to its end.
pub(super) fn verdict(
    config: &AuditConfig,
    names: &[String],
    judge: Judge<'_>,
    bytes: u64,
    whole: bool,
    cut: Vec<String>,
) -> Verdict {
    let namer = Namer { names };
    let mut budget = judge.budget;
    let selected = selected(config, &judge);
    let mut unreadable = unreadable_inputs(&namer, &judge.evidence);
    unreadable.extend(cut);
    let some_unreadable = !unreadable.is_empty();
    let backwards = judge.evidence.backwards.iter().map(|file| {
        let name = names.get(*file as usize).map_or("", String::as_str);
        format!("{name} has its newest lines first, and was judged backwards")
    });
    let mut out = Verdict {
        status: Status::Clean,
        notes: backwards.collect(),
        unread: some_unreadable || !whole || judge.no_room > 0,
        cannot_tell: unreadable,
        lines: judge.lines,
        bytes,
        groups: Vec::new(),
        runs: Vec::new(),
        stray_count: judge.strays.count(Kind::Unexpected),
        strays: namer.findings(Kind::Unexpected, judge.strays.kept(Kind::Unexpected)),
    };
    let too_little = too_little(config, &judge, whole);
    let Judge {
        evidence,
        mut settled,
        accounts,
        ..
    } = judge;
    fold(&mut out, settled.folded());
    for (index, account) in accounts.into_iter().enumerate() {
        // A run of which only a damaged line was seen has no account to settle.
        if selected.is_some_and(|selected| selected != index) {
            continue;
        }
        out.runs.extend(match account {
            Some(account) => {
                let (account, evidence) = (*account, &evidence);
                let budget = &mut budget;
                let verdict =
                    run_verdict(config, &namer, account, evidence, some_unreadable, budget);
                Some(verdict)
            }
            None => {
                let run = settled.take(index as u32);
                run.map(|run| settled_verdict(config, &namer, run))
            }
        });
    }
    out.cannot_tell.extend(too_little);
    if config.select == Select::All {
        out.groups = group::judge(&mut out.runs, !out.unread);
    }
    if out.runs.is_empty() && out.cannot_tell.is_empty() {
        out.cannot_tell.push(no_run(config, &namer, &evidence));
    }
    out.status = match settled.folded().findings {
        true => Status::Findings,
        false => overall(&out, config.select),
    };
    out
}

/// What cannot be told because there was too little time or memory for it.
fn too_little(config: &AuditConfig, judge: &Judge<'_>, whole: bool) -> Vec<String> {
    let mebibytes = config.memory >> 20;
    let mut why = Vec::new();
    if judge.worn_out {
        why.push("what each damaged line was: there are so many that the later ones are only called unexpected".into());
    }
    if !whole {
        why.push(format!(
            "the log is in such disorder that {mebibytes} MiB do not suffice; --memory allows more"
        ));
    }
    if judge.no_room > 0 {
        why.push(format!(
            "{} lines belong to more runs than {mebibytes} MiB allow; --memory allows more",
            judge.no_room
        ));
    }
    why
}

/// Says what there is to say of runs of which no more is kept.
fn fold(out: &mut Verdict, folded: &Folded) {
    if folded.runs == 0 {
        return;
    }
    let found = folded.counts.by_name().into_iter();
    let found: Vec<_> = found
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    let found = match &found[..] {
        [] => "nothing is missing, nothing is wrong".into(),
        _ => found.join(", "),
    };
    out.notes.push(format!(
        "{} runs with {} lines ended before these: {found}",
        folded.runs, folded.lines
    ));
}

/// What is said of a run whose account was closed before the end, with what was found since.
fn settled_verdict(config: &AuditConfig, namer: &Namer<'_>, run: SettledRun) -> RunVerdict {
    let SettledRun {
        verdict: mut out,
        since,
        lines,
        taken_back,
        ..
    } = run;
    out.lines += lines;
    if taken_back > 0 {
        out.notes.push(format!(
            "{taken_back} lines came long after its end, when they had been given up for lost"
        ));
    }
    for kind in settled::KINDS {
        out.counts.count(kind.name(), since.count(kind));
        out.findings.extend(namer.findings(kind, since.kept(kind)));
    }
    let order = Counts::default().by_name().map(|(kind, _)| kind);
    let rank = |finding: &Finding| order.iter().position(|kind| *kind == finding.kind());
    out.findings.sort_by_key(rank);
    out.status = status(config, &out, false);
    out
}

/// Why there is no run to be judged.
fn no_run(config: &AuditConfig, namer: &Namer<'_>, evidence: &Evidence) -> String {
    match (config.select, &evidence.unreadable) {
        (Select::Run(id), _) => format!("there is no run {id:016x} in it"),
        (_, None) => "there is no run in it".into(),
        (_, Some((text, at))) => format!(
            "there is no run in it: nothing can be read as a record of this program, from {} on ({}); \
             give the log as the program wrote it, or the pipeline's output before it rewrites the lines",
            namer.words(*at),
            quoted(text)
        ),
    }
}

/// Inputs that hold lines, but no record that could be read.
fn unreadable_inputs(namer: &Namer<'_>, evidence: &Evidence) -> Vec<String> {
    let some = evidence.inputs.values().any(|(records, _)| *records > 0);
    let mut files: Vec<_> = evidence.inputs.iter().filter(|_| some).collect();
    files.sort_unstable();
    let unreadable = files
        .into_iter()
        .filter(|(_, (records, others))| *records == 0 && *others > 0);
    unreadable
        .map(|(file, (_, others))| {
            let at = Location {
                file: *file,
                line: 1,
            };
            format!(
                "none of the {others} lines of {} can be read as a record: what seems lost may be there",
                namer.place(at).file
            )
        })
        .collect()
}

fn quoted(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    let cut = if short.len() < text.len() { "…" } else { "" };
    format!("`{short}{cut}`")
}

/// The run to be judged, if not all are.
fn selected(config: &AuditConfig, judge: &Judge<'_>) -> Option<usize> {
    let mut all = judge.accounts.iter().enumerate();
    match config.select {
        Select::All => None,
        Select::Run(id) => {
            let is = |account: &Option<Box<RunAccount>>| {
                account.as_ref().is_some_and(|a| a.run.id == id)
            };
            let open = all.find(|(_, account)| is(account)).map(|(index, _)| index);
            Some(open.or(judge.settled.index(id)).unwrap_or(usize::MAX))
        }
        Select::Last => all
            .max_by_key(|(_, account)| account.as_ref().and_then(|account| account.first_stamp))
            .map(|(index, _)| index),
    }
}

/// Findings are certain, and win; of runs, one that cannot be told makes the whole so.
pub(super) fn overall(verdict: &Verdict, select: Select) -> Status {
    let any = |status| {
        let runs = verdict.runs.iter().filter(|run| run.set_aside.is_none());
        let statuses = runs.map(|run| run.status);
        statuses
            .chain(verdict.groups.iter().map(|group| group.status))
            .any(|s| s == status)
    };
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

/// Gives inputs and producers their names.
pub(super) struct Namer<'a> {
    /// The names of the inputs.
    pub names: &'a [String],
}

impl Namer<'_> {
    fn place(&self, at: Location) -> Place {
        let file = self.names.get(at.file as usize).cloned();
        Place {
            file: file.unwrap_or_default(),
            line: at.line,
        }
    }

    fn words(&self, at: Location) -> String {
        let place = self.place(at);
        format!("{}:{}", place.file, place.line)
    }

    fn range(&self, entry: &Entry) -> Range {
        let threads: Vec<_> = entry
            .producers
            .iter()
            .map(|producer| producer.thread())
            .collect();
        Range {
            author: threads.join(" or "),
            first: entry.numbers.as_ref().map(|numbers| numbers.start),
            last: entry
                .numbers
                .as_ref()
                .map(|numbers| numbers.end.saturating_sub(1)),
            count: entry.count,
        }
    }

    /// The findings that these entries of a kind are.
    pub(super) fn findings(&self, kind: Kind, entries: &[Entry]) -> Vec<Finding> {
        entries
            .iter()
            .map(|entry| self.finding(kind, entry))
            .collect()
    }

    /// The finding that an entry of this kind is.
    pub(super) fn finding(&self, kind: Kind, entry: &Entry) -> Finding {
        let range = self.range(entry);
        let at = entry.at.map(|at| self.place(at));
        let place = at
            .clone()
            .unwrap_or_else(|| self.place(Location::default()));
        let producer = || entry.producers.first().map(|producer| producer.thread());
        let numbers = entry
            .numbers
            .clone()
            .map_or_else(String::new, balance::numbers);
        match (kind, &entry.detail) {
            (Kind::Lost, Detail::Lost { announced, before }) => Finding::Lost {
                range,
                announced: *announced,
                before: before.map(|at| self.place(at)),
            },
            (Kind::Duplicated, _) => Finding::Duplicated { range, at: place },
            (Kind::Reordered | Kind::TimeFell, _) => Finding::Reordered {
                range,
                at: place,
                time_only: kind == Kind::TimeFell,
            },
            (Kind::Late, _) => Finding::Late { range, at: place },
            (Kind::Altered, Detail::Changes(changes)) => Finding::Altered {
                author: producer().unwrap_or_default(),
                seq: range.first.unwrap_or_default(),
                changes: changes.clone(),
                at: place,
            },
            (Kind::Truncated, Detail::Words(_, text)) => Finding::Truncated {
                author: producer(),
                seq: range.first,
                at: place,
                text: text.clone(),
            },
            (Kind::Unexpected, Detail::Words(why, text)) => Finding::Unexpected {
                why: match producer() {
                    Some(thread) => format!("{thread} at seq {numbers} left its plan: {why}"),
                    None => why.clone(),
                },
                count: entry.count,
                at: place,
                text: text.clone(),
            },
            (Kind::CounterAgain, _) => Finding::Books {
                what: format!("counter {numbers} again"),
                at,
            },
            (Kind::CounterFell, _) => Finding::Books {
                what: format!(
                    "the counter does not rise along {} at seq {numbers}",
                    producer().unwrap_or_default()
                ),
                at,
            },
            (_, detail) => Finding::Books {
                what: match detail {
                    Detail::Words(what, _) => what.clone(),
                    _ => String::new(),
                },
                at,
            },
        }
    }

    fn outstanding(&self, (producer, numbers): &(Producer, Numbers<u64>)) -> Range {
        Range {
            author: producer.thread(),
            first: Some(numbers.start),
            last: Some(numbers.end - 1),
            count: numbers.end - numbers.start,
        }
    }
}

/// What is said of a run whose account is closed.
pub(super) fn run_verdict(
    config: &AuditConfig,
    namer: &Namer<'_>,
    mut account: RunAccount,
    evidence: &Evidence,
    unreadable: bool,
    budget: &mut Budget,
) -> RunVerdict {
    let mut balance = balance::balance(&mut account, config.killed, budget);
    let judged = account.run.workload().is_some() && !account.run.contradicted();
    if judged {
        damage(config, &mut account, &mut balance);
    }
    let outstanding = balance
        .outstanding
        .iter()
        .filter(|(_, numbers)| !numbers.is_empty());
    let mut out = RunVerdict {
        run: format!("{:016x}", account.run.id),
        status: Status::Clean,
        outstanding: outstanding.map(|range| namer.outstanding(range)).collect(),
        cannot_tell: balance.cannot_tell,
        notes: balance.notes,
        lines: account.lines,
        threads: account.run.workload().map(|workload| workload.threads),
        seed: account.run.workload().map(|workload| workload.seed),
        ended: balance.ended,
        stopped_by: account.main.stopped_by(),
        workload: account
            .run
            .workload()
            .filter(|w| w.group.is_some())
            .cloned(),
        began_us: account.first_stamp,
        set_aside: None,
        counts: Counts::default(),
        delay: account.delays.summary(),
        causes: Vec::new(),
        findings: Vec::new(),
    };
    if judged {
        let found = &account.findings;
        // Where the numbers are out of order already, the time tells nothing more.
        let order = match found.count(Kind::Reordered) {
            0 => Kind::TimeFell,
            _ => Kind::Reordered,
        };
        out.counts.announced = balance.announced;
        for kind in [
            Kind::Lost,
            Kind::Duplicated,
            order,
            Kind::Altered,
            Kind::Truncated,
            Kind::Unexpected,
            Kind::Late,
            Kind::Books,
            Kind::CounterAgain,
            Kind::CounterFell,
        ] {
            out.counts.count(kind.name(), found.count(kind));
            out.findings.extend(namer.findings(kind, found.kept(kind)));
        }
        out.causes = causes::causes(&account, &out, evidence);
    }
    out.status = status(config, &out, unreadable);
    out
}

/// Names altered and truncated lines. The last line of a run that was killed may be cut short.
fn damage(config: &AuditConfig, account: &mut RunAccount, balance: &mut Balance) {
    for damage in std::mem::take(&mut account.damage) {
        let cut_by_a_kill = config.killed && !balance.ended && account.ends_at(damage.at);
        let (kind, entry) = damage.finding();
        if kind == Kind::Truncated && cut_by_a_kill {
            let note = "its last line is cut short, as a kill leaves it";
            balance.notes.push(note.into());
        } else {
            account.findings.add_alone(kind, 1, || entry);
        }
    }
    let (altered, truncated) = account.damage_more;
    for (kind, count) in [(Kind::Altered, altered), (Kind::Truncated, truncated)] {
        account.findings.count_more(kind, count);
    }
}

/// What the counts come to under the options.
pub(super) fn status(config: &AuditConfig, run: &RunVerdict, unreadable: bool) -> Status {
    let counts = &run.counts;
    let duplicated = if config.at_least_once {
        0
    } else {
        counts.duplicated
    };
    // What seems lost may stand where nothing can be read.
    let lost = counts.lost > config.allow_lost && !unreadable;
    let others = [
        duplicated,
        counts.reordered,
        counts.altered,
        counts.truncated,
        counts.unexpected,
        counts.late,
        counts.books,
    ];
    if lost || others.iter().any(|count| *count > 0) {
        Status::Findings
    } else if run.cannot_tell.is_empty() && !(unreadable && counts.lost > config.allow_lost) {
        Status::Clean
    } else {
        Status::CannotTell
    }
}
