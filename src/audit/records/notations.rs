//! Notations of a whole input in which no record can be read as it stands: colours within documents, tables whose columns are a
//! record's fields, names and values one by one. Such an input is rewritten to lines of text or of JSON, which are read as all
//! others are, damaged ones too.
//!
//! A record takes as many lines afterwards as it did before, so that its place is told rightly.

use std::{
    collections::{HashMap, HashSet},
    iter,
    ops::Range,
    sync::LazyLock,
};

use memchr::memmem;
use serde_json::Value;

use super::{
    decode::{ESCAPES, backslashes},
    keyed::{Walked, Walker, is_own_name},
    marks::next_text,
    notes::with_bars,
    record::JSON_START,
};
use crate::log::event::Event;

/// The header of a table is looked for in so many lines.
const HEADER_MAX: usize = 8;
/// No record has so many fields.
const FIELDS_MAX: usize = 256;

/// How the records of an input are written.
#[derive(Debug)]
pub(crate) enum Notation {
    /// With a terminal's colours in them.
    Coloured,
    /// As rows of a table whose columns have these names.
    Table { names: Vec<String>, separator: char },
    /// As arrays, in documents that give these names once.
    Arrays { names: Vec<String> },
    /// As names and values, one of each on a line or several.
    Pairs,
}

impl Notation {
    /// Those in which an input may be that begins so.
    pub(crate) fn possible(head: &[u8]) -> impl Iterator<Item = Self> {
        let tables = table(head).into_iter().chain(arrays(head));
        let others = tables.chain([Self::Pairs]);
        [Self::Coloured].into_iter().chain(others)
    }

    /// The lines with their records in a form that can be read; none where nothing was to be done.
    pub(crate) fn rewritten(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Coloured => ESCAPES[0].undo(bytes),
            Self::Table { names, separator } => Some(rows(bytes, names, *separator)),
            Self::Arrays { names } => Some(filled(bytes, names)),
            Self::Pairs => Some(objects(bytes)),
        }
    }

    /// Where what has come for certain ends: in front of the last record, which may go on, or behind a line; none if there is neither.
    pub(crate) fn end(&self, bytes: &[u8]) -> Option<usize> {
        let behind = |ends: u8| memchr::memrchr(ends, bytes).map(|at| at + 1);
        let last = match self {
            Self::Coloured => None,
            Self::Table { .. } => behind(0x1e),
            Self::Arrays { .. } => memchr::memrchr(b'[', bytes),
            Self::Pairs => {
                let last = records(bytes).last();
                last.map(|record| line_start(bytes, record[0].span.start))
            }
        };
        last.or_else(|| behind(b'\n'))
    }
}

/// Where the line begins that this place is on.
fn line_start(bytes: &[u8], place: usize) -> usize {
    memchr::memrchr(b'\n', &bytes[..place]).map_or(0, |newline| newline + 1)
}

fn line_of(bytes: &[u8]) -> &[u8] {
    &bytes[..memchr::memchr(b'\n', bytes).unwrap_or(bytes.len())]
}

/// What others write where there is no value.
const NULLS: [&str; 8] = ["", "NULL", "null", "\\N", "NA", "NaN", "None", "-"];

/// A record as an object; what has no checksum was cut off, and is left open.
fn object<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Option<String> {
    let pairs = pairs.filter(|(name, value)| !name.is_empty() && !NULLS.contains(value));
    let (mut fields, mut own, mut whole) = (Vec::new(), 0, false);
    for (name, value) in pairs {
        let told = is_own_name(name.as_bytes()) && value.contains(|c: char| c.is_ascii_digit());
        own += usize::from(told);
        whole |= name.to_ascii_lowercase().ends_with("sum");
        fields.push(format!("{}:{}", Value::from(name), Value::from(value)));
    }
    let end = if whole { "}" } else { "" };
    (own > 1).then(|| format!("{{{}{end}", fields.join(",")))
}

/// Whether these are the names of a record's fields.
fn are_of_a_record(names: &[String]) -> bool {
    let own = names.iter().filter(|name| is_own_name(name.as_bytes()));
    own.count() > 2
}

