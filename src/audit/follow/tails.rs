//! All that is followed, in blocks of whole lines, as they come.

use std::{
    fs,
    io::Read,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::{file::GrowingFile, pipe::Pipe};
use crate::{
    audit::{
        input::{
            inputs::{Blocks, Part},
            source::Input,
        },
        records::block::Block,
        registry::Registry,
    },
    log::{file::folder_of, line::displayed},
    shutdown::PATIENCE_AFTER_STOP,
};

/// How often is looked whether there is something to be read: lines that come one by one are read together.
const SPACING: Duration = Duration::from_millis(50);

/// The inputs that are followed.
pub(super) struct Tails {
    tails: Vec<Tail>,
    names: Vec<String>,
    /// Which is read next: one that never runs dry must not keep the others from being read.
    turn: usize,
    /// It is time to end.
    ending: Arc<AtomicBool>,
    /// When that was noticed.
    noticed: Option<Instant>,
}

struct Tail {
    part: Part,
    /// Whether a pipe has ended; a file does not.
    ended: Option<Arc<AtomicBool>>,
}

impl Tails {
    /// Begins to follow the inputs, from the start of each.
    ///
    /// # Errors
    /// One of them can never be read.
    pub(super) fn open(
        inputs: &[Input],
        registry: &Arc<Registry>,
        ending: &Arc<AtomicBool>,
    ) -> Result<Self> {
        let mut tails = Vec::new();
        for (number, input) in inputs.iter().enumerate() {
            let (source, ended): (Box<dyn Read + Send>, _) = match input {
                Input::File(path) if grows(path)? => {
                    (Box::new(GrowingFile::new(path.clone())), None)
                }
                other => {
                    let (pipe, ended) = Pipe::start(other.clone())?;
                    (Box::new(pipe), Some(ended))
                }
            };
            tails.push(Tail {
                part: Part::growing(u32::try_from(number)?, source, registry),
                ended,
            });
        }
        Ok(Self {
            tails,
            names: inputs.iter().map(Input::name).collect(),
            turn: 0,
            ending: Arc::clone(ending),
            noticed: None,
        })
    }

    /// Fills `block` from whichever has something.
    fn fill(&mut self, block: &mut Block) -> Result<bool> {
        for _ in 0..self.tails.len() {
            let turn = self.turn;
            self.turn = (turn + 1) % self.tails.len();
            let filled = self.tails[turn].part.fill(block);
            let name = &self.names[turn];
            if filled.with_context(|| format!("the log {name} cannot be followed"))? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Blocks for Tails {
    fn next(&mut self, block: &mut Block) -> Result<bool> {
        loop {
            let ending = self.ending.load(Ordering::Relaxed);
            let since = ending.then(|| *self.noticed.get_or_insert_with(Instant::now));
            // What is there is read, but not what a writer adds for ever.
            let too_long = since.is_some_and(|since| since.elapsed() > PATIENCE_AFTER_STOP);
            if !too_long && self.fill(block)? {
                return Ok(true);
            }
            let ended = |tail: &Tail| {
                let ended = tail.ended.as_ref();
                ended.is_some_and(|ended| ended.load(Ordering::Relaxed))
            };
            if ending || self.tails.iter().all(ended) {
                // The last lines need not be whole.
                self.tails.iter_mut().for_each(|tail| tail.part.end());
                return self.fill(block);
            }
            thread::sleep(SPACING);
        }
    }
}

/// Whether it is a file that grows, or will be one; else it is read as a pipe is.
fn grows(path: &Path) -> Result<bool> {
    if let Ok(found) = fs::metadata(path) {
        if found.is_dir() {
            bail!(
                "the log {} cannot be followed: it is a directory",
                displayed(path)
            );
        }
        return Ok(found.is_file());
    }
    let folder = folder_of(path);
    if !folder.is_dir() {
        bail!(
            "the log {} cannot be followed: there is no folder {}; create it first",
            displayed(path),
            displayed(folder)
        );
    }
    Ok(true)
}
