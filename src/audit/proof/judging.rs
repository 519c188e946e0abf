//! Single claims about order, gaps, ends and delay.

use std::fmt::Write;

use super::{oracle::by_the_book, *};
use crate::plan::workload::Probability;

/// The lines of a log, in text or in JSON.
fn lines_of(entries: &[Entry], json: bool) -> Vec<String> {
    let lines = entries.iter().map(|e| {
        let line = render(e.run, e.author, e.seq, e.stamp, &e.event, json);
        String::from_utf8(line).unwrap()
    });
    lines.collect()
}

/// The entries of a run with some of its workers' lines only.
fn of_worker(entries: &[Entry], worker: u32) -> Vec<usize> {
    let of = |i: &usize| entries[*i].author == Producer::Worker(worker);
    (0..entries.len()).filter(of).collect()
}

fn counts(entries: &[Entry]) -> Counts {
    audit(&config(simulate::log(entries))).runs[0].counts
}

fn only(set: impl FnOnce(&mut Counts)) -> Counts {
    let mut counts = Counts::default();
    set(&mut counts);
    counts
}

fn event(entries: &[Entry], seq: u64, event: Event) -> Entry {
    let last = entries.last().unwrap();
    Entry {
        bytes: render(1, Producer::Main, seq, last.stamp, &event, false),
        author: Producer::Main,
        seq,
        event,
        ..last.clone()
    }
}

#[test]
fn the_fewest_lines_are_reordered() {
    let (_, entries) = finished(4, 60);
    // The worker that ends first: behind its last lines there are many of others.
    let own = (0..4)
        .map(|worker| of_worker(&entries, worker))
        .min_by_key(|own| own.last().copied())
        .unwrap();
    let producer = entries[own[0]].author;
    let end = own.len();
    // From within its lines, and its very last ones: then each producer's numbers are in order, and only the time tells.
    for moved in [&own[20..24], &own[end - 4..]] {
        let mut log: Vec<Entry> = entries.clone();
        let tail: Vec<Entry> = moved.iter().map(|i| entries[*i].clone()).collect();
        log.retain(|entry| !tail.contains(entry));
        log.extend(tail);
        assert_eq!(counts(&log), only(|c| c.reordered = 4));
    }
    let mut early = entries.clone();
    let line = early.remove(own[40]);
    early.insert(own[10], line);
    let verdict = audit(&config(simulate::log(&early)));
    let Finding {
        kind, lines: range, ..
    } = &verdict.runs[0].findings[0];
    assert_eq!(*kind, Kind::Reordered, "{}", report(&verdict));
    assert_eq!((range.first, range.count), (Some(40), 1));
    let arrivals: Vec<u64> = early
        .iter()
        .filter(|e| e.author == producer)
        .map(|e| e.seq)
        .collect();
    assert_eq!(by_the_book(&arrivals), [40]);
}

#[test]
fn a_log_that_stands_on_its_head_is_judged_backwards() {
    let (_, mut entries) = finished(4, 200);
    entries.remove(300);
    entries.insert(400, entries[399].clone());
    let forwards = audit(&config(simulate::log(&entries)));
    entries.reverse();
    let backwards = audit(&config(simulate::log(&entries)));
    assert_eq!(
        backwards.runs[0].counts,
        forwards.runs[0].counts,
        "{}",
        report(&backwards)
    );
    assert_eq!(
        backwards.runs[0].counts,
        only(|c| (c.lost, c.duplicated) = (1, 1))
    );
    assert!(report(&backwards).contains("newest lines first"));
    let (_, mut entries) = finished(4, 200);
    entries[500].bytes.truncate(90);
    entries.reverse();
    let cut = audit(&config(simulate::log(&entries)));
    assert_eq!(
        cut.runs[0].counts,
        only(|c| c.truncated = 1),
        "{}",
        report(&cut)
    );
}

