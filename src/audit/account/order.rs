//! The order in which the lines of one producer arrive, and the fewest of them that must be moved to restore it.
//!
//! Arrivals are kept as runs of rising numbers: a log in order is one run. The lines to be moved are those outside the
//! heaviest rising sequence of runs. Of two ways to restore the order with as many lines the one counts that moves the lower
//! numbers: that depends on the numbers alone, not on where the lines stand. When the runs become too many, those so
//! far are settled, so that memory stays bounded.

use std::{collections::BTreeMap, ops::Range};

use super::numbers::Numbers;
use crate::audit::verdict::findings::Location;

/// More runs than this are settled before the next one begins.
const RUNS_MAX: usize = 4096;

/// Lines that arrived one after the other, their numbers rising; there may be holes between them.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    first: u64,
    last: u64,
    /// Counts the runs in the order of their arrival.
    arrival: u32,
    at: Location,
    /// The number with which it last left some out, and where that stands: if these come later, it was too early.
    leap: (u64, Location),
}

impl Stretch {
    /// The numbers as the log has them.
    fn numbers(&self, backwards: bool) -> Range<u64> {
        if backwards {
            !self.last..(!self.first).saturating_add(1)
        } else {
            self.first..self.last.saturating_add(1)
        }
    }
}

/// The arrivals of one producer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Order {
    /// By their first numbers, but for the last to arrive; no two overlap.
    runs: BTreeMap<u64, Stretch>,
    /// The last to arrive.
    current: Option<Stretch>,
    /// It may go on up to, but not including, this number: there another run begins.
    limit: u64,
    /// Up to this number the order is settled: what arrives below it is behind.
    settled: Option<u64>,
    /// The input that the arrivals are from; where another begins, the order begins anew.
    file: u32,
    /// The input stands on its head.
    backwards: bool,
}

/// Lines that stand out of order: their numbers, and where the first of them stands.
pub(crate) type Moved = Vec<(Range<u64>, Location)>;

impl Order {
    /// About how many bytes it takes.
    pub(crate) fn memory(&self) -> u64 {
        (self.runs.len() * 2 * size_of::<(u64, Stretch)>()) as u64
    }

    /// Whether some lines may have to be moved.
    pub(crate) fn is_disordered(&self) -> bool {
        !self.runs.is_empty()
    }

    /// Takes in the arrival of a line that was not there before. `missing` are the numbers below the highest that have not
    /// arrived; of these `number` is none any more. Returns lines out of order where some must be settled now.
    #[inline]
    pub(crate) fn arrive(
        &mut self,
        number: u64,
        at: Location,
        backwards: bool,
        missing: &Numbers,
    ) -> Option<Moved> {
        // Turned round, the numbers of an input that stands on its head rise.
        let number = if backwards { !number } else { number };
        if let Some(run) = &mut self.current
            && number > run.last
            && number < self.limit
            && at.file == self.file
        {
            if number > run.last + 1 {
                run.leap = (number, at);
            }
            run.last = number;
            return None;
        }
        self.begin_run(number, at, backwards, missing)
    }

    #[cold]
    fn begin_run(
        &mut self,
        number: u64,
        at: Location,
        backwards: bool,
        missing: &Numbers,
    ) -> Option<Moved> {
        let other = at.file != self.file || backwards != self.backwards;
        let settled = (other || self.runs.len() >= RUNS_MAX).then(|| self.settle(missing));
        if other {
            (self.file, self.backwards, self.settled) = (at.file, backwards, None);
        }
        let run = Stretch {
            first: number,
            last: number,
            arrival: self.current.map_or(0, |run| run.arrival + 1),
            at,
            leap: (number, at),
        };
        if self.settled.is_some_and(|settled| number < settled) {
            let mut moved = settled.unwrap_or_default();
            moved.push((run.numbers(backwards), at));
            return Some(moved);
        }
        self.runs.extend(self.current.map(|run| (run.first, run)));
        if let Some((_, &whole)) = self.runs.range(..=number).next_back()
            && number <= whole.last
        {
            // The number fills a hole of this run, which so falls in two.
            self.runs.remove(&whole.first);
            let before = Stretch {
                last: number.wrapping_sub(1),
                ..whole
            };
            let first = match backwards {
                true => !missing.absent_down_from(!(number + 1)),
                false => missing.absent_from(number + 1),
            };
            let behind = Stretch {
                first,
                at: match whole.leap {
                    (leap, at) if leap == first => at,
                    _ => whole.at,
                },
                ..whole
            };
            let parts = [
                (whole.first < number).then_some(before),
                (behind.first <= whole.last).then_some(behind),
            ];
            self.runs
                .extend(parts.into_iter().flatten().map(|part| (part.first, part)));
        }
        let behind = self.runs.range(number..).next();
        self.limit = behind.map_or(u64::MAX, |(first, _)| *first);
        self.current = Some(run);
        settled
    }

