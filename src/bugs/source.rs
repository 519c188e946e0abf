//! Lines of the program's own source, to be shown.

/// A part of a source file: from the first line that holds some text to the line that closes what it opens.
#[derive(Clone, Copy, Debug)]
pub struct Excerpt {
    /// The file's path in the repository.
    pub path: &'static str,
    /// What was in it when the program was compiled.
    pub(super) text: &'static str,
    /// What its first line holds.
    pub(super) first: &'static str,
}

/// A part of the file at this path below `src`.
macro_rules! excerpt {
    ($path:literal, $first:literal) => {
        $crate::bugs::source::Excerpt {
            path: concat!("src/", $path),
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/", $path)),
            first: $first,
        }
    };
}
pub(super) use excerpt;

impl Excerpt {
    /// The lines with their numbers. The last is indented as far as the first.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &'static str)> {
        let all = (1..).zip(self.text.lines());
        let mut from_first = all
            .skip_while(|(_, line)| !line.contains(self.first))
            .peekable();
        let indent = |line: &str| line.len() - line.trim_start().len();
        let outer = from_first.peek().map_or(0, |(_, line)| indent(line));
        let mut is_closed = false;
        from_first.take_while(move |(_, line)| {
            let goes_on = !is_closed;
            is_closed = indent(line) == outer && line.trim_start().starts_with(['}', ')', ']']);
            goes_on
        })
    }
}
