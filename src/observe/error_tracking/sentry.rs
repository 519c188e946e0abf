//! Errors as Sentry's events, and the failed attempts before them as breadcrumbs.
//!
//! ```text
//! event ──tracing──> Reporter ──report──> queue ──> courier ──> server
//! ```
//!
//! A worker notes its failed attempts, hands over a report where one is due, and goes on; a courier, which is a thread of its
//! own, sends the reports one by one. Nobody waits for the server but the courier, and the run's end waits for the
//! courier no longer than [`PATIENCE`]. Memory and requests are bounded: what exceeds the [`BURST`] or the
//! queue is not sent, and counted.

use std::{
    cell::RefCell,
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

pub(crate) use sentry::types::Dsn;
use sentry::{
    Breadcrumb, Client, ClientOptions, Level, Transport, TransportFactory, TransportOptions,
    protocol::{self, Map, Value},
    transports::UreqHttpTransportOptions,
};
use tracing::Subscriber;
use tracing_subscriber::{Layer, layer};
use ureq::{
    Agent, Body, SendBody,
    http::{HeaderValue, Request, Response, header::CONTENT_TYPE},
    middleware::{Middleware, MiddlewareNext},
};

use super::Delivery;
use crate::{
    log::clock::{Clock, Stamp},
    log::{
        self,
        event::{self, Event, Next},
        line::Encoder,
    },
    shutdown::{PATIENCE_AFTER_STOP, Stop},
    threads::{self, lock},
};

/// Whether this is in the program.
pub(crate) const BUILT_IN: bool = true;

/// How long the run's end waits for the courier, unless a stop was asked for.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is looked whether a stop was asked for in the meantime.
const LOOK: Duration = Duration::from_millis(20);
/// How long the server has to answer a request.
const ANSWER_TIME: Duration = Duration::from_secs(2);
/// Reports that wait for the courier.
const QUEUE_MAX: usize = 256;
/// Abandoned operations are reported this often at once, and from then on once in the interval.
const BURST: u64 = 100;
const INTERVAL_NANOS: u64 = 1_000_000_000;
/// A report tells of so many failed attempts of its worker, the latest ones.
const TRAIL_MAX: usize = 20;

/// An error in Sentry's terms.
type Report = protocol::Event<'static>;

/// Reports to Sentry.
#[derive(Debug)]
pub(crate) struct ErrorTracking {
    reporter: Reporter,
    /// Disconnected when the courier has done its work.
    done: Receiver<()>,
}

impl ErrorTracking {
    /// Reports to `dsn` what goes wrong in the run `run`, until this is finished.
    ///
    /// # Errors
    /// The system refuses the courier's thread.
    pub(crate) fn start(dsn: &Dsn, run: u64, seed: u64, clock: Clock) -> anyhow::Result<Self> {
        let (queue, reports) = sync_channel(QUEUE_MAX);
        let (working, done) = channel();
        let ledger: Arc<Ledger> = Arc::default();
        let (dsn, accepted) = (dsn.clone(), Arc::clone(&ledger));
        threads::spawn("sentry", move || deliver(dsn, accepted, &reports, working))?;
        let reporter = Reporter {
            clock,
            tags: Map::from([
                ("run".into(), format!("{run:016x}")),
                ("seed".into(), seed.to_string()),
            ]),
            ledger,
            queue: Arc::new(Mutex::new(Some(queue))),
        };
        Ok(Self { reporter, done })
    }

    /// The `tracing` layer that makes the reports. It is to stand behind the log's, whose time stamps it takes.
    pub(crate) fn layer(&self) -> Reporter {
        self.reporter.clone()
    }

    /// Waits until all reports are sent, as far as patience goes, and says what became of them. A courier that is
    /// not done by then is left behind.
    pub(crate) fn finish(self, stop: &Stop) -> Option<Delivery> {
        let Self { reporter, done } = self;
        drop(lock(&reporter.queue).take());
        let started = Instant::now();
        while done.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
            let patience = if stop.requested() {
                PATIENCE_AFTER_STOP
            } else {
                PATIENCE
            };
            if started.elapsed() >= patience {
                break;
            }
        }
        Some(Delivery {
            errors: reporter.ledger.errors.load(Ordering::Relaxed),
            delivered: reporter.ledger.delivered.load(Ordering::Relaxed),
        })
    }
}

