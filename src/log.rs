//! The log: from an event to a line in the file and on the console, and back.
//!
//! ```text
//! event ──tracing──> layer ──line──> pipeline: a lane per author ──time order──> file
//!                                                                           └──> console
//! ```
//!
//! [`event`] says what there is to say and [`mod@line`] how a line looks, written (into a [`buffer`]) and read. [`layer`] takes
//! events from `tracing` to the [`pipeline`], where each author's lines go over its own of the [`lanes`] to the writer,
//! which merges them by time stamp for the [`sinks`]: the [`mod@file`] and the [`console`].

pub mod buffer;
pub mod console;
pub mod event;
pub mod file;
pub mod lanes;
pub mod layer;
pub mod line;
pub mod pipeline;
pub mod report;
pub mod sinks;

pub use layer::{LogLayer, last_stamp, sign_on};
pub use pipeline::Log;
pub use report::LogReport;
