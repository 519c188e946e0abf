//! The verdict as text, for a person in trouble: the verdict first, then what, where and the likely cause.
//!
//! This file must not know how anything was found.

use std::{
    fmt::{self, Write as _},
    time::Duration,
};

use super::{
    Change, Finding, GroupVerdict, Kind, Place, Range, RunVerdict, Status, Verdict,
    findings::KEPT_MAX,
};
use crate::plan::format::{counted, lines_of};

/// Lines are no longer than this, save where a name or a quotation is.
const WIDTH: usize = 80;
/// How many findings of a kind are shown of a run; the JSON form has more.
const SHOWN: usize = 10;

/// The verdict as text.
pub fn report(verdict: &Verdict) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_verdict(&mut out, verdict);
    out
}

fn write_verdict(out: &mut String, verdict: &Verdict) -> fmt::Result {
    let runs = verdict.runs.len();
    let what = format!(
        "{} and {} read",
        counted(runs, "run"),
        counted(verdict.lines, "line")
    );
    match verdict.status {
        Status::Clean if accepted(verdict) => {
            writeln!(
                out,
                "CLEAN: {what}; all that is missing or wrong was to be accepted."
            )?;
        }
        Status::Clean => writeln!(out, "CLEAN: {what}; nothing is missing, nothing is wrong.")?,
        Status::Findings => writeln!(out, "FINDINGS: {what}; the log is not what it must be.")?,
        Status::CannotTell => writeln!(out, "CANNOT TELL: {what}.")?,
    }
    write_notes(out, &verdict.cannot_tell, &verdict.notes)?;
    for group in &verdict.groups {
        writeln!(out)?;
        write_group(out, group)?;
    }
    // The verdict on one shard alone has no group's verdict that speaks for it.
    let spoken_for = |run: &RunVerdict| !verdict.groups.is_empty() && goes_without_saying(run);
    for run in verdict.runs.iter().filter(|run| !spoken_for(run)) {
        writeln!(out)?;
        write_run(out, run)?;
    }
    if verdict.stray_count > 0 {
        writeln!(out, "\nOf no run: {}", counted(verdict.stray_count, "line"))?;
        write_findings(out, verdict.strays.iter())?;
    }
    Ok(())
}

/// Whether a clean verdict owes its cleanness to what the options accept.
fn accepted(verdict: &Verdict) -> bool {
    let told = |run: &RunVerdict| {
        !run.notes.is_empty() || run.counts.by_name().into_iter().any(|(_, count)| count > 0)
    };
    verdict.runs.iter().any(told)
}

/// Whether nothing needs to be said of a run that its group's verdict does not say.
fn goes_without_saying(run: &RunVerdict) -> bool {
    run.workload.is_some()
        && (run.status == Status::Clean
            || run.set_aside.is_some() && run.status == Status::CannotTell)
}

fn write_group(out: &mut String, group: &GroupVerdict) -> fmt::Result {
    let GroupVerdict {
        group: id,
        shards,
        present,
        ..
    } = group;
    writeln!(
        out,
        "group {id}: {}, {present} of {}, {}, {}, seed {}",
        status_word(group.status),
        counted(shards, "shard"),
        counted(group.lines, "line"),
        counted(group.workers, "worker"),
        group.seed
    )?;
    for (what, count, words) in group.wrong() {
        if count == 0 {
            continue;
        }
        writeln!(out, "  {what}: {count}")?;
        for words in words.iter().take(SHOWN) {
            paragraph(out, "    ", words)?;
        }
        more(out, count as usize)?;
        if what == "lost shards" {
            let cause = "a node or pod that never started it, a log that was not collected or not given to the audit, or \
                         a shard that was started with another --group";
            paragraph(out, "    ", &format!("Likely cause: {cause}."))?;
        }
    }
    write_notes(out, &[], &group.notes[..group.notes.len().min(SHOWN)])?;
    more(out, group.notes.len())
}

fn write_notes(out: &mut String, cannot_tell: &[String], notes: &[String]) -> fmt::Result {
    for why in cannot_tell {
        paragraph(out, "  ", &format!("Cannot tell: {why}."))?;
    }
    for note in notes {
        paragraph(out, "  ", &format!("Note: {note}."))?;
    }
    Ok(())
}

fn status_word(status: Status) -> &'static str {
    match status {
        Status::Clean => "clean",
        Status::Findings => "findings",
        Status::CannotTell => "cannot tell",
    }
}

fn write_run(out: &mut String, run: &RunVerdict) -> fmt::Result {
    let word = status_word(run.status);
    write!(
        out,
        "run {}: {word}, {}",
        run.run,
        counted(run.lines, "line")
    )?;
    if let (Some(threads), Some(seed)) = (run.threads, run.seed) {
        write!(out, ", {}, seed {seed}", counted(threads, "worker"))?;
    }
    if let Some(workload) = &run.workload {
        write!(out, ", shard {}", workload.shard)?;
    }
    writeln!(out)?;
    write_notes(out, &run.cannot_tell, &run.notes)?;
    write_delay(out, run)?;
    if !run.outstanding.is_empty() {
        let count: u64 = run.outstanding.iter().map(|range| range.count).sum();
        paragraph(
            out,
            "  ",
            &format!(
                "Not there, and not counted as lost: {}.",
                counted(count, "line")
            ),
        )?;
        for range in run.outstanding.iter().take(SHOWN) {
            writeln!(out, "    {}", range_words(range))?;
        }
        more(out, run.outstanding.len())?;
    }
    for (kind, count) in run.counts.by_name() {
        if count > 0 {
            writeln!(out, "  {kind}: {count}")?;
            write_findings(out, run.of_kind(kind))?;
            for cause in run.causes.iter().filter(|cause| cause.kind == kind) {
                paragraph(out, "    ", &format!("Likely cause: {}.", cause.text))?;
            }
        }
    }
    Ok(())
}

