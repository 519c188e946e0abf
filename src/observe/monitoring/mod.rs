//! What the feature `monitoring` adds to a run: metrics, served and written to a file, the progress line, and operations
//! that are asked for from outside; and to an audit, its own progress line.
//!
//! All that is added to a run reads what the workers publish anyway, when somebody asks. A run does not know whether it is watched.

mod audit_line;
mod exports;
mod metrics;
mod operations;
mod progress;
mod scrapes;
mod server;

use std::{
    collections::BTreeMap,
    fs, io, mem,
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::{Arc, mpsc},
};

use anyhow::{Context, bail};

pub use self::{audit_line::AuditLine, exports::export};
use self::{
    metrics::{LogFigures, process_families, run_families},
    operations::RequestFigures,
    scrapes::Pages,
};
use crate::{
    errors::in_words,
    files::Pending,
    log::line::displayed,
    observe::config::{MetricsConfig, ServeConfig},
    observe::sources::Sources,
    plan::workload::Micros,
    shutdown::{PATIENCE_AFTER_STOP, Stop},
    threads::{self, Background},
};

/// Whether this is in the program.
pub const BUILT_IN: bool = true;

/// The monitoring of a run. To drop it is to end it.
#[derive(Debug, Default)]
pub struct Monitoring {
    config: MetricsConfig,
    /// The addresses to listen on, which have to be had before the run begins.
    sockets: [Option<BoundSocket>; 2],
    requests: Option<Arc<RequestFigures>>,
    operations: Option<Background>,
    scrapes: Option<Background>,
    progress: Option<Background>,
}

type BoundSocket = (TcpListener, SocketAddr);

impl Monitoring {
    /// Takes the addresses of the servers.
    ///
    /// # Errors
    /// One of them cannot be had.
    pub fn new(config: &MetricsConfig, serve: Option<&ServeConfig>) -> anyhow::Result<Self> {
        let metrics = config.addr;
        let metrics = metrics.map(|addr| listen(addr, "metrics", "--metrics-addr"));
        let operations = serve.map(|serve| listen(serve.addr, "operations", "--serve"));
        Ok(Self {
            config: config.clone(),
            sockets: [operations.transpose()?, metrics.transpose()?],
            ..Self::default()
        })
    }

    /// Starts what was asked for.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn start(&mut self, progress: bool, sources: &Sources) -> anyhow::Result<()> {
        let served = |what, addr, path| {
            let text = format!("hifi: {what} are served on http://{addr}/{path}\n");
            sources.pipeline.console.say(&text);
        };
        let [operations, metrics] = mem::take(&mut self.sockets);
        if let (Some((listener, addr)), Some(backlog)) = (operations, &sources.backlog) {
            let figures = Arc::<RequestFigures>::default();
            self.requests = Some(Arc::clone(&figures));
            let server = operations::serve(listener, Arc::clone(backlog), figures)?;
            self.operations = Some(server);
            served("operations", addr, "operations");
        }
        if let Some((listener, addr)) = metrics {
            let (told, dumped) = (sources.clone(), sources.clone());
            let (requests, log) = (self.requests.clone(), LogFigures::default());
            let pages = Pages {
                metrics: Box::new(move || {
                    run_families(&told, requests.as_deref(), &log) + &process_families()
                }),
                threads: Some(Box::new(move || dumped.thread_dump())),
            };
            self.scrapes = Some(pages.serve(listener)?);
            served("metrics", addr, "metrics");
        }
        if progress {
            self.progress = Some(progress::start(sources.clone())?);
        }
        Ok(())
    }

    /// No worker is left: whoever was promised an answer gets it, and the progress line goes.
    pub fn workers_ended(&mut self) {
        self.operations = None;
        self.progress = None;
    }

    /// Requests that were answered, by status code; those codes alone that occurred.
    pub fn requests(&self) -> BTreeMap<u16, u64> {
        let requests = self.requests.iter().flat_map(|figures| figures.by_code());
        requests.filter(|(_, count)| *count > 0).collect()
    }

    /// The log is closed, so all figures are final: they are written to the file that was asked for. Returns what a
    /// person should be told of it.
    pub fn run_ended(&self, sources: &Sources) -> Option<String> {
        let path = self.config.file.as_ref()?;
        // A textfile collector tells the figures of its own process.
        let text = run_families(sources, self.requests.as_deref(), &LogFigures::default());
        write_file(path, text).err().map(|error| {
            format!(
                "the metrics file {} could not be written: {}; name another with --metrics-file",
                displayed(path),
                in_words(&error)
            )
        })
    }

    /// Keeps serving for as long as was asked for, or until a stop.
    pub fn linger(&self, stop: &Stop) {
        if self.scrapes.is_some() && self.config.linger > Micros::ZERO && !stop.requested() {
            stop.enlist();
            stop.sleep(self.config.linger.into());
        }
    }
}

