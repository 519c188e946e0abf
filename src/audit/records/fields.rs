//! The fields of a record in one normal form, whatever the form in which they came: as keys and values of JSON in any order,
//! under other names, with values that a pipeline has written otherwise; or as a line of text.

use std::borrow::Cow;

use super::{
    parts::string_length,
    record::{LEVEL_WIDTH, Record, record},
    times::normal_stamp,
};
use crate::log::{
    event::{Event, OPTIONAL},
    line::{Line, STAMP_LEN, checksum},
};

/// A field as it stands: its key, with those of the objects around it in front (`process.thread.name`), and its value.
#[derive(Clone, Debug)]
pub(crate) struct Field<'a> {
    /// The keys, joined by dots.
    pub path: Cow<'a, str>,
    /// The value, unescaped.
    pub value: Cow<'a, str>,
    /// It was written as a string.
    pub quoted: bool,
}

impl Field<'_> {
    fn is_null(&self) -> bool {
        !self.quoted && self.value == "null"
    }
}

/// The names that others give to what stands in front of a record's own fields, the usual ones first.
const ALIASES: [(&str, &[&str]); 4] = [
    (
        "timestamp",
        &[
            "@timestamp",
            "time",
            "ts",
            "_time",
            "datetime",
            "date",
            "eventTime",
            "timeUnixNano",
            "asctime",
            "t",
        ],
    ),
    (
        "level",
        &[
            "severity",
            "log.level",
            "severityText",
            "severity_text",
            "SeverityText",
            "lvl",
            "levelname",
            "loglevel",
            "@level",
            "log_level",
            "status",
            "priority",
        ],
    ),
    (
        "thread",
        &[
            "process.thread.name",
            "thread_name",
            "threadName",
            "thread.name",
        ],
    ),
    (
        "message",
        &[
            "msg",
            "@message",
            "_msg",
            "MESSAGE",
            "body.stringValue",
            "body",
            "textPayload",
            "short_message",
            "Body",
            "text",
            "event.message",
            "log.message",
        ],
    ),
];

/// The levels, and how else they are written.
const LEVELS: [(&str, [&str; 4]); 3] = [
    ("INFO", ["info", "Info", "informational", "notice"]),
    ("ERROR", ["error", "Error", "err", "ERR"]),
    ("WARN", ["warn", "Warn", "warning", "WARNING"]),
];

/// The fields of one record among others.
pub(crate) struct Keyed<'a, 'b> {
    own: &'b [Field<'a>],
    /// What stands around it.
    outer: &'b [Field<'a>],
    /// What stands in front of each of its names.
    prefix: &'b str,
    /// The names begin with a capital.
    capital: bool,
}

impl<'a, 'b> Keyed<'a, 'b> {
    /// The record whose checksum is one of the fields in `own`; `outer` are those of the objects around it.
    pub(crate) fn new(own: &'b [Field<'a>], outer: &'b [Field<'a>]) -> Option<Self> {
        let (prefix, capital) = own.iter().find_map(|field| prefix_of(&field.path))?;
        let keyed = Self {
            own,
            outer,
            prefix,
            capital,
        };
        (keyed.named("run").is_some() || keyed.named("seq").is_some()).then_some(keyed)
    }

    fn named(&self, name: &str) -> Option<&'b Field<'a>> {
        let first = name.as_bytes().first();
        let is_it = |own: &str| {
            // Most begin with another letter.
            own.as_bytes().first().map(u8::to_ascii_lowercase).as_ref() == first
                && own.starts_with(char::is_uppercase) == self.capital
                && in_snake_case(own) == name
        };
        let mut own = self.own.iter();
        own.find(|field| field.path.strip_prefix(self.prefix).is_some_and(is_it))
    }

    /// One of the four that stand in front: under its own name, or under one that others give it, here or further out.
    fn head(&self, name: &str) -> Option<&'b Field<'a>> {
        let own = self.named(name).filter(|field| !field.is_null());
        own.or_else(|| {
            let (_, aliases) = ALIASES.iter().find(|(of, _)| *of == name)?;
            let usual = [name].into_iter().chain(aliases.iter().copied());
            usual.into_iter().find_map(|alias| {
                let fields = self.own.iter().chain(self.outer);
                fields
                    .into_iter()
                    .find(|field| ends_with_name(&field.path, alias))
            })
        })
    }

    /// The whole record, if its checksum holds.
    pub(crate) fn record(&self) -> Option<Record> {
        // Two records that were spliced have a name twice.
        let twice = |name: &str| {
            self.own
                .iter()
                .filter(|field| field.path.strip_prefix(self.prefix) == Some(name))
                .count()
                > 1
        };
        if twice("sum") || twice("seq") {
            return None;
        }
        let heads = ["timestamp", "level", "thread", "message"];
        let [Some(stamp), Some(level), Some(thread), Some(message)] =
            heads.map(|name| Some(&self.head(name)?.value))
        else {
            return None;
        };
        let stamp = normal_stamp(stamp)?;
        let names = Event::field_names(message);
        let mut fields = Vec::with_capacity(12);
        match names {
            Some(names) => {
                for name in ["run", "worker", "seq"].iter().chain(names) {
                    match self.named(name).filter(|field| !field.is_null()) {
                        Some(field) => fields.push(((*name).to_owned(), normal(name, field))),
                        None if *name == "worker" || OPTIONAL.contains(name) => {}
                        None => return None,
                    }
                }
            }
            // An event that only a later version of the program has: its fields are believed to be in order.
            None => {
                for field in self.own {
                    let name = field.path.strip_prefix(self.prefix)?;
                    if !["timestamp", "level", "thread", "message", "sum"].contains(&name) {
                        fields.push((name.to_owned(), normal(name, field)));
                    }
                }
            }
        }
        if fields
            .get(1)
            .is_some_and(|(name, value)| name == "worker" && value.is_empty())
        {
            fields.remove(1);
        }
        let mut line = Line {
            stamp,
            level: normal_level(level).unwrap_or(level).to_owned(),
            thread: thread.clone().into_owned(),
            message: message.clone().into_owned(),
            fields,
            sum: 0,
        };
        line.sum = checksum(line.canonical().as_bytes());
        is_sum(line.sum, self.named("sum")?).then(|| record(line))?
    }

    /// The fields in normal form, as far as they can be understood.
    pub(crate) fn fields(&self) -> Vec<(String, String)> {
        let heads = ["timestamp", "level", "thread", "message"];
        let mut out: Vec<(String, String)> = heads
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), normal(name, self.head(name)?))))
            .collect();
        for field in self.own {
            let name = field.path.strip_prefix(self.prefix).unwrap_or(&field.path);
            let name = if name.starts_with(char::is_uppercase) == self.capital {
                in_snake_case(name)
            } else {
                Cow::Borrowed(name)
            };
            if !heads.contains(&&*name) {
                let value = normal(&name, field);
                out.push((name.into_owned(), value));
            }
        }
        out
    }
}

