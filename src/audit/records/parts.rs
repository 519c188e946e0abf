//! Lines that came in pieces: what a container's runtime cut is put together again.

use std::{borrow::Cow, iter, ops::Range};

use memchr::memmem;

use super::{decode::backslashes, record::starts_here, shape::shaped};

/// A line in more pieces than this is not put together.
const PIECES_MAX: usize = 4096;
/// Of another stream there are not more lines between its pieces.
const NEAR: usize = 16;
/// Nor one that is longer.
const LENGTH_MAX: usize = 1 << 20;

/// One piece of a line, and whether another follows.
struct Piece<'a> {
    stream: &'a [u8],
    /// As it stands there.
    raw: &'a [u8],
    /// It stands in a string of JSON.
    escaped: bool,
    more: bool,
}

impl<'a> Piece<'a> {
    fn text(&self) -> Cow<'a, [u8]> {
        match self.escaped && memchr::memchr(b'\\', self.raw).is_some() {
            true => Cow::Owned(backslashes(self.raw)),
            false => Cow::Borrowed(self.raw),
        }
    }
}

/// Reads a line as a piece, if it is one.
type PieceForm = fn(&[u8]) -> Option<Piece<'_>>;

/// The forms that are known.
const FORMS: [PieceForm; 4] = [cri, docker, asciicast, wrapped];

/// The whole of a line whose first piece stands at the start of `bytes`, `line` bytes long, and how many bytes its pieces take;
/// behind it the lines that another stream has between them. None if that is no piece that another one follows.
pub(crate) fn joined(bytes: &[u8], line: usize) -> Option<(Vec<u8>, usize)> {
    let (form, first) = FORMS
        .iter()
        .find_map(|form| Some((form, form(&bytes[..line])?)))?;
    first.more.then_some(())?;
    let mut whole = first.text().into_owned();
    let mut at = line;
    // What another stream of the same container has written between the pieces.
    let (mut other, mut between, mut ahead) = (Vec::new(), Vec::new(), line);
    for _ in 0..PIECES_MAX {
        let rest = &bytes[ahead..];
        let line = memchr::memchr(b'\n', rest).map_or(rest.len(), |n| n + 1);
        let Some(piece) = form(&rest[..line]) else {
            break;
        };
        ahead += line;
        if piece.stream != first.stream {
            between.extend_from_slice(&piece.text());
            if !piece.more {
                between.push(b'\n');
            }
            continue;
        }
        // A line that was cut off for good: a new one begins. What begins with a time alone may be JSON's, cut in front of it.
        let text = piece.text();
        if starts_here(&text) {
            break;
        }
        whole.extend_from_slice(&text);
        other.append(&mut between);
        at = ahead;
        if !piece.more || whole.len() > LENGTH_MAX {
            break;
        }
    }
    if !other.is_empty() {
        whole.push(b'\n');
        whole.append(&mut other);
    }
    (at > line).then_some((whole, at))
}

/// Where the first of the pieces stands of a line that goes on behind these lines, in whichever stream.
pub(crate) fn left_open(bytes: &[u8]) -> Option<usize> {
    let (mut end, mut first) = (bytes.len(), None);
    let mut ended: Vec<&[u8]> = Vec::new();
    for number in 0..PIECES_MAX {
        let front = bytes[..end].strip_suffix(b"\n").unwrap_or_default();
        let start = memchr::memrchr(b'\n', front).map_or(0, |n| n + 1);
        let mut pieces = FORMS.iter().filter_map(|form| form(&bytes[start..end]));
        let Some(piece) = pieces.next().filter(|_| start < end) else {
            break;
        };
        if !ended.contains(&piece.stream) {
            match piece.more {
                true => first = Some(start),
                false => ended.push(piece.stream),
            }
        }
        if ended.len() > 1 || !ended.is_empty() && number > NEAR {
            break;
        }
        end = start;
    }
    first
}

/// `2026-11-23T17:42:00.123456789Z stdout P TEXT`; the last piece has F.
fn cri(line: &[u8]) -> Option<Piece<'_>> {
    let (time, rest) = line.split_at_checked(memchr::memchr(b' ', line)?)?;
    let is_stream = rest.starts_with(b" stdout ") || rest.starts_with(b" stderr ");
    is_stream.then_some(())?;
    shaped(time.first_chunk::<20>()?, b"dddd-dd-ddTdd:dd:dd.").then_some(())?;
    let (stream, rest) = rest[1..].split_at(6);
    let rest = rest.strip_suffix(b"\n").unwrap_or(rest);
    let mut words = rest[1..].splitn(2, |b| *b == b' ');
    let tag = words.next()?;
    let more = tag == b"P" || tag.starts_with(b"P:");
    (more || tag == b"F" || tag.starts_with(b"F:")).then_some(())?;
    Some(Piece {
        stream,
        raw: words.next().unwrap_or_default(),
        escaped: false,
        more,
    })
}

