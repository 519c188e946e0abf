//! The report in a browser: Chromium, headless, without a network that it could ask.

use std::{fs, process::Command};

use serde_json::Value;

use crate::rig::{Finished, Rig};

/// A run with all that a page can show.
const RUN: &str = "-q -t 6 -n 60 --failure-rate 0.5 --panic-rate 0.008 --seed 3 --time-scale 0.01 --sample-interval 5ms";

/// Measures the page from within, and leaves what it found where `--dump-dom` shows it.
const MEASURE: &str = r#"<script>
const box = element => { const r = element.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom].map(Math.round); };
const boxes = selector => [...document.querySelectorAll(selector)].map(box);
const found = {
  title: document.title,
  width: innerWidth,
  scrolls: document.documentElement.scrollWidth,
  headings: [...document.querySelectorAll('h1, h2, h3')].map(h => h.textContent),
  plots: boxes('.plot'), drawings: boxes('.plot svg'), times: boxes('.x span'), marks: boxes('.mark'),
  figures: boxes('figure'), texts: boxes('p, li, summary, dd, td, th, figcaption'),
  scripts: document.scripts.length, foreign: document.querySelectorAll('img, iframe, link, object, b b').length,
  levels: [...document.querySelectorAll('h1, h2, h3, h4')].map(h => +h.tagName[1]),
  unreached: [...document.querySelectorAll('a[href], summary, [tabindex="0"]')].filter(e => {
    if (e.tagName !== 'SUMMARY' && e.closest('details:not([open])')) return false;
    e.focus();
    return document.activeElement !== e || !(e.textContent.trim() || e.getAttribute('aria-label'));
  }).length,
  reached: document.querySelectorAll('a[href], summary').length,
  unnamed: [...document.querySelectorAll('svg')].filter(s => !s.getAttribute('aria-label')).length,
  dark: matchMedia('(prefers-color-scheme: dark)').matches, paper: getComputedStyle(document.body).backgroundColor,
};
document.body.textContent = '';
document.body.dataset.found = encodeURIComponent(JSON.stringify(found));
</script>"#;

/// Chromium looks at `page`, in a window of this width.
fn chromium(rig: &Rig, page: &str, width: u32, options: &[&str]) -> Finished {
    let profile = format!(
        "--user-data-dir={}",
        rig.path(&format!("profile-{page}-{width}")).display()
    );
    let mut command = Command::new("chromium");
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--enable-logging=stderr",
        ])
        .arg(profile)
        .arg(format!("--window-size={width},1200"))
        .arg(format!("--log-net-log={}", rig.path("net.json").display()))
        .args(options)
        .arg(format!("file://{}", rig.path(page).display()))
        .current_dir(rig.path(""))
        .env("HOME", rig.path(""));
    rig.finish(command).code(0)
}

/// What the page is found to be from within. The policy of the page would keep the measuring out: it is taken out of the
/// copy that is measured, so that nothing but the page itself stands between a hostile log and the browser.
fn measured(rig: &Rig, width: u32, options: &[&str]) -> Value {
    let page = rig.read("report.html");
    let policy = page.find("<meta http-equiv").expect("a policy");
    let end = policy + page[policy..].find('>').unwrap() + 1;
    let copy = format!("{}{}{MEASURE}", &page[..policy], &page[end..]);
    fs::write(rig.path("copy.html"), copy).unwrap();
    let mut all = vec!["--dump-dom"];
    all.extend(options);
    let finished = chromium(rig, "copy.html", width, &all);
    is_silent(rig, &finished);
    let dom = finished.stdout();
    let found = dom
        .split("data-found=\"")
        .nth(1)
        .unwrap_or_else(|| panic!("nothing was measured: {dom}"));
    let found = found.split('"').next().unwrap();
    serde_json::from_str(&decoded(found)).unwrap()
}

