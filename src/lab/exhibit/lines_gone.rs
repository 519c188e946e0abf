//! Lines that are gone, beside the summary that counts them as written.

use serde_json::{Value, json};

use super::Exhibit;
use crate::lab::trial::Trial;

pub(super) fn show(trial: &Trial) -> Option<Exhibit> {
    let run = &trial.broken;
    let (logged, written, lost) = (
        run.number("/log_lines"),
        run.number("/file/lines"),
        run.number("/file/lost"),
    );
    let there = run.lines as u64;
    let gone: Vec<&Value> = run
        .findings()
        .filter(|finding| finding["kind"] == "lost")
        .collect();
    let count = |finding: &Value| finding["count"].as_u64().unwrap_or(0);
    let all: u64 = gone.iter().map(|finding| count(finding)).sum();
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
            format!("{lost} lines lost"),
            format_args!("{all} lines are not there:")
        ),
    ];
    for finding in &gone {
        let [first, last] = ["first", "last"].map(|name| finding[name].as_u64().unwrap_or(0));
        let author = finding["author"].as_str().unwrap_or_default();
        lines.push(format!(
            "{:<36}  {author:<10} seq {:<9}{:>6}",
            "",
            format!("{first}-{last}"),
            count(finding)
        ));
    }
    Some(Exhibit {
        brief: format!(
            "{written} lines written, {lost} lost, says the summary. The file has {there} lines; {all} are gone, \
             among them everything that the workers logged."
        ),
        lines,
        reading: "Every line has a number along the thread that wrote it (seq), and the seed says how many attempts \
                  there had to be. So the audit can tell which lines are missing, though nothing in the file speaks \
                  of them."
            .into(),
        data: json!({
            "said_to_be_written": written,
            "said_to_be_lost": lost,
            "in_the_file": there,
            "gone": all,
            "ranges": gone,
        }),
    })
}
