use std::collections::HashMap;

use crate::rig::{Rig, json_lines};

#[test]
fn sequence_numbers_have_no_gaps_and_time_never_falls() {
    for flush in ["5ms", "0"] {
        let rig = Rig::new();
        rig.hifi(&format!(
            "-t 20 -n 500 --time-scale 0 --log-format json -q --flush-interval {flush}"
        ))
        .code(0);
        let mut next: HashMap<String, u64> = HashMap::new();
        let mut last = String::new();
        for line in json_lines(&rig.read("app.log")) {
            let expected = next.entry(line["worker"].to_string()).or_default();
            assert_eq!(line["seq"], *expected, "{line}");
            *expected += 1;
            let stamp = line["timestamp"].as_str().unwrap().to_owned();
            assert!(stamp >= last, "{line} comes after {last}");
            last = stamp;
        }
        assert_eq!(next.len(), 21);
    }
}

#[test]
fn text_and_json_tell_the_same_with_the_same_checksums() {
    let sums = |log: &str| -> Vec<String> {
        let mut lines: Vec<_> = log
            .lines()
            .map(|line| hifi::log::line::Line::parse(line.as_bytes()).unwrap())
            .inspect(|line| assert!(line.sum_holds(), "{line:?}"))
            .filter(|line| line.field("worker").is_some())
            .map(|line| format!("{} {} {:?}", line.level, line.message, &line.fields[1..]))
            .collect();
        lines.sort_unstable();
        lines
    };
    let rig = Rig::new();
    let args = "-t 1 -n 50 --time-scale 0 --seed 3 --panic-rate 0.001 -q";
    rig.hifi(&format!("{args} --log-file text.log")).code(0);
    rig.hifi(&format!("{args} --log-file json.log --log-format json"))
        .code(0);
    assert_eq!(sums(&rig.read("text.log")), sums(&rig.read("json.log")));
}

#[test]
fn the_file_is_appended_to() {
    let rig = Rig::new();
    rig.hifi("-n 1 --time-scale 0 -q").code(0);
    let first = rig.read("app.log");
    rig.hifi("-n 1 --time-scale 0 -q").code(0);
    assert!(rig.read("app.log").starts_with(&first));
    assert_eq!(rig.read("app.log").matches("Run started").count(), 2);
}

#[test]
fn quiet_levels_and_rust_log_change_the_console_only() {
    let rig = Rig::new();
    let mut file_lines = None;
    for (args, rust_log, errors, infos) in [
        ("", None, true, true),
        ("--quiet", None, false, false),
        ("--log-level off", None, false, false),
        ("--log-level error", None, true, false),
        ("", Some("error"), true, false),
        ("", Some("warn,hifi=info"), true, true),
        ("", Some("other=trace"), false, false),
        ("--log-level info", Some("error"), true, true),
        ("--quiet", Some("trace"), false, false),
        ("", Some(""), true, true),
    ] {
        let _ = std::fs::remove_file(rig.path("app.log"));
        let mut command = rig.command(&format!("-t 2 -n 20 --time-scale 0 --seed 4 {args}"));
        rust_log.map(|value| command.env("RUST_LOG", value));
        let finished = rig.finish(command).code(0);
        let shown = |level| finished.stderr().lines().any(|line| line.contains(level));
        assert_eq!(
            (shown(" ERROR "), shown(" INFO ")),
            (errors, infos),
            "{args} RUST_LOG={rust_log:?}"
        );
        let lines = rig.read("app.log").lines().count();
        assert_eq!(
            *file_lines.get_or_insert(lines),
            lines,
            "{args} RUST_LOG={rust_log:?}"
        );
    }
}

#[test]
fn colours_are_on_a_terminal_only_and_never_in_the_file() {
    let rig = Rig::new();
    let hifi = env!("CARGO_BIN_EXE_hifi");
    let on_terminal = |environment: &str| {
        let mut script = std::process::Command::new("script");
        let run = format!("{environment} '{hifi}' -t 2 -n 5 --time-scale 0 --seed 4");
        script
            .args(["-q", "-e", "-c", &run, "/dev/null"])
            .current_dir(rig.path(""));
        rig.finish(script).code(0).stdout()
    };
    assert!(on_terminal("").contains("\x1b[31m"));
    assert!(!on_terminal("NO_COLOR=1").contains('\x1b'));
    assert!(
        !rig.hifi("-t 2 -n 5 --time-scale 0")
            .code(0)
            .stderr()
            .contains('\x1b')
    );
    assert!(!rig.read("app.log").contains('\x1b'));
}

#[test]
fn runs_that_append_together_never_tear_each_others_lines() {
    let rig = Rig::new();
    let runs: Vec<_> = (0..4)
        .map(|_| rig.start("-t 4 -n 5000 --time-scale 0 --max-retries 1 -q"))
        .collect();
    runs.into_iter().for_each(|run| drop(run.finish().code(0)));
    let log = rig.read("app.log");
    for line in log.lines() {
        assert!(
            hifi::log::line::Line::parse(line.as_bytes()).is_some_and(|line| line.sum_holds()),
            "{line}"
        );
    }
    assert_eq!(log.matches(" Run ended ").count(), 4);
}

#[test]
fn rotation_names_the_file_after_its_date() {
    for (rotation, parts) in [("daily", 3), ("hourly", 4)] {
        let rig = Rig::new();
        rig.hifi(&format!("-n 5 --time-scale 0 -q --rotation {rotation}"))
            .code(0);
        let names: Vec<_> = std::fs::read_dir(rig.path(""))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert!(!names.is_empty());
        for name in names {
            let date = name
                .strip_prefix("app.log.")
                .unwrap_or_else(|| panic!("{name}"));
            assert_eq!(date.split('-').count(), parts, "{name}");
        }
    }
}

#[test]
fn a_log_on_standard_output_is_alone_there() {
    for (format, flush) in [("json", "5ms"), ("text", "0")] {
        let rig = Rig::new();
        let args = format!("-t 4 -n 200 --time-scale 0 -q --log-file - --flush-interval {flush}");
        let finished = rig.hifi(&format!("{args} --log-format {format}")).code(0);
        finished
            .stderr()
            .contains("PROBLEM")
            .then(|| panic!("{}", finished.stderr()));
        assert!(
            finished.stderr().contains("\nReplay "),
            "the summary is on standard error: {}",
            finished.stderr()
        );
        assert!(!rig.path("-").exists() && !rig.path("app.log").exists());
        std::fs::write(rig.path("caught.log"), finished.stdout()).unwrap();
        let lines = finished.stdout().lines().count();
        if format == "json" {
            assert_eq!(json_lines(&finished.stdout()).len(), lines);
        }
        let verdict = rig.audit("caught.log").code(0).json();
        assert_eq!(verdict["runs"][0]["lines"], lines);
    }
}

#[test]
fn a_run_without_a_summary_prints_nothing_but_what_went_wrong() {
    let rig = Rig::new();
    let args = "-t 2 -n 5 --time-scale 0 -q --summary none";
    let finished = rig.hifi(args).code(0);
    assert_eq!((finished.stdout(), finished.stderr()), Default::default());
    let finished = rig.hifi(&format!("{args} --log-file /dev/full")).code(1);
    assert_eq!(finished.stdout(), "");
    finished.complains("the log could not be written to /dev/full");
}