/// `{"log":"TEXT","stream":"stdout",…}`; the last piece's text has a newline at its end.
fn docker(line: &[u8]) -> Option<Piece<'_>> {
    let text = line.strip_prefix(b"{\"log\":\"")?;
    let end = memmem::find(text, b"\",\"stream\":\"")?;
    let stream = text[end + 12..].split(|b| *b == b'"').next()?;
    let text = &text[..end];
    let whole = text.strip_suffix(b"\\n");
    let mut piece = Piece {
        stream,
        raw: whole.unwrap_or(text),
        escaped: true,
        more: whole.is_none(),
    };
    // What others strip the newline of is no piece, but a line.
    piece.more = piece.more && !ends_whole(&piece.text());
    Some(piece)
}

/// `[0.25, "o", "TEXT"]`: a terminal's output as it came; the last piece of a line ends with a newline.
fn asciicast(line: &[u8]) -> Option<Piece<'_>> {
    let line = line.strip_prefix(b"[")?;
    let (time, text) = line.split_at_checked(memchr::memchr(b',', line)?)?;
    let number = |b: &u8| b.is_ascii_digit() || *b == b'.';
    let text = text
        .strip_prefix(b", \"o\", \"")
        .filter(|_| time.iter().all(number))?;
    let text = &text[..string_length(text)? - 1];
    Some(Piece {
        stream: b"o",
        raw: text,
        escaped: true,
        more: !text.ends_with(b"\\n"),
    })
}

/// `TEXT=` or `TEXT\`: what mail and `sed -n l` wrap; the last piece of a line ends otherwise.
fn wrapped(line: &[u8]) -> Option<Piece<'_>> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let front = line.strip_suffix(b"=").or(line.strip_suffix(b"\\"));
    let front = front.filter(|_| (70..=76).contains(&line.len()));
    (line.len() <= 76).then(|| Piece {
        stream: b"",
        raw: front.unwrap_or(line),
        escaped: false,
        more: front.is_some(),
    })
}

fn ends_whole(text: &[u8]) -> bool {
    let (end, name) = match text.strip_suffix(b"\"}") {
        Some(end) => (end, &b"sum\""[..]),
        None => (text, &b" sum="[..]),
    };
    let Some((front, sum)) = end.split_last_chunk::<8>() else {
        return false;
    };
    let near = &front[front.len().saturating_sub(8)..];
    sum.iter().all(u8::is_ascii_hexdigit) && memmem::find(near, name).is_some()
}

/// Whether a line is a piece in which nothing stands: the newline that was left of a whole line.
pub(crate) fn is_blank(line: &[u8]) -> bool {
    let mut pieces = FORMS.iter().filter_map(|form| form(line));
    pieces.any(|piece| piece.text().trim_ascii().is_empty())
}

/// Whether what stands between two strings of a document are keys and values of one object and of those within it: then
/// both belong to the same thing.
pub(crate) fn same_object(between: &[u8]) -> bool {
    let mut depth = 0_i32;
    let mut lowest = 0;
    // Behind a string its own quote comes first, behind an object what separates it.
    let behind_object = matches!(between.trim_ascii_start().first(), Some(b',' | b'}' | b']'));
    let quote = memchr::memchr(b'"', between).map_or(between.len(), |n| n + 1);
    let mut at = if behind_object { 0 } else { quote };
    let mut keyed = false;
    while at < between.len() {
        match between[at] {
            b'"' => {
                let Some(length) = string_length(&between[at + 1..]) else {
                    break;
                };
                let behind = between[at + 1 + length..]
                    .iter()
                    .find(|b| !b.is_ascii_whitespace());
                let is_name = !is_index(&between[at + 1..at + length]);
                keyed |= matches!(behind, Some(b':' | b'=')) && depth <= lowest && is_name;
                at += length;
            }
            b'{' | b'[' if depth <= lowest && !keyed => return false,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth < lowest {
                    lowest = depth;
                    keyed = false;
                }
            }
            _ => {}
        }
        at += 1;
    }
    keyed
}

/// Whether this is nothing but what parts the cells of a table, or an attribute from a text.
pub(crate) fn is_separator(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| b",;|\t\"' <>()".contains(byte))
}

/// Whether a key only counts: `3`, `row_3`, `l3`. What is under two of these are two things.
pub(crate) fn is_index(key: &[u8]) -> bool {
    key.last().is_some_and(u8::is_ascii_digit)
}

/// The text of a string whose opening quote stands in front of `bytes`, without a newline at its end.
pub(crate) fn string(bytes: &[u8]) -> Vec<u8> {
    let length = string_length(bytes).map_or(bytes.len(), |n| n - 1);
    let mut text = backslashes(&bytes[..length]);
    if text.ends_with(b"\n") {
        text.pop();
    }
    text
}

