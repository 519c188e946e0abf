//! The fields of a record in one normal form, whatever the form in which they came: as keys and values of JSON in any order,
//! under other names, with values that a pipeline has written otherwise; or as a line of text.

use std::{borrow::Cow, iter};

use super::{
    keyed::{Frame, Leaf},
    parts::string_length,
    record::{LEVEL_WIDTH, Producer, Record, level_word, record},
    times::normal_stamp,
};
use crate::log::{
    event::{Event, OPTIONAL},
    line::{Line, STAMP_LEN, checksum},
};

/// The names that others most often give to what stands in front of a record's own fields; what has none of them is known by its
/// value.
const ALIASES: [(&str, &[&str]); 4] = [
    ("timestamp", &["@timestamp", "time", "ts", "_time"]),
    ("level", &["severity", "log.level", "severityText"]),
    ("thread", &["thread.name", "thread_name", "threadName"]),
    ("message", &["msg", "body", "MESSAGE"]),
];

/// The levels, and how else they are written, also as numbers of syslog, of OpenTelemetry, of pino and of Python.
const LEVELS: [(&str, &str); 3] = [
    ("INFO", "info Info informational notice 6 9 30 20"),
    ("ERROR", "error Error err ERR 3 17 50 40"),
    ("WARN", "warn Warn warning WARNING 4 13"),
];

/// The four that stand in front of a record's own fields.
const HEADS: [&str; 4] = ["timestamp", "level", "thread", "message"];

/// The fields of one record among others.
pub(crate) struct Keyed<'a, 'b> {
    frame: &'a Frame<'b>,
    /// The object that has its checksum.
    container: usize,
    /// What stands in front of each of its names.
    prefix: &'b [u8],
    /// The names begin with a capital.
    capital: bool,
}

impl<'a, 'b> Keyed<'a, 'b> {
    /// The record whose checksum is in this object of a frame, if one is there.
    pub(crate) fn new(frame: &'a Frame<'b>, container: usize) -> Option<Self> {
        let mut own = frame.leaves().iter();
        let (prefix, capital) = own
            .find_map(|leaf| prefix_of(frame.key(leaf)).filter(|_| leaf.container == container))?;
        let keyed = Self {
            frame,
            container,
            prefix,
            capital,
        };
        (keyed.named("run").is_some() || keyed.named("seq").is_some()).then_some(keyed)
    }

