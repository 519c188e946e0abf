//! Escapes in which whole lines come, undone: a table, easy to add to. Which of them was used the checksum of the record
//! says that is found afterwards.

/// A way to write text otherwise.
pub(super) struct Escape {
    /// What stands in text that was written in that way.
    marks: &'static [&'static [u8]],
    undo: fn(&[u8]) -> Vec<u8>,
}

/// All of them, in the order in which they are tried.
pub(super) const ESCAPES: [Escape; 6] = [
    Escape {
        marks: &[
            b"\x1b[",
            b"#033[",
            b"^[[",
            b"\\x1b[",
            b"\\u001b[",
            b"\\u001B[",
            b"\\033[",
            b"\\e[",
            b"\\x1B[",
        ],
        undo: colours,
    },
    Escape {
        marks: &[b"&quot;", b"&#", b"&amp;", b"&lt;"],
        undo: entities,
    },
    Escape {
        marks: &[b"\"\""],
        undo: doubled_quotes,
    },
    Escape {
        marks: &[b"\\"],
        undo: backslashes,
    },
    Escape {
        marks: &[b"%22", b"%20", b"%3D"],
        undo: percents,
    },
    Escape {
        marks: &[b"#011", b"#033", b"\0"],
        undo: controls,
    },
];

impl Escape {
    /// The text, if it may have been written in this way.
    pub(super) fn undo(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        // What they begin with is rare.
        let has = |mark: &&[u8]| {
            memchr::memchr_iter(mark[0], bytes).any(|at| bytes[at..].starts_with(mark))
        };
        let marked = self.marks.iter().any(has);
        marked.then(|| (self.undo)(bytes))
    }
}

/// Without the sequences that colour a terminal's text, in whatever form their first character came.
fn colours(bytes: &[u8]) -> Vec<u8> {
    const STARTS: [&[u8]; 9] = [
        b"\x1b[",
        b"#033[",
        b"^[[",
        b"\\x1b[",
        b"\\x1B[",
        b"\\u001b[",
        b"\\u001B[",
        b"\\033[",
        b"\\e[",
    ];
    replaced(bytes, |rest| {
        let start = STARTS.iter().find(|start| rest.starts_with(start))?;
        let codes = &rest[start.len()..];
        let length = codes
            .iter()
            .take_while(|b| b.is_ascii_digit() || **b == b';' || **b == b'?')
            .count();
        let letter = codes.get(length)?.is_ascii_alphabetic();
        letter.then(|| (start.len() + length + 1, Vec::new()))
    })
}

/// HTML and XML: `&quot;`, `&#34;`, `&#x22;`.
fn entities(bytes: &[u8]) -> Vec<u8> {
    const NAMED: [(&[u8], u8); 6] = [
        (b"&quot;", b'"'),
        (b"&amp;", b'&'),
        (b"&lt;", b'<'),
        (b"&gt;", b'>'),
        (b"&apos;", b'\''),
        (b"&nbsp;", b' '),
    ];
    replaced(bytes, |rest| {
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
    })
}

/// CSV: a quote within quotes is doubled.
pub(super) fn doubled_quotes(bytes: &[u8]) -> Vec<u8> {
    replaced(bytes, |rest| {
        rest.starts_with(b"\"\"").then(|| (2, vec![b'"']))
    })
}

/// JSON's escapes, and those that other languages have besides.
pub(super) fn backslashes(bytes: &[u8]) -> Vec<u8> {
    replaced(bytes, |rest| {
        let rest = rest.strip_prefix(b"\\")?;
        let plain = |byte| Some((2, vec![byte]));
        match rest.first()? {
            b'n' => plain(b'\n'),
            b't' => plain(b'\t'),
            b'r' => plain(b'\r'),
            b'b' => plain(8),
            b'f' => plain(12),
            b'e' => plain(0x1b),
            byte @ (b'"' | b'\\' | b'/' | b'\'') => plain(*byte),
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
    })
}

/// URLs: `%22`.
fn percents(bytes: &[u8]) -> Vec<u8> {
    replaced(bytes, |rest| {
        (rest.first() == Some(&b'%')).then_some(())?;
        Some((3, vec![u8::try_from(hex(rest, 1, 2)?).ok()?]))
    })
}

/// What rsyslog writes for control characters, and NUL bytes between others.
fn controls(bytes: &[u8]) -> Vec<u8> {
    replaced(bytes, |rest| {
        if rest.starts_with(b"#0") {
            let octal = rest.get(1..4)?;
            let digits = std::str::from_utf8(octal).ok()?;
            return Some((4, vec![u8::from_str_radix(digits, 8).ok()?]));
        }
        (rest[0] == 0).then(|| (1, Vec::new()))
    })
}

fn hex(bytes: &[u8], at: usize, length: usize) -> Option<u32> {
    let digits = std::str::from_utf8(bytes.get(at..at + length)?).ok()?;
    u32::from_str_radix(digits, 16).ok()
}

/// A copy, with other bytes wherever `replace` says how many go and what comes for them.
fn replaced(bytes: &[u8], replace: impl Fn(&[u8]) -> Option<(usize, Vec<u8>)>) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b' ' => {}
            _ => {
                if let Some((length, other)) = replace(&bytes[at..]) {
                    out.extend_from_slice(&other);
                    at += length;
                    continue;
                }
            }
        }
        out.push(bytes[at]);
        at += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_are_undone() {
        for (escaped, plain) in [
            ("\u{1b}[2mx\u{1b}[0m", "x"),
            ("#033[2mx#033[0m y", "x y"),
            ("a=&quot;b &amp; c&#34;&#x21;", "a=\"b & c\"!"),
            ("x=\"\"y\"\"", "x=\"y\""),
            (r#"\"a\"\n\u00e9\ud83d\ude00\x41"#, "\"a\"\né😀A"),
            ("%7B%22a%22", "{\"a\""),
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
                (escape.undo)(&bytes);
            }
        }
    }
}
