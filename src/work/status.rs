//! The board: what each worker is doing, for anyone to read at any time.
//!
//! A worker publishes at its desk with plain stores on a cache line of its own, and reads no clock to do so: the
//! times are those of its last line. Who reads the board takes no lock that a worker could hold, so it can be
//! read while everything else is stuck. Locks that are taken through [`NamedLock`] show up here as well: who holds
//! which, and who waits.
//!
//! This file must not know what the workers work on, nor how the board is shown.

use std::{
    fmt, fs,
    ops::{Deref, DerefMut},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{
    log::clock::{Clock, Stamp},
    sync::if_free,
};

/// What a worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its thread has not begun to work.
    Starting,
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

impl State {
    /// All states, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::Starting,
        Self::Working,
        Self::Waiting,
        Self::Sleeping,
        Self::BackingOff,
        Self::Ended,
    ];

    /// The state's name among metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Working => "working",
            Self::Waiting => "waiting",
            Self::Sleeping => "sleeping",
            Self::BackingOff => "backing_off",
            Self::Ended => "ended",
        }
    }
}

/// The desks of all workers of a run, and the names of the locks that they use.
#[derive(Debug)]
pub struct Board {
    clock: Clock,
    desks: Box<[Desk]>,
    locks: Mutex<Vec<&'static str>>,
}

/// Where one worker shows what it is doing. Nobody else writes here.
#[derive(Debug)]
#[repr(align(128))]
pub struct Desk {
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

/// A lock's number on the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockId(u8);

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
    /// The operation that it was at, counted from 1; 0 before the first.
    pub iteration: u64,
    /// The attempt, counted from 1.
    pub attempt: u64,
    /// The lock that it waited for.
    pub waits_for: Option<LockId>,
    holds: u64,
}

impl View {
    /// Whether the worker held the lock.
    pub fn holds(&self, lock: LockId) -> bool {
        self.holds & lock.bit() != 0
    }

    /// The locks that the worker held.
    pub fn held(&self) -> impl Iterator<Item = LockId> + use<> {
        let holds = self.holds;
        (0..64)
            .map(LockId)
            .filter(move |lock| holds & lock.bit() != 0)
    }
}

/// Workers that wait for each other: each for a lock that the next one holds, and the last for one of the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle(pub Vec<(View, LockId)>);

impl Board {
    /// The most locks that a board has numbers for.
    pub const LOCKS_MAX: usize = 64;

    /// A board for `workers` workers, whose times are those of `clock`.
    pub fn new(workers: u32, clock: Clock) -> Self {
        let desk = || Desk {
            phase: AtomicU64::new(0),
            iteration: AtomicU64::new(0),
            attempt: AtomicU64::new(0),
            holds: AtomicU64::new(0),
            waits_for: AtomicU64::new(0),
            os_thread: AtomicU64::new(0),
            clock,
        };
        Self {
            clock,
            desks: (0..workers).map(|_| desk()).collect(),
            locks: Mutex::default(),
        }
    }

    /// The desk of worker number `worker`.
    pub fn desk(&self, worker: u32) -> &Desk {
        &self.desks[worker as usize]
    }

    /// The run's time now, by the clock whose stamps stand on the board.
    pub fn now(&self) -> Stamp {
        self.clock.now()
    }

    /// What every worker is doing now, in the order of their numbers.
    pub fn read(&self) -> Vec<View> {
        (0..)
            .zip(&self.desks)
            .map(|(n, desk)| desk.read(n))
            .collect()
    }

