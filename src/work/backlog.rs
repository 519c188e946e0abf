//! The backlog: where requests for an operation wait for a worker, and answers for whoever asked.
//!
//! The frontend hands requests over and collects the answers; each worker takes a request, carries it out and answers it.
//! To wake a thread costs more than an operation without delays, so it is done as seldom as can be: requests are handed
//! over and answers given and collected many at a time, and an idle worker is woken only where more requests wait than those
//! that are awake see to.
//!
//! For the same reason the frontend has a thread of its own, but does not always run there: a worker whose operations take no
//! time would be asleep again as soon as it is woken. Such a worker leads: it runs the frontend itself until a request
//! waits. There is one leader at most, to whom the frontend's thread lends it, and sleeps meanwhile. The leader gives up
//! the lead before it falls asleep in an operation, and is relieved when it does not come back.
//!
//! A request is answered once, whatever happens: by the worker that took it, or with a refusal if there is no room for
//! it or no operation is begun any more. This file must not know HTTP; the model tests explore it under every
//! schedule that they find.

use std::{
    collections::VecDeque,
    mem,
    task::{Context, Waker},
    time::{Duration, Instant},
};

use crate::sync::{
    AtomicBool, Condvar, Mutex, MutexGuard, Ordering, PoisonError,
    thread::{self, Thread, ThreadId},
};

/// How many operations a worker may end before it answers the first of them.
pub(crate) const ENDED_MAX: usize = 64;
/// How many of the requests that wait each worker that is awake sees to. The tests have few requests.
const SHARE: usize = if cfg!(test) { 2 } else { 64 };

/// The frontend waits for its leader no longer than this. A leader that nobody asks for anything is relieved as well.
const LEADER_PATIENCE: Duration = Duration::from_millis(100);

/// What reads requests, hands them over and sends the answers. Whoever has it runs it.
pub trait Frontend: Send {
    /// Runs the frontend on the calling thread until it `is_over`, which is asked each time that something has happened.
    fn run_until(&mut self, is_over: &mut dyn FnMut(&mut Context<'_>) -> bool);
}

/// Who asked for an operation: is called with the answer, in the frontend.
pub(crate) type Requester = Box<dyn FnOnce(Answer) + Send>;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A worker carried it out, and its lines are written.
    Ended {
        /// The worker.
        worker: u32,
        /// Which of the worker's operations it was, counted from 1.
        iteration: u64,
        /// How many attempts it took.
        attempts: u64,
        /// How it ended.
        ending: Ending,
    },
    /// Nothing was begun.
    Refused(Refusal),
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With a success, which led to this value of the Processor's counter.
    Completed {
        /// The value.
        counter: u64,
    },
    /// Its last retry failed.
    Abandoned,
    /// A stop came before a retry.
    Interrupted,
    /// An unexpected error struck.
    Panicked,
    /// The line that tells how it ended could not be written.
    Unlogged,
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No worker is free, and as many requests wait as may.
    Full,
    /// No operation is begun any more.
    Closed,
}

/// The requests and answers of a run. All workers and the frontend share it.
#[derive(derive_more::Debug)]
#[debug("Backlog")]
pub struct Backlog {
    limit: usize,
    /// Those who want the frontend wait for this: the leader until it is lent, its thread while a worker leads.
    frontend_moves: Condvar,
    /// No operation is begun any more. It changes while `requests` are locked, and is read with each answer without.
    closed: AtomicBool,
    requests: Mutex<Requests>,
    answers: Mutex<Answers>,
}

struct Requests {
    waiting: VecDeque<Requester>,
    /// Workers that have not left.
    workers: u32,
    /// Workers that wait for a request and were not woken. The last that came is woken first: what it works with is
    /// still in its core's caches.
    idle: Vec<Thread>,
    /// Workers that were woken and have not come yet.
    woken: usize,
    /// Workers that are awake or were woken.
    awake: usize,
    /// The worker that runs the frontend whenever it waits for a request.
    leader: Option<ThreadId>,
    /// The frontend, where it is lent and nobody runs it.
    frontend: Option<Box<dyn Frontend>>,
    /// Workers that run the frontend until a request waits: the leader, and one that was relieved a moment ago.
    serving: usize,
    /// How often the leader has waited.
    turns: u64,
}

impl Requests {
    /// A worker that was idle is awake: it was woken for a request, or of its own accord.
    fn wakes_up(&mut self, worker: &Thread) {
        match self.idle.iter().rposition(|idle| idle.id() == worker.id()) {
            Some(place) => {
                self.idle.remove(place);
                self.awake += 1;
            }
            None => self.woken -= 1,
        }
    }
}

/// Sleeps until the calling thread is woken or it is that time. Says whether it is.
fn sleep(deadline: Option<Instant>) -> bool {
    let left = deadline.map_or(Duration::MAX, |deadline| {
        deadline.saturating_duration_since(Instant::now())
    });
    thread::park_timeout(left);
    deadline.is_some_and(|deadline| Instant::now() >= deadline)
}

#[derive(Default)]
struct Answers {
    ready: Vec<(Requester, Answer)>,
    /// Wakes the frontend; none once it was woken for what is ready.
    frontend: Option<Waker>,
}

/// The frontend in the hands of the leader. Whatever ends its turn, it is there again for the next.
struct Lent<'a> {
    backlog: &'a Backlog,
    frontend: Option<Box<dyn Frontend>>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.backlog.put_down(self.frontend.take());
    }
}

