//! Errors in words, as every part of the program tells them, and what is no error.

use std::io::{self, ErrorKind};

/// An error and its causes in words. Some errors tell their cause themselves: it is not told again.
pub fn in_words(error: &anyhow::Error) -> String {
    let mut words = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if words.is_empty() {
            words = cause;
        } else if !words.contains(&cause) {
            words = format!("{words}: {cause}");
        }
    }
    words
}

/// What became of a write to standard output. A reader that has seen enough may close its end: that is no error.
///
/// # Errors
/// All others.
pub fn unless_closed(written: io::Result<()>) -> io::Result<()> {
    written.or_else(|error| match error.kind() {
        ErrorKind::BrokenPipe => Ok(()),
        _ => Err(error),
    })
}
