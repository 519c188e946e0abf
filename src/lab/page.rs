//! How a page of the lab looks: 80 columns of text, coloured where there is a terminal.
//!
//! This file must not know how anything was found out.

use super::{
    exhibit::Exhibit,
    trial::{Conclusion, Trial, TrialRun},
};
use crate::{
    audit::{self, Finding},
    bugs::{CaughtBy, Excerpt, Specimen},
};

/// The most columns of a line.
const WIDTH: usize = 80;
/// Columns of a line's number.
const NUMBER: usize = 5;
/// How many of the figures that do not balance are shown.
const BOOKS: usize = 4;
/// How far everything but headings is indented.
const INDENT: &str = "  ";

/// The layout of pages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    coloured: bool,
    in_depth: bool,
}

/// What a piece of text is, and so how it is coloured.
#[derive(Clone, Copy)]
enum Ink {
    Title,
    Heading,
    Bad,
    Good,
    Quiet,
}

impl Page {
    /// Pages in depth, or in brief.
    pub(super) fn new(coloured: bool, in_depth: bool) -> Self {
        Self { coloured, in_depth }
    }

    /// What stands before the first specimen.
    pub(super) fn opening(&self, specimens: usize, seed: u64) -> String {
        if self.in_depth {
            return String::new();
        }
        let mut out = String::new();
        let text = format!(
            "{specimens} bugs, each let loose in a run and caught. Beside it stands the same run of the fixed \
             program, from the same seed ({seed})."
        );
        wrap(&mut out, "", &text);
        out
    }

    /// The page of one specimen.
    pub(super) fn of(&self, trial: &Trial, exhibit: &Exhibit, conclusion: Conclusion) -> String {
        let specimen = trial.specimen;
        let mut out = String::new();
        if !self.in_depth {
            out.push('\n');
        }
        out += &self.ink(Ink::Title, &specimen.name.to_uppercase());
        out.push('\n');
        wrap(&mut out, "", &format!("{}.", capitalised(specimen.title)));
        if self.in_depth {
            let problem = format!(
                "In the review of the original program: {}.",
                specimen.problem
            );
            wrap(&mut out, "", &problem);
        }
        self.heading(&mut out, "The story");
        for paragraph in specimen.story.split('\n') {
            wrap(&mut out, INDENT, paragraph);
        }
        self.heading(&mut out, "What the broken run said");
        self.said(&mut out, &trial.broken);
        if self.in_depth {
            wrap(&mut out, INDENT, specimen.claim);
        }
        self.heading(&mut out, "What the evidence shows");
        self.evidence(&mut out, trial, exhibit, conclusion);
        self.heading(&mut out, "The cause");
        self.source(&mut out, &specimen.cause);
        self.heading(&mut out, "The fix");
        self.source(&mut out, &specimen.fix);
        self.heading(&mut out, "The fixed run");
        self.fixed(&mut out, trial, conclusion);
        out
    }

    /// What stands behind the last specimen.
    pub(super) fn closing(&self, good: bool, specimen: Option<&Specimen>) -> String {
        let mut out = "\n".to_owned();
        match specimen {
            Some(specimen) => {
                let text = format!(
                    "Try it yourself: run the first command above as often as you like, with any seed, and look at \
                     the log with `hifi audit broken.log`. The whole specimen is {}.",
                    specimen.cause.1.file.path
                );
                wrap(&mut out, "", &text);
            }
            None => wrap(
                &mut out,
                "",
                "`hifi lab NAME` shows one of them in depth, with the whole of its evidence.",
            ),
        }
        if !good {
            let text = "NOT AS IT SHOULD BE: a bug was not caught, or a fixed run is not clean.";
            out += &self.ink(Ink::Bad, text);
            out.push('\n');
        }
        out
    }

