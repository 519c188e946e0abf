//! The workers of a run: their threads, started with what they share, and waited for.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    context::{Notice, RunContext},
    observers::Observers,
};
use crate::{
    bugs::{self, Seam},
    errors::in_words,
    log::{self, clock::Stamp, event::Event},
    observe::process::Usage,
    plan::{Plan, workload::Limit, workload::Workload},
    shutdown::Cause,
    sync::Mutex,
    work::processor::{Handle, Processor, SharedProcessor},
    work::worker::{Done, Worker},
};

/// A worker's stack: it calls little, and thousands of them should fit.
const STACK_BYTES: usize = 256 << 10;

/// How long workers have to end once they were found to be stuck and a stop was asked for. A worker that waited for the
/// console goes on as soon as the console is given up.
const TIME_TO_RECOVER: Duration = Duration::from_secs(1);

/// Tells that a worker leaves, in whatever way it does.
struct Leaving {
    position: usize,
    notices: Sender<Notice>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let _ = self.notices.send(Notice::Leaving(self.position));
    }
}

/// The workers of a run, and what they share.
pub(super) struct Workers {
    processor: Arc<dyn Handle>,
    /// The number of the first worker.
    first: u32,
    threads: Vec<Option<JoinHandle<Done>>>,
    /// How many of them have not been waited for.
    left: usize,
    inbox: Receiver<Notice>,
    /// Once they were found to be stuck: until when they are waited for.
    deadline: Option<Instant>,
    ended: Ended,
}

/// How the workers of a run have ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ended {
    /// What they have done together, as they say.
    pub done: Done,
    /// Workers that could not be waited for.
    pub stuck: Vec<u32>,
    /// Why a thread could not be started.
    pub refused: Option<String>,
    /// What the process used when all had been started.
    pub usage_at_work: Usage,
}

impl Workers {
    /// Starts the workers. Where the system refuses a thread, those that were started are stopped; where what must be
    /// there before them could not be had, there are none.
    pub(super) fn start(
        context: &RunContext<'_>,
        observers: &Observers,
        inbox: Receiver<Notice>,
    ) -> Self {
        let workload = &context.config.workload;
        let seam = context.config.seam();
        let setting = bugs::Setting {
            data_limit: workload.data_limit,
            board: Arc::clone(&context.sources.board),
            stop: Arc::clone(&context.stop),
        };
        let mut workers = Self {
            processor: match seam {
                Some(Seam::Processor(open) | Seam::EachThread(open)) => open(&setting),
                _ => share_processor(workload.data_limit),
            },
            first: workload.workers().start,
            threads: Vec::new(),
            left: 0,
            inbox,
            deadline: None,
            ended: Ended {
                refused: observers.refused.clone(),
                ..Ended::default()
            },
        };
        if let Some(Seam::Log(set_up)) = seam
            && let Err(error) = context.log.reopen(*set_up)
        {
            workers.ended.refused = Some(in_words(&error));
        }
        if let Some(error) = workers.ended.refused.clone() {
            context.stop.request(Cause::Failure);
            Event::NotStarted { error }.emit();
        } else {
            workers.start_threads(context, seam, &setting);
        }
        workers.ended.usage_at_work = Usage::now();
        workers
    }

