//! How a page of the lab looks: 80 columns of text, coloured where there is a terminal.

use super::{
    exhibit::Exhibit,
    trial::{Conclusion, Trial, TrialRun},
};
use crate::{
    audit::{self, Status},
    bugs::{self, Excerpt},
    plan::format::lines_of,
};

/// The most columns of a line.
const WIDTH: usize = 80;
/// Columns of a line's number.
const NUMBER: usize = 5;
/// How many lines of the audit's report on the broken run are shown.
const AUDIT_LINES: usize = 8;
/// A space at which no line ends.
const NO_BREAK: &str = "\u{a0}";
/// How far everything but headings is indented.
const INDENT: &str = "  ";

/// What a piece of text is, and so how it is coloured.
const TITLE: &str = "1;36";
const HEADING: &str = "1";
const BAD: &str = "1;31";
const GOOD: &str = "1;32";
const QUIET: &str = "2";

/// A page that is being written.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) text: String,
    coloured: bool,
}

impl Page {
    /// An empty page.
    pub(super) fn new(coloured: bool) -> Self {
        Self {
            text: String::new(),
            coloured,
        }
    }

    /// All that there is to learn from one specimen.
    pub(super) fn specimen(
        &mut self,
        trial: &Trial,
        exhibit: Option<&Exhibit>,
        conclusion: Conclusion,
    ) {
        let specimen = trial.specimen;
        self.line(TITLE, &specimen.name.to_uppercase());
        let (first, rest) = specimen.prose("Title").split_at(1);
        self.paragraph("", &format!("{}{rest}.", first.to_uppercase()));
        let review = specimen.prose("Review");
        self.paragraph(
            "",
            &format!("In the review of the original program: {review}."),
        );
        self.heading("The story");
        self.prose(specimen.prose("Story"));
        self.heading("What the broken run said");
        self.run(&trial.broken);
        self.prose(specimen.prose("Claim"));
        self.heading("What the evidence shows");
        self.evidence(trial, exhibit, conclusion.caught);
        self.heading("The cause");
        self.prose(specimen.prose("Cause"));
        self.source(&specimen.cause);
        self.heading("The fix");
        self.prose(specimen.prose("Fix"));
        self.source(&specimen.fix);
        self.heading("The fixed run");
        self.run(&trial.fixed);
        self.verdict(conclusion.fixed_is_clean, "CLEAN");
        self.audit(&trial.fixed, 1);
        let path = specimen.cause.path;
        self.text.push('\n');
        self.paragraph("", &format!(
            "Try it yourself: run the first command above as often as you like, with any seed, and look at the log with \
             `hifi audit broken.log`. The whole specimen is {path}."
        ));
    }

    /// Something is not as it should be.
    pub(super) fn failed(&mut self) {
        self.text.push('\n');
        self.line(
            BAD,
            "NOT AS IT SHOULD BE: a bug was not caught, or a fixed run is not clean.",
        );
    }

    /// What a run has to say for itself.
    fn run(&mut self, run: &TrialRun) {
        self.command(&run.command);
        let number = |path| run.number(path);
        let code = run.exit_code.map(|code| code.to_string());
        self.paragraph(INDENT, &format!(
            "{} of {} operations completed, {} abandoned, counter {}; {} attempts failed; {} lines written, {} lost. Exit code {}.",
            number("/operations/completed"),
            number("/operations/planned"),
            number("/operations/abandoned"),
            number("/counter"),
            number("/failed_attempts"),
            number("/file/lines"),
            number("/file/lost"),
            code.as_deref().unwrap_or("none: a signal ended it"),
        ));
        for problem in run.problems() {
            self.paragraph(INDENT, &format!("PROBLEM: {problem}"));
        }
    }

    /// The first lines of what the audit says of a run's log.
    fn audit(&mut self, run: &TrialRun, lines: usize) {
        self.command(&format!("hifi audit {}", run.log_file));
        for line in audit::report(&run.verdict).lines().take(lines) {
            let margin = format!("{INDENT}{:1$}", "", margin(line));
            self.wrapped(&margin, &format!("{margin}{INDENT}"), line);
        }
    }

