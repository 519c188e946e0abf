//! The timeline of a run's workers: what each did when, and where in it the findings are.
//!
//! Up to [`ROWS_MAX`] workers have a row each; of more workers, some share one, and the rows become a heat map of failures.

use maud::{Markup, html};

use super::{
    chart::{Rectangles, Span, Window, drawing, legend, time_axis},
    findings::{Listed, shown},
    history::{Activity, Cell, History, What},
    units::{micros, plural},
    words,
};

/// The height of a row in the drawing's units, and how much of it is filled.
const ROW: u64 = 10;
const BAR: u64 = 8;
/// How many shades the heat map has.
const SHADES: u64 = 5;

/// Draws the timeline; `number` is the run's, for links.
pub(super) fn draw(history: &History, window: Window, listed: &[Listed], number: usize) -> Markup {
    let rows = history.rows.len() as u64;
    let heat = history.workers_a_row > 1;
    let content = match heat {
        true => heat_map(history, window),
        false => states(history, window),
    };
    let told = told(history, window.span, listed);
    let row_height = match rows {
        0..=12 => 20,
        13..=32 => 12,
        _ => 8,
    };
    html! {
        div.chart.timeline {
            div.y aria-hidden="true" {
                @for (label, middle) in labels(history) {
                    span style=(format!("bottom:{:.2}%", 100.0 - middle)) { (label) }
                }
            }
            div.plot style=(format!("height:{}px", rows * row_height)) {
                (drawing(&window.view_box(rows * ROW), &told, &content))
                (marks(history, window.span, listed, number))
            }
            (time_axis(window.span))
        }
        (key(history, heat))
    }
}

/// What the colours mean.
fn key(history: &History, heat: bool) -> Markup {
    let lost = history.has_losses();
    if heat {
        return html! {
            ul.legend {
                li { "failed attempts: none" @for shade in 0..=SHADES { i class=(format!("heat{shade}")) {} } "most" }
                @if lost { li { i.lost {} "lines lost" } }
            }
        };
    }
    let mut entries = vec![
        ("work", "attempt under way"),
        ("wait", "sleep after a success"),
        ("back", "backoff after a failure"),
    ];
    if history.total.abandoned > 0 {
        entries.push(("gone", "abandoned here"));
    }
    if lost {
        entries.extend([
            ("lost", "lines lost"),
            ("unknown", "unknown for that reason"),
        ]);
    }
    legend(&entries)
}

/// Each worker's states, one colour each.
fn states(history: &History, window: Window) -> Markup {
    let mut states: [Rectangles; 4] = Default::default();
    let (mut gone, mut lost) = <(Rectangles, Rectangles)>::default();
    for (y, row) in (0..).step_by(ROW as usize).zip(&history.rows) {
        let cells = || row.iter().map(|(stamp, cell)| (window.column(stamp), cell));
        for (state, from, to) in runs(cells().map(|(x, cell)| (x, cell.state()))) {
            states[state as usize].add(from, y + 1, to - from, BAR);
        }
        for (x, cell) in cells() {
            // From above, and as deep as their share.
            if let Some(height) = share_of_bar(cell.attempts.abandoned, cell) {
                gone.add(x, y + 1, 1, height);
            }
            add_lost(&mut lost, cell, x, y);
        }
    }
    let drawn = [
        (Activity::Unknown, "unknown"),
        (Activity::Wait, "wait"),
        (Activity::Back, "back"),
        (Activity::Work, "work"),
    ];
    html! {
        @for (state, class) in drawn { (states[state as usize].draw(class)) }
        (gone.draw("gone")) (lost.draw("lost"))
    }
}

/// Failures of the workers that share a row, the darker the more.
fn heat_map(history: &History, window: Window) -> Markup {
    let cells = history.rows.iter().flat_map(|row| row.iter());
    let most = cells.map(|(_, cell)| cell.attempts.failed()).max();
    let most = most.unwrap_or(0).max(1);
    // The eye tells few failures from none better by their root.
    let share = |cell: &Cell| (cell.attempts.failed() as f64 / most as f64).sqrt();
    let shade = |cell: &Cell| (share(cell) * SHADES as f64).ceil() as usize;
    let mut shades: [Rectangles; SHADES as usize + 1] = Default::default();
    let mut lost = Rectangles::default();
    for (y, row) in (0..).step_by(ROW as usize).zip(&history.rows) {
        let cells = || row.iter().map(|(stamp, cell)| (window.column(stamp), cell));
        for (shade, from, to) in runs(cells().map(|(x, cell)| (x, Some(shade(cell))))) {
            shades[shade].add(from, y, to - from, ROW);
        }
        cells().for_each(|(x, cell)| add_lost(&mut lost, cell, x, y));
    }
    html! {
        @for (shade, blocks) in shades.iter().enumerate() { (blocks.draw(&format!("heat{shade}"))) }
        (lost.draw("lost"))
    }
}

