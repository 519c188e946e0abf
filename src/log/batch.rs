//! A batch: finished lines of many producers, on their way to the sinks.

use super::clock::Stamp;

/// A finished line, in the forms that the sinks need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FinishedLine<'a> {
    /// When it was made.
    pub stamp: Stamp,
    /// Its number along its producer's lines.
    pub seq: u64,
    /// The line as text; empty where no sink needs it.
    pub text: &'a [u8],
    /// The line as JSON; empty where no sink needs it.
    pub json: &'a [u8],
    /// Whether the console shows it.
    pub to_console: bool,
}

/// Finished lines, one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    text: Vec<u8>,
    json: Vec<u8>,
    marks: Vec<Mark>,
}

/// Where a line of a batch ends.
#[derive(Clone, Copy, Debug)]
struct Mark {
    stamp: Stamp,
    text_end: usize,
    json_end: usize,
    to_console: bool,
}

/// Few lines are longer.
const LINE_BYTES: usize = 512;
/// Few lines are shorter.
const SHORT_LINE_BYTES: usize = 128;

impl Batch {
    /// An empty batch with room for lines of `bytes`: it seldom grows, which would cost memory in another thread's heap each time.
    /// What is not used of it costs none.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self {
            text: Vec::with_capacity(bytes + LINE_BYTES),
            json: Vec::with_capacity(bytes + LINE_BYTES),
            marks: Vec::with_capacity(bytes / SHORT_LINE_BYTES),
        }
    }

    /// Adds a line.
    #[inline]
    pub(crate) fn push(&mut self, line: &FinishedLine<'_>) {
        self.text.extend_from_slice(line.text);
        self.json.extend_from_slice(line.json);
        self.marks.push(Mark {
            stamp: line.stamp,
            text_end: self.text.len(),
            json_end: self.json.len(),
            to_console: line.to_console,
        });
    }

    /// Whether there is no line in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// How many lines there are.
    pub(crate) fn len(&self) -> usize {
        self.marks.len()
    }

    /// How many bytes its lines have, as text and as JSON.
    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        self.text.len() + self.json.len()
    }

    /// Removes all lines. The memory stays, for the next ones.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.json.clear();
        self.marks.clear();
    }

    /// All lines as text.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// All lines as JSON.
    pub(crate) fn json(&self) -> &[u8] {
        &self.json
    }

    /// The text of each line, and whether the console shows it.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&[u8], bool)> {
        (0..self.len()).map(|i| {
            let text = &self.text[self.end_before(i).0..self.marks[i].text_end];
            (text, self.marks[i].to_console)
        })
    }

    /// The stamp of each line.
    pub(crate) fn stamps(&self) -> impl Iterator<Item = Stamp> {
        self.marks.iter().map(|mark| mark.stamp)
    }

    /// Whether the lines are in time order.
    pub(crate) fn is_sorted(&self) -> bool {
        self.marks.is_sorted_by_key(|mark| mark.stamp)
    }

    /// Copies all lines of `parts` in place of its own, in time order. Those of a part with the same stamp stay in the order in
    /// which they came. `order` is memory to work with.
    pub(crate) fn merge(&mut self, parts: &[Self], order: &mut Vec<(Stamp, u32, u32)>) {
        self.clear();
        order.clear();
        for (part, n) in parts.iter().zip(0..) {
            order.extend(part.stamps().zip(0..).map(|(stamp, line)| (stamp, n, line)));
        }
        // Each part is nearly sorted, which this sort makes use of; what is equal stays in the order of the parts.
        order.sort_by_key(|(stamp, _, _)| *stamp);
        for lines in
            order.chunk_by(|(_, part, line), (_, same, next)| part == same && line + 1 == *next)
        {
            let (_, part, first) = lines[0];
            self.push_lines(&parts[part as usize], first as usize, lines.len());
        }
    }

    /// Adds `count` lines of another batch from line number `first` on.
    fn push_lines(&mut self, from: &Self, first: usize, count: usize) {
        let (text_start, json_start) = from.end_before(first);
        let (text_at, json_at) = (self.text.len(), self.json.len());
        let marks = &from.marks[first..first + count];
        self.marks.extend(marks.iter().map(|mark| Mark {
            text_end: mark.text_end - text_start + text_at,
            json_end: mark.json_end - json_start + json_at,
            ..*mark
        }));
        let (text_end, json_end) = from.end_before(first + count);
        self.text
            .extend_from_slice(&from.text[text_start..text_end]);
        self.json
            .extend_from_slice(&from.json[json_start..json_end]);
    }

    /// Where the line before line number `i` ends, as text and as JSON.
    fn end_before(&self, i: usize) -> (usize, usize) {
        let before = i.checked_sub(1).map(|before| self.marks[before]);
        before.map_or((0, 0), |mark| (mark.text_end, mark.json_end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_in_time_order_and_keep_their_forms() {
        let mut batch = Batch::default();
        for (i, stamp) in [3, 4, 1, 9, 9, 2, 5].into_iter().enumerate() {
            batch.push(&FinishedLine {
                stamp: Stamp(stamp),
                seq: 0,
                text: format!("{stamp} line {i}\n").as_bytes(),
                json: format!("{{{i}}}\n").as_bytes(),
                to_console: stamp == 2,
            });
        }
        let mut merged = Batch::default();
        merged.merge(&[batch], &mut Vec::new());
        let batch = merged;
        let text = "1 line 2\n2 line 5\n3 line 0\n4 line 1\n5 line 6\n9 line 3\n9 line 4\n";
        assert_eq!(String::from_utf8_lossy(batch.text()), text);
        assert_eq!(batch.json(), b"{2}\n{5}\n{0}\n{1}\n{6}\n{3}\n{4}\n");
        let shown: Vec<_> = batch.lines().filter(|(_, shown)| *shown).collect();
        assert_eq!(shown, [(&b"2 line 5\n"[..], true)]);
        assert!(
            batch
                .stamps()
                .map(|stamp| stamp.0)
                .eq([1, 2, 3, 4, 5, 9, 9])
        );
    }
}
