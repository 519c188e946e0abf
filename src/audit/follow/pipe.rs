//! A pipe, read by a thread of its own, so that nobody else has to wait for it.

use std::{
    io::{self, ErrorKind, Read},
    sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
};

use anyhow::Result;

use crate::{audit::input::source::Input, errors::in_words, threads::spawn};

/// How much is read at once, and how often until it has to be taken.
const CHUNK: usize = 64 * 1024;
const CHUNKS: usize = 16;

/// What comes through a pipe. Where there is nothing to be read now, it would block.
pub(super) struct Pipe {
    chunks: Receiver<io::Result<Vec<u8>>>,
    chunk: io::Cursor<Vec<u8>>,
}

impl Pipe {
    /// Reads `input`.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub(super) fn start(input: Input) -> Result<Self> {
        let (sender, chunks) = sync_channel(CHUNKS);
        spawn("pipe", move || {
            if let Err(error) = pass_on(&input, &sender) {
                // Without a receiver nobody wants to know.
                let _ = sender.send(Err(error));
            }
        })?;
        Ok(Self {
            chunks,
            chunk: io::Cursor::default(),
        })
    }
}

/// Hands on what comes, until the pipe ends or nobody wants more.
fn pass_on(input: &Input, sender: &SyncSender<io::Result<Vec<u8>>>) -> io::Result<()> {
    let opened = input.open();
    let mut source = opened
        .map_err(|error| io::Error::other(in_words(&error)))?
        .source;
    loop {
        let mut chunk = vec![0; CHUNK];
        match source.read(&mut chunk) {
            Ok(length) => chunk.truncate(length),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        if chunk.is_empty() || sender.send(Ok(chunk)).is_err() {
            return Ok(());
        }
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.chunk.read(buffer)?;
        if length > 0 {
            return Ok(length);
        }
        match self.chunks.try_recv() {
            Ok(chunk) => {
                self.chunk = io::Cursor::new(chunk?);
                self.chunk.read(buffer)
            }
            Err(TryRecvError::Empty) => Err(ErrorKind::WouldBlock.into()),
            Err(TryRecvError::Disconnected) => Ok(0),
        }
    }
}
