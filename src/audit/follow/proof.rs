//! The proof that following a log and auditing it come to the same, and that each thing is told once.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read},
    sync::{Arc, Mutex},
};

use proptest::prelude::*;

use super::{news::NewsItem, *};
use crate::audit::{
    input::inputs::Part,
    run,
    simulate::{self, Dice, Entry},
    verdict::{Finding, Kind, Range, Status},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// What was written and not read.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Read for Written {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut written = self.0.lock().unwrap();
        if written.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let length = written.len().min(buffer.len());
        buffer[..length].copy_from_slice(&written[..length]);
        written.drain(..length);
        Ok(length)
    }
}

/// Follows what is written bit by bit, by a clock that the test sets.
struct Followed<'a> {
    written: Written,
    part: Part,
    scanner: Scanner<'a>,
    judge: Judge<'a>,
    watch: Watch,
    now: Duration,
    told: Vec<News>,
    peak: u64,
}

impl<'a> Followed<'a> {
    fn new(config: &'a AuditConfig, registry: &'a Arc<Registry>) -> Self {
        let written = Written::default();
        let judge = Judge::new(registry, config, None);
        Self {
            part: Part::growing(0, &Input::Stdin, Box::new(written.clone()), registry).unwrap(),
            written,
            scanner: Scanner::new(registry),
            watch: Watch::new(PATIENCE),
            judge,
            now: Duration::ZERO,
            told: Vec::new(),
            peak: 0,
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        self.written.0.lock().unwrap().extend_from_slice(bytes);
        self.read();
    }

    fn read(&mut self) {
        let (mut block, mut scanned) = (Block::default(), Scanned::default());
        loop {
            self.part.fill(&mut block).unwrap();
            if block.bytes.is_empty() {
                return;
            }
            self.scanner.scan(&block, &mut scanned);
            assert!(self.judge.take(&block, &scanned));
        }
    }

    fn look(&mut self, after: Duration) {
        self.now += after;
        self.told.extend(self.watch.look(&mut self.judge, self.now));
        self.peak = self.peak.max(self.judge.memory_used());
    }

    fn end(mut self) -> (Verdict, Vec<News>) {
        self.part.ended = true;
        self.read();
        self.judge.finish();
        self.look(Duration::ZERO);
        let verdict = conclude::verdict(self.judge, true);
        (verdict, self.told)
    }
}

/// What happens to the lines of a log between who writes and who reads.
#[derive(Clone, Debug)]
struct Way {
    seed: u64,
    runs: u64,
    lost: u64,
    again: u64,
    late: u64,
    damaged: u64,
    stopped: bool,
}

fn way() -> impl Strategy<Value = Way> {
    let rare = || prop_oneof![Just(0_u64), 1_u64..40];
    (
        any::<u64>(),
        1_u64..4,
        rare(),
        rare(),
        rare(),
        rare(),
        any::<bool>(),
    )
        .prop_map(|(seed, runs, lost, again, late, damaged, stopped)| Way {
            seed: seed | 1,
            runs,
            lost,
            again,
            late,
            damaged,
            stopped,
        })
}

/// The lines of several runs, of which some overlap, as they arrive.
fn arrivals(way: &Way, dice: &mut Dice) -> Vec<Vec<u8>> {
    let mut lines: Vec<(u64, Entry)> = Vec::new();
    for number in 0..way.runs {
        let threads = 1 + dice.roll(4) as u32;
        let workload = simulate::workload(dice.roll(1 << 40), threads, 5 + dice.roll(30));
        let course = simulate::Course {
            run: number + 1,
            start: 1_795_455_720_000_000 + number * dice.roll(1000),
            json: dice.roll(2) == 0,
            stop_after: way.stopped.then(|| 20 + dice.roll(60)),
        };
        let mut entries = simulate::run(&workload, &course, dice);
        if way.stopped && dice.roll(3) == 0 {
            // Killed, and started anew.
            entries.truncate(entries.len() / 2);
        }
        // Of which run a damaged line was may depend on those that are known by then.
        let damaged = if way.runs > 1 { 0 } else { way.damaged };
        for (i, mut entry) in entries.into_iter().enumerate() {
            let opens = i == 0;
            let in_a_thousand = |chance, dice: &mut Dice| !opens && dice.roll(1000) < chance;
            if in_a_thousand(way.lost, dice) {
                continue;
            }
            if in_a_thousand(damaged, dice) {
                let at = dice.roll(entry.bytes.len() as u64) as usize;
                match dice.roll(2) {
                    0 => entry.bytes.truncate(at),
                    _ => entry.bytes[at] = b'0' + dice.roll(10) as u8,
                }
            }
            for _ in 0..1 + u64::from(in_a_thousand(way.again, dice)) {
                let late = in_a_thousand(way.late, dice);
                let delay = if late { dice.roll(200) } else { 0 };
                lines.push((entry.stamp + delay, entry.clone()));
            }
        }
    }
    lines.sort_by_key(|(arrival, _)| *arrival);
    lines
        .into_iter()
        .map(|(_, entry)| [&entry.bytes[..], b"\n"].concat())
        .collect()
}

/// Each line that a finding names, and the findings that name none.
fn expanded(findings: &[Finding]) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for finding in findings {
        let plain = finding.text.is_empty() && finding.changes.is_empty();
        if finding.lines.first.is_none() || !plain || finding.kind == Kind::Books {
            all.insert(format!("{finding:?}"));
            continue;
        }
        let Finding { kind, lines, .. } = finding;
        let named = each(lines).map(|seq| format!("{kind:?} {} {seq}", lines.author));
        all.extend(named);
    }
    all
}

