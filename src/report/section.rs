//! One run on the page: its figures, its charts, its findings.
//!
//! Everything that a log brings along is put in as text; the template escapes it.

use maud::{Markup, html};

use super::{
    chart::{Areas, Span, Window, drawing, frame, legend},
    findings::Listed,
    history::{ATTEMPTS_MAX, Attempts, Brief, History, Opening, RETRIES_SHOWN},
    timeline,
    units::{count, micros, nanos, percent, plural, rate, ticks},
    words,
};
use crate::{
    audit::{RunVerdict, Status},
    log::line::stamp_text,
    plan::workload::Workload,
    work::figures::Distribution,
};

/// A run and all that is to be said of it.
#[derive(Debug)]
pub(super) struct Section {
    /// Its number on the page.
    pub(super) number: usize,
    pub(super) verdict: RunVerdict,
    /// None of a run that was let go, or of which no whole line was read.
    pub(super) history: Option<History>,
    /// What is known in short, also of a run that was let go.
    pub(super) brief: Option<Brief>,
    pub(super) findings: Vec<Listed>,
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

    /// The whole section, under a heading of this level (2 or 3).
    pub(super) fn draw(&self, level: u8, title: &str) -> Markup {
        let id = format!("run-{}", self.number);
        html! {
            section.run id=(id) aria-labelledby=(format!("{id}-title")) {
                (heading(level, &format!("{id}-title"), title))
                p.verdict.(words::class(self.verdict.status)) { (words::of_run(&self.verdict)) }
                @for why in &self.verdict.cannot_tell { p.note { "Cannot tell: " (why) "." } }
                @for note in &self.verdict.notes { p.note { "Note: " (note) "." } }
                @if let Some(delay) = &self.verdict.delay {
                    p.note {
                        "On their way lines took p50 " (micros(delay.p50_us)) ", p90 " (micros(delay.p90_us)) ", p99 "
                        (micros(delay.p99_us)) ", at most " (micros(delay.max_us)) "."
                    }
                }
                @for cause in &self.verdict.causes {
                    p.note { "Likely cause of what is " (cause.kind) ": " (cause.text) "." }
                }
                @if let Some(history) = &self.history { (self.history(level + 1, history)) }
                (self.findings(level + 1))
            }
        }
    }

    fn history(&self, level: u8, history: &History) -> Markup {
        let span = Span::new(history.first, history.last);
        let window = Window::new(span, history.over_time.width());
        html! {
            (figures(history, &self.verdict))
            @if let Some(replay) = &self.replay {
                // An option is not parted from its value, nor from its dashes.
                @let options = replay.split(" --").enumerate();
                p.replay { "Run it again: " code { @for (i, option) in options { @if i > 0 { " " span { "--" (option) } } @else { (option) } } } }
            }
            (self.figure(level, "attempts", "Attempts over time", over_time(history, window)))
            @if let Some(opening) = &history.opening
                && opening.columns.len() as u64 * opening.width < span.length() {
                (self.figure(level, "opening", "The first moments, closely", first_moments(opening)))
            }
            @if !history.rows.is_empty() {
                @let timeline = timeline::draw(history, window, &self.findings, self.number);
                (self.figure(level, "timeline", "What each worker did", timeline))
            }
            (self.figure(level, "times", "How long operations took", operation_times(history)))
            @if history.attempts_needed.iter().any(|found| *found > 0) {
                (self.figure(level, "needed", "Attempts that operations needed", attempts_needed(history)))
            }
            @if history.memory.iter().filter(|(_, peak)| peak.0 > 0).count() > 1 {
                (self.figure(level, "memory", "Memory in use", memory(history, span)))
            }
        }
    }

    fn figure(&self, level: u8, name: &str, title: &str, content: Markup) -> Markup {
        let id = format!("run-{}-{name}", self.number);
        html! {
            figure aria-labelledby=(id) { (heading(level, &id, title)) (content) }
        }
    }

    fn findings(&self, level: u8) -> Markup {
        let counts = self.verdict.counts.by_name();
        if counts.iter().all(|(_, count)| *count == 0) {
            return html! {};
        }
        html! {
            div.findings {
                (heading(level, &format!("run-{}-findings", self.number), "Findings"))
                @for (kind, all) in counts {
                    @if all > 0 { (self.findings_of(kind, all)) }
                }
            }
        }
    }

