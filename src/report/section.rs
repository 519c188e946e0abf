//! One run on the page: its figures, its charts, its findings.
//!
//! Everything that a log brings along is put in as text; the template escapes it.

use maud::{Markup, html};

use super::{
    chart::{areas, bars, legend},
    collector::SeenRun,
    findings::{Dated, LISTED_MAX, details},
    history::{ATTEMPTS_MAX, Attempts, Column, History, LOST, failed, logged},
    operation_times,
    series::Window,
    text::{count, micros, percent, plural, rate, shown},
    timeline, words,
};
use crate::{
    audit::{AttemptKind, RunVerdict, Status, headline},
    log::line::stamp_text,
    plan::{format::counted, workload::Workload},
};

/// A run and all that is to be said of it.
#[derive(Debug)]
pub(super) struct Section {
    /// Its number on the page.
    pub(super) number: usize,
    pub(super) verdict: RunVerdict,
    /// None of a run of which no whole line was read.
    pub(super) seen: Option<SeenRun>,
    pub(super) findings: Vec<Dated>,
    /// The command line that repeats the run's outcomes.
    pub(super) replay: Option<String>,
}

impl Section {
    /// What it is called on a page of runs.
    pub(super) fn title(&self) -> String {
        let shard = self.verdict.workload.as_ref();
        let shard = shard.map_or_else(String::new, |w| format!(", shard {}", w.shard));
        format!("Run {}{shard}", self.verdict.run)
    }

    /// Whether there is nothing to look at in it.
    pub(super) fn is_clean(&self) -> bool {
        self.verdict.status == Status::Clean
    }

    /// Whether it can be shown in full.
    pub(super) fn is_whole(&self) -> bool {
        self.history().is_some()
    }

    fn history(&self) -> Option<(&SeenRun, &History)> {
        let seen = self.seen.as_ref()?;
        Some((seen, seen.history.as_ref()?))
    }

    /// The whole section, under a heading of this level (2 or 3).
    pub(super) fn draw(&self, level: u8, title: &str) -> Markup {
        let id = format!("run-{}", self.number);
        html! {
            section.run id=(id) aria-labelledby=(format!("{id}-title")) {
                (heading(level, &format!("{id}-title"), title))
                p.verdict.(words::class(self.verdict.status)) { (words::of_run(&self.verdict)) }
                (notes(&self.verdict.cannot_tell, &self.verdict.notes))
                @if let Some(delay) = &self.verdict.delay {
                    p.note {
                        "On their way lines took p50 " (micros(delay.p50_us)) ", p90 " (micros(delay.p90_us)) ", p99 "
                        (micros(delay.p99_us)) ", at most " (micros(delay.max_us)) "."
                    }
                }
                @for cause in &self.verdict.causes {
                    p.note { "Likely cause of what is " (cause.kind.name()) ": " (cause.text) "." }
                }
                @if let Some((seen, history)) = self.history() {
                    (self.figures(seen, history))
                    (self.charts(level + 1, seen, history))
                }
                (self.all_findings(level + 1))
            }
        }
    }

    fn figures(&self, seen: &SeenRun, history: &History) -> Markup {
        let (total, length) = (&seen.total, seen.last - seen.first);
        let of = |kind| total[kind as usize];
        let operations: u64 = history.attempts_needed.iter().sum();
        let a_second = operations as f64 * 1e6 / length.max(1) as f64;
        let (panics, lost) = (of(AttemptKind::Panic), self.verdict.counts.lost);
        let share = percent(failed(total) as f64, logged(total) as f64);
        let entries = [
            (true, "completed", count(of(AttemptKind::Success))),
            (true, "abandoned", count(of(AttemptKind::Abandon))),
            (true, "attempts", count(logged(total))),
            (true, "failed", share),
            (true, "took", micros(length)),
            (length > 0, "operations/s", rate(a_second)),
            (panics > 0, "panics", count(panics)),
            (lost > 0, "lines lost", count(lost)),
        ];
        html! {
            dl.figures {
                @for (is_shown, name, value) in entries {
                    @if is_shown { div { dt { (name) } dd { (value) } } }
                }
            }
            p.setting {
                @if let Some(workload) = &history.workload { (setting(workload)) " " }
                "It began at " time { (stamp_text(seen.first)) } "."
            }
            @if let Some(replay) = &self.replay {
                // An option is not parted from its value, nor from its dashes.
                @let options = replay.split(" --").enumerate();
                p.replay { "Run it again: " code { @for (i, option) in options { @if i > 0 { " " span { "--" (option) } } @else { (option) } } } }
            }
        }
    }

