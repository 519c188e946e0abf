//! What stands in a log, as it is shown beside a finding.

/// The first line of what stands there, as evidence.
pub(crate) fn first_line(bytes: &[u8]) -> String {
    excerpt(bytes.split(|b| *b == b'\n').next().unwrap_or(bytes))
}

/// How much of a line is shown.
const EXCERPT_MAX: usize = 240;

/// A line as evidence: what could act on a terminal is escaped, and what is too long is cut.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(EXCERPT_MAX)];
    let text = String::from_utf8_lossy(shown);
    let mut out: String = text
        .chars()
        .flat_map(|c| {
            let plain = c == ' ' || c.is_alphanumeric() || c.is_ascii_punctuation();
            let escaped = (!plain).then(|| c.escape_unicode());
            escaped.into_iter().flatten().chain(plain.then_some(c))
        })
        .collect();
    if shown.len() < bytes.len() {
        out.push('…');
    }
    out
}
