//! The service tests: the program and its logs in the hands of real services. They need those services' packages,
//! which `.ci/services` fetches, and are run with `cargo test --test services -- --ignored`.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[allow(dead_code)]
#[path = "../cli/rig.rs"]
mod rig;

/// rsyslog, syslog-ng and logrotate between the log and the audit.
mod shippers;
