//! The live line of a log that is followed: one line on the terminal.

use std::{
    collections::VecDeque,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use console::Term;

use super::{progress::fitted, reading::CLEAR};
use crate::audit::Figures;

/// The rate is that of the last lines over so long.
const RATE_OVER: Duration = Duration::from_secs(5);
/// Shorter silence is none.
const SILENCE: f64 = 2.0;

/// The line. To drop it is to remove it.
#[derive(Debug)]
pub struct LiveLine {
    /// None where there is no terminal.
    terminal: Option<Term>,
    shown: bool,
    /// How many lines there were at some times of late.
    before: VecDeque<(Instant, u64)>,
}

impl LiveLine {
    /// A line on standard error, if that is a terminal.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let terminal = Term::stderr();
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            terminal: (terminal.is_term() && !dumb).then_some(terminal),
            shown: false,
            before: VecDeque::new(),
        }
    }

    /// Shows how things stand.
    pub fn show(&mut self, figures: &Figures) {
        let Some(terminal) = &self.terminal else {
            return;
        };
        let now = Instant::now();
        self.before.push_back((now, figures.lines));
        while self.before.len() > 2 && now - self.before[0].0 > RATE_OVER {
            self.before.pop_front();
        }
        let (since, lines) = self.before[0];
        let passed = (now - since).as_secs_f64();
        let rate = (passed > 0.0).then(|| (figures.lines - lines) as f64 / passed);
        let time = SystemTime::now().duration_since(UNIX_EPOCH);
        let time = time.unwrap_or_default().as_secs_f64();
        let width = terminal.size().1.into();
        let line = fitted(&facts(figures, rate.unwrap_or(0.0), time), width);
        // A terminal that takes nothing shows nothing.
        let _ = terminal.write_str(&format!("{line}{CLEAR}"));
        self.shown = true;
    }

    /// Takes the line away, for something else to be shown there.
    pub fn hide(&mut self) {
        if let (Some(terminal), true) = (&self.terminal, self.shown) {
            let _ = terminal.write_str(CLEAR);
            self.shown = false;
        }
    }
}

impl Drop for LiveLine {
    fn drop(&mut self) {
        self.hide();
    }
}

/// How things stand at a time, in seconds since 1970: facts, the most important first.
fn facts(figures: &Figures, rate: f64, time: f64) -> Vec<String> {
    let mut facts = vec![
        format!("{} lines", figures.lines),
        format!("{rate:.0}/s"),
        format!("{} lost", figures.lost),
    ];
    let waited = figures.missing.saturating_sub(figures.lost);
    if waited > 0 {
        facts.push(format!("{waited} awaited"));
    }
    if let Some(p99) = figures.delay_p99 {
        let millis = Duration::from_millis((p99 * 1000.0).ceil() as u64);
        facts.push(format!("delay p99 {}", humantime::format_duration(millis)));
    }
    match figures.last_line.map(|last| time - last) {
        Some(silent) if silent >= SILENCE => facts.push(format!("silent for {silent:.0} s")),
        Some(_) => {}
        None => facts.push("no line yet".into()),
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_by_hand() {
        let mut figures = Figures::default();
        assert_eq!(
            fitted(&facts(&figures, 0.0, 100.0), 100),
            "0 lines, 0/s, 0 lost, no line yet"
        );
        figures.lines = 12_345;
        figures.lost = 3;
        figures.missing = 5;
        figures.delay_p99 = Some(0.0121);
        figures.last_line = Some(99.0);
        assert_eq!(
            fitted(&facts(&figures, 1000.4, 100.0), 100),
            "12345 lines, 1000/s, 3 lost, 2 awaited, delay p99 13ms"
        );
        let shown = fitted(&facts(&figures, 0.0, 139.0), 100);
        assert!(shown.ends_with(", silent for 40 s"), "{shown}");
    }
}
