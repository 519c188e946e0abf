//! Something for each worker of a run, found by the worker's number.

use std::ops::{Index, IndexMut, Range};

/// Something for each worker of a run. The numbers of a shard's workers begin behind those of the shards before it.
#[derive(Clone, Debug)]
pub(crate) struct PerWorker<T> {
    first: u32,
    all: Vec<T>,
}

impl<T> Default for PerWorker<T> {
    /// Nothing, of a run whose workers are not known.
    fn default() -> Self {
        Self {
            first: 0,
            all: Vec::new(),
        }
    }
}

impl<T> PerWorker<T> {
    /// What `make` makes for each of these workers.
    pub(crate) fn new(workers: Range<u32>, make: impl FnMut(u32) -> T) -> Self {
        Self {
            first: workers.start,
            all: workers.map(make).collect(),
        }
    }

    /// The numbers of the workers.
    pub(crate) fn numbers(&self) -> Range<u32> {
        self.first..self.first + self.all.len() as u32
    }

    /// That of worker `number`; none if the run has no such worker.
    #[inline]
    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        self.all.get(self.position(number))
    }

    /// That of worker `number`; none if the run has no such worker.
    #[inline]
    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        let position = self.position(number);
        self.all.get_mut(position)
    }

    /// All of them, in the order of the workers' numbers.
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, T> {
        self.all.iter()
    }

    /// A number below the first wraps round, to one past the last.
    #[inline]
    fn position(&self, number: u32) -> usize {
        number.wrapping_sub(self.first) as usize
    }
}

impl<T> Index<u32> for PerWorker<T> {
    type Output = T;

    #[inline]
    fn index(&self, number: u32) -> &T {
        &self.all[self.position(number)]
    }
}

impl<T> IndexMut<u32> for PerWorker<T> {
    #[inline]
    fn index_mut(&mut self, number: u32) -> &mut T {
        let position = self.position(number);
        &mut self.all[position]
    }
}