    fn said(&self, out: &mut String, run: &TrialRun) {
        self.command(out, &run.command);
        let code = run
            .exit_code
            .map_or("a signal".into(), |code| code.to_string());
        let text = format!(
            "{} of {} operations completed, counter {}; {} attempts failed; {} lines written, {} lost. Exit code {code}.",
            run.number("/operations/completed"),
            run.number("/operations/planned"),
            run.number("/counter"),
            run.number("/failed_attempts"),
            run.number("/file/lines"),
            run.number("/file/lost"),
        );
        wrap(out, INDENT, &text);
        let problems = run.problems();
        if problems.is_empty() {
            wrap(out, INDENT, "No problems.");
        }
        let shown = if self.in_depth { problems.len() } else { 1 };
        for problem in problems.iter().take(shown) {
            wrap(out, INDENT, &format!("PROBLEM: {problem}"));
        }
    }

    fn evidence(&self, out: &mut String, trial: &Trial, exhibit: &Exhibit, conclusion: Conclusion) {
        let by = match trial.specimen.caught_by {
            CaughtBy::Audit => "the audit of its log",
            CaughtBy::Samples => "the samples of memory in its log",
            CaughtBy::Watchdog => "the stall watchdog",
        };
        let (ink, text) = if conclusion.caught {
            (Ink::Good, format!("CAUGHT by {by}"))
        } else {
            (Ink::Bad, format!("NOT CAUGHT by {by}"))
        };
        *out += &format!("{INDENT}{}\n", self.ink(ink, &text));
        if trial.specimen.caught_by == CaughtBy::Audit {
            self.command(out, &format!("hifi audit {}", trial.broken.log_file));
            let counts = trial.broken.verdict.runs.iter();
            let counts = counts.flat_map(|run| run.counts.by_name());
            let counts: Vec<String> = counts
                .filter(|(_, count)| *count > 0)
                .map(|(kind, count)| difference(kind, count))
                .collect();
            wrap(out, INDENT, &format!("FINDINGS: {}", counts.join(", ")));
            let books = trial.broken.findings().filter_map(|finding| match finding {
                Finding::Books { what, .. } => Some(what),
                _ => None,
            });
            for book in books.take(if self.in_depth { BOOKS } else { 0 }) {
                wrap_with(out, "    ", "      ", book.split_whitespace(), "");
            }
        }
        wrap(out, INDENT, &exhibit.brief);
        if self.in_depth {
            out.push('\n');
            for line in &exhibit.lines {
                *out += format!("{INDENT}{line}").trim_end();
                out.push('\n');
            }
            out.push('\n');
            wrap(out, INDENT, &exhibit.reading);
        }
    }

    fn source(&self, out: &mut String, (words, excerpt): &(&str, Excerpt)) {
        wrap(out, INDENT, words);
        *out += &format!("{INDENT}{}\n", self.ink(Ink::Quiet, excerpt.file.path));
        for (n, part) in excerpt.lines().split(Option::is_none).enumerate() {
            if n > 0 {
                *out += &format!("{INDENT}{}\n", self.ink(Ink::Quiet, "..."));
            }
            let lines = part.iter().flatten();
            let shown = lines.clone().filter(|(_, line)| !line.is_empty());
            let margin = shown.map(|(_, line)| indent(line)).min().unwrap_or(0);
            for (number, line) in lines {
                let line = line.get(margin..).unwrap_or_default();
                self.source_line(out, *number, line);
            }
        }
    }

    /// A line that is too long goes on in the next one, without a number.
    fn source_line(&self, out: &mut String, number: usize, line: &str) {
        let (space, code) = line.split_at(indent(line));
        let first = format!("{number:>NUMBER$}  {space}");
        let comment = if code.starts_with("//") {
            "// "
        } else {
            "    "
        };
        let next = format!("{:NUMBER$}  {space}{comment}", "");
        let mut text = String::new();
        wrap_with(&mut text, &first, &next, code.split_whitespace(), "");
        for line in text.lines() {
            let (number, rest) = line.split_at(NUMBER);
            *out += &self.ink(Ink::Quiet, number);
            *out += rest.trim_end();
            out.push('\n');
        }
    }

