//! What people read: lengths of time, how many there are of something, and lines of text.

use std::fmt;

use strum::{EnumString, IntoStaticStr, VariantArray};

/// The form of what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum TextOrJson {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// A length of time in the unit that suits it, with three digits that count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seconds(pub f64);

impl Seconds {
    /// So many nanoseconds.
    pub(crate) fn from_nanos(nanos: u64) -> Self {
        Self(nanos as f64 / 1e9)
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (value, unit) = match self.0 {
            s if s >= 1.0 => (s, "s"),
            s if s >= 1e-3 => (s * 1e3, "ms"),
            s if s >= 1e-6 => (s * 1e6, "us"),
            0.0 => return f.write_str("0 s"),
            s => (s * 1e9, "ns"),
        };
        let decimals = if value >= 100.0 {
            0
        } else if value >= 10.0 {
            1
        } else {
            2
        };
        write!(f, "{value:.decimals$} {unit}")
    }
}

/// A count and what is counted, in the plural where it is not one.
pub(crate) fn counted(count: impl fmt::Display, noun: &str) -> String {
    let count = count.to_string();
    let plural = if count == "1" { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// How text is wrapped: lines of so many columns, unless a single word is longer, with this in front of the first line and of each
/// other one.
pub(crate) fn lines_of<'a>(columns: usize, first: &'a str, next: &'a str) -> textwrap::Options<'a> {
    textwrap::Options::new(columns)
        .initial_indent(first)
        .subsequent_indent(next)
        .break_words(false)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
}
