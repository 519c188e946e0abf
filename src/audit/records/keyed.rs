//! JSON, and what others print that is like it (`=>` for the colon, single quotes or none), walked from its start to its end.
//!
//! It is taken apart into frames: the elements of arrays, however deep, and the values at the top. A frame is what one record
//! came in; it is shown as soon as it closes, so that a document of any length costs no more memory than one of them. A
//! list of `{"key": …, "value": …}` counts as fields of the object around it.

use std::{borrow::Cow, iter, mem, ops::Range};

use memchr::memmem;

use super::{
    decode::backslashes,
    parts::{is_index, quoted_length},
};

/// How deep objects and arrays may lie in each other.
const DEPTH_MAX: usize = 64;
/// How many values a frame may have before it is shown as it is.
const LEAVES_MAX: usize = 1024;
/// At so many brackets a document is looked for that turns out to be none.
pub(crate) const TRIES_MAX: u32 = 8;
/// How many values that are no objects an array may have before they are shown.
const ELEMENTS_MAX: usize = 16;

/// A value that is neither object nor array.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    key: Range<usize>,
    value: Range<usize>,
    /// It is written as a string.
    pub quoted: bool,
    /// The object or array that it stands in.
    pub container: usize,
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
            (at, expect) = match (expect, byte, self.in_array()) {
                (Expect::Value, b'{' | b'[', _) if self.open.len() < DEPTH_MAX => {
                    let object = *byte == b'{';
                    self.open(mem::take(&mut key), object, at);
                    (at + 1, if object { Expect::Key } else { Expect::Value })
                }
                (Expect::Value | Expect::Next, b']', true)
                | (Expect::Key | Expect::Next, b'}', false) => {
                    self.close(bytes, at + 1, &mut each);
                    (at + 1, Expect::Next)
                }
                (Expect::Value, ..) => {
                    let Some(value) = scalar(bytes, at, OF_VALUES) else {
                        return self.broken(at);
                    };
                    let quoted = is_quote(byte);
                    let end = value.end + usize::from(quoted);
                    self.leaf(bytes, mem::take(&mut key), value, quoted, &mut each);
                    (end, Expect::Next)
                }
                (Expect::Key, ..) => {
                    let Some(name) = scalar(bytes, at, OF_NAMES) else {
                        return self.broken(at);
                    };
                    key = name;
                    (key.end + usize::from(is_quote(byte)), Expect::Colon)
                }
                (Expect::Colon, b':', _) => (at + 1, Expect::Value),
                (Expect::Colon, b'=', _) if bytes.get(at + 1) == Some(&b'>') => {
                    (at + 2, Expect::Value)
                }
                (Expect::Next, b',', true) => (at + 1, Expect::Value),
                (Expect::Next, b',', false) => (at + 1, Expect::Key),
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
        let first = self.containers[container].first_leaf;
        if !self.is_frame(container) {
            let Container { object, span, .. } = &self.containers[container];
            let (object, start) = (*object, span.start);
            if let [only] = &mut self.leaves[first..]
                && only.container == container
                && (is_type(&bytes[only.key.clone()]) || !object && only.value.start < start + 3)
                && let Some(parent) = self.containers[container].parent
            {
                only.key = self.containers[container].key.clone();
                only.container = parent;
            }
            return;
        }
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

    /// The field that `{"key": K, "value": V}` in a list is to the object around the list; or to the list itself, where it
    /// has one for each record. Numbers and the like may follow.
    fn hoisted(&self, bytes: &[u8], container: usize) -> Option<Leaf> {
        let list = self.containers[container].parent?;
        let around = self.containers[list].parent;
        let around = around.filter(|around| self.containers[*around].object);
        let leaves = &self.leaves[self.containers[container].first_leaf..];
        let [name, value, others @ ..] = leaves else {
            return None;
        };
        if others.iter().any(|other| other.quoted) {
            return None;
        }
        let key = &bytes[name.key.clone()];
        let named = matches!(key, b"key" | b"Key" | b"name" | b"Name" | b"field")
            && (around.is_some() || bytes[value.key.clone()].eq_ignore_ascii_case(b"value"));
        (named && name.quoted && name.container == container).then(|| Leaf {
            key: name.value.clone(),
            container: around.unwrap_or(list),
            ..value.clone()
        })
    }
}