    fn findings_of(&self, kind: &str, all: u64) -> Markup {
        let listed = || {
            self.findings
                .iter()
                .enumerate()
                .filter(|(_, one)| one.kind == kind)
        };
        let shown = listed().count();
        html! {
            details open[shown <= 8] {
                summary { strong { (kind) } " " (count(all)) " – " (words::meaning(kind)) }
                ol {
                    @for (i, one) in listed() {
                        li id=(format!("finding-{}-{i}", self.number)) { (self.finding(i, one)) }
                    }
                }
                @let more: u64 = listed().map(|(_, one)| one.more).sum();
                @if more > 0 { p.more { "… and more; " code { "hifi audit --format json" } " has them." } }
            }
        }
    }

    fn finding(&self, i: usize, one: &Listed) -> Markup {
        html! {
            (one.words)
            @if one.stamp.is_some() {
                " " a href=(format!("#mark-{}-{i}", self.number)) { "on the timeline" }
            }
            @if !one.details.is_empty() { pre { (one.details) } }
        }
    }
}

/// A heading of level 2, 3 or 4.
pub(super) fn heading(level: u8, id: &str, text: &str) -> Markup {
    html! {
        @match level {
            2 => h2 id=(id) { (text) },
            3 => h3 id=(id) { (text) },
            _ => h4 id=(id) { (text) },
        }
    }
}

fn figures(history: &History, verdict: &RunVerdict) -> Markup {
    let total = &history.total;
    let seconds = history.length() as f64 / 1e6;
    let operations: u64 = history.attempts_needed.iter().sum();
    let completed = total.succeeded;
    let mut entries = vec![
        ("completed", count(completed)),
        ("abandoned", count(total.abandoned)),
        ("attempts", count(total.logged())),
        (
            "failed",
            percent(total.failed() as f64, total.logged() as f64),
        ),
        ("took", micros(history.length())),
    ];
    if seconds > 0.0 {
        entries.push(("operations/s", rate(operations as f64 / seconds)));
    }
    if total.panicked > 0 {
        entries.push(("panics", count(total.panicked)));
    }
    if verdict.counts.lost > 0 {
        entries.push(("lines lost", count(verdict.counts.lost)));
    }
    html! {
        dl.figures {
            @for (name, value) in entries { div { dt { (name) } dd { (value) } } }
        }
        p.setting {
            @if let Some(workload) = &history.workload { (setting(workload)) " " }
            "It began at " time { (stamp_text(history.first)) } "."
        }
    }
}

/// What the run was told to do, in a sentence.
fn setting(workload: &Workload) -> String {
    let retry = &workload.retry;
    let jitter = match retry.jitter.get() {
        0.0 => "no jitter".to_owned(),
        jitter => format!("jitter {jitter}"),
    };
    let scale = match workload.time_scale.get() {
        1.0 => String::new(),
        scale => format!(", all delays times {scale}"),
    };
    format!(
        "{}, {} operations each; {} of attempts to fail; {}, {} backoff from {}, {jitter}{scale}.",
        plural(workload.threads.into(), "worker"),
        workload.iterations,
        percent(workload.failure_rate.get(), 1.0),
        plural(retry.max_retries.into(), "retry").replace("retrys", "retries"),
        retry.backoff,
        micros(retry.delay.0),
    )
}

/// The layers of attempts by outcome, as values a second.
fn layers<'a>(
    columns: impl Iterator<Item = (usize, &'a Attempts)>,
    length: usize,
    width: u64,
) -> Vec<(&'static str, Vec<f64>)> {
    let mut layers =
        ["done", "retried", "gone", "panic", "lost"].map(|class| (class, vec![0.0; length]));
    let seconds = width as f64 / 1e6;
    for (i, column) in columns {
        let parts = [
            column.succeeded,
            column.retried,
            column.abandoned,
            column.panicked,
            column.lost,
        ];
        for ((_, values), part) in layers.iter_mut().zip(parts) {
            values[i] = part as f64 / seconds;
        }
    }
    let mut layers = layers.to_vec();
    layers.retain(|(_, values)| values.iter().any(|value| *value > 0.0));
    layers
}

const OUTCOMES: &[(&str, &str)] = &[
    ("done", "succeeded"),
    ("retried", "failed, tried again"),
    ("gone", "failed, abandoned"),
    ("panic", "panicked"),
    ("lost", "lines lost"),
];

fn outcomes(layers: &[(&str, Vec<f64>)]) -> Markup {
    let shown = |(class, _): &&(&str, &str)| layers.iter().any(|(layer, _)| layer == class);
    let entries: Vec<_> = OUTCOMES.iter().filter(shown).copied().collect();
    legend(&entries)
}

fn over_time(history: &History, window: Window) -> Markup {
    let columns = history.over_time.iter();
    let columns = columns.map(|(stamp, column)| (window.column(stamp) as usize, column));
    let layers = layers(columns, window.columns() as usize, window.width);
    let total = &history.total;
    let losses = words::losses(history).unwrap_or_default();
    let told = format!(
        "Attempts a second over {}: {} succeeded, {} failed and were tried again, {} were abandoned, {} panicked. {losses}",
        micros(window.span.length()),
        total.succeeded,
        total.retried,
        total.abandoned,
        total.panicked,
    );
    attempts(window, layers, told, &losses)
}

