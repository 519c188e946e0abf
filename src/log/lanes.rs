//! The handing over of lines, from many authors to the sinks: lossless, bounded, in time order.
//!
//! Each author (a worker, or `main`) has a lane, where its finished lines wait in a [`Tray`]. In a sweep somebody takes all
//! trays together and merges what he took by time stamp. It is the writer's business to sweep in time, and every author's
//! to sweep when its own tray fills: where all cores are busy, nobody need wait until the writer gets one.
//!
//! There is a bounded number of trays, since of thousands of authors few run at one time: a lane has one from its first
//! line to the next sweep. An author that finds none left, or its own full, must sweep before it goes on, after whoever
//! sweeps already; while a reader of the console is far behind, it waits: nothing is dropped here.
//!
//! Why the lines come out in time order:
//! 1. Along a lane time stamps never fall: each is taken after the line before it was put into the tray.
//! 2. A line that finds its lane without a tray puts the lane on the list. A sweep takes the list and, in the same step,
//!    the time: its cut. Then it takes each tray in turn, but leaves what is newer than the cut behind in another one,
//!    and the lane on the list.
//! 3. A line that finds its lane without a tray, with a stamp that is older than the last cut, came too late for the sweep
//!    in which it belonged. It is refused: its author makes it anew.
//! 4. There is one [`Sweep`], behind a lock: who has it writes what it holds before he lets go of it.
//!
//! So all lines of a sweep are as old as its cut or older, all that come later are as old or newer, and within
//! the sweep a merge sorts them. Stamp and line are made outside the locks of lanes, which are held to copy bytes only.
//!
//! This file must not know clocks, threads, formats or sinks; the model tests explore it under every schedule
//! that they find.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, binary_heap::PeekMut},
    mem,
    time::Duration,
};

use super::tray::{FinishedLine, Run, Tray};
use crate::{
    log::clock::Stamp,
    sync::if_free,
    sync::{AtomicBool, Condvar, Mutex, MutexGuard, Ordering, PoisonError},
};

/// The lanes of a run, and the bell by which authors call the writer.
#[derive(Debug)]
pub struct Lanes {
    lanes: Vec<Lane>,
    /// A tray with as many bytes is full.
    tray_bytes: usize,
    trays_max: usize,
    sweep: Mutex<Sweep>,
    bell: Mutex<Bell>,
    rung: Condvar,
    /// Authors are no longer held up.
    let_go: Condvar,
    /// The writer is wanted at once.
    urgent: AtomicBool,
    /// The console is too far behind: no line is taken in until it has caught up.
    held_up: AtomicBool,
}

/// What there is to sweep, and what the writer is asked to do. It has cache lines of its own: authors look at what stands
/// beside it for each line.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Bell {
    closing: bool,
    /// The lanes that have a tray, with lines in it, but for those of a sweep that is at taking them.
    waiting: Vec<usize>,
    /// The lanes of a sweep that is at taking their trays: they may need one again at once.
    sweeping: usize,
    /// When the last sweep took that list.
    cut: Stamp,
    /// Trays that nobody has, those that were used last at the end: they may still be in a core's cache.
    spare: Vec<Tray>,
    /// The writer knows that lines wait, and will come: it need not be told.
    line_known: bool,
    flushes_asked: u64,
    flushes_done: u64,
}

/// Why the writer was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// It is wanted at once.
    Urgent,
    /// A line waits, which the writer did not know.
    LineWaits,
    /// All lines that were logged so far must be written; [`Lanes::flushed`] is to be told this number then.
    Flush(u64),
    /// No author is left.
    Close,
    /// Nobody called for as long as was to be waited.
    TimeUp,
}

/// One author's lane, on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Lane(Mutex<Queue>);

/// What waits in a lane for a sweep.
#[derive(Debug, Default)]
struct Queue {
    /// An empty one, which has no memory of its own, stands for none.
    tray: Tray,
    /// The sequence number of the next line.
    next_seq: u64,
}

/// What became of a line that was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It waits.
    Waits,
    /// It waits, and with it half a tray of lines: it is time for a sweep.
    HalfFull,
}

