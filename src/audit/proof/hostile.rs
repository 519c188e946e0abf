//! Logs that try to take the audit's time, memory or senses.

use super::*;
use crate::{
    log::{
        account::{Account, Closing},
        event::Reason,
    },
    plan::workload::Limit,
};

#[test]
fn nothing_is_never_clean() {
    for bytes in [
        &b""[..],
        b"\n",
        b"some words\nand more\n",
        b"\xff\xfe",
        &[0; 100],
    ] {
        let verdict = audit(&config(bytes.to_vec()));
        assert_eq!(verdict.exit_code(), 2, "{}", report(&verdict));
    }
    let missing = AuditConfig::new(vec![Input::File("/nowhere/app.log".into())]);
    assert!(run(&missing).is_err());
}

/// Lines with valid checksums that claim what no run can have.
#[test]
fn hostile_lines_cost_neither_time_nor_memory() {
    let event = Event::run_started(&simulate::workload(7, 4096, u64::MAX));
    let mut lines = vec![render(1, Producer::Main, 0, START, &event, false)];
    for number in [1 << 20, 1 << 40, u64::MAX - 1, u64::MAX] {
        for author in [
            Producer::Main,
            Producer::Worker(0),
            Producer::Worker(u32::MAX),
        ] {
            let claims = claims(number).into_iter();
            lines.extend(claims.map(|event| render(1, author, number, START, &event, false)));
        }
    }
    let verdict = audit(&config(lines.join(&b'\n')));
    assert_ne!(verdict.exit_code(), 0);
    report(&verdict);
}

/// Events in which this number stands wherever one can.
fn claims(number: u64) -> [Event; 8] {
    let success = |attempt| {
        let iteration = number;
        let position = Position { iteration, attempt };
        attempt_event(position, Outcome::Success { delay: Micros(0) }, number)
    };
    let closing = Closing {
        reason: Reason::Finished,
        account: Account {
            completed: number,
            abandoned: number,
            panicked: number,
            interrupted: number,
            failed_attempts: number,
            retries: number,
        },
        not_started: Limit::At(number),
    };
    [
        success(number),
        success(1),
        Event::TotalOperations { count: number },
        Event::ThreadStarted { worker: number },
        Event::LogReopened {},
        Event::LogGap {
            lost: number,
            ranges: format!("main:0-{number},3:1-{number}"),
        },
        closing.worker_ended(),
        closing.run_ended("x".into(), number, number),
    ]
}

#[test]
fn a_line_without_an_end_is_bounded() {
    let (_, entries) = finished(2, 20);
    let mut bytes = vec![b'x'; 5 << 20];
    bytes.extend(simulate::log(&entries));
    let verdict = audit(&config(bytes));
    let counts = verdict.runs[0].counts;
    assert_eq!(
        (counts.lost, counts.altered, counts.duplicated),
        (0, 0, 0),
        "{}",
        report(&verdict)
    );
    // All lines joined by spaces: each is found.
    let joined = simulate::log(&finished(2, 20_000).1);
    let joined: Vec<u8> = joined
        .iter()
        .map(|b| if *b == b'\n' { b' ' } else { *b })
        .collect();
    let verdict = audit(&config(joined));
    let counts = verdict.runs[0].counts;
    assert_eq!(
        (counts.lost, counts.unexpected, counts.truncated),
        (0, 0, 0),
        "{}",
        report(&verdict)
    );
}

#[test]
fn too_little_memory_is_said() {
    let workload = simulate::workload(7, 5, 20_000);
    let mut dice = Dice(5);
    let mut entries = simulate::run(&workload, &course(1, false, None), &mut dice);
    for i in (1..entries.len()).rev() {
        entries.swap(i, dice.roll(i as u64 + 1) as usize);
    }
    let mut config = config(simulate::log(&entries));
    config.memory = 20_000;
    let verdict = audit(&config);
    assert!(
        report(&verdict).contains("--memory"),
        "{}",
        report(&verdict)
    );
    assert!(report(&verdict).contains("without a \"Run started\""));
    assert_ne!(verdict.exit_code(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is read, there is a verdict, and it can be shown.
    #[test]
    fn any_bytes_end_in_a_verdict(bytes: Vec<u8>, text in "[0-9TZ:. a-zA-Z={}\"\\n-]{0,400}") {
        for bytes in [bytes, text.into_bytes()] {
            let verdict = audit(&config(bytes));
            prop_assert_ne!(verdict.exit_code(), 0);
            report(&verdict);
            serde_json::to_string(&verdict).unwrap();
        }
    }

    /// So there is for any edits of a true log, and what is not the true log is not clean. NUL bytes are holes, which are.
    #[test]
    fn any_edits_end_in_a_verdict(
        seed in 1_u64..1000,
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..300, prop::collection::vec(1_u8.., 0..40)), 1..12),
    ) {
        let (_, entries, ..) = some_log(&mut Dice(seed));
        let truth = simulate::log(&entries);
        let mut bytes = truth.clone();
        for (at, cut, insert) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            let end = (at + cut).min(bytes.len());
            bytes.splice(at..end, insert);
        }
        let same = bytes == truth || bytes == truth[..truth.len() - 1];
        let verdict = audit(&config(bytes));
        prop_assert!(same || verdict.exit_code() != 0, "{}", report(&verdict));
        report(&verdict);
        serde_json::to_string(&verdict).unwrap();
    }
}

/// Past those that are shown, lines whose numbers fit the plan are known to be altered without a trial.
#[test]
fn each_of_many_altered_lines_is_counted() {
    let (_, entries) = finished(2, 3000);
    let log = String::from_utf8(simulate::log(&entries)).unwrap();
    let verdict = audit(&config(log.replace(" counter=", " counter=9").into_bytes()));
    let counts = verdict.runs[0].counts;
    let successes = log.matches(" counter=").count() as u64;
    assert_eq!((counts.altered, counts.lost), (successes, 0));
    assert!(!report(&verdict).contains("so many"));
}

/// A log whose every line was damaged is not looked at for hours.
#[test]
fn too_many_damaged_lines_are_said() {
    let (_, entries) = finished(2, 20);
    let mut log = simulate::log(&entries);
    let cut = b"2026-11-23T17:42:00.000000Z ERROR main schema=1 sum=00000000\n";
    for _ in 0..6000 {
        log.extend_from_slice(cut);
    }
    let verdict = audit(&config(log));
    assert_eq!(verdict.runs[0].counts.unexpected, 6000);
    assert!(report(&verdict).contains("so many"), "{}", report(&verdict));
}
