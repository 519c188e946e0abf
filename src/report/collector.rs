//! What the report sees while the audit reads: each record, handed to the history of its run.
//!
//! Of many runs the latest are kept. Beside them stands an index of times by place, so that a finding that names a line
//! can be shown at its time.

use super::history::History;
use crate::audit::{Attempt, Location, Observer, Record, Run};

/// The histories of so many runs are kept: the latest.
pub(super) const RUNS_MAX: usize = 12;
/// How many places the index holds.
const PLACES_MAX: usize = 1 << 15;

/// Gathers histories.
#[derive(Debug, Default)]
pub(super) struct Collector {
    /// By the run's place in the audit's registry.
    slots: Vec<Slot>,
    kept: usize,
    pub(super) places: Places,
}

/// What there is of a run.
#[derive(Debug, Default)]
enum Slot {
    /// It has shown no record yet.
    #[default]
    Unseen,
    Kept(Box<History>),
    /// Later runs needed the room.
    LetGo,
}

impl Collector {
    /// The histories that were kept, in the order in which their runs were met.
    pub(super) fn into_parts(self) -> (Vec<History>, Places) {
        let kept = self.slots.into_iter().filter_map(|slot| match slot {
            Slot::Kept(history) => Some(*history),
            Slot::Unseen | Slot::LetGo => None,
        });
        (kept.collect(), self.places)
    }

    #[inline]
    fn history(&mut self, run: &Run, stamp: u64) -> Option<&mut History> {
        let index = run.index as usize;
        if !matches!(self.slots.get(index), Some(Slot::Kept(_))) {
            self.begin(run, index, stamp);
        }
        match &mut self.slots[index] {
            Slot::Kept(history) => Some(history),
            Slot::Unseen | Slot::LetGo => None,
        }
    }

    #[cold]
    fn begin(&mut self, run: &Run, index: usize, stamp: u64) {
        if index >= self.slots.len() {
            self.slots.resize_with(index + 1, Slot::default);
        }
        if matches!(self.slots[index], Slot::LetGo) {
            return;
        }
        self.slots[index] = Slot::Kept(Box::new(History::new(run, stamp)));
        self.kept += 1;
        if self.kept > RUNS_MAX {
            let oldest = self
                .slots
                .iter_mut()
                .find(|slot| matches!(slot, Slot::Kept(_)));
            oldest.into_iter().for_each(|slot| *slot = Slot::LetGo);
            self.kept -= 1;
        }
    }
}

impl Observer for Collector {
    #[inline]
    fn attempt(&mut self, run: &Run, attempt: &Attempt, at: Location) {
        self.places.note(at, attempt.stamp);
        if let Some(history) = self.history(run, attempt.stamp) {
            history.attempt(run, attempt);
        }
    }

    fn event(&mut self, run: &Run, record: &Record, at: Location) {
        self.places.note(at, record.stamp);
        if let Some(history) = self.history(run, record.stamp) {
            history.event(record);
        }
    }
}

/// The times of some lines, evenly spread over all that were read.
#[derive(Debug)]
pub(super) struct Places {
    noted: Vec<(Location, u64)>,
    /// One of so many lines is noted.
    stride: u64,
    lines: u64,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            noted: Vec::new(),
            stride: 1,
            lines: 0,
        }
    }
}

impl Places {
    #[inline]
    fn note(&mut self, at: Location, stamp: u64) {
        self.lines += 1;
        if self.lines.is_multiple_of(self.stride) {
            self.keep(at, stamp);
        }
    }

    #[cold]
    fn keep(&mut self, at: Location, stamp: u64) {
        if self.noted.len() == PLACES_MAX {
            let mut keep = [false, true].into_iter().cycle();
            self.noted.retain(|_| keep.next() == Some(true));
            self.stride *= 2;
        }
        self.noted.push((at, stamp));
    }

    /// About when the line at a place was logged: the time of the nearest noted line of its file, before it if there is one.
    pub(super) fn time_of(&self, at: Location) -> Option<u64> {
        let behind = self
            .noted
            .partition_point(|(noted, _)| (noted.file, noted.line) <= (at.file, at.line));
        let before = behind.checked_sub(1).map(|i| &self.noted[i]);
        let after = self.noted.get(behind);
        let same_file = |entry: &&(Location, u64)| entry.0.file == at.file;
        let nearest = before.filter(same_file).or(after.filter(same_file));
        nearest.map(|(_, stamp)| *stamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_line_is_found_however_long_the_log_is() {
        let mut places = Places::default();
        let length = PLACES_MAX as u64 * 5;
        for line in 1..=length {
            places.note(Location { file: 0, line }, 1000 + line);
        }
        for line in [1, 77, length / 2, length] {
            let time = places.time_of(Location { file: 0, line }).unwrap();
            assert!(
                time.abs_diff(1000 + line) <= places.stride,
                "{line}: {time}"
            );
        }
        assert_eq!(places.time_of(Location { file: 1, line: 1 }), None);
        assert!(places.noted.len() <= PLACES_MAX);
    }
}
