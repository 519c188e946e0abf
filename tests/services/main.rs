//! The service tests: the program, its logs and its metrics in the hands of real services. They need those services'
//! packages, which `.ci/services` fetches, and are run with `cargo test --test services -- --ignored`.
//!
//! A test whose service is missing fails, and says so.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[cfg(feature = "monitoring")]
#[path = "../cli/http.rs"]
mod http;
#[path = "../cli/rig.rs"]
#[allow(dead_code)]
mod rig;

/// Chromium.
#[cfg(feature = "monitoring")]
mod browser;
/// Logs that are followed behind rsyslog and through logrotate.
mod canary;
/// conmon.
mod container;
/// rsyslog, over TCP.
mod forwarding;
/// systemd's journal.
mod journal;
/// Those who read JUnit's XML.
#[cfg(feature = "monitoring")]
mod junit;
/// Locust and JMeter against a run that serves operations.
#[cfg(feature = "monitoring")]
mod load_testers;
/// jq and lnav.
mod log_readers;
/// OTLP, as protobuf writes it.
mod otlp;
/// gzip, zstd, xz, bzip2.
#[cfg(feature = "monitoring")]
mod packed;
/// Prometheus and promtool.
#[cfg(feature = "monitoring")]
mod prometheus;
/// Slurm, and the pods of Kubernetes.
mod schedulers;
/// Sentry's development sidecar.
#[cfg(feature = "sentry")]
mod sentry;
/// rsyslog, syslog-ng and logrotate between the log and the audit.
mod shippers;
/// script.
mod terminal;
/// A log that is to come out of them whole.
mod whole;
