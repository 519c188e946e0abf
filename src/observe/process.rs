//! What the process has used of the machine, as Linux tells it in /proc.

use std::{fs, time::Duration};

/// Resources used by this process. None stands for what the system does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Processor time of all threads so far, in user and kernel mode, to 10 ms.
    pub cpu: Option<Duration>,
    /// Memory that is resident, in bytes.
    pub memory: Option<u64>,
    /// The most memory that was resident at one time, in bytes.
    pub peak_memory: Option<u64>,
    /// Address space, in bytes.
    pub virtual_memory: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Open file descriptors.
    pub open_files: Option<u64>,
}

impl Usage {
    /// The usage now.
    pub(crate) fn now() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            cpu: cpu(&stat),
            memory: kilobytes(&status, "VmRSS:"),
            peak_memory: kilobytes(&status, "VmHWM:"),
            virtual_memory: kilobytes(&status, "VmSize:"),
            threads: field(&status, "Threads:").and_then(|value| value.parse().ok()),
            open_files: open_files(),
        }
    }

    /// This usage, of which the processor time counts from `before` on. Whoever started the program may have become it (as
    /// `cargo run` does, by exec): then the time that it took stands in the same account.
    pub(crate) fn since(self, before: &Self) -> Self {
        let cpu = self.cpu.zip(before.cpu);
        Self {
            cpu: cpu.map(|(now, before)| now.saturating_sub(before)),
            ..self
        }
    }
}

/// The most files that may be open at one time.
pub(crate) fn open_files_max() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let soft = field(&limits, "Max open files")?;
    soft.split_ascii_whitespace().next()?.parse().ok()
}

/// When the process was started, in seconds since 1970: field 22 of /proc/PID/stat, in ticks since the machine was.
pub(crate) fn start_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let machine = fs::read_to_string("/proc/stat").ok()?;
    let booted: f64 = field(&machine, "btime ")?.parse().ok()?;
    let ticks: f64 = after_name(&stat)?.nth(19)?.parse().ok()?;
    Some(booted + ticks / 100.0)
}

/// The descriptor with which the folder is read is none that the program has open.
fn open_files() -> Option<u64> {
    Some((fs::read_dir("/proc/self/fd").ok()?.count() as u64).saturating_sub(1))
}

/// The fields of /proc/PID/stat from the third on. The second may hold anything, so they are counted from
/// its closing bracket.
fn after_name(stat: &str) -> Option<std::str::SplitAsciiWhitespace<'_>> {
    let (_, fields) = stat.rsplit_once(')')?;
    Some(fields.split_ascii_whitespace())
}

/// Fields 14 and 15 of /proc/PID/stat, in ticks of 10 ms (proc(5); USER_HZ is 100 on every Linux that Rust
/// runs on).
fn cpu(stat: &str) -> Option<Duration> {
    let mut ticks = after_name(stat)?.skip(11).map(str::parse::<u64>);
    let (user, system) = (ticks.next()?.ok()?, ticks.next()?.ok()?);
    Some(Duration::from_millis((user + system) * 10))
}

/// What stands behind `name` in one of the lines.
fn field<'a>(lines: &'a str, name: &str) -> Option<&'a str> {
    lines
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .map(str::trim)
}

/// A field of /proc/PID/status that is given in kB, in bytes.
fn kilobytes(status: &str, name: &str) -> Option<u64> {
    let kilobytes: u64 = field(status, name)?.strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_linux_writes() {
        let stat = "7 (a ) b) R 1 1 1 0 -1 4194304 92 0 0 0 150 25 0 0 20 0 1 0 1 1 1";
        assert_eq!(cpu(stat), Some(Duration::from_millis(1750)));
        let status = "Name:\thifi\nVmHWM:\t    5120 kB\nVmRSS:\t 1 kB\nThreads:\t13\n";
        assert_eq!(kilobytes(status, "VmHWM:"), Some(5 << 20));
        assert_eq!(kilobytes(status, "VmRSS:"), Some(1 << 10));
        assert_eq!(field(status, "Threads:"), Some("13"));
        assert_eq!((cpu(""), kilobytes("", "VmHWM:")), (None, None));
    }

    #[test]
    fn linux_tells_all_of_it() {
        let usage = Usage::now();
        assert!(usage.memory > Some(1 << 20) && usage.memory <= usage.peak_memory);
        assert!(usage.virtual_memory >= usage.memory);
        assert!(usage.cpu.is_some() && usage.threads >= Some(2) && usage.open_files >= Some(3));
        assert!(open_files_max() > usage.open_files);
        assert!(start_time().is_some_and(|seconds| seconds > 1.7e9));
    }
}
