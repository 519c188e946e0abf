//! The metrics: from the workers' figures, merged when somebody asks, to Prometheus' text format.
//!
//! Nothing is recorded for a scrape: what is told here, the run counts anyway.

use std::sync::Mutex;

use prometheus::{
    TextEncoder,
    proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType},
};

use super::operations::RequestFigures;
use crate::{
    log::report::SinkReport,
    observe::process::{self, Usage},
    observe::watch::Sources,
    plan::workload::GroupId,
    work::figures::Cumulative,
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
) -> anyhow::Result<String> {
    let mut families = run_families(sources, log);
    families.extend(requests.into_iter().flat_map(request_families));
    families.extend(process_families());
    encode(&families)
}

/// The text for a textfile collector, which tells the same figures of its own process: these are left out.
pub(super) fn final_text(
    sources: &Sources,
    requests: Option<&RequestFigures>,
) -> anyhow::Result<String> {
    let mut families = run_families(sources, &LogFigures::default());
    families.extend(requests.into_iter().flat_map(request_families));
    encode(&families)
}

/// The text format of these families.
pub(super) fn encode(families: &[MetricFamily]) -> anyhow::Result<String> {
    Ok(TextEncoder::new().encode_to_string(families)?)
}

/// The run by its names: its own, and those of the larger run that it is a shard of.
fn run_info(sources: &Sources) -> Metric {
    let workload = &sources.workload;
    let (run, seed) = (format!("{:016x}", sources.run), workload.seed.to_string());
    let mut labels = vec![
        ("run", &*run),
        ("seed", &*seed),
        ("version", env!("CARGO_PKG_VERSION")),
    ];
    let shard = workload.shard.to_string();
    let group = workload.group.as_ref().map(GroupId::to_string);
    if let Some(group) = &group {
        labels.extend([("shard", &*shard), ("group", &**group)]);
    }
    gauge(1.0, &labels)
}

fn run_families(sources: &Sources, log: &LogFigures) -> Vec<MetricFamily> {
    let totals = Totals::of(&sources.counters);
    let mut families = vec![family(
        "hifi_run_info",
        "The run that these metrics are of.",
        MetricType::GAUGE,
        vec![run_info(sources)],
    )];
    families.extend(operation_families(&totals));
    families.extend(worker_families(sources, &totals));
    families.extend(log_families(log.latest(sources)));
    families
}

/// What was done.
fn operation_families(totals: &Totals) -> [MetricFamily; 5] {
    [
        family(
            "hifi_attempts_total",
            "Attempts by how they ended.",
            MetricType::COUNTER,
            vec![
                counter(totals.account.completed, &[("outcome", "success")]),
                counter(totals.account.failed_attempts, &[("outcome", "failure")]),
                counter(totals.account.panicked, &[("outcome", "panic")]),
            ],
        ),
        family(
            "hifi_operations_total",
            "Operations that were completed, or abandoned after their last retry.",
            MetricType::COUNTER,
            vec![
                counter(totals.account.completed, &[("outcome", "completed")]),
                counter(totals.account.abandoned, &[("outcome", "abandoned")]),
            ],
        ),
        family(
            "hifi_retries_total",
            "Attempts beyond the first of their operation.",
            MetricType::COUNTER,
            vec![counter(totals.account.retries, &[])],
        ),
        family(
            "hifi_data_items",
            "Items that the Processor holds.",
            MetricType::GAUGE,
            vec![gauge(totals.data_len as f64, &[])],
        ),
        family(
            "hifi_data_dropped_total",
            "Items that were dropped because of the data limit.",
            MetricType::COUNTER,
            vec![counter(totals.counter.saturating_sub(totals.data_len), &[])],
        ),
    ]
}

/// What the workers are doing, and how long it takes them.
fn worker_families(sources: &Sources, totals: &Totals) -> [MetricFamily; 4] {
    let mut states = [0_u64; State::ALL.len()];
    for view in sources.board.read() {
        states[view.state as usize] += 1;
    }
    [
        family(
            "hifi_workers",
            "Workers by what they are doing.",
            MetricType::GAUGE,
            State::ALL
                .iter()
                .map(|state| gauge(states[*state as usize] as f64, &[("state", state.word())]))
                .collect(),
        ),
        family(
            "hifi_operation_seconds",
            "Time from the start of an operation to its completion or abandonment, retries included.",
            MetricType::HISTOGRAM,
            vec![histogram(&totals.operation_time, false)],
        ),
        family(
            "hifi_lock_wait_seconds",
            "Time that a worker waited for the Processor's lock; 0 where it was free.",
            MetricType::HISTOGRAM,
            vec![histogram(&totals.lock_wait, true)],
        ),
        family(
            "hifi_lock_hold_seconds",
            "Time that a worker held the Processor's lock, measured once in 64 operations of each worker.",
            MetricType::HISTOGRAM,
            vec![histogram(&totals.lock_hold, false)],
        ),
    ]
}

