//! A pipe, read by a thread of its own, so that nobody else has to wait for it.

use std::{
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, TryRecvError, sync_channel},
    },
    thread,
};

use anyhow::{Context, Result};

use crate::{audit::input::source::Input, errors::in_words};

/// How much is read at once, and how often until it has to be taken.
const CHUNK: usize = 64 * 1024;
const CHUNKS: usize = 16;

/// What came through a pipe. Where there is nothing to be read now, nothing is read.
pub(super) struct Pipe {
    chunks: Receiver<io::Result<Vec<u8>>>,
    chunk: io::Cursor<Vec<u8>>,
    ended: Arc<AtomicBool>,
}

impl Pipe {
    /// Reads `input`. The flag says that it has ended.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub(super) fn start(input: Input) -> Result<(Self, Arc<AtomicBool>)> {
        let (sender, chunks) = sync_channel(CHUNKS);
        let read = move || {
            let mut source = match input.open() {
                Ok(opened) => opened.source,
                Err(error) => {
                    // Without a receiver nobody wants to know.
                    let _ = sender.send(Err(io::Error::other(in_words(&error))));
                    return;
                }
            };
            loop {
                let mut chunk = vec![0; CHUNK];
                let read = match source.read(&mut chunk) {
                    Ok(0) => return,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    read => read,
                };
                let failed = read.is_err();
                let chunk = read.map(|length| {
                    chunk.truncate(length);
                    chunk
                });
                if sender.send(chunk).is_err() || failed {
                    return;
                }
            }
        };
        thread::Builder::new()
            .name("pipe".into())
            .spawn(read)
            .context(
                "cannot start a thread to read with; allow this user more processes (ulimit -u)",
            )?;
        let ended = Arc::<AtomicBool>::default();
        let pipe = Self {
            chunks,
            chunk: io::Cursor::default(),
            ended: Arc::clone(&ended),
        };
        Ok((pipe, ended))
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
            Err(TryRecvError::Empty) => Ok(0),
            Err(TryRecvError::Disconnected) => {
                self.ended.store(true, Ordering::Relaxed);
                Ok(0)
            }
        }
    }
}
