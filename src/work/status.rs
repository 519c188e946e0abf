//! The status board: what each worker is doing, for anyone to read at any time.
//!
//! A worker publishes its status with plain stores on a cache line of its own, and reads no clock to do so: the
//! times are those of its last line. Reading the board takes no lock, so it can be
//! read while everything else is stuck. Locks that a worker takes through [`WorkerStatus::lock`] show up here as well: who
//! holds which, and who waits.

use std::{
    fs,
    ops::Range,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use derive_more::{Deref, DerefMut};
use strum::{Display, VariantArray};

use crate::{
    log::clock::{Clock, Stamp},
    plan::{Position, per_worker::PerWorker},
    sync::ignoring_poison,
};

/// What a worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum State {
    /// Its thread has not begun to work.
    Starting,
    /// It waits for somebody to ask for an operation.
    Idle,
    /// It carries out an attempt.
    Working,
    /// It waits for a lock.
    Waiting,
    /// It sleeps after a success.
    Sleeping,
    /// It sleeps after a failure.
    BackingOff,
    /// It has closed its account.
    Ended,
}

/// The locks that workers take. An honest run has the first; the others belong to a Processor that was split in two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Lock {
    /// The Processor's.
    #[strum(serialize = "Processor")]
    Processor,
    /// That of the counter alone.
    Counter,
    /// That of the data alone.
    Data,
}

impl Lock {
    fn bit(self) -> u64 {
        1 << self as u64
    }
}

/// The statuses of all workers of a run.
#[derive(Debug)]
pub struct StatusBoard {
    clock: Clock,
    workers: PerWorker<WorkerStatus>,
}

/// What one worker shows of itself. Nobody else writes here.
#[derive(Debug)]
#[repr(align(128))]
pub struct WorkerStatus {
    /// The state's number in the lowest bits and above it the time of its beginning, so that they are read together.
    phase: AtomicU64,
    iteration: AtomicU64,
    attempt: AtomicU64,
    /// A bit for each lock that is held.
    holds: AtomicU64,
    /// One more than the number of the lock that is waited for; 0 if there is none.
    waits_for: AtomicU64,
    /// The system's id of the thread; 0 as long as it is not known.
    os_thread: AtomicU64,
    clock: Clock,
}

const STATE_BITS: u32 = 3;

/// What one worker was doing when the board was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// The worker's number.
    pub worker: u32,
    /// The system's id of its thread; 0 as long as it is not known.
    pub os_thread: u64,
    /// What it was doing.
    pub state: State,
    /// Since when.
    pub since: Stamp,
    /// The attempt that it was at; of operation 0 before the first.
    pub at: Position,
    /// The lock that it waited for.
    pub waits_for: Option<Lock>,
    holds: u64,
}

impl View {
    /// Whether the worker held the lock.
    pub fn holds(&self, lock: Lock) -> bool {
        self.holds & lock.bit() != 0
    }
}

/// Workers that wait for each other: each for a lock that the next one holds, and the last for one of the first.
type Cycle = Vec<(View, Lock)>;

impl StatusBoard {
    /// A board for the workers with these numbers, whose times are those of `clock`.
    pub fn new(workers: Range<u32>, clock: Clock) -> Self {
        let status = |_| WorkerStatus {
            phase: AtomicU64::default(),
            iteration: AtomicU64::default(),
            attempt: AtomicU64::default(),
            holds: AtomicU64::default(),
            waits_for: AtomicU64::default(),
            os_thread: AtomicU64::default(),
            clock,
        };
        Self {
            clock,
            workers: PerWorker::new(workers, status),
        }
    }

    /// The status of worker number `worker`.
    pub fn worker(&self, worker: u32) -> &WorkerStatus {
        &self.workers[worker]
    }

    /// The run's time now, by the clock whose stamps stand on the board.
    pub fn now(&self) -> Stamp {
        self.clock.now()
    }

    /// What every worker is doing now, in the order of their numbers.
    pub fn read(&self) -> Vec<View> {
        let numbered = self.workers.numbers().zip(self.workers.iter());
        numbered.map(|(n, worker)| worker.read(n)).collect()
    }

