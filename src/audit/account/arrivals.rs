//! The lines of one run as they arrive: in which order, when they were logged, and how long they took.

use super::{
    cursor::Budget,
    entered::Placed,
    order::{Moved, Order},
    sequence::Sequence,
};
use crate::audit::{
    config::AuditConfig,
    records::record::Producer,
    verdict::{
        Kind,
        delay::Delays,
        findings::{Findings, Location},
    },
};

/// A line that has come, and how it is to be judged.
pub(crate) struct Arrival<'a> {
    /// Who logged it.
    pub producer: Producer,
    /// Its number.
    pub seq: u64,
    /// Its time in microseconds since 1970.
    pub stamp: u64,
    /// Where it stands.
    pub at: Location,
    /// When the pipeline received it, or 0.
    pub received: u64,
    /// How strictly it is judged.
    pub config: &'a AuditConfig,
    /// The input stands on its head: the newest lines come first.
    pub backwards: bool,
    /// Pays for what has to be computed for it.
    pub budget: &'a Budget,
    /// The block from there on, as evidence; nothing of a line that was held back.
    pub text: &'a [u8],
}

impl Arrival<'_> {
    /// The line with what it tells.
    pub(crate) fn placed<T>(&self, value: T) -> Placed<T> {
        let Self { seq, at, .. } = *self;
        Placed { value, seq, at }
    }
}

/// Stands for the main thread where workers are numbers.
const MAIN: u32 = u32::MAX;

/// What the lines of a run that have arrived come to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arrivals {
    /// Time stamp of the first line.
    pub first_stamp: Option<u64>,
    /// Time stamp and place of the last line.
    pub last: Option<(u64, Location)>,
    /// Lines that share their stamp with the one before.
    pub same_stamp: u64,
    /// How long the lines took.
    pub delays: Delays,
    /// The lines by their time. Where each producer's numbers rise, it must not fall either: the program logs lines in the order of
    /// their stamps. Of a line its worker, or [`MAIN`], and its number are kept: two plain numbers stay in registers.
    pub time: Order<(u32, u64)>,
    /// Lines whose numbers are in order, and their times are not.
    pub fell: Findings,
}

impl Arrivals {
    /// Takes in a line that had not been seen: its time, and its place among its producer's lines, which are `sequence`, and among
    /// the run's.
    #[inline]
    pub(crate) fn arrive(
        &mut self,
        arrival: &Arrival<'_>,
        sequence: &mut Sequence,
        findings: &mut Findings,
    ) {
        let Arrival {
            producer,
            seq,
            stamp,
            at,
            backwards,
            ..
        } = *arrival;
        self.same_stamp += u64::from(self.last.is_some_and(|(last, _)| last == stamp));
        self.last = Some((stamp, at));
        let is_first = |first| backwards && stamp < first;
        if self.first_stamp.is_none_or(is_first) {
            self.first_stamp = Some(stamp);
        }
        if arrival.received > 0 {
            self.received(arrival, findings);
        }
        sequence.first.get_or_insert(seq);
        if arrival.config.any_order {
            return;
        }
        if !sequence.order.goes_on(seq, at, backwards) {
            reordered(
                findings,
                producer,
                sequence.order.arrive(seq, at, backwards, ()),
            );
        }
        // The time is asked only where the numbers are in order.
        let line = (producer.worker().unwrap_or(MAIN), seq);
        if findings.counts.reordered == 0 && !self.time.rises(stamp, at, backwards, line) {
            time_fell(&mut self.fell, self.time.arrive(stamp, at, backwards, line));
        }
    }

    /// Counts how long a line took.
    #[inline(never)]
    fn received(&mut self, arrival: &Arrival<'_>, findings: &mut Findings) {
        let delay = self.delays.count(arrival.stamp, arrival.received);
        let max = arrival.config.max_delay;
        if max.is_some_and(|max| delay > max as i64) {
            findings.add_line(
                Kind::Late,
                arrival.producer,
                arrival.seq,
                arrival.at,
                |_| {},
            );
        }
    }

    /// Names the lines whose time fell, where the numbers are in order: else it tells nothing more.
    pub(crate) fn settle(&mut self, findings: &mut Findings) {
        time_fell(&mut self.fell, self.time.settle());
        if findings.counts.reordered == 0 {
            findings.take_over(Kind::Reordered, &mut self.fell);
        }
    }
}

/// Names lines that stand behind later ones of their producer.
#[cold]
pub(crate) fn reordered(findings: &mut Findings, producer: Producer, moved: Moved) {
    for (numbers, at, ()) in moved {
        findings.add_lines(Kind::Reordered, producer, numbers, at, |_| {});
    }
}

#[cold]
fn time_fell(findings: &mut Findings, moved: Moved<(u32, u64)>) {
    for (_, at, (worker, seq)) in moved {
        let producer = match worker {
            MAIN => Producer::Main,
            worker => Producer::Worker(worker),
        };
        findings.add_line(Kind::Reordered, producer, seq, at, |found| {
            found.why = "time runs backwards".into();
        });
    }
}
