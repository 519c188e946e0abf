//! What must rise while lines arrive: the numbers of one producer, or the time of a run. Where it falls, the fewest lines are named
//! that must be moved to restore the order.
//!
//! The last arrivals are kept, numbers that follow each other as one. The lines to be moved are those outside the longest rising
//! sequence. Of two ways to restore the order with as many lines the one counts that moves the lower numbers: that depends on the
//! numbers alone, not on where the lines stand.

use std::{collections::BTreeMap, mem, ops::Range};

use crate::audit::verdict::findings::Location;

/// So many of the last arrivals are kept, or up to twice as many: where the next one is lower, they may be those that stand too
/// early.
const RECENT_MAX: usize = 256;
/// Where there is disorder again and again, so many are looked at together.
const DISORDER_MAX: usize = 1 << 13;

/// Lines that arrived one after the other, and whose numbers follow each other.
#[derive(Clone, Copy, Debug)]
struct Stretch<T> {
    first: u64,
    last: u64,
    /// The line of the input that the first of them stands in.
    line: u64,
    what: T,
}

/// What arrives. Of each line, or the first of those that follow each other, something may be kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Order<T = ()> {
    /// The input that it comes from; where another begins, the order begins anew.
    file: u32,
    /// The input stands on its head: turned round, its numbers rise.
    backwards: bool,
    /// The highest number so far.
    high: u64,
    /// What was kept before reached up to this number: what comes below it is out of order.
    settled: u64,
    /// The last arrivals. The very last reaches up to `next`.
    recent: Vec<Stretch<T>>,
    /// The number behind that of the last line; 0 where nothing can go on.
    next: u64,
    /// How many of them came since the numbers fell; none where all are in order.
    since_fall: Option<u32>,
}

/// Lines that stand out of order: their numbers, where the first of them stands, and what is kept of it.
pub(crate) type Moved<T = ()> = Vec<(Range<u64>, Location, T)>;

impl<T: Copy> Order<T> {
    /// About how many bytes it takes besides itself.
    pub(crate) fn memory(&self) -> u64 {
        (self.recent.capacity() * size_of::<Stretch<T>>()) as u64
    }

    /// Whether some lines may have to be moved.
    pub(crate) fn is_disordered(&self) -> bool {
        self.since_fall.is_some()
    }

    /// Whether the last line is in order, whatever came before.
    pub(crate) fn is_restored(&self) -> bool {
        self.since_fall != Some(0)
    }

    /// The number of the line that must come now, if all goes on as it did.
    pub(crate) fn upcoming(&self) -> Option<u64> {
        (self.next > 0).then(|| turned(self.next, self.backwards))
    }

    /// Takes in a line whose number is the next one, if it is.
    #[inline]
    pub(crate) fn goes_on(&mut self, number: u64, at: Location, backwards: bool) -> bool {
        let number = turned(number, backwards);
        let is_same = at.file == self.file && backwards == self.backwards;
        let is_next = number == self.next && number > 0 && number < u64::MAX && is_same;
        match is_next {
            true => self.next += 1,
            false => self.catch_up(),
        }
        is_next
    }

    /// Adds the lines that went on to the last arrival.
    #[cold]
    fn catch_up(&mut self) {
        if self.recent.is_empty() {
            // In a log in order there is but one.
            self.recent.reserve_exact(1);
        }
        if let Some(last) = self.recent.last_mut()
            && self.next > 0
        {
            last.last = self.next - 1;
            self.high = self.high.max(last.last);
        }
    }

    /// Takes in a line whose number is not below any before it, if all were in order until now. A line goes from here right to where
    /// it is kept: copies of it would take most of the time.
    #[inline]
    pub(crate) fn rises(&mut self, number: u64, at: Location, backwards: bool, what: T) -> bool {
        let number = turned(number, backwards);
        let is_same = at.file == self.file && backwards == self.backwards;
        let rises = number >= self.high && self.since_fall.is_none() && is_same;
        if rises {
            if self.recent.len() == 2 * RECENT_MAX {
                self.forget_old();
            }
            self.high = number;
            self.put(number, at.line, what);
        }
        rises
    }

    /// Takes in any line. Returns lines out of order where some must be settled now.
    #[cold]
    pub(crate) fn arrive(
        &mut self,
        number: u64,
        at: Location,
        backwards: bool,
        what: T,
    ) -> Moved<T> {
        if self.rises(number, at, backwards, what) {
            return Vec::new();
        }
        self.disordered(number, at, backwards, what)
    }

    #[inline]
    fn put(&mut self, number: u64, line: u64, what: T) {
        self.next = number.wrapping_add(1);
        self.recent.push(Stretch {
            first: number,
            last: number,
            line,
            what,
        });
    }

