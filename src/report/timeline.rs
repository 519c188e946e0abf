//! The timeline of a run's workers: what each did when, and where in it the findings are.
//!
//! Up to 64 workers have a row each; of more workers, some share one, and the rows become a heat map of failures.

use maud::{Markup, html};

use super::{
    chart::{Rectangles, Window, drawing, legend, time_axis},
    collector::SeenRun,
    findings::Listed,
    history::{AttemptCounts, Cell, History},
    text::{micros, plural, shown},
    words,
};
use crate::audit::AttemptKind;

/// The height of a row in the drawing's units, and how much of it is filled.
const ROW: u64 = 10;
const BAR: u64 = 8;
/// How many shades the heat map has, besides that of none.
const SHADES: usize = 5;

/// Draws the timeline; `number` is the run's, for links.
pub(super) fn draw(
    number: usize,
    seen: &SeenRun,
    history: &History,
    window: Window,
    listed: &[Listed],
) -> Markup {
    let (content, key) = match history.workers_a_row {
        1 => (activities(history, window), key(history)),
        _ => (heat_map(history, window), heat_key(history)),
    };
    let rows = history.rows;
    let row_height = match rows {
        0..=12 => 20,
        13..=32 => 12,
        _ => 8,
    };
    let middle = |row: usize| (row as f64 + 0.5) / rows as f64 * 100.0;
    html! {
        div.chart.timeline {
            div.y aria-hidden="true" {
                @for row in (0..rows).step_by(rows.div_ceil(12)) {
                    @let worker = history.first_worker() + row as u32 * history.workers_a_row;
                    span style=(format!("bottom:{:.2}%", 100.0 - middle(row))) { "Worker-" (worker) }
                }
            }
            div.plot style=(format!("height:{}px", rows * row_height)) {
                (drawing(&window.view_box(rows as u64 * ROW), &told(seen, history, window, listed), &content))
                (marks(history, window, listed, number))
            }
            (time_axis(window))
        }
        (key)
    }
}

fn has_losses(history: &History) -> bool {
    history
        .columns
        .iter()
        .any(|(_, column)| column.attempts().lost > 0)
}

/// What the colours mean.
fn key(history: &History) -> Markup {
    let mut columns = history.columns.iter();
    let abandoned = columns.any(|(_, column)| column.attempts().of(AttemptKind::Abandon) > 0);
    let lost = has_losses(history);
    let entries = [
        (true, "work", "attempt under way"),
        (true, "wait", "sleep after a success"),
        (true, "back", "backoff after a failure"),
        (abandoned, "gone", "abandoned here"),
        (lost, "lost", "lines lost"),
        (lost, "unknown", "unknown for that reason"),
    ];
    let entries = entries.into_iter().filter(|(is_there, _, _)| *is_there);
    let entries: Vec<_> = entries.map(|(_, class, words)| (class, words)).collect();
    legend(&entries)
}

fn heat_key(history: &History) -> Markup {
    html! {
        ul.legend {
            li { "failed attempts: none" @for shade in 0..=SHADES { i class=(format!("heat{shade}")) {} } "most" }
            @if has_losses(history) { li { i.lost {} "lines lost" } }
        }
    }
}

/// What each worker did, each activity in its colour.
fn activities(history: &History, window: Window) -> Markup {
    let classes = ["unknown", "wait", "back", "work"].map(str::to_owned);
    let activity = |cell: &Cell| cell.activity().map(|activity| activity as usize);
    html! {
        (blocks(history, window, &classes, (1, BAR), activity))
        (shares(history, window, "gone", Edge::Top, |all| all.of(AttemptKind::Abandon)))
        (shares(history, window, "lost", Edge::Bottom, |all| all.lost))
    }
}

/// Failures of the workers that share a row, the darker the more.
fn heat_map(history: &History, window: Window) -> Markup {
    let cells = history.columns.iter().flat_map(|(_, column)| &column.cells);
    let most = cells.map(|cell| cell.attempts.failed()).max();
    let most = most.unwrap_or(0).max(1) as f64;
    let shade = |cell: &Cell| {
        // The eye tells few failures from none better by their root.
        let share = (cell.attempts.failed() as f64 / most).sqrt();
        cell.activity()
            .map(|_| (share * SHADES as f64).ceil() as usize)
    };
    let classes: Vec<String> = (0..=SHADES).map(|shade| format!("heat{shade}")).collect();
    html! {
        (blocks(history, window, &classes, (0, ROW), shade))
        (shares(history, window, "lost", Edge::Bottom, |all| all.lost))
    }
}

