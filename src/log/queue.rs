//! The queue: how finished lines get from many producers to the sinks: lossless, bounded, in time order.
//!
//! A producer (a worker, or `main`) makes a line outside all locks and puts it into the batch of its stripe. A drain takes
//! the batches of all stripes, merges them by time stamp and writes them, while the next ones fill. The writer drains in
//! time, and a producer drains when its batch fills: where all cores are busy, nobody need wait until the writer gets one.
//! A producer that finds its batch full waits for the drain that is going on, and then drains itself: nothing is dropped
//! here.
//!
//! There are stripes so that two cores seldom change the same memory: what travels from one core's cache to the other's
//! costs more than all the rest of a line.
//!
//! Why the lines come out in time order:
//! 1. A line is stamped before it is put. A drain takes all batches and reads the clock, its cut, while it holds the locks
//!    of all stripes. So no line that it takes is newer than the cut.
//! 2. A line that is older than the last cut came too late for the drain in which it belonged. It is refused, and its
//!    producer makes it anew. So no line of a later drain is older than the cut.
//! 3. There is one [`Drain`], behind a lock: whoever has it writes what it holds before releasing it. A line that is not to
//!    wait is numbered, stamped and written under the same lock.
//! 4. What a drain took is merged by time stamp. A producer's stamps never fall, and lines of a stripe with the same stamp
//!    stay in the order in which they came, so each producer's lines stay in order too.
//!
//! A stripe's lock is held to copy bytes only. Of two locks, the drain's comes first, then the stripes' in their order, then
//! that of the calls. The model tests explore this file under every schedule that they find.

use std::{array, mem, time::Duration};

use super::batch::{Batch, FinishedLine};
use crate::{
    log::clock::Stamp,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// Of thousands of workers few run at one time: with so many stripes two that do seldom share one.
pub(crate) const STRIPES: usize = 8;

/// How often an idle writer looks around.
const IDLE: Duration = Duration::from_secs(1);

/// The queue of a run.
#[derive(Debug)]
pub(crate) struct Queue {
    stripes: Vec<Mutex<Stripe>>,
    calls: Mutex<Calls>,
    /// A stripe's batch with as many bytes is full.
    batch_bytes: usize,
    /// The writer waits for this.
    wake_up: Condvar,
}

/// What some of the producers share.
#[derive(Debug, Default)]
struct Stripe {
    /// The lines that wait for the next drain.
    batch: Batch,
    /// With so many bytes in the batch it is time for one.
    drain_at: usize,
    /// When the last drain took a batch. It is the same in all stripes.
    cut: Stamp,
    /// Who may still log. It is the same in all stripes.
    open_to: OpenTo,
    /// The number of the next line of each of the stripe's producers.
    next_seq: Vec<u64>,
}

/// What the writer is asked to do. Producers come here only with the first line of a batch.
#[derive(Debug, Default)]
struct Calls {
    /// The stamp of the first line that waits for the next drain, if one does.
    line_waits: Option<Stamp>,
    /// A line came since the writer last asked. Another thread may have written it.
    line_came: bool,
    /// The writer sleeps while no line waits: the first one has to wake it.
    writer_is_idle: bool,
    /// The writer is wanted at once.
    urgent: bool,
    /// The writer is to end.
    closing: bool,
}

/// Where in the queue a producer's lines go, and where their number is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    stripe: usize,
    row: usize,
}

/// What a thread is to the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It leads the run, and logs the last line.
    Main,
    /// The writer: it must never wait for room, which only it may be able to make.
    Writer,
    /// A worker, or somebody who observes the run and logs as `main`.
    Other,
}

/// Whose lines the queue takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OpenTo {
    /// Everybody's.
    #[default]
    All,
    /// Those of `main` and the writer: the workers have ended, and the observers are to be silent.
    MainAndWriter,
    /// Nobody's: the books are closed.
    Nobody,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// It waits for the next drain.
    Waits,
    /// It waits, and its batch is half full: it is time for a drain.
    HalfFull,
    /// It was not taken: it must be made anew, with this number.
    MakeAnew(u64),
    /// It was not taken: the batch is full. After a drain it may be tried again.
    Full,
    /// It was not taken: the log is closed for this producer.
    Closed,
}

