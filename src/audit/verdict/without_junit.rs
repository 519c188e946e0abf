//! In place of JUnit's XML where the feature `monitoring` is off: the option says what is missing.

use super::Verdict;

/// An error.
///
/// # Errors
/// Always.
pub fn xml(_: &Verdict) -> anyhow::Result<String> {
    anyhow::bail!(
        "this hifi was built without the feature monitoring, which writes junit; choose another --format"
    )
}
