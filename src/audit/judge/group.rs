//! The shards of one run, judged together: which are there, which are not, and whether they are parts of the same run.
//!
//! This works on the verdicts of the single runs and on nothing else. So it makes no difference whether one audit has read
//! all logs or several have read some each: a verdict over verdicts is the same.

use std::collections::BTreeMap;

use crate::{
    audit::{
        records::record::{Producer, render},
        verdict::{Change, Counts, DifferingShard, GroupVerdict, LostShard, RunVerdict, Status},
    },
    log::{event::Event, line::Line},
    plan::{
        Plan,
        workload::{GroupId, Limit, Shard, Workload},
    },
};

/// How many findings of a kind are shown of a group; all are counted.
const SHOWN_MAX: usize = 1000;

/// How many attempts of plans are computed to say how many lines lost shards have.
const ATTEMPTS_MAX: usize = 1 << 26;

/// Lines of a run that belong to none of its workers: "Run started", two totals and "Run ended".
const LINES_OF_MAIN: u64 = 4;
/// Lines of a worker that are no attempts: its start and its end.
const LINES_OF_WORKER: u64 = 2;

/// Judges the groups that these runs are shards of. Of several runs of one shard all but one are set aside. Where not all
/// that there is was read (`all_read`), no shard is called lost.
pub(crate) fn judge(runs: &mut [RunVerdict], all_read: bool) -> Vec<GroupVerdict> {
    let mut groups: BTreeMap<GroupId, Vec<usize>> = BTreeMap::new();
    for (index, run) in runs.iter().enumerate() {
        if let Some(group) = run.workload.as_ref().and_then(|w| w.group.clone()) {
            groups.entry(group).or_default().push(index);
        }
    }
    // A run whose configuration is not known may be any shard.
    let all_read = all_read && runs.iter().all(|run| run.threads.is_some());
    let mut attempts_left = ATTEMPTS_MAX;
    groups
        .into_iter()
        .filter_map(|(group, members)| {
            judge_group(group, &members, runs, all_read, &mut attempts_left)
        })
        .collect()
}

fn judge_group(
    group: GroupId,
    members: &[usize],
    runs: &mut [RunVerdict],
    all_read: bool,
    attempts_left: &mut usize,
) -> Option<GroupVerdict> {
    let whole = most_common(members, runs)?;
    let fits = |run: &RunVerdict| run.workload.as_ref().is_some_and(|w| same_run(w, &whole));
    let mut out = GroupVerdict {
        group,
        status: Status::Clean,
        notes: Vec::new(),
        shards: whole.shard.count(),
        present: 0,
        workers: u64::from(whole.shard.count()) * u64::from(whole.threads),
        seed: whole.seed,
        lines: 0,
        counts: Counts::default(),
        lost_count: 0,
        lost: Vec::new(),
        differing: Vec::new(),
    };
    let mut by_shard: BTreeMap<Shard, Vec<usize>> = BTreeMap::new();
    for index in members {
        if let Some(workload) = &runs[*index].workload {
            by_shard.entry(workload.shard).or_default().push(*index);
        }
    }
    for (shard, attempts) in &mut by_shard {
        for run in attempts.iter().map(|index| &runs[*index]) {
            if let Some(workload) = run.workload.as_ref().filter(|_| !fits(run)) {
                out.differing.push(DifferingShard {
                    shard: *shard,
                    run: run.run.clone(),
                    changes: differences(workload, &whole),
                });
            }
        }
        // A run with another configuration is no attempt at this shard, if there is one.
        if attempts.iter().any(|index| fits(&runs[*index])) {
            attempts.retain(|index| fits(&runs[*index]));
        }
        let judged = choose(attempts, runs);
        out.notes.extend(set_aside(*shard, judged, attempts, runs));
        let run = &runs[judged];
        out.lines += run.lines;
        if let Some(by) = run.stopped_by.as_ref().filter(|by| *by != "duration") {
            out.notes.push(format!(
                "shard {shard} (run {}) was stopped early, by {by}",
                run.run
            ));
        }
    }
    let there = by_shard.keys();
    out.present = there.filter(|shard| shard.count() == out.shards).count() as u32;
    if all_read {
        out.lost_shards(&whole, |shard| by_shard.contains_key(shard), attempts_left);
    } else if out.present < out.shards {
        out.notes.push(format!(
            "of {} shards not one line was read; they may be among what could not be read",
            out.shards - out.present
        ));
    }
    out.sum_up(members, runs);
    Some(out)
}