impl Queue {
    /// An empty queue for `producers`, with so many `stripes`, at most [`STRIPES`], and room in each for a batch of `batch_bytes` and a line.
    pub(crate) fn new(producers: usize, stripes: usize, batch_bytes: usize) -> Self {
        let stripe = || Stripe {
            batch: Batch::with_capacity(batch_bytes),
            drain_at: batch_bytes / 2,
            next_seq: vec![0; producers.div_ceil(stripes)],
            ..Stripe::default()
        };
        Self {
            stripes: (0..stripes).map(|_| Mutex::new(stripe())).collect(),
            calls: Mutex::default(),
            batch_bytes,
            wake_up: Condvar::new(),
        }
    }

    /// Lines that were taken so far.
    pub(crate) fn lines(&self) -> u64 {
        let stripes = self.all_stripes();
        let stripes = stripes.iter().flatten();
        stripes.flat_map(|stripe| &stripe.next_seq).sum()
    }

    /// The place of producer number `producer`.
    pub(crate) fn slot(&self, producer: usize) -> Slot {
        Slot {
            stripe: producer % self.stripes.len(),
            row: producer / self.stripes.len(),
        }
    }

    /// Puts a finished line of the producer at `slot` into the queue.
    #[inline]
    pub(crate) fn put(&self, slot: Slot, role: Role, line: &FinishedLine<'_>) -> Put {
        let mut stripe = self.stripe(slot.stripe);
        if !stripe.open_to.admits(role) {
            return Put::Closed;
        }
        let next_seq = stripe.next_seq[slot.row];
        if next_seq != line.seq || line.stamp < stripe.cut {
            return Put::MakeAnew(next_seq);
        }
        if stripe.batch.bytes() >= self.batch_bytes && role != Role::Writer {
            return Put::Full;
        }
        stripe.next_seq[slot.row] += 1;
        if stripe.batch.is_empty() {
            self.tell_of_first_line(line.stamp);
        }
        stripe.batch.push(line);
        if stripe.batch.bytes() < stripe.drain_at {
            return Put::Waits;
        }
        // Where another drain is going on, to ask for one with each line would cost more than the line.
        stripe.drain_at += self.batch_bytes / 16;
        Put::HalfFull
    }

    /// The number of a line of the producer at `slot` that is written at once; none if the log is closed for it.
    #[inline]
    pub(crate) fn number(&self, slot: Slot, role: Role) -> Option<u64> {
        let mut stripe = self.stripe(slot.stripe);
        let admitted = stripe.open_to.admits(role);
        let next_seq = &mut stripe.next_seq[slot.row];
        admitted.then(|| mem::replace(next_seq, *next_seq + 1))
    }

    /// The stripe's lock is held meanwhile: a drain that takes the line sees the call, too.
    fn tell_of_first_line(&self, stamp: Stamp) {
        let mut calls = self.calls();
        calls.line_waits.get_or_insert(stamp);
        calls.line_came = true;
        if mem::take(&mut calls.writer_is_idle) {
            drop(calls);
            self.wake_up.notify_one();
        }
    }

    /// Says whose lines are taken from now on. What was taken before stays.
    pub(crate) fn open_to(&self, open_to: OpenTo) {
        for mut stripe in self.all_stripes().into_iter().flatten() {
            stripe.open_to = open_to;
        }
    }

    /// Whether the batch at this place is full.
    pub(crate) fn is_full(&self, slot: Slot) -> bool {
        self.stripe(slot.stripe).batch.bytes() >= self.batch_bytes
    }

    /// Wakes the writer at once.
    pub(crate) fn hurry(&self) {
        if !mem::replace(&mut self.calls().urgent, true) {
            self.wake_up.notify_one();
        }
    }

    /// Tells the writer to end.
    pub(crate) fn close(&self) {
        self.calls().closing = true;
        self.wake_up.notify_one();
    }