#[test]
fn any_order_is_accepted_where_it_is_asked_for() {
    let (_, mut entries) = finished(3, 50);
    let mut dice = Dice(5);
    for i in (1..entries.len()).rev() {
        entries.swap(i, dice.roll(i as u64 + 1) as usize);
    }
    let mut config = config(simulate::log(&entries));
    assert_eq!(audit(&config).exit_code(), 1);
    config.any_order = true;
    assert_clean(&audit(&config), "any order");
}

#[test]
fn other_programs_are_accepted_where_they_are_asked_for() {
    let (_, entries) = finished(3, 50);
    let mut log = b"starting up\n".to_vec();
    for entry in &entries {
        log.extend_from_slice(&entry.bytes);
        log.extend_from_slice(b"\nGET /healthz 200\nreleased 2026-11\n");
    }
    let mut config = config(log);
    assert_eq!(audit(&config).exit_code(), 1);
    config.allow_foreign = true;
    assert_clean(&audit(&config), "foreign");
}

/// The log is read in several blocks, and what follows a record is not always the same.
#[test]
fn each_line_has_its_delay() {
    let (_, entries) = finished(3, 3000);
    let mut log = String::new();
    for (number, entry) in entries.iter().enumerate() {
        let line = std::str::from_utf8(&entry.bytes).unwrap();
        let time = "\"time\":\"2099-12-31T23:59:59.999999999Z\"";
        writeln!(
            log,
            "{{\"log\":\"{line}\\n\",\"stream\":\"stdout\",{time}}}"
        )
        .unwrap();
        if number % 500 == 250 {
            log += "\n";
        }
    }
    let verdict = audit(&config(log.into_bytes()));
    assert_clean(&verdict, "delayed");
    let delay = verdict.runs[0].delay.as_ref().unwrap();
    assert_eq!(delay.lines, entries.len() as u64);
}

#[test]
fn lines_of_main_in_order_cost_no_memory() {
    let (_, mut entries) = finished(2, 20);
    let end = entries.split_off(30);
    let next = entries
        .iter()
        .filter(|e| e.author == Producer::Main)
        .count() as u64;
    let samples = 20_000;
    for seq in next..next + samples {
        entries.push(event(&entries, seq, Event::LogReopened {}));
    }
    for mut entry in end {
        if entry.author == Producer::Main {
            entry.seq += samples;
            if let Event::RunEnded { lines, .. } = &mut entry.event {
                *lines += samples;
            }
            entry.bytes = render(1, entry.author, entry.seq, entry.stamp, &entry.event, false);
        }
        entries.push(entry);
    }
    let mut config = config(simulate::log(&entries));
    config.memory = 100_000;
    assert_clean(&audit(&config), "samples");
}

#[test]
fn a_gap_of_many_ranges_is_announced_to_the_line() {
    let (_, entries) = finished(2, 20_000);
    let lost =
        |entry: &Entry| entry.author != Producer::Main && entry.seq % 2 == 1 && entry.seq < 20_000;
    let gone = entries
        .iter()
        .filter(|e| lost(e))
        .map(|e| format!("{}:{}", e.author.worker().unwrap(), e.seq));
    let ranges: Vec<String> = gone.collect();
    let mut log: Vec<Entry> = entries.iter().filter(|e| !lost(e)).cloned().collect();
    let count = ranges.len() as u64;
    let seq = entries.last().unwrap().seq + 1;
    log.push(event(
        &entries,
        seq,
        Event::LogGap {
            lost: count,
            ranges: ranges.join(","),
        },
    ));
    assert_eq!(
        counts(&log),
        only(|c| (c.lost, c.announced) = (count, count))
    );
}

#[test]
fn a_log_reopened_behind_the_end_is_no_finding() {
    let (_, mut entries) = finished(2, 20);
    let seq = entries.last().unwrap().seq + 1;
    entries.push(event(&entries, seq, Event::LogReopened {}));
    assert_clean(&audit(&config(simulate::log(&entries))), "reopened");
}

