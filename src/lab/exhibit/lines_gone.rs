//! Lines that are gone, beside the summary that counts them as written.

use serde_json::json;

use super::Exhibit;
use crate::{
    audit::{Finding, Range},
    lab::trial::Trial,
};

pub(super) fn show(trial: &Trial) -> Option<Exhibit> {
    let run = &trial.broken;
    let (logged, written, said_lost) = (
        run.number("/log_lines"),
        run.number("/file/lines"),
        run.number("/file/lost"),
    );
    let there = run.lines as u64;
    let lost = |finding: &&Finding| matches!(finding, Finding::Lost { .. });
    let gone: Vec<&Finding> = run.findings().filter(lost).collect();
    let ranges: Vec<&Range> = gone.iter().filter_map(|finding| finding.range()).collect();
    let all: u64 = ranges.iter().map(|range| range.count).sum();
    if gone.is_empty() {
        return None;
    }
    let [left, right] = ["the summary says", "the file holds"];
    let mut lines = vec![
        format!("{left:<36}{right}"),
        format!("{:<36}{}", format!("{logged} lines logged"), ""),
        format!(
            "{:<36}{}",
            format!("{written} lines written"),
            format_args!("{there} lines")
        ),
        format!(
            "{:<36}{}",
            format!("{said_lost} lines lost"),
            format_args!("{all} lines are not there:")
        ),
    ];
    for range in ranges {
        let [first, last] = [range.first, range.last].map(|seq| seq.unwrap_or(0));
        let (author, numbers) = (&range.author, format!("{first}-{last}"));
        let count = range.count;
        lines.push(format!(
            "{:<36}  {author:<10} seq {numbers:<9}{count:>6}",
            ""
        ));
    }
    Some(Exhibit {
        brief: format!(
            "{written} lines written, {said_lost} lost, says the summary. The file has {there} lines; {all} are gone, \
             among them everything that the workers logged."
        ),
        lines,
        reading: "Every line has a number along the thread that wrote it (seq), and the seed says how many attempts \
                  there had to be. So the audit can tell which lines are missing, though nothing in the file speaks \
                  of them."
            .into(),
        data: json!({
            "said_to_be_written": written,
            "said_to_be_lost": said_lost,
            "in_the_file": there,
            "gone": all,
            "ranges": gone,
        }),
    })
}
