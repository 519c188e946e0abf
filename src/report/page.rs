//! The page: one HTML file that needs nothing else.
//!
//! It has no script and asks for nothing: its own policy forbids both, whatever a log might bring along.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    history::{failed, logged},
    section::{Section, notes},
    text::{count, micros, percent, plural, shown},
    words,
};
use crate::{
    audit::{GroupVerdict, Verdict},
    bugs::Specimen,
    plan::workload::Shard,
};

const STYLE: &str = include_str!("style.css");
/// Nothing is loaded and nothing runs, save the style that stands in the page.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
/// A table has so many rows: of runs the latest, of shards those that want looking at.
const ROWS_MAX: usize = 500;

/// The page of a log.
pub(super) fn of_log(verdict: &Verdict, sections: &[Section], files: &[String]) -> String {
    let names: Vec<String> = files.iter().map(|name| shown(name)).collect();
    let title = match &names[..] {
        [one] => format!("hifi report: {one}"),
        _ => format!("hifi report: {}", plural(names.len() as u64, "file")),
    };
    let line = words::in_a_line(verdict);
    let overall = line
        .split_once(": ")
        .map_or(&*line, |(_word, overall)| overall);
    let body = html! {
        header {
            h1 { (title) }
            p.verdict.overall.(words::class(verdict.status)) {
                strong { (words::word(verdict.status)) } " " (overall)
            }
            (notes(&verdict.cannot_tell, &verdict.notes))
        }
        section.next aria-labelledby="next" {
            h2 id="next" { "What to do next" }
            ul { @for step in words::next_steps(verdict) { li { (prose(step)) } } }
        }
        @for group in &verdict.groups { (table_of_group(group, sections)) }
        (table_of_runs(sections))
        @for section in sections.iter().filter(|section| section.is_whole()) {
            (section.draw(2, &section.title()))
        }
        @if verdict.stray_count > 0 {
            section {
                h2 { "Of no run" }
                p { (plural(verdict.stray_count, "line")) " that belong to no run that is known." }
            }
        }
        footer {
            p { (count(verdict.bytes)) " bytes read of " @for (i, name) in names.iter().take(20).enumerate() {
                @if i > 0 { ", " } code { (name) }
            } @if names.len() > 20 { " and more" } ". Made by hifi " (env!("CARGO_PKG_VERSION")) "." }
        }
    };
    document(&title, &html! { main { (body) } })
}

/// The shards of a group, lost ones too, under what is said of all of them.
fn table_of_group(group: &GroupVerdict, sections: &[Section]) -> Markup {
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
            (notes(&[], &group.notes[..group.notes.len().min(10)]))
            (table("shard", &html! { @for (shard, section) in &rows {
                @match section {
                    Some(section) => (row(section, &shard.to_string())),
                    None => tr { th scope="row" { (shard) } td.dirty { "✗ LOST" } td { "0" } @for _ in 0..5 { td { "–" } } },
                }
            } }))
            @if rows.len() < all { p.note { "Of " (count(all as u64)) " shards " (rows.len()) " are listed, those with findings first." } }
        }
    }
}

/// The runs that belong to no group, if there are several.
fn table_of_runs(sections: &[Section]) -> Markup {
    let alone = sections
        .iter()
        .filter(|section| section.verdict.workload.is_none());
    let alone: Vec<&Section> = alone.collect();
    if sections.len() < 2 || alone.is_empty() {
        return html! {};
    }
    let listed = &alone[alone.len().saturating_sub(ROWS_MAX)..];
    let whole = alone.iter().filter(|section| section.is_whole()).count();
    html! {
        section aria-labelledby="runs" {
            h2 id="runs" { "Runs" }
            (table("run", &html! { @for section in listed { (row(section, &section.verdict.run)) } }))
            @if whole < alone.len() {
                p.note { "Of " (plural(alone.len() as u64, "run")) " the latest " (listed.len()) " are listed, and the latest " (whole)
                    " shown in full: " code { "--run ID" } " shows any other." }
            }
        }
    }
}

fn table(first: &str, rows: &Markup) -> Markup {
    let names = [
        first, "verdict", "lines", "workers", "seed", "took", "attempts", "failed",
    ];
    html! {
        div.scroll tabindex="0" role="region" aria-label="Table" { table {
            thead { tr { @for name in names { th scope="col" { (name) } } } }
            tbody { (rows) }
        } }
    }
}

/// A run's row, under a name that leads to its section if it has one.
fn row(section: &Section, name: &str) -> Markup {
    let (verdict, seen) = (&section.verdict, section.seen.as_ref());
    let cells = [
        Some(count(verdict.lines)),
        verdict.threads.map(|threads| count(threads.into())),
        verdict.seed.map(|seed| seed.to_string()),
        seen.map(|seen| micros(seen.last - seen.first)),
        seen.map(|seen| count(logged(&seen.total))),
        seen.map(|seen| percent(failed(&seen.total) as f64, logged(&seen.total) as f64)),
    ];
    html! {
        tr {
            th scope="row" {
                @if section.is_whole() { a href=(format!("#run-{}", section.number)) { code { (name) } } }
                @else { code { (name) } }
            }
            @if verdict.set_aside.is_some() { td { "set aside" } }
            @else { td.(words::class(verdict.status)) { (words::word(verdict.status)) } }
            @for cell in cells { td { (cell.unwrap_or_else(|| "–".into())) } }
        }
    }
}

/// The page of the lab: each specimen, its broken run beside a healthy one from the same seed.
pub(super) fn of_lab(pairs: &[(&Specimen, [Section; 2])], seed: u64) -> String {
    let body = html! {
        header {
            h1 { "hifi lab" }
            p { (plural(pairs.len() as u64, "bug")) ", let loose in a run. Beside it stands the same run of the fixed \
                 program, from the same seed (" (seed) ")." }
        }
        nav aria-label="Bugs" {
            ul { @for (specimen, _) in pairs {
                li { a href=(format!("#{}", specimen.name)) { (specimen.name) } " – " (specimen.prose("Title")) }
            } }
        }
        @for (specimen, [broken, fixed]) in pairs {
            section.pair aria-labelledby=(specimen.name) {
                h2 id=(specimen.name) { (specimen.name) ": " (specimen.prose("Title")) }
                @for paragraph in specimen.prose("Story").split("\n\n") { p.story { (prose(paragraph)) } }
                div.side-by-side {
                    (broken.draw(3, "With the bug"))
                    (fixed.draw(3, "Fixed"))
                }
                p.story { b { "The cause. " } (prose(specimen.prose("Cause"))) }
                p.story { b { "The fix. " } (prose(specimen.prose("Fix"))) }
            }
        }
        footer { p { "hifi lab NAME tells one of them, from its story to its fix. Made by hifi " (env!("CARGO_PKG_VERSION")) "." } }
    };
    document("hifi lab", &html! { main.wide { (body) } })
}

/// Words in which code stands between backquotes.
fn prose(text: &str) -> Markup {
    html! {
        @for (i, part) in text.split('`').enumerate() {
            @if i % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

fn document(title: &str, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    }
    .into_string()
}