    fn charts(&self, level: u8, seen: &SeenRun, history: &History) -> Markup {
        let (window, columns) = (history.columns.window(), || history.columns.iter());
        let figure = |name: &str, title: &str, content: Markup| {
            let id = format!("run-{}-{name}", self.number);
            html! { figure aria-labelledby=(id) { (heading(level, &id, title)) (content) } }
        };
        let over_time: Vec<Attempts> = columns().map(Column::attempts).collect();
        let losses = words::losses(history).unwrap_or_default();
        html! {
            (figure("attempts", "Attempts over time", attempts(window, &over_time, &losses)))
            @if history.rows > 0 {
                (figure("timeline", "What each worker did", timeline::draw(self.number, seen, history, &self.findings)))
            }
            (figure("times", "How long operations took", operation_times::draw(&history.operation_times)))
            @if history.attempts_needed.iter().any(|found| *found > 0) {
                (figure("needed", "Attempts that operations needed", attempts_needed(history)))
            }
            @if columns().filter(|column| column.memory > 0).count() > 1 {
                (figure("memory", "Memory in use", memory(history)))
            }
        }
    }

    fn all_findings(&self, level: u8) -> Markup {
        let found = self.verdict.counts.by_name().into_iter();
        let found: Vec<_> = found.filter(|(_, all)| *all > 0).collect();
        html! {
            @if !found.is_empty() {
                div.findings {
                    (heading(level, &format!("run-{}-findings", self.number), "Findings"))
                    @for (kind, all) in found { (self.findings_of(kind, all)) }
                }
            }
        }
    }

    fn findings_of(&self, kind: &str, all: u64) -> Markup {
        let listed = self.findings.iter().enumerate();
        let listed: Vec<_> = listed
            .filter(|(_, (one, _))| one.kind.name() == kind)
            .collect();
        let known = self.verdict.findings.iter();
        let known = known.filter(|one| one.kind.name() == kind);
        html! {
            details open[listed.len() <= 8] {
                summary { strong { (kind) } " " (count(all)) " – " (words::meaning(kind)) }
                ol { @for (i, (one, stamp)) in &listed {
                    @let details = details(one);
                    li id=(format!("finding-{}-{i}", self.number)) {
                        (shown(&headline(one)))
                        @if stamp.is_some() { " " a href=(format!("#mark-{}-{i}", self.number)) { "on the timeline" } }
                        @if !details.is_empty() { pre { (details) } }
                    }
                } }
                @if known.count() > LISTED_MAX { p.more { "… and more; " code { "hifi audit --format json" } " has them." } }
            }
        }
    }
}

/// A heading of level 2, 3 or 4.
fn heading(level: u8, id: &str, text: &str) -> Markup {
    html! {
        @match level {
            2 => h2 id=(id) { (text) },
            3 => h3 id=(id) { (text) },
            _ => h4 id=(id) { (text) },
        }
    }
}

/// Why a verdict cannot be told, and what is to be known besides.
pub(super) fn notes(cannot_tell: &[String], notes: &[String]) -> Markup {
    html! {
        @for why in cannot_tell { p.note { "Cannot tell: " (why) "." } }
        @for note in notes { p.note { "Note: " (note) "." } }
    }
}

/// What the run was told to do, in a sentence.
fn setting(workload: &Workload) -> String {
    let retry = &workload.retry;
    let retries = match retry.max_retries {
        1 => "1 retry".to_owned(),
        retries => format!("{} retries", count(retries.into())),
    };
    format!(
        "{}, {} each; {} of attempts to fail; {}, {} backoff from {}, jitter {}, time scale {}.",
        plural(workload.threads.into(), "worker"),
        counted(workload.iterations, "operation"),
        percent(workload.failure_rate.get(), 1.0),
        retries,
        retry.backoff,
        micros(retry.delay.0),
        retry.jitter,
        workload.time_scale,
    )
}