    /// The cycles in which workers wait for each other, in words. The statuses are read one after the other, and none in one
    /// step, so what is seen once may never have been. Who is seen to wait since the same moment twice has not moved in between,
    /// and who is in a cycle never will.
    pub fn deadlocks(&self) -> Vec<String> {
        let mut found = cycles(&self.read());
        if !found.is_empty() {
            let again = cycles(&self.read());
            found.retain(|cycle| again.contains(cycle));
        }
        found.iter().map(|cycle| described(cycle)).collect()
    }
}

fn described(cycle: &[(View, Lock)]) -> String {
    let holders = cycle.iter().cycle().skip(1);
    let links = cycle
        .iter()
        .zip(holders)
        .map(|((view, lock), (holder, _))| {
            let (waits, holds) = (view.worker, holder.worker);
            format!("Worker-{waits} waits for {lock}, held by Worker-{holds}")
        });
    links.collect::<Vec<_>>().join("; ")
}

/// Follows from each worker the chain of who waits for whom.
fn cycles(views: &[View]) -> Vec<Cycle> {
    let next = |view: &View| {
        let lock = view.waits_for.filter(|_| view.state == State::Waiting)?;
        views
            .iter()
            .position(|holder| holder.holds(lock))
            .map(|holder| (lock, holder))
    };
    // The number of the walk in which a worker was first met.
    let mut met = vec![usize::MAX; views.len()];
    let mut found = Vec::new();
    for start in 0..views.len() {
        let (mut at, mut path) = (start, Vec::new());
        while met[at] == usize::MAX {
            let Some((lock, holder)) = next(&views[at]) else {
                break;
            };
            met[at] = start;
            path.push((at, lock));
            at = holder;
        }
        if let Some(first) = path.iter().position(|(worker, _)| *worker == at) {
            let links = path[first..].iter();
            let links = links.map(|(worker, lock)| (views[*worker], *lock));
            found.push(links.collect());
        }
    }
    found
}

impl WorkerStatus {
    /// Registers the calling thread as the worker's.
    pub fn register(&self) {
        self.os_thread
            .store(os_thread_id().unwrap_or(0), Ordering::Relaxed);
    }

    /// An attempt begins.
    #[inline]
    pub fn work_at(&self, at: Position, now: Stamp) {
        self.iteration.store(at.iteration, Ordering::Relaxed);
        self.attempt.store(at.attempt, Ordering::Relaxed);
        self.enter(State::Working, now);
    }

    /// Another state begins.
    #[inline]
    pub fn enter(&self, state: State, now: Stamp) {
        self.phase
            .store(now.0 << STATE_BITS | state as u64, Ordering::Release);
    }

    fn read(&self, worker: u32) -> View {
        let phase = self.phase.load(Ordering::Acquire);
        View {
            worker,
            os_thread: self.os_thread.load(Ordering::Relaxed),
            state: State::VARIANTS[(phase & ((1 << STATE_BITS) - 1)) as usize],
            since: Stamp(phase >> STATE_BITS),
            at: Position {
                iteration: self.iteration.load(Ordering::Relaxed),
                attempt: self.attempt.load(Ordering::Relaxed),
            },
            waits_for: match self.waits_for.load(Ordering::Acquire) {
                0 => None,
                lock => Some(Lock::VARIANTS[lock as usize - 1]),
            },
            holds: self.holds.load(Ordering::Acquire),
        }
    }

    /// Locks `mutex` for this worker, and says how long it waited. A free lock costs no reading of the clock. Poison is
    /// ignored: the owner of what is locked says why that is right.
    #[inline]
    pub fn lock<'a, T>(&'a self, lock: Lock, mutex: &'a Mutex<T>) -> (Held<'a, T>, Duration) {
        let (guard, wait) = match ignoring_poison(mutex.try_lock()) {
            Some(guard) => (guard, Duration::ZERO),
            None => self.wait(lock, mutex),
        };
        self.holds.store(
            self.holds.load(Ordering::Relaxed) | lock.bit(),
            Ordering::Relaxed,
        );
        let held = Held {
            guard,
            worker: self,
            lock,
        };
        (held, wait)
    }

    #[cold]
    fn wait<'a, T>(&self, lock: Lock, mutex: &'a Mutex<T>) -> (MutexGuard<'a, T>, Duration) {
        let before = self.phase.load(Ordering::Relaxed);
        let asked = self.clock.now();
        self.enter(State::Waiting, asked);
        self.waits_for.store(lock as u64 + 1, Ordering::Relaxed);
        let guard = mutex.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = Duration::from_nanos(self.clock.now().nanos_since(asked));
        self.waits_for.store(0, Ordering::Relaxed);
        self.phase.store(before, Ordering::Release);
        (guard, waited)
    }
}