fn first_moments(opening: &Opening) -> Markup {
    let length = opening.columns.len();
    let window = Window {
        span: Span::new(opening.from, opening.from + length as u64 * opening.width),
        start: opening.from,
        width: opening.width,
    };
    let layers = layers(opening.columns.iter().enumerate(), length, opening.width);
    let all: Vec<u64> = opening.columns.iter().map(Attempts::all).collect();
    let waves = words::waves(&all, length / RETRIES_SHOWN as usize);
    let told = format!(
        "Attempts a second in the first {}. {waves}",
        micros(window.span.length())
    );
    let caption = format!("Long enough for {RETRIES_SHOWN} retries, one after the other. {waves}");
    attempts(window, layers, told, &caption)
}

/// Attempts by outcome, and what the colours mean.
fn attempts(window: Window, layers: Vec<(&str, Vec<f64>)>, told: String, caption: &str) -> Markup {
    let legend = outcomes(&layers);
    let areas = Areas {
        window,
        layers,
        unit: "attempts a second",
        value: rate,
        told,
    };
    html! { (areas.draw()) (legend) figcaption { (caption) } }
}

/// A histogram over a logarithmic axis, with the usual quantiles.
fn operation_times(history: &History) -> Markup {
    let mut times: Distribution = Distribution::default();
    times.add(&history.operation_times);
    let Some((first, _, _)) = times.buckets().next() else {
        return html! { p.note { "No operation's lines are whole from its first attempt to its last." } };
    };
    let quantiles =
        [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)].map(|(name, q)| (name, times.quantile(q)));
    let axis = LogAxis::new(first, times.max);
    let most = times
        .buckets()
        .map(|(_, _, count)| count)
        .max()
        .unwrap_or(1);
    let told = format!(
        "Operation times, retries included, of {}: {}, at most {}.",
        plural(times.count, "operation"),
        quantiles
            .map(|(name, value)| format!("{name} {}", resolved(value)))
            .join(", "),
        resolved(times.max),
    );
    let content = html! { path.done d=(bars(&times, axis, most)) {} };
    let plot = html! {
        (drawing("0 0 1000 1000", &told, &content))
        @for (_, value) in quantiles { i.quantile style=(format!("left:{:.2}%", axis.percent(value))) {} }
    };
    html! {
        div.chart.histogram {
            div.quantiles aria-hidden="true" {
                @for (name, value) in quantiles {
                    @let place = axis.percent(value);
                    // Near the right edge the words stand on the left of their line.
                    span.before[place > 75.0] style=(format!("left:{place:.2}%")) { b { (name) } " " (resolved(value)) }
                }
            }
            (frame("operations", &ticks(most as f64, 4.0), most as f64, rate, &plot))
            div.x aria-hidden="true" {
                @for tick in axis.ticks() {
                    span style=(format!("left:{:.2}%", axis.percent(tick))) { (round_nanos(tick)) }
                }
            }
        }
        figcaption { (told) }
    }
}

/// A time as far as the log's stamps, whole microseconds, tell it.
fn resolved(time: u64) -> String {
    match time {
        0..1000 => "<1 µs".into(),
        _ => nanos(time),
    }
}

/// A power of ten, or a small multiple of one, in the unit that suits it.
fn round_nanos(nanos: u64) -> String {
    let units = [
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
        (1000, "µs"),
        (1, "ns"),
    ];
    let unit = units.iter().find(|(unit, _)| nanos >= *unit);
    unit.map_or_else(
        || "0".into(),
        |(unit, name)| format!("{} {name}", nanos / unit),
    )
}

fn bars(times: &Distribution, axis: LogAxis, most: u64) -> String {
    let mut path = String::new();
    for (from, to, count) in times.buckets() {
        let left = axis.percent(from) * 10.0;
        let right = (axis.percent(to) * 10.0).max(left + 3.0);
        let height = (count as f64 / most as f64 * 1000.0).max(2.0);
        path += &format!("M{left:.1} 1000V{:.0}H{right:.1}V1000z", 1000.0 - height);
    }
    path
}

/// An axis on which each power of ten takes the same room.
#[derive(Clone, Copy)]
struct LogAxis {
    low: f64,
    high: f64,
}

impl LogAxis {
    fn new(first: u64, last: u64) -> Self {
        // What is shorter than the log's stamps can tell stands at the left edge.
        let low = (first.max(700) as f64).log10();
        // A single value stands in the middle.
        Self {
            low: (low - 0.1).max(0.0),
            high: (last.max(1) as f64).log10().max(low) + 0.1,
        }
    }

