//! JUnit's XML in the hands of those who read it: Jenkins' schema, and a package of Python's.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::{rig::Rig, shippers::program, whole::Log};

/// Prints what the reader makes of a report: how many cases there are, and which of them failed, and which are in error.
const READER: &str = r#"
import json, sys
from junitparser import Error, Failure, JUnitXml
report = JUnitXml.fromfile(sys.argv[1])
told = (report.tests, report.failures, report.errors)
report.update_statistics()
assert told == (report.tests, report.failures, report.errors), told
cases = [(case.name, result) for suite in report for case in suite for result in case.result]
print(json.dumps({
    "cases": report.tests,
    "failures": [[name, result.message] for name, result in cases if isinstance(result, Failure)],
    "errors": [name for name, result in cases if isinstance(result, Error)],
}))
"#;

#[test]
#[ignore = "needs xmllint, junitparser and Jenkins' schema"]
fn a_verdict_as_junit_is_read_by_others() {
    let rig = Rig::new();
    let log = Log::of_run(&rig, "text");
    let strays = "disk 1 <b title=\"x\">\u{1}\u{1b}[31m & ]]></b> is full\n";
    let head: String = log.text.split_inclusive('\n').take(100).collect();
    for (text, code, failures, errors) in [
        (log.text.clone(), 0, json!([]), json!([])),
        (log.without(), 1, json!([["lost", "1 lost"]]), json!([])),
        (
            format!("{head}{strays}{}", &log.text[head.len()..]),
            1,
            json!([["unexpected", "1 unexpected"]]),
            json!([]),
        ),
        (head, 2, json!([]), json!(["can be told"])),
    ] {
        fs::write(rig.path("log"), text).unwrap();
        let xml = rig.hifi("audit --format junit log").code(code).stdout();
        fs::write(rig.path("report.xml"), xml).unwrap();
        let read = read(&rig);
        assert_eq!((&read["failures"], &read["errors"]), (&failures, &errors));
        assert_eq!(read["cases"], 11);
    }
}

/// What others make of the report.
fn read(rig: &Rig) -> Value {
    let folder = env::var_os("HIFI_JUNIT").map(PathBuf::from);
    let folder = folder.filter(|folder| folder.join("complete").exists());
    let folder = folder.expect(
        "HIFI_JUNIT must name the folder of junitparser and the schema (.ci/services makes it)",
    );
    let run = |program: &Path, args: &[&str]| {
        let mut command = Command::new(program);
        command
            .args(args)
            .arg("report.xml")
            .current_dir(rig.path(""));
        rig.finish(command).code(0)
    };
    let schema = folder.join("junit-10.xsd");
    let schema = schema.to_str().unwrap();
    run(
        &program("xmllint", "libxml2-utils"),
        &["--noout", "--schema", schema],
    );
    run(&folder.join("bin/python"), &["-c", READER]).json()
}
