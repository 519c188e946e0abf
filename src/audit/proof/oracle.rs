//! What the audit must find in a log with mutations, worked out from what was planted.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    planted::{Said, slot},
    *,
};

/// What the audit must find, worked out from what was planted.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Found {
    pub(super) lost: BTreeSet<Slot>,
    pub(super) duplicated: Vec<Slot>,
    pub(super) reordered: BTreeSet<Slot>,
    pub(super) lines: BTreeMap<u64, Vec<Said>>,
    pub(super) books: Vec<String>,
}

impl Found {
    /// Of a run that has lost its end, what is absent behind an author's last line is not known to be lost.
    pub(super) fn settle(&mut self, planted: &Planted) {
        let present = planted.items.iter().filter_map(|item| item.tells);
        let present: Vec<&Entry> = present.map(|i| &planted.entries[i]).collect();
        let ended = |run| {
            let ends = |e: &&&Entry| e.run == run && matches!(e.event, Event::RunEnded { .. });
            present.iter().any(|e| ends(&e))
        };
        for entry in &planted.entries {
            let own = present
                .iter()
                .filter(|e| (e.run, e.author) == (entry.run, entry.author));
            let behind = own.map(|e| e.seq).max().is_none_or(|last| last < entry.seq);
            if behind && !ended(entry.run) {
                self.lost.remove(&slot(entry));
            }
        }
    }
}

pub(super) fn expected(planted: &Planted) -> Found {
    let mut out = Found {
        lost: planted.lost.clone(),
        ..Found::default()
    };
    let mut line = 1;
    let mut seen = BTreeSet::new();
    let mut arrivals: BTreeMap<(u64, Producer), Vec<u64>> = BTreeMap::new();
    for item in &planted.items {
        if let Some(said) = &item.said {
            out.lines.entry(line).or_default().push(said.clone());
        }
        if let Some(entry) = item.tells.map(|i| &planted.entries[i]) {
            if seen.insert(slot(entry)) {
                let arrivals = arrivals.entry((entry.run, entry.author)).or_default();
                arrivals.push(entry.seq);
            } else {
                out.duplicated.push(slot(entry));
            }
        }
        line += u64::from(item.newline);
    }
    for ((run, author), arrivals) in arrivals {
        let moved = by_the_book(&arrivals).into_iter();
        out.reordered.extend(moved.map(|seq| (run, author, seq)));
    }
    out.duplicated.sort();
    out
}

/// Of runs whose numbers are in order, time tells what is not: what was named is right if the others' time does not fall.
pub(super) fn settle_by_time(planted: &Planted, found: &Found, expected: &mut Found) {
    let runs: BTreeSet<u64> = planted.entries.iter().map(|entry| entry.run).collect();
    for run in runs {
        if expected.reordered.iter().any(|(of, ..)| *of == run) {
            continue;
        }
        let named: Vec<Slot> = found
            .reordered
            .iter()
            .filter(|(of, ..)| *of == run)
            .copied()
            .collect();
        let mut seen = BTreeSet::new();
        let mut time = 0;
        // The lowest times with which rising sequences of one line, two lines and so on end.
        let (mut ends, mut lines) = (Vec::new(), 0);
        for entry in planted.items.iter().filter_map(|item| item.tells) {
            let entry = &planted.entries[entry];
            if entry.run != run || !seen.insert(slot(entry)) {
                continue;
            }
            lines += 1;
            let longest = ends.partition_point(|end| *end <= entry.stamp);
            match ends.get_mut(longest) {
                Some(end) => *end = entry.stamp,
                None => ends.push(entry.stamp),
            }
            if !named.contains(&slot(entry)) {
                assert!(
                    entry.stamp >= time,
                    "{:?} is behind, and not named",
                    slot(entry)
                );
                time = entry.stamp;
            }
        }
        assert_eq!(named.len(), lines - ends.len(), "the fewest are named");
        expected.reordered.extend(named);
    }
}

pub(super) fn author(name: &str) -> Producer {
    match name.strip_prefix("Worker-") {
        Some(number) => Producer::Worker(number.parse().unwrap()),
        None => Producer::Main,
    }
}

/// What the audit found. Of spliced lines either half may be named: what must be is settled by what is.
pub(super) fn found(verdict: &Verdict, expected: &mut Found) -> Found {
    let mut reading = Reading {
        out: Found::default(),
        expected,
        taken: Vec::new(),
    };
    for run in &verdict.runs {
        let id = u64::from_str_radix(&run.run, 16).unwrap();
        for finding in &run.findings {
            reading.finding(id, finding);
        }
    }
    verdict.strays.iter().for_each(|stray| reading.stray(stray));
    for line in &reading.taken {
        assert!(
            reading.expected.lost.remove(line),
            "{line:?} is not lost: {}",
            report(verdict)
        );
    }
    reading.out.duplicated.sort();
    reading.out
}

fn slots(run: u64, range: &Range) -> impl Iterator<Item = Slot> + use<> {
    let (first, last) = (range.first.unwrap(), range.last.unwrap());
    assert_eq!(last - first + 1, range.count);
    let author = author(&range.author);
    (first..=last).map(move |seq| (run, author, seq))
}

/// The reading of what the audit found.
struct Reading<'a> {
    out: Found,
    expected: &'a mut Found,
    /// Lost lines that lines which are cut short are taken for.
    taken: Vec<Slot>,
}

