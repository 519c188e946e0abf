//! The handing over of lines, from many authors to one writer: lossless, bounded, in time order.
//!
//! Each author (a worker, or `main`) has a lane, where its finished lines wait in a tray. The writer takes all trays
//! together, in a sweep, and merges what it took by time stamp. There is a bounded number of trays, since of thousands of
//! authors few run at one time: a lane has one from its first line to the next sweep. An author waits where there is none
//! left, or its own is full, or a reader of the console is far behind: nothing is dropped here.
//!
//! Why the lines come out in time order:
//! 1. Along a lane time stamps never fall: each is taken after the line before it was put into the tray.
//! 2. A line that finds its lane without a tray puts the lane on the list. A sweep takes the list and, in the same step,
//!    the time: its cut. Then it takes each tray in turn, but leaves what is newer than the cut behind in another one,
//!    and the lane on the list.
//! 3. A line that finds its lane without a tray, with a stamp that is older than the last cut, came too late for the sweep
//!    in which it belonged. It is refused: its author makes it anew.
//!
//! So all lines of a sweep are as old as its cut or older, all that come later are as old or newer, and within
//! the sweep a merge sorts them. Stamp and line are made outside the locks, which are held to copy bytes only.
//!
//! This file must not know clocks, threads, formats or sinks; the model tests explore it under every schedule
//! that they find.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, binary_heap::PeekMut},
    mem,
    ops::Range,
    time::Duration,
};

use crate::{
    clock::Stamp,
    sync::{AtomicBool, Condvar, Mutex, MutexGuard, Ordering, PoisonError},
};

/// Most lines are shorter.
const LINE_BYTES: usize = 512;

/// The lanes of a run, and the bell by which authors call the writer.
#[derive(Debug)]
pub struct Lanes {
    lanes: Vec<Lane>,
    /// A tray with as many bytes is full.
    tray_bytes: usize,
    trays_max: usize,
    bell: Mutex<Bell>,
    rung: Condvar,
    /// There are trays again for authors that wait.
    trays: Condvar,
    /// A sweep is wanted at once.
    urgent: AtomicBool,
    /// The console is too far behind: no line is taken in until it has caught up.
    held_up: AtomicBool,
}

/// What the writer is asked to do. It has cache lines of its own: authors look at what stands beside it for each line.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Bell {
    closing: bool,
    /// The lanes that have a tray, with lines in it.
    waiting: Vec<usize>,
    /// The lanes of a sweep that is at taking their trays: they may need one again at once.
    sweeping: usize,
    /// When the last sweep took that list.
    cut: Stamp,
    /// Trays that nobody has, those that were used last at the end: they may still be in a core's cache.
    spare: Vec<Tray>,
    /// Authors that wait for one.
    authors_wait: usize,
    flushes_asked: u64,
    flushes_done: u64,
}

/// Why the writer was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A sweep is wanted at once.
    Urgent,
    /// A line waits. This is told once for each sweep.
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
struct Lane {
    queue: Mutex<Queue>,
    /// There is room again for an author that waits.
    room: Condvar,
}

/// What waits in a lane for the writer.
#[derive(Debug, Default)]
struct Queue {
    /// An empty one, which has no memory of its own, stands for none.
    tray: Tray,
    /// The sequence number of the next line.
    next_seq: u64,
    author_waits: bool,
}

/// A finished line, in the formats that the sinks need.
#[derive(Clone, Copy, Debug)]
pub struct FinishedLine<'a> {
    /// When it was made.
    pub stamp: Stamp,
    /// Its number along the lane.
    pub seq: u64,
    /// The line as text.
    pub text: &'a [u8],
    /// The line as JSON; empty where no sink needs it.
    pub json: &'a [u8],
    /// Whether the console shows it.
    pub to_console: bool,
}

/// Why a line was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MakeAnew {
    /// The number that it must have.
    pub seq: u64,
}

