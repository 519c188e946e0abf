//! Escapes in which whole lines come, undone: a table, easy to add to. Which of them was used the checksum of the record
//! says that is found afterwards.

use std::{borrow::Cow, iter, sync::LazyLock};

use memchr::memmem::Finder;

/// A way to write text otherwise.
pub(crate) struct Escape {
    /// What stands in text that was written in that way.
    marks: &'static [&'static [u8]],
    replace: Replace,
}

/// If something escaped stands at the start: how long that is, and what it stands for.
type Replace = fn(&[u8]) -> Option<(usize, Vec<u8>)>;

/// A tag is not longer than this.
const TAG_MAX: usize = 200;

/// What a terminal's sequences begin with, in whatever form that character came.
const SEQUENCES: [&[u8]; 11] = [
    b"\x1b",
    b"\xe2\x90\x9b",
    b"\xef\xbf\xbd",
    b"#033",
    b"^[",
    b"\\x1b",
    b"\\u001b",
    b"\\u001B",
    b"\\033",
    b"\\e",
    b"\\x1B",
];

/// The first of them nothing else looks like.
pub(crate) const SURE: usize = 4;
/// All of them, in the order in which they are tried.
pub(crate) const ESCAPES: [Escape; 9] = [
    Escape {
        marks: &[b"[", b"\x1b"],
        replace: sequence,
    },
    Escape {
        marks: &[b"\xc2\xa0", b"\xe2\x80", b"\xe2\x81\xa0", b"\xef\xbb\xbf"],
        replace: invisible,
    },
    Escape {
        marks: &[b"<"],
        replace: tag,
    },
    Escape {
        marks: &[b"=3D"],
        replace: quoted_printable,
    },
    Escape {
        marks: &[b"&"],
        replace: entity,
    },
    Escape {
        marks: &[b"\"\""],
        replace: doubled_quote,
    },
    Escape {
        marks: &[b"\\"],
        replace: backslash,
    },
    Escape {
        marks: &[b"%"],
        replace: percent,
    },
    Escape {
        marks: &[b"#011", b"#033", b"\0"],
        replace: control,
    },
];

impl Escape {
    /// The text, if it may have been written in this way.
    pub(crate) fn undo(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        // What they begin with is rare.
        let has = |mark: &&[u8]| {
            memchr::memchr_iter(mark[0], bytes).any(|at| bytes[at..].starts_with(mark))
        };
        let marked = self.marks.iter().any(has);
        marked.then(|| replaced(bytes, self.replace))
    }

    /// Where in `bytes` that stands which is at these `places` of the text, which rise.
    pub(crate) fn origins(&self, bytes: &[u8], places: &[usize]) -> Vec<usize> {
        let (mut origins, mut length) = (Vec::with_capacity(places.len()), 0);
        for (at, text) in steps(bytes, self.replace) {
            let within = |place: &&usize| **place < length + text.len();
            while let Some(place) = places.get(origins.len()).filter(within) {
                let plain = matches!(text, Cow::Borrowed(_));
                origins.push(if plain {
                    at + place.saturating_sub(length)
                } else {
                    at
                });
            }
            length += text.len();
        }
        origins.resize(places.len(), bytes.len());
        origins
    }
}

/// Whether a terminal's colours may be there.
pub(crate) fn has_colours(bytes: &[u8]) -> bool {
    static RESET: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("[0m"));
    memchr::memchr(0x1b, bytes).is_some() || RESET.find(bytes).is_some()
}

/// Without the sequences that a terminal obeys: colours and the like, which end with a letter; titles, links and times, which end
/// with a bell or another sequence; and the choice of an alphabet.
fn sequence(rest: &[u8]) -> Option<(usize, Vec<u8>)> {
    let start = SEQUENCES.iter().find(|start| rest.starts_with(start));
    // Some drop that character, and leave the rest of a colour.
    let start = start.map_or(0, |start| start.len());
    let (kind, codes) = rest[start..].split_first()?;
    let length = match kind {
        b'[' => {
            let plain = |b: &&u8| (b' '..b'@').contains(*b);
            let length = codes.iter().take_while(plain).count();
            let end = codes.get(length)?;
            let ends = end.is_ascii_alphabetic() && start > 0 || *end == b'm' && length > 0;
            ends.then_some(length + 1)?
        }
        b']' | b'_' if start > 0 => memchr::memchr2(0x07, 0x1b, codes)
            .map(|n| n + usize::from(codes[n] == 0x07) + 2 * usize::from(codes[n] == 0x1b))?,
        b'(' | b')' if start > 0 => 1,
        _ => return None,
    };
    Some((start + 1 + length, Vec::new()))
}