/// What stands in front of the names of a record, if this is the name of its checksum; and whether names begin with a capital.
fn prefix_of(path: &str) -> Option<(&str, bool)> {
    let sum = ["sum", "SUM", "Sum"].into_iter();
    let (prefix, capital) = sum
        .filter_map(|sum| Some((path.strip_suffix(sum)?, sum != "sum")))
        .next()?;
    (!prefix.ends_with(|c: char| c.is_alphanumeric())).then_some((prefix, capital))
}

/// A name in small letters, with lines between its words: `delay_us` for `delayUs`, `DelayUs`, `DELAY_US` and `delay-us`.
fn in_snake_case(name: &str) -> Cow<'_, str> {
    if !name.bytes().any(|b| b.is_ascii_uppercase() || b == b'-') {
        return Cow::Borrowed(name);
    }
    let mut out = String::with_capacity(name.len() + 4);
    let mut before = '_';
    for c in name.chars() {
        if c.is_ascii_uppercase() && before.is_ascii_lowercase() {
            out.push('_');
        }
        out.push(if c == '-' {
            '_'
        } else {
            c.to_ascii_lowercase()
        });
        before = c;
    }
    Cow::Owned(out)
}

fn ends_with_name(path: &str, name: &str) -> bool {
    path.strip_suffix(name)
        .is_some_and(|rest| !rest.ends_with(|c: char| c.is_alphanumeric()))
}

fn normal_level(level: &str) -> Option<&'static str> {
    LEVELS
        .iter()
        .find(|(name, others)| *name == level || others.contains(&level))
        .map(|(name, _)| *name)
}

/// A value as the program writes it, where it can be understood.
fn normal(name: &str, field: &Field<'_>) -> String {
    let value = &field.value;
    let other = match name {
        "timestamp" => normal_stamp(value),
        "level" => normal_level(value).map(str::to_owned),
        "run" if value.len() < 16 => unguessed(value, 16),
        "sum" if value.len() < 8 => unguessed(value, 8),
        "run" | "sum" | "thread" | "message" | "version" => None,
        _ => normal_number(value),
    };
    other.unwrap_or_else(|| value.clone().into_owned())
}

/// Hexadecimal digits whose zeros in front were lost when somebody took them for a number.
fn unguessed(value: &str, width: usize) -> Option<String> {
    let digits = value.strip_suffix(".0").unwrap_or(value);
    let whole = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    whole.then(|| format!("{digits:0>width$}"))
}

/// A number with a point or an exponent, as the program writes it.
fn normal_number(value: &str) -> Option<String> {
    let written = value.starts_with(|c: char| c.is_ascii_digit())
        && value.contains(['.', 'e', 'E'])
        && value.ends_with(|c: char| c.is_ascii_digit())
        && value
            .bytes()
            .all(|b| b.is_ascii_digit() || b".eE+-".contains(&b));
    let number: f64 = written.then(|| value.parse().ok())??;
    number.is_finite().then(|| number.to_string())
}

