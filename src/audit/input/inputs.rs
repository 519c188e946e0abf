//! Where records come from: files and streams, in the order of time, in blocks of whole lines or whole frames of a document.
//!
//! Rotated parts may be named in any order: the times of their first records tell which comes first. A line that is longer
//! than a block is handed out in parts, so that memory stays bounded. What a part's end leaves open goes on in the next one.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    mem,
    path::Path,
    sync::Arc,
};

use anyhow::Result;
use memchr::memmem;

use super::{
    coded::{CODES, Code, Decoded},
    source::{Input, Source, peek},
};
use crate::audit::{
    records::{
        block::{Block, BlockLocation, Cut, Layout},
        keyed::{are_pieces, frame_start},
        marks::has_marks,
        notes::{controls, form},
        parts,
        record::starts_here,
        scan::Scanner,
        scanned::{Other, Scanned, What},
    },
    registry::Registry,
};

/// How much is read at once: more would fall out of the processor's cache.
const BLOCK: usize = 512 * 1024;
/// A line that has not ended by then is handed out in parts.
const LINE_MAX: usize = 1024 * 1024;
/// How much of a part is read to learn what is in it.
const HEAD: usize = 64 * 1024;
/// More files than this are not kept open until their turn comes: thousands of shards would take descriptors and memory.
const OPEN_MAX: usize = 16;
/// A quote is not longer, however it is escaped.
const QUOTE_MAX: usize = 16;

/// What the head of a part says about all of it.
#[derive(Debug, Default)]
struct Survey {
    /// How many records are whole, and how many are not.
    whole: usize,
    damaged: usize,
    /// The time of the first record.
    first: Option<u64>,
    /// Its first line has a record in it.
    starts_whole: bool,
    /// In which way all of it is written, if not so that records are found in it as it stands.
    code: Option<&'static Code>,
    /// What the scan of the rest has to know.
    layout: Arc<Layout>,
}

impl Survey {
    fn of(head: &[u8], registry: &Registry) -> Self {
        let survey = Self::as_it_is(head, registry);
        let codes = match survey {
            Self { whole: 0, .. } => &CODES[..],
            Self { damaged: 0, .. } => &[],
            // What is not whole may be in pieces; in other codes a damage may look like the code.
            _ => &CODES[..1],
        };
        let mut decoded = codes.iter().filter_map(|code| {
            let found = Self::as_it_is(&(code.undo)(head)?, registry);
            let better = survey.whole == 0 || found.damaged <= survey.damaged / 4;
            (found.whole > survey.whole && better).then_some(Self {
                code: Some(code),
                ..found
            })
        });
        decoded.next().unwrap_or(survey)
    }

    fn as_it_is(head: &[u8], registry: &Registry) -> Self {
        // A long line at its end may be all there is.
        let lines = memchr::memrchr(b'\n', head).map_or(0, |n| n + 1);
        let length = if lines > head.len() / 2 {
            lines
        } else {
            head.len()
        };
        let block = Block {
            bytes: head[..length].to_vec(),
            file: u32::MAX,
            ..Block::default()
        };
        let (mut scanner, mut scanned) = (Scanner::new(registry), Scanned::default());
        scanner.scan(&block, &mut scanned);
        let mut records: Vec<_> = scanned.whole().map(|(at, stamp, _)| (at, stamp)).collect();
        records.sort_by_key(|(at, _)| at.offset);
        let first = records.first();
        let steps = records.windows(2).map(|pair| pair[1].1.cmp(&pair[0].1));
        let place = first.map(|(at, _)| at.offset as usize);
        let front = place.unwrap_or(0);
        let line = memchr::memrchr(b'\n', &head[..front]).map_or(0, |n| n + 1);
        let frame = place.and_then(|place| frame_start(head, place));
        let (falls, rises) = (
            steps.clone().filter(|step| step.is_lt()).count(),
            steps.filter(|step| step.is_gt()).count(),
        );
        let is_damaged = |other: &&Other| matches!(other.what, What::Suspect(_));
        Self {
            whole: records.len(),
            damaged: scanned.others.iter().filter(is_damaged).count(),
            first: first.map(|(_, stamp)| *stamp),
            starts_whole: first.is_some_and(|(at, _)| at.line == 0),
            code: None,
            layout: Arc::new(Layout {
                backwards: falls > 3 * rises && falls > 2,
                usual: usual_between(&head[..length], &records),
                prefix: head[line..front].to_vec(),
                framed: frame.is_some() || line > 0 && are_pieces(&head[..line]),
                frame,
                binary: records.len() > 1 && controls(head) >= records.len(),
            }),
        }
    }
}

