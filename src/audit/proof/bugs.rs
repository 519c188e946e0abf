//! The logs of programs with bugs: they are whole, and the books do not balance.

use super::*;
use crate::{log::event::Reason, plan::workload::Probability};

/// The log of a program with a bug: `bug` changes what it writes.
fn with_bug(entries: &[Entry], mut bug: impl FnMut(&mut Event)) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in entries {
        let mut event = entry.event.clone();
        bug(&mut event);
        out.extend(render(
            entry.run,
            entry.author,
            entry.seq,
            entry.stamp,
            &event,
            false,
        ));
        out.push(b'\n');
    }
    out
}

/// An update of the counter was lost: one value twice, and a total that is short by one.
#[test]
fn a_lost_update_shows_in_the_books() {
    let (_, entries) = finished(5, 100);
    let log = with_bug(&entries, |event| match event {
        Event::Succeeded { counter, .. } if *counter > 77 => *counter -= 1,
        Event::TotalOperations { count } | Event::TotalData { count } => *count -= 1,
        _ => {}
    });
    let verdict = audit(&config(log));
    let said = report(&verdict);
    assert!(
        said.contains("counter values that were there before: 77"),
        "{said}"
    );
    assert!(
        said.contains("Total operations completed is 494, and must be 495"),
        "{said}"
    );
    let counts = verdict.runs[0].counts;
    // One worker may have logged both.
    assert!((2..=3).contains(&counts.books), "{said}");
    assert_eq!(
        counts,
        Counts {
            books: counts.books,
            ..Counts::default()
        }
    );
}

/// A Processor for each worker: each counts from 1, and the total is that of none.
#[test]
fn split_state_shows_in_the_books() {
    let (_, entries) = finished(5, 100);
    let log = with_bug(&entries, |event| {
        if let Event::Succeeded {
            counter, iteration, ..
        } = event
        {
            *counter = *iteration;
        }
    });
    let verdict = audit(&config(log));
    let counts = verdict.runs[0].counts;
    assert!(counts.books >= 300, "{}", report(&verdict));
    assert_eq!(
        counts,
        Counts {
            books: counts.books,
            ..Counts::default()
        }
    );
}

/// A worker that an unexpected error has ended says that it was stopped, or finished: its figures are true, its reason is not.
#[test]
fn a_reason_that_the_plan_does_not_bear_out_shows_in_the_books() {
    let workload = Workload {
        panic_rate: Probability::new(0.02).unwrap(),
        ..simulate::workload(7, 4, 60)
    };
    let entries = simulate::run(&workload, &course(1, false, None), &mut Dice(11));
    for wrong in [Reason::Stopped, Reason::Finished] {
        let mut panicked = 0;
        let log = with_bug(&entries, |event| {
            if let Event::WorkerEnded { reason, .. } = event
                && *reason == Reason::Panicked
            {
                panicked += 1;
                *reason = wrong;
            }
        });
        assert!(panicked > 0);
        let verdict = audit(&config(log));
        let books = Counts {
            books: panicked,
            ..Counts::default()
        };
        assert_eq!(verdict.runs[0].counts, books, "{}", report(&verdict));
    }
}

/// Errors are swallowed: no attempt follows a failed one, whatever was planned.
#[test]
fn swallowed_errors_are_off_the_plan() {
    let (_, entries) = finished(1, 100);
    let mut log = Vec::new();
    let mut seq = 0;
    for entry in &entries {
        let retry = matches!(
            entry.event,
            Event::Succeeded { attempt: 2.., .. } | Event::Failed { attempt: 2.., .. }
        );
        if !retry {
            let worker = entry.author != Producer::Main;
            let number = if worker { seq } else { entry.seq };
            log.extend(render(
                1,
                entry.author,
                number,
                entry.stamp,
                &entry.event,
                false,
            ));
            log.push(b'\n');
            seq += u64::from(worker);
        }
    }
    let verdict = audit(&config(log));
    let counts = verdict.runs[0].counts;
    let said = report(&verdict);
    assert!(counts.unexpected > 50 && counts.books > 0, "{said}");
    assert_eq!(
        (
            counts.lost,
            counts.duplicated,
            counts.altered,
            counts.truncated
        ),
        (0, 0, 0, 0),
        "{said}"
    );
    assert!(said.contains("planned attempts never happened"), "{said}");
}
