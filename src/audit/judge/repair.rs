//! A record put right by trial: single characters of its text are changed, taken out or added until the checksum holds.

use memchr::memmem;

use super::hints::Hints;
use crate::{
    audit::records::{
        find,
        record::{Record, SUM_LEN, hex8},
        scanned::Suspect,
    },
    log::{
        event::{Event, OPTIONAL},
        line::{Line, checksum},
    },
};

/// What it costs to try every character, in steps of plans: two milliseconds.
pub(crate) const REPAIR: u64 = 1 << 16;
/// Longer texts are not repaired by trial: the time grows with the square of the length.
const REPAIR_MAX: usize = 1024;

/// Puts one character right, so that the checksum holds.
pub(super) fn repair(suspect: &Suspect, hints: &Hints) -> Option<Record> {
    match (hints.keyed, suspect.json) {
        (true, _) => {
            let texts = texts(hints);
            let mut repaired = texts.iter().filter_map(|text| repair_text(text.as_bytes()));
            repaired.next()
        }
        (false, true) => repair_structure(&suspect.bytes),
        (false, false) => repair_text(&suspect.bytes),
    }
}

/// The text forms that a record in another form may have had, from the likeliest on.
fn texts(hints: &Hints) -> Vec<String> {
    let head = ["timestamp", "level", "thread", "message", "sum"];
    let context = ["run", "worker", "seq"];
    let known_name = |name: &str| {
        head.contains(&name)
            || context.contains(&name)
            || Event::FIELD_NAMES.concat().contains(&name)
    };
    // A field whose name was changed has the value of the one that no name fits.
    let strange = hints.fields.iter().find(|(name, _)| !known_name(name));
    let strange = strange.map_or("", |(_, value)| value.as_str());
    let value = |name: &str| hints.value(name).unwrap_or(strange).to_owned();
    let [stamp, level, thread, message, sum] = head.map(value);
    // No single character makes up for one of these.
    if [&stamp, &level, &thread, &message, &sum]
        .iter()
        .any(|value| value.is_empty())
    {
        return Vec::new();
    }
    let known = Event::field_names(&message);
    let has = |names: &[&str]| names.iter().filter(|n| hints.value(n).is_some()).count();
    // Of a message that was changed the fields tell which event it was.
    let mut schemas: Vec<&[&str]> = match known {
        Some(names) => vec![names],
        None => Event::FIELD_NAMES.to_vec(),
    };
    schemas.sort_by_key(|names| {
        std::cmp::Reverse((has(names), names.len().abs_diff(hints.fields.len())))
    });
    schemas.dedup();
    let worker = hints.value("worker").is_some() || thread.starts_with("Worker-");
    let text = |names: &&[&str]| {
        // Of what a record may lack only what is there was written.
        let there = |name: &&&str| match **name {
            "worker" => worker,
            name => !OPTIONAL.contains(&name) || hints.value(name).is_some(),
        };
        let all = context.iter().chain(*names).filter(there);
        let fields = all.map(|name| ((*name).to_owned(), value(name)));
        let line = Line {
            stamp: stamp.clone(),
            level: level.clone(),
            thread: thread.clone(),
            message: message.clone(),
            fields: fields.collect(),
            sum: 0,
        };
        // A character that was changed may be one for which a value would be quoted, which the true one is not.
        let mut bare = format!("{stamp} {level:>5} {thread} {message}");
        for (name, value) in &line.fields {
            bare += &format!(" {name}={value}");
        }
        [
            format!("{} sum={sum}", line.canonical()),
            format!("{bare} sum={sum}"),
        ]
    };
    let mut texts: Vec<String> = schemas.iter().take(3).flat_map(text).collect();
    texts.dedup();
    texts
}

fn repair_text(bytes: &[u8]) -> Option<Record> {
    let (canonical, tail) = bytes.split_at_checked(bytes.len().checked_sub(SUM_LEN)?)?;
    let right = format!(" sum={:08x}", checksum(canonical));
    let wrong = right.bytes().zip(tail).filter(|(a, b)| a != *b).count();
    if wrong <= 1 {
        return find::read(&[canonical, right.as_bytes()].concat());
    }
    if bytes.len() > REPAIR_MAX {
        return None;
    }
    let sum = tail.strip_prefix(b" sum=").and_then(hex8)?;
    // One in four thousand million lines has the same checksum by chance: it must tell something too.
    let read = |text: &[u8]| {
        let record = (checksum(text) == sum).then(|| find::read(&[text, tail].concat()))?;
        record.filter(|record| record.event.is_some())
    };
    for at in 0..=canonical.len() {
        let (before, behind) = canonical.split_at(at);
        let rest = behind.get(1..).unwrap_or_default();
        // This character is one too many, or another stood here, or before it.
        if let Some(record) = read(&[before, rest].concat()) {
            return Some(record);
        }
        for mut text in [rest, behind].map(|behind| [before, b" ", behind].concat()) {
            for byte in b' '..=b'~' {
                text[at] = byte;
                if let Some(record) = read(&text) {
                    return Some(record);
                }
            }
        }
    }
    None
}

/// What every record in JSON has, in the order in which a record of another program most likely lacks it.
const NAMES: [&str; 7] = [
    "\"sum\"",
    "\"seq\"",
    "\"thread\"",
    "\"timestamp\"",
    "\"run\"",
    "\"message\"",
    "\"level\"",
];

fn has(bytes: &[u8], name: &str) -> bool {
    memmem::find(bytes, name.as_bytes()).is_some()
}

/// Where a single character may be the damage: anywhere, or where it makes the one name that is missing.
fn places(bytes: &[u8]) -> Option<Vec<usize>> {
    let mut missing = NAMES.iter().filter(|name| !has(bytes, name));
    let Some(name) = missing.next() else {
        return Some((0..bytes.len()).collect());
    };
    let wrong = |at: usize| {
        let pairs = bytes[at..].iter().zip(name.bytes());
        let mut wrong = pairs
            .enumerate()
            .filter(|(_, (found, right))| *found != right);
        let first = wrong.next().map(|(n, _)| at + n);
        first.filter(|_| wrong.next().is_none())
    };
    let near = (0..(bytes.len() + 1).saturating_sub(name.len())).filter_map(wrong);
    missing.next().is_none().then(|| near.collect())
}

/// Puts one character of JSON right that cannot be read as such.
fn repair_structure(bytes: &[u8]) -> Option<Record> {
    let places = places(bytes).filter(|places| !places.is_empty() && bytes.len() <= REPAIR_MAX)?;
    let readable = serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok();
    let mut whole = bytes.to_vec();
    let read = |whole: &[u8]| find::read(whole).filter(|record| record.event.is_some());
    // Half of an escape that was changed is one character too many.
    let escapes = memchr::memchr2_iter(b'\\', b'"', bytes);
    for at in escapes {
        let shorter = |gone: std::ops::Range<usize>, quote: &[u8]| {
            read(&[&bytes[..gone.start], quote, &bytes[gone.end..]].concat())
        };
        let before = shorter(at.saturating_sub(1)..at, b"");
        if let Some(record) = before.or_else(|| shorter(at..(at + 2).min(bytes.len()), b"\"")) {
            return Some(record);
        }
    }
    for at in places {
        let found = whole[at];
        let all = readable || matches!(found, b'"' | b'\\') || !found.is_ascii_graphic();
        for byte in b' '..=b'~' {
            if all || b"\"{}:,.0123456789abcdef".contains(&byte) {
                whole[at] = byte;
                if let Some(record) = read(&whole) {
                    return Some(record);
                }
            }
        }
        whole[at] = found;
    }
    None
}
