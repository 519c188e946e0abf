use std::{
    collections::BTreeMap,
    fs,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::rig::Rig;

/// A run with all that a timeline can show: retries, abandoned operations, panics, and workers that are stopped by them.
const RUN: &str = "-q -t 4 -n 80 --failure-rate 0.5 --max-retries 2 --panic-rate 0.004 --seed 3 --time-scale 0.001";

/// The names in the folder that are no logs.
fn files(rig: &Rig) -> Vec<String> {
    let names = fs::read_dir(rig.path("")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| !name.contains(".log")).collect();
    names.sort();
    names
}

/// Damages a log: what `change` makes of its lines.
fn damage(rig: &Rig, change: impl FnOnce(&mut Vec<String>)) {
    let log = rig.read("app.log");
    let mut lines: Vec<String> = log.lines().map(str::to_owned).collect();
    change(&mut lines);
    fs::write(rig.path("damaged.log"), lines.join("\n") + "\n").unwrap();
}

/// Whatever a page holds, it must not make a browser ask for anything or run anything.
#[track_caller]
fn asks_for_nothing(page: &str) {
    for bad in [
        "<script",
        "javascript:",
        "<img",
        "<link",
        "<iframe",
        " src=",
        "url(",
        "@import",
        " on",
    ] {
        // Event handlers are attributes: within a tag.
        let found = page.split('<').any(|tag| {
            let tag = tag.split('>').next().unwrap_or_default();
            match bad {
                " on" => tag
                    .split('"')
                    .step_by(2)
                    .any(|outside| outside.contains(" on")),
                _ => format!("<{tag}").contains(bad),
            }
        });
        assert!(!found, "{bad} in the page");
    }
    for link in page.split("href=\"").skip(1) {
        assert!(link.starts_with('#'), "{}", &link[..link.len().min(80)]);
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn a_page_tells_verdict_figures_and_replay() {
    let rig = Rig::new();
    let summary = rig.hifi(&format!("{RUN} --summary json")).code(1).json();
    rig.hifi("report").code(0).prints("report.html: CLEAN");
    let page = rig.read("report.html");
    asks_for_nothing(&page);
    assert!(page.len() < 200_000, "{}", page.len());
    let completed = summary["operations"]["completed"].to_string();
    for text in [
        "CLEAN",
        &format!("<dt>completed</dt><dd>{completed}</dd>"),
        "hifi <span>--seed 3</span> <span>--threads 4</span> <span>--iterations 80</span>",
        "Attempts over time",
        "What each worker did",
        "p99",
        "class=\"mark panic\"",
    ] {
        assert!(page.contains(text), "{text}");
    }
    // Each picture is told in words as well.
    let pictures = page.matches("<svg").count();
    assert!(pictures >= 2);
    assert_eq!(page.matches("role=\"img\" aria-label=\"").count(), pictures);
    rig.hifi("report app.log -o -")
        .code(0)
        .prints("<!DOCTYPE html>");
    assert_eq!(files(&rig), ["report.html"]);
}

#[test]
fn findings_lead_to_their_place_and_back() {
    let rig = Rig::new();
    rig.hifi(RUN).code(1);
    damage(&rig, |lines| {
        lines.drain(200..230);
        lines[100] = lines[100].replace("attempt=", "attempt=7");
        let copy = lines[50].clone();
        lines.insert(60, copy);
    });
    rig.audit("damaged.log").code(1);
    rig.hifi("report damaged.log").code(0).prints("FINDINGS");
    let page = rig.read("report.html");
    asks_for_nothing(&page);
    for text in [
        "damaged.log:102",
        "Lost lines lie together",
        "lines lost",
        "duplicated",
    ] {
        assert!(page.contains(text), "{text}");
    }
    let targets = |mark: &str| {
        let link = format!("href=\"#{mark}");
        let found = page.split(&link).skip(1);
        let found = found.map(|rest| rest.split('"').next().unwrap());
        found
            .map(|rest| format!("{mark}{rest}"))
            .collect::<Vec<_>>()
    };
    for mark in ["mark-", "finding-"] {
        let targets = targets(mark);
        assert!(!targets.is_empty());
        for target in targets {
            assert_eq!(
                page.matches(&format!("id=\"{target}\"")).count(),
                1,
                "{target}"
            );
        }
    }
}

#[test]
fn several_runs_have_a_table_and_a_section_each() {
    let rig = Rig::new();
    for seed in 1..=3 {
        rig.hifi(&format!("-q -t 2 -n 5 --time-scale 0 --seed {seed}"))
            .code(0);
    }
    rig.hifi("report").code(0).prints("3 runs");
    let page = rig.read("report.html");
    assert!(page.contains("<h2 id=\"runs\">Runs</h2>"));
    for run in 1..=3 {
        assert!(page.contains(&format!("href=\"#run-{run}\"")));
        assert!(page.contains(&format!("<section class=\"run\" id=\"run-{run}\"")));
    }
}

/// What a page says of a run in numbers and words.
fn figures(page: &str) -> Vec<&str> {
    let figures = page.split("<dl class=\"figures\">").nth(1).unwrap();
    let times = page.split("Operation times, ").nth(1).unwrap();
    vec![
        figures.split("</dl>").next().unwrap(),
        times.split("</figcaption>").next().unwrap(),
        page.split_once("<table class=\"bars\">").unwrap().1,
    ]
}

/// The drawing of the workers' states.
fn timeline(page: &str) -> &str {
    let drawing = page.split("aria-label=\"Timeline").nth(1).unwrap();
    drawing.split("</svg>").next().unwrap()
}

#[test]
fn a_log_with_its_newest_lines_first_gives_the_same_picture() {
    let rig = Rig::new();
    rig.hifi(RUN).code(1);
    let pages = ["app.log", "damaged.log"].map(|log| {
        damage(&rig, |lines| lines.reverse());
        rig.hifi(&format!("report {log}")).code(0);
        rig.read("report.html")
    });
    rig.audit("damaged.log").code(0);
    let [forward, backward] = &pages;
    assert!(backward.contains("newest lines first"));
    assert_eq!(timeline(forward), timeline(backward));
    let end = |page: &str| {
        figures(page)[2]
            .split("</figure>")
            .next()
            .map(str::to_owned)
    };
    assert_eq!(figures(forward)[..2], figures(backward)[..2]);
    assert_eq!(end(forward), end(backward));
    // A block that is lost lies at its place, both ways.
    let lossy = [false, true].map(|reversed| {
        damage(&rig, |lines| {
            lines.drain(200..260);
            if reversed {
                lines.reverse();
            }
        });
        rig.hifi("report damaged.log").code(0);
        let page = rig.read("report.html");
        let words = page.split("Lost lines lie together").nth(1).unwrap();
        words.split('.').next().unwrap().to_owned()
    });
    assert_eq!(lossy[0], lossy[1]);
}

#[test]
fn the_options_of_the_audit_count_for_the_report() {
    let rig = Rig::new();
    rig.hifi("-q -t 2 -n 5 --time-scale 0 --seed 1").code(0);
    let log = rig.read("app.log");
    let (first, _) = log.split_once(" seq=0").unwrap();
    let (_, id) = first.rsplit_once("run=").unwrap();
    for seed in 2..=15 {
        rig.hifi(&format!("-q -t 2 -n 5 --time-scale 0 --seed {seed}"))
            .code(0);
    }
    rig.audit("app.log").code(0);
    // Of many runs the latest are shown in full; any other when it is asked for.
    rig.hifi("report").code(0).prints("15 runs");
    let page = rig.read("report.html");
    assert!(page.contains("the latest 12 shown in full"));
    assert!(!page.contains(">\u{2013}</td>"), "each is in the table");
    rig.hifi(&format!("report --run {id}"))
        .code(0)
        .prints("1 run ");
    assert!(
        rig.read("report.html")
            .contains(&format!("<h2 id=\"run-1-title\">Run {id}</h2>"))
    );
    rig.hifi(&format!("report --run {id} --format trace"))
        .code(0);
    assert_eq!(rig.read("trace.json").matches("process_name").count(), 1);
    rig.hifi("report --run last --format trace")
        .code(2)
        .complains("give the run's id");
    damage(&rig, |lines| {
        let end = lines.iter().rposition(|line| line.contains(" Run ended "));
        lines.truncate(end.unwrap());
    });
    rig.hifi("report --run last damaged.log")
        .code(0)
        .prints("CANNOT TELL");
    rig.hifi("report --run last --killed damaged.log")
        .code(0)
        .prints("CLEAN");
}

#[test]
fn a_group_begins_with_a_table_of_its_shards() {
    let rig = Rig::new();
    for index in [0, 1, 3] {
        rig.hifi(&format!(
            "-q -t 2 -n 5 --time-scale 0 --seed 1 --shard {index}/4 --group friday --log-file shard-{index}.log"
        ))
        .code(0);
    }
    rig.audit("shard-0.log shard-1.log shard-3.log").code(1);
    rig.hifi("report shard-3.log shard-0.log shard-1.log")
        .code(0)
        .prints("FINDINGS");
    let page = rig.read("report.html");
    asks_for_nothing(&page);
    let group = page.split("<h2 id=\"group-friday\">").nth(1).unwrap();
    let (table, rest) = group.split_once("</table>").unwrap();
    assert!(table.contains("3 of 4 shards are there, 1 lost"), "{table}");
    let shards: Vec<&str> = table.split("<tr>").skip(2).collect();
    let expected = ["0/4", "1/4", "2/4", "3/4"];
    assert_eq!(shards.len(), expected.len());
    for (row, shard) in shards.iter().zip(expected) {
        assert!(row.contains(shard), "{row}");
        assert_eq!(row.contains("LOST"), shard == "2/4", "{row}");
        assert_eq!(row.contains("href=\"#run-"), shard != "2/4", "{row}");
    }
    assert!(!rest.contains("<h2 id=\"runs\">"), "they are in one table");
    assert!(rest.contains(", shard 3/4</h2>"));
    assert!(page.contains("Lost shards: see whether"));
}

/// Lines that nobody has logged, names and values full of markup, and megabytes of them.
#[test]
fn nothing_that_a_log_says_acts_in_the_page() {
    let rig = Rig::new();
    rig.hifi(RUN).code(1);
    let script = "<script>document.title='broken in'</script><img src=x onerror=alert(1)>\"'><svg/onload=alert(2)>";
    let long = format!(
        "{script}{}",
        "<b>x</b>\u{1b}]0;t\u{7}\u{202e}".repeat(200_000)
    );
    damage(&rig, |lines| {
        lines[20] = lines[20].replace("Worker-", script);
        lines[40] = lines[40].replace("iteration=", &format!("iteration={script}"));
        lines.insert(70, script.to_owned());
        lines.insert(90, long);
        lines.insert(110, format!("{}\u{0}{script}", lines[110].clone()));
    });
    let name = "<script>x<b>.log";
    fs::rename(rig.path("damaged.log"), rig.path(name)).unwrap();
    rig.audit("app.log").code(0);
    rig.hifi(&format!("report {name}"))
        .code(0)
        .prints("FINDINGS");
    let page = rig.read("report.html");
    asks_for_nothing(&page);
    assert!(page.len() < 300_000, "{}", page.len());
    assert!(page.contains("&lt;script&gt;"), "it is shown as text");
    let acting = |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c);
    assert!(!page.contains(acting));
}

#[test]
fn a_report_never_takes_the_place_of_its_log() {
    let rig = Rig::new();
    rig.hifi("-q -t 2 -n 5 --time-scale 0 --seed 1").code(0);
    std::os::unix::fs::symlink("app.log", rig.path("link")).unwrap();
    let log = rig.read("app.log");
    for args in ["-o app.log", "-o link", "link -o ./app.log --format trace"] {
        rig.hifi(&format!("report {args}"))
            .code(2)
            .complains("name another file");
    }
    assert_eq!(rig.read("app.log"), log);
    rig.hifi("report /dev/null -o /dev/null").code(0);
}

#[test]
fn an_output_is_replaced_whole_or_not_at_all() {
    let rig = Rig::new();
    rig.hifi("-q -t 2 -n 5 --time-scale 0 --seed 1").code(0);
    fs::write(rig.path("report.html"), "before").unwrap();
    for (args, code, words) in [
        ("report missing.log", 2, "missing.log"),
        (
            "report -o /dev/full",
            1,
            "the report cannot be written to /dev/full",
        ),
        ("report -o nowhere/report.html", 2, "nowhere"),
        ("report -o .", 2, "folder"),
        ("report --format svg", 2, "html, trace, lnav"),
        ("report --format trace -o /dev/full", 1, "cannot be written"),
    ] {
        rig.hifi(args).code(code).complains(words);
    }
    assert_eq!(rig.read("report.html"), "before");
    assert_eq!(files(&rig), ["report.html"]);
    rig.hifi("report").code(0);
    assert!(rig.read("report.html").ends_with("</html>"));
    assert_eq!(files(&rig), ["report.html"]);
}

/// A slice of a trace, as a viewer sees it.
struct Slice {
    name: String,
    from: u64,
    to: u64,
}

/// Reads a trace as a viewer does: slices by track, in the order of the file, which must nest.
fn tracks(trace: &Value) -> BTreeMap<(u64, u64), Vec<Slice>> {
    let mut tracks: BTreeMap<(u64, u64), Vec<Slice>> = BTreeMap::new();
    for event in trace["traceEvents"].as_array().unwrap() {
        let number = |key: &str| {
            event[key]
                .as_u64()
                .unwrap_or_else(|| panic!("{key}: {event}"))
        };
        let track = (number("pid"), number("tid"));
        match event["ph"].as_str().unwrap() {
            "X" => tracks.entry(track).or_default().push(Slice {
                name: event["name"].as_str().unwrap().to_owned(),
                from: number("ts"),
                to: number("ts") + number("dur"),
            }),
            "i" => assert_eq!(event["s"], "t", "{event}"),
            "C" => assert!(
                event["args"]
                    .as_object()
                    .unwrap()
                    .values()
                    .all(Value::is_number),
                "{event}"
            ),
            "M" => assert!(
                event["args"]["name"].is_string() || event["args"]["sort_index"].is_number(),
                "{event}"
            ),
            other => panic!("{other}: {event}"),
        }
    }
    for slices in tracks.values() {
        let mut open: Vec<&Slice> = Vec::new();
        let mut last = 0;
        for slice in slices {
            assert!(slice.from >= last, "{} is out of order", slice.name);
            last = slice.from;
            while open
                .last()
                .is_some_and(|outer| outer.to <= slice.from && outer.to < slice.to)
            {
                open.pop();
            }
            if let Some(outer) = open.last().filter(|outer| slice.from < outer.to) {
                assert!(
                    slice.to <= outer.to,
                    "{} reaches beyond {}",
                    slice.name,
                    outer.name
                );
            }
            open.push(slice);
        }
    }
    tracks
}

#[test]
fn a_trace_has_nested_slices_in_microseconds() {
    let rig = Rig::new();
    let options = RUN.replace("--time-scale 0.001", "--time-scale 0.02");
    let summary = rig
        .hifi(&format!("{options} --summary json"))
        .code(1)
        .json();
    rig.hifi("report --format trace")
        .code(0)
        .prints("trace.json: CLEAN");
    let trace: Value = serde_json::from_str(&rig.read("trace.json")).unwrap();
    assert_eq!(trace["otherData"]["left_out"], "nothing");
    let tracks = tracks(&trace);
    assert_eq!(tracks.len(), 4, "a track for each worker");
    let slices = |name: &str| -> Vec<&Slice> {
        tracks
            .values()
            .flatten()
            .filter(|slice| slice.name == name)
            .collect()
    };
    let operations = &summary["operations"];
    let count = |key: &str| operations[key].as_u64().unwrap();
    let ended = count("completed") + count("abandoned") + count("panicked");
    assert_eq!(slices("operation").len() as u64, ended);
    assert_eq!(
        slices("attempt").len() as u64,
        ended + summary["retries"].as_u64().unwrap()
    );
    assert_eq!(
        slices("backoff").len() as u64,
        summary["retries"].as_u64().unwrap()
    );
    // 500 ms times 0.02.
    assert!(
        slices("backoff")
            .iter()
            .all(|slice| slice.to - slice.from == 10_000)
    );
    assert!(
        slices("wait")
            .iter()
            .all(|slice| slice.to - slice.from <= 200)
    );
    let events = trace["traceEvents"].as_array().unwrap();
    let panics = events
        .iter()
        .filter(|event| event["ph"] == "i" && event["name"] == "panicked");
    assert_eq!(panics.count() as u64, count("panicked"));
    assert!(
        events
            .iter()
            .any(|event| event["ph"] == "C" && event["args"]["completed"].is_u64())
    );
    // The stamps are those of the log.
    let first = rig.read("app.log");
    let day = &first[..10];
    let from = slices("operation")
        .iter()
        .map(|slice| slice.from)
        .min()
        .unwrap();
    let stamp = humantime_day(from);
    assert_eq!(stamp, day);
}

/// The date of a time in microseconds since 1970, as the system's own tool says it.
fn humantime_day(micros: u64) -> String {
    let output = Command::new("date")
        .args(["-u", "+%F", "-d", &format!("@{}", micros / 1_000_000)])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_trace_of_a_damaged_log_nests_as_well() {
    let rig = Rig::new();
    rig.hifi(RUN).code(1);
    damage(&rig, |lines| {
        lines.drain(100..140);
        lines.swap(200, 240);
        let copy = lines[50].clone();
        lines.insert(61, copy);
    });
    rig.audit("damaged.log").code(1);
    rig.hifi("report damaged.log --format trace -o damaged.json")
        .code(0)
        .prints("FINDINGS");
    let trace: Value = serde_json::from_str(&rig.read("damaged.json")).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let missing = events
        .iter()
        .filter(|event| event["name"] == "lines missing");
    let missing: u64 = missing
        .map(|event| event["args"]["lines"].as_u64().unwrap())
        .sum();
    assert!(missing >= 40, "{missing}");
}

/// A viewer puts events in the order of time; what stands first in the file is the outer one.
#[test]
fn a_trace_of_a_log_with_its_newest_lines_first_is_the_same() {
    let rig = Rig::new();
    rig.hifi(RUN).code(1);
    damage(&rig, |lines| lines.reverse());
    rig.audit("damaged.log").code(0);
    let slices = ["app.log", "damaged.log"].map(|log| {
        rig.hifi(&format!("report {log} --format trace")).code(0);
        let mut trace: Value = serde_json::from_str(&rig.read("trace.json")).unwrap();
        let events = trace["traceEvents"].as_array_mut().unwrap();
        events.sort_by_key(|event| event["ts"].as_u64());
        let tracks = tracks(&trace).into_iter().map(|(track, slices)| {
            let slices = slices
                .into_iter()
                .map(|slice| (slice.from, slice.to, slice.name));
            let mut slices: Vec<_> = slices.collect();
            slices.sort();
            (track, slices)
        });
        tracks.collect::<Vec<_>>()
    });
    assert_eq!(slices[0], slices[1]);
}

#[test]
fn a_signal_leaves_nothing_of_a_report_behind() {
    let rig = Rig::new();
    for (name, number) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        let mut command = rig.command("report - -o page.html");
        command.stdin(Stdio::piped());
        let report = rig.start_command(command);
        // Besides the first one there is that which waits for signals.
        report.until_threads(2);
        assert!(files(&rig)[0].starts_with(".hifi-"));
        report.signal(name);
        let report = report.finish();
        assert_eq!(report.ended_by(), Some(number));
        assert_eq!(files(&rig), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_closes_its_end_of_any_output() {
    let rig = Rig::new();
    rig.hifi("-q -t 4 -n 400 --time-scale 0").code(0);
    for command in [
        "report -o -",
        "report -o - --format trace",
        "report -o - --format lnav",
        "plan -n unlimited",
        "audit",
        "audit --format junit",
        "dashboard",
        "completions bash",
        "man",
        "lab lossy-log",
    ] {
        let hifi = env!("CARGO_BIN_EXE_hifi");
        let script = format!("set -o pipefail; (sleep 0.1; exec '{hifi}' {command}) | true");
        let mut bash = Command::new("bash");
        bash.args(["-c", &script]).current_dir(rig.path(""));
        rig.finish(bash).code(0);
    }
}

#[test]
fn lnavs_format_names_the_fields_of_the_json_log() {
    let rig = Rig::new();
    let format = rig.hifi("report --format lnav").code(0).json();
    let format = &format["hifi_json_log"];
    assert_eq!(format["json"], true);
    rig.hifi("-q -t 1 -n 1 --time-scale 0 --failure-rate 0 --seed 1 --log-format json")
        .code(0);
    let log = rig.read("app.log");
    let line = log.lines().find(|line| line.contains("counter")).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    for field in ["timestamp-field", "level-field", "body-field", "opid-field"] {
        let name = format[field].as_str().unwrap();
        assert!(line[name].is_string(), "{field} {name}: {line}");
    }
    for name in line.as_object().unwrap().keys() {
        let known = format["value"][name].is_object()
            || ["timestamp", "level", "message"].contains(&name.as_str());
        assert!(known, "{name}");
    }
}

#[test]
fn the_labs_page_shows_each_specimen_beside_its_fixed_run() {
    let rig = Rig::new();
    rig.hifi("lab lossy-log --seed 3 --report lab.html").code(0);
    let page = rig.read("lab.html");
    asks_for_nothing(&page);
    for text in [
        "lossy-log",
        "With the bug",
        "Fixed",
        "FINDINGS",
        "CLEAN",
        "lines lost",
    ] {
        assert!(page.contains(text), "{text}");
    }
    rig.hifi("lab lossy-log --seed 3 --report /dev/full")
        .code(1)
        .complains("cannot be written");
}