/// The table whose header is among the first lines.
fn table(head: &[u8]) -> Option<Notation> {
    let lines = head.split(is_row_end).take(HEADER_MAX);
    let mut split = lines.flat_map(|line| SEPARATORS.map(|separator| (line, separator)));
    split.find_map(|(line, separator)| {
        let names = cells(line, separator);
        are_of_a_record(&names).then_some(Notation::Table { names, separator })
    })
}

/// What stands between the cells of a row.
const SEPARATORS: [char; 5] = ['\t', '|', ';', ',', '\u{1f}'];

fn is_row_end(byte: &u8) -> bool {
    matches!(byte, b'\n' | 0x1e)
}

/// The cells of a row.
fn cells(row: &[u8], separator: char) -> Vec<String> {
    let row = with_bars(row);
    let row = String::from_utf8_lossy(&row);
    let (mut quoted, mut before) = (None, separator);
    let apart = |c: char| {
        let begins = quoted.is_none() && (before == separator || before == c || before == ' ');
        match c {
            _ if quoted == Some(c) => quoted = None,
            '"' | '\'' if begins => quoted = Some(c),
            _ => {}
        }
        before = c;
        c == separator && quoted.is_none()
    };
    row.split(apart).map(|cell| unquoted(cell.trim())).collect()
}

/// A value without the quotes around it, and escapes undone.
fn unquoted(value: &str) -> String {
    let within = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    let quote = ['"', '\'', '`']
        .into_iter()
        .find(|quote| within(*quote).is_some());
    let text = quote.and_then(within).unwrap_or(value);
    let text = match quote {
        Some(quote) => text.replace(&format!("{quote}{quote}"), &quote.to_string()),
        None => text.to_owned(),
    };
    String::from_utf8_lossy(&backslashes(text.as_bytes())).into_owned()
}

/// The rows of a table as objects, without its header; what else stands there as it is.
fn rows(bytes: &[u8], names: &[String], separator: char) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 * bytes.len());
    for line in bytes.split_inclusive(is_row_end) {
        let row = line.strip_suffix(&[0x1e]).unwrap_or(line);
        let cells = cells(row, separator);
        let named = names.iter().zip(&cells);
        match object(named.map(|(name, cell)| (&**name, &**cell))) {
            Some(object) => out.extend_from_slice(object.as_bytes()),
            None if is_heading(names, &cells) => {}
            None => out.extend_from_slice(row.strip_suffix(b"\n").unwrap_or(row)),
        }
        out.extend(line.ends_with(b"\n").then_some(b'\n'));
        out.extend(line.ends_with(&[0x1e]).then_some(b'\n'));
    }
    out
}

/// Whether a row tells of columns: their names, or their types.
fn is_heading(names: &[String], cells: &[String]) -> bool {
    let own = names
        .iter()
        .zip(cells)
        .filter(|(name, _)| is_own_name(name.as_bytes()));
    let word =
        |cell: &str| cell.contains(|c: char| c.is_ascii_alphabetic() && !c.is_ascii_hexdigit());
    own.clone().count() > 2 && own.into_iter().all(|(_, cell)| word(cell))
}

/// The names that a document gives its columns, in an array of their own or one by one.
fn arrays(head: &[u8]) -> Option<Notation> {
    let one_by_one = memmem::find_iter(head, b"\"name\"").map(|at| {
        let begin = value_start(head, at + 5);
        begin.map_or(String::new(), |begin| value(head, begin, false).1)
    });
    let mut found = Some(one_by_one.collect::<Vec<_>>()).filter(|names| are_of_a_record(names));
    each_array(head, head.len(), |_, cells| {
        found = found
            .take()
            .or_else(|| Some(cells).filter(|names| are_of_a_record(names)));
    });
    Some(Notation::Arrays { names: found? })
}

/// Shows the innermost arrays of no more than so many values.
fn each_array(bytes: &[u8], most: usize, mut each: impl FnMut(Range<usize>, Vec<String>)) {
    let mut walker = Walker::default();
    walker.row = most.min(FIELDS_MAX);
    let mut at = 0;
    while let Some(start) = memchr::memchr(b'[', &bytes[at..]).map(|n| at + n) {
        let walked = walker.walk(bytes, start, |frame| {
            if frame.leaves().iter().all(|leaf| frame.key(leaf).is_empty()) {
                let cells = frame
                    .leaves()
                    .iter()
                    .map(|leaf| frame.value(leaf).into_owned());
                each(frame.span.clone(), cells.collect());
            }
        });
        at = match walked {
            Walked::Closed(behind) => behind,
            Walked::Broken(place, _) => place.max(start + 1),
        };
    }
}

