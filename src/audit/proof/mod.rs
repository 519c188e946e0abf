//! The audit's own proof: truthful logs are clean, and whatever is planted in one is named, and nothing else.
//!
//! `simulate` makes truthful logs, `planted` puts mutations into them and `oracle` works out what must be said of them;
//! `options`, `bugs` and `hostile` hold single claims.

mod altered;
mod bugs;
mod hostile;
mod judging;
mod options;
pub(super) mod oracle;
mod planted;
pub(crate) mod simulate;

use proptest::prelude::*;

use super::{
    proof::{
        oracle::{expected, found, settle_by_time},
        planted::{Planted, Slot},
        simulate::{Course, Dice, Entry},
    },
    records::record::{Producer, attempt_event, render},
    *,
};
use crate::{
    log::event::Event,
    plan::{
        Outcome, Position,
        workload::{Micros, Workload},
    },
};

const START: u64 = 1_795_455_720_000_000;

fn course(run: u64, json: bool, stop_after: Option<u64>) -> Course {
    Course {
        run,
        start: START,
        json,
        stop_after,
    }
}

fn config(bytes: Vec<u8>) -> AuditConfig {
    AuditConfig::new(vec![Input::Bytes("app.log".into(), bytes)])
}

fn audit(config: &AuditConfig) -> Verdict {
    run(config).unwrap()
}

fn assert_clean(verdict: &Verdict, what: &str) {
    assert_eq!(verdict.status, Status::Clean, "{what}: {}", report(verdict));
}

#[test]
fn truthful_logs_are_clean() {
    let mut dice = Dice(1);
    for json in [false, true] {
        for (threads, iterations, panic_rate, stop) in [
            (1, 1, "0", None),
            (10, 100, "0", None),
            (10, 100, "0.01", None),
            (7, 300, "0", Some(500)),
            (3, 200, "0.002", Some(100)),
            (200, 3, "0", None),
        ] {
            let mut workload = simulate::workload(7, threads, iterations);
            workload.panic_rate = panic_rate.parse().unwrap();
            let entries = simulate::run(&workload, &course(1, json, stop), &mut dice);
            let verdict = audit(&config(simulate::log(&entries)));
            assert_clean(&verdict, &format!("{threads} {panic_rate} {stop:?}"));
            assert_eq!(verdict.lines, entries.len() as u64);
        }
    }
}

/// What a pipeline puts around a line: a wrapper in another, at random.
struct Carrier {
    layers: Vec<(Layer, u64)>,
}

/// A way to wrap a line; the number makes it another one.
type Layer = fn(String, u64) -> String;

fn json_string(line: &str) -> String {
    serde_json::to_string(line).unwrap()
}

/// What stands around a line, in as many forms as there are numbers.
const LAYERS: [Layer; 10] = [
    |line, n| format!("<{n}>Nov  3 17:42:00 host{n} hifi[{n}]: {line}"),
    |line, n| format!("2026-11-23T17:42:00.{n:06}+01:00 host hifi: {line}"),
    |line, n| format!("2026-11-23T17:42:00.{n}Z stdout F {line}"),
    |line, n| format!("[pod/hifi-{n}/hifi] {line}"),
    |line, n| format!("{n}\tapp\t{line}"),
    |line, n| format!("{{app=\"hifi\", pod=\"{n}\"}} {line}"),
    |line, n| {
        let line = json_string(&format!("{line}\n"));
        format!("{{\"log\":{line},\"stream\":\"stdout\",\"attrs\":{{\"n\":{n}}}}}")
    },
    |line, n| {
        format!(
            "{{\"n\":{n},\"message\":{},\"tags\":[\"a\",{n}]}}",
            json_string(&line)
        )
    },
    |line, n| format!("[[\"{n}\", {}]]", json_string(&line)),
    |line, n| format!("{n},host,\"{}\"", line.replace('"', "\"\"")),
];