/// What became of the lines.
fn log_families((file, console): (SinkReport, SinkReport)) -> [MetricFamily; 2] {
    [
        family(
            "hifi_log_lines_total",
            "Lines that were written to the log's file and to the console.",
            MetricType::COUNTER,
            vec![
                counter(file.lines, &[("sink", "file")]),
                counter(console.lines, &[("sink", "console")]),
            ],
        ),
        family(
            "hifi_log_errors_total",
            "Errors in writing to the log's file and to the console.",
            MetricType::COUNTER,
            vec![
                counter(file.errors, &[("sink", "file")]),
                counter(console.errors, &[("sink", "console")]),
            ],
        ),
    ]
}

/// The figures of a run whose operations are asked for.
fn request_families(requests: &RequestFigures) -> [MetricFamily; 2] {
    [
        family(
            "hifi_requests_total",
            "Requests for operations by the status code of their answer.",
            MetricType::COUNTER,
            requests
                .by_code()
                .into_iter()
                .map(|(code, count)| counter(count, &[("code", &code.to_string())]))
                .collect(),
        ),
        family(
            "hifi_request_seconds",
            "Time from the arrival of a request for an operation to its answer, the wait for a worker included.",
            MetricType::HISTOGRAM,
            vec![histogram(&requests.seconds(), false)],
        ),
    ]
}

/// The standard figures of a process, as far as the system tells them.
pub(super) fn process_families() -> Vec<MetricFamily> {
    let usage = Usage::now();
    let number = |value: Option<u64>| value.map(|value| value as f64);
    let known = [
        (
            "process_cpu_seconds_total",
            "Total user and system CPU time spent in seconds.",
            MetricType::COUNTER,
            usage.cpu.map(|cpu| cpu.as_secs_f64()),
        ),
        (
            "process_open_fds",
            "Number of open file descriptors.",
            MetricType::GAUGE,
            number(usage.open_files),
        ),
        (
            "process_max_fds",
            "Maximum number of open file descriptors.",
            MetricType::GAUGE,
            number(process::open_files_max()),
        ),
        (
            "process_resident_memory_bytes",
            "Resident memory size in bytes.",
            MetricType::GAUGE,
            number(usage.memory),
        ),
        (
            "process_virtual_memory_bytes",
            "Virtual memory size in bytes.",
            MetricType::GAUGE,
            number(usage.virtual_memory),
        ),
        (
            "process_start_time_seconds",
            "Start time of the process since unix epoch in seconds.",
            MetricType::GAUGE,
            process::start_time(),
        ),
        (
            "process_threads",
            "Number of OS threads in the process.",
            MetricType::GAUGE,
            number(usage.threads),
        ),
    ];
    known
        .into_iter()
        .filter_map(|(name, help, kind, value)| {
            let metric = match kind {
                MetricType::COUNTER => counter_of(value?, &[]),
                _ => gauge(value?, &[]),
            };
            Some(family(name, help, kind, vec![metric]))
        })
        .collect()
}

impl LogFigures {
    fn latest(&self, sources: &Sources) -> (SinkReport, SinkReport) {
        let mut seen = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(reports) = sources.dumper.pipeline.reports_if_free() {
            *seen = reports;
        }
        *seen
    }
}

/// A family of metrics.
pub(super) fn family(
    name: &str,
    help: &str,
    kind: MetricType,
    metrics: Vec<Metric>,
) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

/// A metric with these labels and no value.
pub(super) fn labelled(labels: &[(&str, &str)]) -> Metric {
    let pairs = labels.iter().map(|(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    });
    Metric::from_label(pairs.collect())
}

/// A counter with these labels.
pub(super) fn counter(value: u64, labels: &[(&str, &str)]) -> Metric {
    counter_of(value as f64, labels)
}

fn counter_of(value: f64, labels: &[(&str, &str)]) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(value);
    let mut metric = labelled(labels);
    metric.set_counter(counter);
    metric
}

/// A gauge with these labels.
pub(super) fn gauge(value: f64, labels: &[(&str, &str)]) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut metric = labelled(labels);
    metric.set_gauge(gauge);
    metric
}

/// A histogram; where `zero`, the times that are 0 have a bucket of their own.
fn histogram(times: &impl Cumulative, zero: bool) -> Metric {
    let bucket = |nanos: u64, below: u64| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(nanos as f64 / 1e9);
        bucket.set_cumulative_count(below);
        bucket
    };
    let mut buckets = Vec::new();
    if zero {
        buckets.push(bucket(0, times.below(0)));
    }
    // Shorter than 2^n nanoseconds, and whole: at most 2^n - 1.
    buckets
        .extend((POWER_MIN..=POWER_MAX).map(|power| bucket((1 << power) - 1, times.below(power))));
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets);
    histogram.set_sample_count(times.count());
    histogram.set_sample_sum(times.sum() as f64 / 1e9);
    let mut metric = labelled(&[]);
    metric.set_histogram(histogram);
    metric
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::figures::{Powers, PowersTotal};

    #[test]
    fn a_histogram_by_hand() {
        let powers = Powers::default();
        for nanos in [0, 255, 256, 1000, u64::MAX] {
            powers.record(nanos);
        }
        let mut times = PowersTotal::default();
        times.add(&powers);
        let family = family(
            "x_seconds",
            "Times.",
            MetricType::HISTOGRAM,
            vec![histogram(&times, true)],
        );
        let text = encode(&[family]).unwrap();
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
