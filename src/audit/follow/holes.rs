//! The numbers of one producer that are missing now, since when, and which of them are lost.
//!
//! A number is missing as soon as a higher one is there; missing for longer than patience it is lost; if it comes after all, it
//! is taken back.

use std::{collections::VecDeque, ops::Range, time::Duration};

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
    /// What was said to be lost, and has not come.
    lost: Numbers,
    /// What was said to be out of order.
    pub moved: Numbers,
    /// The account's state when it was looked at last.
    seen: Option<(u64, u64, u64)>,
    /// How many are missing now.
    pub missing: u64,
    /// Of some of them it is not decided whether they are lost.
    pub undecided: bool,
}

impl Holes {
    /// Looks at what there is at the time `now`, of numbers from `from` on: hands out what is lost since the last look, and
    /// what is taken back.
    pub(super) fn look(
        &mut self,
        sequence: &Sequence,
        from: u64,
        now: Duration,
        patience: Duration,
    ) -> (Numbers, Numbers) {
        let (mut lost, mut back) = (Numbers::default(), Numbers::default());
        let next = sequence.met.next;
        let missing = &sequence.met.missing;
        let state = (missing.count(), sequence.claimed.count(), next);
        let changed = self.seen != Some(state);
        if changed {
            self.seen = Some(state);
            self.missing = sequence.absent(from..next).count();
            self.mark(now, next, patience);
        }
        let over = self
            .marks
            .iter()
            .take_while(|(at, _)| *at + patience <= now);
        let over = over.count();
        if let Some((_, due)) = self.marks.drain(..over).next_back() {
            self.due = due;
        } else if !changed {
            return (lost, back);
        }
        if self.missing > 0 {
            lost = sequence.absent(from..self.due);
            self.undecided = self.missing > lost.count();
            lost.subtract(&self.lost);
        } else {
            self.undecided = false;
        }
        if self.lost.count() > 0 {
            back = self.lost.clone();
            back.subtract(&sequence.absent(from..next));
            // Behind all that is there nothing has come.
            back.remove_range(next..u64::MAX);
            self.lost.subtract(&back);
        }
        self.lost.extend(&lost);
        (lost, back)
    }

    /// Notes how far the numbers go at the time `now`.
    fn mark(&mut self, now: Duration, reach: u64, patience: Duration) {
        let part = |time: Duration| time.as_nanos() / (patience / PARTS).as_nanos().max(1);
        match self.marks.back_mut() {
            Some(last) if part(last.0) == part(now) => *last = (now, reach),
            _ => self.marks.push_back((now, reach)),
        }
    }

    /// Notes numbers that are lost by the run's own account; returns those of which that was not said.
    pub(super) fn lose_more(&mut self, numbers: Range<u64>) -> Numbers {
        add(&mut self.lost, numbers)
    }

    /// Notes numbers that are out of order; returns those of which that was not said.
    pub(super) fn move_more(&mut self, numbers: Range<u64>) -> Numbers {
        add(&mut self.moved, numbers)
    }
}

/// Adds numbers to a set; returns those that are new in it.
fn add(set: &mut Numbers, numbers: Range<u64>) -> Numbers {
    let mut new = Numbers::default();
    new.insert_range(numbers);
    new.subtract(set);
    set.extend(&new);
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn numbers(set: &Numbers) -> Vec<u64> {
        let mut all = Vec::new();
        set.each_range_in(0..u64::MAX, |part| all.extend(part));
        all
    }

    #[test]
    fn what_is_missing_for_longer_than_patience_is_lost_until_it_comes() {
        let (mut holes, mut sequence) = (Holes::default(), Sequence::default());
        let mut look = |sequence: &mut Sequence, next, seconds| {
            let now = Duration::from_secs(seconds);
            sequence.met.next = next;
            let (lost, back) = holes.look(sequence, 0, now, PATIENCE);
            (numbers(&lost), numbers(&back), holes.missing)
        };
        sequence.met.missing.insert_range(2..4);
        assert_eq!(look(&mut sequence, 5, 1), (vec![], vec![], 2));
        sequence.met.missing.remove(2);
        sequence.met.missing.insert_range(7..9);
        assert_eq!(look(&mut sequence, 10, 20), (vec![], vec![], 3));
        assert_eq!(
            look(&mut sequence, 10, 31),
            (vec![3], vec![], 3),
            "each by its own time"
        );
        assert_eq!(look(&mut sequence, 10, 50), (vec![7, 8], vec![], 3));
        sequence.met.missing.remove(3);
        assert_eq!(look(&mut sequence, 10, 51), (vec![], vec![3], 2));
        assert_eq!(
            look(&mut sequence, 10, 99),
            (vec![], vec![], 2),
            "nothing is said twice"
        );
        // What is there, if not as it should be, is not lost.
        sequence.claimed.insert(7);
        assert_eq!(look(&mut sequence, 10, 100), (vec![], vec![7], 1));
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