    /// The values in the object itself.
    fn own(&self) -> impl Iterator<Item = &'b Leaf> + Clone {
        let leaves = self.frame.leaves().iter();
        leaves.filter(|leaf| leaf.container == self.container)
    }

    fn named(&self, name: &str) -> Option<&'b Leaf> {
        self.own().find(|leaf| {
            let own = self.frame.key(leaf).strip_prefix(self.prefix);
            own.is_some_and(|own| self.is_name(own, name))
        })
    }

    fn is_name(&self, own: &[u8], name: &str) -> bool {
        // Most begin with another letter.
        own.first().map(u8::to_ascii_lowercase) == name.bytes().next()
            && own.first().is_some_and(u8::is_ascii_uppercase) == self.capital
            && *in_snake_case(own) == *name.as_bytes()
    }

    /// One of the four that stand in front: under its own name, or under one that others give it, here or further out.
    fn head(&self, name: &str) -> Option<&'b Leaf> {
        let own = self.named(name).filter(|leaf| !self.frame.is_null(leaf));
        own.or_else(|| {
            let (_, aliases) = ALIASES.iter().find(|(of, _)| *of == name)?;
            let outer = self.frame.leaves().iter();
            let outer = outer.filter(|leaf| leaf.container != self.container);
            let fields = self.own().chain(outer);
            let mut usual = iter::once(name).chain(aliases.iter().copied());
            let named = usual.find_map(|alias| {
                fields.clone().find(|leaf| {
                    let own = leaf.container == self.container;
                    let keys = if own { 1 } else { usize::MAX };
                    ends_with_name(self.frame.path(leaf).take(keys), alias)
                })
            });
            // A name that is hardly another one was changed.
            let renamed = |leaf: &&Leaf| !is_near(self.frame.key(leaf), name.as_bytes());
            named.or_else(|| {
                fields
                    .filter(renamed)
                    .find(|leaf| is_head(name, &self.frame.value(leaf)))
            })
        })
    }

    /// The whole record, if its checksum holds.
    pub(crate) fn record(&self) -> Option<Record> {
        let own_name = |leaf| self.frame.key(leaf).strip_prefix(self.prefix);
        // Two records that were spliced have a name twice.
        let twice = |name: &[u8]| {
            self.own()
                .filter(|leaf| own_name(leaf) == Some(name))
                .count()
                > 1
        };
        if twice(b"sum") || twice(b"seq") {
            return None;
        }
        // Others most often leave out the thread.
        let [thread, stamp, level, message] = ["thread", "timestamp", "level", "message"];
        let thread = self.frame.value(self.head(thread)?);
        let stamp = normal_stamp(&self.frame.value(self.head(stamp)?))?;
        let level = self.frame.value(self.head(level)?);
        let message = self.normal(message, self.head(message)?);
        let mut fields = Vec::with_capacity(12);
        match Event::field_names(&message) {
            Some(names) => {
                for name in ["run", "worker", "seq"].iter().chain(names) {
                    match self.named(name).filter(|leaf| !self.frame.is_null(leaf)) {
                        Some(leaf) => fields.push(((*name).to_owned(), self.normal(name, leaf))),
                        None if *name == "worker" || OPTIONAL.contains(name) => {}
                        None => return None,
                    }
                }
            }
            // An event that only a later version of the program has: its fields are believed to be in order.
            None => {
                for leaf in self.own() {
                    let name = str::from_utf8(own_name(leaf)?).ok()?;
                    if !HEADS.contains(&name) && name != "sum" {
                        fields.push((name.to_owned(), self.normal(name, leaf)));
                    }
                }
            }
        }
        fields.retain(|(name, value)| name != "worker" || !value.is_empty());
        let mut line = Line {
            stamp,
            level: normal_level(&level).unwrap_or(&level).to_owned(),
            thread: thread.into_owned(),
            message,
            fields,
            sum: 0,
        };
        line.sum = checksum(line.canonical().as_bytes());
        self.is_sum(line.sum).then(|| record(line))?
    }

    /// The fields in normal form, as far as they can be understood.
    pub(crate) fn fields(&self) -> Vec<(String, String)> {
        let heads = HEADS.iter().filter_map(|name| {
            let value = self.normal(name, self.head(name)?);
            Some(((*name).to_owned(), value))
        });
        let others = self.own().filter_map(|leaf| {
            let key = self.frame.key(leaf);
            let name = key.strip_prefix(self.prefix).unwrap_or(key);
            let as_ours = name.first().is_some_and(u8::is_ascii_uppercase) == self.capital;
            let name = match as_ours {
                true => in_snake_case(name),
                false => Cow::Borrowed(name),
            };
            let name = String::from_utf8_lossy(&name).into_owned();
            let value = self.normal(&name, leaf);
            (!HEADS.contains(&&*name)).then_some((name, value))
        });
        heads.chain(others).collect()
    }

    fn normal(&self, name: &str, leaf: &Leaf) -> String {
        normal(name, &self.frame.value(leaf))
    }

    /// Whether this is the checksum, or what is left of it when somebody took it for a number.
    fn is_sum(&self, right: u32) -> bool {
        let Some(leaf) = self.named("sum") else {
            return false;
        };
        let (right, found) = (format!("{right:08x}"), self.frame.value(leaf));
        let guess: Option<f64> = right.parse().ok();
        let as_number = match (guess, found.parse::<f64>()) {
            (Some(right), Ok(found)) => right == found,
            (Some(right), Err(_)) => right.is_infinite() && self.frame.is_null(leaf),
            _ => false,
        };
        found == right || as_number
    }
}

/// What stands in front of the names of a record, if this is the name of its checksum; and whether names begin with a capital.
fn prefix_of(key: &[u8]) -> Option<(&[u8], bool)> {
    let (prefix, sum) = key.split_last_chunk::<3>()?;
    let capital = match sum {
        b"sum" => false,
        b"SUM" | b"Sum" => true,
        _ => return None,
    };
    (!prefix.last().is_some_and(is_of_a_word)).then_some((prefix, capital))
}

