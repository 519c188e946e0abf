//! `hifi dashboard`: a Grafana dashboard for the metrics, to be imported as it is.
//!
//! This file must not know how the metrics are made; a test sends every query to a real Prometheus.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::Context;
use serde_json::{Value, json};

/// The dashboard model of Grafana 11 and 12.
const SCHEMA: u32 = 41;
/// How many columns Grafana has, and how many and high a panel is here.
const COLUMNS: usize = 24;
const WIDTH: usize = 12;
const HEIGHT: usize = 8;

/// A panel: its title, its unit in Grafana's terms, and its lines, each a query and a legend.
struct Panel {
    title: &'static str,
    about: &'static str,
    unit: &'static str,
    stacked: bool,
    lines: &'static [(&'static str, &'static str)],
}

/// What a query may ask for: the run that was chosen. `hifi_run_info` tells which targets that is.
const PANELS: &[Panel] = &[
    Panel {
        title: "Throughput",
        about: "Operations that ended, a second.",
        unit: "ops",
        stacked: true,
        lines: &[(
            "sum by (outcome) (rate(hifi_operations_total[$__rate_interval]) * on (instance, job) group_left () $run)",
            "{{outcome}}",
        )],
    },
    Panel {
        title: "Failed attempts",
        about: "The share of attempts that failed: the failure rate, as it came out.",
        unit: "percentunit",
        stacked: false,
        lines: &[(
            "sum(rate(hifi_attempts_total{outcome=\"failure\"}[$__rate_interval]) * on (instance, job) group_left () $run) \
             / sum(rate(hifi_attempts_total[$__rate_interval]) * on (instance, job) group_left () $run)",
            "failed",
        )],
    },
    Panel {
        title: "Retries",
        about: "Attempts beyond the first of their operation, a second.",
        unit: "ops",
        stacked: false,
        lines: &[(
            "sum(rate(hifi_retries_total[$__rate_interval]) * on (instance, job) group_left () $run)",
            "retries",
        )],
    },
    Panel {
        title: "Operation time",
        about: "From the start of an operation to its completion or abandonment, retries included.",
        unit: "s",
        stacked: false,
        lines: &[
            (
                "histogram_quantile(0.5, sum by (le) (rate(hifi_operation_seconds_bucket[$__rate_interval]) * on (instance, job) group_left () $run))",
                "p50",
            ),
            (
                "histogram_quantile(0.99, sum by (le) (rate(hifi_operation_seconds_bucket[$__rate_interval]) * on (instance, job) group_left () $run))",
                "p99",
            ),
        ],
    },
    Panel {
        title: "Requests",
        about: "Requests for operations by the status code of their answer, a second; none without --serve.",
        unit: "reqps",
        stacked: true,
        lines: &[(
            "sum by (code) (rate(hifi_requests_total[$__rate_interval]) * on (instance, job) group_left () $run)",
            "{{code}}",
        )],
    },
    Panel {
        title: "Request time",
        about: "From the arrival of a request for an operation to its answer, the wait for a worker included.",
        unit: "s",
        stacked: false,
        lines: &[
            (
                "histogram_quantile(0.5, sum by (le) (rate(hifi_request_seconds_bucket[$__rate_interval]) * on (instance, job) group_left () $run))",
                "p50",
            ),
            (
                "histogram_quantile(0.99, sum by (le) (rate(hifi_request_seconds_bucket[$__rate_interval]) * on (instance, job) group_left () $run))",
                "p99",
            ),
        ],
    },
    Panel {
        title: "Lock wait",
        about: "How long the Processor's lock was waited for; 0 where it was free.",
        unit: "s",
        stacked: false,
        lines: &[
            (
                "histogram_quantile(0.5, sum by (le) (rate(hifi_lock_wait_seconds_bucket[$__rate_interval]) * on (instance, job) group_left () $run))",
                "p50",
            ),
            (
                "histogram_quantile(0.99, sum by (le) (rate(hifi_lock_wait_seconds_bucket[$__rate_interval]) * on (instance, job) group_left () $run))",
                "p99",
            ),
            (
                "histogram_quantile(0.99, sum by (le) (rate(hifi_lock_hold_seconds_bucket[$__rate_interval]) * on (instance, job) group_left () $run))",
                "held, p99",
            ),
        ],
    },
    Panel {
        title: "Workers",
        about: "Workers by what they are doing.",
        unit: "short",
        stacked: true,
        lines: &[(
            "sum by (state) (hifi_workers * on (instance, job) group_left () $run)",
            "{{state}}",
        )],
    },
    Panel {
        title: "Data length",
        about: "Items that the Processor holds, and those that its limit made it drop.",
        unit: "short",
        stacked: false,
        lines: &[
            (
                "sum(hifi_data_items * on (instance, job) group_left () $run)",
                "held",
            ),
            (
                "sum(hifi_data_dropped_total * on (instance, job) group_left () $run)",
                "dropped",
            ),
        ],
    },
    Panel {
        title: "Memory",
        about: "Resident memory of the process.",
        unit: "bytes",
        stacked: false,
        lines: &[(
            "sum(process_resident_memory_bytes * on (instance, job) group_left () $run)",
            "resident",
        )],
    },
    Panel {
        title: "CPU",
        about: "Cores in use.",
        unit: "short",
        stacked: false,
        lines: &[(
            "sum(rate(process_cpu_seconds_total[$__rate_interval]) * on (instance, job) group_left () $run)",
            "cores",
        )],
    },
    Panel {
        title: "Log",
        about: "Lines written a second.",
        unit: "short",
        stacked: false,
        lines: &[(
            "sum by (sink) (rate(hifi_log_lines_total[$__rate_interval]) * on (instance, job) group_left () $run)",
            "{{sink}}",
        )],
    },
    Panel {
        title: "Log errors",
        about: "Errors in writing the log since the start: anything above 0 in the file ends the run with code 1.",
        unit: "short",
        stacked: false,
        lines: &[(
            "sum by (sink) (hifi_log_errors_total * on (instance, job) group_left () $run)",
            "{{sink}}",
        )],
    },
    Panel {
        title: "Threads and files",
        about: "OS threads and open file descriptors of the process.",
        unit: "short",
        stacked: false,
        lines: &[
            (
                "sum(process_threads * on (instance, job) group_left () $run)",
                "threads",
            ),
            (
                "sum(process_open_fds * on (instance, job) group_left () $run)",
                "open files",
            ),
        ],
    },
];

