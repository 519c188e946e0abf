//! JSON, and what others print that is like it (`=>` for the colon, times without quotes), walked from its start to its end.
//!
//! It is taken apart into frames: the elements of arrays, however deep, and the values at the top. A frame is what one record
//! came in; it is shown as soon as it closes, so that a document of any length costs no more memory than one of them. A
//! list of `{"key": …, "value": …}` counts as fields of the object around it.

use std::{borrow::Cow, ops::Range, sync::Arc};

use super::{decode::backslashes, fields::Field, parts::string_length};

/// How deep objects and arrays may lie in each other.
const DEPTH_MAX: usize = 64;
/// How many values a frame may have before it is shown as it is.
const LEAVES_MAX: usize = 1024;
/// How many values that are no objects an array may have before they are shown.
const ELEMENTS_MAX: usize = 16;

/// A value that is neither object nor array.
#[derive(Clone, Debug)]
struct Leaf {
    key: Range<usize>,
    value: Range<usize>,
    quoted: bool,
    container: usize,
}

/// An object or an array.
#[derive(Clone, Debug)]
struct Container {
    parent: Option<usize>,
    key: Range<usize>,
    object: bool,
    span: Range<usize>,
    first_leaf: usize,
}

/// Walks documents, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Walker {
    leaves: Vec<Leaf>,
    containers: Vec<Container>,
    /// Those that are open, the innermost last.
    open: Vec<usize>,
}

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Walked {
    /// Behind the document.
    Closed(usize),
    /// Here the syntax is broken, in the frame that begins there.
    Broken(usize, usize),
}

/// What one record came in, or nothing of ours.
pub(crate) struct Frame<'a> {
    bytes: &'a [u8],
    leaves: &'a [Leaf],
    containers: &'a [Container],
    /// The number of the first of them.
    base: usize,
    /// Where it stands.
    pub span: Range<usize>,
}

enum Expect {
    Value,
    Key,
    Colon,
    Next,
}