fn each(range: &Range) -> std::ops::RangeInclusive<u64> {
    range.first.unwrap()..=range.last.unwrap()
}

/// What is the same however a log was read.
fn essence(verdict: &Verdict) -> impl PartialEq + std::fmt::Debug + use<> {
    let runs: BTreeMap<_, _> = verdict
        .runs
        .iter()
        .map(|run| {
            let said = (
                run.status,
                run.lines,
                run.counts,
                run.ended,
                run.cannot_tell.clone(),
            );
            (run.run.clone(), (said, expanded(&run.findings)))
        })
        .collect();
    (verdict.status, verdict.lines, verdict.stray_count, runs)
}

/// Each lost line is told once, until it is taken back; each other finding once.
fn check_told(told: &[News], verdict: &Verdict, gone: Duration) {
    let (mut lost, mut moved) = (BTreeSet::new(), BTreeSet::new());
    for news in told {
        match news {
            News {
                run: Some(run),
                item:
                    NewsItem::Finding {
                        finding:
                            Finding {
                                kind: Kind::Lost,
                                lines: range,
                                ..
                            },
                    },
            } if range.first.is_some() => {
                for seq in each(range) {
                    let line = (run.clone(), range.author.clone(), seq);
                    assert!(lost.insert(line), "told twice: {news:?}");
                }
            }
            News {
                run: Some(run),
                item:
                    NewsItem::Finding {
                        finding:
                            Finding {
                                kind: Kind::Reordered,
                                lines: range,
                                why,
                                ..
                            },
                    },
            } if why.is_empty() => {
                for seq in each(range) {
                    let line = (run.clone(), range.author.clone(), seq);
                    assert!(moved.insert(line), "told twice: {news:?}");
                }
            }
            News {
                run: Some(run),
                item: NewsItem::TakenBack { range },
            } => {
                for seq in each(range) {
                    let line = (run.clone(), range.author.clone(), seq);
                    assert!(lost.remove(&line), "it was not lost: {news:?}");
                }
            }
            _ => {}
        }
    }
    for run in &verdict.runs {
        let in_verdict: BTreeSet<_> = run
            .lost()
            .filter(|range| range.first.is_some())
            .flat_map(|range| each(range).map(|seq| (range.author.clone(), seq)))
            .collect();
        let told: BTreeSet<_> = lost
            .iter()
            .filter(|(of, ..)| *of == run.run)
            .map(|(_, author, seq)| (author.clone(), *seq))
            .collect();
        assert!(
            told.is_subset(&in_verdict) || run.status == Status::CannotTell,
            "told, and not so in the end: {told:?}, {in_verdict:?}"
        );
        if gone > PATIENCE * 2 && run.ended {
            assert_eq!(told, in_verdict, "all is told after patience");
        }
    }
}