/// Neighbouring columns of one value, made one: the value, and where they begin and end.
fn runs<T: Copy + PartialEq>(
    columns: impl Iterator<Item = (u64, Option<T>)>,
) -> Vec<(T, u64, u64)> {
    let mut runs: Vec<(T, u64, u64)> = Vec::new();
    for (x, value) in columns {
        match (runs.last_mut(), value) {
            (Some((known, _, end)), Some(value)) if *known == value && *end == x => *end += 1,
            (_, Some(value)) => runs.push((value, x, x + 1)),
            (_, None) => {}
        }
    }
    runs
}

/// Lost lines fill their cell from below, to the share that is lost.
fn add_lost(lost: &mut Rectangles, cell: &Cell, x: u64, y: u64) {
    if let Some(height) = share_of_bar(cell.attempts.lost, cell) {
        lost.add(x, y + 1 + BAR - height, 1, height);
    }
}

/// How much of a bar the share of these among all attempts of a cell takes: something, if there are any.
fn share_of_bar(part: u64, cell: &Cell) -> Option<u64> {
    let height = (part as f64 / cell.attempts.all() as f64 * BAR as f64).ceil() as u64;
    (part > 0).then(|| height.clamp(1, BAR))
}

/// The names of some rows, and how far down their middle is, in percent.
fn labels(history: &History) -> Vec<(String, f64)> {
    let rows = history.rows.len();
    let step = rows.div_ceil(12).max(1);
    (0..rows)
        .step_by(step)
        .map(|row| {
            let worker = history.first_worker + row as u32 * history.workers_a_row;
            let middle = (row as f64 + 0.5) / rows as f64 * 100.0;
            (format!("Worker-{worker}"), middle)
        })
        .collect()
}

/// What happened once, and the findings, each where it belongs. A finding's mark leads to its words.
fn marks(history: &History, span: Span, listed: &[Listed], number: usize) -> Markup {
    let rows = history.rows.len() as f64;
    let place = |stamp: u64, worker: Option<u32>| {
        let row = worker.and_then(|worker| worker.checked_sub(history.first_worker));
        let row = row.map(|worker| worker / history.workers_a_row);
        let down = row.map_or(0.0, |row| (f64::from(row) + 0.5) / rows * 100.0);
        format!("left:{:.2}%;top:{down:.2}%", span.percent(stamp))
    };
    html! {
        @for incident in &history.incidents {
            @let (class, words) = match &incident.what {
                What::Panic(words) => ("mark panic", format!("panic: {}", shown(words))),
                What::Stopped => ("mark stopped", "stopped".to_owned()),
                What::Event(words) => ("mark event", shown(words)),
            };
            @let who = incident.worker.map_or_else(String::new, |worker| format!("Worker-{worker}: "));
            @let at = micros(incident.stamp.saturating_sub(span.from));
            i class=(class) style=(place(incident.stamp, incident.worker)) title=(format!("{who}{words}, after {at}")) {}
        }
        @for (i, finding) in listed.iter().enumerate() {
            @if let Some(stamp) = finding.stamp {
                // Lost lines have their own colour already: their marks show when they are asked for.
                a.mark.finding.quiet[finding.kind == "lost"] id=(format!("mark-{number}-{i}")) href=(format!("#finding-{number}-{i}"))
                    style=(place(stamp, finding.worker)) title=(format!("{}: {}", finding.kind, finding.words))
                    aria-label=(format!("{}: {}", finding.kind, finding.words)) tabindex="-1" {}
            }
        }
    }
}

/// The timeline in words.
fn told(history: &History, span: Span, listed: &[Listed]) -> String {
    let workers = history
        .workload
        .as_ref()
        .map_or(0, |workload| workload.threads);
    let of = |what: fn(&What) -> bool| {
        let incidents = history
            .incidents
            .iter()
            .filter(|incident| what(&incident.what));
        incidents.count() as u64
    };
    format!(
        "Timeline of {} over {}: {}, {} stopped early, {} marked.{}",
        plural(workers.into(), "worker"),
        micros(span.length()),
        plural(of(|what| matches!(what, What::Panic(_))), "panic"),
        of(|what| *what == What::Stopped),
        plural(
            listed
                .iter()
                .filter(|finding| finding.stamp.is_some())
                .count() as u64,
            "finding"
        ),
        words::losses(history).map_or_else(String::new, |words| format!(" {words}")),
    )
}