/// The disk was full until the run had ended.
#[test]
fn a_run_that_ended_in_a_gap_has_lost_what_is_announced() {
    for stop_after in [None, Some(150)] {
        let workload = simulate::workload(7, 3, 100);
        let entries = simulate::run(&workload, &course(1, false, stop_after), &mut Dice(5));
        for keep in [60, 100, 140, entries.len() - 1] {
            let gone = &entries[keep..];
            let mut ranges = Vec::new();
            for producer in [
                Producer::Main,
                Producer::Worker(0),
                Producer::Worker(1),
                Producer::Worker(2),
            ] {
                let of: Vec<u64> = gone
                    .iter()
                    .filter(|e| e.author == producer)
                    .map(|e| e.seq)
                    .collect();
                if let (Some(first), Some(last)) = (of.first(), of.last()) {
                    let name = producer.worker().map_or("main".into(), |w| w.to_string());
                    ranges.push(format!("{name}:{first}-{last}"));
                }
            }
            let lost = gone.len() as u64;
            let mut log = entries[..keep].to_vec();
            let seq = entries.last().unwrap().seq + 1;
            let gap = Event::LogGap {
                lost,
                ranges: ranges.join(","),
            };
            log.push(event(&entries, seq, gap));
            let verdict = audit(&config(simulate::log(&log)));
            let expected = only(|c| (c.lost, c.announced) = (lost, lost));
            assert_eq!(
                verdict.runs[0].counts,
                expected,
                "{keep}: {}",
                report(&verdict)
            );
        }
    }
}

#[test]
fn numbers_that_cannot_be_known_are_not_named() {
    let workload = simulate::workload(7, 4, 200);
    let entries = simulate::run(&workload, &course(1, false, Some(300)), &mut Dice(5));
    let mut log = entries.clone();
    let mut gone = 0;
    for worker in [1, 2] {
        let own = of_worker(&entries, worker);
        for i in &own[own.len() - 3..] {
            log.retain(|entry| *entry != entries[*i]);
            gone += 1;
        }
    }
    let verdict = audit(&config(simulate::log(&log)));
    assert_eq!(
        verdict.runs[0].counts,
        only(|c| c.lost = gone),
        "{}",
        report(&verdict)
    );
    let Finding {
        kind, lines: range, ..
    } = &verdict.runs[0].findings[0];
    assert_eq!(*kind, Kind::Lost, "{}", report(&verdict));
    assert_eq!(
        (range.first, range.count, &*range.author),
        (None, gone, "Worker-1 or Worker-2")
    );
}

/// Parts of which one ends with the time with which the next begins, in any order.
#[test]
fn parts_that_meet_in_one_microsecond_are_clean() {
    let workload = simulate::workload(7, 1, 100);
    let mut entries = simulate::run(&workload, &course(1, false, None), &mut Dice(5));
    for entry in &mut entries {
        entry.stamp = START;
        entry.bytes = render(1, entry.author, entry.seq, START, &entry.event, false);
    }
    let (head, tail) = entries.split_at(60);
    for parts in [[head, tail], [tail, head]] {
        let inputs = parts.map(|part| Input::Bytes("part".into(), simulate::log(part)));
        assert_clean(&audit(&AuditConfig::new(inputs.to_vec())), "parts");
    }
}

/// The run is met only where several blocks have been read. Each is damaged from its first line on, and how far other threads
/// have read ahead meanwhile must not tell.
#[test]
fn what_is_cut_before_any_whole_line_is_named() {
    let workload = simulate::workload(7, 3, 1500);
    let mut entries = simulate::run(&workload, &course(1, false, None), &mut Dice(5));
    let cut = entries.len() - 100;
    for entry in &mut entries[..cut] {
        entry.bytes.truncate(entry.bytes.len() - 4);
    }
    let mut config = config(simulate::log(&entries));
    config.fallback = Some(workload);
    for _ in 0..10 {
        let verdict = audit(&config);
        let expected = only(|counts| counts.truncated = cut as u64);
        assert_eq!(verdict.runs[0].counts, expected, "{}", report(&verdict));
    }
}

