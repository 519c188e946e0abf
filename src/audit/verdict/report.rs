//! The verdict as text, for a person in trouble: the verdict first, then what, where and the likely cause.
//!
//! This file must not know how anything was found.

use std::time::Duration;

use super::{
    Change, Finding, Kind, Place, Range, Verdict,
    delay::DelaySummary,
    findings::KEPT_MAX,
    sections::{Section, sections},
};
use crate::plan::format::{counted, lines_of};

/// Lines are no longer than this, save where a name or a quotation is.
const WIDTH: usize = 80;
/// How many findings of a kind are shown of a run; the JSON form has more.
const SHOWN: usize = 10;

/// The verdict as text.
pub fn report(verdict: &Verdict) -> String {
    let sections = sections(verdict).into_iter();
    let told = sections.filter(|section| !section.goes_without_saying);
    told.map(|section| text(&section))
        .collect::<Vec<_>>()
        .join("\n")
}

fn text(section: &Section<'_>) -> String {
    let mut out = format!("{}\n", section.head);
    for why in section.unanswered {
        out += &paragraph("  ", &format!("Cannot tell: {why}."));
    }
    for note in section.notes.iter().take(SHOWN) {
        out += &paragraph("  ", &format!("Note: {note}."));
    }
    out += &more(section.notes.len());
    let delay = section.run.and_then(|run| run.delay);
    out += &delay.map(delay_words).unwrap_or_default();
    for case in section.cases.iter().filter(|case| case.count > 0) {
        out += &format!("  {}: {}\n", case.name, case.count);
        let shown = case.shown.iter().take(SHOWN);
        out.extend(shown.map(|(_, words)| words.as_str()));
        out += &more(case.kept);
        for cause in &case.causes {
            out += &paragraph("    ", &format!("Likely cause: {cause}."));
        }
    }
    out
}

/// Says that there are more entries than are shown. The JSON form has those that were kept.
fn more(kept: usize) -> String {
    match kept {
        KEPT_MAX.. => format!("    … and many more; --format json has the first {kept}\n"),
        _ if kept > SHOWN => {
            let more = kept - SHOWN;
            format!("    … and {more} more; --format json has them\n")
        }
        _ => String::new(),
    }
}

/// A finding in words, as the report shows it.
pub(crate) fn finding_words(finding: &Finding) -> String {
    let headline = headline(finding);
    let mut out = match finding.kind {
        Kind::Unexpected | Kind::Books => paragraph("    ", &headline),
        _ => format!("    {headline}\n"),
    };
    for change in &finding.changes {
        out += &format!("      {}\n", change_words(change));
    }
    if !finding.text.is_empty() {
        let shown: String = finding.text.chars().take(WIDTH - 9).collect();
        let cut = if shown.len() < finding.text.len() {
            "…"
        } else {
            ""
        };
        out += &format!("      | {shown}{cut}\n");
    }
    out
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
            format!("{lines}, out of order at {at}")
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

/// How long lines took, in words.
fn delay_words(delay: DelaySummary) -> String {
    let micros = |us: u64| humantime::format_duration(Duration::from_micros(us)).to_string();
    let text = format!(
        "Delay of {}: half within {}, nine of ten within {}, 99 of 100 within {}, the longest {}.",
        counted(delay.lines, "line"),
        micros(delay.p50_us),
        micros(delay.p90_us),
        micros(delay.p99_us),
        micros(delay.max_us)
    );
    let text = match delay.min_us {
        0.. => text,
        early => format!(
            "{text} By the clocks one came {} before it was logged: they disagree.",
            micros(early.unsigned_abs())
        ),
    };
    paragraph("  ", &text)
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
pub(super) fn paragraph(indent: &str, text: &str) -> String {
    let further = format!("{indent}  ");
    textwrap::fill(text, lines_of(WIDTH, indent, &further)) + "\n"
}
