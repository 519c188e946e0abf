//! The log pipeline: from many authors, in time order, to the sinks; lossless and bounded.
//!
//! Each author (a worker, or `main`) has a lane, where its finished lines wait in a tray. One writer
//! thread empties all trays together, in a sweep, and merges what it took by time stamp. A sweep
//! begins when a line has waited for half the flush interval (the other half is for the sweep), or at
//! once when a tray is half full. A full tray makes its author wait, and so does a
//! console that is far behind: nothing is dropped here.
//!
//! Why the lines come out in time order:
//! 1. Along a lane time stamps never fall: each is taken after the line before it was put into the tray.
//! 2. A sweep takes the time first, its cut, and then each tray in turn. It leaves behind what is
//!    newer than the cut, and marks the tray with the cut.
//! 3. A line that finds its stamp older than the mark of its tray came too late for the sweep in which it
//!    belonged. It is not put in: its author takes a new stamp and makes it again.
//!
//! So all lines of a sweep are older than its cut, all that come later are not, and within the sweep
//! a merge sorts them. Stamp and line are made outside the lock, which is held to copy bytes only.
//!
//! With a flush interval of zero there are no trays to sweep: an author takes the sinks' lock, and goes
//! on when its line is written.
//!
//! This file must not know what a line says, nor what can go wrong with a sink.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    mem,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::Context;
use tracing::Level;

use super::{console::Console, event::Event, file::LogFile, layer, line::Encoder};
use crate::{
    clock::{Clock, Stamp},
    config::{LogConfig, LogFormat},
    stop::Stop,
};

/// Bytes of all trays together, which the workers share; a tray's bounds hold whatever their number.
const TRAYS_BYTES: usize = 32 << 20;
const TRAY_BYTES_MIN: usize = 8 << 10;
const TRAY_BYTES_MAX: usize = 128 << 10;
/// A block this large is written before more is merged into it.
const BLOCK_BYTES: usize = 256 << 10;
/// A console with a longer backlog holds the authors up. What their trays hold by then is added to it.
const BACKLOG_BYTES_MAX: usize = 256 << 10;
/// How often, a millisecond apart, a text for people is offered to the console once the writer is gone.
const SAY_ATTEMPTS: u32 = 500;
/// How often an idle writer looks around.
const IDLE: Duration = Duration::from_millis(500);

/// The log of a run, from the opening of the file to its last line. To drop it is to close it.
#[derive(Debug)]
pub struct Log {
    pipeline: Arc<Pipeline>,
    writer: Option<JoinHandle<()>>,
}

/// What became of a run's lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogReport {
    /// Lines that were logged.
    pub lines: u64,
    /// The file's share of them.
    pub file: SinkReport,
    /// The console's share of them.
    pub console: SinkReport,
}

/// What became of the lines that one sink was to take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct SinkReport {
    /// Lines that were written.
    pub lines: u64,
    /// Lines that were lost to errors.
    pub lost: u64,
    /// Errors that were seen.
    pub errors: u64,
}

impl Log {
    /// Opens the file and starts the writer, for a run with the id `run` and `threads` workers.
    ///
    /// # Errors
    /// The file cannot be opened, or the writer's thread cannot be started.
    pub fn open(
        config: &LogConfig,
        run: u64,
        threads: u32,
        clock: Clock,
        stop: Arc<Stop>,
    ) -> anyhow::Result<Self> {
        let file = LogFile::open(&config.path, config.rotation)?;
        let console = Console::open(&config.console, stop);
        let pipeline = Arc::new(Pipeline::new(
            config,
            run,
            threads,
            clock,
            Sinks::new(config, file, console),
        ));
        let writer = thread::Builder::new()
            .name("log-writer".into())
            .spawn({
                let pipeline = Arc::clone(&pipeline);
                move || Writer::new(pipeline).serve()
            })
            .context(
                "cannot start the log's writer thread; allow this user more processes (ulimit -u)",
            )?;
        Ok(Self {
            pipeline,
            writer: Some(writer),
        })
    }

