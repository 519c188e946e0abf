//! What there is to say: every event of the program, once.
//!
//! One table declares each event's level, message and fields; from it come how it is written, and the function that reads it
//! back from a [`Line`]. Messages keep the words of the program
//! that this one descends from. `run`, `worker` and `seq` are no part of an event: they say who logged it, and when,
//! and are added where lines are made.

use std::{borrow::Cow, error::Error, fmt, str::FromStr};

use strum::{Display, EnumString, IntoStaticStr};
use tracing::{Level, field::Visit};

use super::line::{Encoder, Line};
use crate::plan::workload::{
    Backoff, GroupId, Limit, Micros, Probability, RetryPolicy, Shard, THREADS_MAX, TimeScale,
    Workload,
};

/// The version of what a seed decides and of how it is logged. An audit refuses other versions.
pub const SCHEMA: u64 = 1;

/// The `tracing` target of the program's events; the file holds these and no others.
pub const TARGET: &str = "hifi";

/// Declares the events: the enum, how one is emitted, how one is read.
macro_rules! events {
    ($(
        $(#[$doc:meta])*
        $level:ident $name:ident $phrase:literal $(+ $number:ident)? { $($field:ident: $type:ty),* $(,)? }
    )*) => {
        /// Something that the program logs.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Event {
            $(
                $(#[$doc])*
                #[allow(missing_docs)]
                $name { $($number: u64,)? $($field: $type,)* },
            )*
        }

        impl Event {
            /// Hands the event to `tracing`, whole: `take` takes it out again. `tracing` hands on values of any type where
            /// they are errors, so to it this is one.
            #[inline]
            pub fn emit(&self) {
                let event: &(dyn Error + 'static) = self;
                match self {
                    $( Self::$name { .. } => tracing::event!(target: TARGET, Level::$level, event), )*
                }
            }

            /// Adds the event's fields to a line that `encoder` has begun.
            #[inline]
            pub fn encode(&self, encoder: &mut Encoder) {
                match self {
                    $(
                        Self::$name { $($field,)* .. } => {
                            let _ = &encoder;
                            $( $field.put(encoder, stringify!($field)); )*
                        }
                    )*
                }
            }

            /// The event's level.
            #[inline]
            pub fn level(&self) -> Level {
                match self {
                    $( Self::$name { .. } => Level::$level, )*
                }
            }

            /// The event's message: a fixed phrase, with a number behind it in some.
            #[inline]
            pub fn message(&self) -> Cow<'static, str> {
                match self {
                    $(
                        Self::$name { $($number,)? .. } => events!(@cow $phrase $($number)?),
                    )*
                }
            }

            /// The names of the fields that an event with this message has; none if there is no such event.
            pub fn field_names(message: &str) -> Option<&'static [&'static str]> {
                $(
                    if events!(@matches message $phrase $($number)?).is_some() {
                        return Some(&[$(stringify!($field)),*]);
                    }
                )*
                None
            }

            /// The names of the fields of every event.
            pub const FIELD_NAMES: &[&[&str]] = &[$(&[$(stringify!($field)),*]),*];

            /// Reads the event that a line tells of, if it does. Its level and its checksum are not looked at.
            pub fn read(line: &Line) -> Option<Self> {
                let message = line.message.as_str();
                $(
                    if let Some(_number) = events!(@matches message $phrase $($number)?) {
                        return Some(Self::$name {
                            $($number: _number,)?
                            $($field: ReadField::read(line, stringify!($field))?,)*
                        });
                    }
                )*
                None
            }
        }
    };
    (@cow $phrase:literal) => { Cow::Borrowed($phrase) };
    (@cow $phrase:literal $number:ident) => { Cow::Owned(format!(concat!($phrase, "{}"), $number)) };
    (@matches $message:ident $phrase:literal) => { ($message == $phrase).then_some(0) };
    (@matches $message:ident $phrase:literal $number:ident) => { $message.strip_prefix($phrase).and_then(whole_number) };
}

