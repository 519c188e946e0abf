//! The rig of the command tests: a folder for each test, and the program run in it.
//!
//! Every log that a test leaves in its folder is audited when the test ends, and must be clean, unless the test has
//! had it judged itself. When an expectation fails, the rig prints the command, what it printed, and the folder, which it keeps.

use std::{
    cell::Cell,
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Output, Stdio},
    sync::{Arc, Once, atomic::AtomicBool},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use signal_hook::{consts::SIGHUP, flag};
use tempfile::TempDir;

/// No command of a test takes this long, on any machine: one that does hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// A little less than a pipe holds on Linux (pipe(7)): lines that do not fit into its pages leave gaps. A log that is
/// longer has filled the console's pipe, or is about to.
pub(crate) const PIPE_BYTES: u64 = 60 << 10;

static HANGUP: Once = Once::new();

/// A folder of its own, which is removed if the test succeeds.
pub(crate) struct Rig {
    folder: TempDir,
    judged: Cell<bool>,
}

impl Rig {
    pub(crate) fn new() -> Self {
        // What these tests ignore, such as hangups under nohup, the programs that they start ignore as well. What they
        // handle has its default there.
        HANGUP.call_once(|| {
            let heard = Arc::<AtomicBool>::default();
            flag::register(SIGHUP, heard).expect("a handler");
        });
        let folder = tempfile::Builder::new().prefix("hifi-test-").tempdir();
        Self {
            folder: folder.expect("a temporary folder"),
            judged: Cell::new(false),
        }
    }

    /// Audits logs with the options and files in `args`. The folder's logs then count as judged.
    pub(crate) fn audit(&self, args: &str) -> Finished {
        self.judged.set(true);
        self.hifi(&format!("audit --format json {args}"))
    }

    /// The names of the logs in the folder.
    fn logs(&self) -> Vec<String> {
        let names = fs::read_dir(self.folder.path()).expect("the folder can be read");
        let names = names.map(|entry| {
            entry
                .expect("the folder can be read")
                .file_name()
                .into_string()
        });
        names
            .filter_map(Result::ok)
            .filter(|name| name.contains(".log"))
            .collect()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The program, to be run in the folder with nothing of the caller's environment but the search path.
    pub(crate) fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hifi"));
        command.args(args.split_whitespace());
        command.current_dir(self.folder.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.stdin(Stdio::null());
        command
    }

    /// The program, as [`Rig::command`] has it, with at most so many bytes of address space.
    pub(crate) fn limited(&self, memory: u64, args: &str) -> Command {
        let mut command = Command::new("prlimit");
        command.arg(format!("--as={memory}"));
        command.arg(env!("CARGO_BIN_EXE_hifi"));
        command.args(args.split_whitespace());
        command.current_dir(self.folder.path());
        command
    }

    /// Runs `command` to its end, while `feed` writes what it reads.
    pub(crate) fn fed(
        &self,
        mut command: Command,
        feed: impl FnOnce(ChildStdin) + Send + 'static,
    ) -> Finished {
        let words = format!("{command:?}");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{words}: {error}"));
        let stdin = child.stdin.take().expect("it is piped");
        let feeder = thread::spawn(move || feed(stdin));
        let finished = self.wait(words, child);
        feeder.join().expect("the feeder ends");
        finished
    }

    /// Runs the program to its end.
    pub(crate) fn hifi(&self, args: &str) -> Finished {
        self.finish(self.command(args))
    }

    /// Runs `command` to its end, with what it prints caught unless it goes elsewhere already.
    pub(crate) fn finish(&self, mut command: Command) -> Finished {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        self.finish_as_is(command)
    }

    /// Runs `command` to its end with its streams as they are.
    pub(crate) fn finish_as_is(&self, mut command: Command) -> Finished {
        let words = format!("{command:?}");
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{words}: {error}"));
        self.wait(words, child)
    }

    /// Starts the program in the background.
    pub(crate) fn start(&self, args: &str) -> Started<'_> {
        let mut command = self.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        self.start_command(command)
    }

    /// Starts `command` in the background.
    pub(crate) fn start_command(&self, mut command: Command) -> Started<'_> {
        let words = format!("{command:?}");
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{words}: {error}"));
        Started {
            rig: self,
            words,
            child,
        }
    }

    fn wait(&self, command: String, mut child: Child) -> Finished {
        let streams = [
            child.stdout.take().map(drain),
            child.stderr.take().map(drain),
        ];
        let started = Instant::now();
        let status = loop {
            match child.try_wait().expect("the child can be waited for") {
                Some(status) => break Some(status),
                None if started.elapsed() > PATIENCE => {
                    child.kill().expect("the child can be killed");
                    child.wait().expect("the child can be waited for");
                    break None;
                }
                None => thread::sleep(Duration::from_millis(1)),
            }
        };
        let [stdout, stderr] = streams.map(|stream| {
            stream.map_or_else(Vec::new, |reader| reader.join().expect("the reader ends"))
        });
        let finished = Finished {
            command,
            folder: self.folder.path().into(),
            output: None,
            stdout,
            stderr,
        };
        match status {
            Some(status) => Finished {
                output: Some(status),
                ..finished
            },
            None => finished.fail("it did not end"),
        }
    }
}

fn drain(mut stream: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        stream
            .read_to_end(&mut bytes)
            .expect("the child's output can be read");
        bytes
    })
}

impl Drop for Rig {
    fn drop(&mut self) {
        if thread::panicking() {
            self.folder.disable_cleanup(true);
            eprintln!("the folder is kept: {}", self.folder.path().display());
        } else if !self.judged.get() && !self.logs().is_empty() {
            self.audit(&self.logs().join(" ")).code(0);
        }
    }
}