    /// The writer waits until it is wanted: at once, because a line has waited for `patience`, or to look around, as it does now and
    /// then. `now` reads the clock. Says whether it is to go on.
    pub(crate) fn wait(&self, patience: Duration, now: impl Fn() -> Stamp) -> bool {
        let mut calls = self.calls();
        while !calls.closing && !mem::take(&mut calls.urgent) {
            // While lines come, the writer looks for them by itself: to wake it for the first of each batch would cost the
            // producers more than the lines.
            let came = mem::take(&mut calls.line_came);
            let since = calls.line_waits.or_else(|| came.then(&now));
            let due = since.map(|since| since.after(patience));
            let left = due.map_or(IDLE, |due| Duration::from_nanos(due.nanos_since(now())));
            if left.is_zero() {
                break;
            }
            calls.writer_is_idle = due.is_none();
            let (guard, waited) = self
                .wake_up
                .wait_timeout(calls, left)
                .unwrap_or_else(PoisonError::into_inner);
            calls = guard;
            calls.writer_is_idle = false;
            if due.is_none() && waited.timed_out() {
                break;
            }
        }
        !calls.closing
    }

    // What these locks guard is changed in steps that cannot fail halfway, so poison has no meaning here.

    fn stripe(&self, number: usize) -> MutexGuard<'_, Stripe> {
        self.stripes[number]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn all_stripes(&self) -> [Option<MutexGuard<'_, Stripe>>; STRIPES] {
        array::from_fn(|i| (i < self.stripes.len()).then(|| self.stripe(i)))
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenTo {
    fn admits(self, role: Role) -> bool {
        match self {
            Self::All => true,
            Self::MainAndWriter => role != Role::Other,
            Self::Nobody => false,
        }
    }
}

/// The lines that are being written, in time order, each time in the same memory. There is one for a queue, behind a lock.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    /// What was taken from each stripe.
    taken: Vec<Batch>,
    /// The one of them that has all lines, in time order; none if they had to be merged.
    whole: Option<usize>,
    merged: Batch,
    /// Memory to merge with.
    order: Vec<(Stamp, u32, u32)>,
}

impl Drain {
    /// The one of this queue.
    pub(crate) fn of(queue: &Queue) -> Self {
        let (stripes, bytes) = (queue.stripes.len(), queue.batch_bytes);
        Self {
            taken: (0..stripes).map(|_| Batch::with_capacity(bytes)).collect(),
            merged: Batch::with_capacity(stripes * bytes),
            ..Self::default()
        }
    }

    /// Takes a line that has not been in the queue.
    #[inline]
    pub(crate) fn take_line(&mut self, line: &FinishedLine<'_>) {
        self.whole = None;
        self.merged.clear();
        self.merged.push(line);
    }

    /// Takes all lines that wait. `now` reads the clock.
    pub(crate) fn take(&mut self, queue: &Queue, now: impl FnOnce() -> Stamp) {
        self.taken.iter_mut().for_each(Batch::clear);
        let mut stripes = queue.all_stripes();
        for (stripe, taken) in stripes.iter_mut().flatten().zip(&mut self.taken) {
            mem::swap(&mut stripe.batch, taken);
            stripe.drain_at = queue.batch_bytes / 2;
        }
        let cut = now();
        for stripe in stripes.iter_mut().flatten() {
            stripe.cut = cut;
        }
        queue.calls().line_waits = None;
        drop(stripes);
        let mut filled = (0..self.taken.len()).filter(|i| !self.taken[*i].is_empty());
        self.whole = match (filled.next(), filled.next()) {
            (only, None) => only.filter(|i| self.taken[*i].is_sorted()),
            _ => None,
        };
        if self.whole.is_none() {
            self.merged.merge(&self.taken, &mut self.order);
        }
    }

