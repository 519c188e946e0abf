//! The plain port: the same crates with their defaults, as a competent hand would use them. One `fmt` layer a sink,
//! a non-blocking appender that does not drop, a mutex around what is shared. It has no retries, no checksums, no
//! order between its sinks, and a seed for nothing.
//!
//! It is run as a process of its own: the benchmark starts itself once more.

use std::{
    env,
    sync::{Arc, Mutex},
    thread,
};

use rand::random_bool;
use tracing::{error, info};
use tracing_appender::{non_blocking::NonBlockingBuilder, rolling};
use tracing_subscriber::{filter::LevelFilter, fmt, prelude::*};

/// The variable that asks for it: `THREADS ITERATIONS`.
pub(crate) const ASKED_FOR: &str = "HIFI_PLAIN_PORT";

pub(crate) fn is_asked_for() -> bool {
    env::var_os(ASKED_FOR).is_some()
}

#[derive(Default)]
struct Processor {
    counter: u64,
    data: Vec<String>,
}

fn simulate_io() -> anyhow::Result<&'static str> {
    if random_bool(0.3) {
        anyhow::bail!("Random I/O failure!")
    } else {
        Ok("Operation completed successfully")
    }
}

pub(crate) fn run() {
    let asked = env::var(ASKED_FOR).unwrap();
    let (threads, iterations) = asked.split_once(' ').unwrap();
    let iterations: u64 = iterations.parse().unwrap();
    let appender = rolling::never(".", "plain_port.log");
    let (file, _guard) = NonBlockingBuilder::default().lossy(false).finish(appender);
    tracing_subscriber::registry()
        .with(LevelFilter::INFO)
        .with(fmt::layer().with_writer(std::io::stderr))
        .with(fmt::layer().with_ansi(false).with_writer(file))
        .init();
    let processor = Arc::new(Mutex::new(Processor::default()));
    let workers: Vec<_> = (0..threads.parse::<u64>().unwrap())
        .map(|_| {
            let processor = Arc::clone(&processor);
            thread::spawn(move || {
                for _ in 0..iterations {
                    match simulate_io() {
                        Ok(result) => {
                            info!("Operation result: {result}");
                            let mut processor = processor.lock().unwrap();
                            processor.counter += 1;
                            let item = format!("Data-{}", processor.counter);
                            processor.data.push(item);
                        }
                        Err(error) => error!("I/O operation failed: {error}"),
                    }
                }
            })
        })
        .collect();
    workers
        .into_iter()
        .for_each(|worker| worker.join().unwrap());
    let processor = processor.lock().unwrap();
    info!("Total operations completed: {}", processor.counter);
    info!("Total data processed: {}", processor.data.len());
}
