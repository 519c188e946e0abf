//! What the audit reads at once: a block of lines, and the places in it.

use std::sync::Arc;

use derive_more::Deref;

/// So many bytes of damaged lines are held back until a run is met.
pub(crate) const EARLY_BYTES: usize = 1 << 20;

/// A block of whole lines, save where a line is longer than any block.
#[derive(Debug, Default, Deref)]
pub(crate) struct Block {
    /// Counts the blocks from 0.
    pub number: u64,
    /// The input that it comes from.
    pub file: u32,
    /// Where its first byte stands in that input, unpacked.
    pub offset: u64,
    /// Its first line began in the block before.
    pub continues: bool,
    /// How the input is laid out.
    #[deref]
    pub layout: Arc<Layout>,
    /// The lines.
    pub bytes: Vec<u8>,
    /// Behind them the input could not be read on.
    pub cut: Option<Cut>,
}

/// An input that could not be read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    /// What is said of it.
    pub why: String,
    /// It is damaged itself: what came out of it may not be what went in.
    pub damaged: bool,
}

/// How an input is laid out, as far as its beginning shows it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layout {
    /// Its newest lines come first.
    pub backwards: bool,
    /// The forms of lines that stand between most records, and belong to them.
    pub usual: Vec<Vec<u8>>,
    /// What stands in front of the first record on its line.
    pub prefix: Vec<u8>,
    /// What each frame of a document begins with, where one takes several lines or the document only one.
    pub frame: Option<Vec<u8>>,
    /// Its lines are those of a document, be it longer than what was looked at.
    pub framed: bool,
    /// Records stand in the midst of bytes that are no text.
    pub binary: bool,
}

/// A place in a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockLocation {
    /// The line's number within the block, from 0.
    pub line: u32,
    /// The first byte of the line; of the record, where the line holds more than one.
    pub offset: u32,
}