impl GroupVerdict {
    /// Names the shards that are not among those that are there.
    fn lost_shards(
        &mut self,
        whole: &Workload,
        there: impl Fn(&Shard) -> bool,
        attempts_left: &mut usize,
    ) {
        let all = (0..self.shards).filter_map(|index| Shard::new(index, self.shards));
        for shard in all.filter(|shard| !there(shard)) {
            self.lost_count += 1;
            if self.lost.len() == SHOWN_MAX {
                continue;
            }
            let part = Workload {
                shard,
                ..whole.clone()
            };
            let workers = part.workers();
            self.lost.push(LostShard {
                shard,
                first_worker: workers.start,
                last_worker: workers.end - 1,
                lines: planned_lines(&part, attempts_left),
            });
        }
    }

    /// That a run which was set aside has no end is no obstacle.
    fn sum_up(&mut self, members: &[usize], runs: &[RunVerdict]) {
        if self.lost_count > 0 || !self.differing.is_empty() {
            self.status = Status::Findings;
        }
        for run in members.iter().map(|index| &runs[*index]) {
            self.counts += run.counts;
            if run.set_aside.is_none() || run.status == Status::Findings {
                self.status = self.status.max(run.status);
            }
        }
    }
}

/// The configuration that most of the shards have, and of several the one of the lowest shard.
fn most_common(members: &[usize], runs: &[RunVerdict]) -> Option<Workload> {
    let mut found: Vec<(usize, &Workload)> = Vec::new();
    let mut workloads: Vec<&Workload> = members
        .iter()
        .filter_map(|index| runs[*index].workload.as_ref())
        .collect();
    workloads.sort_by_key(|workload| workload.shard);
    for workload in workloads {
        match found
            .iter_mut()
            .find(|(_, known)| same_run(known, workload))
        {
            Some((count, _)) => *count += 1,
            None => found.push((1, workload)),
        }
    }
    // Of equals the last is taken: the lowest shard was found first.
    let most = found.into_iter().rev().max_by_key(|(count, _)| *count);
    most.map(|(_, workload)| workload.clone())
}

/// Whether these are configurations of shards of one run.
fn same_run(a: &Workload, b: &Workload) -> bool {
    a.shard.count() == b.shard.count()
        && *a
            == Workload {
                shard: a.shard,
                ..b.clone()
            }
}

/// What a shard's configuration has otherwise than the whole run's.
fn differences(workload: &Workload, whole: &Workload) -> Vec<Change> {
    let number_of_shards = Change {
        field: "number of shards".into(),
        expected: Some(whole.shard.count().to_string()),
        found: workload.shard.count().to_string(),
    };
    let differs = workload.shard.count() != whole.shard.count();
    let [found, expected] = [workload, whole].map(started_fields);
    let fields = expected.into_iter().zip(found);
    let others = fields.filter(|((_, expected), (_, found))| expected != found);
    let others = others.map(|((name, expected), (_, found))| Change {
        field: name,
        expected: Some(expected),
        found,
    });
    differs
        .then_some(number_of_shards)
        .into_iter()
        .chain(others)
        .collect()
}

/// What "Run started" says of a configuration, whichever shard it is.
fn started_fields(workload: &Workload) -> Vec<(String, String)> {
    let event = Event::run_started(&Workload {
        shard: Shard::WHOLE,
        ..workload.clone()
    });
    let line = render(0, Producer::Main, 0, 0, &event, false);
    Line::parse(&line).map_or_else(Vec::new, |line| line.fields)
}

