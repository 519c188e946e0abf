//! The timeline of a run's workers: what each did when, and where in it the findings are.
//!
//! Up to 64 workers have a row each; of more workers, some share one, and the rows become a heat map of failures.

use std::{collections::BTreeMap, fmt::Write as _};

use maud::{Markup, html};

use super::{
    chart::{Ticks, chart, drawing, legend, time_axis},
    collector::SeenRun,
    findings::{self, Dated},
    history::{Cell, History, LOST, failed},
    series::Window,
    text::{micros, plural, shown},
    words,
};
use crate::audit::{AttemptKind, headline};

/// The height of a row in the drawing's units, and how much of it is filled.
const ROW: usize = 10;
const BAR: usize = 8;
/// How many shades the heat map has, besides that of none.
const SHADES: usize = 5;
const ABANDONED: usize = AttemptKind::Abandon as usize;

/// Draws the timeline; `number` is the run's, for links.
pub(super) fn draw(number: usize, seen: &SeenRun, history: &History, found: &[Dated]) -> Markup {
    let (content, key) = match history.workers_a_row {
        1 => (activities(history), key(history)),
        _ => (heat_map(history), heat_key(history)),
    };
    let (rows, window) = (history.rows, history.columns.window());
    let height = rows * (256 / rows).clamp(8, 20);
    let named = (0..rows).step_by(rows.div_ceil(12)).map(|row| {
        let worker = history.first_worker() + row as u32 * history.workers_a_row;
        (100.0 - middle(row, rows), format!("Worker-{worker}"))
    });
    let told = told(seen, history, window, found);
    let plot = html! { div.plot style=(format!("height:{height}px")) {
        (drawing(window.columns, rows * ROW, &told, &content))
        (marks(history, window, found, number))
    } };
    let names: Ticks = named.collect();
    html! { (chart("timeline", "", &names, &time_axis(window), &plot)) (key) }
}

/// The middle of a row, in percent from the top.
fn middle(row: usize, rows: usize) -> f64 {
    (row as f64 + 0.5) / rows as f64 * 100.0
}

fn has(history: &History, kind: usize) -> bool {
    let mut columns = history.columns.iter();
    columns.any(|column| column.attempts()[kind] > 0)
}

/// What the colours mean.
fn key(history: &History) -> Markup {
    let mut entries = vec![
        ("work", "attempt under way"),
        ("wait", "sleep after a success"),
        ("back", "backoff after a failure"),
    ];
    if has(history, ABANDONED) {
        entries.push(("gone", "abandoned here"));
    }
    if has(history, LOST) {
        entries.extend([
            ("lost", "lines lost"),
            ("unknown", "unknown for that reason"),
        ]);
    }
    legend(&entries)
}

fn heat_key(history: &History) -> Markup {
    html! {
        ul.legend {
            li { "failed attempts: none" @for shade in 0..=SHADES { i class=(format!("heat{shade}")) {} } "most" }
            @if has(history, LOST) { li { i.lost {} "lines lost" } }
        }
    }
}

/// What each worker did, each activity in its colour.
fn activities(history: &History) -> Markup {
    html! {
        (blocks(history, 1, BAR, |cell| cell.activity().map(str::to_owned)))
        (shares(history, "gone", true, ABANDONED))
        (shares(history, "lost", false, LOST))
    }
}

/// Failures of the workers that share a row, the darker the more.
fn heat_map(history: &History) -> Markup {
    let cells = history.columns.iter().flat_map(|column| &column.cells);
    let most = cells.map(|cell| failed(&cell.attempts)).max();
    let most = most.unwrap_or(0).max(1) as f64;
    let shade = |cell: &Cell| {
        // The eye tells few failures from none better by their root.
        let share = (failed(&cell.attempts) as f64 / most).sqrt();
        let shade = (share * SHADES as f64).ceil();
        cell.activity().map(|_| format!("heat{shade}"))
    };
    html! { (blocks(history, 0, ROW, shade)) (shares(history, "lost", false, LOST)) }
}