    fn evidence(&mut self, trial: &Trial, exhibit: Option<&Exhibit>, caught: bool) {
        let by = match trial.specimen.exhibit {
            bugs::ExhibitKind::Memory => "the samples of memory in its log",
            bugs::ExhibitKind::ThreadDump => "the stall watchdog",
            _ => "the audit of its log",
        };
        self.verdict(caught, &format!("CAUGHT by {by}"));
        if trial.broken.verdict.status == Status::Findings {
            self.audit(&trial.broken, AUDIT_LINES);
            self.text.push('\n');
        }
        if let Some(exhibit) = exhibit {
            self.paragraph(INDENT, &exhibit.brief);
            self.text.push('\n');
            for line in &exhibit.lines {
                self.text += format!("{INDENT}{line}").trim_end();
                self.text.push('\n');
            }
            if !exhibit.lines.is_empty() {
                self.text.push('\n');
            }
        }
        self.prose(trial.specimen.prose("Evidence"));
    }

    /// Lines of the program, with their numbers.
    fn source(&mut self, excerpt: &Excerpt) {
        self.line(QUIET, &format!("{INDENT}{}", excerpt.path));
        let outer = excerpt.lines().next().map_or(0, |(_, line)| margin(line));
        for (number, line) in excerpt.lines() {
            let line = line.get(outer..).unwrap_or_default();
            let (space, code) = line.split_at(margin(line));
            // A line that is too long goes on in the next one, without a number.
            let next = if code.starts_with("//") {
                "// "
            } else {
                "    "
            };
            let first = format!("{number:>NUMBER$}  {space}");
            self.wrapped(&first, &format!("{:NUMBER$}  {space}{next}", ""), code);
        }
    }

    /// What is so, or is not.
    fn verdict(&mut self, is_so: bool, words: &str) {
        let (colour, not) = if is_so { (GOOD, "") } else { (BAD, "NOT ") };
        self.line(colour, &format!("{INDENT}{not}{words}"));
    }

    fn heading(&mut self, text: &str) {
        self.text.push('\n');
        self.line(HEADING, text);
    }

    fn line(&mut self, colour: &str, text: &str) {
        self.text += &match self.coloured {
            true => format!("\x1b[{colour}m{text}\x1b[0m\n"),
            false => format!("{text}\n"),
        };
    }

    fn prose(&mut self, text: &str) {
        for paragraph in text.split("\n\n") {
            self.paragraph(INDENT, paragraph);
        }
    }

    pub(super) fn paragraph(&mut self, indent: &str, text: &str) {
        self.wrapped(indent, indent, text);
    }

    fn wrapped(&mut self, first: &str, next: &str, text: &str) {
        let words: Vec<_> = text.split_whitespace().collect();
        match words[..] {
            [] => self.text += first.trim_end(),
            _ => self.text += &textwrap::fill(&words.join(" "), lines_of(WIDTH, first, next)),
        }
        self.text.push('\n');
    }

    /// A command that can be pasted.
    fn command(&mut self, text: &str) {
        // An option stays with its value, behind a space at which no line ends.
        let options = text.replace(' ', NO_BREAK).replace("\u{a0}--", " --");
        let lines = textwrap::wrap(&options, lines_of(WIDTH - 2, "  $ ", "      "));
        self.line(QUIET, &lines.join(" \\\n").replace(NO_BREAK, " "));
    }
}

/// How far a line is indented.
fn margin(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_and_commands_can_be_pasted() {
        let words = "word ".repeat(40);
        let mut page = Page::new(false);
        page.paragraph("  ", &words);
        let all = |text: &str| text.lines().all(|line| line.len() <= 80);
        assert!(all(&page.text) && page.text.starts_with("  word"));
        assert_eq!(page.text.split_whitespace().count(), 40);
        let mut page = Page::new(false);
        page.command(&format!("hifi{}", " --option value".repeat(20)));
        assert!(all(&page.text), "{}", page.text);
        let lines: Vec<_> = page.text.lines().collect();
        assert!(
            lines[0].starts_with("  $ hifi --option value --"),
            "{lines:?}"
        );
        assert!(lines[0].ends_with(" \\") && !lines[lines.len() - 1].ends_with('\\'));
    }

    #[test]
    fn plain_text_has_no_colours() {
        for (coloured, expected) in [(false, "x\n"), (true, "\x1b[1;31mx\x1b[0m\n")] {
            let mut page = Page::new(coloured);
            page.line(BAD, "x");
            assert_eq!(page.text, expected);
        }
    }
}
