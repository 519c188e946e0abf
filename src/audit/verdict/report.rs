//! The verdict as text, for a person in trouble: the verdict first, then what, where and the likely cause.
//!
//! This file must not know how anything was found.

use std::time::Duration;

use super::{
    RunVerdict, Status, Verdict,
    delay::DelaySummary,
    findings::KEPT_MAX,
    sections::{Section, sections},
    words::paragraph,
};
use crate::plan::format::counted;

/// How many findings of a kind are shown of a run; the JSON form has more.
const SHOWN: usize = 10;

/// The verdict as text.
pub fn report(verdict: &Verdict) -> String {
    let mut sections = sections(verdict);
    // The verdict on one shard alone has no group's verdict that speaks for it.
    let alone = verdict.groups.is_empty();
    sections.retain(|section| alone || !section.run.is_some_and(goes_without_saying));
    sections.iter().map(text).collect::<Vec<_>>().join("\n")
}

/// Whether nothing needs to be said of a run that its group's verdict does not say.
fn goes_without_saying(run: &RunVerdict) -> bool {
    let is_replaced = run.set_aside.is_some() && run.status == Status::CannotTell;
    run.workload.is_some() && (run.status == Status::Clean || is_replaced)
}

fn text(section: &Section<'_>) -> String {
    let mut out = format!("{}\n", section.head);
    for why in section.unanswered {
        out += &paragraph("  ", &format!("Cannot tell: {why}."));
    }
    for note in section.notes.iter().take(SHOWN) {
        out += &paragraph("  ", &format!("Note: {note}."));
    }
    out += &more(section.notes.len());
    let delay = section.run.and_then(|run| run.delay);
    out += &delay.map(delay_words).unwrap_or_default();
    for case in section.cases.iter().filter(|case| case.count > 0) {
        out += &format!("  {}: {}\n", case.name, case.count);
        let shown = case.shown.iter().take(SHOWN);
        out.extend(shown.map(|(_, words)| words.as_str()));
        out += &more(case.kept);
        for cause in &case.causes {
            out += &paragraph("    ", &format!("Likely cause: {cause}."));
        }
    }
    out
}

/// Says that there are more entries than are shown. The JSON form has those that were kept.
fn more(kept: usize) -> String {
    match kept {
        KEPT_MAX.. => format!("    … and many more; --format json has the first {kept}\n"),
        _ if kept > SHOWN => {
            let more = kept - SHOWN;
            format!("    … and {more} more; --format json has them\n")
        }
        _ => String::new(),
    }
}

/// How long lines took, in words.
fn delay_words(delay: DelaySummary) -> String {
    let micros = |us: u64| humantime::format_duration(Duration::from_micros(us)).to_string();
    let text = format!(
        "Delay of {}: half within {}, nine of ten within {}, 99 of 100 within {}, the longest {}.",
        counted(delay.lines, "line"),
        micros(delay.p50_us),
        micros(delay.p90_us),
        micros(delay.p99_us),
        micros(delay.max_us)
    );
    let text = match delay.min_us {
        0.. => text,
        early => format!(
            "{text} By the clocks one came {} before it was logged: they disagree.",
            micros(early.unsigned_abs())
        ),
    };
    paragraph("  ", &text)
}