impl Reading<'_> {
    fn finding(&mut self, run: u64, finding: &Finding) {
        let Finding {
            lines, at, changes, ..
        } = finding;
        let one = || slots(run, lines).next();
        match finding.kind {
            Kind::Altered => {
                let fields: Vec<_> = changes.iter().map(|c| c.field.clone()).collect();
                let slot = lines.first.and_then(|_| one());
                self.said(at, Said::Altered(slot, fields.join(",")));
            }
            Kind::Truncated => {
                let slot = lines.first.and_then(|_| one());
                self.said(at, Said::Truncated(slot));
            }
            Kind::Unexpected => {
                for _ in 0..lines.count {
                    self.said(at, Said::Unexpected);
                }
            }
            Kind::Lost => self.out.lost.extend(slots(run, lines)),
            Kind::Duplicated => self.out.duplicated.extend(slots(run, lines)),
            Kind::Reordered => self.out.reordered.extend(slots(run, lines)),
            Kind::Late => unreachable!(),
            Kind::Books => self.out.books.push(finding.why.clone()),
        }
    }

    /// In front of the first line that can be read nothing says which run a line belongs to.
    fn stray(&mut self, stray: &Finding) {
        assert_eq!(stray.kind, Kind::Unexpected);
        let at = &stray.at;
        let line = at.as_ref().unwrap().line;
        let must = self.expected.lines.get(&line);
        let mut must = must.into_iter().flatten();
        if must.clone().any(|said| matches!(said, Said::Spliced(..))) {
            return self.said(at, Said::Unexpected);
        }
        let mut cut = must
            .by_ref()
            .filter(|said| matches!(said, Said::Truncated(None) | Said::Cut(_)));
        let said = cut.next().cloned().unwrap_or(Said::Unexpected);
        self.out.lines.entry(line).or_default().push(said);
    }

    fn said(&mut self, at: &Option<Place>, said: Said) {
        let line = at.as_ref().unwrap().line;
        let must = self.expected.lines.entry(line).or_default();
        let spliced = must.iter().position(|m| matches!(m, Said::Spliced(..)));
        if let Some(Said::Spliced(a, b)) = spliced.map(|i| must.remove(i)) {
            must.push(said.clone());
            self.settle_splice([a, b], &said);
        }
        let must = self.expected.lines.entry(line).or_default();
        let cut = must.iter().position(|m| matches!(m, Said::Cut(..)));
        if let (Some(cut), Said::Truncated(named)) = (cut, &said) {
            if let (Some(named), Said::Cut(cut)) = (named, must.remove(cut)) {
                assert_eq!((named.0, named.1), (cut.0, cut.1));
                self.taken.push(*named);
            }
            must.push(said.clone());
        }
        self.out.lines.entry(line).or_default().push(said);
    }

    /// Of two lines of which one begins and the other ends in the same place, the one that was not named is lost.
    fn settle_splice(&mut self, halves: [Slot; 2], said: &Said) {
        let named = match said {
            Said::Altered(slot, _) | Said::Truncated(slot) => *slot,
            _ => None,
        };
        let is_half = |line: &Slot| halves.contains(line);
        // Where nothing but a thread names it, it may be taken for another line of that thread that is lost.
        let same_thread = |line: &Slot| halves.iter().any(|s| (s.0, s.1) == (line.0, line.1));
        // The run of the one and the number of the other may name a line of their common plan.
        let of_both = |line: &Slot| {
            let numbered = halves.iter().any(|s| (s.1, s.2) == (line.1, line.2));
            numbered && halves.iter().any(|s| s.0 == line.0)
        };
        let third = |line: &Slot| same_thread(line) || of_both(line);
        let guess = named.filter(|line| !is_half(line) && third(line));
        self.taken.extend(guess);
        let named = named.filter(|_| guess.is_none());
        assert!(
            named.is_none_or(|line| is_half(&line)),
            "{named:?} is none of {halves:?}"
        );
        let others = halves.into_iter().filter(|half| Some(*half) != named);
        self.expected.lost.extend(others);
    }
}

/// The lines to be moved by the book: those outside a longest rising sequence, and of several outside the one with the
/// highest numbers.
pub(crate) fn by_the_book(arrivals: &[u64]) -> Vec<u64> {
    let mut length = vec![1; arrivals.len()];
    for i in 0..arrivals.len() {
        for j in 0..i {
            if arrivals[j] < arrivals[i] {
                length[i] = length[i].max(length[j] + 1);
            }
        }
    }
    let mut kept = Vec::new();
    let mut wanted = length.iter().max().copied().unwrap_or(0);
    let (mut end, mut below) = (arrivals.len(), u64::MAX);
    while wanted > 0 {
        let fits = |i: &usize| length[*i] == wanted && arrivals[*i] < below;
        let best = (0..end).filter(fits).max_by_key(|i| arrivals[*i]);
        let best = best.expect("each length has its predecessor");
        kept.push(arrivals[best]);
        (end, below, wanted) = (best, arrivals[best], wanted - 1);
    }
    let mut moved: Vec<u64> = arrivals
        .iter()
        .filter(|n| !kept.contains(n))
        .copied()
        .collect();
    moved.sort_unstable();
    moved
}
