//! The metrics: from the workers' figures, merged when somebody asks, to Prometheus' text format.
//!
//! Nothing is recorded for a scrape: what is told here, the run counts anyway.

use std::{
    fmt::Display,
    sync::{Mutex, PoisonError},
};

use strum::VariantArray;

use super::operations::RequestFigures;
use crate::{
    log::report::SinkReport,
    observe::process::{self, Usage},
    observe::watch::Sources,
    work::figures::Distribution,
    work::recorder::Totals,
    work::status::State,
};

/// The bounds of a histogram's buckets are powers of two of a nanosecond, of which this is the lowest, and the highest.
/// They are bounds of the run's own, finer buckets as well, so no time stands on the wrong side of one.
const POWER_MIN: u32 = 8;
const POWER_MAX: u32 = 36;

/// The log's figures as they were seen last. While lines are being written they are not to be had.
#[derive(Debug, Default)]
pub(super) struct LogFigures(Mutex<(SinkReport, SinkReport)>);

/// The text of a scrape.
pub(super) fn text(
    sources: &Sources,
    requests: Option<&RequestFigures>,
    log: &LogFigures,
) -> String {
    run_families(sources, requests, log) + &process_families()
}

/// The text for a textfile collector, which tells the same figures of its own process: these are left out.
pub(super) fn final_text(sources: &Sources, requests: Option<&RequestFigures>) -> String {
    run_families(sources, requests, &LogFigures::default())
}

/// Declares families of metrics: the kind, the name, what it tells, and its values.
macro_rules! families {
    ($($kind:ident $name:literal $help:literal: $values:expr;)*) => {
        [$($crate::observe::monitoring::metrics::family(stringify!($kind), $name, $help, &$values)),*].concat()
    };
}
pub(super) use families;

/// What the run has done and what it is doing, and what was asked of it.
fn run_families(sources: &Sources, requests: Option<&RequestFigures>, log: &LogFigures) -> String {
    let totals = Totals::of(&sources.counters);
    let account = totals.account;
    let dropped = totals.counter.saturating_sub(totals.data_len);
    let views = sources.dumper.board.read();
    let workers = |state| views.iter().filter(|view| view.state == state).count() as u64;
    let codes = requests.map(RequestFigures::by_code).unwrap_or_default();
    let (file, console) = log.latest(sources);
    families! {
        gauge "hifi_run_info" "The run that these metrics are of.": run_info(sources);
        counter "hifi_attempts_total" "Attempts by how they ended.": by("outcome", [
            ("success", account.completed),
            ("failure", account.failed_attempts),
            ("panic", account.panicked),
        ]);
        counter "hifi_operations_total" "Operations that were completed, or abandoned after their last retry.": by("outcome", [
            ("completed", account.completed),
            ("abandoned", account.abandoned),
        ]);
        counter "hifi_retries_total" "Attempts beyond the first of their operation.": one(account.retries);
        gauge "hifi_data_items" "Items that the Processor holds.": one(totals.data_len);
        counter "hifi_data_dropped_total" "Items that were dropped because of the data limit.": one(dropped);
        gauge "hifi_workers" "Workers by what they are doing.":
            by("state", State::VARIANTS.iter().map(|state| (state, workers(*state))));
        histogram "hifi_operation_seconds"
            "Time from the start of an operation to its completion or abandonment, retries included.":
            times(&totals.operation_time, false);
        histogram "hifi_lock_wait_seconds" "Time that a worker waited for the Processor's lock; 0 where it was free.":
            times(&totals.lock_wait, true);
        histogram "hifi_lock_hold_seconds"
            "Time that a worker held the Processor's lock, measured once in 64 operations of each worker.":
            times(&totals.lock_hold, false);
        counter "hifi_log_lines_total" "Lines that were written to the log's file and to the console.":
            by("sink", [("file", file.lines), ("console", console.lines)]);
        counter "hifi_log_errors_total" "Errors in writing to the log's file and to the console.":
            by("sink", [("file", file.errors), ("console", console.errors)]);
        counter "hifi_requests_total" "Requests for operations by the status code of their answer.": by("code", codes);
        histogram "hifi_request_seconds"
            "Time from the arrival of a request for an operation to its answer, the wait for a worker included.":
            requests.map_or_else(Values::new, |requests| times(&requests.seconds(), false));
    }
}

/// The run by its names: its own, and those of the larger run that it is a shard of.
fn run_info(sources: &Sources) -> Values {
    let workload = &sources.workload;
    let run = format!("{:016x}", sources.dumper.run);
    let (seed, version) = (workload.seed, env!("CARGO_PKG_VERSION"));
    let mut labels = format!("run=\"{run}\",seed=\"{seed}\",version=\"{version}\"");
    if let Some(group) = &workload.group {
        labels += &format!(",shard=\"{}\",group=\"{group}\"", workload.shard);
    }
    vec![(format!("{{{labels}}}"), 1.0)]
}

