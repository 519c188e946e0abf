//! What the log shows besides records.

use crate::audit::verdict::{Place, findings::Location};

/// What the log shows besides records: it may tell why some are missing.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    /// How many NUL bytes lie in a hole, and where.
    pub hole: Option<(u64, Place)>,
    /// Notes of a limit on the rate of lines.
    pub dropped: Dropped,
    /// There were more suspects than could be looked at closely.
    pub worn_out: bool,
    /// How many pieces of records belong to no run that is known.
    pub of_no_run: u64,
    /// The first piece that could not be read as a record, and where it stands.
    pub unreadable: Option<(String, Location)>,
}

/// What notes say of lines that a limit on their rate dropped.
#[derive(Debug, Default)]
pub(crate) struct Dropped {
    /// How many notes there are.
    pub notes: u64,
    /// How many lines they speak of; 0 where none says a number.
    pub lines: u64,
    /// Where the first of them stand.
    pub places: Vec<Place>,
}
