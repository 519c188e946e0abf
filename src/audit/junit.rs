//! The verdict as JUnit's XML: a suite for each run, and in it a case for each kind of difference.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{
    report::finding_words,
    verdict::{GroupVerdict, RunVerdict, Verdict},
};

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
    let strays: Vec<_> = verdict
        .strays
        .iter()
        .take(SHOWN)
        .map(finding_words)
        .collect();
    all.add_test_case(case("lines of no run", verdict.stray_count, &strays));
    all.add_test_case(unanswered(&verdict.cannot_tell));
    report.add_test_suite(all);
    // Jenkins' schema knows no count of skipped cases over all suites.
    Ok(report.to_string()?.replacen(" skipped=\"0\"", "", 1))
}

fn group_suite(group: &GroupVerdict) -> TestSuite {
    let mut suite = TestSuite::new(format!("group {}", group.group));
    let lost: Vec<_> = group
        .lost
        .iter()
        .take(SHOWN)
        .map(|lost| lost.words() + "\n")
        .collect();
    suite.add_test_case(case("lost shards", group.lost_count.into(), &lost));
    let differing: Vec<_> = group
        .differing
        .iter()
        .take(SHOWN)
        .map(|shard| shard.words() + "\n")
        .collect();
    suite.add_test_case(case(
        "shards of another run",
        group.differing.len() as u64,
        &differing,
    ));
    suite
}

fn suite(run: &RunVerdict) -> TestSuite {
    let mut suite = TestSuite::new(format!("run {}", run.run));
    for (kind, count) in run.counts.by_name() {
        let of_kind = run.findings.iter().filter(|finding| finding.kind() == kind);
        let words: Vec<_> = of_kind.take(SHOWN).map(finding_words).collect();
        suite.add_test_case(case(kind, count, &words));
    }
    suite.add_test_case(unanswered(run.unanswered()));
    suite
}

/// A case that fails where there are differences.
fn case(name: &str, count: u64, words: &[String]) -> TestCase {
    if count == 0 {
        return TestCase::new(name, TestCaseStatus::success());
    }
    let mut failed = TestCaseStatus::non_success(NonSuccessKind::Failure);
    failed.set_message(format!("{count} {name}")).set_type(name);
    failed.set_description(words.concat());
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
