use std::{
    fs,
    os::unix::{ffi::OsStrExt, fs::symlink},
    process::Command,
    thread,
    time::Duration,
};

use crate::rig::{Rig, Tmpfs, is_root};

const SLOW: &str = "-t 2 -n unlimited --success-delay 1ms --failure-rate 0 -q --summary json";

/// A rotated file has the date behind its name.
#[test]
fn a_rotated_log_that_is_deleted_is_opened_anew() {
    let rig = Rig::new();
    let logs = rig.path("logs");
    fs::create_dir(&logs).unwrap();
    let run = rig.start(&format!("{SLOW} --rotation daily --log-file logs/app.log"));
    let file = loop {
        if let Some(entry) = fs::read_dir(&logs).unwrap().next() {
            break format!("logs/{}", entry.unwrap().file_name().display());
        }
        thread::sleep(Duration::from_millis(5));
    };
    run.until(&file, " worker=1 seq=20 ");
    fs::remove_file(rig.path(&file)).unwrap();
    run.until(&file, "Log reopened");
    run.signal("TERM");
    run.finish().code(143);
}

/// A folder that is removed takes the lines in it along; it is made anew with the log in it.
#[test]
fn a_folder_that_is_removed_is_made_anew_with_the_log_in_it() {
    let rig = Rig::new();
    fs::create_dir(rig.path("logs")).unwrap();
    let run = rig.start(&format!("{SLOW} --log-file logs/app.log --seed 3"));
    run.until("logs/app.log", " worker=1 seq=20 ");
    fs::remove_dir_all(rig.path("logs")).unwrap();
    run.until("logs/app.log", "Log reopened");
    run.signal("TERM");
    let summary = run.finish().code(143).json();
    let options = "-t 2 -n unlimited --success-delay 1ms --failure-rate 0 --seed 3";
    let verdict = rig.audit(&format!("logs/app.log {options}")).code(1).json();
    let left = rig.read("logs/app.log").lines().count() as u64;
    assert_eq!(
        verdict["runs"][0]["counts"]["lost"].as_u64(),
        summary["log_lines"].as_u64().map(|all| all - left),
        "{verdict}"
    );
}

/// Where it cannot be made anew, that is an error like a full disk, and a gap names what is missing.
#[test]
fn a_folder_whose_place_is_taken_is_an_error_until_it_is_back() {
    let rig = Rig::new();
    fs::create_dir(rig.path("logs")).unwrap();
    let mut command = rig.command(&format!("{SLOW} --log-file logs/app.log"));
    command
        .stderr(fs::File::create(rig.path("console")).unwrap())
        .stdout(std::process::Stdio::piped());
    let run = rig.start_command(command);
    run.until("logs/app.log", " worker=1 seq=20 ");
    fs::rename(rig.path("logs"), rig.path("moved")).unwrap();
    fs::write(rig.path("logs"), "no folder").unwrap();
    run.until("console", "cannot write to the log file logs/app.log");
    fs::remove_file(rig.path("logs")).unwrap();
    run.until("logs/app.log", "Log gap");
    run.signal("TERM");
    let summary = run.finish().code(1).json();
    assert_eq!(summary["stopped_by"], "SIGTERM");
    let verdict = rig.audit("moved/app.log logs/app.log").code(1).json();
    let counts = &verdict["runs"][0]["counts"];
    assert!(summary["file"]["lost"].as_u64() > Some(0), "{summary}");
    assert_eq!(counts["lost"], summary["file"]["lost"], "{verdict}");
    assert_eq!(counts["announced"], summary["file"]["lost"], "{verdict}");
}

#[test]
fn a_file_system_that_is_read_only_is_told_and_ends_with_1() {
    if !is_root("a read-only file system") {
        return;
    }
    let rig = Rig::new();
    let _disk = Tmpfs::mount(&rig.path("disk"), "1m,ro");
    rig.hifi("-n 5 --time-scale 0 --log-file disk/app.log")
        .code(1)
        .complains("cannot open the log file disk/app.log")
        .complains("Read-only file system");
}

