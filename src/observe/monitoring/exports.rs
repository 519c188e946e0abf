//! How a log that is followed stands, as metrics for whoever scrapes.

use std::{net::SocketAddr, sync::Arc};

use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
};
use prometheus::proto::{Bucket, Histogram, Metric, MetricFamily, MetricType};

use super::{
    listen,
    metrics::{counter, encode, family, gauge, labelled, process_families},
    scrapes::{self, LIMITS},
    server::{Connection, Server, Service},
};
use crate::{
    audit::{Board, Figures, RunState},
    log::stream::complain,
};

/// The metrics of a log that is followed. To drop it is to end it.
#[derive(Debug)]
pub struct Exports {
    _server: Option<Server>,
}

impl Exports {
    /// Serves what stands on `board` on this address, if there is one.
    ///
    /// # Errors
    /// The address cannot be had, or the system refuses what a server needs.
    pub fn start(addr: Option<SocketAddr>, board: &Arc<Board>) -> anyhow::Result<Self> {
        let Some(addr) = addr else {
            return Ok(Self { _server: None });
        };
        let (listener, addr) = listen(addr, "metrics", "--metrics-addr")?;
        let service = Arc::new(Answers(Arc::clone(board)));
        let server = Server::start(listener, "metrics", LIMITS, service)?;
        complain(&format!("metrics are served on http://{addr}/metrics"));
        Ok(Self {
            _server: Some(server),
        })
    }
}

struct Answers(Arc<Board>);

impl Service for Answers {
    async fn answer(&self, request: Request<Incoming>, _: &Connection) -> Response<Full<Bytes>> {
        let text = || {
            let mut families = families(&self.0.get());
            families.extend(process_families());
            encode(&families)
        };
        scrapes::answer(&request, text, None)
    }
}

fn families(figures: &Figures) -> Vec<MetricFamily> {
    let found = figures.found.by_name().into_iter();
    let found = found.map(|(kind, count)| counter(count, &[("kind", kind)]));
    let runs = RunState::ALL.iter().zip(figures.runs);
    let runs = runs.map(|((_, state), count)| gauge(count as f64, &[("state", state)]));
    let mut families = vec![
        family(
            "hifi_audit_lines_total",
            "Lines that were read.",
            MetricType::COUNTER,
            vec![counter(figures.lines, &[])],
        ),
        family(
            "hifi_audit_findings_total",
            "Lines, or balances, that are not as they must be, by what is wrong; lost lines that came after all are late.",
            MetricType::COUNTER,
            found.collect(),
        ),
        family(
            "hifi_audit_missing",
            "Lines that are missing now, given up or not.",
            MetricType::GAUGE,
            vec![gauge(figures.missing as f64, &[])],
        ),
        family(
            "hifi_audit_runs",
            "Runs by their state.",
            MetricType::GAUGE,
            runs.collect(),
        ),
        family(
            "hifi_audit_delay_seconds",
            "From a line's own time to its arrival: where the pipeline noted one, to that.",
            MetricType::HISTOGRAM,
            vec![delays(figures)],
        ),
    ];
    if figures.began > 0.0 {
        // Where none came, it is silent since the beginning.
        let last = figures.last_line.unwrap_or(figures.began);
        families.push(family(
            "hifi_audit_last_line_timestamp_seconds",
            "When the last line came, or following began, since unix epoch in seconds.",
            MetricType::GAUGE,
            vec![gauge(last, &[])],
        ));
    }
    families
}

fn delays(figures: &Figures) -> Metric {
    let buckets = figures.delays.iter().map(|(bound, count)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*bound);
        bucket.set_cumulative_count(*count);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(figures.delayed);
    histogram.set_sample_sum(figures.delay_sum);
    let mut metric = labelled(&[]);
    metric.set_histogram(histogram);
    metric
}