/// The panels of a log that is followed, whose lines another process reads.
const AUDIT_PANELS: &[Panel] = &[
    Panel {
        title: "Lines",
        about: "Lines that were read, a second.",
        unit: "short",
        stacked: false,
        lines: &[(
            "sum by (instance) (rate(hifi_audit_lines_total{instance=~\"$instance\"}[$__rate_interval]))",
            "{{instance}}",
        )],
    },
    Panel {
        title: "Missing",
        about: "Lines that are missing now: those on their way, and those that were given up and have not come.",
        unit: "short",
        stacked: false,
        lines: &[(
            "sum by (instance) (hifi_audit_missing{instance=~\"$instance\"})",
            "{{instance}}",
        )],
    },
    Panel {
        title: "Findings",
        about: "Lines that are not as they must be, by what is wrong.",
        unit: "short",
        stacked: true,
        lines: &[(
            "sum by (kind) (hifi_audit_findings_total{instance=~\"$instance\"})",
            "{{kind}}",
        )],
    },
    Panel {
        title: "Delay",
        about: "From a line's own time to its arrival.",
        unit: "s",
        stacked: false,
        lines: &[
            (
                "histogram_quantile(0.5, sum by (le) (rate(hifi_audit_delay_seconds_bucket{instance=~\"$instance\"}[$__rate_interval])))",
                "p50",
            ),
            (
                "histogram_quantile(0.99, sum by (le) (rate(hifi_audit_delay_seconds_bucket{instance=~\"$instance\"}[$__rate_interval])))",
                "p99",
            ),
        ],
    },
    Panel {
        title: "Silence",
        about: "Since the last line came.",
        unit: "s",
        stacked: false,
        lines: &[(
            "time() - hifi_audit_last_line_timestamp_seconds{instance=~\"$instance\"}",
            "{{instance}}",
        )],
    },
    Panel {
        title: "Runs",
        about: "Runs by their state.",
        unit: "short",
        stacked: true,
        lines: &[(
            "sum by (state) (hifi_audit_runs{instance=~\"$instance\"})",
            "{{state}}",
        )],
    },
];

