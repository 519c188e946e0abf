//! The command line, as typed, and its way into a validated configuration.
//!
//! Whatever can be known to be wrong is refused here, before anything is created. Nothing
//! behind this file knows clap.

mod audit;
mod follow;
#[cfg(feature = "monitoring")]
mod generated;
#[cfg(not(feature = "monitoring"))]
#[path = "without_generated.rs"]
mod generated;
mod lab;
mod monitoring;
mod outputs;
mod report;
mod shard;
mod values;

use std::{
    env,
    fmt::{self, Write as _},
    io::{self, IsTerminal},
    ops::Range,
    path::{Path, PathBuf},
};

use clap::{
    Args, CommandFactory, Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
    error::ErrorKind,
};
use tracing::{Level, level_filters::LevelFilter};
use tracing_subscriber::filter::Targets;

pub use self::{
    audit::{AuditArgs, VerdictFormat},
    generated::{print_completions, print_man},
    lab::LabArgs,
    monitoring::MonitoringArgs,
    report::ReportArgs,
};
use self::{
    monitoring::built_in,
    outputs::{check_log, check_metrics_file},
    shard::ShardArgs,
    values::{
        file_path, one_of, output_path, parse_interval, parse_iterations, specimen, usable_file,
        whole,
    },
};
use crate::{
    bugs::{Seam, Specimen},
    log::config::{ConsoleConfig, LogConfig, LogFormat, Rotation},
    log::{
        event::{SCHEMA, TARGET},
        line::displayed,
        stream::takes_controls,
    },
    observe,
    observe::error_tracking::{DSN_VARIABLE, Dsn},
    plan::format::TextOrJson,
    plan::workload::{
        Backoff, Limit, Micros, Probability, RetryPolicy, THREADS_MAX, TimeScale, Workload,
        parse_duration,
    },
    run::config::{RunConfig, SummaryFormat},
};

/// What `--version` says: what was built, what its logs are read by, and on which terms it may be used.
fn long_version() -> String {
    let features = [
        ("monitoring", observe::monitoring::BUILT_IN),
        ("sentry", observe::error_tracking::BUILT_IN),
        ("heap-profile", observe::heap_profile::BUILT_IN),
    ];
    let built_in = features.iter().filter(|(_, built_in)| *built_in);
    let built_in: String = built_in.map(|(name, _)| format!(", {name}")).collect();
    format!(
        "{}\nfeatures: core{built_in}\nlog schema: {SCHEMA}\nlicence: {}, whose texts are in src/licences",
        env!("CARGO_PKG_VERSION"),
        env!("CARGO_PKG_LICENSE"),
    )
}

/// A concurrent workload whose truth is known.
///
/// Worker threads share one Processor, run a simulated I/O operation that fails at random, retry it,
/// log every attempt to stderr and to app.log, and end with a summary. A seed decides every
/// outcome, so every line that must have been logged can be computed again.
#[derive(Debug, Parser)]
#[command(
    name = "hifi",
    version,
    long_version = long_version(),
    args_conflicts_with_subcommands = true,
    allow_negative_numbers = true,
    max_term_width = 100
)]
pub struct Cli {
    /// What to do instead of a run.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The options of a run.
    #[command(flatten)]
    pub run: RunArgs,
}

/// What the program does besides running the workload.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print what must happen in a run, attempt by attempt
    #[command(allow_negative_numbers = true)]
    Plan(PlanArgs),
    /// Tell which lines of a log were lost, doubled, moved or altered
    #[command(allow_negative_numbers = true)]
    Audit(AuditArgs),
    /// Look at a log: one page for a browser, or a trace for Perfetto
    #[command(allow_negative_numbers = true)]
    Report(ReportArgs),
    /// Watch bugs being caught: the evidence, the cause and the fix
    #[command(allow_negative_numbers = true)]
    Lab(LabArgs),
    /// Print a Grafana dashboard for the metrics
    Dashboard {
        /// For the metrics of hifi audit --follow
        #[arg(long)]
        audit: bool,
    },
    /// Print a script with which a shell completes hifi's command line
    Completions {
        /// Shell that completes
        #[arg(value_name = "SHELL", value_parser = built_in(PossibleValuesParser::new(["bash", "zsh", "fish"])))]
        shell: String,
    },
    /// Print the manual page, to be shown by man
    Man,
}