events! {
    /// The run begins: all that an audit needs to know of it.
    INFO RunStarted "Run started" {
        schema: u64,
        version: String,
        seed: u64,
        threads: u64,
        iterations: Limit,
        failure_rate: Probability,
        success_delay_us: Micros,
        max_retries: u64,
        retry_delay_us: Micros,
        backoff: Backoff,
        max_retry_delay_us: Micros,
        jitter: Probability,
        time_scale: TimeScale,
        panic_rate: Probability,
        duration_us: Limit,
        data_limit: Limit,
        shard: Optional<Shard>,
        group: Optional<GroupId>,
    }

    /// A worker's thread was started.
    INFO ThreadStarted "Started thread: Worker-" + worker {}

    /// The system would not start a worker's thread; the run is stopped.
    ERROR ThreadRefused "Thread could not be started: Worker-" + worker { error: String }

    /// What the run needs besides could not be had: no worker was started; the run is stopped.
    ERROR NotStarted "No worker could be started" { error: String }

    /// An attempt succeeded, and was the `counter`-th of the run to do so.
    INFO Succeeded "Operation result: Operation completed successfully" { iteration: u64, attempt: u64, counter: u64 }

    /// An attempt failed; `delay_us` is the sleep that follows, already scaled.
    ERROR Failed "I/O operation failed: Random I/O failure!" { iteration: u64, attempt: u64, next: Next, delay_us: Micros }

    /// An attempt panicked, and with it the worker ends.
    ERROR Unexpected "Unexpected error" { iteration: u64, attempt: u64, error: String }

    /// A worker closes its account: its operations by how they ended, and its attempts that failed.
    INFO WorkerEnded "Worker ended" {
        reason: Reason,
        completed: u64,
        abandoned: u64,
        panicked: u64,
        interrupted: u64,
        not_started: Limit,
        failed_attempts: u64,
        retries: u64,
    }

    /// The Processor's counter at the end.
    INFO TotalOperations "Total operations completed: " + count {}

    /// The length of the Processor's data at the end.
    INFO TotalData "Total data processed: " + count {}

    /// The run closes its account. `lines` counts all its lines, this one included.
    INFO RunEnded "Run ended" {
        reason: Reason,
        cause: String,
        lines: u64,
        completed: u64,
        abandoned: u64,
        panicked: u64,
        interrupted: u64,
        not_started: Limit,
        failed_attempts: u64,
        retries: u64,
        dropped_items: u64,
    }

    /// The file could not be written for a while: the lines in `ranges` (`main:4-5,0:17,3:2-9`,
    /// producer and first and last `seq`) are not in it.
    ERROR LogGap "Log gap" { lost: u64, ranges: String }

    /// The log was renamed or deleted, and was opened anew under its name.
    WARN LogReopened "Log reopened" {}

    /// A thread dump was printed: how many workers were in which state, and how many cycles of them wait for each other.
    INFO ThreadDump "Thread dump" {
        cause: String,
        starting: u64,
        idle: u64,
        working: u64,
        waiting: u64,
        sleeping: u64,
        backing_off: u64,
        ended: u64,
        deadlocks: u64,
    }

    /// No worker made progress for `idle_us` though none sleeps; the run is stopped. `cycle` says who waits for whom.
    ERROR Stalled "Run stalled" { idle_us: Micros, deadlocks: u64, cycle: String }

    /// What the process uses at this moment, and how far its work has come.
    INFO Sample "Sample" {
        resident_bytes: Known,
        cpu_us: Known,
        threads: Known,
        open_files: Known,
        counter: u64,
        data_length: u64,
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl Error for Event {}

/// Hands on the event that was emitted, if it is one of the program's.
#[inline]
pub(crate) fn take(emitted: &tracing::Event<'_>, then: impl FnMut(&Event)) {
    struct Taker<F>(F);

    impl<F: FnMut(&Event)> Visit for Taker<F> {
        #[inline]
        fn record_error(&mut self, _: &tracing::field::Field, value: &(dyn Error + 'static)) {
            value.downcast_ref().into_iter().for_each(&mut self.0);
        }

        fn record_debug(&mut self, _: &tracing::field::Field, _: &dyn fmt::Debug) {}
    }

    if emitted.metadata().target() == TARGET {
        emitted.record(&mut Taker(then));
    }
}

impl Event {
    /// The event that begins a run of `workload`.
    pub fn run_started(workload: &Workload) -> Self {
        Self::RunStarted {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").into(),
            seed: workload.seed,
            threads: workload.threads.into(),
            iterations: workload.iterations,
            failure_rate: workload.failure_rate,
            success_delay_us: workload.success_delay,
            max_retries: workload.retry.max_retries.into(),
            retry_delay_us: workload.retry.delay,
            backoff: workload.retry.backoff,
            max_retry_delay_us: workload.retry.max_delay,
            jitter: workload.retry.jitter,
            time_scale: workload.time_scale,
            panic_rate: workload.panic_rate,
            duration_us: workload
                .duration
                .map_or(Limit::Unlimited, |d| Limit::At(d.0)),
            data_limit: workload.data_limit,
            shard: Optional(workload.group.as_ref().map(|_| workload.shard)),
            group: Optional(workload.group.clone()),
        }
    }

    /// The workload that a "Run started" tells of; none if it is another event, or of values that no run has.
    pub fn workload(&self) -> Option<Workload> {
        let Self::RunStarted {
            schema: _,
            version: _,
            seed,
            threads,
            iterations,
            failure_rate,
            success_delay_us,
            max_retries,
            retry_delay_us,
            backoff,
            max_retry_delay_us,
            jitter,
            time_scale,
            panic_rate,
            duration_us,
            data_limit,
            shard: Optional(shard),
            ref group,
        } = *self
        else {
            return None;
        };
        // One without the other is what no run has.
        if shard.is_some() != group.0.is_some() {
            return None;
        }
        Some(Workload {
            seed,
            threads: u32::try_from(threads)
                .ok()
                .filter(|n| (1..=THREADS_MAX).contains(n))?,
            shard: shard.unwrap_or(Shard::WHOLE),
            group: group.0.clone(),
            iterations,
            failure_rate,
            success_delay: success_delay_us,
            retry: RetryPolicy {
                max_retries: u32::try_from(max_retries).ok()?,
                delay: retry_delay_us,
                backoff,
                max_delay: max_retry_delay_us,
                jitter,
            },
            time_scale,
            panic_rate,
            duration: match duration_us {
                Limit::Unlimited => None,
                Limit::At(micros) => Some(Micros(micros)),
            },
            data_limit,
        })
    }
}

/// A number that the system may not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known(pub Option<u64>);

impl Known {
    const NOT: &str = "unknown";
}

impl FromStr for Known {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            Self::NOT => Ok(Self(None)),
            _ => whole_number(text)
                .map(|number| Self(Some(number)))
                .ok_or(()),
        }
    }
}

/// A field that stands in a line only where it has a value. These are the [`OPTIONAL`] ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Optional<T>(pub Option<T>);

/// The names of the fields that an event may lack: those of a run that is a shard of a larger one.
pub const OPTIONAL: [&str; 2] = ["shard", "group"];

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, EnumString, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Next {
    /// Another attempt.
    Retry,
    /// The next operation.
    Abandon,
}

/// Why a worker, or the run, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, EnumString, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Reason {
    /// All that was planned is done.
    Finished,
    /// A signal, or the end of the duration, came first.
    Stopped,
    /// An unexpected error.
    Panicked,
}

