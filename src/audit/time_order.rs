//! The order of a run's lines by their time, across its producers.
//!
//! Where each producer's numbers rise, the time of the lines must not fall either: the program logs them in the order of their
//! stamps. Where it falls, either the lines that follow stand too late or those before stand too early: named are the
//! fewer of them, and of as many on both sides those with the lower stamps.

use super::{findings::Location, record::Producer};

/// A line, as far as its place in the order is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimedLine {
    /// Its time in microseconds since 1970.
    pub stamp: u64,
    /// Who logged it.
    pub producer: Producer,
    /// Its number.
    pub seq: u64,
    /// Where it stands.
    pub at: Location,
}

/// How many lines in front of a fall are looked at.
pub(super) const EARLY_MAX: usize = 1000;

/// Lines of one run in the order of one input.
#[derive(Clone, Debug, Default)]
pub(super) struct TimeOrder {
    file: u32,
    backwards: bool,
    /// The highest time so far; where the input stands on its head, the lowest, turned round.
    high: u64,
    fall: Option<Fall>,
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
    /// Takes in a line. `before` gives the lines in front of it, the nearest first; none when the rest is not known. Lines that
    /// are known to be out of order go to `moved`.
    #[inline]
    pub(super) fn arrive<'a, I: Iterator<Item = Option<TimedLine>> + 'a>(
        &mut self,
        line: TimedLine,
        backwards: bool,
        before: impl FnOnce() -> I,
        moved: &mut dyn FnMut(TimedLine),
    ) {
        let time = if backwards { !line.stamp } else { line.stamp };
        if line.at.file != self.file || backwards != self.backwards {
            self.settle(moved);
            (self.file, self.backwards, self.high) = (line.at.file, backwards, 0);
        }
        if time < self.high {
            return self.fell(line, time, before, moved);
        }
        self.high = time;
        if self.fall.is_some() {
            self.settle(moved);
        }
    }

    #[cold]
    fn fell<I: Iterator<Item = Option<TimedLine>>>(
        &mut self,
        line: TimedLine,
        time: u64,
        before: impl FnOnce() -> I,
        moved: &mut dyn FnMut(TimedLine),
    ) {
        let backwards = self.backwards;
        let fall = self.fall.get_or_insert_with(|| Fall {
            early: early(before(), |stamp| {
                (if backwards { !stamp } else { stamp }) > time
            }),
            behind: Vec::new(),
            count: 0,
            high: 0,
        });
        if time < fall.high {
            // Out of order even among the lines that are behind.
            return moved(line);
        }
        fall.high = time;
        fall.count += 1;
        match &fall.early {
            None => moved(line),
            Some(early) if fall.behind.len() <= early.len() => fall.behind.push(line),
            Some(_) => {}
        }
    }

    /// Names the lines out of order of which it was open until now which they are.
    pub(super) fn settle(&mut self, moved: &mut dyn FnMut(TimedLine)) {
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

/// The lines directly in front of a fall that it falls below; none if there are more than can be known.
fn early(
    before: impl Iterator<Item = Option<TimedLine>>,
    above: impl Fn(u64) -> bool,
) -> Option<Vec<TimedLine>> {
    let mut early = Vec::new();
    for line in before {
        let line = line?;
        if !above(line.stamp) {
            return Some(early);
        }
        if early.len() == EARLY_MAX {
            return None;
        }
        early.push(line);
    }
    Some(early)
}