/// What became of the errors so far.
#[derive(Debug, Default)]
struct Ledger {
    errors: AtomicU64,
    delivered: AtomicU64,
    /// When the whole burst may be spent again.
    whole_at: AtomicU64,
}

impl Ledger {
    /// Whether one more abandoned operation may be reported at the time `now`. Of a million that fail alike, a hundred tell as much
    /// as all.
    fn allows(&self, now: Stamp) -> bool {
        let spend = |whole_at: u64| {
            let next = whole_at.max(now.0) + INTERVAL_NANOS;
            (next <= now.0 + BURST * INTERVAL_NANOS).then_some(next)
        };
        self.whole_at
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend)
            .is_ok()
    }
}

thread_local! {
    /// The latest failed attempts of the calling thread, the oldest first.
    static TRAIL: RefCell<VecDeque<Breadcrumb>> = const { RefCell::new(VecDeque::new()) };
}

/// The `tracing` layer that makes reports of the program's errors.
#[derive(Clone, Debug)]
pub(crate) struct Reporter {
    clock: Clock,
    /// What all reports have.
    tags: Map<String, String>,
    ledger: Arc<Ledger>,
    /// None once the run has ended.
    queue: Arc<Mutex<Option<SyncSender<Report>>>>,
}

impl<S: Subscriber> Layer<S> for Reporter {
    fn on_event(&self, emitted: &tracing::Event<'_>, _context: layer::Context<'_, S>) {
        event::take(emitted, |event| self.heard(event));
    }
}

impl Reporter {
    /// Notes an attempt that failed, and hands over the report that is due.
    fn heard(&self, event: &Event) {
        if event.level() != tracing::Level::ERROR {
            return;
        }
        let now = log::last_stamp();
        let time = UNIX_EPOCH + Duration::from_micros(self.clock.micros(now));
        let mut message = event.message().into_owned();
        if let Event::Failed { next, .. } = event {
            note(time, fields(event));
            if *next == Next::Retry {
                return;
            }
            message = format!("Operation abandoned: {message}");
        }
        self.ledger.errors.fetch_add(1, Ordering::Relaxed);
        if !matches!(event, Event::Failed { .. }) || self.ledger.allows(now) {
            // A queue that is full, or closed, takes none: it was not delivered, and that is known.
            if let Some(queue) = &*lock(&self.queue) {
                let _ = queue.try_send(self.report(time, message, fields(event)));
            }
        }
    }

    /// An error of the calling thread in Sentry's terms. Events are grouped by what went wrong, whomever it struck.
    fn report(&self, timestamp: SystemTime, message: String, fields: Map<String, Value>) -> Report {
        // A number at the end says whom it struck; the words of an error say what it was.
        let what = message.trim_end_matches(|c: char| c.is_ascii_digit());
        let mut group = vec![what.to_owned().into()];
        let mut title = message.clone();
        if let Some(error) = fields.get("error").and_then(Value::as_str) {
            group.push(error.to_owned().into());
            title = format!("{message}: {error}");
        }
        let mut tags = self.tags.clone();
        let thread = thread::current();
        if let Some(worker) = thread.name().and_then(|name| name.strip_prefix("Worker-")) {
            tags.insert("worker".into(), worker.into());
        }
        let trail: Vec<Breadcrumb> = TRAIL.with_borrow(|trail| trail.iter().cloned().collect());
        Report {
            timestamp,
            level: Level::Error,
            logger: Some(event::TARGET.into()),
            fingerprint: group.into(),
            message: Some(title),
            tags,
            extra: fields,
            breadcrumbs: trail.into(),
            ..Report::default()
        }
    }
}

/// Notes a failed attempt of the calling thread.
fn note(timestamp: SystemTime, data: Map<String, Value>) {
    TRAIL.with_borrow_mut(|trail| {
        if trail.len() == TRAIL_MAX {
            trail.pop_front();
        }
        trail.push_back(Breadcrumb {
            timestamp,
            category: Some("attempt".into()),
            level: Level::Warning,
            message: Some("Attempt failed".into()),
            data,
            ..Breadcrumb::default()
        });
    });
}

/// What an event tells, by the names that the log has for it.
fn fields(event: &Event) -> Map<String, Value> {
    let mut encoder = Encoder::new("", 0, None, true);
    encoder.begin(0, event.level(), "", 0);
    event.encode(&mut encoder);
    encoder.finish();
    let mut fields: Map<String, Value> = serde_json::from_slice(encoder.json()).unwrap_or_default();
    let known = Event::field_names(&event.message()).unwrap_or_default();
    fields.retain(|name, _| known.contains(&&**name));
    fields
}

