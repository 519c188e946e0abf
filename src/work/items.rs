//! The Processor's data: the newest items, up to a limit.
//!
//! Workers on two cores hand the Processor's memory to each other with each operation, and the price is the cache lines that
//! travel. So the newest few items stand beside lock and counter, on one line, and go to the older ones together: only then
//! other lines travel as well.

use std::{collections::VecDeque, fmt};

use crate::plan::workload::Limit;

/// One item of the Processor's data: it reads as `Data-17`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Item(pub u64);

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Data-{}", self.0)
    }
}

/// How many items go to the older ones together: as many as the cache line has room for.
const NEWEST: usize = 4;

/// Items in the order in which they were added. The older ones come last in memory: they are seldom touched.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Items {
    /// How many were added, with those that have been dropped since.
    added: u64,
    /// How many are kept: beyond it, the oldest is dropped.
    limit: u64,
    /// Of these the first `added` modulo [`NEWEST`] are items; the others have gone to the older ones.
    newest: [Item; NEWEST],
    older: VecDeque<Item>,
}

impl Items {
    /// Room that is made in advance, so that the lock is seldom held for an allocation.
    const RESERVED_MAX: u64 = 1 << 17;

    /// No items, with room for those within the limit.
    pub(crate) fn new(limit: Limit) -> Self {
        let limit = limit.or_max();
        let reserved = limit.min(Self::RESERVED_MAX) as usize;
        Self {
            added: 0,
            limit,
            newest: [Item::default(); NEWEST],
            older: VecDeque::with_capacity(reserved + NEWEST),
        }
    }

    /// Adds an item. The oldest makes room where there are too many.
    #[inline]
    pub(crate) fn push(&mut self, item: Item) {
        let place = self.newest().len();
        self.newest[place] = item;
        self.added += 1;
        if place == NEWEST - 1 {
            self.older.extend(self.newest);
            let surplus = (self.older.len() as u64).saturating_sub(self.limit);
            self.older.drain(..surplus as usize);
        }
    }

    /// How many items are kept.
    #[inline]
    pub(crate) fn len(&self) -> u64 {
        self.added.min(self.limit)
    }

    /// How many were dropped because of the limit.
    pub(crate) fn dropped(&self) -> u64 {
        self.added - self.len()
    }

    /// The items that are kept, the oldest first. Up to three that no longer count are still in memory.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Item> {
        let present = self.older.len() + self.newest().len();
        let surplus = present as u64 - self.len();
        let items = self.older.iter().chain(self.newest());
        items.skip(surplus as usize)
    }

    /// The items that have not gone to the older ones yet.
    #[inline]
    fn newest(&self) -> &[Item] {
        &self.newest[..(self.added % NEWEST as u64) as usize]
    }
}