/// Whether this is the checksum, or what is left of it when somebody took it for a number.
fn is_sum(right: u32, found: &Field<'_>) -> bool {
    let right = format!("{right:08x}");
    if found.quoted && found.value == *right {
        return true;
    }
    let guess: Option<f64> = right.parse().ok();
    match (guess, found.value.parse::<f64>()) {
        (Some(right), Ok(found)) if right == found => true,
        (Some(right), Err(_)) => right.is_infinite() && found.is_null(),
        _ => !found.quoted && found.value == *right,
    }
}

/// What stands before the first blank is the time, and so on; of a line that does not begin there only the fields are read that
/// are there.
pub(crate) fn of_text(text: &str, begins: bool) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut rest = match begins {
        true => of_head(text, &mut out),
        false => &text[text.find(' ').unwrap_or(text.len())..],
    };
    while let Some(token) = rest.strip_prefix(' ') {
        let quoted = token
            .split_once("=\"")
            .filter(|(name, _)| !name.contains(' '));
        let quote_end = quoted.and_then(|(_, value)| {
            Some(token.len() - value.len() + string_length(value.as_bytes())?)
        });
        let length = quote_end.unwrap_or_else(|| token.find(' ').unwrap_or(token.len()));
        let (token, behind) = token.split_at(length);
        out.push(match token.split_once('=') {
            Some((name, value)) => {
                let unquoted = serde_json::from_str(value)
                    .ok()
                    .filter(|_| quote_end.is_some());
                (
                    name.to_owned(),
                    unquoted.unwrap_or_else(|| value.to_owned()),
                )
            }
            None => (String::new(), token.to_owned()),
        });
        rest = behind;
    }
    if !rest.is_empty() {
        out.push((String::new(), rest.to_owned()));
    }
    out
}

/// Reads what stands in front of the fields of a line; hands out the rest.
fn of_head<'a>(text: &'a str, out: &mut Vec<(String, String)>) -> &'a str {
    let (stamp, rest) = text.split_at_checked(STAMP_LEN).unwrap_or((text, ""));
    let (level, rest) = rest.split_at_checked(LEVEL_WIDTH).unwrap_or((rest, ""));
    let (thread, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let from = rest.find(" run=").or_else(|| {
        let equals = rest.find('=')?;
        rest[..equals].rfind(' ')
    });
    let (message, rest) = rest.split_at(from.unwrap_or(rest.len()));
    let level = level.strip_suffix(' ').unwrap_or(level).trim_start();
    let head = [
        ("timestamp", stamp),
        ("level", level),
        ("thread", thread),
        ("message", message),
    ];
    let there = head.iter().filter(|(_, value)| !value.is_empty());
    out.extend(there.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    rest
}

/// The fields of a record in JSON whose syntax is damaged. It is split wherever a comma and a key seem to stand, so that all
/// but the damaged piece can be read; that one has no name.
pub(crate) fn of_broken_json(text: &str) -> Vec<(String, String)> {
    let body = text.trim();
    let (front, body) = match body.strip_prefix('{') {
        Some(body) => ("", body),
        None => body.split_at(body.find('"').unwrap_or(0)),
    };
    let body = body.strip_suffix('}').unwrap_or(body);
    let mut out = Vec::new();
    if !front.is_empty() {
        out.push((String::new(), front.to_owned()));
    }
    let mut rest = body;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(piece_end(rest));
        let trimmed = piece.trim();
        out.push(match field_of(trimmed) {
            Some((name, value)) => (own_name(&name), value),
            None => (String::new(), trimmed.to_owned()),
        });
        rest = behind.strip_prefix(',').unwrap_or(behind);
    }
    for (name, value) in &mut out {
        let path = Cow::Borrowed("");
        let field = Field {
            path,
            value: Cow::Borrowed(value.as_str()),
            quoted: true,
        };
        *value = normal(name, &field);
    }
    out
}

/// The program's own name for a key.
fn own_name(key: &str) -> String {
    let alias = ALIASES.iter().find(|(_, aliases)| aliases.contains(&key));
    alias.map_or(key, |(name, _)| name).to_owned()
}

/// How long the piece at the start is: up to a comma that a key stands behind.
fn piece_end(text: &str) -> usize {
    text.match_indices(',')
        .map(|(at, _)| at)
        .find(|at| text[at + 1..].trim_start().starts_with('"'))
        .unwrap_or(text.len())
}

/// `"name": value`, if that is all that stands there.
fn field_of(piece: &str) -> Option<(String, String)> {
    let (name, value) = piece.strip_prefix('"')?.split_once('"')?;
    let value = value.trim_start().strip_prefix(':')?.trim();
    let value = match serde_json::from_str(value).ok()? {
        serde_json::Value::String(text) => text,
        serde_json::Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Some((name.to_owned(), value))
}