    /// The part that authors and the layer share.
    pub fn pipeline(&self) -> &Arc<Pipeline> {
        &self.pipeline
    }

    /// Writes all that was logged so far, and from then on keeps back reports of trouble until the log is closed.
    /// Returns how many lines were logged: from here on the caller alone decides how many follow.
    pub fn settle(&self) -> u64 {
        let mut control = self.pipeline.control();
        control.reports_held = true;
        control.flushes_asked += 1;
        let asked = control.flushes_asked;
        self.pipeline.wake.notify_all();
        while control.flushes_done < asked {
            control = self
                .pipeline
                .wake
                .wait(control)
                .unwrap_or_else(PoisonError::into_inner);
        }
        drop(control);
        self.pipeline.lines_logged()
    }

    /// Writes all that was logged, ends the writer, and says what became of the lines.
    pub fn close(mut self) -> LogReport {
        self.finish();
        let sinks = self.pipeline.sinks();
        LogReport {
            lines: self.pipeline.lines_logged(),
            file: sinks.file.report(),
            console: sinks.console.report(),
        }
    }

    fn finish(&mut self) {
        if let Some(writer) = self.writer.take() {
            self.pipeline.control().closing = true;
            self.pipeline.wake.notify_all();
            // The writer holds no figure that its end could take along: a panic has been printed by then.
            let _ = writer.join();
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.finish();
    }
}

/// What authors, layer and writer share.
#[derive(Debug)]
pub struct Pipeline {
    run: u64,
    clock: Clock,
    /// Whether an author waits until its line is written; otherwise how long a line may wait.
    flush_interval: Duration,
    json: bool,
    /// Lines of at most this level go to the console; none where it is off.
    console_level: Option<Level>,
    tray_bytes: usize,
    /// A lane per worker, and the last one for `main`.
    lanes: Vec<Lane>,
    sinks: Mutex<Sinks>,
    control: Mutex<Control>,
    wake: Condvar,
    /// A line was put in since the last sweep.
    pending: AtomicBool,
    /// The next sweep is wanted at once.
    urgent: AtomicBool,
    /// The console is too far behind: no line is put in until it has caught up.
    held_up: AtomicBool,
}

/// What the writer is asked to do.
#[derive(Debug, Default)]
struct Control {
    closing: bool,
    reports_held: bool,
    flushes_asked: u64,
    flushes_done: u64,
}

/// The way of one author's lines to the writer.
#[derive(Debug, Default)]
struct Lane {
    tray: Mutex<Tray>,
    /// There is room again in a tray that was full.
    room: Condvar,
}

/// Lines that wait for the writer.
#[derive(Debug, Default)]
struct Tray {
    block: Block,
    /// The sequence number of the next line.
    next_seq: u64,
    /// The cut of the last sweep that took this tray.
    cut: Stamp,
    /// The author waits for room.
    author_waits: bool,
}

/// Finished lines, one behind the other, in the formats that the sinks need.
#[derive(Debug, Default)]
struct Block {
    text: Vec<u8>,
    json: Vec<u8>,
    marks: Vec<Mark>,
}

/// Where a line of a block ends.
#[derive(Clone, Copy, Debug)]
struct Mark {
    stamp: Stamp,
    text_end: usize,
    json_end: usize,
    to_console: bool,
}

/// What the pipeline decides about a line: its time stamp and its number.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// Microseconds since 1970.
    pub micros: u64,
    /// The number along the lane.
    pub seq: u64,
}

