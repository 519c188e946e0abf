//! The numbers of one producer that are missing now, and since when.
//!
//! A number is missing as soon as a higher one is there; missing for longer than patience it is lost.

use std::{collections::VecDeque, time::Duration};

use crate::audit::account::{numbers::Numbers, sequence::Sequence};

/// In so many parts patience is divided: what goes missing within one of them is looked at together.
const PARTS: u32 = 256;

/// The holes in the numbers of one producer.
#[derive(Debug, Default)]
pub(super) struct Holes {
    /// How far the numbers went at which time, the first first: what is missing below was missing then.
    marks: VecDeque<(Duration, u64)>,
    /// What is missing below this number has been missing for longer than patience.
    due: u64,
    /// The account's state when it was looked at last.
    seen: Option<(u64, u64, u64)>,
    /// How many are missing now.
    pub missing: u64,
    /// Of some of them it is not decided whether they are lost.
    pub undecided: bool,
}

impl Holes {
    /// Looks at what there is at the time `now`, of numbers from `from` on: which are lost, and which are missing. None if that is
    /// the same as before.
    pub(super) fn look(
        &mut self,
        sequence: &Sequence,
        from: u64,
        now: Duration,
        patience: Duration,
    ) -> Option<(Numbers, Numbers)> {
        let met = &sequence.met;
        let state = (met.missing.len(), sequence.claimed.len(), met.next);
        let changed = self.seen.replace(state) != Some(state);
        if changed {
            self.mark(now, met.next, patience);
        }
        let marks = self.marks.iter();
        let over = marks.take_while(|(at, _)| *at + patience <= now).count();
        let due = self.marks.drain(..over).next_back();
        if !changed && due.is_none() {
            return None;
        }
        self.due = due.map_or(self.due, |(_, due)| due);
        let missing = sequence.absent(from..met.next);
        let mut lost = missing.clone();
        lost.remove_range(self.due..u64::MAX);
        self.missing = missing.len();
        self.undecided = self.missing > lost.len();
        Some((lost, missing))
    }

    /// Notes how far the numbers go at the time `now`.
    fn mark(&mut self, now: Duration, reach: u64, patience: Duration) {
        let part = |time: Duration| time.as_nanos() / (patience / PARTS).as_nanos().max(1);
        match self.marks.back_mut() {
            Some(last) if part(last.0) == part(now) => *last = (now, reach),
            _ => self.marks.push_back((now, reach)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn numbers(set: &Numbers) -> Vec<u64> {
        set.iter().collect()
    }

    #[test]
    fn what_is_missing_for_longer_than_patience_is_lost_until_it_comes() {
        let (mut holes, mut sequence) = (Holes::default(), Sequence::default());
        let mut look = |sequence: &mut Sequence, next, seconds| {
            let now = Duration::from_secs(seconds);
            sequence.met.next = next;
            let found = holes.look(sequence, 0, now, PATIENCE);
            (found.map(|(lost, _)| numbers(&lost)), holes.missing)
        };
        sequence.met.missing.insert_range(2..4);
        assert_eq!(look(&mut sequence, 5, 1), (Some(vec![]), 2));
        sequence.met.missing.remove(2);
        sequence.met.missing.insert_range(7..9);
        assert_eq!(look(&mut sequence, 10, 20), (Some(vec![]), 3));
        assert_eq!(
            look(&mut sequence, 10, 31),
            (Some(vec![3]), 3),
            "each by its own time"
        );
        assert_eq!(look(&mut sequence, 10, 50), (Some(vec![3, 7, 8]), 3));
        sequence.met.missing.remove(3);
        assert_eq!(look(&mut sequence, 10, 51), (Some(vec![7, 8]), 2));
        assert_eq!(look(&mut sequence, 10, 99), (Some(vec![7, 8]), 2));
        assert_eq!(look(&mut sequence, 10, 99), (None, 2), "nothing is new");
        // What is there, if not as it should be, is not lost.
        sequence.claimed.insert(7);
        assert_eq!(look(&mut sequence, 10, 100), (Some(vec![8]), 1));
    }

    #[test]
    fn holes_without_number_take_bounded_memory() {
        let (mut holes, mut sequence) = (Holes::default(), Sequence::default());
        for n in 0..100_000 {
            sequence.met.missing.insert(2 * n);
            let now = Duration::from_millis(10 * n);
            sequence.met.next = 2 * n + 2;
            holes.look(&sequence, 0, now, PATIENCE);
        }
        assert!(
            holes.marks.len() <= PARTS as usize + 2,
            "{}",
            holes.marks.len()
        );
    }
}