/// How a field is read back from a line.
trait ReadField: Sized {
    /// The value of the field with this name.
    fn read(line: &Line, name: &str) -> Option<Self>;
}

impl<T: FromStr> ReadField for T {
    fn read(line: &Line, name: &str) -> Option<Self> {
        line.field(name)?.parse().ok()
    }
}

impl<T: FromStr> ReadField for Optional<T> {
    fn read(line: &Line, name: &str) -> Option<Self> {
        match line.field(name) {
            Some(_) => T::read(line, name).map(|value| Self(Some(value))),
            None => Some(Self(None)),
        }
    }
}

/// A whole number as the log writes one: digits, and no zero before another.
fn whole_number(text: &str) -> Option<u64> {
    let number = text.parse().ok()?;
    (u64::to_string(&number) == text).then_some(number)
}

/// How a field is written to a line.
trait FieldValue {
    /// Adds the value to the line that was begun.
    fn put(&self, encoder: &mut Encoder, name: &str);
}

/// Declares which of the encoder's functions writes the values of a type, and what it is given.
macro_rules! written {
    ($($type:ty: $write:ident($field:ident) = $plain:expr;)*) => {$(
        impl FieldValue for $type {
            #[inline]
            fn put(&self, encoder: &mut Encoder, name: &str) {
                let $field = self;
                encoder.$write(name, $plain);
            }
        }
    )*};
}

