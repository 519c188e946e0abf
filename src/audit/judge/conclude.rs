//! From the accounts to the verdict: what was found is named, put in order and counted.

use super::{Judge, causes, damage::FAILURES_MAX, evidence::Evidence, group};
use crate::audit::{
    account::{balance, cursor::Budget, run::RunAccount},
    config::{AuditConfig, Select},
    verdict::{
        Change, Counts, Finding, Kind, RunVerdict, Status, Verdict,
        excerpt::shortened,
        findings::{Findings, Names},
        words::change_words,
    },
};

/// So many altered lines of a short run may be accidents, though it has hardly others.
const FEW: u64 = 8;

/// Sums up. `whole` says that memory sufficed to read everything.
pub(crate) fn verdict(mut judge: Judge<'_>, whole: bool) -> Verdict {
    let mut unreadable = unreadable_inputs(&judge);
    let some_damaged = judge.cut.iter().any(|cut| cut.damaged);
    unreadable.extend(judge.cut.iter().map(|cut| cut.why.clone()));
    let some_unreadable = !unreadable.is_empty();
    let (select, last) = (judge.config.select, last(&judge));
    let is_selected = |account: &RunAccount| {
        select.may_be(account.run.id) && last.is_none_or(|last| last == account.run.index)
    };
    let mut accounts = judge.accounts.iter().flatten();
    let of_a_run = accounts.any(|account| account.run.workload().is_none());
    let too_little = too_little(&judge, whole, of_a_run);
    let strays = judge.strays.counts.unexpected;
    if of_a_run && strays > 0 && judge.evidence.of_no_run == strays {
        judge.strays = Findings::default();
    }
    let config = judge.config;
    let backwards = judge.inputs.iter().filter(|(_, input)| input.backwards);
    let backwards = backwards.map(|(file, _)| {
        let name = judge.names.input(*file);
        format!("{name} has its newest lines first, and was judged backwards")
    });
    let unread = some_unreadable || !whole || judge.no_room > 0;
    let mut out = Verdict {
        notes: backwards.chain(judge.folded.words()).collect(),
        unread,
        cannot_tell: unreadable,
        lines: judge.lines,
        bytes: judge.bytes,
        stray_count: judge.strays.counts.unexpected,
        strays: judge.strays.all().cloned().collect(),
        ..Verdict::default()
    };
    out.runs.extend(judge.closed);
    for account in judge.accounts.into_iter().flatten() {
        if is_selected(&account) {
            let run = judge_run(
                config,
                *account,
                &judge.evidence,
                &judge.budget,
                some_unreadable,
            );
            out.runs.push(run);
        }
    }
    if out.runs.is_empty() && out.cannot_tell.is_empty() && !unread {
        out.cannot_tell
            .push(no_run(config, &judge.evidence, &judge.names));
    }
    out.cannot_tell.extend(too_little);
    if config.select == Select::All {
        out.groups = group::judge(&mut out.runs, !out.unread);
    }
    out.status = match some_damaged {
        true => Status::CannotTell,
        false => overall(&out, config.select).max(judge.folded.status),
    };
    out
}

