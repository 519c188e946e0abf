//! The threads that read and scan, and what goes to and fro between them and whoever judges.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    task::Poll,
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::Result;

use super::inputs::Blocks;
use crate::{
    audit::{
        records::{block::Block, scan::Scanner, scanned::Scanned},
        registry::Registry,
    },
    threads::lock,
};

/// A block on its way: filled by a reader, judged, and used again.
pub(crate) type Parcel = (Block, Scanned);

/// The readers, which end when this is dropped or nothing is left to read.
pub(crate) struct Readers<'a> {
    shared: Arc<Shared>,
    /// Whoever judges reads as well, with this, while there is nothing to be judged.
    scanner: Scanner<'a>,
    /// Where parcels go that were judged. There are only so many, so that memory stays bounded.
    free: Sender<Parcel>,
    scanned: Receiver<Result<Parcel>>,
    /// Parcels that came before their turn, and whose turn it is.
    waiting: BTreeMap<u64, Parcel>,
    next: u64,
    threads: Vec<JoinHandle<()>>,
}

impl<'a> Readers<'a> {
    /// Starts the readers of these blocks, so that each core has one, if whoever judges is one of them.
    pub(crate) fn start(registry: &'a Arc<Registry>, blocks: Box<dyn Blocks>) -> Self {
        let readers = thread::available_parallelism().map_or(1, |cores| cores.get().max(2) - 1);
        let (free, parcels) = mpsc::channel::<Parcel>();
        for _ in 0..readers + 3 {
            // The receiver is alive: it is behind the lock below.
            let _ = free.send(Parcel::default());
        }
        let (done, scanned) = mpsc::channel();
        let shared = Arc::new(Shared {
            blocks: Mutex::new((0, blocks)),
            parcels: Mutex::new(parcels),
        });
        let threads = (0..readers).map(|_| {
            let (shared, registry, done) =
                (Arc::clone(&shared), Arc::clone(registry), done.clone());
            thread::spawn(move || {
                let mut scanner = Scanner::new(&registry);
                // The lock is let go of before the parcel is scanned: in the loop's condition it would be held till the end.
                let next = || lock(&shared.parcels).recv();
                // Without a judge nobody wants more.
                while let Ok(parcel) = next()
                    && let Some(scanned) = shared.scan(parcel, &mut scanner)
                    && done.send(scanned).is_ok()
                {}
            })
        });
        Self {
            threads: threads.collect(),
            shared,
            scanner: Scanner::new(registry),
            free,
            scanned,
            waiting: BTreeMap::new(),
            next: 0,
        }
    }

    /// The next block in the order of the input. It is waited for so long; where no time is given, it is read here if no reader
    /// has any. There is none when all was read.
    pub(crate) fn next(&mut self, wait: Option<Duration>) -> Result<Poll<Option<Parcel>>> {
        loop {
            if let Some(parcel) = self.waiting.remove(&self.next) {
                self.next += 1;
                return Ok(Poll::Ready(Some(parcel)));
            }
            let came = match wait {
                Some(wait) => self.scanned.recv_timeout(wait),
                None => {
                    let ready = self.scanned.try_recv().ok();
                    let ready = ready.or_else(|| self.read_here());
                    ready.map_or_else(|| self.scanned.recv_timeout(Duration::MAX), Ok)
                }
            };
            match came {
                Ok(parcel) => {
                    let parcel = parcel?;
                    self.waiting.insert(parcel.0.number, parcel);
                }
                Err(RecvTimeoutError::Timeout) => return Ok(Poll::Pending),
                Err(RecvTimeoutError::Disconnected) => {
                    for thread in self.threads.drain(..) {
                        if let Err(panic) = thread.join() {
                            std::panic::resume_unwind(panic);
                        }
                    }
                    return Ok(Poll::Ready(None));
                }
            }
        }
    }

    fn read_here(&mut self) -> Option<Result<Parcel>> {
        // A reader that waits for a free parcel holds the lock: then there is none for this thread either.
        let parcel = self.shared.parcels.try_lock().ok()?.try_recv().ok()?;
        self.shared.scan(parcel, &mut self.scanner)
    }

    /// Takes a parcel back that was judged, to be filled again.
    pub(crate) fn give_back(&self, parcel: Parcel) {
        // Without readers left there is nobody to use it again.
        let _ = self.free.send(parcel);
    }
}

/// What the readers share.
struct Shared {
    /// How many blocks there were, and those to come.
    blocks: Mutex<(u64, Box<dyn Blocks>)>,
    /// Parcels that are free to be filled.
    parcels: Mutex<Receiver<Parcel>>,
}

impl Shared {
    /// Fills a parcel and scans it; none at the end of all inputs.
    fn scan(
        &self,
        (mut block, mut scanned): Parcel,
        scanner: &mut Scanner<'_>,
    ) -> Option<Result<Parcel>> {
        let more = {
            let (number, blocks) = &mut *lock(&self.blocks);
            block.number = *number;
            *number += 1;
            blocks.next(&mut block)
        };
        match more {
            Ok(false) => return None,
            Ok(true) => scanner.scan(&block, &mut scanned),
            Err(error) => return Some(Err(error)),
        }
        Some(Ok((block, scanned)))
    }
}