    /// The lines.
    pub(crate) fn batch(&self) -> &Batch {
        self.whole.map_or(&self.merged, |i| &self.taken[i])
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::sync::{Arc, explore, ignoring_poison, thread};

    /// A clock that any thread may read: it never falls, and sometimes stands still.
    #[derive(Default)]
    struct Ticks(AtomicU64);

    impl Ticks {
        fn now(&self) -> Stamp {
            Stamp(self.0.fetch_add(1, Ordering::SeqCst) / 2)
        }
    }

    /// The queue with its neighbours in the log: a clock, and a list in place of the sinks.
    struct Model {
        queue: Queue,
        drain: Mutex<Drain>,
        ticks: Ticks,
        written: Mutex<Vec<(Stamp, String)>>,
    }

    impl Model {
        fn new(producers: usize, stripes: usize, batch_bytes: usize) -> Arc<Self> {
            let queue = Queue::new(producers, stripes, batch_bytes);
            Arc::new(Self {
                drain: Mutex::new(Drain::of(&queue)),
                queue,
                ticks: Ticks::default(),
                written: Mutex::default(),
            })
        }

        /// What one producer does: the loop of the log's producer, without what a line costs to make. Returns how many lines
        /// were taken.
        fn log_lines(&self, producer: usize, role: Role, count: u64) -> u64 {
            let (slot, mut seq) = (self.queue.slot(producer), 0);
            for logged in 0..count {
                loop {
                    let stamp = self.ticks.now();
                    let text = format!("{producer} {seq}\n");
                    let line = FinishedLine {
                        stamp,
                        seq,
                        text: text.as_bytes(),
                        json: &[],
                        to_console: true,
                    };
                    match self.queue.put(slot, role, &line) {
                        Put::Waits => break,
                        Put::HalfFull => {
                            if let Some(drain) = ignoring_poison(self.drain.try_lock()) {
                                self.write(drain);
                            }
                            break;
                        }
                        Put::MakeAnew(other) => seq = other,
                        Put::Full => {
                            let drain = self.drain.lock().unwrap();
                            if self.queue.is_full(slot) {
                                self.write(drain);
                            }
                        }
                        Put::Closed => return logged,
                    }
                }
                seq += 1;
            }
            count
        }

        /// The same for lines that are not to wait.
        fn log_lines_at_once(&self, producer: usize, role: Role, count: u64) -> u64 {
            let slot = self.queue.slot(producer);
            for logged in 0..count {
                let mut drain = self.drain.lock().unwrap();
                let Some(seq) = self.queue.number(slot, role) else {
                    return logged;
                };
                drain.take_line(&FinishedLine {
                    stamp: self.ticks.now(),
                    seq,
                    text: format!("{producer} {seq}\n").as_bytes(),
                    json: &[],
                    to_console: true,
                });
                self.note(&drain);
            }
            count
        }

        fn write_all(&self) {
            self.write(self.drain.lock().unwrap());
        }

        fn write(&self, mut drain: MutexGuard<'_, Drain>) {
            drain.take(&self.queue, || self.ticks.now());
            self.note(&drain);
        }

        fn note(&self, drain: &Drain) {
            let batch = drain.batch();
            assert!(
                batch.bytes() < (self.queue.batch_bytes + 8) * self.queue.stripes.len(),
                "more bytes than allowed"
            );
            for (stamp, (text, _)) in batch.stamps().zip(batch.lines()) {
                let mut written = self.written.lock().unwrap();
                written.push((stamp, String::from_utf8(text.to_vec()).unwrap()));
            }
        }

        /// The log's writer.
        fn serve(&self) {
            while self.queue.wait(Duration::ZERO, || self.ticks.now()) {
                self.write_all();
            }
            self.write_all();
        }

        fn assert_whole_and_in_order(&self, producers: usize, count: u64) {
            let written = &self.written.lock().unwrap();
            assert!(
                written.is_sorted_by_key(|(stamp, _)| *stamp),
                "time runs backwards: {written:?}"
            );
            for producer in 0..producers {
                let prefix = format!("{producer} ");
                let lines = written.iter().map(|(_, line)| line);
                let lines = lines.filter(|line| line.starts_with(&prefix));
                let expected: Vec<_> = (0..count)
                    .map(|seq| format!("{producer} {seq}\n"))
                    .collect();
                assert!(lines.eq(&expected), "producer {producer}: {written:?}");
            }
        }
    }

    /// Starts a thread that does `work` with the model.
    fn start<T: Send + 'static>(
        model: &Arc<Model>,
        work: impl FnOnce(&Model) -> T + Send + 'static,
    ) -> thread::JoinHandle<T> {
        let model = Arc::clone(model);
        thread::spawn(move || work(&model))
    }