impl Backlog {
    /// A backlog in which `limit` requests may wait while all of the `workers` are busy.
    pub fn new(limit: usize, workers: u32) -> Self {
        let requests = Requests {
            waiting: VecDeque::new(),
            workers,
            idle: Vec::new(),
            woken: 0,
            awake: workers as usize,
            leader: None,
            frontend: None,
            serving: 0,
            turns: 0,
        };
        Self {
            limit,
            frontend_moves: Condvar::new(),
            closed: AtomicBool::new(false),
            requests: Mutex::new(requests),
            answers: Mutex::default(),
        }
    }

    /// Hands over what has `arrived`, which is empty afterwards. Calls those that are refused.
    pub fn submit(&self, arrived: &mut Vec<Requester>) {
        let mut requests = self.requests();
        let refusal = if self.is_closed() {
            Refusal::Closed
        } else {
            // An idle worker will take its request at once: that one does not wait.
            let idle = requests.idle.len() + requests.woken + requests.serving;
            let room = (self.limit + idle).saturating_sub(requests.waiting.len());
            let taken = room.min(arrived.len());
            requests.waiting.extend(arrived.drain(..taken));
            Refusal::Full
        };
        self.wake_one(requests);
        for requester in arrived.drain(..) {
            requester(Answer::Refused(refusal));
        }
    }

    /// The next request, if one waits.
    pub fn take_waiting(&self) -> Option<Requester> {
        let mut requests = self.requests();
        let requester = requests.waiting.pop_front();
        self.wake_one(requests);
        requester
    }

    /// The next request, once there is one; none if none comes within `patience` or the backlog is closed. A worker that
    /// `may_lead` does so if no other does, unless it might not be relieved in time.
    pub fn take(&self, patience: Option<Duration>, may_lead: bool) -> Option<Requester> {
        let deadline = patience.and_then(|patience| Instant::now().checked_add(patience));
        let mut requests = self.requests();
        if may_lead && patience.is_none_or(|patience| patience > 2 * LEADER_PATIENCE) {
            requests = self.lead(requests);
        }
        let mut time_up = false;
        while requests.waiting.is_empty() && !self.is_closed() && !time_up {
            requests.idle.push(thread::current());
            requests.awake -= 1;
            drop(requests);
            time_up = sleep(deadline);
            requests = self.requests();
            requests.wakes_up(&thread::current());
        }
        let requester = requests.waiting.pop_front();
        self.wake_one(requests);
        requester
    }

