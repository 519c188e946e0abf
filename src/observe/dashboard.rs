//! `hifi dashboard`: a Grafana dashboard for the metrics, to be imported as it is.
//!
//! This file must not know how the metrics are made; a test sends every query to a real Prometheus.

use std::process::ExitCode;

use anyhow::Context;
use serde_json::{Value, json};

use crate::log::stream::print_out;

/// The dashboard model of Grafana 11 and 12.
const SCHEMA: u32 = 41;
/// How many columns Grafana has, and how many and high a panel is here.
const COLUMNS: usize = 24;
const WIDTH: usize = 12;
const HEIGHT: usize = 8;

/// A panel: its title, its unit in Grafana's terms, and its lines, each a legend and a query.
struct Panel {
    title: &'static str,
    about: &'static str,
    unit: &'static str,
    stacked: bool,
    lines: &'static [(&'static str, &'static str)],
}

/// Declares panels. What recurs in their queries is written in short, as [`written_out`] has it.
macro_rules! panels {
    ($($title:literal $about:literal $unit:literal stacked $stacked:literal { $($legend:literal: $query:expr;)* })*) => {
        &[$(Panel {
            title: $title,
            about: $about,
            unit: $unit,
            stacked: $stacked,
            lines: &[$(($legend, $query)),*],
        }),*]
    };
}

/// The query for a quantile, of the rate of a histogram's buckets.
macro_rules! quantile {
    ($quantile:literal of $buckets:literal) => {
        concat!(
            "histogram_quantile(",
            $quantile,
            ", sum by (le) (",
            $buckets,
            "))"
        )
    };
}

/// The panels of runs.
const PANELS: &[Panel] = panels! {
    "Throughput" "Operations that ended, a second." "ops" stacked true {
        "{{outcome}}": "sum by (outcome) (rate(hifi_operations_total[@]) @run)";
    }
    "Failed attempts" "The share of attempts that failed: the failure rate, as it came out." "percentunit" stacked false {
        "failed": "sum(rate(hifi_attempts_total{outcome=\"failure\"}[@]) @run) / sum(rate(hifi_attempts_total[@]) @run)";
    }
    "Retries" "Attempts beyond the first of their operation, a second." "ops" stacked false {
        "retries": "sum(rate(hifi_retries_total[@]) @run)";
    }
    "Operation time" "From the start of an operation to its completion or abandonment, retries included." "s" stacked false {
        "p50": quantile!("0.5" of "rate(hifi_operation_seconds_bucket[@]) @run");
        "p99": quantile!("0.99" of "rate(hifi_operation_seconds_bucket[@]) @run");
    }
    "Requests" "Requests for operations by the status code of their answer, a second; none without --serve." "reqps" stacked true {
        "{{code}}": "sum by (code) (rate(hifi_requests_total[@]) @run)";
    }
    "Request time" "From the arrival of a request for an operation to its answer, the wait for a worker included." "s" stacked false {
        "p50": quantile!("0.5" of "rate(hifi_request_seconds_bucket[@]) @run");
        "p99": quantile!("0.99" of "rate(hifi_request_seconds_bucket[@]) @run");
    }
    "Lock wait" "How long the Processor's lock was waited for; 0 where it was free." "s" stacked false {
        "p50": quantile!("0.5" of "rate(hifi_lock_wait_seconds_bucket[@]) @run");
        "p99": quantile!("0.99" of "rate(hifi_lock_wait_seconds_bucket[@]) @run");
        "held, p99": quantile!("0.99" of "rate(hifi_lock_hold_seconds_bucket[@]) @run");
    }
    "Workers" "Workers by what they are doing." "short" stacked true {
        "{{state}}": "sum by (state) (hifi_workers @run)";
    }
    "Data length" "Items that the Processor holds, and those that its limit made it drop." "short" stacked false {
        "held": "sum(hifi_data_items @run)";
        "dropped": "sum(hifi_data_dropped_total @run)";
    }
    "Memory" "Resident memory of the process." "bytes" stacked false {
        "resident": "sum(process_resident_memory_bytes @run)";
    }
    "CPU" "Cores in use." "short" stacked false {
        "cores": "sum(rate(process_cpu_seconds_total[@]) @run)";
    }
    "Log" "Lines written a second." "short" stacked false {
        "{{sink}}": "sum by (sink) (rate(hifi_log_lines_total[@]) @run)";
    }
    "Log errors" "Errors in writing the log since the start: anything above 0 in the file ends the run with code 1." "short" stacked false {
        "{{sink}}": "sum by (sink) (hifi_log_errors_total @run)";
    }
    "Threads and files" "OS threads and open file descriptors of the process." "short" stacked false {
        "threads": "sum(process_threads @run)";
        "open files": "sum(process_open_fds @run)";
    }
};