    /// The name of a lock.
    pub fn lock_name(&self, lock: LockId) -> &'static str {
        self.locks()
            .get(usize::from(lock.0))
            .copied()
            .unwrap_or("?")
    }

    /// All locks.
    pub fn lock_ids(&self) -> impl Iterator<Item = LockId> + use<> {
        (0..self.locks().len() as u8).map(LockId)
    }

    /// The cycles in which workers wait for each other. A desk is not read in one step, and one after the other, so
    /// what is seen once may never have been. Who is seen to wait since the same moment twice has not moved in
    /// between, and who is in a cycle never will.
    pub fn deadlocks(&self) -> Vec<Cycle> {
        let mut found = cycles(&self.read());
        if !found.is_empty() {
            let again = cycles(&self.read());
            found.retain(|cycle| again.contains(cycle));
        }
        found
    }

    /// A cycle in words.
    pub fn describe(&self, cycle: &Cycle) -> String {
        let workers = &cycle.0;
        let links = workers.iter().enumerate().map(|(i, (view, lock))| {
            let (holder, _) = workers[(i + 1) % workers.len()];
            format!(
                "Worker-{} waits for {}, held by Worker-{}",
                view.worker,
                self.lock_name(*lock),
                holder.worker
            )
        });
        links.collect::<Vec<_>>().join("; ")
    }

    /// Locks of one name are one lock to those who look on.
    fn register(&self, name: &'static str) -> LockId {
        let mut locks = self.locks();
        if let Some(known) = locks.iter().position(|other| *other == name) {
            return LockId(known as u8);
        }
        assert!(
            locks.len() < Self::LOCKS_MAX,
            "the board has numbers for no more locks"
        );
        locks.push(name);
        LockId(locks.len() as u8 - 1)
    }

    /// Names are added whole, so poison is of no meaning here.
    fn locks(&self) -> MutexGuard<'_, Vec<&'static str>> {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
            found.push(Cycle(
                path[first..]
                    .iter()
                    .map(|(worker, lock)| (views[*worker], *lock))
                    .collect(),
            ));
        }
    }
    found
}

impl Desk {
    /// The calling thread is the one that works here.
    pub fn take_seat(&self) {
        self.os_thread
            .store(os_thread_id().unwrap_or(0), Ordering::Relaxed);
    }

    /// An attempt begins.
    #[inline]
    pub fn work_at(&self, iteration: u64, attempt: u64, now: Stamp) {
        self.iteration.store(iteration, Ordering::Relaxed);
        self.attempt.store(attempt, Ordering::Relaxed);
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
            state: State::ALL[(phase & ((1 << STATE_BITS) - 1)) as usize],
            since: Stamp(phase >> STATE_BITS),
            iteration: self.iteration.load(Ordering::Relaxed),
            attempt: self.attempt.load(Ordering::Relaxed),
            waits_for: self
                .waits_for
                .load(Ordering::Acquire)
                .checked_sub(1)
                .map(|lock| LockId(lock as u8)),
            holds: self.holds.load(Ordering::Acquire),
        }
    }
}

impl LockId {
    fn bit(self) -> u64 {
        1 << self.0
    }
}

/// A lock whose holder and waiters are seen on the board. Clones share it.
pub struct NamedLock<T> {
    inner: Arc<OnOneLine<Mutex<T>>>,
    id: LockId,
}

/// Keeps a lock and what it guards on one cache line, if it fits: two cores then hand one line to each other.
#[repr(align(64))]
struct OnOneLine<T>(T);

impl<T> Clone for NamedLock<T> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            id: self.id,
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for NamedLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NamedLock")
            .field(&self.id)
            .field(&self.inner.0)
            .finish()
    }
}

impl<T> NamedLock<T> {
    /// A lock around `value`, known on `board` as `name`.
    pub fn new(board: &Board, name: &'static str, value: T) -> Self {
        Self {
            inner: Arc::new(OnOneLine(Mutex::new(value))),
            id: board.register(name),
        }
    }

    /// The lock for the worker at `desk`, and how long it waited. A free lock costs no reading of the clock. Poison is
    /// passed over: see who guards what with it.
    #[inline]
    pub fn lock<'a>(&'a self, desk: &'a Desk) -> (Held<'a, T>, Duration) {
        let (guard, wait) = match if_free(self.inner.0.try_lock()) {
            Some(guard) => (guard, Duration::ZERO),
            None => self.wait(desk),
        };
        desk.holds.store(
            desk.holds.load(Ordering::Relaxed) | self.id.bit(),
            Ordering::Relaxed,
        );
        let held = Held {
            guard,
            desk,
            id: self.id,
        };
        (held, wait)
    }

    /// The lock for one who has no desk.
    pub fn lock_unseen(&self) -> MutexGuard<'_, T> {
        self.inner.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lock for one who has no desk, if it is free.
    pub fn try_lock_unseen(&self) -> Option<MutexGuard<'_, T>> {
        if_free(self.inner.0.try_lock())
    }

    #[cold]
    fn wait(&self, desk: &Desk) -> (MutexGuard<'_, T>, Duration) {
        let before = desk.phase.load(Ordering::Relaxed);
        let asked = desk.clock.now();
        desk.enter(State::Waiting, asked);
        desk.waits_for
            .store(u64::from(self.id.0) + 1, Ordering::Relaxed);
        let guard = self.lock_unseen();
        let waited = Duration::from_nanos(desk.clock.now().nanos_since(asked));
        desk.waits_for.store(0, Ordering::Relaxed);
        desk.phase.store(before, Ordering::Release);
        (guard, waited)
    }
}

