//! What differs between two lines, field by field.

use super::{
    record::{self, find},
    verdict::Change,
};
use crate::log::{
    event::Event,
    line::{Line, STAMP_LEN},
};

/// What differs between the line as it was and as it is found, by field.
pub fn changes(whole: &[u8], found: &[u8], json: bool) -> Vec<Change> {
    let spans = fields(whole, json);
    if whole.len() == found.len() {
        return spans
            .into_iter()
            .filter(|(_, name, value)| whole[name.start..value.end] != found[name.start..value.end])
            .map(|(field, name, value)| {
                let in_name = whole[name.start..value.start] != found[name.start..value.start];
                let span = if in_name {
                    name.start..value.end
                } else {
                    value
                };
                change(field, &whole[span.clone()], &found[span])
            })
            .collect();
    }
    if let (Ok(whole), Ok(found)) = (Line::parse(whole), Line::parse(found)) {
        return changes_by_name(&whole, &found);
    }
    let same = whole.iter().zip(found).take_while(|(a, b)| a == b).count();
    let behind = whole.len().min(found.len()) - same;
    let same_end = whole.iter().rev().zip(found.iter().rev());
    let same_end = same_end.take(behind).take_while(|(a, b)| a == b).count();
    let field = spans
        .iter()
        .find(|(_, _, value)| same < value.end)
        .map_or("line", |(field, ..)| *field);
    vec![change(
        field,
        &whole[same..whole.len() - same_end],
        &found[same..found.len() - same_end],
    )]
}

fn change(field: &str, expected: &[u8], found: &[u8]) -> Change {
    Change {
        field: field.into(),
        expected: Some(String::from_utf8_lossy(expected).into_owned()),
        found: String::from_utf8_lossy(found).into_owned(),
    }
}

fn changes_by_name(whole: &Line, found: &Line) -> Vec<Change> {
    let mut out = Vec::new();
    let mut compare = |field: &str, expected: &str, found: Option<&str>| {
        if found != Some(expected) {
            out.push(Change {
                field: field.into(),
                expected: Some(expected.into()),
                found: found.unwrap_or("(missing)").into(),
            });
        }
    };
    compare("timestamp", &whole.stamp, Some(&found.stamp));
    compare("level", &whole.level, Some(&found.level));
    compare("thread", &whole.thread, Some(&found.thread));
    compare("message", &whole.message, Some(&found.message));
    for (name, value) in &whole.fields {
        compare(name, value, found.field(name));
    }
    let sums = [whole.sum, found.sum].map(|sum| format!("{sum:08x}"));
    compare("sum", &sums[0], Some(&sums[1]));
    out
}

type FieldSpan<'a> = (&'a str, std::ops::Range<usize>, std::ops::Range<usize>);

/// Where the fields of a line stand that the program wrote: each with its name and its value, and between
/// them the whole line.
fn fields(line: &[u8], json: bool) -> Vec<FieldSpan<'static>> {
    let message = Line::parse(line)
        .map(|line| line.message)
        .unwrap_or_default();
    let names = Event::field_names(&message).unwrap_or_default();
    let head: &[&'static str] = if json {
        &[
            "timestamp",
            "level",
            "thread",
            "message",
            "run",
            "worker",
            "seq",
        ]
    } else {
        &["run", "worker", "seq"]
    };
    let mut out: Vec<FieldSpan<'static>> = Vec::new();
    let mut at = 0;
    if !json {
        let thread = STAMP_LEN + record::LEVEL_WIDTH;
        let end = find(&line[thread..], b" ").map_or(line.len(), |n| thread + n);
        let message_end = find(line, b" run=").unwrap_or(line.len());
        out.push(("timestamp", 0..0, 0..STAMP_LEN));
        out.push(("level", STAMP_LEN..STAMP_LEN, STAMP_LEN..thread));
        out.push(("thread", thread..thread, thread..end));
        out.push(("message", end..end, end..message_end));
        at = message_end;
    }
    for name in head.iter().chain(names).chain(&["sum"]) {
        let mark = match (json, *name) {
            (true, "timestamp") => "{\"timestamp\":".to_owned(),
            (true, name) => format!(",\"{name}\":"),
            (false, name) => format!(" {name}="),
        };
        let Some(start) = find(&line[at..], mark.as_bytes()).map(|n| at + n) else {
            continue;
        };
        // The field before ends here.
        if let Some((_, _, value)) = out.last_mut() {
            value.end = start;
        }
        at = start + mark.len();
        out.push((name, start..at, at..line.len()));
    }
    out
}