/// What the courier does: it sends reports until no more can come. `_working` tells, when it goes, that all is done.
fn deliver(dsn: Dsn, accepted: Arc<Ledger>, reports: &Receiver<Report>, _working: Sender<()>) {
    let mut options = ClientOptions::new().transport(CountedTransport(accepted));
    options.dsn = Some(dsn);
    let mut options = sentry::apply_defaults(options);
    let version = concat!("hifi@", env!("CARGO_PKG_VERSION"));
    options.release.get_or_insert(version.into());
    let client = Client::from(options);
    for report in reports {
        client.capture_event(report, None);
        // One at a time: the transport has a queue of its own, and drops what that cannot hold.
        client.flush(Some(2 * ANSWER_TIME));
    }
}

/// Makes Sentry's transport with an agent that does not wait for ever, and that counts what the server accepts.
#[derive(Debug)]
struct CountedTransport(Arc<Ledger>);

impl TransportFactory for CountedTransport {
    fn create_transport_with_options(&self, options: TransportOptions) -> Arc<dyn Transport> {
        let agent: Agent = Agent::config_builder()
            .timeout_global(Some(ANSWER_TIME))
            .middleware(Counter(Arc::clone(&self.0)))
            .build()
            .into();
        Arc::new(
            UreqHttpTransportOptions::from(options)
                .with_agent(agent)
                .build(),
        )
    }
}

/// Looks at each request and its answer.
#[derive(Debug)]
struct Counter(Arc<Ledger>);

impl Middleware for Counter {
    fn handle(
        &self,
        mut request: Request<SendBody<'_>>,
        next: MiddlewareNext<'_>,
    ) -> Result<Response<Body>, ureq::Error> {
        // Some servers look at this, and the transport does not say it.
        let envelope = HeaderValue::from_static("application/x-sentry-envelope");
        request.headers_mut().insert(CONTENT_TYPE, envelope);
        let response = next.handle(request)?;
        if response.status().is_success() {
            self.0.delivered.fetch_add(1, Ordering::Relaxed);
        }
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_one_a_second() {
        let ledger = Ledger::default();
        let taken = |at: u64| (0..1000).filter(|_| ledger.allows(Stamp(at))).count() as u64;
        assert_eq!(taken(5), BURST);
        assert_eq!(taken(5 + INTERVAL_NANOS - 1), 0);
        assert_eq!(taken(5 + 3 * INTERVAL_NANOS), 3);
        assert_eq!(taken(5 + 10_000 * INTERVAL_NANOS), BURST);
    }

    /// The report of an error of the thread `name`, whose attempts failed before.
    fn report(name: &str, message: &str) -> Report {
        let reporter = Reporter {
            clock: Clock::start(),
            tags: Map::from([("run".into(), "00ab".into()), ("seed".into(), "42".into())]),
            ledger: Arc::default(),
            queue: Arc::default(),
        };
        let message = message.to_owned();
        let fields = Map::from([("error".into(), "no more".into())]);
        let reporting = threads::spawn(name, move || {
            for attempt in 1..=TRAIL_MAX + 3 {
                note(UNIX_EPOCH, Map::from([("attempt".into(), attempt.into())]));
            }
            reporter.report(UNIX_EPOCH, message, fields)
        });
        reporting.unwrap().join().unwrap()
    }

    #[test]
    fn a_report_in_the_terms_of_sentry() {
        let event = report("Worker-7", "Operation abandoned: I/O operation failed");
        assert_eq!(
            serde_json::to_value(event.tags).unwrap(),
            serde_json::json!({"run": "00ab", "seed": "42", "worker": "7"})
        );
        assert_eq!(
            event.message.unwrap(),
            "Operation abandoned: I/O operation failed: no more"
        );
        assert_eq!(
            *event.fingerprint,
            ["Operation abandoned: I/O operation failed", "no more"]
        );
        assert_eq!(event.extra["error"], "no more");
        let trail: Vec<_> = event
            .breadcrumbs
            .iter()
            .map(|crumb| &crumb.data["attempt"])
            .collect();
        assert_eq!((trail[0], trail.len()), (&4.into(), TRAIL_MAX));

        let event = report("main", "Thread could not be started: Worker-12");
        assert_eq!(event.fingerprint[0], "Thread could not be started: Worker-");
        assert!(!event.tags.contains_key("worker"));
    }
}
