//! Lines that are not the program's: notes and headers that are known for what they are, and all that nothing predicts.

use std::mem;

use super::Judge;
use crate::audit::{
    account::damaged::NO_LINE,
    records::scanned::{Foreign, HOLE_MIN, Note},
    verdict::{excerpt::excerpt, findings::Location},
};

/// A header and what a tool prints at the end have no more lines than this.
const HEADER_MAX: u64 = 16;
/// So many places of a rate limit's notes are kept.
const PLACES_MAX: usize = 1000;

impl Judge<'_> {
    /// A record has come: what was held back in front of it was a header only if that record is the first.
    pub(super) fn end_header(&mut self) {
        let input = self.input();
        input.outside = 0;
        input.beginning = None;
        let first = input.records == 0;
        let header = mem::take(&mut input.header);
        if !first {
            self.no_header(header);
        }
    }

    /// Takes in lines that were held back.
    fn no_header(&mut self, lines: Vec<(Foreign, Location)>) {
        for (mut foreign, at) in lines {
            foreign.note = None;
            self.foreign(&foreign, at);
        }
    }

    /// Takes in lines that are not the program's.
    pub(super) fn foreign(&mut self, foreign: &Foreign, at: Location) {
        self.input().beginning = None;
        let evidence = &mut self.evidence;
        match foreign.note {
            Some(Note::Banner | Note::Summary) => {}
            Some(Note::Outside) => {
                let input = self.input();
                input.outside += foreign.count;
                input.header.push((foreign.clone(), at));
                if input.outside > HEADER_MAX {
                    let lines = mem::take(&mut input.header);
                    self.no_header(lines);
                }
            }
            Some(Note::Hole(bytes)) => self.hole(bytes, at),
            Some(Note::Dropped(Some(0))) => {}
            Some(Note::Dropped(lines)) => {
                let dropped = &mut evidence.dropped;
                if dropped.places.len() < PLACES_MAX {
                    dropped.places.push(self.names.place(at));
                }
                dropped.notes += foreign.count;
                let lines = lines.unwrap_or(0).saturating_mul(foreign.count);
                dropped.lines = dropped.lines.saturating_add(lines);
            }
            Some(Note::Compressed) => {
                let why = "compressed data between the lines";
                self.unexpected(foreign.count, why, at, &foreign.text);
            }
            Some(Note::Unreadable) => self.unexpected(foreign.count, NO_LINE, at, &foreign.text),
            None => {
                self.input().others += foreign.count;
                if !self.config.allow_foreign {
                    self.unexpected(foreign.count, NO_LINE, at, &foreign.text);
                }
            }
        }
    }

    /// Notes a hole, if there are NUL bytes enough for one.
    pub(super) fn hole(&mut self, bytes: u64, at: Location) {
        if bytes >= HOLE_MIN as u64 {
            let place = self.names.place(at);
            self.evidence.hole.get_or_insert((bytes, place));
        }
    }

    /// Takes in so many lines that nothing predicts, in the midst of a run's lines or of none's.
    pub(super) fn unexpected(&mut self, count: u64, why: &'static str, at: Location, text: &[u8]) {
        let unreadable = &mut self.evidence.unreadable;
        if unreadable.as_ref().is_none_or(|(_, first)| at < *first) {
            *unreadable = Some((excerpt(text), at));
        }
        let run = self.input().last_run;
        let account = run.and_then(|run| self.accounts[run as usize].as_mut());
        let (findings, why) = match account {
            Some(account) => (&mut account.findings, why),
            None => (&mut self.strays, "of no run that is known"),
        };
        findings.unexpected(count, why, at, || excerpt(text));
    }
}
