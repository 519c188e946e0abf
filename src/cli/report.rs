//! The options of `hifi report`, and their way into a [`ReportConfig`].

use std::path::PathBuf;

use clap::Args;

use super::{
    audit::JudgingArgs, invalid, monitoring::built_in, one_of, output_path, outputs::is_same_file,
    replay,
};
use crate::{
    audit::Input,
    log::line::displayed,
    observe::monitoring::BUILT_IN,
    report::{ReportConfig, ReportFormat},
};

/// The options of `hifi report`.
#[derive(Debug, Args)]
#[command(
    hide = !BUILT_IN,
    after_help = "The workload's options stand in for a \"Run started\" that is lost; they count only with --seed.\n\n\
    Exit codes: 0 the report is written, whatever it says, 1 it cannot be written, 2 the log cannot be read."
)]
pub struct ReportArgs {
    /// File to write, in place of one that is there; - is standard output [default: report.html, or trace.json; lnav: -]
    #[arg(short, long, value_name = "PATH", value_parser = output_path())]
    output: Option<PathBuf>,

    /// Form: a page for a browser, a trace for Perfetto (ui.perfetto.dev), a format file with which lnav reads the JSON log
    #[arg(long, value_name = "FORMAT", default_value = "html",
          value_parser = built_in(one_of::<ReportFormat>()))]
    format: ReportFormat,

    /// What is read, and how strictly it is judged.
    #[command(flatten)]
    judging: JudgingArgs,
}

impl ReportArgs {
    /// What to report on, and where to.
    ///
    /// # Errors
    /// The report would take the place of a log that it is made of.
    pub fn into_config(self) -> Result<ReportConfig, clap::Error> {
        let default = match self.format {
            ReportFormat::Html => "report.html",
            ReportFormat::Trace => "trace.json",
            ReportFormat::Lnav => "-",
        };
        let output = self.output.unwrap_or_else(|| default.into());
        let audit = self.judging.into_config();
        let is_output =
            |input: &Input| matches!(input, Input::File(path) if is_same_file(path, &output));
        if output.is_file() && audit.inputs.iter().any(is_output) {
            let why = "a log is read from there, and would be gone; name another file";
            return Err(invalid(displayed(&output), "'--output <PATH>'", why));
        }
        Ok(ReportConfig {
            audit,
            format: self.format,
            output,
            replay,
        })
    }
}
