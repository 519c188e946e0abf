use std::process::Command;

use crate::rig::Rig;

/// A run whose errors are to be reported to `dsn`.
fn reporting(rig: &Rig, dsn: &str, args: &str) -> Command {
    let mut command = rig.command(args);
    command.env("SENTRY_DSN", dsn);
    command
}

#[cfg(feature = "sentry")]
mod with_sentry {
    use std::{fs, net::TcpListener, process::Stdio};

    use super::*;

    /// An address that takes connections and never says a word. There is nobody who accepts them, so the system keeps
    /// as many as it likes and lets the others wait.
    fn silence() -> (TcpListener, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let dsn = format!("http://key@{}/1", listener.local_addr().unwrap());
        (listener, dsn)
    }

    #[test]
    fn a_bad_dsn_is_refused_before_anything_is_created() {
        let rig = Rig::new();
        for (dsn, why) in [
            ("nonsense", "no valid url"),
            ("https://example.com/1", "username is empty"),
            ("https://key@example.com", "empty path"),
            ("ftp://key@example.com/1", "scheme"),
        ] {
            rig.finish(reporting(&rig, dsn, "-q"))
                .code(2)
                .complains(&format!(
                    "invalid value '{dsn}' for the environment variable SENTRY_DSN"
                ))
                .complains(why)
                .complains("such as https://KEY@HOST/PROJECT; correct it, or unset it");
        }
        assert_eq!(fs::read_dir(rig.path("")).unwrap().count(), 0);
        let summary = rig.finish(reporting(&rig, "", "-q --time-scale 0 --summary json"));
        assert!(
            summary.code(0).json().get("sentry").is_none(),
            "an empty one is none"
        );
    }

    /// Waiting for an answer to each report would take minutes, and for a queue of them all for days.
    #[test]
    fn a_server_that_never_answers_holds_nothing_up() {
        let rig = Rig::new();
        let (_listener, dsn) = silence();
        let args = "-t 4 -n 50000 --failure-rate 1 --max-retries 0 --panic-rate 0.00001 --seed 2 --time-scale 0 -q \
                    --summary json";
        let summary = rig.finish(reporting(&rig, &dsn, args)).code(1).json();
        let operations = &summary["operations"];
        let errors =
            operations["abandoned"].as_u64().unwrap() + operations["panicked"].as_u64().unwrap();
        assert!(errors > 50_000, "{summary}");
        assert_eq!(
            summary["sentry"],
            serde_json::json!({"errors": errors, "delivered": 0})
        );
    }

    #[test]
    fn a_signal_shortens_the_wait() {
        let rig = Rig::new();
        let (_listener, dsn) = silence();
        let mut command = reporting(
            &rig,
            &dsn,
            "-t 3 --failure-rate 1 --max-retries 0 --retry-delay 1h --summary json",
        );
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let run = rig.start_command(command);
        for worker in 0..3 {
            run.until("app.log", &format!(" Worker-{worker} I/O operation failed"));
        }
        run.signal("TERM");
        let summary = run.finish().code(143).json();
        assert_eq!(
            summary["sentry"],
            serde_json::json!({"errors": 3, "delivered": 0})
        );
    }

    #[test]
    fn nobody_at_the_address_is_no_problem_of_the_run() {
        let rig = Rig::new();
        let (listener, dsn) = silence();
        drop(listener);
        rig.finish(reporting(&rig, &dsn, "-t 2 --failure-rate 1 --time-scale 0 -q"))
            .code(0)
            .prints("Sentry                   200 errors\n                           0 of them reported, the others not\n");
    }
}

#[cfg(not(feature = "sentry"))]
#[test]
fn a_build_without_sentry_says_so() {
    let rig = Rig::new();
    let dsn = "https://key@example.com/1";
    rig.finish(reporting(&rig, dsn, "-t 2 -n 10 --time-scale 0 -q"))
        .code(0)
        .complains("SENTRY_DSN is set, but this hifi was built without the feature `sentry`")
        .complains("`cargo build --features sentry`");
}