impl Pipeline {
    fn new(config: &LogConfig, run: u64, threads: u32, clock: Clock, sinks: Sinks) -> Self {
        let lanes = threads as usize + 1;
        Self {
            run,
            clock,
            flush_interval: config.flush_interval.into(),
            json: config.format == LogFormat::Json,
            console_level: config.console.level,
            tray_bytes: (TRAYS_BYTES / lanes).clamp(TRAY_BYTES_MIN, TRAY_BYTES_MAX),
            lanes: (0..lanes).map(|_| Lane::default()).collect(),
            sinks: Mutex::new(sinks),
            control: Mutex::default(),
            wake: Condvar::new(),
            pending: AtomicBool::new(false),
            urgent: AtomicBool::new(false),
            held_up: AtomicBool::new(false),
        }
    }

    /// The author for worker number `worker`, or for `main`.
    pub fn author(self: &Arc<Self>, worker: Option<u32>) -> Author {
        let main = self.lanes.len() - 1;
        let thread = worker.map_or_else(|| "main".to_owned(), |n| format!("Worker-{n}"));
        Author {
            pipeline: Arc::clone(self),
            lane: worker.map_or(main, |n| n as usize),
            encoder: Encoder::new(&thread, self.run, worker, self.json),
            next_seq: 0,
            last_stamp: Stamp::default(),
            patient: true,
        }
    }

    /// Writes a text for people to the console, whole, between two lines of the log and whatever its level.
    pub fn say(&self, text: &str) {
        self.sinks().console.say(text);
        if !self.control().closing {
            // What the reader has not taken yet is the writer's business.
            return self.hurry();
        }
        for _ in 0..SAY_ATTEMPTS {
            thread::sleep(Duration::from_millis(1));
            let mut sinks = self.sinks();
            sinks.console.push();
            if sinks.console.backlog() == 0 {
                return;
            }
        }
    }

    /// What became of the lines of file and console so far; none while they are being written.
    pub fn reports_if_free(&self) -> Option<(SinkReport, SinkReport)> {
        let sinks = match self.sinks.try_lock() {
            Ok(sinks) => sinks,
            Err(TryLockError::Poisoned(poison)) => poison.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some((sinks.file.report(), sinks.console.report()))
    }

    /// Lines that all authors have logged.
    fn lines_logged(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.tray().next_seq).sum()
    }

    /// Whether an author has to wait before it puts a line into this tray of its.
    #[inline]
    fn has_no_room(&self, tray: &Tray) -> bool {
        tray.block.bytes() >= self.tray_bytes || self.held_up.load(Ordering::Relaxed)
    }

    /// Asks for a sweep at once.
    fn hurry(&self) {
        if !self.urgent.swap(true, Ordering::SeqCst) {
            // The writer looks at the flag under this lock before it waits: it cannot miss the call.
            drop(self.control());
            self.wake.notify_all();
        }
    }

    // What these locks guard is changed in steps that cannot fail halfway, so poison has no meaning here.

    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sinks(&self) -> MutexGuard<'_, Sinks> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lane {
    fn tray(&self) -> MutexGuard<'_, Tray> {
        self.tray.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the lines that are not newer than `cut` into `taken`, which is empty.
    fn take(&self, cut: Stamp, taken: &mut Block) {
        let mut tray = self.tray();
        tray.cut = cut;
        mem::swap(&mut tray.block, taken);
        taken.move_newer(cut, &mut tray.block);
        if mem::take(&mut tray.author_waits) {
            self.room.notify_all();
        }
    }

    fn tell_of_room(&self) {
        if mem::take(&mut self.tray().author_waits) {
            self.room.notify_all();
        }
    }
}

impl Block {
    fn push(&mut self, stamp: Stamp, text: &[u8], json: &[u8], to_console: bool) {
        self.text.extend_from_slice(text);
        self.json.extend_from_slice(json);
        self.marks.push(Mark {
            stamp,
            text_end: self.text.len(),
            json_end: self.json.len(),
            to_console,
        });
    }

    fn bytes(&self) -> usize {
        self.text.len() + self.json.len()
    }

    fn clear(&mut self) {
        self.text.clear();
        self.json.clear();
        self.marks.clear();
    }