/// The forms of the lines that come between the records again and again, with as many records between each two: lines of other
/// programs come as they like.
fn usual_between(head: &[u8], records: &[(BlockLocation, u64)]) -> Vec<Vec<u8>> {
    let mut gaps: HashMap<Vec<u8>, BTreeMap<usize, usize>> = HashMap::new();
    let own: BTreeSet<u32> = records.iter().map(|(at, _)| at.line).collect();
    for (line, number) in head.split(|byte| *byte == b'\n').zip(0..) {
        let line = line.trim_ascii_end();
        if !own.contains(&number) && !line.is_empty() && !has_marks(line) {
            let gap = own.range(..number).count();
            *gaps.entry(form(line)).or_default().entry(gap).or_default() += 1;
        }
    }
    let is_usual = |gaps: &BTreeMap<usize, usize>| {
        let pairs = gaps.iter().zip(gaps.iter().skip(1));
        let alike = pairs.filter(|(one, next)| one.1 == next.1);
        let mut steps: Vec<usize> = alike.map(|(one, next)| next.0 - one.0).collect();
        steps.sort_unstable();
        // A record that is lost or damaged makes a step shorter.
        let median = steps.get(steps.len() / 2).copied().unwrap_or(0);
        steps.retain(|step| step.abs_diff(median) * 16 <= median);
        steps.len() > 2 && steps.iter().sum::<usize>() > records.len() * 3 / 4
    };
    gaps.retain(|_, gaps| is_usual(gaps));
    gaps.into_keys().collect()
}

/// What blocks are read from.
pub(crate) trait Blocks: Send {
    /// Fills `block` with the next lines; false at the end of all inputs.
    fn next(&mut self, block: &mut Block) -> Result<bool>;
}

/// One input, and what was read of it already.
pub(crate) struct Part {
    file: u32,
    pub input: Input,
    source: Source,
    /// It was closed, and is to be opened again when its turn has come.
    closed: bool,
    survey: Survey,
    /// Read, but not handed out yet.
    carry: Vec<u8>,
    /// The last block that was handed out ends in the middle of a line.
    open: bool,
    /// Bytes that were handed out.
    offset: u64,
    /// Nothing more will come: what is left is handed out, be its last line whole or not.
    pub ended: bool,
    /// More may come behind what there is: its beginning is surveyed when it comes.
    grows: Option<Arc<Registry>>,
}

/// All that is to be read. Files are opened one after the other, however many there are.
pub(crate) struct Inputs {
    parts: VecDeque<Part>,
}

impl Inputs {
    /// Looks into all inputs and puts them into the order of their first records.
    pub(crate) fn open(inputs: &[Input], registry: &Registry) -> Result<Self> {
        let mut parts = Vec::new();
        for (file, input) in inputs.iter().enumerate() {
            let opened = input.open()?;
            let (head, source) = peek(opened.source, HEAD);
            let survey = Survey::of(&head, registry);
            if survey.layout.backwards
                && opened.again
                && let Input::File(path) = input
                && let Ok(tail) = tail(path, head.len() as u64)
            {
                // The runs of such a log begin at its end.
                let plain = survey.code.and_then(|code| (code.undo)(&tail));
                Survey::as_it_is(&plain.unwrap_or(tail), registry);
            }
            let closed = opened.again && inputs.len() > OPEN_MAX;
            let source = if closed {
                Box::new(io::empty())
            } else {
                source
            };
            parts.push(Part {
                survey,
                closed,
                ..Part::new(file, input, source)?
            });
        }
        let falling = parts.iter().filter(|part| part.survey.layout.backwards);
        let newest_first = falling.count() * 2 > parts.len();
        parts.sort_by_key(|part| match part.survey.first.unwrap_or(u64::MAX) {
            first if newest_first => u64::MAX - first,
            first => first,
        });
        Ok(Self {
            parts: parts.into(),
        })
    }
}

impl Blocks for Inputs {
    fn next(&mut self, block: &mut Block) -> Result<bool> {
        while let Some(part) = self.parts.front_mut() {
            if mem::take(&mut part.closed) {
                part.source = part.input.open()?.source;
            }
            block.cut = part.fill(block).err().map(|error| Cut {
                why: format!(
                    "{} cannot be read to its end, and was judged as far as it can be: {error}",
                    part.input.name()
                ),
                damaged: error.kind() != io::ErrorKind::UnexpectedEof,
            });
            if part.ended
                && let Some(next) = self.parts.get_mut(1)
                && !next.survey.starts_whole
            {
                let left = left_open(&block.bytes);
                next.carry.extend(block.bytes.drain(left..));
            }
            if !block.bytes.is_empty() || block.cut.is_some() {
                return Ok(true);
            }
            self.parts.pop_front();
        }
        Ok(false)
    }
}

impl Part {
    /// A source that says where there is nothing yet that it would block.
    pub(crate) fn growing(
        file: usize,
        input: &Input,
        source: Source,
        registry: &Arc<Registry>,
    ) -> Result<Self> {
        Ok(Self {
            grows: Some(Arc::clone(registry)),
            ..Self::new(file, input, source)?
        })
    }

