//! A way out of the program that need not wait for its reader: standard error for the log, standard output for the summary.
//!
//! To be able not to wait, a pipe or a terminal is opened once more in non-blocking mode, since that mode belongs to an
//! open file, which others share. This file must not know what is written.

use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind, IsTerminal, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{
            fs::{FileTypeExt, OpenOptionsExt},
            net::UnixStream,
        },
    },
    thread,
    time::{Duration, Instant},
};

use crate::shutdown::{PATIENCE_AFTER_STOP, Stop};

/// Pauses between writes to a full pipe: the shortest, and the longest.
const PAUSE_MIN: Duration = Duration::from_micros(20);
const PAUSE_MAX: Duration = Duration::from_millis(1);

/// One of the program's two ways out.
#[derive(Debug)]
pub struct Outlet {
    way: Way,
    pause: Duration,
}

#[derive(Debug)]
enum Way {
    /// A file or a device, whose writes do not stall.
    Direct(File),
    /// The same where the system has no descriptor left for it.
    Stdout(io::Stdout),
    Stderr(io::Stderr),
    /// A pipe or a terminal: a full one says so at once.
    NonBlocking(File),
    /// A socket: a full one says so after a pause.
    Socket(UnixStream),
}

impl Outlet {
    /// The best way to standard error that there is; one that may stall for ever is the last resort.
    pub fn stderr() -> Self {
        let copy = io::stderr().as_fd().try_clone_to_owned();
        Self::new(copy, "/proc/self/fd/2").unwrap_or(Self::over(Way::Stderr(io::stderr())))
    }

    /// The best way to standard output.
    pub fn stdout() -> Self {
        let copy = io::stdout().as_fd().try_clone_to_owned();
        Self::new(copy, "/proc/self/fd/1").unwrap_or(Self::over(Way::Stdout(io::stdout())))
    }

    fn over(way: Way) -> Self {
        Self {
            way,
            pause: PAUSE_MIN,
        }
    }

    fn new(copy: io::Result<OwnedFd>, path: &str) -> io::Result<Self> {
        let file = File::from(copy?);
        let kind = file.metadata()?.file_type();
        if kind.is_socket() {
            let stream = UnixStream::from(OwnedFd::from(file));
            stream.set_write_timeout(Some(PAUSE_MAX))?;
            return Ok(Self::over(Way::Socket(stream)));
        }
        let may_stall = kind.is_fifo() || file.is_terminal();
        let reopened = OPEN_FLAGS.filter(|_| may_stall).and_then(|flags| {
            let mut options = OpenOptions::new();
            options.write(true).custom_flags(flags).open(path).ok()
        });
        Ok(Self::over(match reopened {
            Some(reopened) => Way::NonBlocking(reopened),
            None => Way::Direct(file),
        }))
    }

    /// Writes until the reader takes no more. Returns how many bytes it took.
    ///
    /// # Errors
    /// Those of the write, but for a reader that is busy.
    pub fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        while written < bytes.len() {
            match self.way.write(&bytes[written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => {
                    written += n;
                    self.pause = PAUSE_MIN;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.pause = (self.pause * 2).min(PAUSE_MAX);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }

    /// Writes all of `bytes`, for as long as `goes_on` says that the reader may stall.
    ///
    /// # Errors
    /// Those of the write; the time is up.
    fn write_all(&mut self, bytes: &[u8], goes_on: impl Fn() -> bool) -> io::Result<()> {
        let mut written = self.write_some(bytes)?;
        while written < bytes.len() {
            if !goes_on() {
                return Err(io::Error::new(ErrorKind::TimedOut, "its reader stalls"));
            }
            thread::sleep(self.pause);
            written += self.write_some(&bytes[written..])?;
        }
        Ok(())
    }

    /// Writes all of `bytes`, and waits for a reader that stalls until a stop was asked for.
    ///
    /// # Errors
    /// Those of the write; the reader still stalls half a second after the stop.
    pub fn write_until(&mut self, bytes: &[u8], stop: &Stop) -> io::Result<()> {
        self.write_all(bytes, || {
            stop.elapsed()
                .is_none_or(|since| since < PATIENCE_AFTER_STOP)
        })
    }

    /// Writes all of `bytes` if the reader takes them within half a second.
    ///
    /// # Errors
    /// Those of the write; the reader stalls.
    pub fn write_soon(&mut self, bytes: &[u8]) -> io::Result<()> {
        let started = Instant::now();
        self.write_all(bytes, || started.elapsed() < PATIENCE_AFTER_STOP)
    }

    /// Whether [`Outlet::write_some`] takes no time where the reader is busy.
    pub fn says_at_once(&self) -> bool {
        !matches!(self.way, Way::Socket(_))
    }

    /// How long to wait before the next [`Outlet::write_some`]: the longer the reader stalls, the longer.
    pub fn pause(&self) -> Duration {
        self.pause
    }
}

impl Way {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Direct(out) | Self::NonBlocking(out) => out.write(bytes),
            Self::Stdout(out) => out.write(bytes),
            Self::Stderr(out) => out.write(bytes),
            Self::Socket(out) => out.write(bytes),
        }
    }
}

/// `O_NONBLOCK | O_NOCTTY`, as Linux has them on all machines but those with numbers of their own
/// (asm-generic/fcntl.h). Elsewhere an outlet blocks.
const OPEN_FLAGS: Option<i32> = if cfg!(all(
    target_os = "linux",
    not(any(
        target_arch = "mips",
        target_arch = "mips64",
        target_arch = "sparc",
        target_arch = "sparc64"
    ))
)) {
    Some(0o4000 | 0o400)
} else {
    None
};