/// Attempts by outcome, each a layer, and what the colours mean.
fn attempts(window: Window, columns: &[Attempts], caption: &str) -> Markup {
    // The class and the words of each, in the order in which they are counted.
    let outcomes: [(&str, &str); LOST + 1] = [
        ("done", "succeeded"),
        ("retried", "failed, tried again"),
        ("gone", "failed, abandoned"),
        ("panic", "panicked"),
        ("lost", "lines lost"),
    ];
    let seconds = window.width as f64 / 1e6;
    let (mut layers, mut meanings) = (Vec::new(), Vec::new());
    let mut told = format!(
        "Attempts a second over {}. {caption}",
        micros(window.length())
    );
    for (kind, (class, words)) in outcomes.into_iter().enumerate() {
        let all: u64 = columns.iter().map(|column| column[kind]).sum();
        if all > 0 {
            let values = columns.iter().map(|column| column[kind] as f64 / seconds);
            layers.push((class, values.collect()));
            meanings.push((class, words));
            told += &format!(" {words}: {}.", count(all));
        }
    }
    let areas = areas(window, "attempts a second", &told, &layers);
    html! { (areas) (legend(&meanings)) figcaption { (caption) } }
}

/// How many attempts operations needed, beside what failure rate and retries predict.
fn attempts_needed(history: &History) -> Markup {
    let all: u64 = history.attempts_needed.iter().sum();
    let predicted = history
        .workload
        .as_ref()
        .map_or_else(|| vec![0.0; ATTEMPTS_MAX], predicted);
    let rows = (1..).zip(history.attempts_needed.iter().zip(predicted));
    let rows = rows.filter(|(_, (found, expected))| **found > 0 || *expected >= 0.0005);
    let rows = rows.map(|(attempts, (found, expected))| {
        let more = if attempts == ATTEMPTS_MAX {
            " or more"
        } else {
            ""
        };
        (format!("{attempts}{more}"), *found, Some(expected))
    });
    let table = bars(&["attempts", "operations", "share", "predicted"], all, rows);
    html! {
        (table)
        figcaption { "The bar is what was found, the upright line what failure rate and retries predict." }
    }
}

/// The share of operations that need so many attempts, from one attempt on, if none panics.
fn predicted(workload: &Workload) -> Vec<f64> {
    let failure = workload.failure_rate.get();
    let tries = workload.retry.max_retries as usize + 1;
    let mut shares = vec![0.0; ATTEMPTS_MAX];
    let mut reached = 1.0;
    for (attempt, share) in (1..).zip(&mut shares) {
        // The last try ends whatever comes of it, and so does the last row hold all that is left.
        *share = match attempt {
            last if last == tries || last == ATTEMPTS_MAX => reached,
            _ => reached * (1.0 - failure),
        };
        reached -= *share;
    }
    shares
}

fn memory(history: &History) -> Markup {
    let mebibytes = |column: &Column| column.memory as f64 / (1 << 20) as f64;
    let mut latest = 0.0;
    // Until the next sample it is taken to stay the same.
    let values = history.columns.iter().map(|column| {
        if column.memory > 0 {
            latest = mebibytes(column);
        }
        latest
    });
    let values: Vec<f64> = values.collect();
    let first = values.iter().find(|value| **value > 0.0).unwrap_or(&0.0);
    let most = values.iter().copied().fold(0.0, f64::max);
    let told = format!("Memory in use: {first:.1} MiB at first, {most:.1} MiB at most.");
    let window = history.columns.window();
    let areas = areas(window, "resident memory, MiB", &told, &[("memory", values)]);
    html! { (areas) figcaption { (told) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predicted_shares_are_those_of_repeated_chances() {
        let mut workload = crate::audit::simulate::workload(1, 1, 1);
        workload.failure_rate = "0.5".parse().unwrap();
        workload.retry.max_retries = 2;
        let shares = predicted(&workload);
        assert_eq!(shares[..4], [0.5, 0.25, 0.25, 0.0]);
        workload.retry.max_retries = 100;
        assert!((predicted(&workload).iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
}
