//! A run's log, and the same log without one line: what is handed to whatever carries lines, and what the audit must say of
//! what comes out.

use serde_json::Value;

use crate::rig::Rig;

/// A run with every kind of line in it, retries, abandoned operations and unexpected errors; it ends with 1.
pub(crate) const RUN: &str =
    "-t 8 -n 300 --failure-rate 0.5 --panic-rate 0.0005 --seed 3 --time-scale 0";

/// A log, and the line that is to be missing from it.
pub(crate) struct Log {
    /// All of it.
    pub(crate) text: String,
    /// `text` or `json`.
    pub(crate) format: &'static str,
    lines: usize,
    pub(crate) missing: Line,
}

/// A worker's line, as it is named.
pub(crate) struct Line {
    pub(crate) worker: u64,
    pub(crate) seq: u64,
}

impl Line {
    /// What stands in the line, and in no other.
    pub(crate) fn mark(&self, format: &str) -> String {
        let Self { worker, seq } = self;
        match format {
            "json" => format!("\"worker\":{worker},\"seq\":{seq},"),
            _ => format!(" worker={worker} seq={seq} "),
        }
    }
}

impl Log {
    /// Runs the program, quietly, and reads its log.
    pub(crate) fn of_run(rig: &Rig, format: &'static str) -> Self {
        rig.hifi(&format!(
            "{RUN} -q --log-format {format} --log-file written"
        ))
        .code(1);
        Self::new(rig.read("written"), format)
    }

    pub(crate) fn new(text: String, format: &'static str) -> Self {
        let lines = text.lines().count();
        assert!(lines > 4000);
        Self {
            text,
            format,
            lines,
            missing: Line {
                worker: 3,
                seq: 100,
            },
        }
    }

    /// The log without its line.
    pub(crate) fn without(&self) -> String {
        without(&self.text, &self.missing.mark(self.format))
    }

    /// In the file nothing is missing, and nothing wrong.
    #[track_caller]
    pub(crate) fn is_whole_in(&self, rig: &Rig, file: &str) {
        let verdict = rig.audit(file).code(0).json();
        assert_eq!(verdict["runs"][0]["lines"], self.lines, "{file}");
    }

    /// In the file the line is missing, and nothing else wrong.
    #[track_caller]
    pub(crate) fn is_short_in(&self, rig: &Rig, file: &str) {
        let verdict = rig.audit(file).code(1).json();
        let run = &verdict["runs"][0];
        let counts = run["counts"].as_object().unwrap();
        let wrong = counts.iter().filter(|(_, count)| **count != 0);
        assert_eq!(
            wrong.collect::<Vec<_>>(),
            [(&"lost".to_owned(), &Value::from(1))],
            "{file}"
        );
        let found = &run["findings"][0];
        let Line { worker, seq } = self.missing;
        assert_eq!(found["author"], format!("Worker-{worker}"), "{file}");
        assert_eq!(
            (&found["first"], &found["last"]),
            (&seq.into(), &seq.into())
        );
        assert_eq!(verdict["stray_count"], 0, "{file}");
    }
}

/// The lines without the one that this mark stands in.
pub(crate) fn without(text: &str, mark: &str) -> String {
    let kept = text
        .split_inclusive('\n')
        .filter(|line| !line.contains(mark));
    let kept: String = kept.collect();
    assert_eq!(kept.lines().count() + 1, text.lines().count(), "{mark}");
    kept
}