impl<'a> Frame<'a> {
    /// The objects in which a record's own fields may be: they have two of those that no others have.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = usize> {
        let mut counts: Vec<(usize, usize)> = Vec::new();
        let is_ours = |leaf: &&Leaf| is_own_name(self.key(leaf)) && !self.is_null(leaf);
        for leaf in self.leaves.iter().filter(is_ours) {
            let mut known = counts.iter_mut().rev();
            match known.find(|(container, _)| *container == leaf.container) {
                Some((_, count)) => *count += 1,
                None => counts.push((leaf.container, 1)),
            }
        }
        let several = counts.into_iter().filter(|(_, count)| *count > 1);
        several.map(|(container, _)| container)
    }

    /// Whether there is any of a record's own fields.
    pub(crate) fn has_ours(&self) -> bool {
        self.leaves.iter().any(|leaf| is_own_name(self.key(leaf)))
    }

    /// Where an object stands.
    pub(crate) fn span_of(&self, container: usize) -> Range<usize> {
        match container.checked_sub(self.base) {
            Some(at) => self.containers[at].span.clone(),
            None => self.span.clone(),
        }
    }

    /// What stands there, as it is.
    pub(crate) fn bytes(&self, span: Range<usize>) -> &'a [u8] {
        &self.bytes[span]
    }

    /// An object with its quotes and colons as JSON has them, where it is written otherwise.
    pub(crate) fn as_json(&self, container: usize) -> Option<Vec<u8>> {
        let object = self.bytes(self.span_of(container));
        let first = 1 + blanks(object.get(1..)?);
        (object.get(first) != Some(&b'"')).then_some(())?;
        let own = self
            .leaves
            .iter()
            .filter(|leaf| leaf.container == container);
        let fields = own.map(|leaf| {
            let (key, value) = (String::from_utf8_lossy(self.key(leaf)), self.value(leaf));
            let value = match leaf.quoted {
                true => serde_json::Value::from(value).to_string(),
                false => value.into_owned(),
            };
            format!("\"{key}\":{value}")
        });
        Some(format!("{{{}}}", fields.collect::<Vec<_>>().join(",")).into_bytes())
    }

    /// All values.
    pub(crate) fn leaves(&self) -> &'a [Leaf] {
        self.leaves
    }

    /// Whether there is no value.
    pub(crate) fn is_null(&self, leaf: &Leaf) -> bool {
        let value = self.value(leaf);
        value.is_empty() || !leaf.quoted && matches!(&*value, "null" | "nil" | "None")
    }

    /// The name of a value.
    pub(crate) fn key(&self, leaf: &Leaf) -> &'a [u8] {
        &self.bytes[leaf.key.clone()]
    }

    /// A value, unescaped.
    pub(crate) fn value(&self, leaf: &Leaf) -> Cow<'a, str> {
        let bytes = &self.bytes[leaf.value.clone()];
        match leaf.quoted && memchr::memchr(b'\\', bytes).is_some() {
            true => String::from_utf8_lossy(&backslashes(bytes))
                .into_owned()
                .into(),
            false => String::from_utf8_lossy(bytes),
        }
    }

    /// The name of a value and those of the objects around it, the innermost first.
    pub(crate) fn path(&self, leaf: &Leaf) -> impl Iterator<Item = &'a [u8]> {
        let container = |at: usize| at.checked_sub(self.base).map(|at| &self.containers[at]);
        let around = iter::successors(container(leaf.container), move |around| {
            around.parent.and_then(container)
        });
        let keys = around.map(|around| &self.bytes[around.key.clone()]);
        iter::once(self.key(leaf)).chain(keys.filter(|key| !key.is_empty()))
    }

    /// Where the strings stand, and of which list each is an element, or in which: the list and the element.
    pub(crate) fn strings(&self) -> impl Iterator<Item = (Range<usize>, Option<(usize, usize)>)> {
        let strings = self.leaves.iter().filter(|leaf| leaf.quoted);
        strings.map(|leaf| (leaf.value.clone(), self.element(leaf)))
    }

    fn element(&self, leaf: &Leaf) -> Option<(usize, usize)> {
        let key = self.key(leaf);
        if key.is_empty() || is_index(key) {
            return Some((leaf.container, leaf.value.start));
        }
        let mut within = leaf.container;
        loop {
            let container = &self.containers[within.checked_sub(self.base)?];
            let around = container.parent?;
            if is_index(&self.bytes[container.key.clone()]) {
                return Some((around, within));
            }
            within = around;
        }
    }
}

/// What the frames of a document begin with, in one of which this place is, if each takes several lines, or many stand on one: with
/// its line and up to its first key, or else with that key. Of frames within each other it is the outermost, but not all there is.
pub(crate) fn frame_start(bytes: &[u8], place: usize) -> Option<Vec<u8>> {
    let mut walker = Walker::default();
    let (mut frame, mut within, mut at) = (None, None, 0);
    for _ in 0..TRIES_MAX {
        at += memchr::memchr2(b'{', b'[', bytes.get(at..=place)?)?;
        let walked = walker.walk(bytes, at, |shown| {
            if shown.span.contains(&place) {
                within = frame.replace(shown.span.clone());
            }
        });
        at = match walked {
            Walked::Closed(behind) if bytes[behind..].trim_ascii().is_empty() => {
                frame = within.or(frame);
                break;
            }
            _ if frame.is_some() => break,
            Walked::Closed(behind) => behind,
            Walked::Broken(_, frame) => frame.max(at) + 1,
        };
    }
    let frame = frame?;
    let mut quotes =
        memchr::memchr_iter(b'"', &bytes[frame.clone()]).map(|at| frame.start + at + 1);
    let (key, behind) = (quotes.next()?, quotes.next()?);
    let line = memchr::memrchr(b'\n', &bytes[..frame.start]);
    let line_end =
        memchr::memchr(b'\n', &bytes[frame.start..]).map_or(bytes.len(), |n| frame.start + n);
    let whole_line = &bytes[line.map_or(0, |n| n + 1)..line_end];
    if line_end < frame.end {
        let alone = line.filter(|line| bytes[*line..frame.start].trim_ascii().is_empty());
        return Some(bytes[alone.unwrap_or(frame.start)..key].to_vec());
    }
    let is_line = whole_line.trim_ascii().len() <= frame.len() + 1;
    // Behind a comma it is less likely what stands within another.
    let start = [b",", &bytes[frame.start..behind]].concat();
    let many = |start: &[u8]| memmem::find_iter(whole_line, start).nth(1).is_some();
    let mut starts = [&start[..], &start[1..]].into_iter();
    let found = starts.find(|start| !is_line && many(start));
    found.map(<[u8]>::to_vec)
}

