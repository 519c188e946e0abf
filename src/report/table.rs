//! Many runs in short: a table of a group's shards, and one of the runs that belong to no group.

use maud::{Markup, html};

use super::{
    section::Section,
    units::{count, micros, percent, plural},
    words,
};
use crate::{audit::GroupVerdict, plan::workload::Shard};

/// A table has so many rows: of runs the latest, of shards those that want looking at.
const ROWS_MAX: usize = 500;

/// The shards of a group, lost ones too, under what is said of all of them.
pub(super) fn of_group(group: &GroupVerdict, sections: &[Section]) -> Markup {
    let members = sections.iter().filter_map(|section| {
        let workload = section.verdict.workload.as_ref()?;
        (workload.group.as_ref() == Some(&group.group)).then_some((workload.shard, Some(section)))
    });
    let lost = group.lost.iter().map(|lost| (lost.shard, None));
    let mut rows: Vec<(Shard, Option<&Section>)> = members.chain(lost).collect();
    let all = rows.len();
    rows.sort_by_key(|(_, section)| section.is_some_and(Section::is_clean));
    rows.truncate(ROWS_MAX);
    rows.sort_by_key(|(shard, _)| *shard);
    let id = format!("group-{}", group.group);
    html! {
        section aria-labelledby=(id) {
            h2 id=(id) { "Group " (group.group) }
            p.verdict.(words::class(group.status)) { (words::of_group(group)) }
            @for differing in &group.differing { p.note { "Of another run: " (differing.words()) "." } }
            @for note in group.notes.iter().take(10) { p.note { "Note: " (note) "." } }
            (table(&["shard", "verdict"], &html! {
                @for (shard, section) in &rows {
                    @match section {
                        Some(section) => { tr { th scope="row" { (name(section, &shard.to_string())) } (cells(section)) } }
                        None => { tr { th scope="row" { (shard) } td.dirty { "✗ LOST" } td { "0" } @for _ in 0..5 { td { "–" } } } }
                    }
                }
            }))
            @if rows.len() < all { p.note { "Of " (count(all as u64)) " shards " (rows.len()) " are listed, those with findings first." } }
        }
    }
}

/// The runs that belong to no group, if there are several.
pub(super) fn of_runs(sections: &[Section]) -> Markup {
    let alone = sections
        .iter()
        .filter(|section| section.verdict.workload.is_none());
    let alone: Vec<&Section> = alone.collect();
    if sections.len() < 2 || alone.is_empty() {
        return html! {};
    }
    let listed = &alone[alone.len().saturating_sub(ROWS_MAX)..];
    html! {
        section aria-labelledby="runs" {
            h2 id="runs" { "Runs" }
            (table(&["run", "verdict"], &html! {
                @for section in listed { tr { th scope="row" { (name(section, &section.verdict.run)) } (cells(section)) } }
            }))
            @let in_full = alone.iter().filter(|section| section.history.is_some()).count();
            @if in_full < alone.len() {
                p.note { "Of " (plural(alone.len() as u64, "run")) " the latest " (listed.len()) " are listed, and the latest " (in_full)
                    " shown in full: " code { "--run ID" } " shows any other." }
            }
        }
    }
}

fn table(first: &[&str], rows: &Markup) -> Markup {
    let others = ["lines", "workers", "seed", "took", "attempts", "failed"];
    html! {
        div.scroll tabindex="0" role="region" aria-label="Table" { table {
            thead { tr { @for name in first.iter().chain(&others) { th scope="col" { (name) } } } }
            tbody { (rows) }
        } }
    }
}

/// A run's name, which leads to its section if it has one.
fn name(section: &Section, text: &str) -> Markup {
    html! {
        @if section.history.is_some() { a href=(format!("#run-{}", section.number)) { code { (text) } } }
        @else { code { (text) } }
    }
}

fn cells(section: &Section) -> Markup {
    let verdict = &section.verdict;
    let told = |value: Option<String>| value.unwrap_or_else(|| "–".into());
    let brief = section.brief.as_ref();
    html! {
        @match &verdict.set_aside {
            Some(_) => { td { "set aside" } }
            None => { td.(words::class(verdict.status)) { (words::word(verdict.status)) } }
        }
        td { (count(verdict.lines)) }
        td { (told(verdict.threads.map(|threads| count(threads.into())))) }
        td { (told(verdict.seed.map(|seed| seed.to_string()))) }
        td { (told(brief.map(|brief| micros(brief.last - brief.first)))) }
        td { (told(brief.map(|brief| count(brief.total.logged())))) }
        td { (told(brief.map(|brief| percent(brief.total.failed() as f64, brief.total.logged() as f64)))) }
    }
}