impl Walker {
    /// Walks through the object or array at `from`, and shows each frame.
    pub(crate) fn walk(
        &mut self,
        bytes: &[u8],
        from: usize,
        mut each: impl FnMut(&Frame<'_>),
    ) -> Walked {
        self.leaves.clear();
        self.containers.clear();
        self.open.clear();
        let mut at = from;
        let mut key = 0..0;
        let mut expect = Expect::Value;
        loop {
            at += blanks(&bytes[at..]);
            let Some(byte) = bytes.get(at) else {
                return self.broken(at);
            };
            (at, expect) = match (expect, byte) {
                (Expect::Value, b'{' | b'[') if self.open.len() < DEPTH_MAX => {
                    let object = *byte == b'{';
                    self.open(key.clone(), object, at);
                    key = 0..0;
                    (at + 1, if object { Expect::Key } else { Expect::Value })
                }
                (Expect::Value, b']') if self.in_array() => {
                    self.close(bytes, at + 1, &mut each);
                    (at + 1, Expect::Next)
                }
                (Expect::Value, _) => {
                    let Some(value) = scalar(bytes, at) else {
                        return self.broken(at);
                    };
                    let quoted = *byte == b'"';
                    let end = value.end + usize::from(quoted);
                    self.leaf(bytes, key.clone(), value, quoted, &mut each);
                    (end, Expect::Next)
                }
                (Expect::Key, b'"') => {
                    let Some(name) = scalar(bytes, at) else {
                        return self.broken(at);
                    };
                    key = name;
                    (key.end + 1, Expect::Colon)
                }
                (Expect::Colon, b':') => (at + 1, Expect::Value),
                (Expect::Colon, b'=') if bytes.get(at + 1) == Some(&b'>') => {
                    (at + 2, Expect::Value)
                }
                (Expect::Next, b',') => {
                    key = 0..0;
                    (
                        at + 1,
                        if self.in_array() {
                            Expect::Value
                        } else {
                            Expect::Key
                        },
                    )
                }
                (Expect::Next, b']') if self.in_array() => {
                    self.close(bytes, at + 1, &mut each);
                    (at + 1, Expect::Next)
                }
                (Expect::Next | Expect::Key, b'}') if !self.in_array() => {
                    self.close(bytes, at + 1, &mut each);
                    (at + 1, Expect::Next)
                }
                _ => return self.broken(at),
            };
            if self.open.is_empty() {
                return Walked::Closed(at);
            }
        }
    }

    fn in_array(&self) -> bool {
        self.open
            .last()
            .is_some_and(|open| !self.containers[*open].object)
    }

    fn broken(&self, at: usize) -> Walked {
        let frame = self.open.iter().rev().find(|open| self.is_frame(**open));
        Walked::Broken(
            at,
            frame.map_or(at, |open| self.containers[*open].span.start),
        )
    }

    /// Whether a container is the element of an array, or at the top.
    fn is_frame(&self, container: usize) -> bool {
        let parent = self.containers[container].parent;
        parent.is_none_or(|parent| !self.containers[parent].object)
    }

    fn open(&mut self, key: Range<usize>, object: bool, at: usize) {
        let container = self.containers.len();
        self.containers.push(Container {
            parent: self.open.last().copied(),
            key,
            object,
            span: at..at,
            first_leaf: self.leaves.len(),
        });
        self.open.push(container);
    }

    fn leaf(
        &mut self,
        bytes: &[u8],
        key: Range<usize>,
        value: Range<usize>,
        quoted: bool,
        each: &mut impl FnMut(&Frame<'_>),
    ) {
        let Some(container) = self.open.last().copied() else {
            return;
        };
        let (end, first) = (value.end, self.containers[container].first_leaf);
        self.leaves.push(Leaf {
            key,
            value,
            quoted,
            container,
        });
        let most = if self.in_array() {
            ELEMENTS_MAX
        } else {
            LEAVES_MAX
        };
        if self.leaves.len() - first >= most {
            self.show(bytes, container, end, each);
            self.leaves.truncate(first);
        }
    }

    fn close(&mut self, bytes: &[u8], end: usize, each: &mut impl FnMut(&Frame<'_>)) {
        let Some(container) = self.open.pop() else {
            return;
        };
        self.containers[container].span.end = end;
        if !self.is_frame(container) {
            return;
        }
        let first = self.containers[container].first_leaf;
        let hoisted = self.hoisted(bytes, container);
        if hoisted.is_none() {
            self.show(bytes, container, end, each);
        }
        self.leaves.truncate(first);
        self.containers.truncate(container);
        self.leaves.extend(hoisted);
    }

    fn show(&self, bytes: &[u8], base: usize, end: usize, each: &mut impl FnMut(&Frame<'_>)) {
        let container = &self.containers[base];
        each(&Frame {
            bytes,
            leaves: &self.leaves[container.first_leaf..],
            containers: &self.containers[base..],
            base,
            span: container.span.start..end,
        });
    }

    /// The field that `{"key": K, "value": V}` in a list is to the object around the list. Numbers and the like may follow.
    fn hoisted(&self, bytes: &[u8], container: usize) -> Option<Leaf> {
        let list = self.containers[container].parent?;
        let around = self.containers[list].parent?;
        let leaves = &self.leaves[self.containers[container].first_leaf..];
        let [name, value, others @ ..] = leaves else {
            return None;
        };
        if others.iter().any(|other| other.quoted) {
            return None;
        }
        let named = matches!(
            &bytes[name.key.clone()],
            b"key" | b"name" | b"Name" | b"Key"
        );
        (named && name.quoted && name.container == container).then(|| Leaf {
            key: name.value.clone(),
            container: around,
            ..value.clone()
        })
    }
}

impl<'a> Frame<'a> {
    /// The objects in which a record's own fields may be: they have two of those that no others have.
    pub(crate) fn candidates(&self) -> Vec<usize> {
        let mut out: Vec<usize> = Vec::new();
        for leaf in self.leaves.iter().filter(|leaf| self.ours(leaf).is_some()) {
            let mates = self
                .leaves
                .iter()
                .filter(|mate| mate.container == leaf.container);
            if !out.contains(&leaf.container)
                && mates.filter(|mate| self.ours(mate).is_some()).count() > 1
            {
                out.push(leaf.container);
            }
        }
        out
    }

    /// Which of a record's own names the key of a leaf is.
    fn ours(&self, leaf: &Leaf) -> Option<&'static [u8; 3]> {
        let (front, name) = self.bytes[leaf.key.clone()].split_last_chunk::<3>()?;
        let ours = [b"sum", b"seq", b"run"].into_iter();
        let mut ours = ours.filter(|ours| name.eq_ignore_ascii_case(*ours));
        ours.next()
            .filter(|_| !front.last().is_some_and(u8::is_ascii_alphanumeric))
    }

    /// Where an object stands.
    pub(crate) fn span_of(&self, container: usize) -> Range<usize> {
        match container.checked_sub(self.base) {
            Some(at) => self.containers[at].span.clone(),
            None => self.span.clone(),
        }
    }

    /// What stands in an object, as it is.
    pub(crate) fn bytes_of(&self, container: usize) -> &[u8] {
        &self.bytes[self.span_of(container)]
    }

    /// A copy of all of it.
    pub(crate) fn copy(&self) -> Arc<[u8]> {
        self.bytes[self.span.clone()].into()
    }

    /// The fields of an object itself.
    pub(crate) fn own(&self, container: usize) -> Vec<Field<'a>> {
        let mut own = Vec::with_capacity(self.leaves.len());
        let leaves = self.leaves.iter();
        let leaves = leaves.filter(|leaf| leaf.container == container);
        own.extend(leaves.map(|leaf| self.field(leaf, text(&self.bytes[leaf.key.clone()]))));
        own
    }

    /// Whether an object has what may be a checksum.
    pub(crate) fn has_sum(&self, container: usize) -> bool {
        let is_sum = |leaf: &Leaf| leaf.container == container && self.ours(leaf) == Some(b"sum");
        self.leaves.iter().any(is_sum)
    }

    /// All other fields of the frame.
    pub(crate) fn outer(&self, container: usize) -> Vec<Field<'a>> {
        let outer = self
            .leaves
            .iter()
            .filter(|leaf| leaf.container != container);
        outer
            .map(|leaf| self.field(leaf, self.path(leaf).into()))
            .collect()
    }

    fn field(&self, leaf: &Leaf, path: Cow<'a, str>) -> Field<'a> {
        Field {
            path,
            value: unescaped(&self.bytes[leaf.value.clone()], leaf.quoted),
            quoted: leaf.quoted,
        }
    }

    fn path(&self, leaf: &Leaf) -> String {
        let mut path = text(&self.bytes[leaf.key.clone()]).into_owned();
        let mut at = leaf.container.checked_sub(self.base);
        while let Some(container) = at.map(|at| &self.containers[at]) {
            if !container.key.is_empty() {
                path = format!("{}.{path}", text(&self.bytes[container.key.clone()]));
            }
            at = container
                .parent
                .and_then(|parent| parent.checked_sub(self.base));
        }
        path
    }

    /// Where the strings stand.
    pub(crate) fn strings(&self) -> impl Iterator<Item = Range<usize>> {
        self.leaves
            .iter()
            .filter(|leaf| leaf.quoted)
            .map(|leaf| leaf.value.clone())
    }
}

/// Whether a line is a piece of a document whose other pieces stand on other lines: in an object it goes on behind its end, or
/// it closes what it has not opened.
pub(crate) fn is_piece(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    let closed = line.iter().take_while(|b| b"]}, ".contains(b)).count();
    let line = line[closed..].strip_suffix(b",").unwrap_or(&line[closed..]);
    let (first, last) = match line {
        [first, .., last] => (*first, *last),
        _ => return false,
    };
    // What it may stand behind: nothing, a brace, a key, a colon, or the first part of a string.
    let fronts: &[&[u8]] = match first {
        b'{' | b'[' => &[b""],
        b'"' if matches!(last, b'}' | b']') => &[b"{", b"{\"", b"{\"\":", b"{\"\":\""],
        b'"' => &[b"{", b"{\"", b"{\"\":\""],
        _ if matches!(last, b'}' | b']') => &[b"{\"", b"{\"\"", b"{\"\":\""],
        _ => &[],
    };
    let opens = matches!(last, b'{' | b'[');
    if fronts == [b""] && !opens {
        return false;
    }
    let behinds: &[&[u8]] = match last {
        b'{' | b'[' => &[b""],
        b'}' | b']' => &[b"", b"}"],
        _ => &[b"}"],
    };
    let pairs = |front| behinds.iter().map(move |behind| (front, behind));
    fronts.iter().flat_map(pairs).any(|(front, behind)| {
        let text = [front, line, behind].concat();
        match Walker::default().walk(&text, 0, |_| {}) {
            Walked::Broken(at, _) => opens && at == text.len(),
            Walked::Closed(at) => at == text.len() && !front.is_empty(),
        }
    })
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

fn unescaped(bytes: &[u8], quoted: bool) -> Cow<'_, str> {
    if !quoted || memchr::memchr(b'\\', bytes).is_none() {
        return text(bytes);
    }
    String::from_utf8_lossy(&backslashes(bytes))
        .into_owned()
        .into()
}

fn blanks(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .take_while(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n'))
        .count()
}

/// What stands in a string, without its quotes, or a number, word or time without any.
fn scalar(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    if bytes[at] == b'"' {
        let length = string_length(&bytes[at + 1..])?;
        return Some(at + 1..at + length);
    }
    let plain = |b: &&u8| b.is_ascii_alphanumeric() || b"+-.:_".contains(b);
    let length = bytes[at..].iter().take_while(plain).count();
    (length > 0).then_some(at..at + length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames(text: &str) -> (Vec<String>, Walked) {
        let mut out = Vec::new();
        let walked = Walker::default().walk(text.as_bytes(), 0, |frame| {
            let container = frame.base;
            let fields = frame
                .own(container)
                .into_iter()
                .chain(frame.outer(container));
            let fields: Vec<String> = fields
                .map(|field| format!("{}={}", field.path, field.value))
                .collect();
            out.push(fields.join(" "));
        });
        (out, walked)
    }

    #[test]
    fn frames_are_what_records_come_in() {
        for (text, expected) in [
            (r#"{"a":1,"b":{"c":"d\"e"}}"#, &["a=1 b.c=d\"e"][..]),
            (r#"[{"a":1}, {"a":2}]"#, &["a=1", "a=2", ""]),
            (
                r#"{"hits":{"hits":[{"_source":{"m":1}}]},"took":5}"#,
                &["_source.m=1", "took=5"],
            ),
            (
                r#"{"a":[{"key":"k","value":{"stringValue":"v"}}],"b":1}"#,
                &["k=v b=1"],
            ),
            (r#"[["173", "x"],["174","y"]]"#, &["=173 =x", "=174 =y", ""]),
            (
                "{\n  \"a\" => 2026-11-23T17:42:00Z,\n \"b\" => nil\n}",
                &["a=2026-11-23T17:42:00Z b=nil"],
            ),
        ] {
            assert_eq!(
                frames(text),
                (
                    expected.iter().map(|s| (*s).to_owned()).collect(),
                    Walked::Closed(text.len())
                ),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_broken_is_said_where() {
        assert_eq!(frames("{\"a\":1 \"b\":2}").1, Walked::Broken(7, 0));
        assert_eq!(frames("[{\"a\":1},{\"a\"x1}]").1, Walked::Broken(13, 9));
        assert_eq!(frames("{\"a\":\"x\n\"}").1, Walked::Broken(5, 0));
    }

    #[test]
    fn a_piece_of_a_document_is_told_from_a_line() {
        for (line, piece) in [
            ("   \"ingestionTime\": 1795621538068,", true),
            ("\"event\" => {", true),
            ("}, {\"a\": [", true),
            ("\"searchedLogStreams\": []", true),
            ("\"type\": \"container\" },", true),
            ("eam\":\"stderr\",\"time\":\"2026-11-25T09:34:57Z\"}", true),
            ("\"stderr\",\"time\":\"2026-11-25T09:34:57Z\"}", true),
            (":\"stderr\",\"time\":\"2026-11-25T09:34:57Z\"}", true),
            ("{\"msg\":\"of another program\"}", false),
            ("server {", false),
            ("[error] connection {", false),
            ("\"quoted\"", false),
            ("\"quoted\" words", false),
            ("hello", false),
        ] {
            assert_eq!(is_piece(line.as_bytes()), piece, "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes: Vec<u8>, text in "[\\[\\]{}\",:a1\\\\\n ]*") {
            for bytes in [bytes, text.into_bytes()] {
                if !bytes.is_empty() {
                    Walker::default().walk(&bytes, 0, |frame| {
                        for container in frame.candidates() {
                            frame.own(container);
                            frame.outer(container);
                        }
                    });
                }
            }
        }
    }
}