/// Nobody looks closely at what is damaged throughout, until there is a run.
#[test]
fn what_is_cut_behind_the_first_whole_line_is_named_however_late_that_stands() {
    let workload = simulate::workload(7, 3, 3000);
    let mut entries = simulate::run(&workload, &course(1, false, None), &mut Dice(5));
    let whole = entries.len() / 4 * 3;
    let behind = entries.len() - whole - 1;
    for (at, entry) in entries.iter_mut().enumerate() {
        if at != whole {
            entry.bytes.truncate(entry.bytes.len() - 4);
        }
    }
    let mut config = config(simulate::log(&entries));
    config.fallback = Some(workload);
    let verdict = audit(&config);
    let truncated = verdict.runs[0].counts.truncated;
    assert!(truncated >= behind as u64, "{}", report(&verdict));
}

#[test]
fn a_cut_line_is_named_by_its_thread() {
    let (_, entries) = finished(3, 50);
    let own = of_worker(&entries, 1);
    // In the midst of its message, and directly behind the thread's name.
    for length in [60, "2026-11-23T17:42:00.223456Z  INFO Worker-1 ".len()] {
        let mut log = Vec::new();
        for (i, entry) in entries.iter().enumerate() {
            let cut = if i == own[20] {
                length
            } else {
                entry.bytes.len()
            };
            log.extend_from_slice(&entry.bytes[..cut]);
            log.push(b'\n');
        }
        let verdict = audit(&config(log));
        assert_eq!(
            verdict.runs[0].counts,
            only(|c| c.truncated = 1),
            "{length}: {}",
            report(&verdict)
        );
    }
}

#[test]
fn nothing_that_can_be_read_is_cannot_tell() {
    let log = b"c29tZXRoaW5nIGVsc2U=\n".repeat(500);
    let verdict = audit(&config(log));
    assert_eq!(verdict.exit_code(), 2);
    assert!(
        report(&verdict).contains("app.log:1"),
        "{}",
        report(&verdict)
    );
}

/// A line that came too early stands where it stands, not where its thread's lines begin.
#[test]
fn a_line_that_came_too_early_is_named_where_it_stands() {
    let (_, mut entries) = finished(3, 20);
    let moved = of_worker(&entries, 1)[20];
    let early = entries.remove(moved);
    entries.insert(25, early);
    let verdict = audit(&config(simulate::log(&entries)));
    let [found] = &verdict.runs[0].findings[..] else {
        panic!("{}", report(&verdict));
    };
    assert_eq!(found.kind, Kind::Reordered);
    assert_eq!(found.at.as_ref().map(|at| at.line), Some(26));
}

/// What cannot be undone by trial is altered all the same where the rest of the line says which one it is.
#[test]
fn a_time_or_a_counter_that_is_another_or_none_is_altered() {
    let (_, entries) = finished(3, 60);
    for json in [false, true] {
        let render = |e: &Entry| render(e.run, e.author, e.seq, e.stamp, &e.event, json);
        let log = entries
            .iter()
            .map(render)
            .collect::<Vec<_>>()
            .join(&b"\n"[..]);
        let log = String::from_utf8(log).unwrap();
        let (mark, end) = if json {
            ("\"counter\":", ",")
        } else {
            (" counter=", " ")
        };
        let at = log.find(&format!("{mark}100{end}")).unwrap() + mark.len();
        let line = log[..at].rfind("\n").unwrap() + 1;
        let second = line + if json { 14 } else { 0 } + 17;
        for (place, text) in [(at, "831"), (at, "***"), (second, "61.")] {
            let mut damaged = log.clone();
            damaged.replace_range(place..place + 3, text);
            let verdict = audit(&config(damaged.into_bytes()));
            let counts = verdict.runs[0].counts;
            assert_eq!(counts, only(|c| c.altered = 1), "{}", report(&verdict));
        }
    }
}

#[test]
fn another_level_is_a_change_of_the_level() {
    let (_, entries) = finished(3, 20);
    let log = String::from_utf8(simulate::log(&entries)).unwrap();
    for prefix in ["", "Nov 26 12:19:31 host hifi[812]: "] {
        let lines = log.lines().map(|line| format!("{prefix}{line}\n"));
        let log: String = lines.collect();
        let damaged = log.replacen(" ERROR ", " WARN ", 1);
        let verdict = audit(&config(damaged.into_bytes()));
        let [found] = &verdict.runs[0].findings[..] else {
            panic!("{}", report(&verdict));
        };
        let fields: Vec<_> = found.changes.iter().map(|c| c.field.as_str()).collect();
        assert_eq!((found.kind, &fields[..]), (Kind::Altered, &["level"][..]));
    }
}