/// The cells of a row, with the column in which they stand.
fn cells(history: &History, row: usize) -> impl Iterator<Item = (usize, &Cell)> {
    let columns = history.columns.iter().enumerate();
    columns.filter_map(move |(x, column)| Some((x, column.cells.get(row)?)))
}

/// Blocks of neighbouring cells that are of the same class; so far below the top of their row, and so high.
fn blocks(
    history: &History,
    margin: usize,
    height: usize,
    class: impl Fn(&Cell) -> Option<String>,
) -> Markup {
    let mut paths: BTreeMap<String, String> = BTreeMap::new();
    for row in 0..history.rows {
        let cells: Vec<_> = cells(history, row)
            .map(|(x, cell)| (x, class(cell)))
            .collect();
        for equal in cells.chunk_by(|(_, left), (_, right)| left == right) {
            if let (x, Some(class)) = &equal[0] {
                let path = paths.entry(class.clone()).or_default();
                rectangle(path, *x, row * ROW + margin, equal.len(), height);
            }
        }
    }
    html! { @for (class, path) in &paths { path class=(class) d=(path) {} } }
}

/// What share of its attempts each cell has of this kind, as that part of its height, from the top or the bottom of its row.
fn shares(history: &History, class: &str, from_top: bool, kind: usize) -> Markup {
    let mut path = String::new();
    for row in 0..history.rows {
        for (x, cell) in cells(history, row) {
            let (part, all) = (cell.attempts[kind], cell.attempts.iter().sum::<u64>());
            // A few are to be seen as well.
            let height = (part as f64 / all.max(1) as f64 * BAR as f64).ceil() as usize;
            let margin = if from_top { 1 } else { 1 + BAR - height };
            if part > 0 {
                rectangle(&mut path, x, row * ROW + margin, 1, height);
            }
        }
    }
    html! { @if !path.is_empty() { path class=(class) d=(path) {} } }
}

/// Adds a rectangle to a path.
fn rectangle(path: &mut String, x: usize, y: usize, width: usize, height: usize) {
    let _ = write!(path, "M{x} {y}h{width}v{height}h-{width}z");
}

/// What happened once, and the findings, each where it belongs. A finding's mark leads to its words.
fn marks(history: &History, window: Window, found: &[Dated], number: usize) -> Markup {
    let place = |stamp: u64, worker: Option<u32>| {
        let row = worker.and_then(|worker| history.row(worker));
        let down = row.map_or(0.0, |row| middle(row, history.rows));
        format!("left:{:.2}%;top:{down:.2}%", window.percent(stamp))
    };
    html! {
        @for incident in &history.incidents {
            @let who = incident.worker.map_or_else(String::new, |worker| format!("Worker-{worker}: "));
            @let at = micros(incident.stamp.saturating_sub(window.from));
            i class=(format!("mark {}", incident.kind)) style=(place(incident.stamp, incident.worker))
                title=(format!("{who}{}, after {at}", shown(&incident.words))) {}
        }
        @for (i, (finding, stamp)) in found.iter().enumerate() {
            @if let Some(stamp) = stamp {
                @let kind = finding.kind.name();
                @let words = format!("{kind}: {}", shown(&headline(finding)));
                // Lost lines have their own colour already: their marks show when they are asked for.
                a.mark.finding.quiet[kind == "lost"] id=(format!("mark-{number}-{i}")) href=(format!("#finding-{number}-{i}"))
                    style=(place(*stamp, findings::worker(finding))) title=(words) aria-label=(words) tabindex="-1" {}
            }
        }
    }
}

/// The timeline in words.
fn told(seen: &SeenRun, history: &History, window: Window, found: &[Dated]) -> String {
    let marked = found.iter().filter(|(_, stamp)| stamp.is_some()).count();
    format!(
        "Timeline of {} over {}: {}, {} marked. {}",
        plural(history.workers() as u64, "worker"),
        micros(window.length()),
        plural(seen.total[AttemptKind::Panic as usize], "panic"),
        plural(marked as u64, "finding"),
        words::losses(history).unwrap_or_default(),
    )
}
