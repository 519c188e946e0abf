//! Lines that are known to stand between the records of a log that is all right, or say what is wrong: a table, easy to add to.

use memchr::memmem::find;

use super::scanned::Note;

/// What others write between lines.
const BANNERS: &[&str] = &[
    // tail, more
    "==> ",
    "::::::::::::::",
    // journalctl
    "-- Logs begin at",
    "-- Journal begins at",
    "-- Boot ",
    "-- Reboot --",
    "-- No entries --",
    "-- cursor:",
    // script, screen, tmux
    "Script started on",
    "Script done on",
    "Script done, file is",
    // docker compose, kubectl, stern
    "Attaching to ",
    "Defaulted container ",
    "Following log",
    "exited with code",
    // Grafana, logcli
    "Common labels:",
    "Line limit:",
    "Total bytes processed:",
    "http://",
    "https://",
    // GitHub Actions and others
    "##[",
    "::group::",
    "::endgroup::",
    // PowerShell's and pm2's headers, rotation
    "[TAILING]",
    "last 15 lines:",
    "newsyslog[",
    "logfile turned over",
    "log rotated",
];

/// Words of those who drop lines, and say so.
const DROPPED: &[&str] = &[
    "Suppressed ",
    "messages suppressed",
    "rate-limit",
    "rate limit",
    "messages lost due to",
    "dropped ",
    "discarded ",
    "callbacks suppressed",
];

/// How the lines of a run's summary begin.
const SUMMARY: &[&str] = &[
    "Run ",
    "Operations   ",
    "Attempts   ",
    "Processor   ",
    "Workers   ",
    "Operation time ",
    "Lock wait ",
    "Log   ",
    "Pace   ",
    "Process   ",
    "Seed   ",
    "Shard   ",
    "Replay   ",
    "PROBLEM   ",
    "{\"run\":\"",
];

/// How those end that have no heading of their own, behind a number.
const SUMMARY_ENDS: &[&str] = &[
    " completed",
    " abandoned",
    " ended by an unexpected error",
    " interrupted",
    " not started",
    " retries",
    " data length",
    " dropped by the data limit",
    " ended early",
    " 0 errors",
    " errors",
    "p99       max",
    "unlimited planned",
];

/// What is known of a line without a record; whether it is the `first` of its input.
pub fn note(line: &[u8], first: bool) -> Option<Note> {
    if line.iter().all(|byte| byte.is_ascii_whitespace()) {
        return Some(Note::Blank);
    }
    if line.iter().all(|byte| *byte == 0) {
        return Some(Note::Hole(line.len() as u64));
    }
    // Nothing but what holds a document together.
    if line.iter().all(|byte| b"[]{}(),;\"' \t\r".contains(byte)) {
        return Some(Note::Banner);
    }
    if find(line, b"\x1f\x8b\x08").is_some() {
        return Some(Note::Compressed);
    }
    let has = |words: &[&str]| {
        words
            .iter()
            .any(|word| find(line, word.as_bytes()).is_some())
    };
    if has(DROPPED) {
        return Some(Note::Dropped(number(line)));
    }
    let begins = |words: &[&str]| words.iter().any(|word| line.starts_with(word.as_bytes()));
    if begins(BANNERS) || is_header(line, first) {
        return Some(Note::Banner);
    }
    is_summary(line).then_some(Note::Summary)
}

/// Whether this is the header of a table: names alone. A single bare name is one only in the `first` line.
fn is_header(line: &[u8], first: bool) -> bool {
    let name = |cell: &[u8]| {
        let quoted = cell.strip_prefix(b"\"").and_then(|c| c.strip_suffix(b"\""));
        let bare = quoted.unwrap_or(cell);
        bare.first().is_some_and(|b| !b.is_ascii_digit())
            && bare.iter().all(|b| {
                b.is_ascii_alphanumeric() || b"_@.-".contains(b) || *b == b' ' && quoted.is_some()
            })
    };
    let mut cells = line.split(|b| b",;\t".contains(b));
    let many = cells.clone().nth(1).is_some();
    (many || first || line.starts_with(b"\"")) && cells.all(name)
}

/// Whether a line looks like a piece of what stands around each record, where each has more lines than one: `NAME=value`,
/// `name: value`, or no letter in front.
pub fn is_around(line: &[u8]) -> bool {
    let word = line.split(|byte| *byte == b' ').next().unwrap_or(line);
    !line.first().is_some_and(u8::is_ascii_alphanumeric)
        || word.contains(&b'=')
        || word.ends_with(b":")
}

/// Whether this is a line of a summary, whatever is around it.
fn is_summary(line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line);
    let has = |word: &str| line.contains(word);
    let starts = SUMMARY
        .iter()
        .filter(|word| !word.starts_with("Run "))
        .any(|word| has(word));
    let first =
        has("Run ") && (has(" finished after ") || has(" INTERRUPTED by ") || has(" stopped by "));
    let ends = |word: &&str| {
        line.trim_end().ends_with(word) || has(&format!("{word}\\n")) || has(&format!("{word}\""))
    };
    first || starts || has("         ") && SUMMARY_ENDS.iter().any(ends)
}

/// The number that the word "Suppressed", "dropped" or the like has beside it.
fn number(line: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(line);
    let words: Vec<&str> = text.split_whitespace().collect();
    let told = [
        "Suppressed",
        "suppressed",
        "lost",
        "dropped",
        "discarded",
        "drop",
    ];
    let at = words.iter().position(|word| told.contains(word))?;
    let near = [at + 1, at.wrapping_sub(1), at.wrapping_sub(2)];
    near.iter().find_map(|at| {
        words
            .get(*at)?
            .trim_matches(|c: char| !c.is_ascii_digit())
            .parse()
            .ok()
    })
}