/// Which of the runs of one shard is judged: one that ended, and of several the latest.
fn choose(attempts: &[usize], runs: &[RunVerdict]) -> usize {
    let rank = |index: &&usize| {
        let run = &runs[**index];
        (run.ended, run.began_us, &run.run)
    };
    *attempts.iter().max_by_key(rank).unwrap_or(&attempts[0])
}

/// Sets all runs of a shard aside but the one that is judged, and says why.
fn set_aside(
    shard: Shard,
    judged: usize,
    attempts: &[usize],
    runs: &mut [RunVerdict],
) -> Option<String> {
    let (id, ended) = (runs[judged].run.clone(), runs[judged].ended);
    let (mut others, mut others_ended) = (Vec::new(), false);
    for other in attempts.iter().filter(|other| **other != judged) {
        let run = &mut runs[*other];
        run.set_aside = Some(id.clone());
        others_ended |= run.ended;
        let end = if run.ended { "" } else { ", no end" };
        others.push(format!("run {} ({} lines{end})", run.run, run.lines));
    }
    let why = match (ended, others_ended) {
        (true, false) => "which ended",
        (true, true) => "the last that ended",
        (false, _) => "the last",
    };
    let (times, aside) = (attempts.len(), others.join(", "));
    (times > 1).then(|| {
        format!(
            "shard {shard} was started {times} times, as a retried pod or a requeued task is: run {id} is judged, {why}; \
             set aside: {aside}"
        )
    })
}