/// What cannot be told because there was too little time or memory for it.
fn too_little(judge: &Judge<'_>, whole: bool, of_a_run: bool) -> Vec<String> {
    let mebibytes = judge.config.memory >> 20;
    let mut why = Vec::new();
    if judge.evidence.worn_out {
        why.push("what each damaged line was: there are so many that the later ones were not looked at closely".into());
    }
    let lines = judge.lines;
    if !whole && of_a_run {
        why.push(format!(
            "what stands behind line {lines}: without a \"Run started\" all lines are kept, and {mebibytes} MiB do not \
             suffice for more; give its configuration (--seed, --threads …), or --memory allows more"
        ));
    } else if !whole {
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

/// What the runs come to of which no more is kept.
#[derive(Debug, Default)]
pub(crate) struct Folded {
    /// How many there are.
    pub runs: u64,
    /// Their lines.
    lines: u64,
    /// Their differences.
    counts: Counts,
    /// What is said of them.
    status: Status,
}

impl Folded {
    /// Counts a run.
    pub(crate) fn add(&mut self, run: &RunVerdict) {
        self.runs += 1;
        self.lines += run.lines;
        self.counts += run.counts;
        if run.status == Status::Findings {
            self.status = run.status;
        }
    }

    /// What there is to say of runs of which no more is kept.
    fn words(&self) -> Option<String> {
        let found = self.counts.by_name().into_iter();
        let found: Vec<_> = found
            .filter(|(_, count)| *count > 0)
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        let found = match &found[..] {
            [] => "nothing is missing, nothing is wrong".into(),
            _ => found.join(", "),
        };
        let (runs, lines) = (self.runs, self.lines);
        (runs > 0).then(|| format!("{runs} runs with {lines} lines ended before these: {found}"))
    }
}

/// Why there is no run to be judged.
fn no_run(config: &AuditConfig, evidence: &Evidence, names: &Names) -> String {
    match (config.select, &evidence.unreadable) {
        (Select::Run(id), _) => format!("there is no run {id:016x} in it"),
        (_, None) => "there is no run in it".into(),
        (_, Some((text, at))) => format!(
            "there is no run in it: nothing can be read as a record of this program, from {} on (`{}`); \
             give the log as the program wrote it, or the pipeline's output before it rewrites the lines",
            names.place(*at),
            shortened(text, 60)
        ),
    }
}

/// Inputs that hold lines, but no record that could be read.
fn unreadable_inputs(judge: &Judge<'_>) -> Vec<String> {
    let some = judge.inputs.values().any(|input| input.records > 0);
    let unreadable =
        (judge.inputs.iter()).filter(|(_, input)| some && input.records == 0 && input.others > 0);
    unreadable
        .map(|(file, input)| {
            format!(
                "none of the {} lines of {} can be read as a record: what seems lost may be there",
                input.others,
                judge.names.input(*file)
            )
        })
        .collect()
}

/// The run that began last, where only that is to be judged.
fn last(judge: &Judge<'_>) -> Option<u32> {
    let all = judge.accounts.iter().flatten();
    let last = all.max_by_key(|account| account.arrivals.first_stamp);
    last.filter(|_| judge.config.select == Select::Last)
        .map(|account| account.run.index)
}

/// What is said of all runs and groups together, and of what belongs to none.
pub(crate) fn overall(verdict: &Verdict, select: Select) -> Status {
    // Of a run whose configuration is not known they may be a part.
    let some_known = verdict.runs.iter().any(|run| run.threads.is_some());
    let own = if verdict.stray_count > 0 && select == Select::All && some_known {
        Status::Findings
    } else if !verdict.cannot_tell.is_empty() {
        Status::CannotTell
    } else {
        Status::Clean
    };
    let runs = verdict.runs.iter().filter(|run| run.set_aside.is_none());
    let groups = verdict.groups.iter().map(|group| group.status);
    runs.map(|run| run.status)
        .chain(groups)
        .fold(own, Status::max)
}

/// Judges a run of which nothing more is to come. `unreadable` says that there are inputs that could not be read.
pub(crate) fn judge_run(
    config: &AuditConfig,
    mut account: RunAccount,
    evidence: &Evidence,
    budget: &Budget,
    unreadable: bool,
) -> RunVerdict {
    let mut out = balance::balance(&mut account, config.killed, budget);
    if account.run.workload().is_some() {
        damaged(config, &mut account, &mut out);
        if let Some(why) = rewritten(&account).or_else(|| unread(&account, evidence)) {
            out.cannot_tell.push(why);
            account.findings = Findings::default();
        }
    } else {
        account.findings = Findings::default();
    }
    if config.max_delay.is_some() && account.arrivals.delays.times().is_none() {
        let why = "whether its lines are late: beside none of them is a time at which the pipeline received it";
        out.cannot_tell.push(why.into());
    }
    out.causes = causes::causes(&account, evidence);
    out.counts = account.findings.counts;
    out.findings = account.findings.all().cloned().collect();
    let mut found = out.counts;
    if config.at_least_once {
        found.duplicated = 0;
    }
    // What seems lost may stand where nothing can be read.
    let lost = found.lost > config.allow_lost;
    found.lost = u64::from(lost && !unreadable);
    out.status = if found.by_name().iter().any(|(_, count)| *count > 0) {
        Status::Findings
    } else if out.cannot_tell.is_empty() && !lost {
        Status::Clean
    } else {
        Status::CannotTell
    };
    out
}

/// Why it cannot be told what is wrong with a run of which so many records were changed in one and the same way that no accident,
/// but a pipeline has rewritten them.
fn rewritten(account: &RunAccount) -> Option<String> {
    let altered = account.findings.counts.altered;
    if altered <= FEW || altered * 2 <= account.lines {
        return None;
    }
    let lines = account.findings.kept(Kind::Altered).iter();
    let lines: Vec<&Finding> = lines.filter(|line| line.lines.first.is_some()).collect();
    let usual = lines.get(lines.len() / 2)?;
    let differs = |line: &&&Finding| {
        let fields = line.changes.iter().map(|change| &change.field);
        fields.ne(usual.changes.iter().map(|change| &change.field))
    };
    // Another number is another value, and no other way to write it.
    let is_number = |change: &Change| change.found.parse::<u64>().is_ok();
    let others = lines.iter().filter(differs).count() as u64;
    if others > FEW || usual.changes.iter().any(is_number) {
        return None;
    }
    let first = lines.first()?;
    let at = first.at.as_ref()?;
    let change = first.changes.first().map(change_words).unwrap_or_default();
    Some(format!(
        "what is wrong with it: a pipeline has rewritten its lines, {altered} of {}, from {at} on ({change}); give the log as the \
         program wrote it, or the pipeline's output before it rewrites the lines",
        account.lines
    ))
}

/// Why it cannot be told what of a run is missing: it may be among the lines that could not be read, of which there were more than
/// could be looked at closely.
fn unread(account: &RunAccount, evidence: &Evidence) -> Option<String> {
    let Counts {
        unexpected, lost, ..
    } = account.findings.counts;
    let altered = account.findings.kept(Kind::Altered).iter();
    let unnamed = altered.filter(|line| line.lines.first.is_none()).count() as u64;
    let worn_out = evidence.worn_out && lost > 0 && unexpected + unnamed >= u64::from(FAILURES_MAX);
    worn_out.then(|| {
        format!("what is missing: so many of its lines cannot be read that the {lost} that seem lost may be among them")
    })
}

/// Names the damaged lines. The last line of a run that was killed may be cut short.
fn damaged(config: &AuditConfig, account: &mut RunAccount, verdict: &mut RunVerdict) {
    for line in std::mem::take(&mut account.damaged) {
        if config.killed && !verdict.ended && line.is_cut && account.ends_at(line.at) {
            let note = "its last line is cut short, as a kill leaves it";
            verdict.notes.push(note.into());
        } else {
            line.tell(&mut account.findings);
        }
    }
}