fn listen(addr: SocketAddr, what: &str, option: &str) -> anyhow::Result<BoundSocket> {
    let listen = || {
        let listener = TcpListener::bind(addr)?;
        let addr = listener.local_addr()?;
        Ok::<_, io::Error>((listener, addr))
    };
    listen().with_context(|| {
        format!(
            "cannot serve {what} on {addr}; choose another address with {option}, or port 0 for any that is free"
        )
    })
}

/// Writes the metrics. A pipe that nobody reads is waited for no longer than any reader that stalls at the end.
fn write_file(path: &Path, text: String) -> anyhow::Result<()> {
    let may_stall = fs::metadata(path).is_ok_and(|found| !found.is_file());
    let path = path.to_owned();
    let write = move || {
        let mut file = Pending::open(&path)?;
        file.write(text.as_bytes());
        file.keep()
    };
    if !may_stall {
        return Ok(write()?);
    }
    let (done, written) = mpsc::channel();
    threads::spawn("metrics-file", move || {
        let _ = done.send(write());
    })?;
    match written.recv_timeout(PATIENCE_AFTER_STOP) {
        Ok(written) => Ok(written?),
        Err(_) => bail!("nobody reads it"),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt, thread};

    use super::*;

    #[test]
    fn a_regular_file_is_replaced_whole_or_not_at_all_and_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mode = |name: &str| fs::metadata(at(name)).unwrap().permissions().mode() & 0o777;
        write_file(&at("hifi.prom"), "one\n".into()).unwrap();
        assert_eq!(mode("hifi.prom") & 0o600, 0o600);
        fs::set_permissions(at("hifi.prom"), Permissions::from_mode(0o604)).unwrap();
        std::os::unix::fs::symlink("hifi.prom", at("link")).unwrap();
        write_file(&at("link"), "two\n".into()).unwrap();
        assert_eq!(fs::read_to_string(at("hifi.prom")).unwrap(), "two\n");
        assert_eq!(mode("hifi.prom"), 0o604);
        assert!(at("link").is_symlink());
        std::os::unix::fs::symlink("nowhere", at("dangling")).unwrap();
        assert!(write_file(&at("dangling"), "three\n".into()).is_err());
        assert!(write_file(folder.path(), "three\n".into()).is_err());
        let mut names: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(
            names,
            ["dangling", "hifi.prom", "link"],
            "nothing else is left"
        );
    }

    #[test]
    fn what_is_no_regular_file_is_written_into() {
        let folder = tempfile::tempdir().unwrap();
        let pipes = [folder.path().join("unread"), folder.path().join("read")];
        let made = std::process::Command::new("mkfifo").args(&pipes).status();
        assert!(made.unwrap().success());
        let [unread, read] = pipes;
        let error = write_file(&unread, "lost\n".into()).unwrap_err();
        assert_eq!(error.to_string(), "nobody reads it");
        let reader = thread::spawn({
            let read = read.clone();
            move || fs::read_to_string(read).unwrap()
        });
        write_file(&read, "metrics\n".into()).unwrap();
        assert_eq!(reader.join().unwrap(), "metrics\n");
        write_file(Path::new("/dev/null"), "gone\n".into()).unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
