//! In place of the unpacking where the feature `monitoring` is off: what is compressed is refused, with what helps.

use anyhow::{Result, bail};

use super::{
    compressed::{Form, utf_8},
    source::Source,
};

/// Makes plain what `raw` gives, unless it is compressed.
pub(super) fn reader(form: Form, raw: Source) -> Result<Source> {
    match form {
        Form::Utf16(encoding) => Ok(utf_8(encoding, raw)),
        _ => bail!(
            "this build does not unpack logs (it lacks the feature `monitoring`): unpack it, and pipe it into hifi audit -"
        ),
    }
}