/// Whether these lines are the beginning of a document that goes on behind them.
pub(crate) fn are_pieces(lines: &[u8]) -> bool {
    let mut lines = lines.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let is_bracket = |line: &[u8]| line.iter().all(|byte| b"{}[],".contains(byte));
    lines.clone().any(is_piece) && lines.all(|line| is_bracket(line) || is_piece(line))
}

/// Whether a line is a piece of a document whose other pieces stand on other lines: it has a key, in front of which there is
/// nothing but brackets, the last thing in it being open as well, or what the line before has begun.
pub(crate) fn is_piece(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    let closed = line.iter().take_while(|b| b"]}, ".contains(b)).count();
    let line = line[closed..].strip_suffix(b",").unwrap_or(&line[closed..]);
    let is_bracket = |byte: &u8| matches!(byte, b'{' | b'[');
    let front = &line[..memchr::memchr(b'"', line).unwrap_or(line.len())];
    let begins = match front.iter().all(is_bracket) {
        true => front.is_empty() || line.last().is_some_and(is_bracket),
        false => front
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"_.@:".contains(b)),
    };
    let mut colons = ["\":", "\" :", "\" =>"].into_iter();
    begins && colons.any(|colon| memmem::find(line, colon.as_bytes()).is_some())
}

fn blanks(bytes: &[u8]) -> usize {
    let blank = |b: &&u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
    bytes.iter().take_while(blank).count()
}

/// Whether a key says only of which type the value is that has nothing else beside it: `{"stringValue": "x"}`, `{"N": "3"}`.
fn is_type(key: &[u8]) -> bool {
    const TYPES: [&[u8]; 6] = [b"string", b"long", b"int", b"double", b"S", b"N"];
    key.ends_with(b"Value") || key.starts_with(b"$") || TYPES.contains(&key)
}

/// Whether a key is one of a record's own names that no others have.
pub(crate) fn is_own_name(key: &[u8]) -> bool {
    let Some((front, name)) = key.split_last_chunk::<3>() else {
        return false;
    };
    let small = name.map(|byte| byte | 0x20);
    matches!(&small, b"sum" | b"seq" | b"run")
        && !front.last().is_some_and(u8::is_ascii_alphanumeric)
}

fn is_quote(byte: &u8) -> bool {
    matches!(byte, b'"' | b'\'')
}

/// What may stand beside letters and digits in a name, and in a number, word or time.
const OF_NAMES: &[u8] = b"_$";
const OF_VALUES: &[u8] = b"+-.:_/! ";

/// What stands in a string, without its quotes, or letters, digits and `others` without any.
fn scalar(bytes: &[u8], at: usize, others: &[u8]) -> Option<Range<usize>> {
    if is_quote(&bytes[at]) {
        let length = quoted_length(&bytes[at + 1..], bytes[at])?;
        return Some(at + 1..at + length);
    }
    let plain = |b: &&u8| b.is_ascii_alphanumeric() || others.contains(b);
    let length = bytes[at..].iter().take_while(plain).count();
    let length = bytes[at..at + length].trim_ascii_end().len();
    (length > 0).then_some(at..at + length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames(text: &str) -> (Vec<String>, Walked) {
        let mut out = Vec::new();
        let walked = Walker::default().walk(text.as_bytes(), 0, |frame| {
            let fields = frame.leaves().iter().map(|leaf| {
                let mut path: Vec<_> = frame.path(leaf).map(String::from_utf8_lossy).collect();
                path.reverse();
                format!("{}={}", path.join("."), frame.value(leaf))
            });
            out.push(fields.collect::<Vec<_>>().join(" "));
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
            (
                r#"{'a': 'x"y', b: 1, 'c': {d: None}}"#,
                &["a=x\"y b=1 c.d=None"],
            ),
            (r#"{"a":["x"],"b":[1, 2]}"#, &["a=x b.=1 b.=2"]),
            (
                r#"{"a":{"S":"x"},"b":{"$numberInt":"3"},"c":{"N":"1","S":"y"}}"#,
                &["a=x b=3 c.N=1 c.S=y"],
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
                        for leaf in frame.leaves() {
                            frame.path(leaf).count();
                            frame.value(leaf);
                        }
                        frame.candidates().count();
                    });
                }
            }
        }
    }
}