/// The strings of documents that are no keys, each with the last key in front of it, but for those that are cut off.
pub(crate) fn strings(bytes: &[u8]) -> impl Iterator<Item = (Option<&[u8]>, Range<usize>)> {
    let (mut at, mut key) = (0, None);
    iter::from_fn(move || {
        loop {
            let start = at + memchr::memchr(b'"', bytes.get(at..)?)? + 1;
            let rest = &bytes[start..];
            let Some(length) = string_length(rest) else {
                at = start + memchr::memchr(b'\n', rest)?;
                continue;
            };
            let span = start..start + length - 1;
            at = start + length;
            if !bytes[at..].trim_ascii_start().starts_with(b":") {
                return Some((key, span));
            }
            key = Some(&bytes[span]);
        }
    })
}

/// How long a string is, with its closing quote; none if its line ends before it.
pub(crate) fn string_length(bytes: &[u8]) -> Option<usize> {
    quoted_length(bytes, b'"')
}

/// How long a string is that this quote closes.
pub(crate) fn quoted_length(bytes: &[u8], quote: u8) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr3(quote, b'\\', b'\n', bytes.get(at..)?)?;
        match bytes[at] {
            b'\\' => at += 2,
            b'\n' => return None,
            _ => return Some(at + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_put_together() {
        let cri = b"2026-11-23T17:42:00.1Z stdout P ab\n2026-11-23T17:42:00.2Z stdout P cd\n2026-11-23T17:42:00.2Z stdout F e\nx";
        assert_eq!(joined(cri, 35), Some((b"abcde".to_vec(), cri.len() - 1)));
        let docker = b"{\"log\":\"a=\\\"\",\"stream\":\"stderr\"}\n{\"log\":\"b\\n\",\"stream\":\"stderr\"}\n";
        assert_eq!(joined(docker, 33), Some((b"a=\"b".to_vec(), docker.len())));
        let mail = format!("{}=\r\nb\r\nc", "a".repeat(75));
        let whole = ("a".repeat(75) + "b").into_bytes();
        assert_eq!(joined(mail.as_bytes(), 78), Some((whole, 81)));
        assert_eq!(left_open(docker), None);
        assert_eq!(left_open(&docker[..33]), Some(0));
    }

    #[test]
    fn another_streams_lines_may_stand_between_pieces() {
        let part = |stream: &str, tag: &str, text: &str| {
            format!("2026-11-23T17:42:00.1Z {stream} {tag} {text}\n")
        };
        let first = part("stdout", "P", "ab");
        let others =
            part("stderr", "P", "x") + &part("stderr", "F", "y") + &part("stderr", "F", "z");
        let last = part("stdout", "F", "cd");
        let lines = format!("{first}{others}{last}{others}");
        let length = lines.len() - others.len();
        let whole = b"abcd\nxy\nz\n".to_vec();
        assert_eq!(joined(lines.as_bytes(), first.len()), Some((whole, length)));
        let open = format!("{first}{others}");
        assert_eq!(joined(open.as_bytes(), first.len()), None);
    }

    /// The second piece begins with a time, as a line of text does.
    #[test]
    fn json_cut_in_front_of_its_time_is_put_together() {
        let line = br#"{"timestamp":"2026-11-23T17:42:00.000123Z","level":"INFO"}"#;
        let (start, rest) = line.split_at(14);
        let part = |tag: &str, text: &[u8]| {
            let text = String::from_utf8_lossy(text);
            format!("2026-11-23T17:42:00.1Z stdout {tag} {text}\n")
        };
        let first = part("P", start);
        let parts = format!("{first}{}", part("F", rest));
        let (whole, length) = joined(parts.as_bytes(), first.len()).expect("they are pieces");
        assert_eq!((&whole[..], length), (&line[..], parts.len()));
    }

    #[test]
    fn a_line_that_was_cut_off_for_good_is_not_joined_with_the_next() {
        let first = "2026-11-23T17:42:00.1Z stdout P 2026-11-23T17:42:00.000123Z  IN\n";
        let lines = format!(
            "{first}2026-11-23T17:42:00.1Z stdout F 2026-11-23T17:42:00.000124Z  INFO main x\n"
        );
        assert_eq!(joined(lines.as_bytes(), first.len()), None);
    }

    #[test]
    fn an_object_is_told_from_its_neighbour() {
        for (between, same) in [
            (
                "\",\"@version\":\"1\",\"host\":{\"name\":\"h\"},\"event\":{\"original\":\"",
                true,
            ),
            ("\"}},{\"_index\":\"i\",\"_source\":{\"message\":\"", false),
            ("\\n\",\"stream\":\"stderr\"}\n{\"log\":\"", false),
            ("\n", false),
            ("\t", false),
            ("\",\n  \"event\" => {\n  \"original\" => \"", true),
            ("\",\"", false),
            (",\"message\":\"", true),
            ("},{\"message\":\"", false),
            ("\",\"8\":\"", false),
            ("},\"row_8\":{\"message\":\"", false),
        ] {
            assert_eq!(same_object(between.as_bytes()), same, "{between}");
        }
    }
}