/// The rows of a document as objects.
fn filled(bytes: &[u8], names: &[String]) -> Vec<u8> {
    let (mut out, mut done) = (Vec::with_capacity(2 * bytes.len()), 0);
    each_array(bytes, names.len(), |span, cells| {
        let row = names
            .iter()
            .zip(&cells)
            .map(|(name, cell)| (&**name, &**cell));
        if let Some(object) =
            object(row).filter(|_| cells.len() == names.len() && span.start >= done)
        {
            out.extend_from_slice(&bytes[done..span.start]);
            out.extend_from_slice(object.as_bytes());
            out.extend(bytes[span.clone()].iter().filter(|byte| **byte == b'\n'));
            done = span.end;
        }
    });
    out.extend_from_slice(&bytes[done..]);
    out
}

/// A name and its value, and where they stand.
struct Pair {
    span: Range<usize>,
    name: &'static str,
    value: String,
}

/// Records whose names and values stand there in whatever way: a record ends where a name comes once more, and with its line, its
/// element of a list or its block.
fn records(bytes: &[u8]) -> impl Iterator<Item = Vec<Pair>> {
    let first = first_name(bytes);
    let mut pairs = pairs(bytes).peekable();
    iter::from_fn(move || {
        let mut record = vec![pairs.next()?];
        let begins = |pair: &Pair| Some(pair.name) == first && !pair.value.is_empty();
        while let Some(pair) = pairs.next_if(|pair| !begins(pair) && goes_on(bytes, &record, pair))
        {
            // A word of a heading may be a name by chance: the later one counts.
            if !is_begun(&record) {
                record.retain(|heading| heading.name != pair.name);
            }
            record.push(pair);
        }
        Some(record)
    })
}

/// The name with which most records begin: what only few have may be a word of a heading.
fn first_name(bytes: &[u8]) -> Option<&'static str> {
    let mut counts = HashMap::<_, usize>::new();
    pairs(bytes).for_each(|pair| *counts.entry(pair.name).or_default() += 1);
    let most = counts.values().max()?;
    let mut names = pairs(bytes).map(|pair| pair.name);
    names.find(|name| counts[name] * 4 >= *most)
}

/// Whether some of these pairs are of names that only a record has.
fn is_begun(record: &[Pair]) -> bool {
    let mut names = record.iter().map(|pair| pair.name.as_bytes());
    names.any(is_own_name)
}

/// Whether a pair belongs to the record that the ones in front of it do.
fn goes_on(bytes: &[u8], record: &[Pair], next: &Pair) -> bool {
    let [first, .., last] = record else {
        return true;
    };
    let between = &bytes[last.span.end..next.span.start];
    let mut lines = between.split(|byte| *byte == b'\n').skip(1).peekable();
    let mut ends_block = false;
    while let Some(line) = lines.next() {
        // What stands on a line of its own is another field.
        let is_field = line.iter().any(|byte| b":=|".contains(byte));
        ends_block |=
            line.trim_ascii_start().starts_with(b"- ") || lines.peek().is_some() && !is_field;
    }
    let other = match (index(bytes, first), index(bytes, next)) {
        (Some(index), Some(next)) => index != next,
        _ => false,
    };
    let on_one_line = memchr::memchr(b'\n', &bytes[first.span.start..last.span.end]).is_none();
    let own = record
        .iter()
        .filter(|pair| is_own_name(pair.name.as_bytes()));
    let ends_line = on_one_line && own.count() > 1 && memchr::memchr(b'\n', between).is_some();
    let again = is_begun(record)
        && record
            .iter()
            .any(|pair| pair.name == next.name && !next.value.is_empty());
    !(ends_block || ends_line || again || other || record.len() > FIELDS_MAX)
}

/// What stands in front of a name where it tells which record it belongs to: `json[3].`, `_3_`.
fn index<'a>(bytes: &'a [u8], pair: &Pair) -> Option<&'a [u8]> {
    let front = &bytes[..pair.span.start];
    let of_path = |byte: &&u8| byte.is_ascii_alphanumeric() || b"._[]".contains(byte);
    let path = &front[front.len() - front.iter().rev().take_while(of_path).count()..];
    path.iter().any(u8::is_ascii_digit).then_some(path)
}

