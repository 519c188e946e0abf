//! The metrics: from the workers' figures, merged when somebody asks, to Prometheus' text format.
//!
//! Nothing is recorded for a scrape: what is told here, the run counts anyway.

use std::{fmt::Display, sync::Mutex};

use prometheus::{
    TextEncoder,
    proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType},
};
use strum::VariantArray;

use super::operations::RequestFigures;
use crate::{
    figures::Distribution,
    log::report::SinkReport,
    observe::process::{self, Usage},
    observe::sources::Sources,
    threads::lock,
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

/// Declares families of metrics: the kind, the name, what it tells, and its values.
macro_rules! families {
    ($($kind:ident $name:literal $help:literal: $values:expr;)*) => {
        [$($crate::observe::monitoring::metrics::family(
            prometheus::proto::MetricType::$kind, $name, $help, $values
        )),*].concat()
    };
}
pub(super) use families;

/// What the run has done and what it is doing, and what was asked of it.
pub(super) fn run_families(
    sources: &Sources,
    requests: Option<&RequestFigures>,
    log: &LogFigures,
) -> String {
    let totals = Totals::of(&sources.counters);
    let account = totals.account;
    let dropped = totals.counter.saturating_sub(totals.data_len);
    let views = sources.board.read();
    let workers = |state| views.iter().filter(|view| view.state == state).count() as u64;
    let codes = requests.map(RequestFigures::by_code).unwrap_or_default();
    let (file, console) = log.latest(sources);
    families! {
        GAUGE "hifi_run_info" "The run that these metrics are of.": run_info(sources);
        COUNTER "hifi_attempts_total" "Attempts by how they ended.": by("outcome", [
            ("success", account.completed),
            ("failure", account.failed_attempts),
            ("panic", account.panicked),
        ]);
        COUNTER "hifi_operations_total" "Operations that were completed, or abandoned after their last retry.": by("outcome", [
            ("completed", account.completed),
            ("abandoned", account.abandoned),
        ]);
        COUNTER "hifi_retries_total" "Attempts beyond the first of their operation.": one(account.retries);
        GAUGE "hifi_data_items" "Items that the Processor holds.": one(totals.data_len);
        COUNTER "hifi_data_dropped_total" "Items that were dropped because of the data limit.": one(dropped);
        GAUGE "hifi_workers" "Workers by what they are doing.":
            by("state", State::VARIANTS.iter().map(|state| (state, workers(*state))));
        HISTOGRAM "hifi_operation_seconds"
            "Time from the start of an operation to its completion or abandonment, retries included.":
            times(&totals.operation_time, false);
        HISTOGRAM "hifi_lock_wait_seconds" "Time that a worker waited for the Processor's lock; 0 where it was free.":
            times(&totals.lock_wait, true);
        HISTOGRAM "hifi_lock_hold_seconds"
            "Time that a worker held the Processor's lock, measured once in 64 operations of each worker.":
            times(&totals.lock_hold, false);
        COUNTER "hifi_log_lines_total" "Lines that were written to the log's file and to the console.":
            by("sink", [("file", file.lines), ("console", console.lines)]);
        COUNTER "hifi_log_errors_total" "Errors in writing to the log's file and to the console.":
            by("sink", [("file", file.errors), ("console", console.errors)]);
        COUNTER "hifi_requests_total" "Requests for operations by the status code of their answer.": by("code", codes);
        HISTOGRAM "hifi_request_seconds"
            "Time from the arrival of a request for an operation to its answer, the wait for a worker included.":
            requests.map_or_else(Values::new, |requests| times(&requests.seconds(), false));
    }
}

/// The run by its names: its own, and those of the larger run that it is a shard of.
fn run_info(sources: &Sources) -> Values {
    let workload = &sources.workload;
    let mut labels = vec![
        ("run", format!("{:016x}", sources.run)),
        ("seed", workload.seed.to_string()),
        ("version", env!("CARGO_PKG_VERSION").into()),
    ];
    if let Some(group) = &workload.group {
        labels.push(("shard", workload.shard.to_string()));
        labels.push(("group", group.to_string()));
    }
    vec![number(labels, 1.0)]
}

/// The standard figures of a process, as far as the system tells them.
pub(super) fn process_families() -> String {
    let usage = Usage::now();
    let count = |value: Option<u64>| known(value.map(|value| value as f64));
    families! {
        COUNTER "process_cpu_seconds_total" "Total user and system CPU time spent in seconds.":
            known(usage.cpu.map(|cpu| cpu.as_secs_f64()));
        GAUGE "process_open_fds" "Number of open file descriptors.": count(usage.open_files);
        GAUGE "process_max_fds" "Maximum number of open file descriptors.": count(process::open_files_max());
        GAUGE "process_resident_memory_bytes" "Resident memory size in bytes.": count(usage.memory);
        GAUGE "process_virtual_memory_bytes" "Virtual memory size in bytes.": count(usage.virtual_memory);
        GAUGE "process_start_time_seconds" "Start time of the process since unix epoch in seconds.":
            known(process::start_time());
        GAUGE "process_threads" "Number of OS threads in the process.": count(usage.threads);
    }
}

impl LogFigures {
    fn latest(&self, sources: &Sources) -> (SinkReport, SinkReport) {
        let mut seen = lock(&self.0);
        if let Some(reports) = sources.pipeline.reports_if_free() {
            *seen = reports;
        }
        *seen
    }
}

/// The values of a family.
pub(super) type Values = Vec<Metric>;

/// A family in Prometheus' text format; nothing of one without values.
pub(super) fn family(kind: MetricType, name: &str, help: &str, values: Values) -> String {
    if values.is_empty() {
        return String::new();
    }
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(values);
    let text = TextEncoder::new().encode_to_string(&[family]);
    text.expect("a family that has a name and values can be told")
}

/// A value alone.
pub(super) fn one(value: u64) -> Values {
    known(Some(value as f64))
}

/// A value alone, if it is known.
pub(super) fn known(value: Option<f64>) -> Values {
    let value = value.map(|value| number(Vec::new(), value));
    value.into_iter().collect()
}

/// A value for each value of a label.
pub(super) fn by<L: Display>(name: &str, values: impl IntoIterator<Item = (L, u64)>) -> Values {
    let values = values.into_iter();
    values
        .map(|(label, value)| number(vec![(name, label.to_string())], value as f64))
        .collect()
}

/// A metric that is both, counter and gauge: its family says which.
fn number(labels: Vec<(&str, String)>, value: f64) -> Metric {
    let pairs = labels.into_iter().map(|(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name(name.to_owned());
        pair.set_value(value);
        pair
    });
    let mut metric = Metric::from_label(pairs.collect());
    let (mut counter, mut gauge) = (Counter::default(), Gauge::default());
    counter.set_value(value);
    gauge.set_value(value);
    metric.set_counter(counter);
    metric.set_gauge(gauge);
    metric
}

/// A histogram of the run's; where `zero`, the times that are 0 have a bucket of their own.
fn times(times: &Distribution, zero: bool) -> Values {
    // Shorter than 2^n nanoseconds, and whole: at most 2^n - 1.
    let powers = zero.then_some(0).into_iter().chain(POWER_MIN..=POWER_MAX);
    let seconds = |nanos: u64| nanos as f64 / 1e9;
    let buckets = powers.map(|power| (seconds((1 << power) - 1), times.below(power)));
    histogram(buckets, times.count, seconds(times.sum))
}

/// A histogram: the upper bound of each bucket with how many are below it, how many there are, and their sum.
pub(super) fn histogram(buckets: impl Iterator<Item = (f64, u64)>, count: u64, sum: f64) -> Values {
    let buckets = buckets.map(|(bound, below)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound);
        bucket.set_cumulative_count(below);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(count);
    histogram.set_sample_sum(sum);
    let mut metric = Metric::default();
    metric.set_histogram(histogram);
    vec![metric]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Histogram as Times;

    #[test]
    fn a_histogram_by_hand() {
        let powers = Times::default();
        for nanos in [0, 255, 256, 1000, u64::MAX] {
            powers.record(nanos);
        }
        let mut all = Distribution::default();
        all.add(&powers);
        let text = families! { HISTOGRAM "x_seconds" "Times.": times(&all, true); };
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