impl Lanes {
    /// `count` empty lanes, and `trays_max` trays, each with room for `tray_bytes` and a line.
    pub fn new(count: usize, trays_max: usize, tray_bytes: usize) -> Self {
        Self {
            lanes: (0..count).map(|_| Lane::default()).collect(),
            tray_bytes,
            trays_max,
            bell: Mutex::default(),
            rung: Condvar::new(),
            trays: Condvar::new(),
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

    /// Takes a line in, after waiting for a tray or for room in it if `patient`.
    ///
    /// # Errors
    /// Its number is taken, a sweep has passed its stamp, or it had to wait: it must be made anew.
    #[inline]
    pub fn put(&self, lane: usize, line: FinishedLine<'_>, patient: bool) -> Result<(), MakeAnew> {
        let Lane { queue, room } = &self.lanes[lane];
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        let seq = queue.next_seq;
        if seq != line.seq {
            return Err(MakeAnew { seq });
        }
        if patient && self.has_no_room(&queue.tray) {
            self.hurry();
            while self.has_no_room(&queue.tray) {
                queue.author_waits = true;
                queue = room.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            let seq = queue.next_seq;
            return Err(MakeAnew { seq });
        }
        if queue.tray.is_empty() {
            match self.list(lane, line.stamp, patient) {
                Place::Tray(tray) => queue.tray = tray,
                Place::Passed => return Err(MakeAnew { seq }),
                Place::None => {
                    drop(queue);
                    self.wait_for_tray();
                    return Err(MakeAnew { seq });
                }
            }
        }
        queue.tray.push(&line);
        queue.next_seq += 1;
        let half_full = queue.tray.bytes() >= self.tray_bytes / 2;
        drop(queue);
        if half_full {
            self.hurry();
        }
        Ok(())
    }

    /// Puts a lane on the list for its first line, if there is a tray for it. Who is not patient gets one anyway.
    fn list(&self, lane: usize, stamp: Stamp, patient: bool) -> Place {
        let mut bell = self.bell();
        if stamp < bell.cut {
            return Place::Passed;
        }
        if patient && bell.trays_in_use() >= self.trays_max {
            return Place::None;
        }
        let tray = bell.hand_out(lane);
        let first = bell.waiting.len() == 1;
        drop(bell);
        if first {
            self.rung.notify_all();
        }
        Place::Tray(tray.unwrap_or_else(|| Tray::new(self.tray_bytes)))
    }

    /// All lanes of a sweep have been seen to: the trays that they did not need again are there for others.
    fn end_sweep(&self) {
        let mut bell = self.bell();
        bell.sweeping = 0;
        let free = self.trays_max.saturating_sub(bell.trays_in_use());
        let called = bell.authors_wait.min(free);
        bell.authors_wait -= called;
        drop(bell);
        for _ in 0..called {
            self.trays.notify_one();
        }
    }

    #[cold]
    fn wait_for_tray(&self) {
        self.hurry();
        let mut bell = self.bell();
        while bell.trays_in_use() >= self.trays_max {
            bell.authors_wait += 1;
            bell = self
                .trays
                .wait(bell)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Numbers a line that is written without a tray, by `write` while no other of its lane can be.
    pub fn number(&self, lane: usize) -> u64 {
        let mut queue = self.lanes[lane].queue();
        queue.next_seq += 1;
        queue.next_seq - 1
    }

    /// Asks for a sweep at once.
    pub fn hurry(&self) {
        // Who sees that one is wanted already need not say so again: it has not begun. Else the writer would have taken
        // the wish back, before it took what the caller has just let go of, or will take.
        if !self.urgent.load(Ordering::SeqCst) && !self.urgent.swap(true, Ordering::SeqCst) {
            self.ring();
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
            for lane in &self.lanes {
                if mem::take(&mut lane.queue().author_waits) {
                    lane.room.notify_all();
                }
            }
        }
    }

    /// Whether an author has to wait before it puts a line into this tray of its.
    fn has_no_room(&self, tray: &Tray) -> bool {
        tray.bytes() >= self.tray_bytes || self.held_up.load(Ordering::SeqCst)
    }

    /// Calls the writer, which looks at its flags under the bell's lock before it waits: it cannot miss the call.
    fn ring(&self) {
        drop(self.bell());
        self.rung.notify_all();
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

    fn trays_in_use(&self) -> usize {
        self.waiting.len() + self.sweeping
    }
}

/// What there is for a lane that has no tray.
enum Place {
    /// A tray, and a place on the list.
    Tray(Tray),
    /// Neither: a sweep has passed the line's stamp.
    Passed,
    /// Neither: there is no tray left.
    None,
}

impl Lane {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
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
        if mem::take(&mut queue.author_waits) {
            self.room.notify_all();
        }
        taken
    }
}

/// One sweep after another: what was taken from the trays, to be read in time order.
#[derive(Debug, Default)]
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
    /// Takes all lines that are not newer than what `now` reads, in place of those of the sweep before.
    pub fn take(&mut self, lanes: &Lanes, now: impl FnOnce() -> Stamp) {
        self.lanes.clear();
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
            if let Some(first) = tray.marks.first() {
                self.heads.push(Reverse((first.stamp, i)));
            }
            self.taken.push(tray);
        }
        lanes.end_sweep();
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
        while tray
            .marks
            .get(end)
            .is_some_and(|mark| others.is_none_or(|other| mark.stamp <= other))
        {
            end += 1;
        }
        self.next[i] = end;
        self.oldest = match (tray.marks.get(end), self.heads.peek_mut()) {
            (_, None) => None,
            (None, Some(oldest)) => Some(PeekMut::pop(oldest).0.1),
            (Some(mark), Some(mut oldest)) => {
                Some(mem::replace(&mut *oldest, Reverse((mark.stamp, i))).0.1)
            }
        };
        Some(Run {
            tray,
            lines: start..end,
        })
    }
}

/// Lines that stand one behind the other.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    tray: &'a Tray,
    lines: Range<usize>,
}

impl<'a> Run<'a> {
    /// How many lines there are.
    pub fn count(&self) -> usize {
        self.lines.len()
    }

    /// All of them as text.
    pub fn text(&self) -> &'a [u8] {
        let ((start, _), (end, _)) = (
            self.tray.end_of(self.lines.start),
            self.tray.end_of(self.lines.end),
        );
        &self.tray.text[start..end]
    }

    /// Each of them: its stamp, its text, its JSON, and whether the console shows it.
    pub fn lines(&self) -> impl Iterator<Item = (Stamp, &'a [u8], &'a [u8], bool)> {
        let tray = self.tray;
        self.lines.clone().map(move |i| {
            let (text, json) = tray.line(i);
            (tray.marks[i].stamp, text, json, tray.marks[i].to_console)
        })
    }
}

/// Finished lines, one behind the other.
#[derive(Debug, Default)]
struct Tray {
    text: Vec<u8>,
    json: Vec<u8>,
    marks: Vec<Mark>,
}

/// Where a line of a tray ends.
#[derive(Clone, Copy, Debug)]
struct Mark {
    stamp: Stamp,
    text_end: usize,
    json_end: usize,
    to_console: bool,
}

impl Tray {
    /// An empty tray with room for so many bytes of text, so that it need not grow, in another thread each time.
    fn new(bytes: usize) -> Self {
        Self {
            text: Vec::with_capacity(bytes + LINE_BYTES),
            ..Self::default()
        }
    }