/// The options of a run.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// What must happen.
    #[command(flatten)]
    pub workload: WorkloadArgs,

    /// File that the log is appended to; - is standard output [default: app.log]
    ///
    /// It is never truncated. With the log on standard output, the summary goes to standard error.
    #[arg(long, value_name = "PATH", value_parser = file_path(), help_heading = "Log")]
    log_file: Option<PathBuf>,

    /// Form of the file
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = "Log", value_parser = one_of::<LogFormat>())]
    log_format: LogFormat,

    /// When a new file is begun; its date (UTC) is appended to the name
    #[arg(hide_short_help = true, long, value_name = "WHEN", default_value = "never", help_heading = "Log",
          value_parser = one_of::<Rotation>())]
    rotation: Rotation,

    /// The longest a line waits before its write starts; 0: a worker goes on when its line is written
    #[arg(hide_short_help = true, long, value_name = "TIME", default_value = "5ms", value_parser = parse_duration, allow_hyphen_values = true, help_heading = "Log")]
    flush_interval: Micros,

    /// Level of the console's log [default: RUST_LOG, or info]; the file always holds every event
    #[arg(hide_short_help = true, long, value_name = "LEVEL", help_heading = "Log",
          value_parser = PossibleValuesParser::new(LEVELS).try_map(|level| level.parse::<LevelFilter>()))]
    log_level: Option<LevelFilter>,

    /// No log on stderr
    #[arg(short, long, help_heading = "Log")]
    quiet: bool,

    /// End the run, with a thread dump, when no worker made progress for this long though none sleeps
    #[arg(hide_short_help = true, long, value_name = "TIME", value_parser = parse_interval, allow_hyphen_values = true, help_heading = "Monitoring")]
    stall_after: Option<Micros>,

    /// Log memory and CPU figures this often
    #[arg(hide_short_help = true, long, value_name = "TIME", value_parser = parse_interval, allow_hyphen_values = true, help_heading = "Monitoring")]
    sample_interval: Option<Micros>,

    /// The observers.
    #[command(flatten)]
    monitoring: MonitoringArgs,

    /// Run with a bug that hifi lab explains
    #[arg(long, value_name = "NAME", value_parser = specimen(), help_heading = "Workload")]
    bug: Option<&'static Specimen>,

    /// Form of the summary
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = one_of::<SummaryFormat>(), help_heading = "Log")]
    summary: SummaryFormat,
}

/// The options that decide what must happen.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Workload")]
pub struct WorkloadArgs {
    /// Number of workers
    #[arg(short, long, value_name = "N", default_value_t = 10,
          value_parser = whole::<u32>(1..=THREADS_MAX.into()))]
    threads: u32,

    /// Operations per worker [default: 100, or unlimited with --duration or --serve]
    #[arg(short = 'n', long, value_name = "N", value_parser = parse_iterations)]
    iterations: Option<Limit>,

    /// Chance that one attempt fails, 0 to 1
    #[arg(long, value_name = "P", default_value = "0.3")]
    failure_rate: Probability,

    /// Sleep after a success
    #[arg(hide_short_help = true, long, value_name = "TIME", default_value = "10ms", value_parser = parse_duration, allow_hyphen_values = true)]
    success_delay: Micros,

    /// Retries per operation before it is abandoned
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = whole::<u32>(0..=u32::MAX.into()))]
    max_retries: u32,

    /// Delay before a retry, and after an abandoned operation
    #[arg(hide_short_help = true, long, value_name = "TIME", default_value = "500ms", value_parser = parse_duration, allow_hyphen_values = true)]
    retry_delay: Micros,

    /// How the delay grows from retry to retry
    #[arg(hide_short_help = true, long, value_name = "HOW", default_value = "fixed", value_parser = one_of::<Backoff>())]
    backoff: Backoff,

    /// Upper bound of the delay
    #[arg(hide_short_help = true, long, value_name = "TIME", default_value = "30s", value_parser = parse_duration, allow_hyphen_values = true)]
    max_retry_delay: Micros,

    /// Random part of the delay, 0 to 1
    #[arg(hide_short_help = true, long, value_name = "P", default_value = "0")]
    jitter: Probability,

    /// Multiplies every simulated delay; 0 runs without sleeping
    #[arg(long, value_name = "X", default_value = "1")]
    time_scale: TimeScale,

    /// Chance that an attempt hits an unexpected error (a real panic) and ends its worker
    #[arg(hide_short_help = true, long, value_name = "P", default_value = "0")]
    panic_rate: Probability,

    /// Start no operation after this long
    #[arg(long, value_name = "TIME", value_parser = parse_duration, allow_hyphen_values = true)]
    duration: Option<Micros>,

    /// Decides every outcome [default: random; it is always logged and shown]
    #[arg(long, value_name = "U64", value_parser = whole::<u64>(0..=u64::MAX))]
    seed: Option<u64>,

    /// Items kept in memory, or unlimited; the oldest are dropped and counted
    #[arg(
        hide_short_help = true,
        long,
        value_name = "N",
        default_value = "100000"
    )]
    data_limit: Limit,

    /// Which part of a larger run it is.
    #[command(flatten)]
    shard: ShardArgs,
}

