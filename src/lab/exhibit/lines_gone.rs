//! Lines that are gone, beside the summary that counts them as written.

use super::Exhibit;
use crate::{audit::Range, lab::trial::Trial};

pub(super) fn show(trial: &Trial) -> Option<Exhibit> {
    let run = &trial.broken;
    let (logged, written) = (run.number("/log_lines"), run.number("/file/lines"));
    let (said_lost, there) = (run.number("/file/lost"), run.lines());
    let ranges: Vec<&Range> = run.lost().collect();
    let all: u64 = ranges.iter().map(|range| range.count).sum();
    let row = |left: &str, right: String| format!("{left:<36}{right}");
    let mut lines = vec![
        row("the summary says", "the file holds".into()),
        row(&format!("{logged} lines logged"), String::new()),
        row(
            &format!("{written} lines written"),
            format!("{there} lines"),
        ),
        row(
            &format!("{said_lost} lines lost"),
            format!("{all} lines are not there:"),
        ),
    ];
    lines.extend(ranges.iter().map(|range| {
        let [first, last] = [range.first, range.last].map(|seq| seq.unwrap_or(0));
        let numbers = format!("{first}-{last}");
        row(
            "",
            format!("  {:<10} seq {numbers:<9}{:>6}", range.author, range.count),
        )
    }));
    (all > 0).then(|| Exhibit {
        brief: format!(
            "{written} lines written, {said_lost} lost, says the summary. The file has {there} lines; {all} are gone, \
             among them everything that the workers logged."
        ),
        lines,
    })
}
