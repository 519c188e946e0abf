//! What is answered to whoever asks for operations: each `POST /operations` is one, which a worker carries out.
//!
//! All that becomes ready together is handed to the workers together, and their answers are collected together: see
//! [`backlog`](crate::work::backlog).

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    future::poll_fn,
    mem,
    net::TcpListener,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Bytes, Incoming},
    header::{CONNECTION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER},
    http::request::Parts,
};
use tokio::{runtime::Runtime, sync::oneshot, time::timeout};

use super::server::{self, Connection, Limits, Service, only, plain};
use crate::{
    figures::{Count, Distribution, Histogram},
    observe::process,
    threads::{Background, lock},
    work::backlog::{Answer, Backlog, Ending, Frontend, Refusal, Requester},
};

/// Connections at one time, where the system lets the process open as many files.
const CONNECTIONS_MAX: u64 = 4096;
/// Files that are left for all but connections.
const FILES_MIN: u64 = 64;
/// How many seconds a client has for a request's head, and for its body.
const REQUEST_SECONDS: u64 = 10;
/// How large a body may be. It is read, and means nothing.
const BODY_BYTES: u64 = 64 << 10;
/// Once the last worker has ended, a request that is on its way is refused for so long; after that no connection is taken.
const GRACE: Duration = Duration::from_millis(50);

/// What `GET /` says.
const USAGE: &str = "\
POST /operations carries out one operation. The answer comes when its lines are logged:
  200  it was completed
  500  an unexpected error struck, or its line could not be written to the log
  503  it was abandoned after its last retry, or a stop interrupted it
  503  with Retry-After: too many requests wait, and nothing was begun
  503  with Connection: close: no operation is begun any more
The body, JSON, says which worker it was, which of its operations, after how many attempts, and the counter.

  curl -X POST http://ADDR/operations
";

/// The codes that are answered.
const CODES: [u16; 8] = [200, 400, 404, 405, 408, 413, 500, 503];

/// Requests by the code of their answer, and how long they took. Whoever runs the server counts.
#[derive(Debug, Default)]
pub(super) struct RequestFigures {
    codes: [Count; CODES.len()],
    seconds: Histogram,
}

impl RequestFigures {
    fn count(&self, status: StatusCode) {
        if let Some(place) = CODES.iter().position(|code| *code == status.as_u16()) {
            self.codes[place].add(1);
        }
    }

    /// How many were answered with each code; those that nobody was answered with are there too.
    pub(super) fn by_code(&self) -> BTreeMap<u16, u64> {
        let counts = self.codes.iter().map(Count::get);
        CODES.into_iter().zip(counts).collect()
    }

    /// From a request's arrival to its answer.
    pub(super) fn seconds(&self) -> Distribution {
        let mut seconds = Distribution::default();
        seconds.add(&self.seconds);
        seconds
    }
}

/// What the answers are made from.
struct Operations {
    backlog: Arc<Backlog>,
    /// Who has come and was not handed over yet.
    arrived: Mutex<Vec<Requester>>,
    figures: Arc<RequestFigures>,
}

/// Serves operations on `listener`.
///
/// # Errors
/// The system refuses what a server needs.
pub(super) fn serve(
    listener: TcpListener,
    backlog: Arc<Backlog>,
    figures: Arc<RequestFigures>,
) -> anyhow::Result<Background> {
    let files = process::open_files_max().unwrap_or(1024);
    let limits = Limits {
        connections: files.saturating_sub(FILES_MIN).clamp(1, CONNECTIONS_MAX) as usize,
        silence: REQUEST_SECONDS,
        keep_alive: true,
        grace: GRACE,
    };
    let operations = Operations {
        backlog,
        arrived: Mutex::default(),
        figures,
    };
    server::start(listener, "operations", limits, Arc::new(operations))
}

impl Service for Operations {
    async fn answer(
        &self,
        request: Request<Incoming>,
        connection: &Connection,
    ) -> Response<Full<Bytes>> {
        let response = match (request.uri().path(), request.method()) {
            ("/operations", &Method::POST) => {
                let (Parts { headers, .. }, body) = request.into_parts();
                match read(body).await {
                    Ok(()) => return connection.keep_while(self.carry_out(headers)).await,
                    Err((status, text)) => plain(status, text),
                }
            }
            ("/", &Method::GET | &Method::HEAD) => return plain(StatusCode::OK, USAGE),
            ("/operations", _) => only("POST"),
            ("/", _) => only("GET, HEAD"),
            _ => plain(StatusCode::NOT_FOUND, "there are / and /operations\n"),
        };
        self.figures.count(response.status());
        response
    }

    fn run(self: Arc<Self>, runtime: Runtime, end: impl Future<Output = ()>) {
        let backlog = Arc::clone(&self.backlog);
        let (mut end, mut ended) = (pin!(end), false);
        let mut tasks: Box<dyn Frontend> = Box::new(Tasks {
            operations: self,
            runtime,
        });
        loop {
            tasks.run_until(&mut |context| {
                ended = end.as_mut().poll(context).is_ready();
                ended || backlog.is_led()
            });
            if ended {
                return;
            }
            tasks = backlog.lend(tasks);
        }
    }
}