/// The times that a pipeline puts in front of JSON records count, that of a record that was torn off does not, and where there
/// is none nobody says that no line was late.
#[test]
fn what_is_late_is_told_by_the_pipelines_own_times() {
    let (_, entries) = finished(3, 20);
    let with = |log: String| {
        let mut config = config(log.into_bytes());
        config.max_delay = Some(1000);
        audit(&config)
    };
    let json = |e: &Entry| render(e.run, e.author, e.seq, e.stamp, &e.event, true);
    let lines: Vec<String> = (entries.iter())
        .map(|entry| String::from_utf8(json(entry)).unwrap())
        .collect();
    let late = |line: &String| format!("2099-12-31T23:59:59.999999999Z stderr F {line}\n");
    let verdict = with(lines.iter().map(late).collect());
    assert_eq!(verdict.runs[0].counts.late, entries.len() as u64);
    assert_eq!(with(lines.join("\n")).exit_code(), 2);

    let text = String::from_utf8(simulate::log(&entries)).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    let torn = format!("{}{}", &lines[30][..60], lines[31]);
    lines.splice(30..32, [&*torn]);
    let verdict = with(lines.join("\n"));
    assert_eq!(verdict.runs[0].counts.late, 0, "{}", report(&verdict));
}

/// An unexpected error is late like any other line, be its text escaped or its run not known yet when it is read.
#[test]
fn an_unexpected_error_may_be_late() {
    let mut workload = simulate::workload(7, 3, 40);
    workload.panic_rate = Probability::new(0.05).unwrap();
    let entries = simulate::run(&workload, &course(1, false, None), &mut Dice(5));
    let is_unexpected = |entry: &Entry| matches!(entry.event, Event::Unexpected { .. });
    assert!(entries.iter().any(is_unexpected));
    let wraps: [fn(&str) -> String; 2] = [
        |line| format!("2099-12-31T23:59:59.9Z stderr F {line}\n"),
        |line| {
            let line = line.replace('"', "\\\"");
            format!("{{\"log\":\"{line}\\n\",\"time\":\"2099-12-31T23:59:59.9Z\"}}\n")
        },
    ];
    for wrap in wraps {
        let mut lines: Vec<String> = lines_of(&entries, false).iter().map(|l| wrap(l)).collect();
        for _ in 0..2 {
            let mut config = config(lines.concat().into_bytes());
            (config.max_delay, config.any_order) = (Some(1000), true);
            let verdict = audit(&config);
            let late = verdict.runs[0].counts.late;
            assert_eq!(late, lines.len() as u64, "{}", report(&verdict));
            // "Run started" comes last.
            lines.rotate_left(1);
        }
    }
}

/// Lines of another program, be they much like each other, come as they like.
#[test]
fn lines_between_records_belong_to_them_only_where_they_come_regularly() {
    let (_, entries) = finished(3, 30);
    let log = String::from_utf8(simulate::log(&entries)).unwrap();
    let mut mixed = String::new();
    for (n, line) in log.lines().enumerate() {
        for i in 0..(n * 7 % 5) {
            mixed += &format!("10.1.2.{i} - - [26/Nov/2026] \"GET /items/{n} HTTP/1.1\" 200\n");
        }
        mixed += &format!("{line}\n");
    }
    assert_eq!(audit(&config(mixed.into_bytes())).exit_code(), 1);
}

