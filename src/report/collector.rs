//! What the page sees while the audit reads: each record, handed to the history of its run.
//!
//! Of many runs the latest are kept in full. Beside them stands an index of times by place, so that a finding that names a
//! line can be shown at its time.

use std::collections::BTreeMap;

use super::history::{Attempts, History};
use crate::audit::{AttemptRecord, Location, Observer, Record, Run};

/// The histories of so many runs are kept: the latest.
pub(super) const RUNS_MAX: usize = 12;
/// How many places the index holds.
const PLACES_MAX: usize = 1 << 15;

/// What was seen of a run.
#[derive(Debug)]
pub(super) struct SeenRun {
    id: u64,
    /// The earliest and the latest stamp.
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) total: Attempts,
    /// None if later runs needed the room.
    pub(super) history: Option<Box<History>>,
}

/// Gathers histories.
#[derive(Debug, Default)]
pub(super) struct Collector {
    /// By the run's place in the audit's registry.
    runs: BTreeMap<u32, SeenRun>,
    places: Places,
    /// The last input has its newest lines first.
    pub(super) backwards: bool,
}

impl Collector {
    /// What was seen of a run, of which there is a line with this stamp.
    #[inline]
    fn run(&mut self, run: &Run, stamp: u64, backwards: bool) -> &mut SeenRun {
        self.backwards = backwards;
        if !self.runs.contains_key(&run.index) {
            self.make_room();
        }
        let seen = self.runs.entry(run.index).or_insert_with(|| SeenRun {
            id: run.id,
            first: stamp,
            last: stamp,
            total: Attempts::default(),
            history: Some(Box::new(History::new(run))),
        });
        seen.first = seen.first.min(stamp);
        seen.last = seen.last.max(stamp);
        seen
    }

    /// Drops the oldest history of as many as are kept.
    #[cold]
    fn make_room(&mut self) {
        let kept = self.runs.values_mut().rev();
        let mut kept = kept.filter(|seen| seen.history.is_some());
        if let Some(oldest) = kept.nth(RUNS_MAX - 1) {
            oldest.history = None;
        }
    }

    /// What was seen, by the run's id, and the times of lines.
    pub(super) fn finish(self) -> (BTreeMap<u64, SeenRun>, Places) {
        let seen = self.runs.into_values();
        (seen.map(|run| (run.id, run)).collect(), self.places)
    }
}

impl Observer for Collector {
    #[inline]
    fn attempt(&mut self, run: &Run, attempt: &AttemptRecord, at: Location, backwards: bool) {
        self.places.note(at, attempt.stamp);
        let seen = self.run(run, attempt.stamp, backwards);
        seen.total[attempt.kind as usize] += 1;
        if let Some(history) = &mut seen.history {
            history.attempt(run, attempt, backwards);
        }
    }

    fn event(&mut self, run: &Run, record: &Record, at: Location, backwards: bool) {
        self.places.note(at, record.stamp);
        if let Some(history) = &mut self.run(run, record.stamp, backwards).history {
            history.event(record, backwards);
        }
    }
}

/// The times of some lines, evenly spread over all that were read.
#[derive(Debug, Default)]
pub(super) struct Places {
    noted: Vec<(Location, u64)>,
    /// One of so many lines is noted: two to the power of this.
    doublings: u32,
    lines: u64,
}

impl Places {
    #[inline]
    fn note(&mut self, at: Location, stamp: u64) {
        self.lines += 1;
        if self.lines.trailing_zeros() >= self.doublings {
            self.keep(at, stamp);
        }
    }

    #[cold]
    fn keep(&mut self, at: Location, stamp: u64) {
        if self.noted.len() == PLACES_MAX {
            // Every second one goes.
            let mut keep = [false, true].into_iter().cycle();
            self.noted.retain(|_| keep.next() == Some(true));
            self.doublings += 1;
        }
        self.noted.push((at, stamp));
    }

    /// About when the line at a place was logged: the time of the nearest noted line of its file, before it if there is one.
    pub(super) fn time_of(&self, at: Location) -> Option<u64> {
        let (before, behind) = self
            .noted
            .split_at(self.noted.partition_point(|(noted, _)| *noted <= at));
        let nearest = [before.last(), behind.first()].into_iter().flatten();
        let mut same_file = nearest.filter(|(noted, _)| noted.file == at.file);
        same_file.next().map(|(_, stamp)| *stamp)
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
                time.abs_diff(1000 + line) <= 1 << places.doublings,
                "{line}: {time}"
            );
        }
        assert_eq!(places.time_of(Location { file: 1, line: 1 }), None);
        assert!(places.noted.len() <= PLACES_MAX);
    }
}