written! {
    u64: number(number) = *number;
    Micros: number(micros) = micros.0;
    String: string(text) = text;
    Next: string(next) = next.into();
    Reason: string(reason) = reason.into();
    Backoff: string(backoff) = backoff.into();
    Probability: float(probability) = probability.get();
    TimeScale: float(scale) = scale.get();
}

impl FieldValue for Limit {
    fn put(&self, encoder: &mut Encoder, name: &str) {
        match self {
            Self::Unlimited => encoder.string(name, "unlimited"),
            Self::At(limit) => encoder.number(name, *limit),
        }
    }
}

impl FieldValue for Known {
    fn put(&self, encoder: &mut Encoder, name: &str) {
        match self.0 {
            None => encoder.string(name, Self::NOT),
            Some(number) => encoder.number(name, number),
        }
    }
}

impl<T: ToString> FieldValue for Optional<T> {
    fn put(&self, encoder: &mut Encoder, name: &str) {
        if let Some(value) = &self.0 {
            encoder.string(name, &value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The schema once more, by hand: message, level, and fields in their order.
    #[test]
    fn the_schema_by_hand() {
        let account =
            "completed abandoned panicked interrupted not_started failed_attempts retries";
        for (message, fields) in [
            (
                "Run started",
                "schema version seed threads iterations failure_rate success_delay_us max_retries retry_delay_us backoff \
                 max_retry_delay_us jitter time_scale panic_rate duration_us data_limit shard group",
            ),
            ("Started thread: Worker-3", ""),
            ("Thread could not be started: Worker-3", "error"),
            ("No worker could be started", "error"),
            (
                "Operation result: Operation completed successfully",
                "iteration attempt counter",
            ),
            (
                "I/O operation failed: Random I/O failure!",
                "iteration attempt next delay_us",
            ),
            ("Unexpected error", "iteration attempt error"),
            ("Worker ended", &format!("reason {account}")),
            ("Total operations completed: 992", ""),
            ("Total data processed: 992", ""),
            (
                "Run ended",
                &format!("reason cause lines {account} dropped_items"),
            ),
            ("Log gap", "lost ranges"),
            ("Log reopened", ""),
            (
                "Thread dump",
                "cause starting idle working waiting sleeping backing_off ended deadlocks",
            ),
            ("Run stalled", "idle_us deadlocks cycle"),
            (
                "Sample",
                "resident_bytes cpu_us threads open_files counter data_length",
            ),
        ] {
            let names = Event::field_names(message).unwrap_or_else(|| panic!("{message}"));
            assert_eq!(names.join(" "), fields, "{message}");
        }
        for message in [
            "",
            "Run ended ",
            "Started thread: Worker-03",
            "Started thread: Worker-",
            "Total data processed: -1",
        ] {
            assert_eq!(Event::field_names(message), None, "{message}");
        }
    }
}
