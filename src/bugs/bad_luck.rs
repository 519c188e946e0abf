//! Bad luck, on order.
//!
//! A bug of two threads needs a moment at which both are in the wrong place. Out there one waits for that moment for
//! weeks; a specimen waits for it here, so that it goes wrong in every run. Nothing else is changed by it: what happens at
//! that moment could have happened without.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
};

use super::Setting;
use crate::{
    shutdown::Stop,
    work::status::{State, StatusBoard, View},
};

/// A moment at which two workers are at the same place in the code. It comes once in a run.
#[derive(Debug)]
pub(super) struct BadLuck {
    came: AtomicU32,
    over: AtomicBool,
    board: Arc<StatusBoard>,
    stop: Arc<Stop>,
}

impl BadLuck {
    /// Bad luck for one run.
    pub(super) fn new(setting: &Setting) -> Self {
        Self {
            came: AtomicU32::new(0),
            over: AtomicBool::new(false),
            board: Arc::clone(&setting.board),
            stop: Arc::clone(&setting.stop),
        }
    }

    /// The first worker that comes here waits for the second; then both go on, and nobody waits any more. It returns without
    /// a meeting if the run is stopped or no other worker is at work: the next call tries again.
    pub(super) fn strike(&self) {
        if self.over.load(Ordering::Relaxed) {
            return;
        }
        self.came.fetch_add(1, Ordering::SeqCst);
        while self.came.load(Ordering::SeqCst) < 2 && !self.stop.requested() {
            if !self.others_are_at_work() {
                self.came.fetch_sub(1, Ordering::SeqCst);
                return;
            }
            thread::yield_now();
        }
        self.over.store(true, Ordering::Relaxed);
    }

    fn others_are_at_work(&self) -> bool {
        let views = self.board.read();
        let at_work = |view: &&View| !matches!(view.state, State::Ended | State::Idle);
        views.iter().filter(at_work).count() > 1
    }
}