/// Undoes `encodeURIComponent`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits: String = rest.by_ref().take(2).map(char::from).collect();
        bytes.push(u8::from_str_radix(&digits, 16).unwrap());
    }
    String::from_utf8(bytes).unwrap()
}

/// Left, top, right and bottom of each.
fn boxes(found: &Value, name: &str) -> Vec<[i64; 4]> {
    let boxes = found[name].as_array().unwrap().iter();
    boxes
        .map(|sides| [0, 1, 2, 3].map(|i| sides[i].as_i64().unwrap()))
        .collect()
}

/// Everything stands within the window, below each other, and what belongs together lies together.
fn is_well_laid_out(found: &Value) {
    let width = found["width"].as_i64().unwrap();
    assert!(
        found["scrolls"].as_i64().unwrap() <= width,
        "it is wider than the window: {found}"
    );
    assert_eq!(found["unnamed"], 0, "a picture without words");
    assert_eq!(
        found["unreached"], 0,
        "nothing for a keyboard, or without a name"
    );
    let levels: Vec<u64> = serde_json::from_value(found["levels"].clone()).unwrap();
    assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1);
    let skips = |pair: &[u64]| pair[1] > pair[0] + 1;
    assert!(!levels.windows(2).any(skips), "{levels:?}");
    let (plots, drawings) = (boxes(found, "plots"), boxes(found, "drawings"));
    assert!(plots.len() >= 3, "{plots:?}");
    for (plot, drawing) in plots.iter().zip(&drawings) {
        let [left, top, right, bottom] = *plot;
        assert!(
            left >= 0 && right <= width && right - left > width / 2,
            "{plot:?}"
        );
        assert!(bottom - top >= 40, "{plot:?}");
        assert!(
            (0..4).all(|side| plot[side].abs_diff(drawing[side]) <= 1),
            "{plot:?} {drawing:?}"
        );
    }
    let figures = boxes(found, "figures");
    assert!(
        figures.is_sorted_by(|above, below| above[3] <= below[1]),
        "{figures:?}"
    );
    for name in ["times", "texts"] {
        for sides in boxes(found, name) {
            assert!(sides[0] >= 0 && sides[2] <= width + 1, "{name}: {sides:?}");
        }
    }
    for mark in boxes(found, "marks") {
        let within = |plot: &[i64; 4]| {
            mark[0] >= plot[0] - 12
                && mark[2] <= plot[2] + 12
                && mark[1] >= plot[1] - 12
                && mark[3] <= plot[3] + 12
        };
        assert!(plots.iter().any(within), "{mark:?}");
    }
}

/// Whom the browser asks on its own account, whatever page it shows.
const BROWSERS_OWN: [&str; 2] = [".google.com/", ".googleapis.com/"];

/// The browser had nothing to say of the page, and asked nobody for anything on its account.
fn is_silent(rig: &Rig, finished: &Finished) {
    assert!(
        !finished.stderr().contains("CONSOLE"),
        "{}",
        finished.stderr()
    );
    let log = rig.read("net.json");
    let asked = log.split("\"url\":\"").skip(1);
    let asked = asked.filter_map(|rest| rest.split('"').next());
    let of_the_page = asked.filter(|url| !BROWSERS_OWN.iter().any(|host| url.contains(host)));
    assert_eq!(of_the_page.collect::<Vec<_>>(), [""; 0]);
}

