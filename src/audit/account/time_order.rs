//! The order of a run's lines by their time, across its producers.
//!
//! Where each producer's numbers rise, the time of the lines must not fall either: the program logs them in the order of their
//! stamps. Where it falls, either the lines that follow stand too late or those before stand too early: named are the
//! fewer of them, and of as many on both sides those with the lower stamps.

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
    fall: Option<Fall>,
    /// The last lines.
    recent: VecDeque<TimedLine>,
}

/// Where time has fallen, until it is again where it was.
#[derive(Clone, Debug)]
struct Fall {
    /// The lines in front of it with higher stamps; none if they cannot all be known.
    early: Option<Vec<TimedLine>>,
    /// The lines behind it with lower ones: as many as may have to be named.
    behind: Vec<TimedLine>,
    count: usize,
    high: u64,
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
        let time = if backwards { !line.stamp } else { line.stamp };
        if line.at.file != self.file || backwards != self.backwards {
            self.settle(moved);
            (self.file, self.backwards, self.high) = (line.at.file, backwards, 0);
            self.recent.clear();
        }
        if time < self.high {
            self.fell(line, time, moved);
        } else {
            self.high = time;
            if self.fall.is_some() {
                self.settle(moved);
            }
        }
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(line);
    }

    #[cold]
    fn fell(&mut self, line: TimedLine, time: u64, moved: &mut dyn FnMut(TimedLine)) {
        let before = |early: &&TimedLine| match self.backwards {
            true => !early.stamp > time,
            false => early.stamp > time,
        };
        let mut fall = match self.fall.take() {
            Some(fall) => fall,
            None => {
                let newest = self.recent.iter().rev();
                let early: Vec<_> = newest.take_while(before).copied().collect();
                Fall {
                    early: (early.len() < RECENT_MAX).then_some(early),
                    behind: Vec::new(),
                    count: 0,
                    high: 0,
                }
            }
        };
        if time < fall.high {
            // Out of order even among the lines that are behind.
            moved(line);
        } else {
            fall.high = time;
            fall.count += 1;
            match &fall.early {
                None => moved(line),
                Some(early) if fall.behind.len() <= early.len() => fall.behind.push(line),
                Some(_) => {}
            }
        }
        self.fall = Some(fall);
    }

    /// Names the lines out of order of which it was open until now which they are.
    pub(crate) fn settle(&mut self, moved: &mut dyn FnMut(TimedLine)) {
        let Some(Fall {
            early: Some(early),
            behind,
            count,
            ..
        }) = self.fall.take()
        else {
            return;
        };
        let late = count < early.len() || count == early.len() && !self.backwards;
        let fewer = if late { behind } else { early };
        fewer.into_iter().for_each(moved);
    }
}