/// What copying from a page or writing in one makes of letters: blanks that do not break, characters without a width, curly
/// quotes.
fn invisible(rest: &[u8]) -> Option<(usize, Vec<u8>)> {
    match rest {
        [0xc2, 0xa0, ..] => Some((2, vec![b' '])),
        [0xe2, 0x80, 0xaf, ..] => Some((3, vec![b' '])),
        [0xe2, 0x80, 0x9c | 0x9d, ..] => Some((3, vec![b'"'])),
        [0xe2, 0x80, 0x8b..=0x8f, ..] | [0xe2, 0x81, 0xa0, ..] | [0xef, 0xbb, 0xbf, ..] => {
            Some((3, Vec::new()))
        }
        _ => None,
    }
}

/// Without the tags of HTML and XML: what highlights a word, or stands between lines.
fn tag(rest: &[u8]) -> Option<(usize, Vec<u8>)> {
    let name = rest.strip_prefix(b"<")?;
    let is_tag = name
        .first()
        .is_some_and(|b| b.is_ascii_alphabetic() || *b == b'/');
    let length = name.iter().take(TAG_MAX).position(|b| *b == b'>')?;
    // A record may be an attribute's value.
    let is_tag = is_tag && memchr::memchr(b'{', &name[..length]).is_none();
    is_tag.then_some((length + 2, Vec::new()))
}

/// HTML and XML: `&quot;`, `&#34;`, `&#x22;`.
fn entity(rest: &[u8]) -> Option<(usize, Vec<u8>)> {
    const NAMED: [(&[u8], u8); 6] = [
        (b"&quot;", b'"'),
        (b"&amp;", b'&'),
        (b"&lt;", b'<'),
        (b"&gt;", b'>'),
        (b"&apos;", b'\''),
        (b"&nbsp;", b' '),
    ];
    if let Some((name, byte)) = NAMED.iter().find(|(name, _)| rest.starts_with(name)) {
        return Some((name.len(), vec![*byte]));
    }
    let number = rest.strip_prefix(b"&#")?;
    let length = number.iter().take(8).position(|b| *b == b';')?;
    let digits = std::str::from_utf8(&number[..length]).ok()?;
    let code = match digits.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => digits.parse().ok()?,
    };
    let text = char::from_u32(code)?.to_string();
    Some((length + 3, text.into_bytes()))
}

/// CSV: a quote within quotes is doubled.
fn doubled_quote(rest: &[u8]) -> Option<(usize, Vec<u8>)> {
    rest.starts_with(b"\"\"").then(|| (2, vec![b'"']))
}

/// A cell of CSV without its escapes.
pub(crate) fn doubled_quotes(bytes: &[u8]) -> Vec<u8> {
    replaced(bytes, doubled_quote)
}

/// JSON's escapes, and those that other languages have besides.
fn backslash(rest: &[u8]) -> Option<(usize, Vec<u8>)> {
    let rest = rest.strip_prefix(b"\\")?;
    let plain = |byte| Some((2, vec![byte]));
    match rest.first()? {
        b'n' => plain(b'\n'),
        b't' => plain(b'\t'),
        b'r' => plain(b'\r'),
        b'b' => plain(8),
        b'f' => plain(12),
        b'e' => plain(0x1b),
        // Shells, Markdown and others put one in front of whatever means something to them.
        byte if byte.is_ascii_punctuation() || *byte == b' ' => plain(*byte),
        b'x' => plain(u8::try_from(hex(rest, 1, 2)?).ok()?).map(|(_, byte)| (4, byte)),
        b'u' => {
            let unit = hex(rest, 1, 4)?;
            if (0xd800..0xdc00).contains(&unit) && rest.get(5..7) == Some(b"\\u") {
                let low = hex(rest, 7, 4)?.checked_sub(0xdc00)?;
                let c = char::from_u32(0x10000 + ((unit - 0xd800) << 10) + low)?;
                return Some((12, c.to_string().into_bytes()));
            }
            Some((6, char::from_u32(unit)?.to_string().into_bytes()))
        }
        _ => None,
    }
}

/// A JSON string without its escapes.
pub(crate) fn backslashes(bytes: &[u8]) -> Vec<u8> {
    replaced(bytes, backslash)
}

