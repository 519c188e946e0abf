//! The verdict as JUnit's XML: a suite for each section, and in it a case for each kind of difference.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{
    Verdict,
    sections::{Case, sections},
};

/// The verdict as XML.
///
/// # Errors
/// The text cannot be written as XML.
pub fn xml(verdict: &Verdict) -> anyhow::Result<String> {
    let mut report = Report::new("hifi audit");
    for section in sections(verdict) {
        let mut suite = TestSuite::new(section.title);
        let failing = section.cases.iter().map(|case| match section.accepted {
            true => TestCase::new(case.name, TestCaseStatus::success()),
            false => differences(case),
        });
        suite.add_test_cases(failing);
        suite.add_test_case(unanswered(section.unanswered));
        report.add_test_suite(suite);
    }
    // Jenkins' schema knows no count of skipped cases over all suites.
    Ok(report.to_string()?.replacen(" skipped=\"0\"", "", 1))
}

/// A case that fails where there are differences.
fn differences(case: &Case<'_>) -> TestCase {
    let Case {
        name, count, shown, ..
    } = case;
    if *count == 0 {
        return TestCase::new(*name, TestCaseStatus::success());
    }
    let mut failed = TestCaseStatus::non_success(NonSuccessKind::Failure);
    failed
        .set_message(format!("{count} {name}"))
        .set_type(*name);
    let words = shown.iter().map(|(_, words)| words.as_str());
    failed.set_description(words.collect::<String>());
    TestCase::new(*name, failed)
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
