//! What the forms of a verdict say of a finding, in words.

use std::ops::RangeInclusive;

use super::{Change, Finding, Kind, Place, Range, excerpt::shortened};
use crate::plan::format::lines_of;

/// Lines are no longer than this, save where a name or a quotation is.
const WIDTH: usize = 80;

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
        out += &format!("      | {}\n", shortened(&finding.text, WIDTH - 9));
    }
    out
}

/// Which lines a finding concerns, and where they are.
pub fn headline(finding: &Finding) -> String {
    let (lines, why) = (range_words(&finding.lines), &finding.why);
    let count = finding.lines.count;
    let at = finding.at.as_ref().map(Place::to_string);
    let said = if why.is_empty() { "" } else { ", " };
    let numbers = finding.lines.numbers().map(words_of);
    let books = || numbers.map_or_else(|| why.clone(), |numbers| format!("{why}: {numbers}"));
    match (finding.kind, at) {
        (Kind::Lost, Some(at)) => format!("{lines}{said}{why}, before {at}"),
        (Kind::Books, Some(at)) => format!("{} ({at})", books()),
        (Kind::Books, None) => books(),
        (_, None) => format!("{lines}{said}{why}"),
        (Kind::Duplicated, Some(at)) => format!("{lines}, again at {at}"),
        (Kind::Reordered, Some(at)) if why.is_empty() => format!("{lines}, out of order at {at}"),
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

/// Lines, in words.
pub(crate) fn range_words(range: &Range) -> String {
    let Range { author, count, .. } = range;
    match range.numbers().map(words_of) {
        Some(numbers) if *count == 1 => format!("{author}: seq {numbers}"),
        Some(numbers) => format!("{author}: seq {numbers} ({count})"),
        None if author.is_empty() => "a line that cannot be named any more".into(),
        None => format!("{author}: {count} whose numbers cannot be known"),
    }
}

/// One number, or the first and the last.
fn words_of(numbers: RangeInclusive<u64>) -> String {
    let (first, last) = numbers.into_inner();
    match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    }
}

/// Text in lines of [`WIDTH`]; all but the first are indented two further.
pub(super) fn paragraph(indent: &str, text: &str) -> String {
    let further = format!("{indent}  ");
    textwrap::fill(text, lines_of(WIDTH, indent, &further)) + "\n"
}
