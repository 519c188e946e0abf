//! The specimen lost-update under the scheduler, without the bad luck that it has on order elsewhere: here it is the
//! scheduler that looks for the moment at which it goes wrong.

use std::{
    fs,
    panic::{self, AssertUnwindSafe},
};

use shuttle::{Config, FailurePersistence, Runner, scheduler::RandomScheduler};

use crate::{
    board::Board,
    clock::Clock,
    processor::{Handle, SharedProcessor},
    sync::{Arc, SCHEDULES, explore, thread},
    workload::Limit,
};

#[path = "../../src/bug/lost_update.rs"]
mod lost_update;

/// What a specimen knows of its run.
pub struct Setting {
    board: Arc<Board>,
}

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
fn two_and_two_make_four(open: fn(&Setting) -> std::sync::Arc<dyn Handle>) {
    let board = Arc::new(Board::new(2, Clock::start()));
    let processor = open(&Setting {
        board: Arc::clone(&board),
    });
    let workers: Vec<_> = (0..2)
        .map(|worker| {
            let (processor, board) = (processor.clone(), Arc::clone(&board));
            thread::spawn(move || {
                processor.record(board.desk(worker));
                processor.record(board.desk(worker));
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
        two_and_two_make_four(|setting| {
            std::sync::Arc::new(SharedProcessor::new(Limit::Unlimited, &setting.board))
        });
    });
}

/// The same harness finds the specimen out, prints the schedule, and with that schedule finds it out every time.
#[test]
fn a_schedule_makes_the_specimen_lose_an_update() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::new();
    config.failure_persistence = FailurePersistence::File(Some(folder.path().into()));
    let runner = Runner::new(RandomScheduler::new(SCHEDULES), config);
    let failure = failure_of(|| {
        runner.run(|| two_and_two_make_four(lost_update::open));
    });
    assert!(failure.contains("an update is lost"), "{failure}");
    let path = folder.path().join("schedule000.txt");
    println!("the schedule: {}", fs::read_to_string(&path).unwrap());
    for _ in 0..3 {
        let again = failure_of(|| {
            shuttle::replay_from_file(|| two_and_two_make_four(lost_update::open), &path);
        });
        assert!(again.contains("an update is lost"), "{again}");
    }
}

/// The words with which `test` fails.
fn failure_of(test: impl FnOnce()) -> String {
    let failure = panic::catch_unwind(AssertUnwindSafe(test)).expect_err("no schedule fails");
    failure.downcast_ref::<String>().unwrap().clone()
}