    fn new(file: usize, input: &Input, source: Source) -> Result<Self> {
        Ok(Self {
            file: u32::try_from(file)?,
            input: input.clone(),
            source,
            closed: false,
            survey: Survey::default(),
            carry: Vec::new(),
            open: false,
            offset: 0,
            ended: false,
            grows: None,
        })
    }

    /// Reads whole lines into `block`: none if there are none now.
    ///
    /// # Errors
    /// It ends before its end; the lines in front of that are in `block`.
    pub(crate) fn fill(&mut self, block: &mut Block) -> io::Result<()> {
        let bytes = &mut block.bytes;
        bytes.clear();
        bytes.append(&mut self.carry);
        let mut wanted = BLOCK.max(bytes.len() + BLOCK / 2);
        let mut read = Ok(());
        let end = loop {
            read = read.and(self.read(bytes, wanted));
            if let Some(registry) = &self.grows
                && self.offset < HEAD as u64
            {
                self.survey = Survey::of(&bytes[..bytes.len().min(HEAD)], registry);
                // Lines that arrive while they are logged come in the order of time.
                Arc::make_mut(&mut self.survey.layout).backwards = false;
            }
            if let Some(code) = self.survey.code.take() {
                let source = mem::replace(&mut self.source, Box::new(io::empty()));
                let coded = io::Cursor::new(mem::take(bytes)).chain(source);
                self.source = Box::new(Decoded::new(code, Box::new(coded)));
                self.ended = false;
                continue;
            }
            match self.survey.cut(bytes) {
                // Of a line that could not be read to its end nothing can be said.
                _ if read.is_err() => {
                    bytes.truncate(memchr::memrchr(b'\n', bytes).map_or(0, |n| n + 1));
                    break bytes.len();
                }
                _ if self.ended => break bytes.len(),
                Some(end) => break end,
                None if bytes.len() < wanted => break 0,
                None if bytes.len() < LINE_MAX => wanted = LINE_MAX,
                None => break between_records(bytes),
            }
        };
        self.carry.extend(bytes.drain(end..));
        block.file = self.file;
        block.offset = self.offset;
        block.continues = self.open;
        block.layout = Arc::clone(&self.survey.layout);
        self.offset += end as u64;
        self.open = end > 0 && bytes[end - 1] != b'\n';
        read
    }

    /// Reads until there are as many bytes as are wanted, or there is nothing to be read now.
    fn read(&mut self, bytes: &mut Vec<u8>, wanted: usize) -> io::Result<()> {
        if self.ended {
            return Ok(());
        }
        let room = wanted - bytes.len();
        bytes.reserve(room);
        let read = self.source.by_ref().take(room as u64).read_to_end(bytes);
        match read {
            Ok(length) => self.ended = length < room,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                self.ended = true;
                return Err(error);
            }
        }
        Ok(())
    }
}

impl Survey {
    /// Where a block of these bytes ends: in front of a frame or a line, and not between the pieces of one.
    fn cut(&self, bytes: &[u8]) -> Option<usize> {
        if let Some(frame) = &self.layout.frame
            && let Some(at) = memmem::rfind(bytes, frame).filter(|at| *at > 0)
        {
            // What stands in front of it on its line goes with it.
            let line = memchr::memrchr(b'\n', &bytes[..at]).map_or(0, |n| n + 1);
            return Some(match memchr::memchr2(b'\n', b',', frame) {
                Some(0) => at + 1,
                Some(_) if line > 0 => line,
                _ => at,
            });
        }
        let newline = memchr::memrchr(b'\n', bytes)? + 1;
        let whole = left_open(&bytes[..newline]);
        Some(if whole > 0 { whole } else { newline })
    }
}

/// Where, at the end of these bytes, a line begins that is not complete, or whose last piece is to come.
fn left_open(bytes: &[u8]) -> usize {
    let end = memchr::memrchr(b'\n', bytes).map_or(0, |n| n + 1);
    parts::left_open(&bytes[..end]).unwrap_or(end)
}

/// The last bytes of a file, without those that were read already.
fn tail(path: &Path, read: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let start = file.metadata()?.len().saturating_sub(HEAD as u64);
    file.seek(SeekFrom::Start(start.max(read)))?;
    let mut bytes = Vec::new();
    file.take(HEAD as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Where to cut a line that is too long: in front of the last record inside it, if there is one.
fn between_records(bytes: &[u8]) -> usize {
    // Quotes may be escaped in whatever way.
    let keys = memmem::rfind_iter(bytes, b"timestamp");
    let mut braces = keys.filter_map(|key| {
        let near = key.saturating_sub(QUOTE_MAX);
        memchr::memrchr(b'{', &bytes[near..key]).map(|n| near + n)
    });
    let digits = (1..bytes.len())
        .rev()
        .filter(|at| bytes[*at].is_ascii_digit());
    let text = digits.into_iter().find(|at| starts_here(&bytes[*at..]));
    let last = text.max(braces.next()).filter(|at| *at > 0);
    last.unwrap_or(bytes.len())
}