    fn percent(self, nanos: u64) -> f64 {
        let place = ((nanos.max(1) as f64).log10() - self.low) / (self.high - self.low);
        (place * 100.0).clamp(0.0, 100.0)
    }

    /// The powers of ten within it; where they are few, twice and five times each as well.
    fn ticks(self) -> Vec<u64> {
        let steps: &[u64] = match self.high - self.low {
            powers if powers > 3.0 => &[1],
            _ => &[1, 2, 5],
        };
        let powers = (self.low.floor() as u32..=self.high.ceil() as u32)
            .map(|power| 10_u64.saturating_pow(power));
        let all =
            powers.flat_map(|power| steps.iter().map(move |step| power.saturating_mul(*step)));
        let within = |tick: &u64| (self.low..=self.high).contains(&(*tick as f64).log10());
        all.filter(within).collect()
    }
}

/// How many attempts operations needed, beside what failure rate and retries predict.
fn attempts_needed(history: &History) -> Markup {
    let all: u64 = history.attempts_needed.iter().sum();
    let predicted = history.workload.as_ref().map(predicted).unwrap_or_default();
    let rows = history.attempts_needed.iter().enumerate();
    let rows =
        rows.filter(|(i, found)| **found > 0 || predicted.get(*i).is_some_and(|p| *p >= 0.0005));
    html! {
        table.needed {
            thead { tr {
                th scope="col" { "attempts" } th scope="col" { "operations" } th scope="col" { "share" }
                th scope="col" { "predicted" } th.bars aria-hidden="true" {}
            } }
            tbody {
                @for (i, found) in rows {
                    @let share = *found as f64 / all.max(1) as f64;
                    @let expected = predicted.get(i).copied().unwrap_or(0.0);
                    tr {
                        th scope="row" { (i + 1) @if i + 1 == ATTEMPTS_MAX { " or more" } }
                        td { (count(*found)) }
                        td { (percent(*found as f64, all as f64)) }
                        td { (percent(expected, 1.0)) }
                        td.bars aria-hidden="true" {
                            i.bar style=(format!("width:{:.1}%", share * 100.0)) {}
                            i.expected style=(format!("left:{:.1}%", expected * 100.0)) {}
                        }
                    }
                }
            }
        }
        figcaption { "The bar is what was found, the upright line what failure rate and retries predict." }
    }
}

/// The share of operations that need so many attempts, from one attempt on, if none panics.
fn predicted(workload: &Workload) -> Vec<f64> {
    let failure = workload.failure_rate.get();
    let tries = u64::from(workload.retry.max_retries) + 1;
    let mut shares = vec![0.0; ATTEMPTS_MAX];
    let mut reached = 1.0;
    for attempt in 1..=tries.min(10_000) {
        let ends = if attempt == tries {
            reached
        } else {
            reached * (1.0 - failure)
        };
        shares[(attempt as usize).min(ATTEMPTS_MAX) - 1] += ends;
        reached -= ends;
    }
    shares
}

fn memory(history: &History, span: Span) -> Markup {
    let window = Window::new(span, history.memory.width());
    let mut values = vec![0.0; window.columns() as usize];
    for (stamp, peak) in history.memory.iter() {
        values[window.column(stamp) as usize] = mebibytes(peak.0);
    }
    // Between two samples it is taken to have stayed the same.
    let mut last = 0.0;
    for value in &mut values {
        if *value == 0.0 {
            *value = last;
        }
        last = *value;
    }
    let seen = history.memory.iter().map(|(_, peak)| peak.0);
    let seen: Vec<u64> = seen.filter(|peak| *peak > 0).collect();
    let (first, most) = (seen.first().unwrap_or(&0), seen.iter().max().unwrap_or(&0));
    let told = format!(
        "Memory in use: {:.1} MiB at first, {:.1} MiB at most.",
        mebibytes(*first),
        mebibytes(*most)
    );
    let areas = Areas {
        window,
        layers: vec![("memory", values)],
        unit: "resident memory, MiB",
        value: rate,
        told: told.clone(),
    };
    html! { (areas.draw()) figcaption { (told) } }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / (1 << 20) as f64
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

    #[test]
    fn a_logarithmic_axis_has_round_ticks() {
        let axis = LogAxis::new(10_000_000, 2_000_000_000);
        assert_eq!(
            axis.ticks(),
            [10, 20, 50, 100, 200, 500, 1000, 2000].map(|ms| ms * 1_000_000)
        );
        assert!(axis.percent(10_000_000) < axis.percent(2_000_000_000));
    }
}