/// Each record as an object on its first line.
fn objects(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 * bytes.len());
    let mut done = 0;
    let mut records = records(bytes).peekable();
    while let Some(record) = records.next() {
        let named = record.iter().map(|pair| (pair.name, &*pair.value));
        let ([first, ..], [.., last]) = (&record[..], &record[..]) else {
            continue;
        };
        let start = line_start(bytes, first.span.start).max(done);
        // A line that begins as the program's do is read as one.
        let Some(object) = object(named).filter(|_| !begins(line_of(&bytes[start..]))) else {
            continue;
        };
        let next = records
            .peek()
            .map_or(bytes.len(), |next| next[0].span.start);
        let end = (last.span.end + line_of(&bytes[last.span.end..]).len()).min(next);
        out.extend_from_slice(&bytes[done..start]);
        out.extend_from_slice(object.as_bytes());
        out.extend(bytes[start..end].iter().filter(|byte| **byte == b'\n'));
        done = end;
    }
    out.extend_from_slice(&bytes[done..]);
    out
}

/// Names and values, in whatever way they are written: a name is known by being one of a record's, and what comes behind it is its
/// value, but for punctuation and words that tell a type.
fn pairs(bytes: &[u8]) -> impl Iterator<Item = Pair> {
    let mut at = 0;
    iter::from_fn(move || {
        let (start, name) = next_name(bytes, at)?;
        let behind = start + name.len();
        let begin = value_start(bytes, behind);
        let (end, value) = match begin {
            Some(begin) => value(bytes, begin, matches!(name, "message" | "msg" | "error")),
            None => (behind, String::new()),
        };
        at = end;
        let span = start..end;
        Some(Pair { span, name, value })
    })
}

fn word(bytes: &[u8]) -> &str {
    let of_word = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
    let length = bytes.iter().take_while(of_word).count();
    str::from_utf8(&bytes[..length]).unwrap_or_default()
}

/// Which of a record's names a word is, if it is one. An index may stand in front of it: `_3_seq`.
fn name_of(word: &str) -> Option<&'static str> {
    static NAMES: LazyLock<HashSet<&str>> = LazyLock::new(|| {
        let of_all = [
            "run",
            "worker",
            "seq",
            "sum",
            "timestamp",
            "level",
            "thread",
            "message",
        ];
        let usual = ["time", "ts", "severity", "thread_name", "msg"];
        let of_events = Event::FIELD_NAMES.concat();
        of_all.into_iter().chain(usual).chain(of_events).collect()
    });
    let name = word.trim_start_matches(|c: char| c == '_' || c.is_ascii_digit());
    NAMES.get(name).copied()
}

/// The next word that is one of a record's names, but for tags that close.
fn next_name(bytes: &[u8], from: usize) -> Option<(usize, &'static str)> {
    let mut at = from;
    loop {
        let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
        let word = word(rest);
        let closes = bytes[..at].ends_with(b"</");
        // Where columns are narrow a number follows directly.
        let bare = word.trim_end_matches(|c: char| c.is_ascii_digit());
        if let Some(name) = name_of(bare).filter(|_| !closes) {
            return Some((at + bare.len() - name.len(), name));
        }
        at += word.len().max(1);
    }
}

/// What tells a type between a name and its value.
const TYPES: [&str; 26] = [
    "CDATA", "Double", "Float", "Int", "Number", "Str", "String", "Value", "bool", "double",
    "float", "float64", "int", "int64", "integer", "key", "long", "real", "str", "string", "td",
    "text", "to", "type", "val", "value",
];

/// Where the value begins that belongs to the name in front of this place: at its quote, if it has one. None if there is none.
fn value_start(bytes: &[u8], name_end: usize) -> Option<usize> {
    let mut at = name_end;
    // The quote that closes the name.
    at += usize::from(bytes.get(at).is_some_and(is_quote));
    loop {
        let rest = bytes.get(at..)?;
        let byte = rest.first()?;
        let quoted = word(&rest[1..]);
        at += match byte {
            byte if is_quote(byte) => match TYPES.contains(&quoted) {
                true => quoted.len() + 2,
                false => return Some(at),
            },
            b'\n' if !rest.trim_ascii_start().starts_with(b"<") => return None,
            byte if byte.is_ascii_alphanumeric() => {
                let word = word(rest);
                let names = rest
                    .get(word.len())
                    .is_some_and(|byte| b"=:>".contains(byte));
                match TYPES.contains(&word) {
                    true => word.len(),
                    false => return (!names || name_of(word).is_none()).then_some(at),
                }
            }
            _ => 1,
        };
    }
}

