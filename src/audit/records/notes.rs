//! Lines that are known to stand between the records of a log that is all right, or say what is wrong: a table, easy to add to.

use std::{borrow::Cow, sync::LazyLock};

use memchr::memmem::find;

use super::{
    record::{Words, words},
    scanned::Note,
};

/// What others write between lines.
const BANNERS: &[&str] = &[
    // tail
    "==> ",
    "tail: ",
    // script, screen, tmux, asciinema
    "{\"version\": 2, \"width\"",
    "{\"version\":2,\"width\"",
    "{\"version\":3,\"term\"",
    "{\"version\": 3, \"term\"",
    "Script started on",
    "Script done on",
    "Script done, file is",
    // docker compose, kubectl, stern
    "Attaching to ",
    "Defaulted container ",
    "Following log",
    // Grafana, logcli
    "Common labels:",
    "Line limit:",
    "Total bytes processed:",
    // CloudWatch
    "NEXTFORWARDTOKEN",
    "NEXTBACKWARDTOKEN",
    "http://",
    "https://",
    // GitHub Actions, Azure, GitLab
    "##[",
    "::group::",
    "::endgroup::",
    "section_start:",
    "section_end:",
    // databases
    "INSERT INTO ",
    "LOCK TABLES ",
    "UNLOCK TABLES",
    "COPY ",
    "-[ RECORD ",
    "-RECORD ",
    // zip's list of its files
    "PK\u{1}\u{2}",
    // diff
    "diff --git ",
    "new file mode ",
    "index ",
    // mail, Markdown, LaTeX
    "From ",
    "Subject: ",
    "Content-",
    "MIME-Version: ",
    "```",
    "# ",
    "\\begin{",
    "\\end{",
    // PowerShell's and pm2's headers, rotation
    "#TYPE ",
    "#< CLIXML",
    "[TAILING]",
    "last 15 lines:",
    "newsyslog[",
    "logfile turned over",
    "log rotated",
];

/// These, by the byte with which they begin.
static BANNERS_BY_START: LazyLock<[Vec<&[u8]>; 256]> = LazyLock::new(|| {
    let mut by_start = [const { Vec::new() }; 256];
    for banner in BANNERS.iter().map(|banner| banner.as_bytes()) {
        by_start[usize::from(banner[0])].push(banner);
    }
    by_start
});

/// What a limit on the rate of lines says when it has dropped some: words that stand in one line.
const RATE_LIMITS: &[&[&str]] = &[
    // journald
    &["Suppressed ", " messages from "],
    // rsyslog
    &["messages", "due to rate-limiting"],
    // the kernel
    &["callbacks suppressed"],
    // Heroku, Cloud Foundry, the kernel
    &["messages dropped"],
    &["exceeded log rate limit"],
    // containers' runtimes and shippers
    &["rate limit", "dropp"],
    &["rate-limit", "dropp"],
    &["rate limit", "discard"],
    &["rate limit", "suppress"],
];