fn is_of_a_word(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

/// A name in small letters, with lines between its words: `delay_us` for `delayUs`, `DelayUs`, `DELAY_US` and `delay-us`.
fn in_snake_case(name: &[u8]) -> Cow<'_, [u8]> {
    if !name.iter().any(|b| b.is_ascii_uppercase() || *b == b'-') {
        return Cow::Borrowed(name);
    }
    let mut out = Vec::with_capacity(name.len() + 4);
    let mut before = b'_';
    for byte in name {
        if byte.is_ascii_uppercase() && before.is_ascii_lowercase() {
            out.push(b'_');
        }
        out.push(match byte {
            b'-' => b'_',
            byte => byte.to_ascii_lowercase(),
        });
        before = *byte;
    }
    Cow::Owned(out)
}

/// Whether the keys that lead to a value, the innermost first, end with a name, which may be several joined by dots.
fn ends_with_name<'a>(path: impl Iterator<Item = &'a [u8]>, name: &str) -> bool {
    let mut rest = name.as_bytes();
    for key in path {
        if let Some(front) = key.strip_suffix(rest) {
            return !front.last().is_some_and(is_of_a_word);
        }
        let front = rest.strip_suffix(key);
        let Some(front) = front.and_then(|front| front.strip_suffix(b".")) else {
            return false;
        };
        rest = front;
    }
    false
}

/// Whether a key is a name in which one character is another, missing or too much.
fn is_near(key: &[u8], name: &[u8]) -> bool {
    let same = |(a, b): &(&u8, &u8)| a == b;
    let front = key.iter().zip(name).take_while(same).count();
    let end = key
        .iter()
        .rev()
        .zip(name.iter().rev())
        .take_while(same)
        .count();
    front + end + 1 >= key.len().max(name.len())
}

/// Whether a value is one of those of the four that stand in front, whatever it is called.
fn is_head(name: &str, value: &str) -> bool {
    match name {
        "timestamp" => value.contains(':') && normal_stamp(value).is_some(),
        // Many a number is no level.
        "level" => {
            !value.starts_with(|c: char| c.is_ascii_digit()) && normal_level(value).is_some()
        }
        "thread" => Producer::named(value).is_some(),
        _ => Event::field_names(value).is_some(),
    }
}

fn normal_level(level: &str) -> Option<&'static str> {
    let is_it = |(name, others): &&(&str, &str)| {
        *name == level || others.split(' ').any(|other| other == level)
    };
    LEVELS.iter().find(is_it).map(|(name, _)| *name)
}

/// A value as the program writes it, where it can be understood.
fn normal(name: &str, value: &str) -> String {
    let other = match name {
        "timestamp" => normal_stamp(value),
        "level" => normal_level(value).map(str::to_owned),
        "run" if value.len() < 16 => unguessed(value, 16),
        "sum" if value.len() < 8 => unguessed(value, 8),
        "message" => value.strip_suffix('\n').map(str::to_owned),
        "run" | "sum" | "thread" | "version" => None,
        _ => normal_number(value),
    };
    other.unwrap_or_else(|| value.to_owned())
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
                let unquoted = quote_end.and_then(|_| serde_json::from_str(value).ok());
                let value = unquoted.unwrap_or_else(|| value.to_owned());
                (name.to_owned(), value)
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
    let (level, rest) = rest.split_at(level_width(rest));
    let (thread, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let from = rest.find(" run=").or_else(|| {
        let equals = rest.find('=')?;
        rest[..equals].rfind(' ')
    });
    let (message, rest) = rest.split_at(from.unwrap_or(rest.len()));
    // Its blanks count where they are not those that the program puts there.
    let level = match level.len() {
        LEVEL_WIDTH => level.strip_suffix(' ').unwrap_or(level).trim_start(),
        _ => level.trim_end(),
    };
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

/// How much of what stands behind the time is the level: a word and the blanks around it, or as much as they mostly take.
fn level_width(rest: &str) -> usize {
    match level_word(rest.as_bytes()) {
        Some(level) => level.end + 1,
        None if rest.is_char_boundary(LEVEL_WIDTH) => LEVEL_WIDTH,
        None => rest.len(),
    }
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
        *value = normal(name, value);
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