/// A lock that a worker holds, until this is dropped.
#[derive(Debug, Deref, DerefMut)]
pub struct Held<'a, T> {
    #[deref(forward)]
    #[deref_mut(forward)]
    guard: MutexGuard<'a, T>,
    worker: &'a WorkerStatus,
    lock: Lock,
}

impl<T> Drop for Held<'_, T> {
    /// Runs before the guard is dropped, so the board never shows two holders of one lock.
    #[inline]
    fn drop(&mut self) {
        let holds = &self.worker.holds;
        holds.store(
            holds.load(Ordering::Relaxed) & !self.lock.bit(),
            Ordering::Release,
        );
    }
}

/// The system's id of the calling thread, as Linux tells it.
fn os_thread_id() -> Option<u64> {
    let task = fs::read_link("/proc/thread-self").ok()?;
    task.file_name()?.to_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, Barrier},
        thread,
    };

    use super::*;

    #[test]
    fn a_status_shows_what_its_worker_does() {
        let board = StatusBoard::new(0..2, Clock::start());
        let mutex = Mutex::new(7);
        let status = board.worker(1);
        status.register();
        let at = Position {
            iteration: 17,
            attempt: 2,
        };
        status.work_at(at, Stamp(99));
        let (held, wait) = status.lock(Lock::Data, &mutex);
        let views = board.read();
        assert_eq!((*held, wait), (7, Duration::ZERO));
        assert_eq!((views[0].state, views[0].os_thread), (State::Starting, 0));
        assert_eq!(
            (
                views[1].state,
                views[1].since,
                views[1].at.iteration,
                views[1].at.attempt
            ),
            (State::Working, Stamp(99), 17, 2)
        );
        assert!(views[1].os_thread > 0);
        assert_eq!(views[1].holds, Lock::Data.bit());
        drop(held);
        status.enter(State::Ended, Stamp(100));
        let view = board.read()[1];
        assert_eq!(
            (view.state, view.holds, view.waits_for),
            (State::Ended, 0, None)
        );
        assert_eq!(board.deadlocks(), [""; 0]);
    }

    #[test]
    fn who_waits_is_seen_and_measured() {
        let board = Arc::new(StatusBoard::new(0..1, Clock::start()));
        let mutex = Arc::new(Mutex::new(()));
        let guard = mutex.lock().unwrap();
        let waiter = thread::spawn({
            let (board, mutex) = (Arc::clone(&board), Arc::clone(&mutex));
            move || board.worker(0).lock(Lock::Counter, &mutex).1
        });
        while board.read()[0].state != State::Waiting {
            thread::yield_now();
        }
        assert_eq!(board.read()[0].waits_for, Some(Lock::Counter));
        drop(guard);
        assert!(waiter.join().unwrap() > Duration::ZERO);
        assert_eq!(board.read()[0].waits_for, None);
    }

    /// Two locks in opposite order: the threads stay stuck until the test program ends.
    #[test]
    fn a_deadlock_is_a_cycle() {
        let board = Arc::new(StatusBoard::new(0..3, Clock::start()));
        let mutexes = Arc::new([Mutex::new(()), Mutex::new(())]);
        let locks = [Lock::Counter, Lock::Data];
        let both_hold = Arc::new(Barrier::new(2));
        for worker in 0..2 {
            let (board, mutexes, both_hold) = (
                Arc::clone(&board),
                Arc::clone(&mutexes),
                Arc::clone(&both_hold),
            );
            thread::spawn(move || {
                let status = board.worker(worker as u32);
                let _first = status.lock(locks[worker], &mutexes[worker]);
                both_hold.wait();
                let _second = status.lock(locks[1 - worker], &mutexes[1 - worker]);
            });
        }
        while board.deadlocks().is_empty() {
            thread::yield_now();
        }
        let cycles = board.deadlocks();
        assert_eq!(
            cycles,
            [
                "Worker-0 waits for data, held by Worker-1; Worker-1 waits for counter, held by Worker-0"
            ]
        );
    }
}
