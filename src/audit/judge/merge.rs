//! Verdicts over parts of what was logged, made one: each machine's logs are audited where they are, and only the verdicts
//! travel.
//!
//! This is exact as long as each run's log was read as a whole by one of the audits: what is said of a run depends on
//! its lines alone, and what is said of a group on what is said of its runs. A run of which two audits have read lines is
//! refused: neither knows what the other has seen.

use std::{collections::BTreeMap, fs, io, path::PathBuf};

use anyhow::{Context, Result};

use super::{conclude::overall, group};
use crate::{
    audit::{config::Select, verdict::Verdict},
    log::line::displayed,
};

/// Reads the verdicts in these files, each of one audit or of several with a line for each, and makes them one.
///
/// # Errors
/// A file cannot be read, or holds something else.
pub fn merge_files(files: &[PathBuf]) -> Result<Verdict> {
    let mut verdicts = Vec::new();
    for file in files {
        let name = displayed(file);
        let text = if name == "-" {
            io::read_to_string(io::stdin())
        } else {
            fs::read_to_string(file)
        };
        let text = text.with_context(|| format!("the verdict {name} cannot be read"))?;
        let read = serde_json::Deserializer::from_str(&text).into_iter::<Verdict>();
        let known = verdicts.len();
        for verdict in read {
            let verdict = verdict.with_context(|| {
                format!("{name} is no verdict: what hifi audit --format json prints is needed")
            })?;
            verdicts.push((name.clone(), verdict));
        }
        anyhow::ensure!(
            verdicts.len() > known,
            "{name} is empty: what hifi audit --format json prints is needed"
        );
    }
    Ok(merge(verdicts))
}

/// Makes verdicts one; each comes with the name by which to speak of it.
pub(crate) fn merge(verdicts: Vec<(String, Verdict)>) -> Verdict {
    let mut out = Verdict::default();
    let mut read_by: BTreeMap<String, String> = BTreeMap::new();
    for (name, verdict) in verdicts {
        out.unread |= verdict.unread;
        out.lines += verdict.lines;
        out.bytes += verdict.bytes;
        out.strays.extend(verdict.strays);
        out.stray_count += verdict.stray_count;
        for note in verdict.notes {
            out.notes.push(format!("{name}: {note}"));
        }
        for why in verdict.cannot_tell {
            out.cannot_tell.push(format!("{name}: {why}"));
        }
        for mut run in verdict.runs {
            run.set_aside = None;
            if let Some(other) = read_by.insert(run.run.clone(), name.clone()) {
                out.cannot_tell.push(format!(
                    "{other} and {name} each tell of lines of run {}, and neither knows what the other has seen: a run's log \
                     must be audited in one place, as a whole",
                    run.run
                ));
            } else {
                out.runs.push(run);
            }
        }
    }
    out.groups = group::judge(&mut out.runs, !out.unread);
    out.status = overall(&out, Select::All);
    out
}