/// The panels of a log that is followed, whose lines another process reads.
const AUDIT_PANELS: &[Panel] = panels! {
    "Lines" "Lines that were read, a second." "short" stacked false {
        "{{instance}}": "sum by (instance) (rate(hifi_audit_lines_total@instance[@]))";
    }
    "Missing" "Lines that are missing now: those on their way, and those that were given up and have not come." "short" stacked false {
        "{{instance}}": "sum by (instance) (hifi_audit_missing@instance)";
    }
    "Findings" "Lines that are not as they must be, by what is wrong." "short" stacked true {
        "{{kind}}": "sum by (kind) (hifi_audit_findings_total@instance)";
    }
    "Delay" "From a line's own time to its arrival." "s" stacked false {
        "p50": quantile!("0.5" of "rate(hifi_audit_delay_seconds_bucket@instance[@])");
        "p99": quantile!("0.99" of "rate(hifi_audit_delay_seconds_bucket@instance[@])");
    }
    "Silence" "Since the last line came." "s" stacked false {
        "{{instance}}": "time() - hifi_audit_last_line_timestamp_seconds@instance";
    }
    "Runs" "Runs by their state." "short" stacked true {
        "{{state}}": "sum by (state) (hifi_audit_runs@instance)";
    }
};

/// A query as Prometheus takes it: over the time that suits the panel, of the runs or the audits that are chosen.
/// `hifi_run_info`, a series of value 1, tells which targets a run has.
fn written_out(query: &str) -> String {
    query
        .replace("[@]", "[$__rate_interval]")
        .replace(
            "@run",
            "* on (instance, job) group_left () hifi_run_info{run=~\"$run\"}",
        )
        .replace("@instance", "{instance=~\"$instance\"}")
}

/// Prints the dashboard of runs, or of logs that are followed.
///
/// # Errors
/// Standard output cannot be written.
pub fn print(audit: bool) -> anyhow::Result<ExitCode> {
    let model = if audit { audits() } else { runs() };
    let text = serde_json::to_string_pretty(&model).context("cannot make the dashboard")? + "\n";
    print_out("the dashboard", text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn runs() -> Value {
    let about = "Runs of hifi, a concurrent workload whose truth is known.";
    let values = "label_values(hifi_run_info, run)";
    dashboard("hifi", about, ["run", "Run", values], PANELS)
}

fn audits() -> Value {
    let about = "Logs that hifi audit follows, held against what must exist.";
    let values = "label_values(hifi_audit_lines_total, instance)";
    dashboard(
        "hifi-audit",
        about,
        ["instance", "Audit", values],
        AUDIT_PANELS,
    )
}

/// A dashboard of its own title and description, with a choice of a label's values: its name, what it is called, and the
/// query for the values.
fn dashboard(title: &str, about: &str, [name, label, query]: [&str; 3], panels: &[Panel]) -> Value {
    let source = json!({ "type": "prometheus", "uid": "${datasource}" });
    json!({
        "uid": title,
        "title": title,
        "description": about,
        "tags": ["hifi"],
        "schemaVersion": SCHEMA,
        "graphTooltip": 1,
        "refresh": "5s",
        "time": { "from": "now-15m", "to": "now" },
        "templating": { "list": [
            {
                "name": "datasource",
                "label": "Data source",
                "type": "datasource",
                "query": "prometheus",
            },
            {
                "name": name,
                "label": label,
                "type": "query",
                "datasource": source,
                "definition": query,
                "query": { "query": query, "refId": name },
                "refresh": 2,
                "multi": true,
                "includeAll": true,
                "allValue": ".*",
            },
        ] },
        "panels": panels.iter().enumerate().map(|(i, panel)| panel.model(i, &source)).collect::<Vec<_>>(),
    })
}

impl Panel {
    fn model(&self, index: usize, source: &Value) -> Value {
        let place = index * WIDTH;
        let targets: Vec<Value> = ('A'..)
            .zip(self.lines)
            .map(|(id, (legend, query))| {
                json!({
                    "refId": id.to_string(),
                    "datasource": source,
                    "expr": written_out(query),
                    "legendFormat": legend,
                    "range": true,
                })
            })
            .collect();
        json!({
            "id": index + 1,
            "type": "timeseries",
            "title": self.title,
            "description": self.about,
            "datasource": source,
            "gridPos": { "x": place % COLUMNS, "y": place / COLUMNS * HEIGHT, "w": WIDTH, "h": HEIGHT },
            "fieldConfig": { "defaults": {
                "unit": self.unit,
                "min": 0,
                "custom": {
                    "fillOpacity": if self.stacked { 30 } else { 10 },
                    "stacking": { "mode": if self.stacked { "normal" } else { "none" }, "group": "A" },
                },
            } },
            "options": { "tooltip": { "mode": "multi", "sort": "desc" } },
            "targets": targets,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_do_not_overlap_and_ask_for_the_chosen_run() {
        for (model, chosen) in [
            (runs(), "hifi_run_info{run=~\"$run\"}"),
            (audits(), "{instance=~\"$instance\"}"),
        ] {
            check(&model, chosen);
        }
    }

    fn check(model: &Value, chosen: &str) {
        let panels = model["panels"].as_array().unwrap();
        let places: std::collections::BTreeSet<_> = panels
            .iter()
            .map(|panel| {
                (
                    panel["gridPos"]["y"].as_u64(),
                    panel["gridPos"]["x"].as_u64(),
                )
            })
            .collect();
        assert_eq!(places.len(), panels.len());
        for query in panels
            .iter()
            .flat_map(|panel| panel["targets"].as_array().unwrap())
        {
            let query = query["expr"].as_str().unwrap();
            assert!(query.contains(chosen), "{query}");
        }
    }
}