fn is_quote(byte: &u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`')
}

/// The value that begins there, which may be of several words, and where it ends.
fn value(bytes: &[u8], begin: usize, of_words: bool) -> (usize, String) {
    let rest = &bytes[begin..];
    let length = match rest.first().filter(|byte| is_quote(byte)) {
        Some(quote) => {
            let mut at = 1;
            loop {
                match rest.get(at) {
                    Some(b'\\') => at += 2,
                    Some(byte) if byte == quote && rest.get(at + 1) == Some(quote) => at += 2,
                    Some(byte) if byte != quote && *byte != b'\n' => at += 1,
                    Some(byte) if byte == quote => break at + 1,
                    _ => break at.min(rest.len()),
                }
            }
        }
        None => {
            let ends = |at: &usize| match rest[*at] {
                b' ' => {
                    let next = rest.get(at + 1..).unwrap_or_default();
                    !of_words || next.get(word(next).len()) == Some(&b'=')
                }
                byte => b",;|\t\r\n<>(){}[]\"'`&".contains(&byte),
            };
            (0..rest.len()).find(ends).unwrap_or(rest.len())
        }
    };
    let value = String::from_utf8_lossy(&rest[..length]);
    (begin + length, unquoted(value.trim()))
}

/// Whether a record begins on a line.
fn begins(line: &[u8]) -> bool {
    next_text(line, 0).is_some() || memmem::find(line, JSON_START).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{AuditConfig, Input, Status, proof::simulate, report, run};

    /// A log in JSON, whose lines are written otherwise.
    fn log(way: impl Fn(&str) -> String) -> AuditConfig {
        let workload = simulate::workload(7, 3, 20);
        let course = simulate::Course {
            run: 0x1234_5678_9abc_def0,
            start: 1_795_455_720_000_000,
            json: true,
            stop_after: None,
        };
        let entries = simulate::run(&workload, &course, &mut simulate::Dice(1));
        let log = String::from_utf8(simulate::log(&entries)).unwrap();
        let lines = log.lines().map(way).collect::<String>();
        AuditConfig::new(vec![Input::Bytes("app.log".into(), lines.into_bytes())])
    }

    fn fields(line: &str) -> Vec<(String, String)> {
        let object: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
        let text = |value: Value| value.as_str().map_or(value.to_string(), str::to_owned);
        object
            .into_iter()
            .map(|(name, value)| (name, text(value)))
            .collect()
    }

    const COLUMNS: [&str; 9] = [
        "run",
        "message",
        "level",
        "sum",
        "worker",
        "seq",
        "thread",
        "timestamp",
        "counter",
    ];

    #[test]
    fn what_is_rewritten_is_judged_as_it_was_written() {
        let each = |line: &str, form: fn((String, String)) -> String| {
            fields(line).into_iter().map(form).collect::<String>()
        };
        type Way<'a> = (&'a str, &'a dyn Fn(&str) -> String);
        let ways: [Way; 5] = [
            ("yaml", &|line| {
                format!("---\n{}", each(line, |(k, v)| format!("{k}: '{v}'\n")))
            }),
            ("list", &|line| {
                format!("-\n{}", each(line, |(k, v)| format!("  {k} = {v}\n")))
            }),
            ("logfmt", &|line| {
                each(line, |(k, v)| format!("{k}=\"{v}\" ")) + "\n"
            }),
            ("ltsv", &|line| {
                each(line, |(k, v)| format!("{k}:{v}\t")) + "\n"
            }),
            ("xml", &|line| {
                each(line, |(k, v)| format!("<{k}>{v}</{k}>")) + "\n"
            }),
        ];
        for (name, way) in ways {
            let verdict = run(&log(way)).unwrap();
            assert_eq!(
                verdict.status,
                Status::Clean,
                "{name}: {}",
                report(&verdict)
            );
            let altered = log(|line| way(&line.replace("\"counter\":13,", "\"counter\":19,")));
            let verdict = run(&altered).unwrap();
            let said = report(&verdict);
            let named = verdict.status == Status::Findings && said.contains("altered: 1");
            // How a damaged line was broken nobody can tell.
            let untold = name == "wrapped" && verdict.status == Status::CannotTell;
            assert!(named || untold, "{name}: {said}");
        }
    }

    #[test]
    fn an_array_is_a_record_where_its_columns_have_names() {
        for head in [
            r#"{"columns":["run","seq","message","sum"],"rows":["#,
            r#"{"columns":[{"name":"run","type":"t"},{"name":"seq"},{"name":"message"},{"name":"sum"}],"values":["#,
            "[[run, seq, message, sum]; ",
        ] {
            let document = format!("{head}[\"1\",2,\n\"Run started\",\"4\"],[null]]}}\n");
            let form = arrays(document.as_bytes()).expect("there are names");
            let object = r#"{"run":"1","seq":"2","message":"Run started","sum":"4"}"#;
            let rewritten =
                String::from_utf8(form.rewritten(document.as_bytes()).unwrap()).unwrap();
            assert_eq!(rewritten, format!("{head}{object}\n,[null]]}}\n"));
        }
    }

    #[test]
    fn names_and_values_are_known_however_they_are_written() {
        for text in [
            r#"Row(run='1', seq=2, message="Run started")"#,
            r#"{:run "1", :seq 2 :message "Run started"}"#,
            "[{run,<<\"1\">>},{seq,2},{message,<<\"Run started\">>}]",
            "run 1 seq 2 message {Run started}",
            "<e><h:run>1</h:run><seq>2</seq><message><![CDATA[Run started]]></message></e>",
            "<key>run</key><integer>1</integer><key>seq</key><string>2</string><key>message</key><string>Run started</string>",
            r#"[{"key":"run","type":"string","value":"1"},{"key":"seq","type":"int64","value":2},{"key":"message","value":"Run started"}]"#,
            r#"json[3].run = "1"; json[3].seq = 2; json[3].message = "Run started";"#,
            "array (\n 'run' => '1',\n 'seq' => 2,\n 'message' => 'Run started',\n)",
            "run=1,seq=2,worker=,message=Run started",
            "run: Str(1)\nseq: Int(2)\nmessage: Str(Run started)",
        ] {
            let found: Vec<_> = records(text.as_bytes()).flatten().collect();
            let found = found.iter().filter(|pair| !pair.value.is_empty());
            let found: Vec<_> = found.map(|pair| (pair.name, &*pair.value)).collect();
            assert_eq!(
                found,
                [("run", "1"), ("seq", "2"), ("message", "Run started")],
                "{text}"
            );
        }
    }

    #[test]
    fn a_row_of_a_table_is_a_record() {
        let head = |separator: &str| COLUMNS.join(separator);
        let row = |separator: &str| {
            ["1", "a \"\"b\"\"", "", "2", "", "3"]
                .map(|cell| format!("\"{cell}\""))
                .join(separator)
        };
        for separator in [",", ";", "\t", " | "] {
            let bytes = format!("{}\n{}\nhello\n", head(separator), row(separator));
            let form = table(bytes.as_bytes()).expect("there is a header");
            let object = r#"{"run":"1","message":"a \"b\"","sum":"2","seq":"3"}"#;
            let expected = format!("\n{object}\nhello\n");
            let rewritten = form.rewritten(bytes.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(rewritten).unwrap(), expected);
        }
    }

    #[test]
    fn a_record_begins_where_a_block_may_end() {
        for (text, form, at) in [
            (
                "---\nrun: 1\nseq: 2\n---\nrun: 3\nseq:",
                Notation::Pairs,
                Some(22),
            ),
            (
                "run: 1\nseq: 2\nrun: 3\nsum: 4\nseq: 5\n",
                Notation::Pairs,
                Some(14),
            ),
            ("run=1 seq=2\nrun=3 seq=4\nrun=5", Notation::Pairs, Some(24)),
            ("run: 1\nseq: 2\n", Notation::Pairs, Some(0)),
        ] {
            assert_eq!(form.end(text.as_bytes()), at, "{text}");
        }
    }
}