fn write_findings<'a>(
    out: &mut String,
    findings: impl Iterator<Item = &'a Finding> + Clone,
) -> fmt::Result {
    for finding in findings.clone().take(SHOWN) {
        write_finding(out, finding)?;
    }
    more(out, findings.count())
}

/// Says that there are more entries than are shown. The JSON form has those that were kept.
fn more(out: &mut String, kept: usize) -> fmt::Result {
    match kept {
        KEPT_MAX.. => writeln!(
            out,
            "    … and many more; --format json has the first {kept}"
        ),
        _ if kept > SHOWN => writeln!(
            out,
            "    … and {} more; --format json has them",
            kept - SHOWN
        ),
        _ => Ok(()),
    }
}

/// A finding in words, as the report shows it.
pub(crate) fn finding_words(finding: &Finding) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_finding(&mut out, finding);
    out
}

fn write_finding(out: &mut String, finding: &Finding) -> fmt::Result {
    let headline = headline(finding);
    match finding.kind {
        Kind::Unexpected | Kind::Books => paragraph(out, "    ", &headline)?,
        _ => writeln!(out, "    {headline}")?,
    }
    for change in &finding.changes {
        writeln!(out, "      {}", change_words(change))?;
    }
    quote(out, &finding.text)
}

/// Which lines a finding concerns, and where they are.
pub fn headline(finding: &Finding) -> String {
    let (lines, why) = (range_words(&finding.lines), &finding.why);
    let count = finding.lines.count;
    let at = finding.at.as_ref().map(Place::to_string);
    let said = if why.is_empty() { "" } else { ", " };
    let numbers = finding.lines.numbers();
    let books = || numbers.map_or_else(|| why.clone(), |numbers| format!("{why}: {numbers}"));
    match (finding.kind, at) {
        (Kind::Lost, Some(at)) => format!("{lines}{said}{why}, before {at}"),
        (Kind::Books, Some(at)) => format!("{} ({at})", books()),
        (Kind::Books, None) => books(),
        (_, None) => format!("{lines}{said}{why}"),
        (Kind::Duplicated, Some(at)) => format!("{lines}, again at {at}"),
        (Kind::Reordered, Some(at)) if why.is_empty() => {
            format!("{lines}, behind later ones at {at}")
        }
        (Kind::Reordered, Some(at)) => format!("{lines}, {why} at {at}"),
        (Kind::Late, Some(at)) => format!("{lines}, the first at {at}"),
        (Kind::Altered | Kind::Truncated, Some(at)) => format!("{lines} at {at}"),
        (Kind::Unexpected, Some(at)) if count == 1 => format!("{at}: {why}"),
        (Kind::Unexpected, Some(at)) => format!("{count} lines from {at}: {why}"),
    }
}

/// What was changed, in words.
pub fn change_words(change: &Change) -> String {
    let Change {
        field,
        expected,
        found,
    } = change;
    match expected {
        Some(expected) => format!("{field}: expected {expected:?}, found {found:?}"),
        None => format!("{field}: found {found:?}"),
    }
}

fn quote(out: &mut String, text: &str) -> fmt::Result {
    if text.is_empty() {
        return Ok(());
    }
    let shown: String = text.chars().take(WIDTH - 9).collect();
    let cut = if shown.len() < text.len() { "…" } else { "" };
    writeln!(out, "      | {shown}{cut}")
}

/// How long lines took, in words.
fn write_delay(out: &mut String, run: &RunVerdict) -> fmt::Result {
    let Some(delay) = run.delay else {
        return Ok(());
    };
    let micros = |us: u64| humantime::format_duration(Duration::from_micros(us)).to_string();
    let text = format!(
        "Delay of {}: half within {}, nine of ten within {}, 99 of 100 within {}, the longest {}.",
        counted(delay.lines, "line"),
        micros(delay.p50_us),
        micros(delay.p90_us),
        micros(delay.p99_us),
        micros(delay.max_us)
    );
    paragraph(out, "  ", &text)
}

/// Lines, in words.
pub(crate) fn range_words(range: &Range) -> String {
    let Range { author, count, .. } = range;
    match range.numbers() {
        Some(numbers) if *count == 1 => format!("{author}: seq {numbers}"),
        Some(numbers) => format!("{author}: seq {numbers} ({count})"),
        None if author.is_empty() => "a line that cannot be named any more".into(),
        None => format!("{author}: {count} whose numbers cannot be known"),
    }
}

/// Text in lines of [`WIDTH`]; all but the first are indented two further.
fn paragraph(out: &mut String, indent: &str, text: &str) -> fmt::Result {
    let further = format!("{indent}  ");
    let lines = textwrap::fill(text, lines_of(WIDTH, indent, &further));
    writeln!(out, "{lines}")
}