/// The log, unless another is asked for.
const LOG_FILE: &str = "app.log";

/// The options of `hifi plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The workload whose plan is printed.
    #[command(flatten)]
    pub workload: WorkloadArgs,

    /// Only this worker, counted from 0
    #[arg(long, value_name = "N", value_parser = whole::<u32>(0..=u32::MAX.into()))]
    pub worker: Option<u32>,

    /// Form of the plan: a line an attempt
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = one_of::<TextOrJson>())]
    pub format: TextOrJson,
}

impl RunArgs {
    /// The validated configuration, with the seed drawn if none was given.
    ///
    /// # Errors
    /// RUST_LOG or SENTRY_DSN cannot be read, the bug needs more workers, or a shard has no group.
    pub fn into_config(self) -> Result<RunConfig, clap::Error> {
        let console = ConsoleConfig {
            level: match self.quiet {
                true => None,
                false => console_level(self.log_level)?.into_level(),
            },
            coloured: takes_colours(&io::stderr()),
            progress: self.quiet && takes_controls(&io::stderr()),
        };
        if self.workload.shard.lacks_group() {
            return Err(refused(
                "--group <ID> is missing: with --shard <I/N> a run needs the id that it has in common with the other shards, \
                 such as the job's",
            ));
        }
        let log_file = match self.log_file {
            Some(path) => path,
            // Looked at here, and not as an option's default: the subcommands do not have it.
            None => usable_file(LOG_FILE.into())
                .map_err(|why| invalid(LOG_FILE, "'--log-file <PATH>'", why))?,
        };
        let (metrics, serve) = self.monitoring.into_config();
        let mut workload = self.workload;
        if serve.is_some() {
            workload.iterations.get_or_insert(Limit::Unlimited);
        }
        let workload = workload.into_workload();
        let mut replay = replay(&workload);
        if let Some(serve) = serve {
            let _ = write!(replay, " --serve {}", serve.addr);
        }
        if let Some(bug) = self.bug {
            if workload.threads < bug.workers_min {
                let (name, least) = (bug.name, bug.workers_min);
                let why =
                    format!("--bug {name} goes wrong between workers, and needs {least} or more");
                return Err(invalid(workload.threads, "'--threads <N>'", why));
            }
            if log_file == Path::new("-") && matches!(bug.seam, Seam::Log(_)) {
                let name = bug.name;
                let why = format!("--bug {name} puts a buffer before a file; name one");
                return Err(invalid("-", "'--log-file <PATH>'", why));
            }
            let _ = write!(replay, " --bug {}", bug.name);
        }
        let log = LogConfig {
            path: (log_file != Path::new("-")).then_some(log_file),
            format: self.log_format,
            rotation: self.rotation,
            flush_interval: self.flush_interval,
            console,
        };
        if let Some(file) = &metrics.file {
            check_metrics_file(file, &log)
                .map_err(|why| invalid(displayed(file), "'--metrics-file <PATH>'", why))?;
        }
        check_log(&log, self.summary != SummaryFormat::None).map_err(|why| {
            let path = log.path.as_deref().unwrap_or(Path::new("-"));
            invalid(displayed(path), "'--log-file <PATH>'", why)
        })?;
        Ok(RunConfig {
            replay,
            workload,
            bug: self.bug,
            log,
            stall_after: self.stall_after,
            sample_interval: self.sample_interval,
            metrics,
            serve,
            sentry: sentry_dsn()?,
            summary: self.summary,
        })
    }
}