    /// Forgets all but the last arrivals.
    fn forget_old(&mut self) {
        let old = self.recent.len().saturating_sub(RECENT_MAX);
        let oldest = self.recent.drain(..old).next_back();
        self.settled = oldest.map_or(self.settled, |oldest| oldest.last);
    }

    /// Takes in a line with which the numbers fall, or behind such a line, or the first of another input.
    fn disordered(&mut self, number: u64, at: Location, backwards: bool, what: T) -> Moved<T> {
        let number = turned(number, backwards);
        if (at.file, backwards) != (self.file, self.backwards) {
            let moved = self.settle();
            (self.file, self.backwards) = (at.file, backwards);
            (self.high, self.settled) = (number, 0);
            self.recent.clear();
            self.put(number, at.line, what);
            return moved;
        }
        let since_fall = match number < self.high {
            true => 0,
            false => self.since_fall.map_or(0, |lines| lines + 1),
        };
        self.since_fall = Some(since_fall);
        self.high = self.high.max(number);
        self.put(number, at.line, what);
        match since_fall as usize == RECENT_MAX || self.recent.len() >= DISORDER_MAX {
            true => self.settle(),
            false => Vec::new(),
        }
    }

    /// The lines out of order so far.
    pub(crate) fn settle(&mut self) -> Moved<T> {
        if self.since_fall.take().is_none() {
            return Vec::new();
        }
        self.catch_up();
        let mut lines = mem::take(&mut self.recent);
        let backwards = self.backwards;
        let numbers = |of: &Stretch<T>| match backwards {
            true => !of.last..(!of.first).saturating_add(1),
            false => of.first..of.last.saturating_add(1),
        };
        // As the log was written: so the same lines are named as if it stood on its feet.
        if backwards {
            lines.reverse();
        }
        let early = |of: &Stretch<T>| of.first < self.settled;
        let rising = rising(lines.iter().map(|of| (numbers(of), early(of))));
        let mut moved = Vec::new();
        for (of, kept) in lines.into_iter().zip(rising) {
            let (file, line) = (self.file, of.line);
            match kept {
                true => self.recent.push(of),
                false => moved.push((numbers(&of), Location { file, line }, of.what)),
            }
        }
        if backwards {
            self.recent.reverse();
        }
        let high = self.recent.last().map(|last| last.last);
        self.high = high.unwrap_or(self.settled);
        self.next = high.map_or(0, |high| high.wrapping_add(1));
        self.forget_old();
        moved
    }
}

/// A number of an input, which rises also where that stands on its head.
#[inline]
fn turned(number: u64, backwards: bool) -> u64 {
    match backwards {
        true => !number,
        false => number,
    }
}

/// Which of these belong to the rising sequence with the most lines, and of several to the one with the highest numbers. None that
/// is `out`, as is said beside it.
fn rising(runs: impl Iterator<Item = (Range<u64>, bool)>) -> Vec<bool> {
    // By what they end with, the sequences of which no other has more lines and ends lower; of equal numbers the later is higher.
    let mut best: BTreeMap<(u64, usize), u64> = BTreeMap::new();
    let mut before = Vec::new();
    for (i, (numbers, out)) in runs.enumerate() {
        let end = (numbers.start, i);
        let lower = best
            .range(..end)
            .next_back()
            .map(|(end, lines)| (*end, *lines));
        before.push(lower.map(|((_, i), _)| i));
        if out {
            continue;
        }
        let lines = lower.map_or(0, |(_, lines)| lines) + (numbers.end - numbers.start);
        while let Some((&worse, _)) = best.range(end..).next().filter(|(_, of)| **of < lines) {
            best.remove(&worse);
        }
        best.insert(end, lines);
    }
    let mut kept = vec![false; before.len()];
    let mut next = best.last_key_value().map(|((_, i), _)| *i);
    while let Some(i) = next {
        kept[i] = true;
        next = before[i];
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::audit::proof::oracle::by_the_book;

    /// The lines to be moved, by their numbers, as [`Order`] finds them.
    fn moved(arrivals: &[u64]) -> Vec<u64> {
        let mut order = Order::default();
        let mut out = Vec::new();
        for &number in arrivals {
            let at = Location::default();
            if !order.goes_on(number, at, false) {
                out.extend(order.arrive(number, at, false, ()));
            }
        }
        out.extend(order.settle());
        let mut numbers: Vec<u64> = out.into_iter().flat_map(|(range, ..)| range).collect();
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
        let mut order = Order::default();
        let mut named = 0;
        for n in 0..1 << 15_u64 {
            let moved = order.arrive((n * 7919) % (1 << 15), Location::default(), false, ());
            named += moved.len();
        }
        // Each line is named once at most.
        assert!(named < 1 << 15, "{named}");
        assert!(order.memory() < 1 << 19, "{}", order.memory());
    }
}
