//! What was changed in a record, field by field.

use std::borrow::Cow;

use memchr::memmem;

use super::hints::Hints;
use crate::{
    audit::{
        records::{fields::of_text, record::Record, scanned::Suspect},
        verdict::Change,
    },
    log::line::STAMP_LEN,
};

/// What differs between a record and what is found of it, field by field.
pub(super) fn changes(record: &Record, found: &Suspect, hints: &Hints) -> Vec<Change> {
    let fields = &hints.fields;
    let whole = record.render(false).unwrap_or_default();
    let mut expected = of_text(&String::from_utf8_lossy(&whole), true);
    if let Some((_, sum)) = expected.last_mut() {
        *sum = format!("{:08x}", record.sum);
    }
    let changes = field_by_field(&expected, fields);
    if hints.keyed || changes.len() == 1 && fields.len() == expected.len() {
        return changes;
    }
    let whole = record.render(found.json).unwrap_or_default();
    change_in_one_place(&expected, &whole, &found.bytes).map_or(changes, |change| vec![change])
}

/// What was changed by a single character, be it one that keeps fields apart: the field in which the line and what is found of
/// it part.
fn change_in_one_place(
    expected: &[(String, String)],
    whole: &[u8],
    found: &[u8],
) -> Option<Change> {
    let same = |(a, b): &(&u8, &u8)| a == b;
    let place = whole.iter().zip(found).take_while(same).count();
    let behind = whole[place..].iter().rev().zip(found[place..].iter().rev());
    let behind = behind.take_while(same).count();
    if whole.len().max(found.len()) > place + behind + 1 {
        return None;
    }
    let mut start = 0;
    for (name, value) in expected {
        let mut end = start + memmem::find(&whole[start..], value.as_bytes())? + value.len();
        // The quotation mark belongs to it, and so does the blank behind a level.
        while end < whole.len() && !matches!(whole[end], b' ' | b',') {
            end += 1;
        }
        end += usize::from(name == "level" && whole[end] == b' ');
        if place < end {
            // What keeps fields apart is shown only where it was changed.
            start += usize::from(place > start && matches!(whole[start], b' ' | b',' | b'{'));
            let found = &found[start..(end + found.len()).saturating_sub(whole.len())];
            return Some(Change {
                field: name.clone(),
                expected: Some(String::from_utf8_lossy(&whole[start..end]).into_owned()),
                found: String::from_utf8_lossy(found).into_owned(),
            });
        }
        start = end;
    }
    None
}

/// What differs where each field can be read by itself, whatever their order.
fn field_by_field(expected: &[(String, String)], found: &[(String, String)]) -> Vec<Change> {
    // What fits no name stands for what is missing.
    let known = |name: &str| expected.iter().any(|(n, _)| n == name);
    let strange = found.iter().filter(|(name, _)| !known(name));
    let strange: Vec<String> = strange
        .map(|(name, value)| match name.as_str() {
            "" => value.clone(),
            name => format!("{name}={value}"),
        })
        .collect();
    let strange = strange.join(" ");
    let mut out = Vec::new();
    let mut apart = Vec::new();
    for (name, value) in expected {
        let there = found
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value);
        if there == Some(value) {
            continue;
        }
        let change = Change {
            field: name.clone(),
            expected: Some(value.clone()),
            found: match there {
                Some(text) => text.clone(),
                None if strange.is_empty() => "(missing)".into(),
                None => strange.clone(),
            },
        };
        // Name and value are there: it is what stands between two fields that was changed.
        let place = strange.find(&format!("{name}\""));
        match place.filter(|_| there.is_none() && strange.contains(value.as_str())) {
            Some(place) => apart.push((place, change)),
            None => out.push(change),
        }
    }
    // It belongs to the field behind it.
    if out.is_empty()
        && let Some((_, change)) = apart.into_iter().max_by_key(|(place, _)| *place)
    {
        out.push(change);
    }
    out
}

/// What can be said to have changed where the checksum does not say: of time, counter and checksum it is not known what
/// they were.
pub(super) fn unsure_changes(
    mut changes: Vec<Change>,
    found: &Suspect,
    hints: &Hints,
) -> Vec<Change> {
    changes.retain(|change| change.field != "sum");
    for change in &mut changes {
        if matches!(change.field.as_str(), "timestamp" | "counter") {
            change.expected = None;
        }
    }
    let unknown = |field: &str, found: &str| Change {
        field: field.into(),
        expected: None,
        found: found.into(),
    };
    if changes.is_empty() {
        changes.push(match (hints.sum, hints.value("sum")) {
            (None, Some(sum)) => unknown("sum", sum),
            _ => {
                let start = &found.bytes[..found.bytes.len().min(STAMP_LEN)];
                let stamp = hints.value("timestamp").map(Cow::Borrowed);
                let stamp = stamp.unwrap_or_else(|| String::from_utf8_lossy(start));
                unknown("timestamp or counter", &stamp)
            }
        });
    }
    changes
}
