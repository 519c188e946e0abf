//! The line on the terminal that shows how a log that is followed stands.

use std::{
    collections::VecDeque,
    io,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use console::Term;

use super::progress::fitted;
use crate::{
    audit::Figures,
    log::{console::CLEAR, stream::takes_controls},
};

/// The rate of a log that is followed is that of the last lines over so long.
const RATE_OVER: Duration = Duration::from_secs(5);
/// Shorter silence is none.
const SILENCE: f64 = 2.0;

/// The line. To drop it is to remove it.
#[derive(Debug)]
pub struct AuditLine {
    /// Standard error; none where it is no terminal, or one that obeys nothing.
    terminal: Option<Term>,
    /// How many lines had come at some times of late.
    before: VecDeque<(Instant, u64)>,
}

impl Default for AuditLine {
    fn default() -> Self {
        Self {
            terminal: takes_controls(&io::stderr()).then(Term::stderr),
            before: VecDeque::new(),
        }
    }
}

impl AuditLine {
    /// Shows how things stand with a log that is followed.
    pub fn follow(&mut self, figures: &Figures) {
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
        self.show(&standing(figures, rate.unwrap_or(0.0), time));
    }

    /// A terminal that takes nothing shows nothing.
    fn show(&mut self, facts: &[String]) {
        if let Some(terminal) = &self.terminal {
            let line = fitted(facts, terminal.size().1.into());
            let _ = terminal.write_str(&format!("{line}{CLEAR}"));
        }
    }

    /// Takes the line away, for something else to be shown there.
    pub fn hide(&mut self) {
        if let Some(terminal) = &self.terminal {
            let _ = terminal.write_str(CLEAR);
        }
    }
}

impl Drop for AuditLine {
    fn drop(&mut self) {
        self.hide();
    }
}

/// How things stand at a time, in seconds since 1970: facts, the most important first.
fn standing(figures: &Figures, rate: f64, time: f64) -> Vec<String> {
    let mut facts = vec![
        format!("{} lines", figures.lines),
        format!("{rate:.0}/s"),
        format!("{} lost", figures.lost),
    ];
    let waited = figures.missing.saturating_sub(figures.lost);
    if waited > 0 {
        facts.push(format!("{waited} awaited"));
    }
    if let Some(delays) = figures.delays.summary() {
        let millis = Duration::from_millis(delays.p99_us.div_ceil(1000));
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
            fitted(&standing(&figures, 0.0, 100.0), 100),
            "0 lines, 0/s, 0 lost, no line yet"
        );
        figures.lines = 12_345;
        figures.lost = 3;
        figures.missing = 5;
        figures.delays.count(100, 12_200);
        figures.last_line = Some(99.0);
        assert_eq!(
            fitted(&standing(&figures, 1000.4, 100.0), 100),
            "12345 lines, 1000/s, 3 lost, 2 awaited, delay p99 13ms"
        );
        let shown = fitted(&standing(&figures, 0.0, 139.0), 100);
        assert!(shown.ends_with(", silent for 40 s"), "{shown}");
    }
}
