//! What is read: files and streams, unpacked and in UTF-8 (`source`), decoded (`coded`), in the order of time and in blocks (`inputs`), by several
//! threads (`readers`).

pub(super) mod coded;
pub(super) mod compressed;
pub(super) mod inputs;
pub(super) mod readers;
pub(super) mod source;
#[cfg_attr(feature = "monitoring", path = "unpack.rs")]
#[cfg_attr(not(feature = "monitoring"), path = "without_unpack.rs")]
mod unpack;
