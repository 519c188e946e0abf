//! Parsers of values: each says what is allowed, and refuses what can be known to be wrong before anything is created.

use std::{
    ffi::OsString,
    fs,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::builder::{
    OsStringValueParser, PossibleValuesParser, StringValueParser, TypedValueParser,
};
use strum::VariantArray;

use crate::{
    bugs::{self, Specimen},
    log::{file::folder_of, line::displayed},
    plan::workload::{Limit, Micros, parse_duration},
};

/// A parser for a whole number in a range.
pub(super) fn whole<T>(range: RangeInclusive<u64>) -> impl TypedValueParser<Value = T>
where
    T: TryFrom<u64> + Clone + Send + Sync + 'static,
{
    StringValueParser::new().try_map(move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| {
                format!(
                    "a whole number from {} to {} is needed",
                    range.start(),
                    range.end()
                )
            })
    })
}

/// A parser for the words that stand for the variants of a type.
pub(super) fn one_of<T>() -> impl TypedValueParser<Value = T>
where
    T: VariantArray + FromStr<Err = strum::ParseError> + Copy + Into<&'static str> + Send + Sync,
{
    let words = T::VARIANTS
        .iter()
        .map(|choice| -> &str { (*choice).into() });
    PossibleValuesParser::new(words).try_map(|word| word.parse::<T>())
}

/// A parser for the name of a specimen.
pub(super) fn specimen() -> impl TypedValueParser<Value = &'static Specimen> {
    PossibleValuesParser::new(bugs::SPECIMENS.iter().map(|specimen| specimen.name))
        .try_map(|name| bugs::find(&name).ok_or("no such bug"))
}

pub(super) fn parse_iterations(text: &str) -> Result<Limit, String> {
    match text.parse() {
        Ok(Limit::At(0)) | Err(_) => Err(format!(
            "a whole number from 1 to {}, or unlimited, is needed",
            u64::MAX
        )),
        Ok(limit) => Ok(limit),
    }
}

/// A duration after which something is done again.
pub(super) fn parse_interval(text: &str) -> Result<Micros, String> {
    match parse_duration(text)? {
        interval if interval < INTERVAL_MIN => {
            Err("at least 1ms is needed; leave the option out to do without".into())
        }
        interval => Ok(interval),
    }
}

/// More often than this nothing is looked at: the looking would be what is measured.
const INTERVAL_MIN: Micros = Micros(1000);

/// A parser for the path of a file that could be opened, as far as that can be known without opening it.
pub(super) fn file_path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(|path: OsString| usable_file(path.into()))
}

/// The same for a file that is written at the end, in place of one that is there: what could not be made then is refused now.
pub(super) fn output_path() -> impl TypedValueParser<Value = PathBuf> {
    let check = |path: OsString| {
        let path = usable_file(path.into())?;
        let there = path.canonicalize();
        let is_file = there.as_ref().map_or(true, |path| path.is_file());
        let folder = folder_of(there.as_deref().unwrap_or(&path));
        match tempfile::tempfile_in(folder) {
            Err(error) if is_file && path != Path::new("-") => {
                Err(format!("nothing can be written to its folder: {error}"))
            }
            _ => Ok(path),
        }
    };
    OsStringValueParser::new().try_map(check)
}

/// The path of a file that could be opened, or why it could not.
pub(super) fn usable_file(path: PathBuf) -> Result<PathBuf, String> {
    if path.as_os_str().is_empty() {
        return Err("it is empty; name a file".into());
    }
    if path.to_str().is_none() {
        return Err("it is not UTF-8; choose a name that is".into());
    }
    if path.is_dir() || path.file_name().is_none() {
        return Err("it is a folder; name a file in it".into());
    }
    let folder = folder_of(&path);
    match fs::metadata(folder) {
        Ok(found) if found.is_dir() => Ok(path),
        Ok(_) => Err(format!(
            "{} is no folder; choose a file in one",
            displayed(folder)
        )),
        Err(error) => Err(format!(
            "its folder {} cannot be used: {error}; create it first",
            displayed(folder)
        )),
    }
}
