//! The page: one HTML file that needs nothing else.
//!
//! It has no script and asks for nothing: its own policy forbids both, whatever a log might bring along.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    findings::shown,
    section::Section,
    table,
    units::{count, plural},
    words,
};
use crate::{audit::Verdict, bugs::Specimen};

const STYLE: &str = include_str!("style.css");
/// Nothing is loaded and nothing runs, save the style that stands in the page.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The page of a log.
pub(super) fn of_log(verdict: &Verdict, sections: &[Section], files: &[String]) -> String {
    let names: Vec<String> = files.iter().map(|name| shown(name)).collect();
    let title = match &names[..] {
        [one] => format!("hifi report: {one}"),
        _ => format!("hifi report: {}", plural(names.len() as u64, "file")),
    };
    let body = html! {
        header {
            h1 { (title) }
            p.verdict.overall.(words::class(verdict.status)) {
                strong { (words::word(verdict.status)) } " " (words::overall(verdict))
            }
            @for why in &verdict.cannot_tell { p.note { "Cannot tell: " (why) "." } }
            @for note in &verdict.notes { p.note { "Note: " (note) "." } }
        }
        section.next aria-labelledby="next" {
            h2 id="next" { "What to do next" }
            ul { @for step in words::next_steps(verdict) { li { (step) } } }
        }
        @for group in &verdict.groups { (table::of_group(group, sections)) }
        (table::of_runs(sections))
        @for section in sections.iter().filter(|section| section.history.is_some()) {
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

/// A specimen beside its fixed run, and what there is to read about it.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) specimen: &'static Specimen,
    pub(super) broken: Section,
    pub(super) fixed: Section,
}

/// The page of the lab: each specimen beside a healthy run from the same seed.
pub(super) fn of_lab(pairs: &[Pair], seed: u64) -> String {
    let body = html! {
        header {
            h1 { "hifi lab" }
            p { (plural(pairs.len() as u64, "bug")) ", let loose in a run. Beside it stands the same run of the fixed \
                 program, from the same seed (" (seed) ")." }
        }
        nav aria-label="Bugs" {
            ul { @for pair in pairs {
                li { a href=(format!("#{}", pair.specimen.name)) { (pair.specimen.name) } " – " (pair.specimen.title) }
            } }
        }
        @for pair in pairs {
            section.pair aria-labelledby=(pair.specimen.name) {
                h2 id=(pair.specimen.name) { (pair.specimen.name) ": " (pair.specimen.title) }
                @for paragraph in pair.specimen.story.split('\n') { p.story { (prose(paragraph)) } }
                div.side-by-side {
                    (pair.broken.draw(3, "With the bug"))
                    (pair.fixed.draw(3, "Fixed"))
                }
                p.story { b { "The cause. " } (prose(pair.specimen.cause.0)) }
                p.story { b { "The fix. " } (prose(pair.specimen.fix.0)) }
            }
        }
        footer { p { "hifi lab NAME shows each of them in depth. Made by hifi " (env!("CARGO_PKG_VERSION")) "." } }
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