    fn fixed(&self, out: &mut String, trial: &Trial, conclusion: Conclusion) {
        let run = &trial.fixed;
        self.command(out, &run.command);
        let text = format!(
            "{} of {} operations completed, {} abandoned as planned, counter {}; {} attempts failed; {} lines written.",
            run.number("/operations/completed"),
            run.number("/operations/planned"),
            run.number("/operations/abandoned"),
            run.number("/counter"),
            run.number("/failed_attempts"),
            run.number("/file/lines"),
        );
        wrap(out, INDENT, &text);
        let code = run.exit_code.map_or("none".into(), |code| code.to_string());
        let (ink, word) = if conclusion.fixed_is_clean {
            (Ink::Good, "CLEAN")
        } else {
            (Ink::Bad, "NOT CLEAN")
        };
        let report = audit::report(&run.verdict);
        let first = report.lines().next().unwrap_or_default();
        let (_, rest) = first.split_once(": ").unwrap_or(("", first));
        *out += &format!("{INDENT}{}: exit code {code}\n", self.ink(ink, word));
        self.command(out, &format!("hifi audit {}", run.log_file));
        wrap(out, INDENT, rest);
    }

    fn heading(&self, out: &mut String, text: &str) {
        *out += &format!("\n{}\n", self.ink(Ink::Heading, text));
    }

    fn command(&self, out: &mut String, text: &str) {
        let mut lines = String::new();
        // An option stays with its value.
        let words = text.split(" --").enumerate();
        let words = words.map(|(n, word)| {
            if n == 0 {
                word.to_owned()
            } else {
                format!("--{word}")
            }
        });
        wrap_with(&mut lines, "  $ ", "      ", words, " \\");
        for line in lines.lines() {
            *out += &self.ink(Ink::Quiet, line);
            out.push('\n');
        }
    }

    fn ink(&self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Title => "1;36",
            Ink::Heading => "1",
            Ink::Bad => "1;31",
            Ink::Good => "1;32",
            Ink::Quiet => "2",
        };
        if self.coloured {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// What the audit has found, and how often.
fn difference(kind: &str, count: u64) -> String {
    let lines = if count == 1 { "line" } else { "lines" };
    match kind {
        "books" => format!("{count} figures that do not balance"),
        "unexpected" => format!("{count} {lines} that nothing predicts"),
        kind => format!("{count} {lines} {kind}"),
    }
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// Adds text in lines of at most [`WIDTH`] columns, unless a single word is longer.
fn wrap(out: &mut String, indent: &str, text: &str) {
    wrap_with(out, indent, indent, text.split_whitespace(), "");
}

/// The same; lines that are continued end in `more`, and those that follow begin with `next`.
fn wrap_with<W: AsRef<str>>(
    out: &mut String,
    first: &str,
    next: &str,
    words: impl Iterator<Item = W>,
    more: &str,
) {
    let mut line = first.to_owned();
    let mut empty = true;
    for word in words {
        let word = word.as_ref();
        let columns = line.chars().count() + 1 + word.chars().count() + more.len();
        if !empty && columns > WIDTH {
            *out += &format!("{line}{more}\n");
            line = next.to_owned();
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line += word;
        empty = false;
    }
    *out += &line;
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_and_commands_can_be_pasted() {
        let (mut out, words) = (String::new(), "word ".repeat(40));
        wrap(&mut out, "  ", &words);
        assert!(
            out.lines()
                .all(|line| line.len() <= 80 && line.starts_with("  word"))
        );
        assert_eq!(out.split_whitespace().count(), 40);
        let mut out = String::new();
        wrap_with(&mut out, "  $ ", "      ", words.split_whitespace(), " \\");
        let lines: Vec<_> = out.lines().collect();
        assert!(lines.iter().all(|line| line.len() <= 80));
        assert!(lines[0].starts_with("  $ word") && lines[0].ends_with(" \\"));
        assert!(!lines[lines.len() - 1].ends_with('\\'));
    }

    #[test]
    fn plain_text_has_no_colours() {
        assert_eq!(Page::new(false, true).ink(Ink::Bad, "x"), "x");
        assert_eq!(
            Page::new(true, true).ink(Ink::Bad, "x"),
            "\x1b[1;31mx\x1b[0m"
        );
    }
}
