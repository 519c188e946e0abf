//! What the audit reads at once: a block of lines, and the places in it.

use std::sync::Arc;

/// So many bytes of damaged lines are held back until a run is met.
pub(crate) const EARLY_BYTES: usize = 1 << 20;

/// A block of whole lines, save where a line is longer than any block.
#[derive(Debug, Default)]
pub(crate) struct Block {
    /// Counts the blocks from 0.
    pub number: u64,
    /// The input that it comes from.
    pub file: u32,
    /// Where its first byte stands in that input, unpacked.
    pub offset: u64,
    /// Its first line began in the block before.
    pub continues: bool,
    /// The input has its newest lines first.
    pub backwards: bool,
    /// The forms of lines that stand between most records, and belong to them.
    pub usual: Arc<[Vec<u8>]>,
    /// What stands in front of a record on its line.
    pub prefix: Arc<[u8]>,
    /// Records come in documents of several lines.
    pub framed: bool,
    /// No input has a whole record early on, and this is not the beginning of one: most likely all of it is rewritten.
    pub rewritten: bool,
    /// Records stand in the midst of bytes that are no text.
    pub binary: bool,
    /// The first `length` bytes of it are the lines.
    pub buffer: Vec<u8>,
    /// How many bytes it holds.
    pub length: usize,
}

impl Block {
    /// The lines.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.length]
    }
}

/// A place in a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockLocation {
    /// The line's number within the block, from 0.
    pub line: u32,
    /// The first byte of the line; of the record, where the line holds more than one.
    pub offset: u32,
}
