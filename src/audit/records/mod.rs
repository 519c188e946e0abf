//! Records in any bytes: found, proved by their checksums, and held against the plan one by one.
//!
//! `scan` goes through a block. What stands there exactly as the program writes it `exact` reads at once, over the `gap` between two
//! records; everything else `find` looks for where `marks` are: as text, as `keyed` documents whose `fields` make a record, in
//! `parts`, with escapes undone (`decode`). What is left of one is a `suspect`. What is no record (`no_record`) may be known for
//! what it is (`notes`). What other lines say nobody here knows.

pub(super) mod attempt;
pub(super) mod block;
pub(super) mod decode;
pub(super) mod exact;
pub(super) mod fields;
pub(super) mod find;
pub(super) mod gap;
pub(super) mod keyed;
pub(super) mod marks;
pub(super) mod no_record;
pub(super) mod notes;
pub(super) mod parts;
pub(super) mod record;
pub(super) mod scan;
pub(super) mod scanned;
pub(super) mod shape;
pub(super) mod suspect;
pub(super) mod times;
