//! A tray: finished lines of one author, one behind the other, on their way to the sinks.
//!
//! This file must not know who fills a tray and who empties it.

use std::ops::Range;

use crate::log::clock::Stamp;

/// Most lines are shorter.
const LINE_BYTES: usize = 512;

/// A finished line, in the formats that the sinks need.
#[derive(Clone, Copy, Debug)]
pub struct FinishedLine<'a> {
    /// When it was made.
    pub stamp: Stamp,
    /// Its number along the lane.
    pub seq: u64,
    /// The line as text.
    pub text: &'a [u8],
    /// The line as JSON; empty where no sink needs it.
    pub json: &'a [u8],
    /// Whether the console shows it.
    pub to_console: bool,
}

/// Finished lines, one behind the other.
#[derive(Debug, Default)]
pub struct Tray {
    text: Vec<u8>,
    json: Vec<u8>,
    marks: Vec<Mark>,
}

/// Where a line of a tray ends.
#[derive(Clone, Copy, Debug)]
struct Mark {
    stamp: Stamp,
    text_end: usize,
    json_end: usize,
    to_console: bool,
}

impl Tray {
    /// An empty tray with room for so many bytes of text, so that it need not grow, in another thread each time.
    pub fn new(bytes: usize) -> Self {
        Self {
            text: Vec::with_capacity(bytes + LINE_BYTES),
            ..Self::default()
        }
    }

    /// Adds a line.
    pub fn push(&mut self, line: &FinishedLine<'_>) {
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
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// How many bytes its lines have, as text and as JSON.
    pub fn bytes(&self) -> usize {
        self.text.len() + self.json.len()
    }

    /// Takes all lines out.
    pub fn clear(&mut self) {
        self.text.clear();
        self.json.clear();
        self.marks.clear();
    }

    /// The stamp of line number `i`.
    pub fn stamp(&self, i: usize) -> Option<Stamp> {
        self.marks.get(i).map(|mark| mark.stamp)
    }

    /// The lines with these numbers.
    pub fn run(&self, lines: Range<usize>) -> Run<'_> {
        Run { tray: self, lines }
    }

    /// How many lines at the end are newer than `cut`.
    pub fn newer_than(&self, cut: Stamp) -> usize {
        let newest = self.marks.iter().rev();
        newest.take_while(|mark| mark.stamp > cut).count()
    }

    /// Moves the last `count` lines to the end of `other`.
    pub fn move_last(&mut self, count: usize, other: &mut Self) {
        let kept = self.marks.len() - count;
        for i in kept..self.marks.len() {
            let (text, json) = self.line(i);
            let Mark {
                stamp, to_console, ..
            } = self.marks[i];
            other.push(&FinishedLine {
                stamp,
                seq: 0,
                text,
                json,
                to_console,
            });
        }
        let (text_end, json_end) = self.end_of(kept);
        self.text.truncate(text_end);
        self.json.truncate(json_end);
        self.marks.truncate(kept);
    }

    /// Where the first `count` lines end, as text and as JSON.
    fn end_of(&self, count: usize) -> (usize, usize) {
        count.checked_sub(1).map_or((0, 0), |last| {
            (self.marks[last].text_end, self.marks[last].json_end)
        })
    }

    /// Line number `i` as text and as JSON.
    fn line(&self, i: usize) -> (&[u8], &[u8]) {
        let (text_start, json_start) = self.end_of(i);
        let mark = &self.marks[i];
        (
            &self.text[text_start..mark.text_end],
            &self.json[json_start..mark.json_end],
        )
    }
}

/// Lines that stand one behind the other.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    tray: &'a Tray,
    lines: Range<usize>,
}

impl<'a> Run<'a> {
    /// How many lines there are.
    pub fn count(&self) -> usize {
        self.lines.len()
    }

    /// All of them as text.
    pub fn text(&self) -> &'a [u8] {
        let ((start, _), (end, _)) = (
            self.tray.end_of(self.lines.start),
            self.tray.end_of(self.lines.end),
        );
        &self.tray.text[start..end]
    }

    /// Each of them: its stamp, its text, its JSON, and whether the console shows it.
    pub fn lines(&self) -> impl Iterator<Item = (Stamp, &'a [u8], &'a [u8], bool)> {
        let tray = self.tray;
        self.lines.clone().map(move |i| {
            let (text, json) = tray.line(i);
            (tray.marks[i].stamp, text, json, tray.marks[i].to_console)
        })
    }
}