    fn push(&mut self, line: &FinishedLine<'_>) {
        self.text.extend_from_slice(line.text);
        self.json.extend_from_slice(line.json);
        self.marks.push(Mark {
            stamp: line.stamp,
            text_end: self.text.len(),
            json_end: self.json.len(),
            to_console: line.to_console,
        });
    }

    fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    fn bytes(&self) -> usize {
        self.text.len() + self.json.len()
    }

    fn clear(&mut self) {
        self.text.clear();
        self.json.clear();
        self.marks.clear();
    }

    /// How many lines at the end are newer than `cut`.
    fn newer_than(&self, cut: Stamp) -> usize {
        let newest = self.marks.iter().rev();
        newest.take_while(|mark| mark.stamp > cut).count()
    }

    /// Moves the last `count` lines to the end of `other`.
    fn move_last(&mut self, count: usize, other: &mut Self) {
        let kept = self.marks.len() - count;
        for i in kept..self.marks.len() {
            let (text, json) = self.line(i);
            let Mark {
                stamp, to_console, ..
            } = self.marks[i];
            other.push(&FinishedLine {
                stamp,
                seq: 0,
                text,
                json,
                to_console,
            });
        }
        let (text_end, json_end) = self.end_of(kept);
        self.text.truncate(text_end);
        self.json.truncate(json_end);
        self.marks.truncate(kept);
    }

    /// Where the first `count` lines end, as text and as JSON.
    fn end_of(&self, count: usize) -> (usize, usize) {
        count.checked_sub(1).map_or((0, 0), |last| {
            (self.marks[last].text_end, self.marks[last].json_end)
        })
    }

