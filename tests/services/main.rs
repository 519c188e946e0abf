//! Tests against the real services: `cargo test --test services -- --ignored` where they are installed.
//!
//! A test whose service is missing fails, and says so.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "../cli/http.rs"]
mod http;
#[path = "../cli/rig.rs"]
#[allow(dead_code)]
mod rig;

/// Prometheus and promtool.
#[cfg(feature = "monitoring")]
mod prometheus;