    /// Moves the lines that are newer than `cut`, few if any, to the end of `other`.
    fn move_newer(&mut self, cut: Stamp, other: &mut Self) {
        let kept = self.marks.len()
            - self
                .marks
                .iter()
                .rev()
                .take_while(|mark| mark.stamp > cut)
                .count();
        for i in kept..self.marks.len() {
            let (text, json) = self.line(i);
            other.push(self.marks[i].stamp, text, json, self.marks[i].to_console);
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

/// One who logs: a thread's way into its lane.
#[derive(Debug)]
pub struct Author {
    pipeline: Arc<Pipeline>,
    lane: usize,
    encoder: Encoder,
    /// What the next line's number should be. Another thread that signs as `main` may take it first.
    next_seq: u64,
    last_stamp: Stamp,
    /// Whether a full tray makes it wait. The writer itself must not: it would wait for itself.
    patient: bool,
}

impl Author {
    /// The time stamp of the last line.
    pub fn last_stamp(&self) -> Stamp {
        self.last_stamp
    }

    /// Logs one line of the level `level`: `make` makes and finishes it in the encoder, and may be called again.
    #[inline]
    pub fn log(&mut self, level: Level, make: impl Fn(&mut Encoder, Head)) {
        let to_console = self.pipeline.console_level.is_some_and(|max| level <= max);
        if self.pipeline.flush_interval.is_zero() {
            self.write_through(to_console, make);
        } else {
            self.put_in_tray(to_console, make);
        }
    }

    #[inline]
    fn put_in_tray(&mut self, to_console: bool, make: impl Fn(&mut Encoder, Head)) {
        let pipeline = &*self.pipeline;
        let lane = &pipeline.lanes[self.lane];
        loop {
            let stamp = pipeline.clock.now();
            make(
                &mut self.encoder,
                Head {
                    micros: pipeline.clock.micros(stamp),
                    seq: self.next_seq,
                },
            );
            let mut tray = lane.tray();
            if tray.next_seq != self.next_seq || stamp < tray.cut {
                self.next_seq = tray.next_seq;
                continue;
            }
            if self.patient && pipeline.has_no_room(&tray) {
                pipeline.hurry();
                while pipeline.has_no_room(&tray) {
                    tray.author_waits = true;
                    tray = lane.room.wait(tray).unwrap_or_else(PoisonError::into_inner);
                }
                continue;
            }
            tray.block
                .push(stamp, self.encoder.text(), self.encoder.json(), to_console);
            tray.next_seq += 1;
            let half_full = tray.block.bytes() >= pipeline.tray_bytes / 2;
            drop(tray);
            self.next_seq += 1;
            self.last_stamp = stamp;
            if half_full {
                pipeline.hurry();
            } else if !pipeline.pending.load(Ordering::Relaxed)
                && !pipeline.pending.swap(true, Ordering::SeqCst)
            {
                // The writer may be idle: it starts to measure the line's waiting time.
                drop(pipeline.control());
                pipeline.wake.notify_all();
            }
            return;
        }
    }

    fn write_through(&mut self, to_console: bool, make: impl Fn(&mut Encoder, Head)) {
        let mut sinks = self.pipeline.sinks();
        let mut tray = self.pipeline.lanes[self.lane].tray();
        let stamp = self.pipeline.clock.now();
        make(
            &mut self.encoder,
            Head {
                micros: self.pipeline.clock.micros(stamp),
                seq: tray.next_seq,
            },
        );
        tray.next_seq += 1;
        drop(tray);
        self.last_stamp = stamp;
        sinks.put(self.encoder.text(), self.encoder.json(), 1, to_console);
        sinks.write();
        sinks.console.drain();
        let report_waits = sinks.file.has_reports();
        drop(sinks);
        if report_waits {
            self.pipeline.hurry();
        }
    }
}

/// The thread that empties the trays.
#[derive(Debug)]
struct Writer {
    pipeline: Arc<Pipeline>,
    /// A block for each lane, empty between sweeps.
    taken: Vec<Block>,
    /// The lanes that have lines left to merge, by the stamp of the next one.
    heads: BinaryHeap<Reverse<(Stamp, usize)>>,
    /// The next line of each lane.
    next: Vec<usize>,
    /// While the console has a backlog: how long to wait before it is offered again.
    console_pause: Option<Duration>,
}

/// Why the writer was woken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    Sweep,
    Flush(u64),
    Close,
}

impl Writer {
    fn new(pipeline: Arc<Pipeline>) -> Self {
        let lanes = pipeline.lanes.len();
        Self {
            taken: (0..lanes).map(|_| Block::default()).collect(),
            heads: BinaryHeap::with_capacity(lanes),
            next: vec![0; lanes],
            console_pause: None,
            pipeline,
        }
    }

    fn serve(mut self) {
        let mut clerk = self.pipeline.author(None);
        clerk.patient = false;
        layer::sign_on(clerk);
        loop {
            match self.wait() {
                Call::Sweep => {
                    self.report_trouble();
                    self.sweep();
                }
                Call::Flush(asked) => {
                    self.emit_reports();
                    self.sweep();
                    self.pipeline.control().flushes_done = asked;
                    self.pipeline.wake.notify_all();
                }
                Call::Close => return self.close(),
            }
        }
    }

    /// Waits until there is something to do.
    fn wait(&self) -> Call {
        let pipeline = &*self.pipeline;
        let mut control = pipeline.control();
        let mut due: Option<Instant> = None;
        let offer = self.console_pause.map(|pause| Instant::now() + pause);
        loop {
            if control.closing {
                return Call::Close;
            }
            if control.flushes_asked > control.flushes_done {
                return Call::Flush(control.flushes_asked);
            }
            if pipeline.urgent.swap(false, Ordering::SeqCst) {
                return Call::Sweep;
            }
            let now = Instant::now();
            if pipeline.pending.load(Ordering::SeqCst) {
                due = due.or_else(|| now.checked_add(pipeline.flush_interval / 2));
            }
            let left = due.map_or(IDLE, |due| due.saturating_duration_since(now));
            if left.is_zero() || offer.is_some_and(|offer| offer <= now) {
                return Call::Sweep;
            }
            let left = offer.map_or(left, |offer| left.min(offer - now));
            let (guard, _) = pipeline
                .wake
                .wait_timeout(control, left.min(IDLE))
                .unwrap_or_else(PoisonError::into_inner);
            control = guard;
        }
    }

    /// Takes all lines that are there and writes them, merged by time stamp.
    fn sweep(&mut self) {
        self.pipeline.pending.store(false, Ordering::SeqCst);
        let cut = self.pipeline.clock.now();
        for (lane, (tray, block)) in self.pipeline.lanes.iter().zip(&mut self.taken).enumerate() {
            tray.take(cut, block);
            self.next[lane] = 0;
            if let Some(first) = block.marks.first() {
                self.heads.push(Reverse((first.stamp, lane)));
            }
        }
        let pipeline = Arc::clone(&self.pipeline);
        let mut sinks = pipeline.sinks();
        while let Some((lane, lines)) = self.next_run() {
            sinks.put_lines(&self.taken[lane], lines);
            if sinks.block_bytes() >= BLOCK_BYTES {
                sinks.write();
            }
        }
        sinks.write();
        sinks.console.push();
        self.console_pause = (sinks.console.backlog() > 0).then(|| sinks.console.pause());
        let held_up = sinks.console.backlog() > BACKLOG_BYTES_MAX;
        drop(sinks);
        if pipeline.held_up.swap(held_up, Ordering::SeqCst) && !held_up {
            pipeline.lanes.iter().for_each(Lane::tell_of_room);
        }
        for block in &mut self.taken {
            block.clear();
        }
    }

    /// The next lines in time order that stand together in one lane.
    fn next_run(&mut self) -> Option<(usize, std::ops::Range<usize>)> {
        let Reverse((_, lane)) = self.heads.pop()?;
        let others = self.heads.peek().map(|Reverse((stamp, _))| *stamp);
        let marks = &self.taken[lane].marks;
        let start = self.next[lane];
        let mut end = start + 1;
        while marks
            .get(end)
            .is_some_and(|mark| others.is_none_or(|other| mark.stamp <= other))
        {
            end += 1;
        }
        self.next[lane] = end;
        if let Some(mark) = marks.get(end) {
            self.heads.push(Reverse((mark.stamp, lane)));
        }
        Some((lane, start..end))
    }

    /// Logs what the file has to report, unless the run has asked for silence.
    fn report_trouble(&self) {
        if !self.pipeline.control().reports_held {
            self.emit_reports();
        }
    }

    fn emit_reports(&self) {
        // The sinks must be free again before the event is emitted: it may be written through to them.
        let reports: Vec<Event> = self.pipeline.sinks().file.take_reports();
        reports.iter().for_each(Event::emit);
    }

    /// Writes what is left. A file that was failing gets its last chance, and tells what it has missed.
    fn close(&mut self) {
        self.sweep();
        self.pipeline.sinks().file.make_last_attempt();
        for _ in 0..2 {
            self.emit_reports();
            self.sweep();
        }
        self.pipeline.sinks().console.drain();
    }
}

/// Where lines end up, and the block that is on its way there.
#[derive(Debug)]
struct Sinks {
    file: LogFile,
    console: Console,
    file_is_json: bool,
    /// The console takes every line as the file has it: one block serves both.
    same_bytes: bool,
    file_block: Vec<u8>,
    console_block: Vec<u8>,
    file_lines: u64,
    console_lines: u64,
}

impl Sinks {
    fn new(config: &LogConfig, file: LogFile, console: Console) -> Self {
        let file_is_json = config.format == LogFormat::Json;
        let takes_all = config
            .console
            .level
            .is_some_and(|level| level >= Level::INFO);
        Self {
            same_bytes: !file_is_json && takes_all && !console.is_coloured(),
            file,
            console,
            file_is_json,
            file_block: Vec::with_capacity(BLOCK_BYTES + (64 << 10)),
            console_block: Vec::new(),
            file_lines: 0,
            console_lines: 0,
        }
    }

    fn block_bytes(&self) -> usize {
        self.file_block.len().max(self.console_block.len())
    }

    /// Adds the lines `lines` of `block`.
    fn put_lines(&mut self, block: &Block, lines: std::ops::Range<usize>) {
        if self.same_bytes {
            let ((start, _), (end, _)) = (block.end_of(lines.start), block.end_of(lines.end));
            self.file_block.extend_from_slice(&block.text[start..end]);
            self.file_lines += lines.len() as u64;
            return;
        }
        for i in lines {
            let (text, json) = block.line(i);
            self.put(text, json, 1, block.marks[i].to_console);
        }
    }

    /// Adds one line.
    fn put(&mut self, text: &[u8], json: &[u8], lines: u64, to_console: bool) {
        self.file_block
            .extend_from_slice(if self.file_is_json { json } else { text });
        self.file_lines += lines;
        if to_console && !self.same_bytes {
            self.console.render(text, &mut self.console_block);
            self.console_lines += lines;
        }
    }

    /// Writes the block: first the file, which the console must never harm.
    fn write(&mut self) {
        if self.file_lines == 0 {
            return;
        }
        if let Some(trouble) = self.file.write(&self.file_block, self.file_lines) {
            self.console.notice(&trouble);
        }
        if self.same_bytes {
            self.console.write(&self.file_block, self.file_lines);
        } else if self.console_lines > 0 {
            self.console.write(&self.console_block, self.console_lines);
        }
        self.file_block.clear();
        self.console_block.clear();
        self.file_lines = 0;
        self.console_lines = 0;
    }
}