impl PlanArgs {
    /// The workers of `workload` whose plan is printed.
    ///
    /// # Errors
    /// There is no such worker.
    pub fn workers(&self, workload: &Workload) -> Result<Range<u32>, clap::Error> {
        let all = workload.workers();
        match self.worker {
            None => Ok(all),
            Some(worker) if all.contains(&worker) => Ok(worker..worker + 1),
            Some(worker) => {
                let (first, last) = (all.start, all.end - 1);
                let why = format!("there are workers {first} to {last}; one of them is needed");
                Err(invalid(worker, "'--worker <N>'", why))
            }
        }
    }
}

impl WorkloadArgs {
    /// The workload, with the seed drawn if none was given.
    pub fn into_workload(self) -> Workload {
        let default_iterations = match self.duration {
            Some(_) => Limit::Unlimited,
            None => Limit::At(100),
        };
        Workload {
            seed: self.seed.unwrap_or_else(rand::random),
            threads: self.threads,
            shard: self.shard.shard(),
            group: self.shard.group().cloned(),
            iterations: self.iterations.unwrap_or(default_iterations),
            failure_rate: self.failure_rate,
            success_delay: self.success_delay,
            retry: RetryPolicy {
                max_retries: self.max_retries,
                delay: self.retry_delay,
                backoff: self.backoff,
                max_delay: self.max_retry_delay,
                jitter: self.jitter,
            },
            time_scale: self.time_scale,
            panic_rate: self.panic_rate,
            duration: self.duration,
            data_limit: self.data_limit,
        }
    }
}

/// Whether a stream leads to a terminal that shows colours, to a person who wants them.
fn takes_colours(stream: &impl IsTerminal) -> bool {
    takes_controls(stream) && env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
}

/// A command line that cannot be carried out.
fn refused(why: impl fmt::Display) -> clap::Error {
    Cli::command().error(ErrorKind::ValueValidation, why)
}

/// A value that cannot be taken.
fn invalid(value: impl fmt::Display, of: &str, why: impl fmt::Display) -> clap::Error {
    refused(format!("invalid value '{value}' for {of}: {why}"))
}

/// What a workload has for an option, as typed.
type ValueOf = fn(&Workload) -> String;

/// The options of a workload beside its seed and size, each with the value that a workload has for it.
const REPLAYED: [(&str, ValueOf); 13] = [
    ("failure-rate", |w| w.failure_rate.to_string()),
    ("success-delay", |w| as_typed(w.success_delay)),
    ("max-retries", |w| w.retry.max_retries.to_string()),
    ("retry-delay", |w| as_typed(w.retry.delay)),
    ("backoff", |w| w.retry.backoff.to_string()),
    ("max-retry-delay", |w| as_typed(w.retry.max_delay)),
    ("jitter", |w| w.retry.jitter.to_string()),
    ("time-scale", |w| w.time_scale.to_string()),
    ("panic-rate", |w| w.panic_rate.to_string()),
    ("duration", |w| or_nothing(w.duration.map(as_typed))),
    ("data-limit", |w| w.data_limit.to_string()),
    ("shard", |w| or_nothing(w.group.as_ref().map(|_| w.shard))),
    ("group", |w| or_nothing(w.group.as_ref())),
];

/// The command line that repeats a workload's outcomes: its seed, size, and what is not the default.
fn replay(workload: &Workload) -> String {
    let default = match Cli::try_parse_from(["hifi"]) {
        Ok(cli) => cli.run.workload.into_workload(),
        Err(_) => workload.clone(),
    };
    let mut line = format!(
        "hifi --seed {} --threads {} --iterations {}",
        workload.seed, workload.threads, workload.iterations
    );
    for (name, value) in REPLAYED {
        let value_now = value(workload);
        if value_now != value(&default) {
            let _ = write!(line, " --{name} {value_now}");
        }
    }
    line
}