/// How the lines of a run's summary begin.
const SUMMARY: &[&str] = &[
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
    "Requests   ",
    "Sentry   ",
    "PROBLEM   ",
    "{\"run\":\"",
    // What a run says on standard error, also without a summary.
    "hifi: ended by an unexpected error",
    "hifi: no worker made progress",
    "hifi: never ended",
    "hifi: the log could not be written to ",
    "hifi: the books do not balance",
    "hifi: metrics are served on",
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

/// What stands in those in which something else stands at the end.
const SUMMARY_COUNTS: &[&str] = &[" answered with ", " of them reported, "];

/// How much of a line its form is.
const FORM_MAX: usize = 64;

/// Between records of a binary format so short a line may look like text.
const SHORT_MAX: usize = 4;

/// In each line that is known by what stands within it stands one of these: in that of a summary, of a limit on the rate.
static TELLING: Words = LazyLock::new(|| {
    words(&format!(
        "   |Run |hifi: |Operation time |Lock wait |{{\"run\":\"|uppressed|rate limit|rate-limit|messages dropped|{REPEATED}"
    ))
});

/// What syslog says instead of a line that is the same as the one before.
const REPEATED: &str = "last message repeated ";

/// What is known of a line without a record; whether it is the `first` of its input.
pub(crate) fn note(line: &[u8], first: bool) -> Option<Note> {
    let line = &*with_bars(line);
    if line.iter().all(|byte| *byte == 0) {
        return Some(Note::Hole(line.len() as u64));
    }
    if holds_together(line.trim_ascii()) {
        return Some(Note::Banner);
    }
    if memchr::memchr_iter(0x1f, line).any(|at| line[at..].starts_with(b"\x1f\x8b\x08")) {
        return Some(Note::Compressed);
    }
    let has = |word: &&str| find(line, word.as_bytes()).is_some();
    let telling = TELLING.find(line).is_some();
    if telling && is_summary(line) {
        return Some(Note::Summary);
    }
    if telling && RATE_LIMITS.iter().any(|words| words.iter().all(has)) {
        return Some(Note::Dropped(number(line)));
    }
    let mut banners = BANNERS_BY_START[usize::from(line[0])].iter();
    let repeated = telling && has(&REPEATED);
    let banner = repeated
        || banners.any(|banner| line.starts_with(banner))
        || is_ruled(line)
        || is_row_count(line)
        || is_header(line, first);
    banner.then_some(Note::Banner)
}

/// Whether a line begins with a rule, as headings have one, or ends with one, behind which what was announced stands.
fn is_ruled(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    let begin = line.iter().take_while(|b| b"=-~+#@:".contains(b)).count();
    let mut from_end = line.iter().rev();
    let end = from_end.clone();
    let end = end.take_while(|b| b"=-~'\">".contains(b)).count();
    let is_word = |length, beside: Option<&u8>| length > 1 && beside.is_none_or(|b| *b == b' ');
    is_word(begin, line.get(begin)) || is_word(end, from_end.nth(end))
}

/// Whether this is how a database's shell ends a table: `(63 rows)`, `63 rows in set (0.00 sec)`, `1 row selected.`.
fn is_row_count(line: &[u8]) -> bool {
    let line = line.strip_prefix(b"(").unwrap_or(line);
    let digits = line.iter().take_while(|b| b.is_ascii_digit()).count();
    let behind = line[digits..].strip_prefix(b" row");
    let behind = behind.map(|rest| rest.strip_prefix(b"s").unwrap_or(rest));
    digits > 0 && behind.is_some_and(|rest| !rest.first().is_some_and(u8::is_ascii_alphabetic))
}

/// Whether there is nothing but what holds a document together: tags, brackets, fences, rules, or words in braces.
fn holds_together(line: &[u8]) -> bool {
    let tags = (line.starts_with(b"<") || line.starts_with(b"]]>")) && line.ends_with(b">");
    let braced = match line {
        [b'{', words @ .., b'}'] | [b'[', words @ .., b']'] => words
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b",/:=|.".contains(b)),
        _ => false,
    };
    tags || braced
        || line == b"null"
        || line
            .iter()
            .all(|b| b"[]{}(),;\"' \t\r`-+=|_*~\\.\x1a".contains(b))
}

/// A line whose boxes are drawn with bars.
fn with_bars(line: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(0xe2, line).is_none() {
        return Cow::Borrowed(line);
    }
    let is_box = |c| ('\u{2500}'..='\u{257f}').contains(&c);
    let text = String::from_utf8_lossy(line);
    Cow::Owned(text.replace(is_box, "|").into_bytes())
}

/// Whether this is the header of a table: names alone. A single bare name is one only in the `first` line.
fn is_header(line: &[u8], first: bool) -> bool {
    // How many lines follow is said without a letter.
    let no_letter = |b: &u8| b.is_ascii_digit() || b.is_ascii_punctuation();
    if first && line.len() < FORM_MAX && line.iter().all(no_letter) {
        return true;
    }
    // A cell begins with no digit. Most lines have something else early on.
    if line.first().is_some_and(u8::is_ascii_digit) {
        return false;
    }
    let possible = |b: &u8| b.is_ascii_alphanumeric() || b"_@.- \",;\t|\r".contains(b);
    if !line.iter().all(possible) {
        return false;
    }
    // The first line may be that of a table with wide columns.
    let wide = first && find(line.trim_ascii(), b"  ").is_some();
    let name = |cell: &[u8]| {
        let quoted = cell.strip_prefix(b"\"").and_then(|c| c.strip_suffix(b"\""));
        let bare = quoted.unwrap_or(cell);
        bare.first().is_some_and(|b| !b.is_ascii_digit())
            && bare.iter().all(|b| {
                b.is_ascii_alphanumeric()
                    || b"_@.-".contains(b)
                    || *b == b' ' && (quoted.is_some() || wide)
            })
    };
    let mut cells = line
        .split(|b| b",;\t|".contains(b))
        .map(<[u8]>::trim_ascii)
        .filter(|cell| !cell.is_empty());
    let many = cells.clone().nth(1).is_some();
    let quoted = line.starts_with(b"\"") || line.trim_ascii().starts_with(b"|");
    (many || first && line.len() < FORM_MAX || quoted) && cells.all(name)
}

/// The form of a line: what stands in front of the first `=`, `:` or `|`, with a zero for each number, and one blank for several.
pub(crate) fn form(line: &[u8]) -> Vec<u8> {
    let line = line.trim_ascii();
    let mut parts = line.split(|byte| b"=:|".contains(byte));
    let name = parts.next().unwrap_or(line);
    let mut form: Vec<u8> = name.iter().take(FORM_MAX).copied().collect();
    let digits = form.iter_mut().filter(|byte| byte.is_ascii_digit());
    digits.for_each(|byte| *byte = b'0');
    form.dedup_by(|byte, before| byte == before && b"0 ".contains(byte));
    form
}

