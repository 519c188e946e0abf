//! Memory over operations, with the bug and without.

use serde_json::{Value, json};

use super::Exhibit;
use crate::lab::{
    chart::{self, Memory},
    trial::Trial,
};

pub(super) fn show(trial: &Trial) -> Option<Exhibit> {
    let [broken, fixed] = [&trial.broken, &trial.fixed].map(|run| Memory::of(&run.records));
    let megabytes = |memory: &Memory| memory.peak() as f64 / 1e6;
    let per_operation = [&broken, &fixed].map(Memory::bytes_per_operation);
    let [Some(rise), Some(flat)] = per_operation else {
        return None;
    };
    Some(Exhibit {
        brief: format!(
            "With the bug each further operation costs {rise:.0} bytes that never come back: {:.1} MB at the end. \
             The fixed program has {:.1} MB, and {:.1} bytes more for each operation.",
            megabytes(&broken),
            megabytes(&fixed),
            flat.max(0.0)
        ),
        lines: chart::draw(&broken, &fixed),
        reading: "Both runs did the same work. A program that works on for ever may take as much memory as it \
                  likes, but not more for each operation: a line that rises here has no end but that of the memory."
            .into(),
        data: Value::Object(
            [
                ("bytes_per_operation", json!(rise)),
                ("bytes_per_operation_fixed", json!(flat)),
                ("peak_bytes", json!(broken.peak())),
                ("peak_bytes_fixed", json!(fixed.peak())),
                ("samples", json!(broken.samples())),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into_iter()
            .collect(),
        ),
    })
}
