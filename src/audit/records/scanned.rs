//! What the reading half of the audit hands to the judging half: for each block, what was found in it, in the order of the
//! input.
//!
//! A record is whole when its checksum holds, whatever the form in which it came; where it does not hold the record is
//! a suspect, and the judge compares it field by field with what the plan has. All else is foreign.

use std::sync::Arc;

use super::{attempt::AttemptRecord, block::BlockLocation, record::Record};

/// What a block holds.
#[derive(Debug, Default)]
pub(crate) struct Scanned {
    /// The attempts whose records are whole, in the order of the input.
    pub attempts: Vec<AttemptRecord>,
    /// All else, in the order of the input.
    pub others: Vec<Other>,
    /// How many newlines there are.
    pub lines: u32,
    /// Of some that are not whole nothing is told.
    pub brief: bool,
}

impl Scanned {
    /// The place of what stands at `offset`, in the line up to which everything is scanned.
    pub(super) fn location(&self, offset: usize) -> BlockLocation {
        BlockLocation {
            line: self.lines,
            offset: offset as u32,
        }
    }

    /// Of each whole record where it stands, its time, and when the pipeline received it.
    pub(crate) fn whole(&self) -> impl Iterator<Item = (BlockLocation, u64, u64)> {
        let others = self.others.iter().filter_map(|other| match &other.what {
            What::Record(_, record) => Some((other.location, record.stamp, other.received)),
            _ => None,
        });
        let attempts = self.attempts.iter();
        let attempts = attempts.map(|a| (a.location, a.stamp, a.received));
        attempts.chain(others)
    }

    /// Adds something other than an attempt.
    pub(super) fn push(&mut self, location: BlockLocation, received: u64, what: What) {
        self.others.push(Other {
            after: self.attempts.len(),
            location,
            received,
            what,
        });
    }
}

/// Something other than an attempt.
#[derive(Clone, Debug)]
pub(crate) struct Other {
    /// How many attempts stand before it in the block.
    pub after: usize,
    /// Where it stands.
    pub location: BlockLocation,
    /// When the pipeline received it, in microseconds since 1970; 0 if nothing says.
    pub received: u64,
    /// What it is.
    pub what: What,
}

/// What was found.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// A whole record of a run, by its place in the registry: of another event than an attempt's end, or of an attempt
    /// that can only be understood once the run's configuration is known.
    Record(u32, Box<Record>),
    /// A record that is not whole, or a part of one.
    Suspect(Suspect),
    /// What is no record of this program.
    Foreign(Foreign),
    /// A whole record of a run that the registry has no room for.
    NoRoom,
}

/// What looks like a record of this program, or like a part of one, and whose checksum does not hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Suspect {
    /// The record as it stands there, out of its envelope and unescaped; cut where it is absurdly long.
    pub bytes: Vec<u8>,
    /// The frame of a document in which its fields are keys and values, some of them around the record itself.
    pub frame: Framed,
    /// Its fields came as keys and values of JSON or the like, not as a line of text.
    pub json: bool,
    /// How long the line is that it stands in, with all that is around the record: a limit on the length of lines
    /// shows here.
    pub line_length: u32,
}

/// The frame of a document that a suspect came in.
#[derive(Clone, Debug, Default)]
pub(crate) enum Framed {
    /// None that can be read.
    #[default]
    No,
    /// There is nothing else in it.
    Alone,
    /// This.
    Within(Arc<[u8]>),
}

/// The value of the first field with this name.
pub(crate) fn value_of<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut named = fields.iter().filter(|(n, _)| n == name);
    named.next().map(|(_, value)| value.as_str())
}

/// So many NUL bytes are a hole, and no character that was changed, nor a part of a binary format.
pub(crate) const HOLE_MIN: usize = 16;

/// Lines that follow each other and are not of this program.
#[derive(Clone, Debug)]
pub(crate) struct Foreign {
    /// How many there are.
    pub count: u64,
    /// What they are known to be; none if another program may have written them.
    pub note: Option<Note>,
    /// The first of them, as it stands there; cut where it is long.
    pub text: Vec<u8>,
}

/// What is known to stand between the records of a log that is all right, or says something about what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// So many NUL bytes: a hole in a sparse file.
    Hole(u64),
    /// What tools write between the lines that they print: the banner of `tail`, a header, a session's start and end.
    Banner,
    /// A line without what stands in front of each record: where there are no records yet, or none any more, it is a header or the
    /// like.
    Outside,
    /// A part of the summary that a run prints when it ends, or of a progress line.
    Summary,
    /// A limit was reached and lines were dropped by who wrote this; so many, where it says so.
    Dropped(Option<u64>),
    /// Compressed data in the midst of text.
    Compressed,
    /// What may have been records, in the midst of many like it, none of which is whole.
    Unreadable,
}