impl Carrier {
    /// Nothing, or one wrapper, or two of which only the inner one may escape what is in it.
    fn roll(dice: &mut Dice) -> Self {
        let count = dice.roll(3);
        let mut layers = Vec::new();
        for i in 0..count {
            let from = if i == 0 { LAYERS.len() } else { 6 };
            layers.push((LAYERS[dice.roll(from as u64) as usize], dice.roll(1000)));
        }
        Self { layers }
    }

    fn carry(&self, line: &str) -> String {
        let wrap = |line, (layer, n): &(Layer, u64)| layer(line, *n);
        self.layers.iter().fold(line.to_owned(), wrap)
    }
}

/// A log of one or several runs whose lines lie between each other.
fn some_log(dice: &mut Dice) -> (Workload, Vec<Entry>, bool, bool) {
    let json = dice.roll(3) == 0;
    let stopped = dice.roll(3) == 0;
    let mut workload = simulate::workload(
        dice.roll(1 << 40),
        1 + dice.roll(9) as u32,
        1 + dice.roll(60),
    );
    if dice.roll(4) == 0 {
        workload.panic_rate = "0.01".parse().unwrap();
    }
    let mut logs: Vec<_> = (0..1 + dice.roll(3))
        .map(|i| {
            let stop = stopped.then(|| dice.roll(200));
            let run = dice.roll(1 << 31) << 32 | i;
            simulate::run(&workload, &course(run, json, stop), dice)
                .into_iter()
                .peekable()
        })
        .collect();
    let mut entries = Vec::new();
    while logs.iter_mut().any(|log| log.peek().is_some()) {
        let which = dice.roll(logs.len() as u64) as usize;
        entries.extend(logs[which].next());
    }
    (workload, entries, json, stopped)
}

/// Plants mutations into random logs and holds the verdict against what was planted.
#[test]
fn what_is_planted_is_named_and_nothing_else() {
    // `HIFI_PROOF=1..=1000000` makes a long run of it, or goes on from any seed.
    let seeds = std::env::var("HIFI_PROOF").unwrap_or_else(|_| "1..=900".into());
    let (first, last) = seeds.split_once("..=").unwrap();
    let (first, last) = (first.parse::<u64>().unwrap(), last.parse::<u64>().unwrap());
    let planted: u64 = (first..=last).map(plant_and_compare).sum();
    let fewest = (last - first + 1) * 14;
    assert!(planted >= fewest, "only {planted} mutations were planted");
}

fn plant_and_compare(seed: u64) -> u64 {
    let mut dice = Dice(seed);
    let (workload, entries, json, stopped) = some_log(&mut dice);
    // A stopped run's end cannot be computed: the lines that tell it are left alone here.
    let protected = |entry: &Entry| match entry.event {
        Event::RunEnded { .. } => true,
        Event::WorkerEnded { .. } => stopped && entry.author != Producer::Worker(0),
        _ => false,
    };
    let mut log = Planted::new(entries, json, protected);
    for _ in 0..40 {
        log.plant(&mut dice);
    }
    if dice.roll(4) == 0 {
        log.drop_head(&mut dice);
    }
    // How far a stopped run would have come nobody knows.
    if !stopped && dice.roll(4) == 0 {
        log.drop_tail(&mut dice);
    }
    let carrier = Carrier::roll(&mut dice);
    let mut config = config(log.bytes(|line| carrier.carry(line)));
    config.fallback = Some(workload);
    let verdict = audit(&config);
    let mut expected = expected(&log);
    let found = found(&verdict, &mut expected);
    expected.settle(&log);
    settle_by_time(&log, &found, &mut expected);
    let what = || {
        format!(
            "seed {seed}, {}: {}",
            carrier.carry("LINE"),
            report(&verdict)
        )
    };
    assert_eq!(found, expected, "{}", what());
    assert_eq!(
        verdict.exit_code(),
        u8::from(log.planted > 0),
        "seed {seed}"
    );
    log.planted
}

/// One finished run of `workload`, and its lines.
fn finished(threads: u32, iterations: u64) -> (Workload, Vec<Entry>) {
    let workload = simulate::workload(7, threads, iterations);
    let entries = simulate::run(&workload, &course(1, false, None), &mut Dice(5));
    (workload, entries)
}
