//! How a log that is followed stands, as metrics for whoever scrapes.

use std::{
    net::SocketAddr,
    ops::RangeInclusive,
    sync::{Arc, Mutex},
};

use strum::VariantArray;

use super::{
    listen,
    metrics::{Values, by, families, histogram, known, one, process_families},
    scrapes::Pages,
};
use crate::{
    audit::{Delays, Figures, RunState},
    log::stream::complain,
    threads::lock,
};

/// Serves what stands on `board` on this address, if there is one, until what is returned is dropped.
///
/// # Errors
/// The address cannot be had, or the system refuses what a server needs.
pub fn export(
    addr: Option<SocketAddr>,
    board: &Arc<Mutex<Figures>>,
) -> anyhow::Result<impl Sized + use<>> {
    let Some(addr) = addr else { return Ok(None) };
    let (listener, addr) = listen(addr, "metrics", "--metrics-addr")?;
    let board = Arc::clone(board);
    let metrics = move || families(&lock(&board)) + &process_families();
    let pages = Pages {
        metrics: Box::new(metrics),
        threads: None,
    };
    let server = pages.serve(listener)?;
    complain(&format!("metrics are served on http://{addr}/metrics"));
    Ok(Some(server))
}

/// The bounds of the buckets of delays, as powers of two of a microsecond: from a millisecond to four minutes.
const POWERS: RangeInclusive<u32> = 10..=28;

fn families(figures: &Figures) -> String {
    let states = RunState::VARIANTS.iter().map(<&str>::from);
    let runs = states.zip(figures.runs);
    // Where no line came, it is silent since the beginning.
    let last = figures.last_line.unwrap_or(figures.began);
    families! {
        COUNTER "hifi_audit_lines_total" "Lines that were read.": one(figures.lines);
        COUNTER "hifi_audit_findings_total"
            "Lines, or balances, that are not as they must be, by what is wrong; lost lines that came after all are late.":
            by("kind", figures.found.by_name());
        GAUGE "hifi_audit_missing" "Lines that are missing now, given up or not.": one(figures.missing);
        GAUGE "hifi_audit_runs" "Runs by their state.": by("state", runs);
        HISTOGRAM "hifi_audit_delay_seconds" "From a line's own time to its arrival: where the pipeline noted one, to that.":
            delays(&figures.delays);
        GAUGE "hifi_audit_last_line_timestamp_seconds"
            "When the last line came, or following began, since unix epoch in seconds.":
            known((figures.began > 0.0).then_some(last));
    }
}

fn delays(delays: &Delays) -> Values {
    let seconds = |micros: u64| micros as f64 / 1e6;
    let times = delays.times().cloned().unwrap_or_default();
    let buckets = POWERS.map(|power| (seconds(1 << power), times.below(power)));
    histogram(buckets, times.count, seconds(times.sum))
}
