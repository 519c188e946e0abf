//! How charts are drawn: areas in SVG that take any width, and their words in HTML around them, which keep their size.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::{
    series::Window,
    text::{count, percent, rate, ticks, time_ticks},
};

/// The height of a drawing in its own units.
const HEIGHT: usize = 1000;

/// Words along an axis, each with its place in percent.
pub(super) type Ticks = Vec<(f64, String)>;

/// A drawing with words on its left and below it, and above it what it counts.
pub(super) fn chart(kind: &str, unit: &str, y: &Ticks, x: &Ticks, plot: &Markup) -> Markup {
    html! {
        div.chart.(kind) {
            div.y aria-hidden="true" { @for (place, words) in y {
                span style=(format!("bottom:{place:.2}%")) { (words) }
            } }
            (plot)
            @if !unit.is_empty() { p.unit aria-hidden="true" { (unit) } }
            div.x aria-hidden="true" { @for (place, words) in x {
                span style=(format!("left:{place:.2}%")) { (words) }
            } }
        }
    }
}

/// A drawing that is stretched to whatever room it gets; `told` is what it shows, in words.
pub(super) fn drawing(width: usize, height: usize, told: &str, content: &Markup) -> Markup {
    let view_box = format!("0 0 {width} {height}");
    html! {
        svg viewBox=(view_box) preserveAspectRatio="none" role="img" aria-label=(told) { (content) }
    }
}

/// Areas over time, one upon the other: class and values of each, from the lowest.
pub(super) fn areas(window: Window, unit: &str, told: &str, layers: &[(&str, Vec<f64>)]) -> Markup {
    let mut sum = vec![0.0; window.columns];
    let mut edges = Vec::new();
    for (class, values) in layers {
        let sums = sum.iter_mut().zip(values);
        sums.for_each(|(sum, value)| *sum += value);
        edges.push((class, sum.clone()));
    }
    let highest = sum.into_iter().fold(0.0, f64::max);
    let top = highest.max(f64::MIN_POSITIVE) * 1.04;
    let y = ticks(highest, 4.0).into_iter();
    let y: Ticks = y.map(|tick| (tick / top * 100.0, rate(tick))).collect();
    // The highest goes first: the others are painted upon it.
    let paths = html! { @for (class, edge) in edges.iter().rev() {
        path class=(class) d=(area(edge, top)) {}
    } };
    let plot = html! { div.plot {
        @for (place, _) in &y { i.grid style=(format!("bottom:{place:.2}%")) {} }
        (drawing(window.columns, HEIGHT, told, &paths))
    } };
    chart("", unit, &y, &time_axis(window), &plot)
}

/// Round times, counted from the start of the stretch.
pub(super) fn time_axis(window: Window) -> Ticks {
    let length = window.length() as f64;
    let ticks = time_ticks(length).into_iter();
    ticks
        .map(|(tick, words)| (tick / length * 100.0, words))
        .collect()
}

/// The outline of columns of width 1 that stand on the ground; those of equal height become one.
fn area(values: &[f64], top: f64) -> String {
    let edge = |value: &f64| HEIGHT - (value / top * HEIGHT as f64).round() as usize;
    let edges: Vec<usize> = values.iter().map(edge).collect();
    let mut path = format!("M0 {HEIGHT}");
    for equal in edges.chunk_by(usize::eq) {
        let _ = write!(path, "V{}h{}", equal[0], equal.len());
    }
    path + &format!("V{HEIGHT}z")
}

/// A table under these heads: how much of `all` was found of what, its share as a bar as well, and the share that was to be expected,
/// if any was, as an upright line.
pub(super) fn bars(
    heads: &[&str],
    all: u64,
    rows: impl Iterator<Item = (String, u64, Option<f64>)>,
) -> Markup {
    html! {
        table.bars {
            thead { tr { @for head in heads { th scope="col" { (head) } } th.drawn aria-hidden="true" {} } }
            tbody { @for (what, found, expected) in rows {
                @let share = found as f64 / all.max(1) as f64;
                tr {
                    th scope="row" { (what) } td { (count(found)) } td { (percent(share, 1.0)) }
                    @if let Some(expected) = expected { td { (percent(expected, 1.0)) } }
                    td.drawn aria-hidden="true" {
                        i.bar style=(format!("width:{:.1}%", share * 100.0)) {}
                        @if let Some(expected) = expected { i.expected style=(format!("left:{:.1}%", expected * 100.0)) {} }
                    }
                }
            } }
        }
    }
}

/// The meaning of colours, as a list.
pub(super) fn legend(entries: &[(&str, &str)]) -> Markup {
    html! {
        ul.legend {
            @for (class, words) in entries { li { i class=(class) {} (words) } }
        }
    }
}