fn judge_both(way: &Way) {
    let mut dice = Dice(way.seed);
    let lines = arrivals(way, &mut dice);
    let log = lines.concat();
    let mut config = AuditConfig::new(vec![Input::Bytes("log".into(), log.clone())]);
    let plain = run(&config).unwrap();
    config.follow = true;
    let registry = Arc::new(Registry::new(config.memory));
    let mut followed = Followed::new(&config, &registry);
    let mut rest = &log[..];
    let long = dice.roll(2) == 0;
    while !rest.is_empty() {
        let length = 1 + dice.roll(if long { 4000 } else { 300 }) as usize;
        let (now, later) = rest.split_at(length.min(rest.len()));
        followed.write(now);
        rest = later;
        followed.look(Duration::from_millis(dice.roll(20_000)));
    }
    let gone = match dice.roll(3) {
        0 => Duration::ZERO,
        // Long enough for all to be told, and for runs that have ended to be let go.
        _ => PATIENCE * (3 + dice.roll(10) as u32),
    };
    if gone > Duration::ZERO {
        followed.look(PATIENCE + Duration::from_secs(1));
        followed.look(gone);
        followed.look(gone);
    }
    let (verdict, told) = followed.end();
    assert_eq!(essence(&verdict), essence(&plain), "{way:?}");
    check_told(&told, &verdict, gone);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever happens on the way, and however the lines come: in the end the verdict is that of the audit.
    #[test]
    fn the_verdict_is_that_of_the_audit(way in way()) {
        judge_both(&way);
    }
}

/// Follows so many short runs, of which some lose a line, one after the other.
fn follow_runs(count: u64, memory: u64, loses: impl Fn(u64) -> bool) -> (Verdict, Vec<News>, u64) {
    let config = AuditConfig {
        follow: true,
        memory,
        ..AuditConfig::new(Vec::new())
    };
    let registry = Arc::new(Registry::new(1 << 20));
    let mut followed = Followed::new(&config, &registry);
    let mut dice = Dice(9);
    for number in 0..count {
        let workload = simulate::workload(number, 3, 4);
        let course = simulate::Course {
            run: number + 1,
            start: 1_795_455_720_000_000 + number,
            json: false,
            stop_after: None,
        };
        let mut entries = simulate::run(&workload, &course, &mut dice);
        if loses(number) {
            entries.remove(5);
        }
        followed.write(&simulate::log(&entries));
        followed.look(PATIENCE / 2);
    }
    let peak = followed.peak;
    let (verdict, told) = followed.end();
    (verdict, told, peak)
}

/// Runs that have ended take next to no memory, however many there were, and are accounted for.
#[test]
fn runs_that_have_ended_are_let_go() {
    let (verdict, told, peak) = follow_runs(1500, 64 << 20, |number| number == 7);
    assert!(peak < 256 << 10, "{peak}");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(verdict.status, Status::Findings);
    // The last thousand that were closed, those whose accounts are kept, and those that have not ended for long enough.
    assert!(
        (1064..1068).contains(&verdict.runs.len()),
        "{}",
        verdict.runs.len()
    );
    let before = format!("{} runs with ", 1500 - verdict.runs.len());
    let note = verdict.notes.iter().find(|note| note.starts_with(&before));
    assert!(
        note.is_some_and(|note| note.ends_with("1 lost")),
        "{:?}",
        verdict.notes
    );
}

/// They are let go all the earlier where memory is short, and what they lack is not forgotten.
#[test]
fn runs_that_lack_lines_are_not_forgotten() {
    let memory = 256 << 10;
    let (verdict, told, peak) = follow_runs(400, memory, |_| true);
    assert!(peak <= memory, "{peak}");
    let lost: u64 = verdict.runs.iter().map(|run| run.counts.lost).sum();
    assert_eq!((verdict.runs.len(), lost), (400, 400));
    // Of the last few it is not decided yet.
    assert!(told.len() >= 396, "{}", told.len());
}

/// What stands before the first line that is read is not asked for, whoever logged that line.
#[test]
fn a_run_is_judged_from_the_first_line_that_is_read_of_it() {
    let workload = simulate::workload(5, 4, 6);
    let course = simulate::Course {
        run: 1,
        start: 1_795_455_720_000_000,
        json: false,
        stop_after: None,
    };
    let entries = simulate::run(&workload, &course, &mut Dice(3));
    let config = AuditConfig {
        follow: true,
        fallback: Some(workload),
        ..AuditConfig::new(Vec::new())
    };
    for head in 0..entries.len() {
        let registry = Arc::new(Registry::new(1 << 20));
        let mut followed = Followed::new(&config, &registry);
        followed.write(&simulate::log(&entries[head..]));
        let (verdict, told) = followed.end();
        assert_eq!(verdict.status, Status::Clean, "without {head}: {told:?}");
    }
}