#[test]
fn a_link_that_leads_nowhere_is_followed_or_told() {
    let rig = Rig::new();
    symlink("target.log", rig.path("link.log")).unwrap();
    rig.hifi("-n 5 --time-scale 0 -q --log-file link.log")
        .code(0);
    assert!(rig.read("target.log").contains(" Run ended "));
    assert!(rig.path("link.log").is_symlink());
    fs::remove_file(rig.path("link.log")).unwrap();

    symlink("nowhere/target.log", rig.path("link")).unwrap();
    symlink("loop", rig.path("loop")).unwrap();
    for (link, why) in [("link", "No such file"), ("loop", "symbolic links")] {
        rig.hifi(&format!("-n 5 --time-scale 0 --log-file {link}"))
            .code(1)
            .complains(&format!("cannot open the log file {link}"))
            .complains(why);
    }
}

/// The system takes paths of up to 4,095 bytes.
#[test]
fn the_longest_path_works_and_a_longer_one_is_refused() {
    let rig = Rig::new();
    let mut folder = String::new();
    for _ in 0..20 {
        folder += &format!("{}/", "d".repeat(200));
    }
    fs::create_dir_all(rig.path(&folder)).unwrap();
    let path = |bytes: usize| format!("{folder}{}", "x".repeat(bytes - folder.len()));
    rig.hifi(&format!("-n 5 --time-scale 0 -q --log-file {}", path(4095)))
        .code(0)
        .prints("0 lost, 0 errors");
    rig.audit(&path(4095)).code(0);
    for bytes in [4096, 4200] {
        rig.hifi(&format!(
            "-n 5 --time-scale 0 -q --log-file {}",
            path(bytes)
        ))
        .code(1)
        .complains("File name too long");
    }
    let deep = format!("{}/app.log", "d".repeat(4096));
    rig.hifi(&format!("-n 5 --time-scale 0 -q --log-file {deep}"))
        .code(2)
        .complains("File name too long");
}

/// Names that would forge a line of the console or colour it, and how they are shown.
const NAMES: [(&str, &str); 3] = [
    ("a\nhifi: all is well", r"a\nhifi: all is well"),
    ("\x1b[31mred", r"\u001b[31mred"),
    ("a\rb\u{202e}gol", r"a\rb\u202egol"),
];

#[test]
fn a_name_that_acts_on_a_terminal_is_shown_quoted() {
    for (name, shown) in NAMES {
        let rig = Rig::new();
        let run = |folder: &str| {
            let mut command = rig.command("-n 5 --time-scale 0 --log-file");
            rig.finish({
                command.arg(rig.path(folder).join(name));
                command
            })
        };
        let finished = run("").code(0).prints(shown);
        assert!(!finished.stdout().contains(name), "{}", finished.stdout());
        fs::create_dir(rig.path("folder")).unwrap();
        symlink("/dev/full", rig.path("folder").join(name)).unwrap();
        let finished = run("folder").code(1).complains(shown);
        assert!(!finished.stderr().contains(name), "{}", finished.stderr());
        let mut audit = rig.command("audit");
        audit.arg(name);
        let finished = rig.finish(audit).code(0);
        assert!(!finished.stdout().contains(name), "{}", finished.stdout());
    }
}

/// The log's name goes into records and answers as text, so it has to be text.
#[test]
fn a_name_that_is_not_utf8_is_refused_and_can_be_audited() {
    let rig = Rig::new();
    rig.hifi("-n 5 --time-scale 0 -q").code(0);
    let name = std::ffi::OsStr::from_bytes(b"app\xff.log");
    fs::rename(rig.path("app.log"), rig.path("").join(name)).unwrap();
    let mut command: Command = rig.command("-n 5 --log-file");
    command.arg(name);
    rig.finish(command).code(2).complains("not UTF-8");
    let mut audit = rig.command("audit");
    audit.arg(name);
    rig.finish(audit).code(0);
}
