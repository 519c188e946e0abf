//! What the feature `monitoring` adds to a run: metrics, served and written to a file, and the progress line; and to an
//! audit, its own progress line.
//!
//! All that is added to a run reads what the workers publish anyway, when somebody asks. A run does not know whether it is watched.

mod metrics;
mod progress;
mod reading;
mod server;

use std::{
    fs,
    io::{self, Write},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

use anyhow::Context;

pub use self::reading::Reading;
use crate::{
    config::Config, log::line::displayed, observe::config::MetricsConfig, observe::watch::Sources,
    plan::workload::Micros, shutdown::Stop,
};

/// What has to be had before a run begins: an address to listen on.
#[derive(Debug)]
pub struct Prepared {
    listener: Option<(TcpListener, SocketAddr)>,
}

impl Prepared {
    /// Takes the address of the metrics server.
    ///
    /// # Errors
    /// It cannot be had.
    pub fn new(config: &MetricsConfig) -> anyhow::Result<Self> {
        let listener = config.addr.map(|addr| {
            let listener = TcpListener::bind(addr)?;
            let addr = listener.local_addr()?;
            Ok::<_, io::Error>((listener, addr))
        });
        let listener = listener.transpose().with_context(|| {
            format!(
                "cannot serve metrics on {}; choose another address with --metrics-addr, or port 0 for any that is free",
                config.addr.map_or_else(String::new, |addr| addr.to_string())
            )
        })?;
        Ok(Self { listener })
    }

    /// Starts what was asked for.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn start(self, config: &Config, sources: Sources) -> anyhow::Result<Monitoring> {
        let server = match self.listener {
            Some((listener, addr)) => {
                let server = server::Server::start(listener, sources.clone())?;
                sources.dumper.pipeline.say(&format!(
                    "hifi: metrics are served on http://{addr}/metrics\n"
                ));
                Some(server)
            }
            None => None,
        };
        let progress = if config.log.console.progress {
            Some(progress::Progress::start(sources.clone())?)
        } else {
            None
        };
        Ok(Monitoring {
            config: config.metrics.clone(),
            sources,
            server,
            progress,
        })
    }
}

/// The monitoring of a run. To drop it is to end it.
#[derive(Debug)]
pub struct Monitoring {
    config: MetricsConfig,
    sources: Sources,
    server: Option<server::Server>,
    progress: Option<progress::Progress>,
}

impl Monitoring {
    /// No worker is left: the progress line goes.
    pub fn workers_ended(&mut self) {
        self.progress = None;
    }

    /// The log is closed, so all figures are final: they are written to the file that was asked for. Returns what a
    /// person should be told of it.
    pub fn run_ended(&self) -> Option<String> {
        let path = self.config.file.as_ref()?;
        let written =
            metrics::final_text(&self.sources).and_then(|text| Ok(write_whole(path, &text)?));
        written.err().map(|error| {
            format!(
                "the metrics file {} could not be written: {error:#}; name another with --metrics-file",
                displayed(path)
            )
        })
    }

    /// Keeps serving for as long as was asked for, or until a stop.
    pub fn linger(&self, stop: &Stop) {
        if self.server.is_some() && self.config.linger > Micros::ZERO && !stop.requested() {
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
