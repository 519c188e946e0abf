//! The options of `hifi lab`, and their way into a [`LabConfig`].

use std::{io, path::PathBuf};

use clap::Args;

use super::{
    monitoring::built_in,
    replay, takes_colours,
    values::{one_of, output_path, specimen, whole},
};
use crate::{
    bugs::Specimen, lab::LabConfig, observe::monitoring::BUILT_IN, plan::format::TextOrJson,
};

/// The options of `hifi lab`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 every bug was caught and every fixed run is clean, 1 not so."
)]
pub struct LabArgs {
    /// Bug to look at; all of them without it
    #[arg(value_name = "NAME", value_parser = specimen())]
    name: Option<&'static Specimen>,

    /// Decides every outcome of the runs [default: random; it is shown]
    #[arg(long, value_name = "U64", value_parser = whole::<u64>(0..=u64::MAX))]
    seed: Option<u64>,

    /// Form of what is printed
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = one_of::<TextOrJson>())]
    format: TextOrJson,

    /// Write a page as well: each bug's run beside that of the fixed program
    #[arg(hide = !BUILT_IN, long, value_name = "FILE", value_parser = built_in(output_path()))]
    report: Option<PathBuf>,
}

impl LabArgs {
    /// What to show, and how.
    pub fn into_config(self) -> LabConfig {
        LabConfig {
            specimen: self.name,
            seed: self.seed.unwrap_or_else(rand::random),
            report: self.report,
            replay,
            json: self.format == TextOrJson::Json,
            coloured: takes_colours(&io::stdout()),
        }
    }
}