/// The cells of each row, with the column and the height at which they stand.
fn rows(history: &History, window: Window) -> impl Iterator<Item = (u64, Vec<(u64, &Cell)>)> {
    (0..history.rows).map(move |row| {
        let cells = history
            .columns
            .iter()
            .filter_map(|(stamp, column)| Some((window.column(stamp), column.cells.get(row)?)));
        (row as u64 * ROW, cells.collect())
    })
}

/// Blocks of neighbouring cells that are of the same class, which `class` gives by its place among all; so far below the top
/// of their row, and so high.
fn blocks(
    history: &History,
    window: Window,
    classes: &[String],
    (margin, height): (u64, u64),
    class: impl Fn(&Cell) -> Option<usize>,
) -> Markup {
    let mut blocks = vec![Rectangles::default(); classes.len()];
    for (y, cells) in rows(history, window) {
        for equal in cells.chunk_by(|(_, left), (_, right)| class(left) == class(right)) {
            let (x, cell) = equal[0];
            if let Some(class) = class(cell) {
                blocks[class].add(x, y + margin, equal.len() as u64, height);
            }
        }
    }
    html! { @for (class, blocks) in classes.iter().zip(&blocks) { (blocks.draw(class)) } }
}

/// From which edge of its row a part grows.
#[derive(Clone, Copy, PartialEq)]
enum Edge {
    Top,
    Bottom,
}

/// What share of its attempts each cell has of these, as that part of its height.
fn shares(
    history: &History,
    window: Window,
    class: &str,
    edge: Edge,
    part: fn(&AttemptCounts) -> u64,
) -> Markup {
    let mut shares = Rectangles::default();
    for (y, cells) in rows(history, window) {
        for (x, cell) in cells {
            let (part, all) = (part(&cell.attempts), cell.attempts.all());
            // A few are to be seen as well.
            let height = (part as f64 / all.max(1) as f64 * BAR as f64).ceil() as u64;
            let top = match edge {
                Edge::Top => y + 1,
                Edge::Bottom => y + 1 + BAR - height,
            };
            if part > 0 {
                shares.add(x, top, 1, height);
            }
        }
    }
    shares.draw(class)
}

/// What happened once, and the findings, each where it belongs. A finding's mark leads to its words.
fn marks(history: &History, window: Window, listed: &[Listed], number: usize) -> Markup {
    let place = |stamp: u64, worker: Option<u32>| {
        let row = worker.and_then(|worker| history.row(worker));
        let down = row.map_or(0.0, |row| (row as f64 + 0.5) / history.rows as f64 * 100.0);
        format!("left:{:.2}%;top:{down:.2}%", window.percent(stamp))
    };
    html! {
        @for incident in &history.incidents {
            @let who = incident.worker.map_or_else(String::new, |worker| format!("Worker-{worker}: "));
            @let at = micros(incident.stamp.saturating_sub(window.from));
            i class=(format!("mark {}", incident.kind)) style=(place(incident.stamp, incident.worker))
                title=(format!("{who}{}, after {at}", shown(&incident.words))) {}
        }
        @for (i, finding) in listed.iter().enumerate() {
            @if let Some(stamp) = finding.stamp {
                @let words = format!("{}: {}", finding.kind, finding.words);
                // Lost lines have their own colour already: their marks show when they are asked for.
                a.mark.finding.quiet[finding.kind == "lost"] id=(format!("mark-{number}-{i}")) href=(format!("#finding-{number}-{i}"))
                    style=(place(stamp, finding.worker)) title=(words) aria-label=(words) tabindex="-1" {}
            }
        }
    }
}

/// The timeline in words.
fn told(seen: &SeenRun, history: &History, window: Window, listed: &[Listed]) -> String {
    let workers = history
        .workload
        .as_ref()
        .map_or(0, |workload| workload.threads);
    let incidents = |kind: &str| {
        let all = history.incidents.iter();
        all.filter(|incident| incident.kind == kind).count() as u64
    };
    let marked = listed.iter().filter(|finding| finding.stamp.is_some());
    format!(
        "Timeline of {} over {}: {}, {} stopped early, {} marked. {}",
        plural(workers.into(), "worker"),
        micros(window.length()),
        plural(incidents("panic"), "panic"),
        incidents("stopped"),
        plural(marked.count() as u64, "finding"),
        words::losses(seen, history).unwrap_or_default(),
    )
}
