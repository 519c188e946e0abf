//! Lines of the program's own source, to be shown.

/// A source file, as it was when the program was compiled.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// Its path in the repository.
    pub path: &'static str,
    /// What is in it.
    pub text: &'static str,
}

/// The file at this path below `src`.
macro_rules! source {
    ($path:literal) => {
        $crate::bug::source::File {
            path: concat!("src/", $path),
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/", $path)),
        }
    };
}
pub(super) use source;

/// A part of a file: what begins in the first line that holds `from`, up to its end.
#[derive(Clone, Copy, Debug)]
pub struct Excerpt {
    /// Where it stands.
    pub file: File,
    /// In its first line.
    pub from: &'static str,
    /// In the first line of another part that is shown before it.
    pub before: Option<&'static str>,
}

impl Excerpt {
    /// The lines with their numbers; an empty one of number 0 stands between two parts.
    pub fn lines(&self) -> Vec<(usize, &'static str)> {
        let mut lines = Vec::new();
        if let Some(before) = self.before {
            lines.extend(self.part(before));
            lines.push((0, ""));
        }
        lines.extend(self.part(self.from));
        lines
    }

    /// From the line that holds `from` to the one that closes what it opens, which is indented as far; a line that opens
    /// nothing goes to the end of its block.
    fn part(&self, from: &str) -> Vec<(usize, &'static str)> {
        let indent = |line: &str| line.len() - line.trim_start().len();
        let mut lines = (1..).zip(self.file.text.lines());
        let Some(first) = lines.find(|(_, line)| line.contains(from)) else {
            return Vec::new();
        };
        let depth = indent(first.1);
        let mut part = vec![first];
        if first.1.ends_with(';') {
            return part;
        }
        for line in lines {
            part.push(line);
            if indent(line.1) <= depth && line.1.trim_start().starts_with(['}', ')', ']']) {
                break;
            }
        }
        part
    }
}