/// Width and height of a PNG file, by its header.
fn size_of(rig: &Rig, picture: &str) -> (u32, u32) {
    let bytes = fs::read(rig.path(picture)).unwrap();
    assert_eq!(&bytes[1..4], b"PNG");
    assert!(
        bytes.len() > 20_000,
        "an empty picture: {} bytes",
        bytes.len()
    );
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

#[test]
#[ignore = "needs chromium"]
fn a_page_is_whole_on_a_phone_and_on_a_wide_screen_by_day_and_by_night() {
    let rig = Rig::new();
    rig.hifi(RUN).code(1);
    rig.hifi("report").code(0);
    for width in [400, 1600] {
        let picture = format!("{width}.png");
        let finished = chromium(
            &rig,
            "report.html",
            width,
            &["--hide-scrollbars", &format!("--screenshot={picture}")],
        );
        is_silent(&rig, &finished);
        assert_eq!(size_of(&rig, &picture), (width, 1200));
        let day = measured(&rig, width, &[]);
        is_well_laid_out(&day);
        let night = measured(&rig, width, &["--force-dark-mode"]);
        is_well_laid_out(&night);
        assert_eq!(
            (&day["dark"], &night["dark"]),
            (&false.into(), &true.into())
        );
        assert_ne!(day["paper"], night["paper"]);
        for title in [
            "What to do next",
            "Attempts over time",
            "What each worker did",
            "Memory in use",
        ] {
            assert!(
                day["headings"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|heading| heading == title),
                "{title}"
            );
        }
    }
}

/// How many pages a page takes on paper.
fn printed(rig: &Rig) -> usize {
    let finished = chromium(
        rig,
        "report.html",
        1000,
        &["--no-pdf-header-footer", "--print-to-pdf=page.pdf"],
    );
    is_silent(rig, &finished);
    let pdf = fs::read(rig.path("page.pdf")).unwrap();
    let text = String::from_utf8_lossy(&pdf);
    text.matches("/Type /Page\n").count()
}

/// On paper nothing can be opened: what is folded away on a screen is there.
#[test]
#[ignore = "needs chromium"]
fn a_page_goes_on_paper_with_all_its_findings() {
    let rig = Rig::new();
    rig.hifi(RUN).code(1);
    rig.hifi("report").code(0);
    let whole = printed(&rig);
    assert!((2..=6).contains(&whole), "{whole} pages");
    let log = rig.read("app.log");
    let lines = log.lines().enumerate();
    let changed = lines.map(|(i, line)| match i % 20 {
        10 => line.replace("iteration=", "iteration=1") + "\n",
        _ => format!("{line}\n"),
    });
    fs::write(rig.path("damaged.log"), changed.collect::<String>()).unwrap();
    rig.audit("damaged.log").code(1);
    rig.hifi("report damaged.log").code(0);
    assert!(rig.read("report.html").contains("<details><summary>"));
    let damaged = printed(&rig);
    assert!(damaged > whole, "{damaged} pages, without findings {whole}");
    let day = measured(&rig, 1000, &[]);
    is_well_laid_out(&day);
    assert!(day["reached"].as_u64().unwrap() > 20);
}

#[test]
#[ignore = "needs chromium"]
fn a_hostile_log_does_nothing_in_a_browser() {
    let rig = Rig::new();
    rig.hifi(RUN).code(1);
    let script = "<script>document.title='broken in'</script><img src=http://hifi.invalid/x onerror=alert(1)>\"'><svg/onload=alert(2)><iframe src=//hifi.invalid>";
    let log = rig.read("app.log");
    let mut lines: Vec<String> = log.lines().map(str::to_owned).collect();
    lines[20] = lines[20].replace("Worker-", script);
    lines[40] = lines[40].replace("iteration=", &format!("iteration={script}"));
    lines.insert(60, script.to_owned());
    lines.insert(80, format!("{script}{}", "<b><b>x".repeat(300_000)));
    fs::write(rig.path("<b>hostile.log"), lines.join("\n")).unwrap();
    rig.audit("app.log").code(0);
    rig.hifi("report <b>hostile.log").code(0).prints("FINDINGS");
    let finished = chromium(&rig, "report.html", 1000, &["--screenshot=hostile.png"]);
    is_silent(&rig, &finished);
    let found = measured(&rig, 400, &[]);
    is_well_laid_out(&found);
    assert_eq!(found["title"], "hifi report: <b>hostile.log");
    assert_eq!(
        (&found["scripts"], &found["foreign"]),
        (&1.into(), &0.into())
    );
}
