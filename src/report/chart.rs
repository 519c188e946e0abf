//! How charts are drawn: areas in SVG that take any width, and their words in HTML around them, which keep their size.
//!
//! This file must not know what the values mean.

use std::fmt::Write as _;

use maud::{Markup, PreEscaped, html};

use super::units::{on_axis, ticks};

/// The height of a drawing in its own units.
pub(super) const HEIGHT: u64 = 1000;

/// A stretch of time that several charts share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// In microseconds since 1970.
    pub(super) from: u64,
    pub(super) to: u64,
}

impl Span {
    /// The stretch from the first to the last stamp; at least a microsecond.
    pub(super) fn new(from: u64, to: u64) -> Self {
        Self {
            from,
            to: to.max(from + 1),
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
}

/// The part of a drawing in columns that a stretch of time shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) span: Span,
    /// When the drawing's first column begins, and how long each lasts.
    pub(super) start: u64,
    pub(super) width: u64,
}

impl Window {
    /// The columns of a series of this width, of which the first contains the start of the stretch.
    pub(super) fn new(span: Span, width: u64) -> Self {
        Self {
            span,
            start: span.from / width * width,
            width,
        }
    }

    /// The number of the column that begins at a stamp.
    pub(super) fn column(self, stamp: u64) -> u64 {
        stamp.saturating_sub(self.start) / self.width
    }

    /// How many columns it has.
    pub(super) fn columns(self) -> u64 {
        self.column(self.span.to - 1) + 1
    }

    /// The SVG view box that shows just the stretch.
    pub(super) fn view_box(self, height: u64) -> String {
        let unit = self.width as f64;
        let left = (self.span.from - self.start) as f64 / unit;
        format!(
            "{left:.4} 0 {:.4} {height}",
            self.span.length() as f64 / unit
        )
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
    /// What the vertical axis counts, and how a value of it is written.
    pub(super) unit: &'a str,
    pub(super) value: fn(f64) -> String,
    /// What the chart shows, for those who do not see it.
    pub(super) told: String,
}

impl Areas<'_> {
    /// The chart.
    pub(super) fn draw(&self) -> Markup {
        let sums = stacked(&self.layers);
        let top = sums
            .last()
            .into_iter()
            .flatten()
            .fold(0.0, |a: f64, b| a.max(*b));
        let ticks = ticks(top, 4.0);
        let top = top.max(f64::MIN_POSITIVE) * 1.04;
        // The highest goes first: the others are painted upon it.
        let content = html! {
            @for ((class, _), sum) in self.layers.iter().zip(&sums).rev() {
                path class=(class) d=(area(sum, top)) {}
            }
        };
        let plot = html! {
            @for tick in &ticks {
                i.grid style=(format!("bottom:{:.2}%", tick / top * 100.0)) {}
            }
            (drawing(&self.window.view_box(HEIGHT), &self.told, &content))
        };
        html! {
            div.chart { (frame(self.unit, &ticks, top, self.value, &plot)) (time_axis(self.window.span)) }
        }
    }
}

/// The plot of a chart with its values on the left, as far up as `top`, and above it what they count.
pub(super) fn frame(
    unit: &str,
    ticks: &[f64],
    top: f64,
    value: fn(f64) -> String,
    plot: &Markup,
) -> Markup {
    html! {
        div.y aria-hidden="true" {
            @for tick in ticks {
                span style=(format!("bottom:{:.2}%", tick / top * 100.0)) { (value(*tick)) }
            }
        }
        div.plot { (plot) }
        p.unit aria-hidden="true" { (unit) }
    }
}

/// Each layer's upper edge.
fn stacked(layers: &[(&str, Vec<f64>)]) -> Vec<Vec<f64>> {
    let mut sums: Vec<Vec<f64>> = Vec::new();
    for (_, values) in layers {
        let below = sums.last();
        let sum = values.iter().enumerate();
        sums.push(
            sum.map(|(i, value)| value + below.map_or(0.0, |below| below[i]))
                .collect(),
        );
    }
    sums
}

/// The outline of columns of width 1 that stand on the ground; those of equal height become one.
fn area(values: &[f64], top: f64) -> String {
    let mut path = format!("M0 {HEIGHT}");
    let (mut height, mut run) = (HEIGHT, 0);
    for value in values {
        let edge = HEIGHT - (value / top * HEIGHT as f64).round() as u64;
        if edge != height {
            if run > 0 {
                let _ = write!(path, "h{run}");
            }
            let _ = write!(path, "V{edge}");
            (height, run) = (edge, 0);
        }
        run += 1;
    }
    let _ = write!(path, "h{run}V{HEIGHT}z");
    path
}

/// Round times below a chart, counted from the start of the stretch.
pub(super) fn time_axis(span: Span) -> Markup {
    let length = span.length() as f64;
    html! {
        div.x aria-hidden="true" {
            @for tick in time_ticks(length) {
                span style=(format!("left:{:.2}%", tick / length * 100.0)) { (on_axis(tick, length)) }
            }
        }
    }
}

/// Minutes and hours are divided by sixty, not by ten.
fn time_ticks(length: f64) -> Vec<f64> {
    let unit = match length {
        l if l >= 3.0 * 3600e6 => 3600e6,
        l if l >= 600e6 => 60e6,
        _ => 1.0,
    };
    let ticks = ticks(length / unit, 6.0);
    ticks.into_iter().map(|tick| tick * unit).collect()
}

/// Rectangles of one colour, as one path: rows of this height, runs of neighbouring columns as one.
#[derive(Debug, Default)]
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
            @for (class, words) in entries {
                li { i class=(class) {} (words) }
            }
        }
    }
}
