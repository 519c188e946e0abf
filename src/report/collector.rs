//! What the report sees while the audit reads: each record, handed to the history of its run.
//!
//! Of many runs the latest are kept. Beside them stands an index of times by place, so that a finding that names a line
//! can be shown at its time.

use std::collections::BTreeMap;

use super::history::{Brief, History};
use crate::audit::{Attempt, Location, Observer, Record, Run, Select};

/// The histories of so many runs are kept: the latest.
pub(super) const RUNS_MAX: usize = 12;
/// How many places the index holds.
const PLACES_MAX: usize = 1 << 15;

/// Gathers histories.
#[derive(Debug)]
pub(super) struct Collector {
    select: Select,
    /// By the run's place in the audit's registry.
    slots: Vec<Slot>,
    kept: usize,
    places: Places,
    /// The input has its newest lines first.
    backwards: bool,
}

/// What there is of a run.
#[derive(Debug, Default)]
enum Slot {
    /// It has shown no record yet.
    #[default]
    Unseen,
    Kept(Box<History>),
    /// Later runs needed the room.
    LetGo(Brief),
}

/// What was gathered.
pub(super) struct Gathered {
    /// What is known of each run in short, and its history if that was kept, by the run's id.
    pub(super) runs: BTreeMap<u64, (Brief, Option<History>)>,
    pub(super) places: Places,
    pub(super) backwards: bool,
}

impl Collector {
    /// Nothing yet, of the runs that are to be judged.
    pub(super) fn new(select: Select) -> Self {
        Self {
            select,
            slots: Vec::new(),
            kept: 0,
            places: Places::default(),
            backwards: false,
        }
    }

    /// What was gathered.
    pub(super) fn finish(self) -> Gathered {
        let runs = self.slots.into_iter().filter_map(|slot| match slot {
            Slot::Kept(history) => Some((history.brief(), Some(*history))),
            Slot::LetGo(brief) => Some((brief, None)),
            Slot::Unseen => None,
        });
        Gathered {
            runs: runs.map(|run| (run.0.id, run)).collect(),
            places: self.places,
            backwards: self.backwards,
        }
    }

    /// What there is of a run; nothing of one that is not to be judged.
    #[inline]
    fn slot(&mut self, run: &Run, stamp: u64) -> Option<&mut Slot> {
        let index = run.index as usize;
        if matches!(self.slots.get(index), None | Some(Slot::Unseen)) {
            if !self.select.may_be(run.id) {
                return None;
            }
            self.begin(run, index, stamp);
        }
        self.slots.get_mut(index)
    }

    #[cold]
    fn begin(&mut self, run: &Run, index: usize, stamp: u64) {
        if index >= self.slots.len() {
            self.slots.resize_with(index + 1, Slot::default);
        }
        self.slots[index] = Slot::Kept(Box::new(History::new(run, stamp)));
        self.kept += 1;
        if self.kept <= RUNS_MAX {
            return;
        }
        let mut kept = self.slots.iter_mut().filter_map(|slot| match slot {
            Slot::Kept(history) => Some((history.brief(), slot)),
            _ => None,
        });
        if let Some((brief, slot)) = kept.next() {
            *slot = Slot::LetGo(brief);
            self.kept -= 1;
        }
    }
}

impl Observer for Collector {
    fn begins(&mut self, backwards: bool) {
        self.backwards = backwards;
    }

    #[inline]
    fn attempt(&mut self, run: &Run, attempt: &Attempt, at: Location) {
        self.places.note(at, attempt.stamp);
        let backwards = self.backwards;
        match self.slot(run, attempt.stamp) {
            Some(Slot::Kept(history)) => history.attempt(run, attempt, backwards),
            Some(Slot::LetGo(brief)) => brief.saw(attempt.stamp, Some(attempt.kind)),
            _ => {}
        }
    }

    fn event(&mut self, run: &Run, record: &Record, at: Location) {
        self.places.note(at, record.stamp);
        let backwards = self.backwards;
        match self.slot(run, record.stamp) {
            Some(Slot::Kept(history)) => history.event(record, backwards),
            Some(Slot::LetGo(brief)) => brief.saw(record.stamp, None),
            _ => {}
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
