//! A character that was changed in a record of the JSON log is named, in whatever form the record came.

use serde_json::{Map, Value};

use super::*;

/// A form in which a pipeline gives a record back, and what stands in front of the record in it and behind.
type PipelineForm = fn(Map<String, Value>) -> (String, String, String);

fn bare(record: &Map<String, Value>) -> String {
    serde_json::to_string(record).unwrap()
}

fn with_blanks(record: &Map<String, Value>) -> String {
    let fields: Vec<String> = record
        .iter()
        .map(|(k, v)| format!("\"{k}\": {v}"))
        .collect();
    format!("{{{}}}", fields.join(", "))
}

const FORMS: [(&str, PipelineForm); 6] = [
    ("sorted keys", |mut record| {
        record.sort_keys();
        (String::new(), bare(&record), String::new())
    }),
    ("added blanks", |record| {
        (String::new(), with_blanks(&record), String::new())
    }),
    ("added fields", |record| {
        let own = bare(&record);
        let own = own[..own.len() - 1].to_owned();
        (String::new(), own, ",\"host\":\"h\",\"offset\":12}".into())
    }),
    ("strings for numbers", |mut record| {
        for value in record.values_mut().filter(|value| value.is_number()) {
            *value = Value::String(value.to_string());
        }
        (String::new(), bare(&record), String::new())
    }),
    ("under another key", |record| {
        (
            "{\"host\":\"h\",\"json\":".into(),
            bare(&record),
            ",\"offset\":1}".into(),
        )
    }),
    ("within a string", |record| {
        let text = serde_json::to_string(&bare(&record)).unwrap();
        let text = text[1..text.len() - 1].to_owned();
        (
            "{\"log\":\"".into(),
            text,
            "\\n\",\"stream\":\"stderr\"}".into(),
        )
    }),
];

/// The field that the byte at `place` belongs to: its key is the last one in front, or the byte is in it.
fn field_at(text: &str, place: usize) -> String {
    let mut names = Vec::new();
    let plain = text.replace("\\\"", " \"");
    for (at, _) in plain.match_indices("\":").filter(|(at, _)| *at > 0) {
        let start = plain[..at].rfind('"').unwrap();
        let name = plain[start + 1..at].trim().to_owned();
        // The comma in front belongs to it.
        names.push((plain[..start].rfind(',').unwrap_or(0), name));
    }
    let mut own = names.iter().rev().skip_while(|(start, _)| *start > place);
    own.next().unwrap_or(&names[0]).1.clone()
}

#[test]
fn a_changed_character_is_named_in_every_form() {
    let workload = simulate::workload(7, 4, 60);
    let mut dice = Dice(11);
    let entries = simulate::run(&workload, &course(1, true, None), &mut dice);
    let mut wrong = Vec::new();
    for (name, form) in FORMS {
        let lines: Vec<_> = entries
            .iter()
            .map(|entry| form(serde_json::from_slice(&entry.bytes).unwrap()))
            .collect();
        for _ in 0..20 {
            let at = 1 + dice.roll(lines.len() as u64 - 2) as usize;
            let record = &lines[at].1;
            let place = dice.roll(record.len() as u64) as usize;
            let byte = loop {
                let byte = b' ' + dice.roll(95) as u8;
                if byte != record.as_bytes()[place] {
                    break byte;
                }
            };
            let mut log = String::new();
            for (i, (front, record, behind)) in lines.iter().enumerate() {
                let mut record = record.clone();
                if i == at {
                    record.replace_range(place..place + 1, &char::from(byte).to_string());
                }
                log += &format!("{front}{record}{behind}\n");
            }
            let verdict = audit(&config(log.into_bytes()));
            let run = &verdict.runs[0];
            let field = field_at(record, place);
            let named = match &run.findings[..] {
                [
                    Finding {
                        kind: Kind::Altered,
                        lines,
                        changes,
                        ..
                    },
                ] => {
                    let seq = entries[at].seq;
                    *lines == Range::of(entries[at].author.thread(), seq..seq + 1)
                        && changes.len() == 1
                        && changes[0].field == field
                        && changes[0]
                            .expected
                            .as_ref()
                            .is_some_and(|e| *e != changes[0].found)
                }
                _ => false,
            };
            if !named || verdict.stray_count > 0 {
                let mut text = record.clone();
                text.replace_range(place..place + 1, &char::from(byte).to_string());
                wrong.push(format!(
                    "{name}, {field} at {place}: {text}\n{}",
                    report(&verdict)
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of 120 are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// A digit that is too many, or missing, is named with its field.
#[test]
fn a_character_too_many_and_one_too_few_are_named() {
    let (_, entries) = finished(4, 60);
    let log = String::from_utf8(simulate::log(&entries)).unwrap();
    for (there, changed) in [("38", "938"), ("38", "398"), ("138", "13"), ("138", "38")] {
        let damaged = log.replace(
            &format!(" counter={there} "),
            &format!(" counter={changed} "),
        );
        let verdict = audit(&config(damaged.into_bytes()));
        let [finding] = &verdict.runs[0].findings[..] else {
            panic!("{}", report(&verdict));
        };
        let [change] = &finding.changes[..] else {
            panic!("{}", report(&verdict));
        };
        assert_eq!(change.field, "counter", "{}", report(&verdict));
        assert_eq!(change.expected.as_deref(), Some(there));
        assert_eq!(change.found, changed);
    }
}