/// All that serves clients.
struct Tasks {
    operations: Arc<Operations>,
    runtime: Runtime,
}

impl Frontend for Tasks {
    fn run_until(&mut self, is_over: &mut dyn FnMut(&mut Context<'_>) -> bool) {
        self.runtime.block_on(poll_fn(|context| {
            self.operations.hand_over(context);
            if is_over(context) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }));
    }
}

impl Operations {
    /// Hands over what has arrived, and delivers the answers that are ready.
    fn hand_over(&self, context: &Context<'_>) {
        let mut arrived = mem::take(&mut *lock(&self.arrived));
        if !arrived.is_empty() {
            self.backlog.submit(&mut arrived);
        }
        self.backlog.deliver(context.waker());
    }

    /// Has an operation carried out. The request's `headers` become those of the response: to make new ones would cost more.
    async fn carry_out(&self, mut headers: HeaderMap) -> Response<Full<Bytes>> {
        headers.clear();
        let (sender, receiver) = oneshot::channel();
        let (figures, began) = (Arc::clone(&self.figures), Instant::now());
        // A client that has left is counted like any other: its operation was carried out.
        self.arrive(Box::new(move |answer| {
            figures.count(status(answer));
            let nanos = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
            figures.seconds.record(nanos);
            let _ = sender.send(answer);
        }));
        match receiver.await {
            Ok(answer) => respond(answer, self.backlog.is_closed(), headers),
            Err(_) => plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the operation was lost\n",
            ),
        }
    }

    fn arrive(&self, requester: Requester) {
        let mut arrived = lock(&self.arrived);
        arrived.push(requester);
        let is_first = arrived.len() == 1;
        drop(arrived);
        if is_first {
            self.backlog.wake_frontend();
        }
    }
}

impl Drop for Operations {
    /// The answers to clients that have left are counted, too.
    fn drop(&mut self) {
        self.backlog.deliver(Waker::noop());
    }
}

/// Reads a body to its end; status and text for a client whose body cannot be.
async fn read(mut body: Incoming) -> Result<(), (StatusCode, String)> {
    // Most requests have none, and a timer costs much.
    if body.is_end_stream() {
        return Ok(());
    }
    let announced = body.size_hint().lower();
    let mut bytes = 0;
    let read = async {
        while bytes.max(announced) <= BODY_BYTES {
            match body.frame().await {
                None => return Ok(()),
                Some(Ok(frame)) => bytes += frame.data_ref().map_or(0, Bytes::len) as u64,
                Some(Err(_)) => {
                    return Err((StatusCode::BAD_REQUEST, "the body cannot be read\n".into()));
                }
            }
        }
        let text = format!("a body of at most {BODY_BYTES} bytes is read\n");
        Err((StatusCode::PAYLOAD_TOO_LARGE, text))
    };
    let time = Duration::from_secs(REQUEST_SECONDS);
    timeout(time, read).await.unwrap_or_else(|_| {
        let text = format!("the body did not come within {time:?}\n");
        Err((StatusCode::REQUEST_TIMEOUT, text))
    })
}

fn outcome(ending: Ending) -> (StatusCode, &'static str) {
    match ending {
        Ending::Completed { .. } => (StatusCode::OK, "completed"),
        Ending::Abandoned => (StatusCode::SERVICE_UNAVAILABLE, "abandoned"),
        Ending::Interrupted => (StatusCode::SERVICE_UNAVAILABLE, "interrupted"),
        Ending::Panicked => (StatusCode::INTERNAL_SERVER_ERROR, "panicked"),
        Ending::Unlogged => (StatusCode::INTERNAL_SERVER_ERROR, "unlogged"),
    }
}

fn status(answer: Answer) -> StatusCode {
    match answer {
        Answer::Ended { ending, .. } => outcome(ending).0,
        Answer::Refused(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// An answer as a client is told it, in JSON. It has no word that would have to be escaped.
fn told(answer: Answer) -> Bytes {
    let mut text = String::with_capacity(128);
    match answer {
        Answer::Ended {
            worker,
            iteration,
            attempts,
            ending,
        } => {
            let (_, outcome) = outcome(ending);
            let _ = write!(
                text,
                r#"{{"outcome":"{outcome}","worker":{worker},"iteration":{iteration},"attempts":{attempts}"#
            );
            if let Ending::Completed { counter } = ending {
                let _ = write!(text, r#","counter":{counter}"#);
            }
        }
        Answer::Refused(refusal) => {
            let reason = match refusal {
                Refusal::Full => "too many requests wait",
                Refusal::Closed => "no operation is begun any more",
            };
            let _ = write!(text, r#"{{"outcome":"refused","reason":"{reason}""#);
        }
    }
    (text + "}\n").into()
}

/// The response to a request; with `is_last`, its client need not send another one. `headers` are there to be filled.
fn respond(answer: Answer, is_last: bool, mut headers: HeaderMap) -> Response<Full<Bytes>> {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if answer == Answer::Refused(Refusal::Full) {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if is_last {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let mut response = Response::new(Full::new(told(answer)));
    *response.status_mut() = status(answer);
    *response.headers_mut() = headers;
    response
}