    /// Runs the frontend until a request waits or no operation is begun any more, if the calling worker can get the lead and
    /// as long as it has it.
    fn lead<'a>(&'a self, mut requests: MutexGuard<'a, Requests>) -> MutexGuard<'a, Requests> {
        let me = thread::current().id();
        if requests.leader.is_none() {
            requests.leader = Some(me);
            drop(requests);
            // Where its thread runs the frontend, it is to lend it.
            self.wake_frontend();
            requests = self.requests();
        }
        while self.is_idle_leader(&requests, me) {
            requests.serving += 1;
            requests.turns += 1;
            let lent = requests.frontend.take();
            requests = match lent {
                Some(frontend) => {
                    drop(requests);
                    self.take_turn(frontend);
                    self.requests()
                }
                None => {
                    let waited = self.frontend_moves.wait(requests);
                    waited.unwrap_or_else(PoisonError::into_inner)
                }
            };
            requests.serving -= 1;
        }
        requests
    }

    /// The leader runs the frontend until a request waits for it.
    fn take_turn(&self, frontend: Box<dyn Frontend>) {
        let mut lent = Lent {
            backlog: self,
            frontend: Some(frontend),
        };
        let me = thread::current().id();
        if let Some(frontend) = &mut lent.frontend {
            frontend.run_until(&mut |_| !self.is_idle_leader(&self.requests(), me));
        }
    }

    /// Nobody runs the frontend for now, so nothing need wake it.
    fn put_down(&self, frontend: Option<Box<dyn Frontend>>) {
        self.answers().frontend = None;
        let mut requests = self.requests();
        requests.frontend = frontend;
        // A leader that still leads takes it for its next turn, too: only others wait for it.
        if requests.leader != Some(thread::current().id()) {
            drop(requests);
            self.frontend_moves.notify_all();
        }
    }

    /// Whether a worker leads, to whom the frontend is to be lent.
    pub fn is_led(&self) -> bool {
        self.requests().leader.is_some()
    }

    /// The frontend's thread sleeps while a worker leads, and has the frontend back afterwards. It relieves one that has not
    /// waited for a request in the meantime, and one that waits for the same request all the time.
    pub fn lend(&self, frontend: Box<dyn Frontend>) -> Box<dyn Frontend> {
        self.put_down(Some(frontend));
        let mut requests = self.requests();
        loop {
            if requests.leader.is_none()
                && let Some(frontend) = requests.frontend.take()
            {
                return frontend;
            }
            let turns = requests.turns;
            let (guard, waited) = self
                .frontend_moves
                .wait_timeout(requests, LEADER_PATIENCE)
                .unwrap_or_else(PoisonError::into_inner);
            requests = guard;
            if waited.timed_out() && requests.turns == turns {
                requests.leader = None;
                drop(requests);
                self.wake_frontend();
                requests = self.requests();
            }
        }
    }

    /// The calling worker falls asleep in the midst of an operation. Until it [wakes up](Self::wake_up) the others see to what
    /// waits.
    pub fn fall_asleep(&self) {
        let mut requests = self.requests();
        requests.awake -= 1;
        self.give_up_lead(&mut requests);
        self.wake_one(requests);
    }

    /// The calling worker is awake again.
    pub fn wake_up(&self) {
        self.requests().awake += 1;
    }

    /// Answers requests that were taken.
    pub fn answer(&self, ended: impl IntoIterator<Item = (Requester, Answer)>) {
        self.answers().ready.extend(ended);
        self.wake_frontend();
    }

    /// Calls all those whose answer is ready. The next answer wakes `frontend`.
    pub fn deliver(&self, frontend: &Waker) {
        let mut answers = self.answers();
        let ready = mem::take(&mut answers.ready);
        answers.frontend = Some(frontend.clone());
        drop(answers);
        for (requester, answer) in ready {
            requester(answer);
        }
    }

    /// Wakes the frontend, where it runs.
    pub fn wake_frontend(&self) {
        let frontend = self.answers().frontend.take();
        if let Some(frontend) = frontend {
            frontend.wake();
        }
    }

