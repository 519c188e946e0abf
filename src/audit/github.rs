//! The verdict as annotations of GitHub Actions: a line of the log is marked where a finding shows.

use super::{
    report::finding_words,
    verdict::{DifferingShard, Finding, LostShard, Status, Verdict},
};

/// How many annotations of a kind GitHub shows for a step.
const SHOWN: usize = 10;

/// The verdict as annotations.
pub fn annotations(verdict: &Verdict) -> String {
    let mut out = String::new();
    for group in &verdict.groups {
        let title = format!("hifi audit: group {}", group.group);
        let lost = group.lost.iter().map(LostShard::words);
        let differing = group.differing.iter().map(DifferingShard::words);
        for words in lost.take(SHOWN).chain(differing.take(SHOWN)) {
            line(&mut out, "error", &[("title", &title)], &words);
        }
    }
    for run in &verdict.runs {
        for (kind, count) in run.counts.by_name() {
            let of_kind = run.findings.iter().filter(|finding| finding.kind() == kind);
            for finding in of_kind.take(SHOWN) {
                let title = format!("hifi audit: {kind} ({count} in run {})", run.run);
                annotate(&mut out, "error", finding, &title);
            }
        }
        for why in run.unanswered() {
            line(
                &mut out,
                "error",
                &[("title", "hifi audit: cannot tell")],
                &format!("run {}: {why}", run.run),
            );
        }
    }
    for stray in verdict.strays.iter().take(SHOWN) {
        annotate(&mut out, "error", stray, "hifi audit: of no run");
    }
    for why in &verdict.cannot_tell {
        line(
            &mut out,
            "error",
            &[("title", "hifi audit: cannot tell")],
            why,
        );
    }
    if verdict.status == Status::Clean {
        let text = format!(
            "{} lines of {} runs are as they must be",
            verdict.lines,
            verdict.runs.len()
        );
        line(&mut out, "notice", &[("title", "hifi audit: clean")], &text);
    }
    out
}

fn annotate(out: &mut String, level: &str, finding: &Finding, title: &str) {
    let text = finding_words(finding);
    match finding.place() {
        Some(at) => {
            let number = at.line.to_string();
            line(
                out,
                level,
                &[("file", &at.file), ("line", &number), ("title", title)],
                &text,
            );
        }
        None => line(out, level, &[("title", title)], &text),
    }
}

fn line(out: &mut String, level: &str, properties: &[(&str, &str)], text: &str) {
    let properties: Vec<_> = properties
        .iter()
        .map(|(name, value)| {
            format!(
                "{name}={}",
                escaped(value).replace(':', "%3A").replace(',', "%2C")
            )
        })
        .collect();
    *out += &format!(
        "::{level} {}::{}\n",
        properties.join(","),
        escaped(text.trim_end())
    );
}

/// What would end the annotation, or be taken for an escape.
fn escaped(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_log_ends_an_annotation() {
        let mut out = String::new();
        line(
            &mut out,
            "error",
            &[("file", "a:b,c%"), ("line", "3")],
            "50%\n::error::x\r",
        );
        assert_eq!(
            out,
            "::error file=a%3Ab%2Cc%25,line=3::50%25%0A::error::x\n"
        );
    }
}