/// How many lines a shard logs that carries out its whole plan, if nothing happens to it; none if it has no end but by a stop.
fn planned_lines(workload: &Workload, attempts_left: &mut usize) -> Option<u64> {
    if workload.iterations == Limit::Unlimited || workload.duration.is_some() {
        return None;
    }
    let mut lines = LINES_OF_MAIN;
    for worker in workload.workers() {
        let attempts = Plan::new(workload, worker).take(*attempts_left).count();
        *attempts_left -= attempts;
        if *attempts_left == 0 {
            return None;
        }
        lines += attempts as u64 + LINES_OF_WORKER;
    }
    Some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{
        AuditConfig, Input, Verdict,
        judge::merge::merge,
        report, run,
        simulate::{self, Course, Dice, Entry},
    };

    /// A shard of a run; its id is made of `attempt` and the shard's number.
    fn shard(text: &str, attempt: u64, change: impl Fn(&mut Workload)) -> Vec<Entry> {
        let mut workload = simulate::workload(7, 3, 20);
        workload.panic_rate = "0.01".parse().unwrap();
        workload.shard = text.parse().unwrap();
        workload.group = Some("job-7".parse().unwrap());
        change(&mut workload);
        let course = Course {
            run: attempt << 32 | u64::from(workload.shard.index()),
            start: 1_795_455_720_000_000 + attempt,
            json: attempt.is_multiple_of(2),
            stop_after: None,
        };
        simulate::run(&workload, &course, &mut Dice(attempt + 1))
    }

    fn all(count: u32) -> Vec<Vec<Entry>> {
        (0..count)
            .map(|index| shard(&format!("{index}/{count}"), 1, |_| {}))
            .collect()
    }

    fn audit_one(shards: &[Vec<Entry>]) -> Verdict {
        let inputs = shards
            .iter()
            .enumerate()
            .map(|(i, entries)| Input::Bytes(format!("shard-{i}.log"), simulate::log(entries)));
        run(&AuditConfig::new(inputs.collect())).unwrap()
    }

    fn audit(shards: &[Vec<Entry>]) -> Verdict {
        let verdict = audit_one(shards);
        // A verdict over the verdicts of the single logs says the same.
        let parts = shards.iter().map(|entries| {
            let input = Input::Bytes("shard.log".into(), simulate::log(entries));
            let part = run(&AuditConfig::new(vec![input])).unwrap();
            let text = serde_json::to_string(&part).unwrap();
            ("part".into(), serde_json::from_str(&text).unwrap())
        });
        let merged = merge(parts.collect());
        assert_eq!(merged.groups, verdict.groups);
        assert_eq!(
            (merged.status, merged.lines),
            (verdict.status, verdict.lines)
        );
        verdict
    }

    #[test]
    fn the_shards_of_a_run_are_clean_together_in_any_order_and_one_stream() {
        let mut shards = all(5);
        shards.reverse();
        let lines: usize = shards.iter().map(Vec::len).sum();
        let verdict = audit(&shards);
        let [group] = &verdict.groups[..] else {
            panic!("{verdict:?}");
        };
        assert_eq!(verdict.status, Status::Clean, "{}", report(&verdict));
        assert_eq!(
            (group.present, group.shards, group.workers, group.lines),
            (5, 5, 15, lines as u64)
        );
        let mut merged = shards.concat();
        merged.sort_by_key(|entry| entry.stamp);
        let verdict = audit(&[merged]);
        assert_eq!(
            (
                verdict.status,
                verdict.groups.len(),
                verdict.groups[0].present
            ),
            (Status::Clean, 1, 5)
        );
        let text = report(&verdict);
        assert!(
            text.contains("\ngroup job-7: clean, 5 of 5 shards") && !text.contains("\nrun "),
            "{text}"
        );
    }

    #[test]
    fn a_shard_of_which_nothing_is_there_is_lost_with_its_lines() {
        let mut shards = all(5);
        let lost = shards.remove(3);
        let verdict = audit(&shards);
        let group = &verdict.groups[0];
        assert_eq!(
            (group.status, group.present, group.lost_count),
            (Status::Findings, 4, 1)
        );
        let expected = LostShard {
            shard: "3/5".parse().unwrap(),
            first_worker: 9,
            last_worker: 11,
            // What else main may log, no plan has.
            lines: Some(
                lost.iter()
                    .filter(|entry| !matches!(entry.event, Event::LogReopened {}))
                    .count() as u64,
            ),
        };
        assert_eq!(group.lost, [expected]);
        let text = report(&verdict);
        assert!(
            text.contains("shard 3/5 (Worker-9 to Worker-11): not one line of it is"),
            "{text}"
        );
        let unlimited = |w: &mut Workload| w.duration = Some("9".parse().unwrap());
        let stopped = audit(&[shard("0/2", 1, unlimited)]);
        assert_eq!(stopped.groups[0].lost[0].lines, None);
    }

    /// The numbers of its workers say which shard it is, and the others say what its plan is.
    #[test]
    fn a_shard_whose_first_line_is_lost_is_known_by_its_workers() {
        let mut shards = all(5);
        shards[2].remove(0);
        let verdict = audit_one(&shards);
        let group = &verdict.groups[0];
        assert_eq!(
            (group.status, group.present, group.counts.lost),
            (Status::Findings, 5, 1),
            "{}",
            report(&verdict)
        );
    }

    #[test]
    fn lines_lost_in_a_shard_are_named_by_its_own_numbers() {
        let mut shards = all(3);
        let last = shards[2]
            .iter()
            .position(|e| e.author == Producer::Worker(7) && e.seq == 5)
            .unwrap();
        shards[2].remove(last);
        let verdict = audit(&shards);
        assert_eq!(
            (verdict.status, verdict.groups[0].counts.lost),
            (Status::Findings, 1)
        );
        let text = report(&verdict);
        assert!(
            text.contains(", shard 2/3\n") && text.contains("Worker-7: seq 5"),
            "{text}"
        );
        assert!(!text.contains("shard 1/3"), "{text}");
    }

    #[test]
    fn of_two_attempts_the_one_that_ended_is_judged_and_else_the_later() {
        let cut = |mut entries: Vec<Entry>| {
            entries.truncate(entries.len() / 2);
            entries
        };
        let (first, second) = (shard("1/2", 1, |_| {}), shard("1/2", 2, |_| {}));
        let whole = shard("0/2", 1, |_| {});
        let [first_id, second_id] =
            [&first, &second].map(|entries| format!("{:016x}", entries[0].run));
        for (attempts, judged, status) in [
            (
                [cut(first.clone()), second.clone()],
                &second_id,
                Status::Clean,
            ),
            (
                [first.clone(), cut(second.clone())],
                &first_id,
                Status::Clean,
            ),
            ([first.clone(), second.clone()], &second_id, Status::Clean),
            ([cut(first), cut(second)], &second_id, Status::CannotTell),
        ] {
            let [a, b] = attempts;
            let verdict = audit(&[a, whole.clone(), b]);
            let group = &verdict.groups[0];
            assert_eq!(
                (verdict.status, group.status, group.present),
                (status, status, 2)
            );
            let said = format!("run {judged} is judged");
            assert!(
                group.notes.iter().any(|note| note.contains(&said)),
                "{:?}",
                group.notes
            );
        }
    }

    #[test]
    fn a_shard_of_another_run_is_named_by_what_differs() {
        let mut shards = all(4);
        shards[2] = shard("2/4", 1, |w| w.seed = 8);
        shards.push(shard("0/3", 3, |w| w.iterations = Limit::At(21)));
        let group = audit(&shards).groups.remove(0);
        assert_eq!(
            (group.status, group.present, group.lost_count, group.seed),
            (Status::Findings, 4, 0, 7)
        );
        let changes: Vec<_> = group
            .differing
            .iter()
            .flat_map(|d| &d.changes)
            .map(|change| {
                format!(
                    "{} {:?} {}",
                    change.field,
                    change.expected.as_deref(),
                    change.found
                )
            })
            .collect();
        assert_eq!(
            changes,
            [
                "number of shards Some(\"4\") 3",
                "iterations Some(\"20\") 21",
                "seed Some(\"7\") 8"
            ]
        );
    }

    #[test]
    fn shards_that_were_not_read_are_not_called_lost() {
        let inputs = all(50)
            .into_iter()
            .enumerate()
            .map(|(i, entries)| Input::Bytes(format!("shard-{i}.log"), simulate::log(&entries)));
        let mut config = AuditConfig::new(inputs.collect());
        config.memory = 64 << 10;
        let verdict = run(&config).unwrap();
        let group = &verdict.groups[0];
        assert_eq!((verdict.status, group.lost_count), (Status::CannotTell, 0));
        assert!(
            group.present < 50
                && group
                    .notes
                    .iter()
                    .any(|note| note.contains("could not be read"))
        );
    }

    #[test]
    fn two_groups_are_judged_apart() {
        let other = |w: &mut Workload| w.group = Some("job-8".parse().unwrap());
        let shards = [shard("0/2", 1, |_| {}), shard("1/2", 3, other)];
        let verdict = audit(&shards);
        let lost: Vec<_> = verdict
            .groups
            .iter()
            .map(|g| (g.group.to_string(), g.lost[0].shard.index()))
            .collect();
        assert_eq!(lost, [("job-7".into(), 1), ("job-8".into(), 0)]);
        assert_eq!(verdict.status, Status::Findings);
    }

    #[test]
    fn a_run_that_two_audits_have_read_is_refused() {
        let mut first = shard("0/1", 1, |_| {});
        let second = first.split_off(9);
        let parts = [first, second].map(|entries| {
            let input = Input::Bytes("a".into(), simulate::log(&entries));
            ("a".into(), run(&AuditConfig::new(vec![input])).unwrap())
        });
        let merged = merge(parts.into());
        assert!(
            merged
                .cannot_tell
                .iter()
                .any(|why| why.contains("must be audited in one place")),
            "{merged:?}"
        );
    }
}