/// A named lock that a worker holds, until this is dropped.
pub struct Held<'a, T> {
    guard: MutexGuard<'a, T>,
    desk: &'a Desk,
    id: LockId,
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for Held<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

impl<T> Drop for Held<'_, T> {
    /// Runs before the guard is dropped, so the board never shows two holders of one lock.
    #[inline]
    fn drop(&mut self) {
        let desk = self.desk;
        desk.holds.store(
            desk.holds.load(Ordering::Relaxed) & !self.id.bit(),
            Ordering::Release,
        );
    }
}

/// The system's id of the calling thread, as Linux tells it.
pub fn os_thread_id() -> Option<u64> {
    let task = fs::read_link("/proc/thread-self").ok()?;
    task.file_name()?.to_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::{sync::Barrier, thread};

    use super::*;

    #[test]
    fn a_desk_shows_what_its_worker_does() {
        let board = Board::new(2, Clock::start());
        let lock = NamedLock::new(&board, "ledger", 7);
        let desk = board.desk(1);
        desk.take_seat();
        desk.work_at(17, 2, Stamp(99));
        let (held, wait) = lock.lock(desk);
        let views = board.read();
        assert_eq!((*held, wait), (7, Duration::ZERO));
        assert_eq!((views[0].state, views[0].os_thread), (State::Starting, 0));
        assert_eq!(
            (
                views[1].state,
                views[1].since,
                views[1].iteration,
                views[1].attempt
            ),
            (State::Working, Stamp(99), 17, 2)
        );
        assert!(views[1].os_thread > 0);
        assert_eq!(
            views[1]
                .held()
                .map(|lock| board.lock_name(lock))
                .collect::<Vec<_>>(),
            ["ledger"]
        );
        drop(held);
        desk.enter(State::Ended, Stamp(100));
        let view = board.read()[1];
        assert_eq!(
            (view.state, view.held().count(), view.waits_for),
            (State::Ended, 0, None)
        );
        assert_eq!(board.deadlocks(), []);
    }

    #[test]
    fn who_waits_is_seen_and_measured() {
        let board = Arc::new(Board::new(1, Clock::start()));
        let lock = NamedLock::new(&board, "ledger", ());
        let guard = lock.lock_unseen();
        assert!(lock.try_lock_unseen().is_none());
        let waiter = thread::spawn({
            let (board, lock) = (Arc::clone(&board), lock.clone());
            move || lock.lock(board.desk(0)).1
        });
        while board.read()[0].state != State::Waiting {
            thread::yield_now();
        }
        assert_eq!(board.read()[0].waits_for, board.lock_ids().next());
        drop(guard);
        assert!(waiter.join().unwrap() > Duration::ZERO);
        assert_eq!(board.read()[0].waits_for, None);
    }

    /// Two locks in opposite order: the threads stay stuck until the test program ends.
    #[test]
    fn a_deadlock_is_a_cycle() {
        let board = Arc::new(Board::new(3, Clock::start()));
        let locks = [
            NamedLock::new(&board, "A", ()),
            NamedLock::new(&board, "B", ()),
        ];
        let both_hold = Arc::new(Barrier::new(2));
        for worker in 0..2 {
            let (board, locks, both_hold) =
                (Arc::clone(&board), locks.clone(), Arc::clone(&both_hold));
            thread::spawn(move || {
                let desk = board.desk(worker as u32);
                let _first = locks[worker].lock(desk);
                both_hold.wait();
                let _second = locks[1 - worker].lock(desk);
            });
        }
        while board.deadlocks().is_empty() {
            thread::yield_now();
        }
        let cycles = board.deadlocks();
        assert_eq!(cycles.len(), 1);
        assert_eq!(
            board.describe(&cycles[0]),
            "Worker-0 waits for B, held by Worker-1; Worker-1 waits for A, held by Worker-0"
        );
    }
}