/// Whether a line is nothing but what a binary format has between records: a byte of 10 in it, which is a tag or a length,
/// ends a line.
pub(crate) fn is_binary(line: &[u8]) -> bool {
    line.len() <= SHORT_MAX || controls(line) > 0 || str::from_utf8(line).is_err()
}

/// How many control characters there are that no text has. NUL is none of them: files have holes.
pub(crate) fn controls(bytes: &[u8]) -> usize {
    let control = |b: &&u8| matches!(b, 1..=8 | 14..=26 | 28..=31);
    bytes.iter().filter(control).count()
}

/// Whether this is a line of a summary, whatever is around it.
fn is_summary(line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line);
    let has = |word: &&str| line.contains(word);
    let ends = |word: &&str| {
        let within = [format!("{word}\\n"), format!("{word}\"")];
        line.trim_end().ends_with(word) || within.iter().any(|word| line.contains(word))
    };
    let counted = || SUMMARY_COUNTS.iter().any(has) || SUMMARY_ENDS.iter().any(ends);
    SUMMARY.iter().any(has) || has(&"         ") && counted() || is_headline(&line)
}

/// Whether this is the line of a summary that says how the run ended.
fn is_headline(line: &str) -> bool {
    let mut runs = line.split("Run ").skip(1);
    runs.any(|run| {
        let hex = run.bytes().take_while(u8::is_ascii_hexdigit).count();
        hex == 16 && run.contains(" after ")
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_on_the_rate_is_known_by_what_it_says() {
        for (line, dropped) in [
            (
                "systemd-journald[33]: Suppressed 400 messages from hifi.service",
                Some(Some(400)),
            ),
            (
                "imuxsock[1]: 37 messages lost due to rate-limiting",
                Some(Some(37)),
            ),
            (
                "imuxsock[1]: begin to drop messages due to rate-limiting",
                Some(None),
            ),
            (
                "logplex: Error L10 (output buffer overflow): 500 messages dropped since then",
                Some(Some(500)),
            ),
            ("sshd[7]: connection dropped by peer", None),
            ("            0 items dropped by the data limit", None),
        ] {
            let note = note(line.as_bytes(), false);
            let found = match note {
                Some(Note::Dropped(count)) => Some(count),
                _ => None,
            };
            assert_eq!(found, dropped, "{line}: {note:?}");
        }
    }

    #[test]
    fn what_tables_are_drawn_with_is_no_line() {
        for (line, known) in [
            ("┌────┬──────┐", true),
            ("│ id │ line │", true),
            ("    ┌─line─┐", true),
            ("98 rows in set (0.00 sec)", true),
            ("(1 row)", true),
            ("]]></system-out>", true),
            (" line ", true),
            ("TIMESTAMP       TEXT_PAYLOAD", true),
            ("-- Boot 0a1b2c3d4e5f --", true),
            ("=~=~=~=~= PuTTY log 2026.11.26 15:00:00 =~=~=~=~=", true),
            ("--- /dev/null", true),
            ("n1 | CHANGED | rc=0 >>", true),
            ("log = '''", true),
            ("[source,log]", true),
            ("[/code]", true),
            ("{code:title=app.log}", true),
            ("```text", true),
            ("--> GET /", false),
            ("*** buffer overflow detected ***", false),
            ("[error] 3", false),
            ("3 rowboats", false),
            (" two words ", false),
        ] {
            let note = note(line.as_bytes(), true);
            assert_eq!(note == Some(Note::Banner), known, "{line}: {note:?}");
        }
    }

    #[test]
    fn each_way_in_which_a_run_can_end_is_a_headline() {
        for how in [
            "finished",
            "panicked",
            "INTERRUPTED by SIGTERM",
            "ended by its --duration",
            "panicked, and stopped by SIGINT",
        ] {
            let line = format!("hifi-1  | Run 005182d25ff8eaf6 {how} after 13.2 ms");
            assert_eq!(note(line.as_bytes(), false), Some(Note::Summary), "{line}");
        }
        assert_eq!(note(b"Run the tests after lunch", false), None);
    }

    #[test]
    fn what_a_run_says_without_a_summary_is_known() {
        for (line, known) in [
            (
                "stderr F hifi: ended by an unexpected error: 6 workers",
                true,
            ),
            ("Nov 23 17:42:00 host hifi: session opened", false),
        ] {
            let summary = note(line.as_bytes(), false) == Some(Note::Summary);
            assert_eq!(summary, known, "{line}");
        }
    }
}
