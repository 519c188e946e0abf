//! The feature `heap-profile`: who allocated how much, by call site, written to a file and shown in short.
//!
//! The accounts are kept by an allocator that stands in for the system's in the whole program, which makes every
//! allocation slow: this is a build for looking at memory, and no other. The file is in the format of DHAT, whose viewer reads it.

use std::{
    cmp::Reverse,
    collections::HashMap,
    fs,
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
};

use anyhow::{Context, bail};
use serde::Deserialize;

/// Whether this is in the program.
pub const BUILT_IN: bool = true;

/// The file, in the folder in which the program was started.
pub const FILE: &str = "dhat-heap.json";

/// How many call sites are shown.
const SITES_SHOWN: usize = 10;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// A profile that is being taken. Only one is at a time.
#[derive(Debug)]
pub struct HeapProfile(dhat::Profiler);

impl HeapProfile {
    /// Keeps accounts of all allocations from now on.
    pub fn start() -> Self {
        Self(dhat::Profiler::builder().file_name(FILE).build())
    }

    /// Writes the file, and prints the call sites that allocated most.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(self) -> anyhow::Result<()> {
        let needs = || {
            format!(
                "cannot write the heap profile {FILE}; start the program in a folder that can be written to"
            )
        };
        // What stands there is an older profile, and must not be taken for this one.
        match fs::remove_file(FILE) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(needs);
            }
            _ => {}
        }
        // It tells of itself on standard error, and panics where there is none.
        if catch_unwind(AssertUnwindSafe(|| drop(self.0))).is_err() {
            bail!(needs());
        }
        let profile: Profile = fs::read(FILE)
            .map_err(anyhow::Error::from)
            .and_then(|text| Ok(serde_json::from_slice(&text)?))
            .with_context(needs)?;
        let _ = io::stderr().write_all(profile.report().as_bytes());
        Ok(())
    }
}

/// As much of the file as is shown.
#[derive(Debug, Deserialize)]
struct Profile {
    #[serde(rename = "pps")]
    points: Vec<Point>,
    #[serde(rename = "ftbl")]
    frames: Vec<String>,
}

/// A point of the program at which memory was allocated: a call stack.
#[derive(Debug, Deserialize)]
struct Point {
    /// In all.
    #[serde(rename = "tb")]
    bytes: u64,
    #[serde(rename = "tbk")]
    blocks: u64,
    /// At the moment when the program held most.
    #[serde(rename = "gb")]
    peak_bytes: u64,
    #[serde(rename = "gbk")]
    peak_blocks: u64,
    /// The stack, the innermost frame first.
    #[serde(rename = "fs")]
    stack: Vec<usize>,
}

impl Profile {
    /// The call sites that held most at the peak, one a line.
    fn report(&self) -> String {
        let mut sites: HashMap<&str, [u64; 4]> = HashMap::new();
        for point in &self.points {
            let site = sites.entry(self.site(point)).or_default();
            site[0] += point.peak_bytes;
            site[1] += point.peak_blocks;
            site[2] += point.bytes;
            site[3] += point.blocks;
        }
        let mut sites: Vec<_> = sites.into_iter().collect();
        sites.sort_by_key(|(name, [peak, _, all, _])| (Reverse((*peak, *all)), *name));
        let mut text = String::from("\n          At the peak                In all\n");
        text += "       bytes  blocks        bytes    blocks  call site\n";
        for (name, [peak_bytes, peak_blocks, bytes, blocks]) in sites.iter().take(SITES_SHOWN) {
            text += &format!("{peak_bytes:>12} {peak_blocks:>7} {bytes:>12} {blocks:>9}  {name}\n");
        }
        text
    }

    /// Where the program called for the memory: the innermost of its own frames, and if none is, the innermost.
    fn site(&self, point: &Point) -> &str {
        let mut stack = point
            .stack
            .iter()
            .filter_map(|frame| self.frames.get(*frame))
            // An address stands before the name.
            .map(|frame| {
                frame
                    .split_once(": ")
                    .map_or(frame.as_str(), |(_, name)| name)
            })
            .filter(|name| !name.starts_with("<dhat::"));
        let innermost = stack.clone().next().unwrap_or("unknown");
        stack
            .find(|name| name.contains("hifi::"))
            .unwrap_or(innermost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_are_added_up_by_the_programs_own_frame() {
        let profile: Profile = serde_json::from_str(
            r#"{"ftbl": ["[root]", "0x1: alloc::grow (vec.rs:1:2)", "0x2: hifi::a (src/a.rs:3:4)", "0x3: hifi::b (src/b.rs:5:6)"],
                "pps": [{"tb": 10, "tbk": 1, "gb": 5, "gbk": 1, "fs": [1, 2, 3]},
                        {"tb": 20, "tbk": 2, "gb": 6, "gbk": 1, "fs": [2]},
                        {"tb": 90, "tbk": 9, "gb": 7, "gbk": 1, "fs": [1]}]}"#,
        )
        .unwrap();
        let report = profile.report();
        let lines: Vec<&str> = report.lines().skip(3).collect();
        assert_eq!(
            lines,
            [
                "          11       2           30         3  hifi::a (src/a.rs:3:4)",
                "           7       1           90         9  alloc::grow (vec.rs:1:2)",
            ]
        );
    }
}
