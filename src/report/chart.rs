//! How charts are drawn: areas in SVG that take any width, and their words in HTML around them, which keep their size.
//!
//! This file must not know what the values mean.

use std::fmt::Write as _;

use maud::{Markup, PreEscaped, html};

use super::text::{rate, ticks, time_ticks};

/// The height of a drawing in its own units.
pub(super) const HEIGHT: u64 = 1000;

/// The stretch of time that a chart shows, in columns of one width. Times are in microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) from: u64,
    to: u64,
    /// When the first column begins, and how long each lasts.
    start: u64,
    pub(super) width: u64,
}

impl Window {
    /// From the first to the last stamp, at least a microsecond. The first of the columns contains the start.
    pub(super) fn new(from: u64, to: u64, width: u64) -> Self {
        Self {
            from,
            to: to.max(from + 1),
            start: from / width * width,
            width,
        }
    }

    /// So many columns, the first of which begins at a stamp.
    pub(super) fn of_columns(from: u64, width: u64, columns: usize) -> Self {
        Self {
            from,
            to: from + columns as u64 * width,
            start: from,
            width,
        }
    }

    pub(super) fn length(self) -> u64 {
        self.to - self.from
    }

    /// How far into the stretch a stamp lies, in percent.
    pub(super) fn percent(self, stamp: u64) -> f64 {
        let past = stamp.clamp(self.from, self.to) - self.from;
        past as f64 / self.length() as f64 * 100.0
    }

    /// The number of the column that begins at a stamp.
    pub(super) fn column(self, stamp: u64) -> u64 {
        stamp.saturating_sub(self.start) / self.width
    }

    /// How many columns it has.
    pub(super) fn columns(self) -> usize {
        self.column(self.to) as usize + 1
    }

    /// The SVG view box that shows just the stretch, as high as this.
    pub(super) fn view_box(self, height: u64) -> String {
        let left = (self.from - self.start) as f64 / self.width as f64;
        let width = self.length() as f64 / self.width as f64;
        format!("{left:.4} 0 {width:.4} {height}")
    }
}

/// A drawing that is stretched to whatever room it gets; `told` is what it shows, in words.
pub(super) fn drawing(view_box: &str, told: &str, content: &Markup) -> Markup {
    html! {
        svg viewBox=(view_box) preserveAspectRatio="none" role="img" aria-label=(told) { (content) }
    }
}

/// Areas over time, one upon the other, with both axes.
pub(super) struct Areas<'a> {
    pub(super) window: Window,
    /// Class and values of each layer, from the lowest.
    pub(super) layers: Vec<(&'a str, Vec<f64>)>,
    /// What the vertical axis counts.
    pub(super) unit: &'a str,
    /// What the chart shows, for those who do not see it.
    pub(super) told: String,
}

impl Areas<'_> {
    /// The chart.
    pub(super) fn draw(&self) -> Markup {
        // Each layer's upper edge.
        let mut sum = vec![0.0; self.window.columns()];
        let edges: Vec<Vec<f64>> = self
            .layers
            .iter()
            .map(|(_, values)| {
                sum.iter_mut()
                    .zip(values)
                    .for_each(|(sum, value)| *sum += value);
                sum.clone()
            })
            .collect();
        let highest = sum.into_iter().fold(0.0, f64::max);
        let top = highest.max(f64::MIN_POSITIVE) * 1.04;
        let ticks = ticks(highest, 4.0);
        // The highest goes first: the others are painted upon it.
        let content = html! {
            @for ((class, _), edge) in self.layers.iter().zip(&edges).rev() {
                path class=(class) d=(area(edge, top)) {}
            }
        };
        let plot = html! {
            @for tick in &ticks { i.grid style=(format!("bottom:{:.2}%", tick / top * 100.0)) {} }
            (drawing(&self.window.view_box(HEIGHT), &self.told, &content))
        };
        html! {
            div.chart { (frame(self.unit, &ticks, top, &plot)) (time_axis(self.window)) }
        }
    }
}

/// The plot of a chart with its values on the left, as far up as `top`, and above it what they count.
pub(super) fn frame(unit: &str, ticks: &[f64], top: f64, plot: &Markup) -> Markup {
    html! {
        div.y aria-hidden="true" {
            @for tick in ticks {
                span style=(format!("bottom:{:.2}%", tick / top * 100.0)) { (rate(*tick)) }
            }
        }
        div.plot { (plot) }
        p.unit aria-hidden="true" { (unit) }
    }
}

/// The outline of columns of width 1 that stand on the ground; those of equal height become one.
fn area(values: &[f64], top: f64) -> String {
    let edge = |value: &f64| HEIGHT - (value / top * HEIGHT as f64).round() as u64;
    let edges: Vec<u64> = values.iter().map(edge).collect();
    let mut path = format!("M0 {HEIGHT}");
    for equal in edges.chunk_by(u64::eq) {
        let _ = write!(path, "V{}h{}", equal[0], equal.len());
    }
    path + &format!("V{HEIGHT}z")
}

/// Round times below a chart, counted from the start of the stretch.
pub(super) fn time_axis(window: Window) -> Markup {
    let length = window.length() as f64;
    html! {
        div.x aria-hidden="true" {
            @for (tick, words) in time_ticks(length) {
                span style=(format!("left:{:.2}%", tick / length * 100.0)) { (words) }
            }
        }
    }
}

/// Rectangles of one colour, as one path.
#[derive(Clone, Debug, Default)]
pub(super) struct Rectangles {
    path: String,
}

impl Rectangles {
    /// Adds a rectangle.
    pub(super) fn add(&mut self, x: u64, y: u64, width: u64, height: u64) {
        let _ = write!(self.path, "M{x} {y}h{width}v{height}h-{width}z");
    }

    /// The path; nothing if there are no rectangles.
    pub(super) fn draw(&self, class: &str) -> Markup {
        html! {
            @if !self.path.is_empty() {
                path class=(class) d=(PreEscaped(&self.path)) {}
            }
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