    /// The lines out of order so far. From now on whatever is below the highest of the others is behind.
    pub(crate) fn settle(&mut self, missing: &Numbers) -> Moved {
        let mut runs: Vec<Stretch> = self.runs.values().copied().chain(self.current).collect();
        runs.sort_unstable_by_key(|run| (run.arrival, run.first));
        let kept = heaviest(&runs, self.backwards, missing);
        let mut moved = Vec::new();
        for (run, kept) in runs.into_iter().zip(kept) {
            if kept {
                self.settled = Some(run.last);
            } else {
                missing.each_gap_in(run.numbers(self.backwards), |part| {
                    moved.push((part, run.at))
                });
            }
        }
        self.runs.clear();
        (self.current, self.limit) = (None, u64::MAX);
        moved
    }
}

/// Which runs belong to the heaviest rising sequence.
fn heaviest(runs: &[Stretch], backwards: bool, missing: &Numbers) -> Vec<bool> {
    let mut runs: Vec<Range<u64>> = runs.iter().map(|run| run.numbers(backwards)).collect();
    if backwards {
        // As the log was written: so the same lines are named as if it stood on its feet.
        runs.reverse();
    }
    // By the numbers that they end with the rising sequences of which no other has more lines and ends lower.
    let mut best: BTreeMap<u64, Rising> = BTreeMap::new();
    let mut before = vec![None; runs.len()];
    for (i, run) in runs.iter().enumerate() {
        let lower = best.range(..run.start).next_back().map(|(_, end)| *end);
        before[i] = lower.map(|lower| lower.run);
        let own = run.end - run.start - missing.count_in(run.clone());
        let lines = lower.map_or(0, |lower| lower.lines) + own;
        let worse = |end: &(&u64, &Rising)| end.1.lines < lines;
        let worse: Vec<u64> = (best.range(run.start..).take_while(worse))
            .map(|(number, _)| *number)
            .collect();
        for number in worse {
            best.remove(&number);
        }
        best.insert(run.start, Rising { lines, run: i });
    }
    let mut kept = vec![false; runs.len()];
    let mut next = best.last_key_value().map(|(_, end)| end.run);
    while let Some(i) = next {
        kept[i] = true;
        next = before[i];
    }
    if backwards {
        kept.reverse();
    }
    kept
}

/// A rising sequence of runs.
#[derive(Clone, Copy, Debug)]
struct Rising {
    /// How many lines the sequence has.
    lines: u64,
    /// Its last run.
    run: usize,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::audit::proof::oracle::by_the_book;

    /// The lines to be moved, by their numbers, as [`Order`] finds them.
    fn moved(arrivals: &[u64]) -> Vec<u64> {
        let (mut order, mut missing, mut next) = (Order::default(), Numbers::default(), 0);
        let mut out = Vec::new();
        for &number in arrivals {
            if number >= next {
                missing.insert_range(next..number);
                next = number + 1;
            } else {
                missing.remove(number);
            }
            let moved = order.arrive(number, Location::default(), false, &missing);
            out.extend(moved.into_iter().flatten());
        }
        out.extend(order.settle(&missing));
        let mut numbers: Vec<u64> = out.into_iter().flat_map(|(range, _)| range).collect();
        numbers.sort_unstable();
        numbers
    }

    proptest! {
        #[test]
        fn the_fewest_lines_are_named(
            absent in prop::collection::btree_set(0_u64..60, 0..20),
            moves in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..12),
        ) {
            let mut arrivals: Vec<u64> = (0..60).filter(|n| !absent.contains(n)).collect();
            for (from, to) in moves {
                let number = arrivals.remove(from.index(arrivals.len()));
                arrivals.insert(to.index(arrivals.len() + 1), number);
            }
            prop_assert_eq!(moved(&arrivals), by_the_book(&arrivals));
        }
    }

    #[test]
    fn what_was_moved_is_named_and_not_what_it_was_moved_past() {
        let early: Vec<u64> = [0, 1, 40].into_iter().chain(2..40).chain(41..50).collect();
        assert_eq!(moved(&early), [40]);
        let late: Vec<u64> = (0..10).chain(14..90).chain(10..14).collect();
        assert_eq!(moved(&late), [10, 11, 12, 13]);
        assert_eq!(moved(&[0, 1, 3, 2, 4]), [2]);
    }

    #[test]
    fn a_shuffled_log_takes_bounded_memory() {
        let (mut order, mut missing) = (Order::default(), Numbers::default());
        missing.insert_range(0..1 << 15);
        let mut named = 0;
        for n in 0..1 << 15_u64 {
            let number = (n * 7919) % (1 << 15);
            missing.remove(number);
            let moved = order.arrive(number, Location::default(), false, &missing);
            named += moved
                .into_iter()
                .flatten()
                .map(|(range, _)| range.end - range.start)
                .sum::<u64>();
        }
        // Each line is named once at most.
        assert!(named < 1 << 15, "{named}");
        assert!(order.memory() < 1 << 19, "{}", order.memory());
    }
}