/// Why a line was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It must be made anew.
    MakeAnew {
        /// The number that it must have.
        seq: u64,
    },
    /// The tray is full or there is none left, or authors are held up. After a sweep, when they are not, it may be tried again.
    NoRoom,
}

impl Lanes {
    /// `count` empty lanes, and `trays_max` trays, each with room for `tray_bytes` and a line.
    pub fn new(count: usize, trays_max: usize, tray_bytes: usize) -> Self {
        Self {
            lanes: (0..count).map(|_| Lane::default()).collect(),
            tray_bytes,
            trays_max,
            sweep: Mutex::default(),
            bell: Mutex::default(),
            rung: Condvar::new(),
            let_go: Condvar::new(),
            urgent: AtomicBool::new(false),
            held_up: AtomicBool::new(false),
        }
    }

    /// How many lanes there are.
    pub fn count(&self) -> usize {
        self.lanes.len()
    }

    /// Lines that were taken in, of all lanes.
    pub fn lines(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.queue().next_seq).sum()
    }

    /// Takes a line in. Who is not `patient` is never refused for want of room.
    ///
    /// # Errors
    /// Its number is taken, a sweep has passed its stamp, or there is no room.
    #[inline]
    pub fn put(
        &self,
        lane: usize,
        line: FinishedLine<'_>,
        patient: bool,
    ) -> Result<Taken, Refused> {
        let mut queue = self.lanes[lane].queue();
        let seq = queue.next_seq;
        if seq != line.seq {
            return Err(Refused::MakeAnew { seq });
        }
        if patient && (self.is_full(&queue.tray) || self.is_held_up()) {
            return Err(Refused::NoRoom);
        }
        if queue.tray.is_empty() {
            let tray = self.list(lane, line.stamp, patient)?;
            queue.tray = tray.ok_or(Refused::MakeAnew { seq })?;
        }
        queue.tray.push(&line);
        queue.next_seq += 1;
        if queue.tray.bytes() < self.tray_bytes / 2 {
            Ok(Taken::Waits)
        } else {
            Ok(Taken::HalfFull)
        }
    }

    /// Puts a lane on the list for its first line, and gives it a tray; none if a sweep has passed the line's stamp.
    fn list(&self, lane: usize, stamp: Stamp, patient: bool) -> Result<Option<Tray>, Refused> {
        let mut bell = self.bell();
        if stamp < bell.cut {
            return Ok(None);
        }
        if patient && self.all_in_use(&bell) {
            return Err(Refused::NoRoom);
        }
        let tray = bell.hand_out(lane);
        let is_news = bell.waiting.len() == 1 && bell.is_news();
        drop(bell);
        if is_news {
            self.rung.notify_all();
        }
        Ok(Some(tray.unwrap_or_else(|| Tray::new(self.tray_bytes))))
    }

    /// Numbers a line that is written without a tray.
    pub fn number(&self, lane: usize) -> u64 {
        let mut queue = self.lanes[lane].queue();
        queue.next_seq += 1;
        queue.next_seq - 1
    }

    /// Takes all lines that are not newer than what `now` reads, once no other sweep is going on. They must be written before
    /// the sweep is dropped.
    pub fn sweep(&self, now: impl FnOnce() -> Stamp) -> MutexGuard<'_, Sweep> {
        let mut sweep = self.next_sweep();
        sweep.take(self, now);
        sweep
    }

    /// The same, unless another sweep is going on.
    pub fn sweep_if_free(&self, now: impl FnOnce() -> Stamp) -> Option<MutexGuard<'_, Sweep>> {
        let mut sweep = if_free(self.sweep.try_lock())?;
        sweep.take(self, now);
        Some(sweep)
    }

    /// The first of both for an author that was refused for want of room; none if the sweep that it has waited for made room, or if
    /// authors are held up.
    pub fn sweep_for_room(
        &self,
        lane: usize,
        now: impl FnOnce() -> Stamp,
    ) -> Option<MutexGuard<'_, Sweep>> {
        let mut sweep = self.next_sweep();
        if self.is_held_up() || self.has_room(lane) {
            return None;
        }
        sweep.take(self, now);
        Some(sweep)
    }

    fn has_room(&self, lane: usize) -> bool {
        let queue = self.lanes[lane].queue();
        let has_tray = !queue.tray.is_empty() || !self.all_in_use(&self.bell());
        has_tray && !self.is_full(&queue.tray)
    }

    fn is_full(&self, tray: &Tray) -> bool {
        tray.bytes() >= self.tray_bytes
    }

    /// Whether there is no tray left for another lane.
    fn all_in_use(&self, bell: &Bell) -> bool {
        bell.trays_in_use() >= self.trays_max
    }

    fn next_sweep(&self) -> MutexGuard<'_, Sweep> {
        self.sweep.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends all sweeping. An author that was left behind, stuck, and comes round after that waits for ever where it finds no
    /// room: nothing may be written once the books are closed.
    pub fn shut(&self) {
        mem::forget(self.next_sweep());
    }

    /// Calls the writer at once.
    pub fn hurry(&self) {
        // Who sees that it is wanted already need not say so again: it has not begun. Else the writer would have taken
        // the wish back, before it took what the caller has just let go of, or will take.
        if !self.urgent.load(Ordering::SeqCst) && !self.urgent.swap(true, Ordering::SeqCst) {
            // It looks at its flags under the bell's lock before it waits, and cannot miss the call.
            drop(self.bell());
            self.rung.notify_all();
        }
    }

    /// Waits until all lines that were logged so far are written.
    pub fn flush(&self) {
        let mut bell = self.bell();
        bell.flushes_asked += 1;
        let asked = bell.flushes_asked;
        self.rung.notify_all();
        while bell.flushes_done < asked {
            bell = self.rung.wait(bell).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Tells the writer that no author is left.
    pub fn close(&self) {
        self.bell().closing = true;
        self.rung.notify_all();
    }

    /// Whether the writer was told that no author is left.
    pub fn is_closing(&self) -> bool {
        self.bell().closing
    }

    /// Waits for a call, for at most `patience`. With `line_known`, the writer knows already that a line waits.
    pub fn wait(&self, line_known: bool, patience: Duration) -> Call {
        let mut bell = self.bell();
        bell.line_known = line_known;
        let mut time_up = patience.is_zero();
        loop {
            if bell.closing {
                return Call::Close;
            }
            if bell.flushes_asked > bell.flushes_done {
                return Call::Flush(bell.flushes_asked);
            }
            if self.urgent.swap(false, Ordering::SeqCst) {
                return Call::Urgent;
            }
            if !line_known && !bell.waiting.is_empty() {
                return Call::LineWaits;
            }
            if time_up {
                return Call::TimeUp;
            }
            let (guard, waited) = self
                .rung
                .wait_timeout(bell, patience)
                .unwrap_or_else(PoisonError::into_inner);
            bell = guard;
            time_up = waited.timed_out();
        }
    }

    /// Tells those that wait for the flush number `asked` that it is done.
    pub fn flushed(&self, asked: u64) {
        self.bell().flushes_done = asked;
        self.rung.notify_all();
    }

    /// Holds all authors up, or lets them go on.
    pub fn hold_up(&self, held_up: bool) {
        if self.held_up.swap(held_up, Ordering::SeqCst) && !held_up {
            drop(self.bell());
            self.let_go.notify_all();
        }
    }

    /// Waits as long as authors are held up.
    pub fn wait_until_let_go(&self) {
        let mut bell = self.bell();
        while self.is_held_up() {
            bell = self
                .let_go
                .wait(bell)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn is_held_up(&self) -> bool {
        self.held_up.load(Ordering::SeqCst)
    }

    // What these locks guard is changed in steps that cannot fail halfway, so poison has no meaning here.

    fn bell(&self) -> MutexGuard<'_, Bell> {
        self.bell.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bell {
    /// Puts a lane on the list, and gives it a spare tray; where there is none, one must be made for it.
    fn hand_out(&mut self, lane: usize) -> Option<Tray> {
        self.waiting.push(lane);
        self.spare.pop()
    }

    /// Whether lines wait and the writer does not know.
    fn is_news(&self) -> bool {
        !self.waiting.is_empty() && !self.line_known
    }

    fn trays_in_use(&self) -> usize {
        self.waiting.len() + self.sweeping
    }
}

impl Lane {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the tray with the lines that are not newer than `cut`. The others go to one that `list_again` brings, which is
    /// to put the lane on the list.
    fn take(&self, cut: Stamp, list_again: impl FnOnce() -> Tray) -> Tray {
        let mut queue = self.queue();
        let mut taken = mem::take(&mut queue.tray);
        let newer = taken.newer_than(cut);
        if newer > 0 {
            queue.tray = list_again();
            taken.move_last(newer, &mut queue.tray);
        }
        taken
    }
}

/// What was taken from the trays, to be read in time order. One sweep after another uses it again. It changes with each
/// line and has cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Sweep {
    /// The lanes on the list.
    lanes: Vec<usize>,
    /// The tray from each of them.
    taken: Vec<Tray>,
    /// The one with the oldest line.
    oldest: Option<usize>,
    /// The others that have lines left, by the stamp of the next one.
    heads: BinaryHeap<Reverse<(Stamp, usize)>>,
    /// The next line of each.
    next: Vec<usize>,
}

impl Sweep {
    fn take(&mut self, lanes: &Lanes, now: impl FnOnce() -> Stamp) {
        self.lanes.clear();
        self.heads.clear();
        self.taken.iter_mut().for_each(Tray::clear);
        let mut bell = lanes.bell();
        bell.spare.append(&mut self.taken);
        mem::swap(&mut self.lanes, &mut bell.waiting);
        let cut = now();
        bell.cut = cut;
        bell.sweeping = self.lanes.len();
        drop(bell);
        for (i, lane) in self.lanes.iter().enumerate() {
            let tray = lanes.lanes[*lane].take(cut, || {
                let tray = lanes.bell().hand_out(*lane);
                tray.unwrap_or_else(|| Tray::new(lanes.tray_bytes))
            });
            if let Some(first) = tray.stamp(0) {
                self.heads.push(Reverse((first, i)));
            }
            self.taken.push(tray);
        }
        let mut bell = lanes.bell();
        bell.sweeping = 0;
        // Of lanes that are on the list again nobody has told the writer, which may have seen an empty one meanwhile.
        let is_news = bell.is_news();
        drop(bell);
        if is_news {
            lanes.rung.notify_all();
        }
        self.next.clear();
        self.next.resize(self.lanes.len(), 0);
        self.oldest = self.heads.pop().map(|Reverse((_, i))| i);
    }

    /// The next lines in time order that stand together in one lane.
    pub fn next_run(&mut self) -> Option<Run<'_>> {
        let i = self.oldest?;
        let others = self.heads.peek().map(|Reverse((stamp, _))| *stamp);
        let tray = &self.taken[i];
        let start = self.next[i];
        let mut end = start + 1;
        let is_next = |stamp| others.is_none_or(|other| stamp <= other);
        while tray.stamp(end).is_some_and(is_next) {
            end += 1;
        }
        self.next[i] = end;
        self.oldest = match (tray.stamp(end), self.heads.peek_mut()) {
            (_, None) => None,
            (None, Some(oldest)) => Some(PeekMut::pop(oldest).0.1),
            (Some(stamp), Some(mut oldest)) => {
                Some(mem::replace(&mut *oldest, Reverse((stamp, i))).0.1)
            }
        };
        Some(tray.run(start..end))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::sync::{Arc, explore, thread};

    /// A clock that any thread may read: it never falls, and sometimes stands still.
    #[derive(Default)]
    struct Ticks(AtomicU64);

    impl Ticks {
        fn now(&self) -> Stamp {
            Stamp(self.0.fetch_add(1, Ordering::SeqCst) / 2)
        }
    }

    /// The lanes with what stands around them in the log: a clock, a list in place of the sinks, and a console that is far
    /// behind after every second sweep if it is slow.
    struct Model {
        lanes: Lanes,
        ticks: Ticks,
        written: Mutex<Vec<(Stamp, String)>>,
        console_is_slow: bool,
    }

    impl Model {
        fn new(
            lanes: usize,
            (trays, tray_bytes): (usize, usize),
            console_is_slow: bool,
        ) -> Arc<Self> {
            Arc::new(Self {
                lanes: Lanes::new(lanes, trays, tray_bytes),
                ticks: Ticks::default(),
                written: Mutex::default(),
                console_is_slow,
            })
        }

        /// What one author does: the loop of the log's author, without what a line costs to make.
        fn log_lines(&self, lane: usize, count: u64) {
            let mut seq = 0;
            for _ in 0..count {
                loop {
                    let stamp = self.ticks.now();
                    let text = format!("{lane} {seq}\n");
                    let line = FinishedLine {
                        stamp,
                        seq,
                        text: text.as_bytes(),
                        json: &[],
                        to_console: true,
                    };
                    match self.lanes.put(lane, line, true) {
                        Ok(taken) => {
                            seq += 1;
                            if taken == Taken::HalfFull
                                && let Some(sweep) = self.lanes.sweep_if_free(|| self.ticks.now())
                            {
                                self.write(sweep);
                            }
                            break;
                        }
                        Err(Refused::MakeAnew { seq: other }) => seq = other,
                        Err(Refused::NoRoom) => {
                            self.lanes.wait_until_let_go();
                            let sweep = self.lanes.sweep_for_room(lane, || self.ticks.now());
                            sweep.into_iter().for_each(|sweep| self.write(sweep));
                        }
                    }
                }
            }
        }

        fn write_all(&self) {
            self.write(self.lanes.sweep(|| self.ticks.now()));
        }

        fn write(&self, mut sweep: MutexGuard<'_, Sweep>) {
            assert!(
                sweep.taken.len() <= self.lanes.trays_max,
                "more trays than allowed"
            );
            while let Some(run) = sweep.next_run() {
                let mut written = self.written.lock().unwrap();
                for (stamp, text, _, _) in run.lines() {
                    written.push((stamp, String::from_utf8(text.to_vec()).unwrap()));
                }
            }
            let far_behind = self.console_is_slow && self.written.lock().unwrap().len() % 2 == 1;
            self.lanes.hold_up(far_behind);
            drop(sweep);
            if far_behind {
                self.lanes.hurry();
            }
        }

        /// The log's writer. A console that was far behind has caught up when it comes.
        fn serve(&self) {
            loop {
                let call = self.lanes.wait(false, Duration::MAX);
                self.write_all();
                self.lanes.hold_up(false);
                match call {
                    Call::Flush(asked) => self.lanes.flushed(asked),
                    Call::Close => return,
                    Call::Urgent | Call::LineWaits | Call::TimeUp => {}
                }
            }
        }

        fn assert_whole_and_in_order(&self, authors: usize, count: u64) {
            assert_whole_and_in_order(&self.written.lock().unwrap(), authors, count);
        }
    }

    fn assert_whole_and_in_order(written: &[(Stamp, String)], authors: usize, count: u64) {
        assert!(
            written.is_sorted_by_key(|(stamp, _)| *stamp),
            "time runs backwards: {written:?}"
        );
        for author in 0..authors {
            let lines: Vec<_> = written
                .iter()
                .map(|(_, line)| line)
                .filter(|line| line.starts_with(&format!("{author} ")))
                .collect();
            let expected: Vec<_> = (0..count).map(|seq| format!("{author} {seq}\n")).collect();
            assert!(
                lines.into_iter().eq(&expected),
                "author {author}: {written:?}"
            );
        }
    }

    /// Runs authors and a writer to their end. A line has four bytes: a tray of as many is full with one, one of many more
    /// never is.
    fn hand_over(trays: (usize, usize), authors: usize, count: u64, console_is_slow: bool) {
        let model = Model::new(authors, trays, console_is_slow);
        let run = |work: fn(&Model, usize, u64), lane| {
            let model = Arc::clone(&model);
            thread::spawn(move || work(&model, lane, count))
        };
        let writer = run(|model, _, _| model.serve(), 0);
        let authors_at_work: Vec<_> = (0..authors)
            .map(|lane| run(Model::log_lines, lane))
            .collect();
        for author in authors_at_work {
            author.join().unwrap();
        }
        model.lanes.flush();
        model.assert_whole_and_in_order(authors, count);
        model.lanes.close();
        writer.join().unwrap();
        model.assert_whole_and_in_order(authors, count);
        assert_eq!(model.lanes.lines(), authors as u64 * count);
    }

    #[test]
    fn every_line_is_handed_over_once_and_in_time_order() {
        explore(|| hand_over((2, 4), 2, 3, false));
        explore(|| hand_over((2, 64), 2, 3, false));
        explore(|| hand_over((3, 12), 3, 2, false));
    }

    #[test]
    fn authors_that_find_no_tray_go_on() {
        explore(|| hand_over((1, 64), 2, 3, false));
        explore(|| hand_over((1, 4), 3, 2, false));
        explore(|| hand_over((2, 64), 4, 2, true));
    }

    #[test]
    fn authors_that_were_held_up_go_on() {
        explore(|| hand_over((2, 64), 2, 3, true));
        explore(|| hand_over((2, 4), 3, 2, true));
    }

    /// Nobody writes here until all is logged but the authors themselves.
    #[test]
    fn authors_need_no_writer_to_go_on() {
        explore(|| {
            let model = Model::new(3, (1, 8), false);
            let authors: Vec<_> = (0..3)
                .map(|lane| {
                    let model = Arc::clone(&model);
                    thread::spawn(move || model.log_lines(lane, 2))
                })
                .collect();
            for author in authors {
                author.join().unwrap();
            }
            model.write_all();
            model.assert_whole_and_in_order(3, 2);
        });
    }

    /// Nobody but the waiting line itself calls the writer here, also where authors sweep in between.
    #[test]
    fn a_line_that_waits_is_told_of() {
        for trays in [(4, 64), (2, 12)] {
            explore(move || {
                let model = Model::new(2, trays, false);
                let authors: Vec<_> = (0..2)
                    .map(|lane| {
                        let model = Arc::clone(&model);
                        thread::spawn(move || model.log_lines(lane, 3))
                    })
                    .collect();
                let writer = thread::spawn({
                    let model = Arc::clone(&model);
                    move || {
                        while let Call::LineWaits = model.lanes.wait(false, Duration::MAX) {
                            model.write_all();
                        }
                    }
                });
                for author in authors {
                    author.join().unwrap();
                }
                while model.written.lock().unwrap().len() < 6 {
                    thread::yield_now();
                }
                model.lanes.close();
                writer.join().unwrap();
                model.assert_whole_and_in_order(2, 3);
            });
        }
    }

    /// A writer that knows that lines wait is not called for each of them, and yet never left asleep once it has seen to them.
    #[test]
    fn a_writer_that_knows_of_lines_is_left_alone() {
        explore(|| {
            let model = Model::new(1, (4, 64), false);
            let writer = thread::spawn({
                let model = Arc::clone(&model);
                move || {
                    while model.written.lock().unwrap().len() < 4 {
                        assert_eq!(model.lanes.wait(false, Duration::MAX), Call::LineWaits);
                        assert_eq!(model.lanes.wait(true, Duration::ZERO), Call::TimeUp);
                        model.write_all();
                    }
                }
            });
            model.log_lines(0, 4);
            writer.join().unwrap();
        });
    }

    /// Threads that share an author's lane, as `main` and its helpers do, never share a number.
    #[test]
    fn threads_that_share_a_lane_number_their_lines_apart() {
        explore(|| {
            let model = Model::new(1, (1, 1 << 10), false);
            let threads: Vec<_> = (0..3)
                .map(|_| {
                    let model = Arc::clone(&model);
                    thread::spawn(move || model.log_lines(0, 2))
                })
                .collect();
            for thread in threads {
                thread.join().unwrap();
            }
            model.lanes.close();
            model.serve();
            model.assert_whole_and_in_order(1, 6);
        });
    }
}