/// A value that may not be there.
fn or_nothing(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// A duration in one word, as the options take it.
fn as_typed(duration: Micros) -> String {
    humantime::format_duration(duration.into())
        .to_string()
        .replace(' ', "")
}

/// The levels of the console, the quietest first.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The console's level: as `given`, or what RUST_LOG says of this program, or info.
fn console_level(given: Option<LevelFilter>) -> Result<LevelFilter, clap::Error> {
    let variable = env::var_os("RUST_LOG").filter(|value| !value.is_empty());
    let Some(variable) = variable.filter(|_| given.is_none()) else {
        return Ok(given.unwrap_or(LevelFilter::INFO));
    };
    let targets: Option<Targets> = variable.to_str().and_then(|text| text.parse().ok());
    let Some(targets) = targets else {
        return Err(invalid(
            variable.display(),
            "the environment variable RUST_LOG",
            "levels are needed, such as info or warn,hifi=debug; unset it, or override it with --log-level",
        ));
    };
    let levels = LEVELS.iter().filter_map(|level| level.parse().ok());
    let enabled = levels.filter(|level: &Level| targets.would_enable(TARGET, level));
    Ok(enabled.max().into())
}

/// Where errors are reported to: as SENTRY_DSN says, and nowhere if it is empty or not set.
fn sentry_dsn() -> Result<Option<Dsn>, clap::Error> {
    let Some(variable) = env::var_os(DSN_VARIABLE).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let text = variable.to_string_lossy();
    text.parse().map(Some).map_err(|error| {
        invalid(
            &text,
            &format!("the environment variable {DSN_VARIABLE}"),
            format!(
                "{error}; a DSN is needed, such as https://KEY@HOST/PROJECT; correct it, or unset it to report nothing"
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_short_help_fits_a_screen() {
        let help = Cli::command().term_width(80).render_help().to_string();
        assert!(help.lines().count() <= 50, "{help}");
        assert!(
            help.lines().all(|line| line.chars().count() <= 80),
            "{help}"
        );
        let version = Cli::command().render_long_version();
        for part in [
            env!("CARGO_PKG_VERSION"),
            "features: ",
            "log schema: 1",
            "MIT OR Apache-2.0",
        ] {
            assert!(version.contains(part), "{version}");
        }
    }

    /// Each option that takes a value is tried with values of all kinds. What is refused names the option, the value and
    /// what is allowed.
    #[test]
    fn a_bad_value_of_any_option_says_what_is_allowed() {
        const VALUES: [&str; 7] = [
            "",
            "-1",
            "1e400",
            "0.5.1",
            "1.5",
            "nope",
            "99999999999999999999999",
        ];
        const ALLOWED: [&str; 9] = [
            "is needed",
            "are needed",
            "possible values: ",
            "name a file",
            "such as ",
            "choose a",
            "create it first",
            "leave the option out",
            "[possible values",
        ];
        let command = Cli::command();
        let subcommands = command
            .get_subcommands()
            .map(|sub| (Some(sub.get_name()), sub));
        let (mut refused, mut wrong) = (0, Vec::new());
        for (name, command) in [(None, &command)].into_iter().chain(subcommands) {
            for option in command
                .get_arguments()
                .filter(|arg| arg.get_action().takes_values())
            {
                let Some(long) = option.get_long() else {
                    continue;
                };
                let words = |value: &str| {
                    let mut words = vec!["hifi".to_owned()];
                    words.extend(name.map(str::to_owned));
                    words.push(format!("--{long}"));
                    words.push(value.to_owned());
                    words
                };
                let missing = Cli::try_parse_from(&words("")[..words("").len() - 1]).unwrap_err();
                assert!(
                    missing
                        .to_string()
                        .contains(&format!("a value is required for '--{long}")),
                    "{missing}"
                );
                for value in VALUES {
                    let Err(error) = Cli::try_parse_from(words(value)) else {
                        continue;
                    };
                    let error = error.to_string();
                    if error.contains("were not provided") || error.contains("built without") {
                        continue;
                    }
                    refused += 1;
                    let names_all = error.contains(&format!("--{long}"))
                        && (value.is_empty() || error.contains(&format!("'{value}'")))
                        && ALLOWED.iter().any(|words| error.contains(words));
                    if !names_all {
                        wrong.push(format!("{name:?} --{long} {value:?}: {error}"));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(refused > 100, "{refused}");
    }

    #[test]
    fn a_replay_repeats_the_workload() {
        for line in [
            "hifi --seed 7",
            "hifi --seed 7 --duration 1h30m --jitter 0.25 --backoff exponential --max-retries 0 --time-scale 0.5",
            "hifi --seed 7 --shard 2/8 --group job-4711",
            "hifi --seed 7 -t 3 -n unlimited --data-limit unlimited --success-delay 1500us --panic-rate 0.00001",
        ] {
            let parse = |line: &str| {
                Cli::try_parse_from(line.split(' '))
                    .unwrap()
                    .run
                    .workload
                    .into_workload()
            };
            let workload = parse(line);
            assert_eq!(
                parse(&replay(&workload)),
                workload,
                "{line} -> {}",
                replay(&workload)
            );
        }
    }
}