    /// Line number `i` as text and as JSON.
    fn line(&self, i: usize) -> (&[u8], &[u8]) {
        let (text_start, json_start) = self.end_of(i);
        let mark = &self.marks[i];
        (
            &self.text[text_start..mark.text_end],
            &self.json[json_start..mark.json_end],
        )
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

    /// What one author does: the loop of the log's author, without what a line costs to make.
    fn log_lines(lanes: &Lanes, ticks: &Ticks, lane: usize, count: u64) {
        let mut seq = 0;
        for _ in 0..count {
            loop {
                let stamp = ticks.now();
                let text = format!("{lane} {seq}\n");
                let line = FinishedLine {
                    stamp,
                    seq,
                    text: text.as_bytes(),
                    json: &[],
                    to_console: true,
                };
                match lanes.put(lane, line, true) {
                    Ok(()) => break seq += 1,
                    Err(MakeAnew { seq: other }) => seq = other,
                }
            }
        }
    }

    /// The log's writer, with a list in place of the sinks. `hold_up` says when the console is far behind.
    fn write_lines(
        lanes: &Lanes,
        ticks: &Ticks,
        written: &Mutex<Vec<(Stamp, String)>>,
        hold_up: impl Fn(u64) -> bool,
    ) {
        let mut sweep = Sweep::default();
        let mut sweeps = 0;
        loop {
            let call = lanes.wait(false, Duration::MAX);
            sweep.take(lanes, || ticks.now());
            assert!(
                sweep.taken.len() <= lanes.trays_max,
                "more trays than allowed"
            );
            while let Some(run) = sweep.next_run() {
                let mut written = written.lock().unwrap();
                for (stamp, text, _, _) in run.lines() {
                    written.push((stamp, String::from_utf8(text.to_vec()).unwrap()));
                }
            }
            sweeps += 1;
            lanes.hold_up(hold_up(sweeps));
            if hold_up(sweeps) {
                // The console catches up.
                lanes.hold_up(false);
            }
            match call {
                Call::Flush(asked) => lanes.flushed(asked),
                Call::Close => return,
                Call::Urgent | Call::LineWaits | Call::TimeUp => {}
            }
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

    /// Runs authors and a writer to their end. A line has four bytes: a tray of as many makes its author wait, one
    /// of many more never does.
    fn hand_over(
        (trays, tray_bytes): (usize, usize),
        authors: usize,
        count: u64,
        hold_up: impl Fn(u64) -> bool + Send + Sync + Copy + 'static,
    ) {
        let lanes = Arc::new(Lanes::new(authors, trays, tray_bytes));
        let ticks = Arc::new(Ticks::default());
        let written = Arc::new(Mutex::new(Vec::new()));
        let writer = thread::spawn({
            let (lanes, ticks, written) =
                (Arc::clone(&lanes), Arc::clone(&ticks), Arc::clone(&written));
            move || write_lines(&lanes, &ticks, &written, hold_up)
        });
        let threads: Vec<_> = (0..authors)
            .map(|lane| {
                let (lanes, ticks) = (Arc::clone(&lanes), Arc::clone(&ticks));
                thread::spawn(move || log_lines(&lanes, &ticks, lane, count))
            })
            .collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        lanes.flush();
        assert_whole_and_in_order(&written.lock().unwrap(), authors, count);
        lanes.close();
        writer.join().unwrap();
        assert_whole_and_in_order(&written.lock().unwrap(), authors, count);
        assert_eq!(lanes.lines(), authors as u64 * count);
    }

    #[test]
    fn every_line_is_handed_over_once_and_in_time_order() {
        explore(|| hand_over((2, 4), 2, 3, |_| false));
        explore(|| hand_over((2, 64), 2, 3, |_| false));
        explore(|| hand_over((3, 12), 3, 2, |_| false));
    }

    #[test]
    fn authors_that_find_no_tray_go_on() {
        explore(|| hand_over((1, 64), 2, 3, |_| false));
        explore(|| hand_over((1, 4), 3, 2, |_| false));
        explore(|| hand_over((2, 64), 4, 2, |sweeps| sweeps % 2 == 1));
    }

    #[test]
    fn authors_that_were_held_up_go_on() {
        explore(|| hand_over((2, 64), 2, 3, |sweeps| sweeps % 2 == 1));
    }

    /// Nobody but the waiting line itself calls the writer here.
    #[test]
    fn a_line_that_waits_is_told_of() {
        explore(|| {
            let lanes = Arc::new(Lanes::new(2, 4, 64));
            let ticks = Arc::new(Ticks::default());
            let writer = thread::spawn({
                let (lanes, ticks) = (Arc::clone(&lanes), Arc::clone(&ticks));
                move || {
                    let (mut sweep, mut lines) = (Sweep::default(), 0);
                    while lines < 4 {
                        assert_eq!(lanes.wait(false, Duration::MAX), Call::LineWaits);
                        sweep.take(&lanes, || ticks.now());
                        while let Some(run) = sweep.next_run() {
                            lines += run.count();
                        }
                    }
                }
            });
            let author = thread::spawn({
                let (lanes, ticks) = (Arc::clone(&lanes), Arc::clone(&ticks));
                move || log_lines(&lanes, &ticks, 1, 2)
            });
            log_lines(&lanes, &ticks, 0, 2);
            author.join().unwrap();
            writer.join().unwrap();
        });
    }

    /// Threads that share an author's lane, as `main` and its helpers do, never share a number.
    #[test]
    fn threads_that_share_a_lane_number_their_lines_apart() {
        explore(|| {
            let lanes = Arc::new(Lanes::new(1, 1, 1 << 10));
            let ticks = Arc::new(Ticks::default());
            let threads: Vec<_> = (0..3)
                .map(|_| {
                    let (lanes, ticks) = (Arc::clone(&lanes), Arc::clone(&ticks));
                    thread::spawn(move || log_lines(&lanes, &ticks, 0, 2))
                })
                .collect();
            threads
                .into_iter()
                .for_each(|thread| thread.join().unwrap());
            let written = Mutex::new(Vec::new());
            lanes.close();
            write_lines(&lanes, &ticks, &written, |_| false);
            assert_whole_and_in_order(&written.lock().unwrap(), 1, 6);
        });
    }
}
