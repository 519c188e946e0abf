//! The verdict as annotations of GitHub Actions: a line of the log is marked where a finding shows.

use super::{Finding, Status, Verdict, report::finding_words};

/// How many annotations of a kind GitHub shows for a step.
const SHOWN: usize = 10;

/// The verdict as annotations.
pub fn annotations(verdict: &Verdict) -> String {
    let mut out = String::new();
    for group in &verdict.groups {
        let title = format!("hifi audit: group {}", group.group);
        for (_, _, words) in group.wrong() {
            for words in words.iter().take(SHOWN) {
                line(&mut out, "error", &[("title", &title)], words);
            }
        }
    }
    for run in &verdict.runs {
        for (kind, count) in run.counts.by_name() {
            for finding in run.of_kind(kind).take(SHOWN) {
                let title = format!("hifi audit: {kind} ({count} in run {})", run.run);
                annotate(&mut out, finding, &title);
            }
        }
        for why in run.unanswered() {
            cannot_tell(&mut out, &format!("run {}: {why}", run.run));
        }
    }
    for stray in verdict.strays.iter().take(SHOWN) {
        annotate(&mut out, stray, "hifi audit: of no run");
    }
    for why in &verdict.cannot_tell {
        cannot_tell(&mut out, why);
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

fn annotate(out: &mut String, finding: &Finding, title: &str) {
    let at = finding.at.as_ref();
    let number = at.map(|at| at.line.to_string());
    let mut properties = Vec::new();
    if let (Some(at), Some(number)) = (at, &number) {
        properties.extend([("file", at.file.as_str()), ("line", number)]);
    }
    properties.push(("title", title));
    line(out, "error", &properties, &finding_words(finding));
}

fn cannot_tell(out: &mut String, why: &str) {
    line(out, "error", &[("title", "hifi audit: cannot tell")], why);
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
