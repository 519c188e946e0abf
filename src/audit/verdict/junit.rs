//! The verdict as JUnit's XML: a suite for each run, and in it a case for each kind of difference.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{GroupVerdict, RunVerdict, Verdict, report::finding_words};

/// How many findings of a kind are described.
const SHOWN: usize = 100;

/// The verdict as XML.
///
/// # Errors
/// The text cannot be written as XML.
pub fn xml(verdict: &Verdict) -> anyhow::Result<String> {
    let mut report = Report::new("hifi audit");
    for group in &verdict.groups {
        report.add_test_suite(group_suite(group));
    }
    for run in &verdict.runs {
        report.add_test_suite(suite(run));
    }
    let mut all = TestSuite::new("all inputs");
    let strays = verdict.strays.iter().take(SHOWN).map(finding_words);
    all.add_test_case(case("lines of no run", verdict.stray_count, strays));
    all.add_test_case(unanswered(&verdict.cannot_tell));
    report.add_test_suite(all);
    // Jenkins' schema knows no count of skipped cases over all suites.
    Ok(report.to_string()?.replacen(" skipped=\"0\"", "", 1))
}

fn group_suite(group: &GroupVerdict) -> TestSuite {
    let mut suite = TestSuite::new(format!("group {}", group.group));
    for (what, count, words) in group.wrong() {
        let words = words.into_iter().take(SHOWN).map(|words| words + "\n");
        suite.add_test_case(case(what, count, words));
    }
    suite
}

fn suite(run: &RunVerdict) -> TestSuite {
    let mut suite = TestSuite::new(format!("run {}", run.run));
    for (kind, count) in run.counts.by_name() {
        let words = run.of_kind(kind).take(SHOWN).map(finding_words);
        suite.add_test_case(case(kind, count, words));
    }
    suite.add_test_case(unanswered(run.unanswered()));
    suite
}

/// A case that fails where there are differences.
fn case(name: &str, count: u64, words: impl Iterator<Item = String>) -> TestCase {
    if count == 0 {
        return TestCase::new(name, TestCaseStatus::success());
    }
    let mut failed = TestCaseStatus::non_success(NonSuccessKind::Failure);
    failed.set_message(format!("{count} {name}")).set_type(name);
    failed.set_description(words.collect::<String>());
    TestCase::new(name, failed)
}

/// A case that is in error where it cannot be told.
fn unanswered(why: &[String]) -> TestCase {
    let name = "can be told";
    if why.is_empty() {
        return TestCase::new(name, TestCaseStatus::success());
    }
    let mut error = TestCaseStatus::non_success(NonSuccessKind::Error);
    error.set_message("cannot tell").set_type("cannot tell");
    error.set_description(why.join("\n"));
    TestCase::new(name, error)
}