    /// A worker leaves; the last one closes the backlog.
    pub fn leave(&self) {
        let mut requests = self.requests();
        requests.workers -= 1;
        requests.awake -= 1;
        self.give_up_lead(&mut requests);
        if requests.workers == 0 {
            drop(requests);
            self.close();
        } else {
            self.wake_one(requests);
        }
    }

    /// No operation is begun any more: requests that wait are refused, workers that wait go on.
    pub fn close(&self) {
        let mut requests = self.requests();
        self.closed.store(true, Ordering::SeqCst);
        let refused = mem::take(&mut requests.waiting);
        requests.idle.iter().for_each(Thread::unpark);
        self.frontend_moves.notify_all();
        drop(requests);
        let refusal = Answer::Refused(Refusal::Closed);
        self.answer(refused.into_iter().map(|requester| (requester, refusal)));
    }

    /// Whether no operation is begun any more.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    fn is_idle_leader(&self, requests: &Requests, worker: ThreadId) -> bool {
        requests.leader == Some(worker) && requests.waiting.is_empty() && !self.is_closed()
    }

    fn give_up_lead(&self, requests: &mut Requests) {
        if requests.leader == Some(thread::current().id()) {
            requests.leader = None;
            self.frontend_moves.notify_all();
        }
    }

    /// Wakes an idle worker if there is more to do than those that are awake see to. It wakes the next.
    fn wake_one(&self, mut requests: MutexGuard<'_, Requests>) {
        if requests.waiting.len() > requests.awake * SHARE
            && let Some(worker) = requests.idle.pop()
        {
            requests.awake += 1;
            requests.woken += 1;
            drop(requests);
            worker.unpark();
        }
    }

    // What these locks guard is changed in steps that cannot fail halfway, so poison has no meaning here.

    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Wake;

    use super::*;
    use crate::sync::{Arc, explore};

    /// Wakes a thread that waits for answers.
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    fn waker() -> Waker {
        Arc::new(Unpark(thread::current())).into()
    }

    type Answered = Arc<Mutex<Vec<Answer>>>;

    fn requester(answered: &Answered) -> Requester {
        let answered = Arc::clone(answered);
        Box::new(move |answer| answered.lock().unwrap().push(answer))
    }

    /// Collects until all of `count` requests are answered.
    fn deliver_all(backlog: &Backlog, answered: &Answered, count: usize) -> Vec<Answer> {
        let frontend = waker();
        loop {
            backlog.deliver(&frontend);
            let answers = answered.lock().unwrap().clone();
            assert!(answers.len() <= count, "answered twice: {answers:?}");
            if answers.len() == count {
                return answers;
            }
            thread::park();
        }
    }

    /// A worker that carries out at most `count` requests.
    fn work(backlog: &Backlog, worker: u32, count: u64) {
        for iteration in 1..=count {
            let Some(requester) = backlog.take(None, false) else {
                break;
            };
            let answer = Answer::Ended {
                worker,
                iteration,
                attempts: 1,
                ending: Ending::Abandoned,
            };
            backlog.answer([(requester, answer)]);
        }
        backlog.leave();
    }

    fn start_workers(backlog: &Arc<Backlog>, counts: &[u64]) -> Vec<thread::JoinHandle<()>> {
        (0..)
            .zip(counts)
            .map(|(worker, count)| {
                let (backlog, count) = (Arc::clone(backlog), *count);
                thread::spawn(move || work(&backlog, worker, count))
            })
            .collect()
    }

    fn ended(answers: &[Answer]) -> usize {
        let ended = |answer: &&Answer| matches!(answer, Answer::Ended { .. });
        answers.iter().filter(ended).count()
    }

    #[test]
    fn every_request_is_carried_out_once() {
        explore(|| {
            let (backlog, answered) = (Arc::new(Backlog::new(9, 3)), Answered::default());
            let workers = start_workers(&backlog, &[u64::MAX; 3]);
            for batch in [2, 1, 2] {
                backlog.submit(&mut (0..batch).map(|_| requester(&answered)).collect());
            }
            assert_eq!(ended(&deliver_all(&backlog, &answered, 5)), 5);
            backlog.close();
            for worker in workers {
                worker.join().unwrap();
            }
        });
    }

    #[test]
    fn whoever_closes_refuses_what_no_worker_has_taken() {
        explore(|| {
            let (backlog, answered) = (Arc::new(Backlog::new(9, 2)), Answered::default());
            let mut threads = start_workers(&backlog, &[u64::MAX; 2]);
            backlog.submit(&mut (0..3).map(|_| requester(&answered)).collect());
            threads.push(thread::spawn({
                let backlog = Arc::clone(&backlog);
                move || backlog.close()
            }));
            backlog.submit(&mut vec![requester(&answered)]);
            deliver_all(&backlog, &answered, 4);
            for thread in threads {
                thread.join().unwrap();
            }
            backlog.submit(&mut vec![requester(&answered)]);
            assert_eq!(
                deliver_all(&backlog, &answered, 5)[4],
                Answer::Refused(Refusal::Closed)
            );
        });
    }

    #[test]
    fn the_last_worker_that_leaves_refuses_the_rest() {
        explore(|| {
            let (backlog, answered) = (Arc::new(Backlog::new(9, 2)), Answered::default());
            let workers = start_workers(&backlog, &[1, 2]);
            backlog.submit(&mut (0..4).map(|_| requester(&answered)).collect());
            assert_eq!(ended(&deliver_all(&backlog, &answered, 4)), 3);
            for worker in workers {
                worker.join().unwrap();
            }
            assert!(backlog.is_closed());
        });
    }

    #[test]
    fn a_worker_that_leaves_leaves_what_waits_to_another() {
        explore(|| {
            let (backlog, answered) = (Arc::new(Backlog::new(9, 2)), Answered::default());
            let workers = start_workers(&backlog, &[1, 1]);
            backlog.submit(&mut (0..2).map(|_| requester(&answered)).collect());
            assert_eq!(ended(&deliver_all(&backlog, &answered, 2)), 2);
            for worker in workers {
                worker.join().unwrap();
            }
        });
    }

    #[test]
    fn what_finds_no_room_is_refused_at_once() {
        explore(|| {
            let (backlog, answered) = (Backlog::new(2, 1), Answered::default());
            backlog.submit(&mut (0..5).map(|_| requester(&answered)).collect());
            assert_eq!(
                *answered.lock().unwrap(),
                [Answer::Refused(Refusal::Full); 3]
            );
            assert!(backlog.take(None, false).is_some());
            backlog.submit(&mut vec![requester(&answered)]);
            assert_eq!(answered.lock().unwrap().len(), 3);
        });
    }

    /// Both workers sleep at the same time, so each must have been woken.
    #[test]
    fn a_worker_that_falls_asleep_leaves_what_waits_to_another() {
        explore(|| {
            let (backlog, answered) = (Arc::new(Backlog::new(9, 2)), Answered::default());
            let asleep = Arc::new(Mutex::new(0));
            let workers: Vec<_> = (0..2)
                .map(|_| {
                    let (backlog, asleep) = (Arc::clone(&backlog), Arc::clone(&asleep));
                    thread::spawn(move || {
                        let requester = backlog.take(None, false).unwrap();
                        backlog.fall_asleep();
                        *asleep.lock().unwrap() += 1;
                        while *asleep.lock().unwrap() < 2 {
                            thread::yield_now();
                        }
                        backlog.wake_up();
                        backlog.answer([(requester, Answer::Refused(Refusal::Closed))]);
                    })
                })
                .collect();
            for _ in 0..2 {
                backlog.submit(&mut vec![requester(&answered)]);
            }
            deliver_all(&backlog, &answered, 2);
            for worker in workers {
                worker.join().unwrap();
            }
        });
    }

    /// With no room at all, a worker that waits can be given a request, and a second one is refused.
    #[test]
    fn a_request_for_an_idle_worker_needs_no_room() {
        explore(|| {
            let (backlog, answered) = (Arc::new(Backlog::new(0, 1)), Answered::default());
            let workers = start_workers(&backlog, &[1]);
            while backlog.requests().idle.is_empty() {
                thread::yield_now();
            }
            backlog.submit(&mut (0..2).map(|_| requester(&answered)).collect());
            assert_eq!(ended(&deliver_all(&backlog, &answered, 2)), 1);
            for worker in workers {
                worker.join().unwrap();
            }
        });
    }

    /// What clients and the frontend share.
    struct Desk {
        backlog: Arc<Backlog>,
        arrived: Mutex<Vec<Requester>>,
    }

    impl Desk {
        fn new(workers: u32) -> Arc<Self> {
            Arc::new(Self {
                backlog: Arc::new(Backlog::new(9, workers)),
                arrived: Mutex::default(),
            })
        }

        fn arrive(&self, requester: Requester) {
            self.arrived.lock().unwrap().push(requester);
            self.backlog.wake_frontend();
        }

        /// What the frontend's thread does, until so many requests are answered.
        fn answer_all(self: &Arc<Self>, answered: &Answered, count: usize) -> Vec<Answer> {
            let all = || answered.lock().unwrap().len() == count;
            let mut frontend: Box<dyn Frontend> = Box::new(Clerk(Arc::clone(self)));
            while !all() {
                frontend.run_until(&mut |_| all() || self.backlog.is_led());
                frontend = self.backlog.lend(frontend);
            }
            answered.lock().unwrap().clone()
        }
    }

    /// A frontend.
    struct Clerk(Arc<Desk>);

    impl Frontend for Clerk {
        fn run_until(&mut self, is_over: &mut dyn FnMut(&mut Context<'_>) -> bool) {
            let waker = waker();
            loop {
                self.0.backlog.deliver(&waker);
                let mut arrived = mem::take(&mut *self.0.arrived.lock().unwrap());
                self.0.backlog.submit(&mut arrived);
                if is_over(&mut Context::from_waker(&waker)) {
                    return;
                }
                thread::park();
            }
        }
    }

    /// A worker that leads if it can, and carries out at most `count` requests, each with a sleep if it `sleeps`.
    fn lead(backlog: &Backlog, count: u64, sleeps: bool) {
        for _ in 0..count {
            let Some(requester) = backlog.take(None, true) else {
                break;
            };
            if sleeps {
                backlog.fall_asleep();
                thread::yield_now();
                backlog.wake_up();
            }
            let answer = Answer::Ended {
                worker: 0,
                iteration: 1,
                attempts: 1,
                ending: Ending::Abandoned,
            };
            backlog.answer([(requester, answer)]);
        }
        backlog.leave();
    }

    #[test]
    fn whoever_leads_and_leaves_or_sleeps_every_request_is_carried_out_once() {
        for sleeps in [false, true] {
            explore(move || {
                let (desk, answered) = (Desk::new(2), Answered::default());
                let mut threads: Vec<_> = (0..2)
                    .map(|_| {
                        let backlog = Arc::clone(&desk.backlog);
                        thread::spawn(move || lead(&backlog, 2, sleeps))
                    })
                    .collect();
                let (client, asked) = (Arc::clone(&desk), Arc::clone(&answered));
                threads.push(thread::spawn(move || {
                    (0..4).for_each(|_| client.arrive(requester(&asked)));
                }));
                assert_eq!(ended(&desk.answer_all(&answered, 4)), 4);
                for thread in threads {
                    thread.join().unwrap();
                }
            });
        }
    }

    #[test]
    fn a_leader_that_waits_ends_with_the_backlog() {
        explore(|| {
            let (desk, answered) = (Desk::new(2), Answered::default());
            let mut threads: Vec<_> = (0..2)
                .map(|_| {
                    let backlog = Arc::clone(&desk.backlog);
                    thread::spawn(move || lead(&backlog, u64::MAX, false))
                })
                .collect();
            let (client, asked) = (Arc::clone(&desk), Arc::clone(&answered));
            threads.push(thread::spawn(move || {
                (0..2).for_each(|_| client.arrive(requester(&asked)));
                client.backlog.close();
            }));
            desk.answer_all(&answered, 2);
            for thread in threads {
                thread.join().unwrap();
            }
        });
    }
}
