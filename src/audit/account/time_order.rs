//! The order of a run's lines by their time, across its producers.
//!
//! Where each producer's numbers rise, the time of the lines must not fall either: the program logs them in the order of their
//! stamps. Where it falls, either the lines that follow stand too late or those before stand too early: named are the
//! fewer of them, and of as many on both sides those behind.

use std::collections::VecDeque;

use crate::audit::{records::record::Producer, verdict::findings::Location};

/// A line, as far as its place in the order is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimedLine {
    /// Its time in microseconds since 1970.
    pub stamp: u64,
    /// Who logged it.
    pub producer: Producer,
    /// Its number.
    pub seq: u64,
    /// Where it stands.
    pub at: Location,
}

/// So many of the last lines are kept: where time falls, they may be those that stand too early.
const RECENT_MAX: usize = 256;

/// Lines of one run in the order of one input.
#[derive(Clone, Debug, Default)]
pub(crate) struct TimeOrder {
    file: u32,
    backwards: bool,
    /// The highest time so far; where the input stands on its head, the lowest, turned round.
    high: u64,
    /// The last lines that are in order.
    recent: VecDeque<TimedLine>,
    /// Where time has fallen, until it is again where it was: how many lines in front of it have higher stamps.
    early: usize,
    /// The lines behind it with lower ones.
    behind: Vec<TimedLine>,
}

impl TimeOrder {
    /// About how many bytes it takes besides itself.
    pub(crate) fn memory(&self) -> u64 {
        (self.recent.capacity() * size_of::<TimedLine>()) as u64
    }

    /// Takes in a line. Lines that are known to be out of order go to `moved`.
    #[inline]
    pub(crate) fn arrive(
        &mut self,
        line: TimedLine,
        backwards: bool,
        moved: &mut dyn FnMut(TimedLine),
    ) {
        if line.at.file != self.file || backwards != self.backwards {
            self.settle(moved);
            (self.file, self.backwards, self.high) = (line.at.file, backwards, 0);
            self.recent.clear();
        }
        let time = self.time(&line);
        if time < self.high {
            return self.fell(line, time, moved);
        }
        self.high = time;
        if !self.behind.is_empty() {
            self.settle(moved);
        }
        self.keep(line);
    }

    /// A line's time, which rises also where the input stands on its head.
    #[inline]
    fn time(&self, line: &TimedLine) -> u64 {
        match self.backwards {
            true => !line.stamp,
            false => line.stamp,
        }
    }

    #[inline]
    fn keep(&mut self, line: TimedLine) {
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(line);
    }

    #[cold]
    fn fell(&mut self, line: TimedLine, time: u64, moved: &mut dyn FnMut(TimedLine)) {
        let fallen_to = match self.behind.last() {
            Some(last) => self.time(last),
            None => {
                let newest = self.recent.iter().rev();
                self.early = newest.take_while(|line| self.time(line) > time).count();
                0
            }
        };
        if time < fallen_to || self.early == RECENT_MAX {
            // Out of order even among the lines that are behind, or too far behind.
            return moved(line);
        }
        self.behind.push(line);
        if self.behind.len() > self.early {
            // Those that stand too early are the fewer.
            let early = self.recent.len() - self.early;
            self.recent.drain(early..).for_each(moved);
            self.high = time;
            for line in std::mem::take(&mut self.behind) {
                self.keep(line);
            }
        }
    }

    /// Names the lines behind of which it was open until now whether there are more of them than of those in front.
    pub(crate) fn settle(&mut self, moved: &mut dyn FnMut(TimedLine)) {
        self.behind.drain(..).for_each(moved);
    }
}
