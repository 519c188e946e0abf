//! All that is followed, in blocks of whole lines, as they come.

use std::{fs, path::Path, sync::Arc, thread, time::Duration};

use anyhow::{Context, Result, ensure};

use super::{file::GrowingFile, pipe::Pipe};
use crate::{
    audit::{
        input::{
            inputs::{Blocks, Part},
            source::{Input, Source},
        },
        records::block::Block,
        registry::Registry,
    },
    log::{file::folder_of, line::displayed},
    shutdown::{PATIENCE_AFTER_STOP, Stop},
};

/// How often is looked whether there is something to be read: lines that come one by one are read together.
const SPACING: Duration = Duration::from_millis(50);

/// The inputs that are followed.
pub(super) struct Tails {
    tails: Vec<Part>,
    stop: Arc<Stop>,
}

impl Tails {
    /// Begins to follow the inputs, from the start of each.
    ///
    /// # Errors
    /// One of them can never be read.
    pub(super) fn open(
        inputs: &[Input],
        registry: &Arc<Registry>,
        stop: &Arc<Stop>,
    ) -> Result<Self> {
        let tails = inputs.iter().enumerate().map(|(number, input)| {
            let source: Source = match input {
                Input::File(path) if grows(path).with_context(|| cannot_follow(input))? => {
                    Box::new(GrowingFile::new(path.clone()))
                }
                other => Box::new(Pipe::start(other.clone())?),
            };
            Part::growing(number, input, source, registry)
        });
        Ok(Self {
            tails: tails.collect::<Result<_>>()?,
            stop: Arc::clone(stop),
        })
    }

    /// Fills `block` from whichever has something.
    fn fill(&mut self, block: &mut Block) -> Result<bool> {
        for _ in 0..self.tails.len() {
            // One that never runs dry must not keep the others from being read.
            self.tails.rotate_left(1);
            let part = &mut self.tails[0];
            let filled = part.fill(block);
            filled.with_context(|| cannot_follow(&part.input))?;
            if !block.bytes.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Blocks for Tails {
    fn next(&mut self, block: &mut Block) -> Result<bool> {
        loop {
            let stopping = self.stop.elapsed();
            // What is there is read, but not what a writer adds for ever.
            if stopping <= Some(PATIENCE_AFTER_STOP) && self.fill(block)? {
                return Ok(true);
            }
            if stopping.is_some() || self.tails.iter().all(|part| part.ended) {
                // The last lines need not be whole.
                self.tails.iter_mut().for_each(|part| part.ended = true);
                return self.fill(block);
            }
            thread::sleep(SPACING);
        }
    }
}

/// Whether it is a file that grows, or will be one; else it is read as a pipe is.
fn grows(path: &Path) -> Result<bool> {
    if let Ok(found) = fs::metadata(path) {
        ensure!(!found.is_dir(), "it is a directory");
        return Ok(found.is_file());
    }
    let folder = folder_of(path);
    let name = displayed(folder);
    ensure!(
        folder.is_dir(),
        "there is no folder {name}; create it first"
    );
    Ok(true)
}

fn cannot_follow(input: &Input) -> String {
    format!("the log {} cannot be followed", input.name())
}
