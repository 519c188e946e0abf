//! The specimen lost-update under the scheduler, without the bad luck that it has on order elsewhere: here it is the
//! scheduler that looks for the moment at which it goes wrong.

use std::{
    mem,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, Mutex},
};

use shuttle::{
    Config, Runner,
    scheduler::{RandomScheduler, ReplayScheduler, Schedule, Scheduler, Task, TaskId},
};

use crate::{
    log::clock::Clock,
    plan::workload::Limit,
    sync::{Mutex as ModelMutex, SCHEDULES, explore, thread},
    work::processor::{Handle, Processor},
    work::status::StatusBoard,
};

#[path = "../../src/bugs/lost_update.rs"]
mod lost_update;

/// What a specimen knows of its run.
pub struct Setting;

mod bad_luck {
    pub struct BadLuck;

    impl BadLuck {
        pub fn new(_setting: &super::Setting) -> Self {
            Self
        }

        pub fn strike(&self) {}
    }
}

/// Two workers complete two operations each. Whatever the schedule, that makes four.
fn two_and_two_make_four(open: fn(&Setting) -> Arc<dyn Handle>) {
    let board = Arc::new(StatusBoard::new(0..2, Clock::start()));
    let processor = open(&Setting);
    let workers: Vec<_> = (0..2)
        .map(|worker| {
            let (processor, board) = (Arc::clone(&processor), Arc::clone(&board));
            thread::spawn(move || {
                processor.record(board.worker(worker));
                processor.record(board.worker(worker));
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
    assert_eq!(processor.contents().counter, 4, "an update is lost");
}

#[test]
fn no_schedule_makes_the_processor_lose_an_update() {
    explore(|| {
        two_and_two_make_four(|_| Arc::new(ModelMutex::new(Processor::new(Limit::Unlimited))));
    });
}

/// The same harness finds the specimen out, prints the schedule, and with that schedule finds it out every time.
#[test]
fn a_schedule_makes_the_specimen_lose_an_update() {
    let steps = Arc::default();
    let failure = failure_under(Recording {
        scheduler: RandomScheduler::new(SCHEDULES),
        steps: Arc::clone(&steps),
    });
    assert!(failure.contains("an update is lost"), "{failure}");
    let steps = mem::take(&mut *steps.lock().unwrap());
    let names = ["main", "Worker-0", "Worker-1"];
    let names: Vec<_> = steps.iter().map(|step| names[usize::from(*step)]).collect();
    println!(
        "an update is lost if these go on, in this order: {}",
        names.join(", ")
    );
    for _ in 0..3 {
        let schedule = Schedule::new_from_task_ids(0, steps.iter().copied());
        let again = failure_under(ReplayScheduler::new_from_schedule(schedule));
        assert_eq!(again, failure);
    }
}

/// The words with which the specimen fails under what a scheduler decides.
fn failure_under(scheduler: impl Scheduler + 'static) -> String {
    let runner = Runner::new(scheduler, Config::new());
    let run = || runner.run(|| two_and_two_make_four(lost_update::open));
    let failure = panic::catch_unwind(AssertUnwindSafe(run)).expect_err("no schedule fails");
    failure.downcast_ref::<String>().unwrap().clone()
}

/// Notes which task goes on, step by step, of the execution at hand.
struct Recording<S> {
    scheduler: S,
    steps: Arc<Mutex<Vec<TaskId>>>,
}

impl<S: Scheduler> Scheduler for Recording<S> {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.steps.lock().unwrap().clear();
        self.scheduler.new_execution()
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        is_yielding: bool,
    ) -> Option<TaskId> {
        let next = self.scheduler.next_task(runnable, current, is_yielding)?;
        self.steps.lock().unwrap().push(next);
        Some(next)
    }

    fn next_u64(&mut self) -> u64 {
        self.scheduler.next_u64()
    }
}
