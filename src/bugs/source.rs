//! Lines of the program's own source, to be shown.

/// Parts of a source file, each from the first line that holds some text to the end of what that line opens.
#[derive(Clone, Copy, Debug)]
pub struct Excerpt {
    /// The file's path in the repository.
    pub path: &'static str,
    /// What was in it when the program was compiled.
    pub(super) text: &'static str,
    /// What the first line of each part holds.
    pub parts: &'static [&'static str],
}

/// Parts of the file at this path below `src`.
macro_rules! excerpt {
    ($path:literal, $($part:literal),+ $(,)?) => {
        $crate::bugs::source::Excerpt {
            path: concat!("src/", $path),
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/", $path)),
            parts: &[$($part),+],
        }
    };
}
pub(super) use excerpt;

impl Excerpt {
    /// The lines with their numbers; none stands for lines that are left out.
    pub fn lines(&self) -> Vec<Option<(usize, &'static str)>> {
        let mut lines: Vec<Option<(usize, &'static str)>> = Vec::new();
        for part in self.parts {
            let part = self.part(part);
            if let (Some(Some((above, _))), Some((first, _))) = (lines.last(), part.first())
                && above + 1 != *first
            {
                lines.push(None);
            }
            lines.extend(part.into_iter().map(Some));
        }
        lines
    }

    /// A line that opens nothing is a part alone; else the part ends with the line that closes it, indented as far.
    fn part(&self, from: &str) -> Vec<(usize, &'static str)> {
        let indent = |line: &str| line.len() - line.trim_start().len();
        let mut lines = (1..).zip(self.text.lines());
        let Some(first) = lines.find(|(_, line)| line.contains(from)) else {
            return Vec::new();
        };
        let mut part = vec![first];
        if first.1.ends_with(';') {
            return part;
        }
        for line in lines {
            part.push(line);
            if indent(line.1) <= indent(first.1) && line.1.trim_start().starts_with(['}', ')', ']'])
            {
                break;
            }
        }
        part
    }
}
