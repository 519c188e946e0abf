//! `hifi dashboard`: Grafana dashboards for the metrics, to be imported as they are.
//!
//! They are kept in Grafana's own form (dashboard model 41, of Grafana 11 and 12): what was changed there and exported takes
//! the place of the file here. `hifi_run_info`, a series of value 1, tells which targets a run has. A test sends every
//! query to a real Prometheus.

use std::process::ExitCode;

use crate::log::stream::print_out;

/// Of runs.
const RUNS: &str = include_str!("dashboard.json");
/// Of logs that are followed, whose lines other processes read.
const AUDITS: &str = include_str!("dashboard_audit.json");

/// Prints the dashboard of runs, or of logs that are followed.
///
/// # Errors
/// Standard output cannot be written.
pub fn print(audit: bool) -> anyhow::Result<ExitCode> {
    let dashboard = if audit { AUDITS } else { RUNS };
    print_out("the dashboard", dashboard.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn panels_do_not_overlap_and_ask_for_the_chosen_run() {
        for (dashboard, chosen) in [
            (RUNS, "hifi_run_info{run=~\"$run\"}"),
            (AUDITS, "{instance=~\"$instance\"}"),
        ] {
            check(&serde_json::from_str(dashboard).unwrap(), chosen);
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