/// URLs: `%22`.
fn percent(rest: &[u8]) -> Option<(usize, Vec<u8>)> {
    match rest.first()? {
        b'%' => Some((3, vec![u8::try_from(hex(rest, 1, 2)?).ok()?])),
        // In a form's fields a plus is a blank.
        b'+' => Some((1, vec![b' '])),
        _ => None,
    }
}

/// Mail: `=3D`.
fn quoted_printable(rest: &[u8]) -> Option<(usize, Vec<u8>)> {
    rest.starts_with(b"=").then_some(())?;
    Some((3, vec![u8::try_from(hex(rest, 1, 2)?).ok()?]))
}

/// What rsyslog writes for control characters, and NUL bytes between others.
fn control(rest: &[u8]) -> Option<(usize, Vec<u8>)> {
    if rest.starts_with(b"#0") {
        let octal = rest.get(1..4)?;
        let digits = std::str::from_utf8(octal).ok()?;
        return Some((4, vec![u8::from_str_radix(digits, 8).ok()?]));
    }
    (rest[0] == 0).then(|| (1, Vec::new()))
}

fn hex(bytes: &[u8], at: usize, length: usize) -> Option<u32> {
    let digits = std::str::from_utf8(bytes.get(at..at + length)?).ok()?;
    u32::from_str_radix(digits, 16).ok()
}

/// A copy, with other bytes wherever `replace` says how many go and what comes for them.
fn replaced(bytes: &[u8], replace: Replace) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    steps(bytes, replace).for_each(|(_, text)| out.extend_from_slice(&text));
    out
}

/// Where each piece of `bytes` begins that stands for something, and for what.
fn steps(bytes: &[u8], replace: Replace) -> impl Iterator<Item = (usize, Cow<'_, [u8]>)> {
    let mut at = 0;
    iter::from_fn(move || {
        let (start, rest) = (at, bytes.get(at..).filter(|rest| !rest.is_empty())?);
        // Letters and digits begin no escape.
        let plain = rest
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric())
            .count();
        if plain > 0 {
            at += plain;
            return Some((start, Cow::Borrowed(&rest[..plain])));
        }
        let (length, text) = match replace(rest) {
            Some((length, text)) => (length, Cow::Owned(text)),
            None => (1, Cow::Borrowed(&rest[..1])),
        };
        at += length;
        Some((start, text))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_are_undone() {
        for (escaped, plain) in [
            ("\u{1b}[2mx\u{1b}[0m", "x"),
            ("\u{1b}_bk;t=1\u{7}x\u{1b}(B\u{1b}]8;;f\u{1b}\\y", "xy"),
            ("\u{200b}a\u{a0} b", "a  b"),
            (r"run\=1 a\_b\ c", "run=1 a_b c"),
            ("#033[2mx#033[0m y", "x y"),
            ("[2mx[0m y[3]\u{241b}[0m", "x y[3]"),
            ("a=&quot;b &amp; c&#34;&#x21;", "a=\"b & c\"!"),
            ("x=\"\"y\"\"", "x=\"y\""),
            (r#"\"a\"\n\u00e9\ud83d\ude00\x41"#, "\"a\"\né😀A"),
            ("%7B%22a%22+1", "{\"a\" 1"),
            ("run=3D1 a=3Db", "run=1 a=b"),
        ] {
            let undone = ESCAPES
                .iter()
                .find_map(|escape| escape.undo(escaped.as_bytes()));
            assert_eq!(
                undone
                    .map(|bytes| String::from_utf8(bytes).unwrap())
                    .as_deref(),
                Some(plain)
            );
        }
    }

    #[test]
    fn what_stood_escaped_is_found_again() {
        let escape = &ESCAPES[6];
        let escaped = br#"x\n\"ab\" z"#;
        assert_eq!(escape.undo(escaped).unwrap(), b"x\n\"ab\" z");
        assert_eq!(escape.origins(escaped, &[0, 2, 4, 5, 8]), [0, 3, 6, 7, 11]);
    }

    proptest! {
        #[test]
        fn strings_come_back(text: String) {
            let escaped = serde_json::to_string(&text).unwrap();
            let inner = &escaped.as_bytes()[1..escaped.len() - 1];
            prop_assert_eq!(backslashes(inner), text.into_bytes());
        }

        #[test]
        fn any_bytes_end(bytes: Vec<u8>) {
            for escape in &ESCAPES {
                replaced(&bytes, escape.replace);
            }
        }
    }
}