#[test]
fn every_format_says_what_is_wrong() {
    let (_, mut entries) = finished(3, 50);
    entries.remove(90);
    let verdict = audit(&config(simulate::log(&entries)));
    assert!(
        annotations(&verdict).starts_with("::error file=app.log,line="),
        "{}",
        annotations(&verdict)
    );
    #[cfg(feature = "monitoring")]
    {
        let read = quick_junit::Report::deserialize_from_str(&xml(&verdict).unwrap()).unwrap();
        let failed = read
            .test_suites
            .iter()
            .map(|suite| suite.failures)
            .sum::<usize>();
        assert_eq!(failed, 1);
    }
    let mut config = config(simulate::log(&entries));
    config.allow_lost = 1;
    let accepted = audit(&config);
    assert_clean(&accepted, "accepted");
    assert!(!annotations(&accepted).contains("::error"));
    #[cfg(feature = "monitoring")]
    assert!(!xml(&accepted).unwrap().contains("<failure"));
}

/// Where each thread's lines are in order, time tells which were moved, and how few.
#[test]
fn a_log_that_is_sorted_by_thread_has_the_fewest_lines_moved() {
    let (_, mut entries) = finished(3, 60);
    let first = entries.remove(0);
    entries.sort_by_key(|entry| entry.author);
    entries.insert(0, first);
    let mut ends: Vec<u64> = Vec::new();
    for entry in &entries {
        let longest = ends.partition_point(|end| *end <= entry.stamp);
        match ends.get_mut(longest) {
            Some(end) => *end = entry.stamp,
            None => ends.push(entry.stamp),
        }
    }
    let moved = (entries.len() - ends.len()) as u64;
    assert_eq!(counts(&entries), only(|c| c.reordered = moved));
    entries.reverse();
    assert_eq!(counts(&entries), only(|c| c.reordered = moved), "backwards");
}

/// What a line is made of that came in two parts, or stands in one with what others wrote, is one damage.
#[test]
fn a_line_in_two_parts_is_damaged_once() {
    let (_, entries) = finished(3, 60);
    for json in [false, true] {
        let lines = lines_of(&entries, json);
        let at = of_worker(&entries, 1)[20];
        for part in [70, 100, lines[at].len() - 20] {
            for between in ["\n", &"x".repeat(3 << 20)] {
                let mut damaged = lines.clone();
                damaged[at].insert_str(part, between);
                let verdict = audit(&config(damaged.join("\n").into_bytes()));
                let run = &verdict.runs[0];
                let said = (run.counts, verdict.stray_count);
                let expected = (only(|c| c.truncated = 1), 0);
                assert_eq!(said, expected, "{part}: {}", report(&verdict));
            }
        }
    }
}

/// Two writers without a lock: a part of one line and a part of the next make one, in which both or one of them are lost.
#[test]
fn a_line_made_of_parts_of_two_is_altered() {
    let (_, entries) = finished(3, 60);
    for json in [false, true] {
        let lines = lines_of(&entries, json);
        let at = of_worker(&entries, 1)[20];
        let place = |line: &str, name: &str| line.find(name).unwrap();
        for (end, start, lost) in [("worker", "worker", 1), ("iteration", "iteration", 2)] {
            let mut damaged = lines.clone();
            let behind = damaged.remove(at + 1);
            damaged[at].truncate(place(&lines[at], end));
            damaged[at] += &behind[place(&behind, start)..];
            let verdict = audit(&config(damaged.join("\n").into_bytes()));
            let expected = only(|c| (c.altered, c.lost) = (1, lost));
            assert_eq!(verdict.runs[0].counts, expected, "{}", report(&verdict));
        }
    }
}

/// The head of one line with the tail of the next, and the other way round: each is the line that it begins as.
#[test]
fn two_lines_that_have_changed_their_ends_are_altered() {
    let (_, entries) = finished(3, 60);
    let lines = lines_of(&entries, false);
    let ended = entries.iter().position(|e| {
        e.author == Producer::Worker(1) && matches!(e.event, Event::WorkerEnded { .. })
    });
    let one = ended.unwrap();
    let other = of_worker(&entries, 2)[20];
    let mut damaged = lines.clone();
    for (at, behind) in [(one, other), (other, one)] {
        damaged[at] = format!("{}{}", &lines[at][..100], &lines[behind][100..]);
    }
    let verdict = audit(&config(damaged.join("\n").into_bytes()));
    let expected = only(|c| c.altered = 2);
    assert_eq!(verdict.runs[0].counts, expected, "{}", report(&verdict));
}