/// A program in the background.
pub(crate) struct Started<'a> {
    rig: &'a Rig,
    words: String,
    child: Child,
}

impl Started<'_> {
    /// Waits until `file` in the folder holds `text`.
    pub(crate) fn until(&self, file: &str, text: &str) {
        let started = Instant::now();
        // Of a file that grows as fast as it is read what was there first is enough.
        let read = || {
            let file = File::open(self.rig.path(file))?;
            let length = file.metadata()?.len();
            io::read_to_string(file.take(length))
        };
        while !read().is_ok_and(|content| content.contains(text)) {
            assert!(
                started.elapsed() < PATIENCE,
                "{}: {file} never held {text:?}",
                self.words
            );
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until `file` in the folder is longer than this.
    pub(crate) fn until_longer_than(&self, file: &str, bytes: u64) {
        let started = Instant::now();
        while fs::metadata(self.rig.path(file)).map_or(0, |found| found.len()) <= bytes {
            assert!(
                started.elapsed() < PATIENCE,
                "{}: {file} stayed short",
                self.words
            );
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until it has as many threads.
    pub(crate) fn until_threads(&self, count: usize) {
        let started = Instant::now();
        let tasks = format!("/proc/{}/task", self.child.id());
        while fs::read_dir(&tasks).map_or(0, Iterator::count) < count {
            assert!(
                started.elapsed() < PATIENCE,
                "{}: it never had {count} threads",
                self.words
            );
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Sends a signal, by its name.
    pub(crate) fn signal(&self, name: &str) {
        self.signals(&[name]);
    }

    /// Sends signals, one right behind the other, however busy the machine is.
    pub(crate) fn signals(&self, names: &[&str]) {
        let kills: Vec<String> = names
            .iter()
            .map(|name| format!("kill -s {name} {}", self.child.id()))
            .collect();
        let status = Command::new("sh").args(["-c", &kills.join("; ")]).status();
        assert!(
            status.expect("sh can be run").success(),
            "{names:?} could not be sent to {}",
            self.words
        );
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    pub(crate) fn finish(self) -> Finished {
        self.rig.wait(self.words, self.child)
    }
}

/// A program that has ended.
pub(crate) struct Finished {
    command: String,
    folder: PathBuf,
    output: Option<std::process::ExitStatus>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Finished {
    /// The signal that ended it, if one did.
    pub(crate) fn ended_by(&self) -> Option<i32> {
        self.output.and_then(|status| status.signal())
    }

    /// Its exit code, if it ended of its own.
    pub(crate) fn exit_code(&self) -> Option<i32> {
        self.output.and_then(|status| status.code())
    }

    /// Expects an exit code.
    #[track_caller]
    pub(crate) fn code(self, expected: i32) -> Self {
        if self.output.and_then(|status| status.code()) != Some(expected) {
            self.fail(&format!("its exit code was to be {expected}"));
        }
        self
    }

    /// Expects text on standard error.
    #[track_caller]
    pub(crate) fn complains(self, text: &str) -> Self {
        if !self.stderr().contains(text) {
            self.fail(&format!("its standard error was to hold {text:?}"));
        }
        self
    }

    /// Expects text on standard output.
    #[track_caller]
    pub(crate) fn prints(self, text: &str) -> Self {
        if !self.stdout().contains(text) {
            self.fail(&format!("its standard output was to hold {text:?}"));
        }
        self
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// What it printed, as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| {
            self.fail(&format!("its standard output was to be JSON: {error}"))
        })
    }

    #[track_caller]
    pub(crate) fn fail(&self, why: &str) -> ! {
        let start =
            |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(4000)]).into_owned();
        panic!(
            "{why}\n--- command: {}\n--- folder: {}\n--- ended: {:?}\n--- stdout:\n{}\n--- stderr:\n{}",
            self.command,
            self.folder.display(),
            self.output,
            start(&self.stdout),
            start(&self.stderr)
        )
    }
}

/// The lines of a JSON log or plan.
pub(crate) fn json_lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// Whether the tests run as root, which some faults need; CI does. Says so where a test is left out.
pub(crate) fn is_root(what: &str) -> bool {
    let output: Output = Command::new("id")
        .arg("-u")
        .output()
        .expect("id can be run");
    let root = output.stdout.trim_ascii() == b"0";
    if !root {
        left_out(&format!("{what}: it needs root"));
    }
    root
}

/// Says that a test, or a part of one, is left out: past the catching of what tests print, so that it is seen.
pub(crate) fn left_out(what: &str) {
    let _ = writeln!(io::stderr(), "LEFT OUT: {what}");
}

/// Mounts a file system of `size` in memory at `folder`, for as long as the mount lives.
pub(crate) struct Tmpfs(PathBuf);

impl Tmpfs {
    pub(crate) fn mount(folder: &Path, size: &str) -> Self {
        fs::create_dir(folder).expect("the mount point can be made");
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder)
            .status()
            .expect("mount can be run");
        assert!(status.success(), "a tmpfs can be mounted");
        Self(folder.into())
    }

    /// Gives it another size.
    #[cfg(feature = "monitoring")]
    pub(crate) fn resize(&self, size: &str) {
        let status = Command::new("mount")
            .args(["-o", &format!("remount,size={size}")])
            .arg(&self.0)
            .status()
            .expect("mount can be run");
        assert!(status.success(), "a tmpfs can be resized");
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}