/// The standard figures of a process, as far as the system tells them.
pub(super) fn process_families() -> String {
    let usage = Usage::now();
    let count = |value: Option<u64>| known(value.map(|value| value as f64));
    families! {
        counter "process_cpu_seconds_total" "Total user and system CPU time spent in seconds.":
            known(usage.cpu.map(|cpu| cpu.as_secs_f64()));
        gauge "process_open_fds" "Number of open file descriptors.": count(usage.open_files);
        gauge "process_max_fds" "Maximum number of open file descriptors.": count(process::open_files_max());
        gauge "process_resident_memory_bytes" "Resident memory size in bytes.": count(usage.memory);
        gauge "process_virtual_memory_bytes" "Virtual memory size in bytes.": count(usage.virtual_memory);
        gauge "process_start_time_seconds" "Start time of the process since unix epoch in seconds.":
            known(process::start_time());
        gauge "process_threads" "Number of OS threads in the process.": count(usage.threads);
    }
}

impl LogFigures {
    fn latest(&self, sources: &Sources) -> (SinkReport, SinkReport) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reports) = sources.dumper.pipeline.reports_if_free() {
            *seen = reports;
        }
        *seen
    }
}

/// The values of a family, each with what follows the family's name. No label that the program has holds what would have to be
/// escaped.
pub(super) type Values = Vec<(String, f64)>;

/// A family in Prometheus' text format; nothing of one without values.
pub(super) fn family(kind: &str, name: &str, help: &str, values: &Values) -> String {
    if values.is_empty() {
        return String::new();
    }
    let mut text = format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
    for (labels, value) in values {
        text += &format!("{name}{labels} {value}\n");
    }
    text
}

/// A value alone.
pub(super) fn one(value: u64) -> Values {
    known(Some(value as f64))
}

/// A value alone, if it is known.
pub(super) fn known(value: Option<f64>) -> Values {
    value
        .map(|value| (String::new(), value))
        .into_iter()
        .collect()
}

/// A value for each value of a label.
pub(super) fn by<L: Display>(name: &str, values: impl IntoIterator<Item = (L, u64)>) -> Values {
    let values = values.into_iter();
    values
        .map(|(label, value)| (format!("{{{name}=\"{label}\"}}"), value as f64))
        .collect()
}

/// A histogram of the run's; where `zero`, the times that are 0 have a bucket of their own.
fn times<const STEPS: u64>(times: &Distribution<STEPS>, zero: bool) -> Values {
    // Shorter than 2^n nanoseconds, and whole: at most 2^n - 1.
    let powers = zero.then_some(0).into_iter().chain(POWER_MIN..=POWER_MAX);
    let seconds = |nanos: u64| nanos as f64 / 1e9;
    let buckets = powers.map(|power| (seconds((1 << power) - 1), times.below(power)));
    histogram(buckets, times.count, seconds(times.sum))
}

/// A histogram: the upper bound of each bucket with how many are below it, how many there are, and their sum.
pub(super) fn histogram(buckets: impl Iterator<Item = (f64, u64)>, count: u64, sum: f64) -> Values {
    let buckets = buckets.map(|(bound, below)| (bound.to_string(), below));
    let buckets = buckets.chain([("+Inf".to_owned(), count)]);
    let buckets = buckets.map(|(le, below)| (format!("_bucket{{le=\"{le}\"}}"), below as f64));
    let ends = [
        ("_sum".to_owned(), sum),
        ("_count".to_owned(), count as f64),
    ];
    buckets.chain(ends).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::figures::{COARSE, Histogram as Times};

    #[test]
    fn a_histogram_by_hand() {
        let powers = Times::<COARSE>::default();
        for nanos in [0, 255, 256, 1000, u64::MAX] {
            powers.record(nanos);
        }
        let mut all = Distribution::default();
        all.add(&powers);
        let text = families! { histogram "x_seconds" "Times.": times(&all, true); };
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..6],
            [
                "# HELP x_seconds Times.",
                "# TYPE x_seconds histogram",
                "x_seconds_bucket{le=\"0\"} 1",
                "x_seconds_bucket{le=\"0.000000255\"} 2",
                "x_seconds_bucket{le=\"0.000000511\"} 3",
                "x_seconds_bucket{le=\"0.000001023\"} 4",
            ]
        );
        let inf = lines
            .iter()
            .position(|line| line.starts_with("x_seconds_bucket{le=\"+Inf\"}"));
        assert_eq!(lines[inf.unwrap()], "x_seconds_bucket{le=\"+Inf\"} 5");
        assert_eq!(lines[lines.len() - 1], "x_seconds_count 5");
    }
}
