//! The format file with which lnav reads the JSON log: `hifi report --format lnav -o ~/.lnav/formats/hifi/format.json`.

/// The file. lnav knows the text log without one.
pub(super) const FORMAT: &str = include_str!("lnav.json");
