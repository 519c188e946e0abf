//! A stream: standard output or error, whose reader may stall.
//!
//! A file or a device never keeps its writer waiting, and is written to at once. A pipe, a terminal or a socket may: a thread
//! of its own writes to it, and what it has not written yet waits in memory. Those who fill the stream wait while
//! that is too much, holding no lock ([`Stream::wait_for_room`]). Soon after a stop was asked for, or the run's
//! duration is over, the thread is left behind with its write, and what it has not written is lost and counted: all readers
//! that stall cost half a second together ([`Patience`]).

use std::{
    collections::VecDeque,
    env,
    fs::File,
    io::{self, ErrorKind, IsTerminal, Write},
    os::{fd::AsFd, unix::fs::FileTypeExt},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use derive_more::Display;

use super::report::SinkReport;
use crate::{
    errors::unless_closed,
    shutdown::{PATIENCE_AFTER_STOP, Stop},
    threads::{self, lock},
};

/// With more than this waiting, those who fill the stream wait, until half of it is written.
const WAITING_BYTES_MAX: u64 = 256 << 10;
/// A pipe takes this much whole or not at all (PIPE_BUF on Linux), so that it is known at any time how much its reader got.
const PIECE_BYTES: usize = 4096;
/// How often somebody who waits looks whether a stop was asked for.
const LOOK: Duration = Duration::from_millis(100);
/// A reader that is alive takes what it is given within this, however late it is given it.
const MOMENT: Duration = Duration::from_millis(100);

/// One of the two standard streams.
#[derive(Clone, Copy, Debug, Display, PartialEq, Eq)]
pub enum Standard {
    /// Standard output.
    #[display("standard output")]
    Output,
    /// Standard error.
    #[display("standard error")]
    Error,
}

impl Standard {
    /// A descriptor of its own for it: a thread that is stuck in a write would keep all others from the library's handles.
    ///
    /// # Errors
    /// There is none left, or the stream is closed.
    pub fn file(self) -> io::Result<File> {
        let copy = match self {
            Self::Output => io::stdout().as_fd().try_clone_to_owned(),
            Self::Error => io::stderr().as_fd().try_clone_to_owned(),
        };
        copy.map(File::from)
    }

    fn writer(self) -> Box<dyn Write + Send> {
        match (self.file(), self) {
            (Ok(file), _) => Box::new(file),
            (Err(_), Self::Output) => Box::new(io::stdout()),
            (Err(_), Self::Error) => Box::new(io::stderr()),
        }
    }

    /// Whether its reader may keep a writer waiting.
    fn may_stall(self) -> bool {
        let file = self.file().and_then(|file| Ok((file.metadata()?, file)));
        file.map_or(true, |(metadata, file)| {
            let kind = metadata.file_type();
            kind.is_fifo() || kind.is_socket() || file.is_terminal()
        })
    }
}

/// When a reader that stalls is given up. All of a run's readers share it, so that several do not cost more than one.
#[derive(Clone, Debug)]
pub struct Patience {
    /// What it waits for.
    pub stop: Arc<Stop>,
    /// When the run's duration is over.
    end: Option<Instant>,
}

impl Patience {
    /// Until soon after the stop, or after the run has lasted for its `duration`, if it has one.
    pub fn new(stop: Arc<Stop>, duration: Option<Duration>) -> Self {
        Self {
            stop,
            end: duration.and_then(|duration| Instant::now().checked_add(duration)),
        }
    }

    /// How much longer a reader is waited for that has kept its writer waiting since then. One that comes when the time is up
    /// has a moment: that one is part of the half second.
    fn left(&self, waits_since: Option<Instant>) -> Duration {
        let now = Instant::now();
        let since_end = self.end.and_then(|end| now.checked_duration_since(end));
        let ended = self.stop.elapsed().max(since_end);
        let left = ended.zip(waits_since).map(|(ended, since)| {
            let left = (PATIENCE_AFTER_STOP - MOMENT).saturating_sub(ended);
            left.max(MOMENT.saturating_sub(now - since))
        });
        left.unwrap_or(Duration::MAX)
    }

    /// Writes all of `bytes`. A reader that stalls is waited for as far as this goes.
    ///
    /// # Errors
    /// Those of the write; the reader still stalls then.
    pub fn print(&self, to: Standard, bytes: &[u8]) -> io::Result<()> {
        let stream = Stream::open(to, self.clone());
        stream.write_text(bytes);
        stream.wait_until_written();
        stream.take_trouble().map_or(Ok(()), Err)
    }

    /// Tells a person on standard error what is wrong, if its reader takes it in time: that begins to run out now, unless it does
    /// already. Where there is no standard error, or nobody who reads it, there is nobody to tell.
    pub fn complain(&self, text: &str) {
        let now = Instant::now();
        let patience = Self {
            stop: Arc::clone(&self.stop),
            end: Some(self.end.map_or(now, |end| end.min(now))),
        };
        let _ = patience.print(Standard::Error, format!("hifi: {text}\n").as_bytes());
    }
}

/// Standard output or error, as the log writes to it.
#[derive(Debug)]
pub struct Stream(Arc<SharedStream>);

#[derive(Debug)]
struct SharedStream {
    state: Mutex<StreamState>,
    /// The same as whether `state` has too much waiting, for the hot path.
    is_behind: AtomicBool,
    /// The thread waits for this: something to write, or the end.
    filled: Condvar,
    /// Everyone else waits for this: it is no longer behind, or all is written.
    moved: Condvar,
    /// It is written to at once, so that nobody ever waits.
    is_direct: bool,
    patience: Patience,
}

#[derive(Default, derive_more::Debug)]
#[debug("{report:?}")]
struct StreamState {
    /// What is written to at once; none where a thread writes.
    direct: Option<Box<dyn Write + Send>>,
    chunks: VecDeque<Chunk>,
    /// Bytes that were put into the stream, and how many of them were written or lost.
    put: u64,
    done: u64,
    /// Lines of the log that were put into the stream.
    lines: u64,
    /// What became of them.
    report: SinkReport,
    /// The first error, until somebody has told of it.
    trouble: Option<io::Error>,
    /// When the thread began to write what waits for the reader. On a busy machine it may begin late: that is not the reader's
    /// fault.
    busy_since: Option<Instant>,
    /// The reader gets no more.
    given_up: bool,
    /// The stream was dropped: the thread is to end.
    closing: bool,
}

/// What is written in one go.
struct Chunk {
    bytes: Vec<u8>,
    /// These are lines of the log, which are counted.
    are_lines: bool,
}

impl Stream {
    /// Opens a standard stream. Where the system refuses the thread that it may need, it is written to at once, as if its
    /// reader could not stall.
    pub fn open(standard: Standard, patience: Patience) -> Self {
        if standard.may_stall()
            && let Ok(stream) = Self::with_thread(standard.writer(), patience.clone())
        {
            return stream;
        }
        Self::new(Some(standard.writer()), patience)
    }

    fn new(direct: Option<Box<dyn Write + Send>>, patience: Patience) -> Self {
        Self(Arc::new(SharedStream {
            is_direct: direct.is_some(),
            state: Mutex::new(StreamState {
                direct,
                ..StreamState::default()
            }),
            is_behind: AtomicBool::new(false),
            filled: Condvar::new(),
            moved: Condvar::new(),
            patience,
        }))
    }

    fn with_thread(out: Box<dyn Write + Send>, patience: Patience) -> anyhow::Result<Self> {
        let stream = Self::new(None, patience);
        let shared = Arc::clone(&stream.0);
        threads::spawn("stream", move || shared.serve(out))?;
        Ok(stream)
    }

    /// Writes whole lines of the log.
    pub fn write_lines(&self, lines: &[u8]) {
        self.write(lines, true);
    }

    /// Writes a text that is none of the log's, between two of its lines.
    pub fn write_text(&self, text: &[u8]) {
        self.write(text, false);
    }

    fn write(&self, bytes: &[u8], are_lines: bool) {
        let mut state = lock(&self.0.state);
        if state.given_up {
            state.lose(bytes, are_lines);
        } else if let Some(out) = &mut state.direct {
            let result = write_whole(out, bytes);
            state.settle(bytes, are_lines, result);
        } else {
            state.put += bytes.len() as u64;
            if are_lines {
                state.lines += count_lines(bytes);
            }
            state.chunks.push_back(Chunk {
                bytes: bytes.to_vec(),
                are_lines,
            });
            if state.waiting() > WAITING_BYTES_MAX {
                self.0.is_behind.store(true, Ordering::SeqCst);
            }
            drop(state);
            self.0.filled.notify_one();
        }
    }

    /// Whether nothing waits for the reader.
    pub fn is_idle(&self) -> bool {
        lock(&self.0.state).waiting() == 0
    }

    /// Waits while the reader is too far behind. No lock may be held by the caller.
    #[inline]
    pub fn wait_for_room(&self) {
        if self.0.is_behind.load(Ordering::Relaxed) {
            self.0.wait(|_| !self.0.is_behind.load(Ordering::SeqCst));
        }
    }

    /// Waits until all that was put into the stream so far is written. No lock may be held by the caller.
    #[inline]
    pub fn wait_until_written(&self) {
        if !self.0.is_direct {
            let put = lock(&self.0.state).put;
            self.0.wait(|state| state.done >= put);
        }
    }

    /// What became of the lines so far.
    pub fn report(&self) -> SinkReport {
        lock(&self.0.state).report
    }

    /// The first error since this was asked last.
    pub fn take_trouble(&self) -> Option<io::Error> {
        lock(&self.0.state).trouble.take()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        lock(&self.0.state).closing = true;
        self.0.filled.notify_one();
    }
}

impl SharedStream {
    /// What the thread does: it writes chunk by chunk, and counts what the reader got.
    fn serve(&self, mut out: Box<dyn Write + Send>) {
        while let Some(chunk) = self.next_chunk() {
            let mut rest = &chunk.bytes[..];
            while !rest.is_empty() {
                let (piece, behind) = rest.split_at(piece_len(rest));
                let result = write_whole(&mut out, piece);
                let mut state = lock(&self.state);
                if state.given_up {
                    return;
                }
                // After an error the rest of the chunk is lost as well.
                let (settled, left) = match result {
                    Ok(()) => (piece, behind),
                    Err(_) => (rest, &[][..]),
                };
                state.done += settled.len() as u64;
                state.settle(settled, chunk.are_lines, result);
                self.wake(&mut state);
                rest = left;
            }
        }
    }

    fn next_chunk(&self) -> Option<Chunk> {
        let wants_none = |state: &mut StreamState| state.chunks.is_empty() && !state.closing;
        let state = self.filled.wait_while(lock(&self.state), wants_none);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        let chunk = state.chunks.pop_front()?;
        state.busy_since.get_or_insert_with(Instant::now);
        Some(chunk)
    }

    /// Wakes those whose time has come. With many of them, to wake them for each piece would cost more than the pieces.
    fn wake(&self, state: &mut StreamState) {
        let is_written = state.waiting() == 0;
        if is_written {
            state.busy_since = None;
        }
        let has_room = state.waiting() <= WAITING_BYTES_MAX / 2;
        if is_written | (has_room && self.is_behind.swap(false, Ordering::SeqCst)) {
            self.moved.notify_all();
        }
    }

    /// Waits for what `until` asks for, as far as patience goes.
    fn wait(&self, until: impl Fn(&StreamState) -> bool) {
        let mut state = lock(&self.state);
        while !until(&state) {
            let left = self.patience.left(state.busy_since);
            if left.is_zero() {
                state.give_up();
                self.wake(&mut state);
                return;
            }
            (state, _) = self
                .moved
                .wait_timeout(state, left.min(LOOK))
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl StreamState {
    /// Bytes that were neither written nor lost yet.
    fn waiting(&self) -> u64 {
        self.put - self.done
    }

    /// Counts what became of `bytes`, of which a write that broke has lost the rest.
    fn settle(&mut self, bytes: &[u8], are_lines: bool, result: Result<(), Broken>) {
        let mut written = bytes;
        if let Err(broken) = result {
            let lost;
            (written, lost) = bytes.split_at(broken.written);
            self.lose(lost, are_lines);
            self.note(broken.error);
        }
        if are_lines {
            self.report.lines += count_lines(written);
        }
    }

    fn lose(&mut self, bytes: &[u8], are_lines: bool) {
        if are_lines {
            self.report.lost += count_lines(bytes);
        }
    }

    fn note(&mut self, error: io::Error) {
        self.report.errors += 1;
        self.trouble.get_or_insert(error);
    }

    /// The reader gets no more: what it has not got is lost.
    fn give_up(&mut self) {
        self.given_up = true;
        self.chunks.clear();
        self.done = self.put;
        self.report.lost = self.lines - self.report.lines;
        self.note(io::Error::new(ErrorKind::TimedOut, "its reader stalls"));
    }
}

/// The length of the next piece: whole lines, where they are short enough.
fn piece_len(bytes: &[u8]) -> usize {
    match bytes.get(..PIECE_BYTES) {
        None => bytes.len(),
        Some(most) => most
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(PIECE_BYTES, |newline| newline + 1),
    }
}

fn count_lines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// Whether a stream leads to a terminal that obeys control sequences.
pub fn takes_controls(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Tells a person on standard error what is wrong. A reader that stalls is waited for half a second.
pub fn complain(text: &str) {
    Patience::new(Arc::default(), None).complain(text);
}

/// Prints to standard output `what` a command was asked for. A reader that has seen enough may close its end.
///
/// # Errors
/// Those of the write but this one.
pub fn print_out(what: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    unless_closed(out.write_all(bytes).and_then(|()| out.flush()))
        .with_context(|| format!("cannot write {what} to standard output"))
}

/// A write that came to an end too soon.
#[derive(Debug)]
pub struct Broken {
    /// How many bytes were written all the same.
    pub written: usize,
    /// What went wrong.
    pub error: io::Error,
}

/// Writes all of `bytes`, with as many writes as it takes.
///
/// # Errors
/// Those of the writes, and how far they came.
pub fn write_whole(out: &mut (impl Write + ?Sized), bytes: &[u8]) -> Result<(), Broken> {
    let mut written = 0;
    while written < bytes.len() {
        let error = match out.write(&bytes[written..]) {
            Ok(0) => ErrorKind::WriteZero.into(),
            Ok(n) => {
                written += n;
                continue;
            }
            Err(error) => error,
        };
        match error.kind() {
            ErrorKind::Interrupted => {}
            // Another program that has the same terminal or pipe open made it non-blocking.
            ErrorKind::WouldBlock => thread::sleep(Duration::from_millis(1)),
            _ => return Err(Broken { written, error }),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{PipeWriter, Read, pipe};

    use super::*;
    use crate::shutdown::Cause;

    fn stream(out: PipeWriter, stop: &Arc<Stop>, duration: Option<Duration>) -> Stream {
        let patience = Patience::new(Arc::clone(stop), duration);
        Stream::with_thread(Box::new(out), patience).unwrap()
    }

    /// Fills a stream until its pipe is full and those who fill it have to wait.
    fn fill(stream: &Stream) -> u64 {
        let mut lines = 0;
        while !stream.0.is_behind.load(Ordering::SeqCst) {
            stream.write_lines(&b"line\n".repeat(1000));
            lines += 1000;
        }
        lines
    }

    #[test]
    fn a_reader_that_stalls_is_given_up_and_what_it_got_is_counted() {
        for by_stop in [true, false] {
            let (mut reader, writer) = pipe().unwrap();
            let stop = Arc::new(Stop::default());
            let duration = Duration::ZERO;
            let stream = stream(writer, &stop, (!by_stop).then_some(duration));
            stream.write_text(b"a text\n");
            let lines = fill(&stream);
            if by_stop {
                stop.request(Cause::Failure);
            }
            stream.wait_for_room();
            stream.wait_until_written();
            stream.write_lines(b"one more\n");
            let report = stream.report();
            assert_eq!(report.lines + report.lost, lines + 1);
            assert_eq!(report.errors, 1);
            // What is in the pipe by now is what was counted. The thread's last write is atomic, and still waits.
            let mut got = vec![0; (report.lines as usize) * 5 + 7];
            reader.read_exact(&mut got).unwrap();
            assert!(report.lines > 0 && got.ends_with(b"\nline\n"));
        }
    }

    #[test]
    fn readers_that_stall_together_cost_no_more_than_one() {
        let stop = Arc::new(Stop::default());
        let pipes = (0..8).map(|_| pipe().unwrap());
        let (readers, writers): (Vec<_>, Vec<_>) = pipes.unzip();
        let streams = writers.into_iter().map(|out| stream(out, &stop, None));
        let streams: Vec<_> = streams.collect();
        streams.iter().for_each(|stream| assert!(fill(stream) > 0));
        stop.request(Cause::Failure);
        let began = Instant::now();
        streams.iter().for_each(Stream::wait_until_written);
        // One after the other they would cost eight times as much; a busy machine is slow.
        assert!(began.elapsed() < 4 * PATIENCE_AFTER_STOP);
        drop(readers);
    }

    #[test]
    fn a_reader_that_is_late_gets_everything_in_order() {
        let (mut reader, writer) = pipe().unwrap();
        let stop = Arc::default();
        let stream = stream(writer, &stop, None);
        let lines = fill(&stream);
        let reading = thread::spawn(move || {
            let mut all = String::new();
            reader.read_to_string(&mut all).unwrap();
            all
        });
        stream.wait_for_room();
        stream.write_text(b"the end\n");
        stream.wait_until_written();
        assert_eq!((stream.report().lines, stream.report().lost), (lines, 0));
        drop(stream);
        let all = reading.join().unwrap();
        assert_eq!(all.lines().count() as u64, lines + 1);
        assert!(all.ends_with("line\nthe end\n"));
    }

    #[test]
    fn a_reader_that_is_gone_costs_lines_that_are_counted() {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let stream = stream(writer, &Arc::default(), None);
        stream.write_lines(b"one\ntwo\n");
        stream.wait_until_written();
        assert_eq!((stream.report().lost, stream.report().errors), (2, 1));
        assert_eq!(stream.take_trouble().unwrap().kind(), ErrorKind::BrokenPipe);
    }

    /// Takes a few bytes at a time, is interrupted now and then, and is full after `room` bytes.
    struct Tight {
        room: usize,
        interrupted: bool,
        taken: Vec<u8>,
    }

    impl Write for Tight {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.interrupted = !self.interrupted;
            if self.interrupted {
                return Err(ErrorKind::Interrupted.into());
            }
            let n = bytes.len().min(3).min(self.room);
            if n == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            self.room -= n;
            self.taken.extend_from_slice(&bytes[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_short_write_is_completed_and_a_broken_one_says_how_far_it_came() {
        for room in 0..=12 {
            let mut tight = Tight {
                room,
                interrupted: false,
                taken: Vec::new(),
            };
            match write_whole(&mut tight, b"ten bytes\n") {
                Ok(()) => assert!(room >= 10),
                Err(broken) => assert_eq!(broken.written, room),
            }
            assert_eq!(tight.taken, b"ten bytes\n"[..room.min(10)]);
        }
    }
}
