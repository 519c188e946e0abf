use std::process::Command;

use crate::rig::Rig;

/// Runs each line of each `sh` block of the README, in order, in one folder. A comment says if a line
/// ends with another code than 0. What the tests cannot do themselves is left to others: `cargo test` is
/// what runs here, and the runs in real time are run without sleeping.
#[test]
fn every_command_of_the_readme_works() {
    let rig = Rig::new();
    let mut count = 0;
    for line in commands(include_str!("../../README.md")) {
        let (command, comment) = line.split_once(" #").unwrap_or((&line, ""));
        if command.starts_with("cargo ") && !command.starts_with("cargo run ") {
            continue;
        }
        if cfg!(not(feature = "monitoring")) && command.contains("report") {
            continue;
        }
        let expected = comment
            .split_once("exits with ")
            .map_or(0, |(_, code)| code.trim().parse().unwrap());
        let mut command = command
            .replace("cargo run --release -- ", "hifi ")
            .replace("cargo run -- ", "hifi ");
        if command.starts_with("hifi --") && !command.contains("--time-scale") {
            command.push_str(" --time-scale 0");
        }
        let mut shell = Command::new("bash");
        let function = format!(
            "hifi() {{ '{}' \"$@\"; }}; set -o pipefail; ",
            env!("CARGO_BIN_EXE_hifi")
        );
        shell
            .args(["-c", &(function + &command)])
            .current_dir(rig.path(""));
        rig.finish(shell).code(expected);
        count += 1;
    }
    assert!(count >= 5, "the README's commands were not found");
}

/// The lines of the `sh` blocks, those joined that end with a backslash.
fn commands(readme: &str) -> Vec<String> {
    let blocks = readme
        .split("```sh\n")
        .skip(1)
        .map(|block| block.split("```").next().unwrap_or_default());
    let lines = blocks
        .map(|block| block.replace("\\\n", " "))
        .collect::<String>();
    lines
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}