    fn start_producers(
        model: &Arc<Model>,
        producers: usize,
        count: u64,
    ) -> Vec<thread::JoinHandle<u64>> {
        (0..producers)
            .map(|producer| {
                start(model, move |model| {
                    model.log_lines(producer, Role::Other, count)
                })
            })
            .collect()
    }

    /// Runs producers and a writer to their end. A line has four bytes: a batch of as many is full with one, one of many
    /// more never is.
    fn hand_over(stripes: usize, batch_bytes: usize, producers: usize, count: u64) {
        let model = Model::new(producers, stripes, batch_bytes);
        let writer = start(&model, Model::serve);
        for producer in start_producers(&model, producers, count) {
            producer.join().unwrap();
        }
        model.write_all();
        model.assert_whole_and_in_order(producers, count);
        model.queue.close();
        writer.join().unwrap();
        model.assert_whole_and_in_order(producers, count);
        assert_eq!(model.queue.lines(), producers as u64 * count);
    }

    #[test]
    fn every_line_is_handed_over_once_and_in_time_order() {
        for stripes in 1..=3 {
            explore(move || hand_over(stripes, 4, 2, 3));
            explore(move || hand_over(stripes, 64, 2, 3));
            explore(move || hand_over(stripes, 12, 3, 2));
            explore(move || hand_over(stripes, 4, 4, 2));
        }
    }

    /// Nobody writes here until all is logged but the producers themselves.
    #[test]
    fn producers_need_no_writer_to_go_on() {
        explore(|| {
            let model = Model::new(3, 2, 8);
            for producer in start_producers(&model, 3, 2) {
                producer.join().unwrap();
            }
            model.write_all();
            model.assert_whole_and_in_order(3, 2);
        });
    }

    /// Nobody but the waiting line itself wakes the writer here, also where producers drain in between.
    #[test]
    fn a_line_that_waits_wakes_the_writer() {
        for batch_bytes in [64, 12] {
            explore(move || {
                let model = Model::new(2, 2, batch_bytes);
                let producers = start_producers(&model, 2, 3);
                let writer = start(&model, Model::serve);
                for producer in producers {
                    producer.join().unwrap();
                }
                while model.written.lock().unwrap().len() < 6 {
                    thread::yield_now();
                }
                model.queue.close();
                writer.join().unwrap();
                model.assert_whole_and_in_order(2, 3);
            });
        }
    }

    /// What is written, by whomever, no longer waits: the writer sleeps.
    #[test]
    fn lines_that_are_written_no_longer_wait() {
        explore(|| {
            let model = Model::new(1, 2, 64);
            let writer = start(&model, Model::serve);
            model.log_lines(0, Role::Other, 2);
            model.write_all();
            assert_eq!(model.queue.calls().line_waits, None);
            model.queue.close();
            writer.join().unwrap();
            model.assert_whole_and_in_order(1, 2);
        });
    }

    /// Threads that log as one producer, as `main` and the observers do, never share a number.
    #[test]
    fn threads_that_log_as_one_producer_number_their_lines_apart() {
        explore(|| {
            for log in [Model::log_lines, Model::log_lines_at_once] {
                let model = Model::new(1, 2, 1 << 10);
                let threads =
                    [(); 3].map(|()| start(&model, move |model| log(model, 0, Role::Other, 2)));
                for thread in threads {
                    thread.join().unwrap();
                }
                model.queue.close();
                model.serve();
                model.assert_whole_and_in_order(1, 6);
            }
        });
    }

    /// From the moment on when `main` counts the lines, the count stays true: no observer's line comes in any more.
    #[test]
    fn a_log_that_is_closed_for_observers_takes_none_of_their_lines() {
        explore(|| {
            for log in [Model::log_lines, Model::log_lines_at_once] {
                let model = Model::new(2, 2, 12);
                let observer = start(&model, move |model| log(model, 0, Role::Other, 3));
                model.queue.open_to(OpenTo::MainAndWriter);
                let counted = model.queue.lines();
                assert_eq!(log(&model, 0, Role::Main, 1), 1);
                assert_eq!(observer.join().unwrap(), counted);
                assert_eq!(model.queue.lines(), counted + 1);
                model.write_all();
                model.assert_whole_and_in_order(1, counted + 1);
            }
        });
    }
}
