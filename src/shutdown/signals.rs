//! Signals: the first asks the run to stop, the second ends the program at once.

use std::{
    io,
    sync::{Arc, atomic::AtomicBool},
    thread::{self, JoinHandle},
};

use anyhow::Context;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ},
    flag,
    iterator::{Handle, Signals},
};

use crate::shutdown::{Cause, Stop};

/// The thread that waits for signals. To drop it is to end it.
#[derive(Debug)]
pub struct SignalWatch {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl SignalWatch {
    /// Watches for the signals that end a program, and asks `stop` to stop at the first. SIGQUIT is a request for a
    /// thread dump, as it is to the JVM: it calls `quit`, which must not take long.
    ///
    /// # Errors
    /// The system refuses a handler or a thread.
    pub fn start(stop: Arc<Stop>, quit: impl Fn() + Send + 'static) -> anyhow::Result<Self> {
        let mut signals = register().context("cannot watch for signals")?;
        let handle = signals.handle();
        let thread = thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                for signal in signals.forever() {
                    if signal == SIGQUIT {
                        quit();
                    } else {
                        stop.request(Cause::Signal(signal));
                    }
                }
            })
            .context(
                "cannot start the thread for signals; allow this user more processes (ulimit -u)",
            )?;
        Ok(Self {
            handle,
            thread: Some(thread),
        })
    }
}

impl Drop for SignalWatch {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn register() -> io::Result<Signals> {
    // A file that may not grow further answers a write with an error, once this signal does not kill.
    flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    let ending: Vec<i32> = [SIGINT, SIGTERM, SIGHUP]
        .into_iter()
        .filter(|signal| *signal != SIGHUP || !hangup_ignored())
        .collect();
    let stopping = Arc::new(AtomicBool::new(false));
    for signal in &ending {
        // The order matters: the first signal finds the flag unset and sets it, the second finds it set.
        flag::register_conditional_shutdown(*signal, 128 + signal, Arc::clone(&stopping))?;
        flag::register(*signal, Arc::clone(&stopping))?;
    }
    Signals::new(ending.into_iter().chain([SIGQUIT]))
}

/// Whether the program was started with hang-ups ignored, as `nohup` does, which then is to stay so.
fn hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    mask >> (SIGHUP - 1) & 1 == 1
}
