//! What the process has used of the machine, as Linux tells it in /proc.

use std::{fs, time::Duration};

/// Resources used by this process so far. None stands for what the system does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time of all threads, in user and kernel mode, to 10 ms.
    pub cpu: Option<Duration>,
    /// The most memory that was resident at one time, in bytes.
    pub peak_memory: Option<u64>,
}

impl Usage {
    /// The usage now.
    pub fn now() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            cpu: cpu(&stat),
            peak_memory: peak_memory(&status),
        }
    }
}

/// Fields 14 and 15 of /proc/PID/stat, in ticks of 10 ms (proc(5); USER_HZ is 100 on every Linux that Rust
/// runs on). The second field may hold anything, so they are counted from its closing bracket.
fn cpu(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields
        .split_ascii_whitespace()
        .skip(11)
        .map(str::parse::<u64>);
    let (user, system) = (ticks.next()?.ok()?, ticks.next()?.ok()?);
    Some(Duration::from_millis((user + system) * 10))
}

/// `VmHWM` of /proc/PID/status, in kB.
fn peak_memory(status: &str) -> Option<u64> {
    let value = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_linux_writes() {
        let stat = "7 (a ) b) R 1 1 1 0 -1 4194304 92 0 0 0 150 25 0 0 20 0 1 0 1 1 1";
        assert_eq!(cpu(stat), Some(Duration::from_millis(1750)));
        assert_eq!(
            peak_memory("Name:\thifi\nVmHWM:\t    5120 kB\nVmRSS:\t 1 kB\n"),
            Some(5 << 20)
        );
        assert_eq!((cpu(""), peak_memory("")), (None, None));
        assert!(
            Usage::now()
                .peak_memory
                .is_some_and(|bytes| bytes > 1 << 20)
        );
    }
}
