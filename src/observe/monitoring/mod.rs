//! What the feature `monitoring` adds to a run: metrics, served and written to a file, the progress line, and operations
//! that are asked for from outside; and to an audit, its own progress line.
//!
//! All that is added to a run reads what the workers publish anyway, when somebody asks. A run does not know whether it is watched.

mod metrics;
mod operations;
mod progress;
mod reading;
mod scrapes;
mod server;

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;

pub use self::reading::Reading;
use self::{operations::RequestFigures, server::Server};
use crate::{
    config::Config,
    in_words,
    log::line::displayed,
    observe::config::{MetricsConfig, ServeConfig},
    observe::watch::Sources,
    plan::workload::Micros,
    shutdown::Stop,
};

/// What has to be had before a run begins: the addresses to listen on.
#[derive(Debug)]
pub struct Prepared {
    metrics: Option<Listener>,
    operations: Option<Listener>,
}

type Listener = (TcpListener, SocketAddr);

impl Prepared {
    /// Takes the addresses of the servers.
    ///
    /// # Errors
    /// One of them cannot be had.
    pub fn new(metrics: &MetricsConfig, serve: Option<&ServeConfig>) -> anyhow::Result<Self> {
        let metrics = metrics.addr;
        let operations = serve.map(|serve| serve.addr);
        Ok(Self {
            metrics: metrics
                .map(|addr| listen(addr, "metrics", "--metrics-addr"))
                .transpose()?,
            operations: operations
                .map(|addr| listen(addr, "operations", "--serve"))
                .transpose()?,
        })
    }

    /// Starts what was asked for.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn start(self, config: &Config, sources: Sources) -> anyhow::Result<Monitoring> {
        let pipeline = &sources.dumper.pipeline;
        let served = |what, addr, path| {
            pipeline.say(&format!(
                "hifi: {what} are served on http://{addr}/{path}\n"
            ));
        };
        let mut requests = None;
        let mut operations = None;
        if let (Some((listener, addr)), Some(backlog)) = (self.operations, &sources.backlog) {
            let figures: Arc<RequestFigures> = Arc::default();
            requests = Some(Arc::clone(&figures));
            operations = Some(operations::serve(listener, Arc::clone(backlog), figures)?);
            served("operations", addr, "operations");
        }
        let mut scrapes = None;
        if let Some((listener, addr)) = self.metrics {
            scrapes = Some(scrapes::serve(listener, sources.clone(), requests.clone())?);
            served("metrics", addr, "metrics");
        }
        let progress = if config.log.console.progress {
            Some(progress::Progress::start(sources.clone())?)
        } else {
            None
        };
        Ok(Monitoring {
            config: config.metrics.clone(),
            sources,
            requests,
            operations,
            scrapes,
            progress,
        })
    }
}

fn listen(addr: SocketAddr, what: &str, option: &str) -> anyhow::Result<Listener> {
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

/// The monitoring of a run. To drop it is to end it.
#[derive(Debug)]
pub struct Monitoring {
    config: MetricsConfig,
    sources: Sources,
    requests: Option<Arc<RequestFigures>>,
    operations: Option<Server>,
    scrapes: Option<Server>,
    progress: Option<progress::Progress>,
}

impl Monitoring {
    /// No worker is left: whoever was promised an answer gets it, and the progress line goes.
    pub fn workers_ended(&mut self) {
        self.operations = None;
        self.progress = None;
    }

    /// Requests that were answered, by status code; those codes alone that occurred.
    pub fn requests(&self) -> BTreeMap<u16, u64> {
        let mut requests = self
            .requests
            .as_ref()
            .map_or_else(BTreeMap::new, |figures| figures.by_code());
        requests.retain(|_, count| *count > 0);
        requests
    }

    /// The log is closed, so all figures are final: they are written to the file that was asked for. Returns what a
    /// person should be told of it.
    pub fn run_ended(&self) -> Option<String> {
        let path = self.config.file.as_ref()?;
        let written = metrics::final_text(&self.sources, self.requests.as_deref())
            .and_then(|text| Ok(write_whole(path, &text)?));
        written.err().map(|error| {
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

/// Writes the file whole or not at all: under another name beside it, which takes its place when it is done.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    let beside: PathBuf = path.with_file_name(name);
    let written = fs::File::create(&beside)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // Where it could not be made there is nothing to remove.
        let _ = fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hifi.prom");
        write_whole(&path, "one\n").unwrap();
        write_whole(&path, "two\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
        fs::create_dir(folder.path().join("taken")).unwrap();
        assert!(write_whole(&folder.path().join("taken"), "three\n").is_err());
        let mut names: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["hifi.prom", "taken"], "nothing else is left");
    }
}
