//! The verdict as annotations of GitHub Actions: a line of the log is marked where a finding shows.

use super::{
    Status, Verdict,
    sections::{head, sections},
};

/// How many annotations of a kind GitHub shows for a step.
const SHOWN: usize = 10;

/// The verdict as annotations.
pub fn annotations(verdict: &Verdict) -> String {
    let mut out = String::new();
    for section in sections(verdict) {
        for case in &section.cases {
            let of = &section.title;
            let title = format!("hifi audit: {} ({} in {of})", case.name, case.count);
            for (at, words) in case.shown.iter().take(SHOWN) {
                let place = at.iter();
                let place =
                    place.map(|at| [("file", at.file.clone()), ("line", at.line.to_string())]);
                let title = [("title", title.clone())];
                let properties: Vec<_> = place.flatten().chain(title).collect();
                let level = if section.accepted { "notice" } else { "error" };
                line(&mut out, level, &properties, words);
            }
        }
        for why in section.unanswered {
            let title = [("title", "hifi audit: cannot tell".into())];
            let text = format!("{}: {why}", section.title);
            line(&mut out, "error", &title, &text);
        }
    }
    if verdict.status == Status::Clean {
        let title = [("title", "hifi audit: clean".into())];
        line(&mut out, "notice", &title, &head(verdict));
    }
    out
}

fn line(out: &mut String, level: &str, properties: &[(&str, String)], text: &str) {
    let properties = properties.iter().map(|(name, value)| {
        let value = escaped(value).replace(':', "%3A").replace(',', "%2C");
        format!("{name}={value}")
    });
    let properties: Vec<_> = properties.collect();
    let (properties, text) = (properties.join(","), escaped(text.trim_end()));
    *out += &format!("::{level} {properties}::{text}\n");
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
            &[("file", "a:b,c%".into()), ("line", "3".into())],
            "50%\n::error::x\r",
        );
        assert_eq!(
            out,
            "::error file=a%3Ab%2Cc%25,line=3::50%25%0A::error::x\n"
        );
    }
}