/// The series, of value 1, of the runs that are chosen; it stands for `$run` in the queries above.
const RUN: &str = "hifi_run_info{run=~\"$run\"}";

/// Prints the dashboard of runs, or of logs that are followed.
///
/// # Errors
/// Standard output cannot be written.
pub fn print(audit: bool) -> anyhow::Result<ExitCode> {
    let model = if audit { audits() } else { runs() };
    let text = serde_json::to_string_pretty(&model).context("cannot make the dashboard")? + "\n";
    io::stdout()
        .write_all(text.as_bytes())
        .context("cannot write the dashboard to standard output")?;
    Ok(ExitCode::SUCCESS)
}

fn runs() -> Value {
    let about = "Runs of hifi, a concurrent workload whose truth is known.";
    let choice = Choice {
        name: "run",
        label: "Run",
        query: "label_values(hifi_run_info, run)",
    };
    dashboard(["hifi", "hifi", about], &choice, PANELS)
}

fn audits() -> Value {
    let about = "Logs that hifi audit follows, held against what must exist.";
    let choice = Choice {
        name: "instance",
        label: "Audit",
        query: "label_values(hifi_audit_lines_total, instance)",
    };
    dashboard(["hifi-audit", "hifi audit", about], &choice, AUDIT_PANELS)
}

/// What can be chosen on a dashboard: a label's values.
struct Choice {
    name: &'static str,
    label: &'static str,
    query: &'static str,
}

fn dashboard([uid, title, about]: [&str; 3], choice: &Choice, panels: &[Panel]) -> Value {
    let source = json!({ "type": "prometheus", "uid": "${datasource}" });
    json!({
        "uid": uid,
        "title": title,
        "description": about,
        "tags": ["hifi"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "5s",
        "time": { "from": "now-15m", "to": "now" },
        "timezone": "browser",
        "annotations": { "list": [] },
        "links": [],
        "templating": { "list": [
            {
                "name": "datasource",
                "label": "Data source",
                "type": "datasource",
                "query": "prometheus",
                "current": {},
                "hide": 0,
                "refresh": 1,
                "multi": false,
                "includeAll": false,
            },
            {
                "name": choice.name,
                "label": choice.label,
                "type": "query",
                "datasource": source,
                "definition": choice.query,
                "query": { "query": choice.query, "refId": choice.name, "qryType": 1 },
                "current": {},
                "hide": 0,
                "refresh": 2,
                "sort": 0,
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
            .map(|(id, (query, legend))| {
                json!({
                    "refId": id.to_string(),
                    "datasource": source,
                    "expr": query.replace("$run", RUN),
                    "legendFormat": legend,
                    "editorMode": "code",
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
            "fieldConfig": {
                "defaults": {
                    "unit": self.unit,
                    "min": 0,
                    "custom": {
                        "fillOpacity": if self.stacked { 30 } else { 10 },
                        "lineWidth": 1,
                        "showPoints": "auto",
                        "stacking": { "mode": if self.stacked { "normal" } else { "none" }, "group": "A" },
                    },
                },
                "overrides": [],
            },
            "options": {
                "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": [] },
                "tooltip": { "mode": "multi", "sort": "desc" },
            },
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
