//! The threads that read and scan, and what goes to and fro between them and whoever judges.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
};

use anyhow::Result;

use super::inputs::Blocks;
use crate::audit::{
    records::{block::Block, scan::Scanner, scanned::Scanned},
    registry::Registry,
};

/// A block on its way: filled by a reader, judged, and used again.
pub(crate) type Parcel = (Block, Scanned);

/// The readers. Whoever drops `free` ends them.
pub(crate) struct Readers {
    /// What they share.
    pub desk: Arc<Desk>,
    /// Where parcels go that were judged.
    pub free: Sender<Parcel>,
    /// Where those come from that are to be judged, in any order.
    pub scanned: Receiver<Result<Parcel>>,
    /// Their threads.
    pub threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// So many readers of these blocks; more parcels than readers are on their way.
    pub(crate) fn start(registry: &Arc<Registry>, blocks: Box<dyn Blocks>, readers: usize) -> Self {
        let (free, parcels) = mpsc::channel::<Parcel>();
        for _ in 0..readers + 2 {
            // The receiver is alive: it is behind the lock below.
            let _ = free.send(Parcel::default());
        }
        let (done, scanned) = mpsc::channel();
        let desk = Arc::new(Desk {
            registry: Arc::clone(registry),
            blocks: Mutex::new(blocks),
            parcels: Mutex::new(parcels),
        });
        let threads = (0..readers)
            .map(|_| {
                let (desk, done) = (Arc::clone(&desk), done.clone());
                thread::spawn(move || desk.scan_all(&done))
            })
            .collect();
        Self {
            desk,
            free,
            scanned,
            threads,
        }
    }
}

/// How many readers there are with `threads`, of which 0 stands for all cores.
pub(crate) fn count(threads: usize) -> usize {
    match threads {
        0 => thread::available_parallelism().map_or(2, |n| n.get()),
        n => n,
    }
}

/// Parcels, which come in any order, in the order in which they were read.
#[derive(Default)]
pub(crate) struct InOrder {
    waiting: BTreeMap<u64, Parcel>,
    next: u64,
}

impl InOrder {
    /// Takes a parcel in.
    pub(crate) fn put(&mut self, parcel: Parcel) {
        self.waiting.insert(parcel.0.number, parcel);
    }

    /// The next parcel; none before it has come.
    pub(crate) fn next(&mut self) -> Option<Parcel> {
        let parcel = self.waiting.remove(&self.next)?;
        self.next += 1;
        Some(parcel)
    }
}

/// Waits for readers that have nothing left to read.
pub(crate) fn join(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}

/// What the readers share.
pub(crate) struct Desk {
    registry: Arc<Registry>,
    blocks: Mutex<Box<dyn Blocks>>,
    /// Parcels that are free to be filled; there are only so many, so that memory stays bounded.
    parcels: Mutex<Receiver<Parcel>>,
}

impl Desk {
    /// One reader: fills parcels and scans them, until there is nothing left to read.
    fn scan_all(&self, done: &Sender<Result<Parcel>>) {
        let mut scanner = Scanner::new(&self.registry);
        loop {
            let Ok(mut parcel) = lock(&self.parcels).recv() else {
                return;
            };
            let filled = match self.fill(&mut parcel, &mut scanner) {
                Ok(true) => Ok(parcel),
                Ok(false) => return,
                Err(error) => Err(error),
            };
            if done.send(filled).is_err() {
                return;
            }
        }
    }

    /// Fills a parcel and scans it; false at the end of all inputs.
    fn fill(&self, (block, scanned): &mut Parcel, scanner: &mut Scanner<'_>) -> Result<bool> {
        if !lock(&self.blocks).next(block)? {
            return Ok(false);
        }
        scanner.scan(block, scanned);
        Ok(true)
    }

    /// A parcel that a reader has scanned or, if there is none yet, one scanned here by `scanner`, if there is one; none when
    /// all are done. At the end of all inputs there is no need for `scanner` any more.
    pub(crate) fn next_parcel(
        &self,
        scanned: &Receiver<Result<Parcel>>,
        free: &Sender<Parcel>,
        scanner: &mut Option<Scanner<'_>>,
    ) -> Result<Option<Parcel>> {
        if let Ok(parcel) = scanned.try_recv() {
            return parcel.map(Some);
        }
        // A reader that waits for a free parcel holds the lock: then there is none for this thread either.
        let unused = || self.parcels.try_lock().ok().and_then(|p| p.try_recv().ok());
        if let Some(own) = scanner
            && let Some(mut parcel) = unused()
        {
            if self.fill(&mut parcel, own)? {
                return Ok(Some(parcel));
            }
            *scanner = None;
            // A reader may wait for it to see the end as well. Without readers nobody does.
            let _ = free.send(parcel);
        }
        scanned.recv().ok().transpose()
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;

    impl Blocks for Nothing {
        fn next(&mut self, _: &mut Block) -> Result<bool> {
            Ok(false)
        }
    }

    /// A reader that waits for a parcel, to see the end, would wait for ever.
    #[test]
    fn no_parcel_is_lost_at_the_end() {
        let registry = Arc::new(Registry::new(1 << 20));
        let readers = Readers::start(&registry, Box::new(Nothing), 0);
        let mut scanner = Some(Scanner::new(&registry));
        for _ in 0..3 {
            let (scanned, free) = (&readers.scanned, &readers.free);
            let next = readers.desk.next_parcel(scanned, free, &mut scanner);
            assert!(next.unwrap().is_none());
        }
        assert_eq!(lock(&readers.desk.parcels).try_iter().count(), 2);
    }
}