/// A checksum that is none is a change of the checksum, also in lines that no plan has.
#[test]
fn a_checksum_that_is_none_is_altered() {
    let (_, entries) = finished(3, 60);
    let log = String::from_utf8(simulate::log(&entries)).unwrap();
    for message in [" Operation result", " Worker ended", " Started thread"] {
        let line = log.lines().find(|line| line.contains(message)).unwrap();
        let (rest, sum) = line.rsplit_once("sum=").unwrap();
        for other in ["***", "********", &format!("xyz{}", &sum[3..])] {
            let damaged = log.replace(line, &format!("{rest}sum={other}"));
            let verdict = audit(&config(damaged.into_bytes()));
            let [found] = &verdict.runs[0].findings[..] else {
                panic!("{}", report(&verdict));
            };
            let changes: Vec<_> = (found.changes.iter())
                .map(|change| (change.field.as_str(), change.found.as_str()))
                .collect();
            assert_eq!(
                (found.kind, &changes[..]),
                (Kind::Altered, &[("sum", other)][..])
            );
        }
    }
}

/// A hole of NUL bytes is the cause wherever it lies: between lines, in front of what a pipeline puts there, and over parts of lines.
#[test]
fn a_hole_is_the_cause_of_what_it_took() {
    let (_, entries) = finished(3, 60);
    let log = String::from_utf8(simulate::log(&entries)).unwrap();
    let wraps: [fn(&str) -> String; 3] = [
        |line| format!("{line}\n"),
        |line| format!("2026-11-23T17:42:00.000000001Z stderr F {line}\n"),
        |line| format!("{{\"log\":\"{line}\\n\",\"stream\":\"stderr\"}}\n"),
    ];
    for wrap in wraps {
        let lines: Vec<String> = log.lines().map(wrap).collect();
        for (cut, left) in [(0, 0), (40, 50)] {
            let mut damaged = lines[..100].concat();
            damaged.truncate(damaged.len() - cut);
            damaged += &"\0".repeat(4096);
            damaged += &lines[108..].concat()[left..];
            let verdict = audit(&config(damaged.into_bytes()));
            let run = &verdict.runs[0];
            let causes: Vec<_> = run.causes.iter().map(|cause| &*cause.text).collect();
            let [cause] = causes[..] else {
                panic!("{causes:?}: {}", report(&verdict));
            };
            assert!(cause.contains("4096 NUL bytes"), "{cause}");
            assert!(run.counts.lost >= 8, "{}", report(&verdict));
        }
    }
}

/// A line of a few NUL bytes is none.
#[test]
fn a_few_nul_bytes_are_no_cause() {
    let (_, entries) = finished(3, 60);
    let lines = lines_of(&entries, false);
    for (length, causes) in [(1, 0), (15, 0), (16, 1)] {
        let mut damaged = lines.clone();
        damaged.splice(100..108, ["\0".repeat(length)]);
        let verdict = audit(&config((damaged.join("\n") + "\n").into_bytes()));
        let run = &verdict.runs[0];
        assert_eq!(run.counts, only(|c| c.lost = 8), "{}", report(&verdict));
        let holes = run.causes.iter().filter(|c| c.text.contains("NUL bytes"));
        assert_eq!(holes.count(), causes, "{length}");
    }
}

/// Lines that arrived before they were logged.
#[test]
fn clocks_that_disagree_are_pointed_out() {
    let (_, entries) = finished(3, 20);
    let log = String::from_utf8(simulate::log(&entries)).unwrap();
    for (time, disagree) in [
        ("2026-11-23T17:41:59.5Z", true),
        ("2099-11-23T17:41:59.5Z", false),
    ] {
        let lines = log.lines().map(|line| format!("{time} stderr F {line}\n"));
        let verdict = audit(&config(lines.collect::<String>().into_bytes()));
        assert_clean(&verdict, time);
        let said = report(&verdict);
        assert_eq!(said.contains("disagree"), disagree, "{said}");
    }
}
