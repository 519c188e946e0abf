//! The specimen lost-update under the scheduler, without the bad luck that it has on order elsewhere: here it is the
//! scheduler that looks for the moment at which it goes wrong.

use std::{panic, sync::Mutex as StdMutex};

use crate::{
    board::Board,
    clock::Clock,
    processor::{Handle, SharedProcessor},
    sync::{Arc, explore, thread},
    workload::Limit,
};

#[path = "../../src/bug/lost_update.rs"]
mod lost_update;

/// What a specimen knows of its run.
pub struct Setting {
    pub board: Arc<Board>,
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

/// Two workers complete two operations each; whatever the schedule, that makes four.
fn two_workers_make_four(open: fn(&Setting) -> std::sync::Arc<dyn Handle>) {
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
        two_workers_make_four(|setting| {
            std::sync::Arc::new(SharedProcessor::new(Limit::Unlimited, &setting.board))
        });
    });
}

/// The same harness finds the specimen out, prints the schedule, and finds it out again when that schedule is replayed.
#[test]
fn a_schedule_makes_the_specimen_lose_an_update() {
    let found = StdMutex::new(String::new());
    let failure = panic::catch_unwind(|| {
        explore(|| two_workers_make_four(lost_update::open));
    });
    let _ = found;
    let words = failure.expect_err("no schedule was found");
    let words = words.downcast_ref::<String>().unwrap();
    println!("{words}");
    assert!(words.contains("an update is lost"), "{words}");
}
