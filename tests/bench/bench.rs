//! The benchmarks: first the race against a plain port of the same program, then the parts by themselves.
//!
//! `cargo bench` runs all of it; `cargo bench -- plan` only the cases whose name holds the word, and no race. A time means
//! something only beside another of the same run, on the same machine: quote ratios.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr
)]

/// What a competent port of the program looks like that uses the same crates with their defaults.
mod plain_port;
/// The race against it.
mod race;
/// Serving, beside a bare server.
#[cfg(feature = "monitoring")]
mod serving;

use std::{path::PathBuf, sync::Arc, thread};

use divan::{Bencher, counter::ItemsCount};
use hifi::{
    audit::{self, AuditConfig, Input},
    log::clock::Clock,
    log::config::{ConsoleConfig, LogConfig, LogFormat, Rotation},
    log::stream::Patience,
    log::{
        Log,
        line::{self, Encoder},
    },
    plan::Plan,
    plan::workload::{
        Backoff, Limit, Micros, Probability, RetryPolicy, Shard, TimeScale, Workload,
    },
};
use tracing::Level;

fn main() {
    if plain_port::is_asked_for() {
        return plain_port::run();
    }
    #[cfg(feature = "monitoring")]
    if serving::is_asked_for() {
        return serving::run_bare_server();
    }
    // `cargo bench` without more says just this; a test of the benchmarks, which runs each case once, does not.
    if std::env::args().skip(1).eq(["--bench"]) {
        race::print(9);
        #[cfg(feature = "monitoring")]
        serving::print(5);
    }
    divan::main();
}

fn workload() -> Workload {
    Workload {
        seed: 42,
        threads: 10,
        shard: Shard::WHOLE,
        group: None,
        iterations: Limit::Unlimited,
        failure_rate: Probability::new(0.3).unwrap(),
        success_delay: Micros(10_000),
        retry: RetryPolicy {
            max_retries: 3,
            delay: Micros(500_000),
            backoff: Backoff::Fixed,
            max_delay: Micros(30_000_000),
            jitter: Probability::ZERO,
        },
        time_scale: TimeScale::REAL,
        panic_rate: Probability::ZERO,
        duration: None,
        data_limit: Limit::At(100_000),
    }
}

const ATTEMPTS: usize = 100_000;

#[divan::bench(name = "plan: draw an attempt")]
fn plan(bencher: Bencher) {
    let workload = workload();
    bencher.counter(ItemsCount::new(ATTEMPTS)).bench(|| {
        Plan::new(&workload, 3)
            .take(ATTEMPTS)
            .map(|attempt| attempt.position.attempt)
            .sum::<u64>()
    });
}

fn encode(encoder: &mut Encoder, seq: u64) {
    encoder.begin(
        1_795_455_720_223_456 + seq,
        Level::INFO,
        "Operation result: Operation completed successfully",
        seq,
    );
    encoder.number("iteration", seq / 2);
    encoder.number("attempt", 1);
    encoder.number("counter", seq * 3);
    encoder.finish();
}

#[divan::bench(name = "encode: make a line", args = [false, true])]
fn encode_line(bencher: Bencher, json: bool) {
    let mut encoder = Encoder::new("Worker-3", 7, Some(3), json);
    bencher.counter(ItemsCount::new(ATTEMPTS)).bench_local(|| {
        (0..ATTEMPTS as u64)
            .map(|seq| {
                encode(&mut encoder, seq);
                encoder.text().len()
            })
            .sum::<usize>()
    });
}

#[divan::bench(name = "encode: the checksum of a line")]
fn checksum(bencher: Bencher) {
    let mut encoder = Encoder::new("Worker-3", 7, Some(3), false);
    encode(&mut encoder, 7_000_000);
    let text = encoder.text().to_vec();
    bencher.counter(ItemsCount::new(ATTEMPTS)).bench(|| {
        (0..ATTEMPTS)
            .map(|_| u64::from(line::checksum(divan::black_box(&text))))
            .sum::<u64>()
    });
}

/// Lines from many producers to a file and to the console, which is off here, without `tracing` and without a workload.
#[divan::bench(name = "pipeline: hand over and write a line", args = [1, 2, 10, 64], sample_count = 10)]
fn pipeline(bencher: Bencher, authors: u32) {
    let folder = tempfile::tempdir().unwrap();
    let each = 4 * ATTEMPTS as u64 / u64::from(authors);
    bencher
        .counter(ItemsCount::new(each * u64::from(authors)))
        .bench(|| {
            let config = LogConfig {
                path: Some(folder.path().join("app.log")),
                format: LogFormat::Text,
                rotation: Rotation::Never,
                flush_interval: Micros(5000),
                console: ConsoleConfig {
                    level: None,
                    coloured: false,
                    progress: false,
                },
            };
            let patience = Patience::new(Arc::default(), None);
            let log = Log::open(&config, 7, authors, Clock::start(), &patience).unwrap();
            thread::scope(|scope| {
                for worker in 0..authors {
                    let mut producer = log.worker(worker);
                    scope.spawn(move || {
                        for iteration in 0..each {
                            producer.log(Level::INFO, |encoder, head| {
                                encoder.begin(
                                    head.micros,
                                    Level::INFO,
                                    "Operation result: Operation completed successfully",
                                    head.seq,
                                );
                                encoder.number("iteration", iteration);
                                encoder.number("attempt", 1);
                                encoder.number("counter", iteration);
                                encoder.finish();
                            });
                        }
                    });
                }
            });
            assert_eq!(log.close().file.lines, each * u64::from(authors));
            std::fs::remove_file(folder.path().join("app.log")).unwrap();
        });
}

/// The whole program, from its start to its end.
#[divan::bench(name = "run: an operation of the whole program", args = [1, 2, 10, 64], sample_count = 10)]
fn run(bencher: Bencher, threads: u64) {
    let each = 4 * ATTEMPTS as u64 / threads;
    bencher
        .counter(ItemsCount::new(each * threads))
        .bench(|| race::run_hifi(threads, each));
}

/// A log in order, and the same lines in none.
#[divan::bench(name = "audit: judge a line, in order or shuffled", args = [true, false], sample_count = 10)]
fn audit_log(bencher: Bencher, in_order: bool) {
    let folder = tempfile::tempdir().unwrap();
    let log: PathBuf = race::make_log(folder.path(), 10, 4 * ATTEMPTS as u64 / 10);
    if !in_order {
        let text = std::fs::read_to_string(&log).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable_by_key(|text| line::checksum(text.as_bytes()));
        std::fs::write(&log, lines.join("\n") + "\n").unwrap();
    }
    let config = AuditConfig::new(vec![Input::File(log)]);
    bencher.counter(ItemsCount::new(4 * ATTEMPTS)).bench(|| {
        let verdict = audit::run(&config).unwrap();
        assert_eq!(verdict.exit_code(), u8::from(!in_order));
    });
}
