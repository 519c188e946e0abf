//! The timeline of a run's workers: what each did when, and where in it the findings are.
//!
//! Up to [`ROWS_MAX`] workers have a row each; of more workers, some share one, and the rows become a heat map of failures.

use maud::{Markup, html};

use super::{
    chart::{Blocks, Span, Window, drawing, legend, time_axis},
    findings::{Listed, shown},
    history::{Cell, History, What},
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
    let (mut work, mut wait, mut back) = <(Blocks, Blocks, Blocks)>::default();
    let (mut unknown, mut gone, mut lost) = <(Blocks, Blocks, Blocks)>::default();
    for (y, row) in (0..).step_by(ROW as usize).zip(&history.rows) {
        let mut run: Option<(State, u64, u64)> = None;
        let mut flush = |run: Option<(State, u64, u64)>| {
            if let Some((state, start, end)) = run {
                let blocks = match state {
                    State::Work => &mut work,
                    State::Wait => &mut wait,
                    State::Back => &mut back,
                    State::Unknown => &mut unknown,
                };
                blocks.add(start, y + 1, end - start, BAR);
            }
        };
        for (stamp, cell) in row.iter() {
            let x = window.column(stamp);
            let state = State::of(cell);
            match (&mut run, state) {
                (Some((known, _, end)), Some(state)) if *known == state && *end == x => *end += 1,
                _ => {
                    flush(run.take());
                    run = state.map(|state| (state, x, x + 1));
                }
            }
            // From above, and as deep as their share.
            if let Some(height) = share_of_bar(cell.abandoned, cell) {
                gone.add(x, y + 1, 1, height);
            }
            add_lost(&mut lost, cell, x, y);
        }
        flush(run);
    }
    html! {
        (unknown.draw("unknown")) (wait.draw("wait")) (back.draw("back")) (work.draw("work")) (gone.draw("gone")) (lost.draw("lost"))
    }
}

/// What a worker did for most of a column's time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Work,
    Wait,
    Back,
    Unknown,
}

impl State {
    fn of(cell: &Cell) -> Option<Self> {
        let times = [
            (cell.working, Self::Work),
            (cell.waiting, Self::Wait),
            (cell.backing_off, Self::Back),
            (cell.unknown, Self::Unknown),
        ];
        let (time, state) = times.into_iter().max_by_key(|(time, _)| *time)?;
        (time > 0 || cell.logged > 0).then_some(state)
    }
}

/// Failures of the workers that share a row, the darker the more.
fn heat_map(history: &History, window: Window) -> Markup {
    let cells = history.rows.iter().flat_map(|row| row.iter());
    let most = cells.map(|(_, cell)| cell.failed).max().unwrap_or(0).max(1);
    let mut shades: [Blocks; SHADES as usize + 1] = Default::default();
    let mut lost = Blocks::default();
    for (y, row) in (0..).step_by(ROW as usize).zip(&history.rows) {
        let mut run: Option<(usize, u64, u64)> = None;
        for (stamp, cell) in row.iter() {
            let x = window.column(stamp);
            // The eye tells few failures from none better by their root.
            let share = (f64::from(cell.failed) / f64::from(most)).sqrt();
            let shade = (share * SHADES as f64).ceil() as usize;
            match &mut run {
                Some((known, _, end)) if *known == shade && *end == x => *end += 1,
                _ => {
                    if let Some((shade, start, end)) = run.replace((shade, x, x + 1)) {
                        shades[shade].add(start, y, end - start, ROW);
                    }
                }
            }
            add_lost(&mut lost, cell, x, y);
        }
        if let Some((shade, start, end)) = run {
            shades[shade].add(start, y, end - start, ROW);
        }
    }
    html! {
        @for (shade, blocks) in shades.iter().enumerate() { (blocks.draw(&format!("heat{shade}"))) }
        (lost.draw("lost"))
    }
}

/// Lost lines fill their cell from below, to the share that is lost.
fn add_lost(lost: &mut Blocks, cell: &Cell, x: u64, y: u64) {
    if let Some(height) = share_of_bar(cell.lost, cell) {
        lost.add(x, y + 1 + BAR - height, 1, height);
    }
}

/// How much of a bar the share of these among all attempts of a cell takes: something, if there are any.
fn share_of_bar(part: u32, cell: &Cell) -> Option<u64> {
    let all = f64::from(cell.lost) + f64::from(cell.logged);
    let height = (f64::from(part) / all * BAR as f64).ceil() as u64;
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
                    style=(place(stamp, finding.worker)) title=(format!("{} {}", finding.kind, finding.lines))
                    aria-label=(format!("{} {}", finding.kind, finding.lines)) tabindex="-1" {}
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
