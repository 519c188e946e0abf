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
    let mut out = String::new();
    for c in String::from_utf8_lossy(shown).chars() {
        match c == ' ' || c.is_alphanumeric() || c.is_ascii_punctuation() {
            true => out.push(c),
            false => out.extend(c.escape_unicode()),
        }
    }
    if shown.len() < bytes.len() {
        out.push('…');
    }
    out
}

/// So many characters of an excerpt.
pub(crate) fn shortened(text: &str, length: usize) -> String {
    let mut out: String = text.chars().take(length).collect();
    if out.len() < text.len() {
        out.push('…');
    }
    out
}