    fn start_threads(
        &mut self,
        context: &RunContext<'_>,
        seam: Option<&'static Seam>,
        setting: &bugs::Setting,
    ) {
        let workload = &context.config.workload;
        let deadline = deadline(workload, context.sources.board.now());
        for (position, number) in workload.workers().enumerate() {
            let producer = context.log.worker(number);
            let leaving = Leaving {
                position,
                notices: context.notices.clone(),
            };
            let (workload, setting) = (workload.clone(), setting.clone());
            let processor = Arc::clone(&self.processor);
            let worker = Worker {
                number,
                iterations: workload.iterations,
                deadline,
                board: Arc::clone(&context.sources.board),
                recorder: Arc::clone(&context.sources.counters[position]),
                stop: Arc::clone(&context.stop),
                backlog: context.sources.backlog.clone(),
            };
            let spawned = thread::Builder::new()
                .name(format!("Worker-{number}"))
                .stack_size(STACK_BYTES)
                .spawn(move || {
                    let _leaving = leaving;
                    log::sign_on(producer);
                    let processor = match seam {
                        Some(Seam::EachThread(open)) => open(&setting),
                        _ => processor,
                    };
                    match seam {
                        Some(Seam::Attempts(attempts)) => {
                            worker.work(&*processor, attempts(&workload, number))
                        }
                        _ => worker.work(&*processor, Plan::new(&workload, number)),
                    }
                });
            let worker = u64::from(number);
            match spawned {
                Ok(thread) => {
                    self.threads.push(Some(thread));
                    self.left += 1;
                }
                Err(error) => {
                    self.ended.refused = Some(format!(
                        "thread Worker-{number} could not be started: {error}; use fewer --threads than {}, or allow this \
                         user more processes (ulimit -u)",
                        context.config.workload.threads
                    ));
                    context.stop.request(Cause::Failure);
                    let error = error.to_string();
                    return Event::ThreadRefused { worker, error }.emit();
                }
            }
            Event::ThreadStarted { worker }.emit();
            // What those that have ended had of memory is there for the next.
            while let Ok(notice) = self.inbox.try_recv() {
                self.heed(notice);
            }
        }
    }

    /// Waits for all workers to end; once they were found to be stuck, no longer than [`TIME_TO_RECOVER`]. What they shared is
    /// left, and how they have ended.
    pub(super) fn join(mut self) -> (Arc<dyn Handle>, Ended) {
        while self.left > 0 {
            let patience = self.deadline.map_or(Duration::MAX, |deadline| {
                deadline.saturating_duration_since(Instant::now())
            });
            match self.inbox.recv_timeout(patience) {
                Ok(notice) => self.heed(notice),
                Err(_) => break,
            }
        }
        let stuck = (self.first..)
            .zip(&self.threads)
            .filter(|(_, thread)| thread.is_some())
            .map(|(worker, _)| worker);
        self.ended.stuck = stuck.collect();
        (self.processor, self.ended)
    }

    fn heed(&mut self, notice: Notice) {
        match notice {
            // A worker whose thread was refused leaves as well, without ever having come.
            Notice::Leaving(position) => {
                if let Some(thread) = self.threads.get_mut(position).and_then(Option::take) {
                    // A worker catches its panics. Were one to die all the same, its account would be
                    // missing and the books would not balance.
                    if let Ok(done) = thread.join() {
                        self.ended.done += done;
                    }
                    self.left -= 1;
                }
            }
            Notice::Stalled => self.deadline = Some(Instant::now() + TIME_TO_RECOVER),
        }
    }
}

/// Makes the one Processor of a run, before there are workers. Each worker is given a clone of the handle.
fn share_processor(data_limit: Limit) -> SharedProcessor {
    Arc::new(Mutex::new(Processor::new(data_limit)))
}

/// When the last operation may be started. A time past the end of the run's clock is none: no delay that ends there as
/// well reaches it.
fn deadline(workload: &Workload, now: Stamp) -> Option<Stamp> {
    let duration = Duration::from(workload.duration?);
    let nanos = u64::try_from(duration.as_nanos()).ok()?;
    now.0.checked_add(nanos).map(Stamp)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn workers_that_are_stuck_are_left_behind() {
        let (notices, inbox) = channel();
        let spawn = |position, pause: Duration| {
            let leaving = Leaving {
                position,
                notices: notices.clone(),
            };
            Some(thread::spawn(move || {
                let _leaving = leaving;
                thread::sleep(pause);
                Done {
                    begun: 7,
                    ..Done::default()
                }
            }))
        };
        let workers = Workers {
            processor: share_processor(Limit::Unlimited),
            first: 20,
            threads: vec![
                spawn(0, Duration::ZERO),
                spawn(1, Duration::MAX),
                spawn(2, Duration::ZERO),
            ],
            left: 3,
            inbox,
            deadline: None,
            ended: Ended::default(),
        };
        notices.send(Notice::Leaving(3)).unwrap();
        notices.send(Notice::Stalled).unwrap();
        let (_, ended) = workers.join();
        assert_eq!((ended.done.begun, ended.stuck), (14, vec![21]));
    }
}
