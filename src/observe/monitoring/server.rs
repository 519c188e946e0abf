//! An HTTP server: a thread of its own, which no client can keep from its work.
//!
//! Heads are bounded in size. Connections are bounded in number: the oldest that waits for nothing goes when
//! there is one too many, so clients that only sit there are in nobody's way. Once a second all connections are looked at,
//! and those that have been silent for too long are closed: a timer for each request would cost more.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::Future,
    net::TcpListener,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    runtime::Runtime,
    sync::oneshot,
    task::AbortHandle,
    time::{sleep, timeout},
};

use crate::{
    shutdown::PATIENCE_AFTER_STOP,
    threads::{Background, lock},
};

/// How large a head may be.
const HEAD_BYTES: usize = 16 << 10;
/// How long to wait where the system has no descriptor to spare for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often is looked for connections that are silent.
const SILENCE_UNIT: Duration = Duration::from_secs(1);
/// How often is looked whether somebody still waits for an answer at the end.
const LOOK_PAUSE: Duration = Duration::from_millis(1);

/// What a client may take of a server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Connections at one time.
    pub connections: usize,
    /// Seconds from the beginning of a connection, or from the answer before, to the end of a request's head; and from an
    /// answer to its being taken.
    pub silence: u64,
    /// A client may send one request after the other.
    pub keep_alive: bool,
    /// At the end, requests that are on their way have so long to come.
    pub grace: Duration,
}

/// What a server answers.
pub(super) trait Service: Send + Sync + 'static {
    /// The answer to a request that came by this connection. A panic in it costs its client the answer, and nobody else
    /// anything.
    fn answer(
        &self,
        request: Request<Incoming>,
        connection: &Connection,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send;

    /// Runs the server's tasks on the calling thread, which is the server's, until `end`.
    fn run(self: Arc<Self>, runtime: Runtime, end: impl Future<Output = ()>) {
        runtime.block_on(end);
    }
}

/// A connection, as its service knows it.
#[derive(Debug, Default)]
pub(super) struct Connection {
    awaits_answer: AtomicBool,
    /// Seconds without a request's head or an answer to one.
    silent: AtomicU64,
}

impl Connection {
    /// Waits for what an answer is made from. Meanwhile the connection is not closed.
    pub(super) async fn keep_while<T>(&self, waits: impl Future<Output = T>) -> T {
        self.awaits_answer.store(true, Ordering::Relaxed);
        let result = waits.await;
        self.awaits_answer.store(false, Ordering::Relaxed);
        result
    }

    fn awaits_answer(&self) -> bool {
        self.awaits_answer.load(Ordering::Relaxed)
    }

    fn is_heard(&self) {
        self.silent.store(0, Ordering::Relaxed);
    }

    /// Another second has passed. Says whether the connection was silent for too long.
    fn is_silent(&self, limit: u64) -> bool {
        !self.awaits_answer() && self.silent.fetch_add(1, Ordering::Relaxed) >= limit
    }
}

/// The connections of a server, the oldest first.
type Connections = Mutex<VecDeque<(AbortHandle, Arc<Connection>)>>;

/// Serves on `listener`, in a thread of the name `name`, until the server is dropped.
///
/// # Errors
/// The system refuses what a server needs.
pub(super) fn start<S: Service>(
    listener: TcpListener,
    name: &str,
    limits: Limits,
    service: Arc<S>,
) -> anyhow::Result<Background> {
    let needs = || format!("cannot start the {name} server");
    listener.set_nonblocking(true).with_context(needs)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .with_context(needs)?;
    let listener = {
        let _entered = runtime.enter();
        tokio::net::TcpListener::from_std(listener).with_context(needs)?
    };
    let (end, ended) = oneshot::channel::<()>();
    Background::start(
        name,
        move || drop(end),
        move || {
            let connections: Arc<Connections> = Arc::default();
            runtime.spawn(close_silent(limits, Arc::clone(&connections)));
            let accepting = runtime.spawn(accept(
                listener,
                limits,
                Arc::clone(&service),
                Arc::clone(&connections),
            ));
            service.run(runtime, async {
                // Nobody ever sends: it ends when the other side is dropped.
                let _ = ended.await;
                sleep(limits.grace).await;
                accepting.abort();
                let _ = timeout(PATIENCE_AFTER_STOP, all_answered(&connections)).await;
            });
        },
    )
}

async fn accept<S: Service>(
    listener: tokio::net::TcpListener,
    limits: Limits,
    service: Arc<S>,
    connections: Arc<Connections>,
) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let mut connections = lock(&connections);
        if connections.len() >= limits.connections {
            connections.retain(|(task, _)| !task.is_finished());
        }
        if connections.len() >= limits.connections {
            let oldest = connections.iter().position(|(_, it)| !it.awaits_answer());
            // Where all wait for their answers it is the newcomer that goes.
            let Some((oldest, _)) = oldest.and_then(|oldest| connections.remove(oldest)) else {
                continue;
            };
            oldest.abort();
        }
        let connection: Arc<Connection> = Arc::default();
        let served = serve(
            stream,
            limits,
            Arc::clone(&service),
            Arc::clone(&connection),
        );
        connections.push_back((tokio::spawn(served).abort_handle(), connection));
    }
}

async fn close_silent(limits: Limits, connections: Arc<Connections>) {
    loop {
        sleep(SILENCE_UNIT).await;
        let mut connections = lock(&connections);
        connections.retain(|(task, _)| !task.is_finished());
        for (task, connection) in &*connections {
            if connection.is_silent(limits.silence) {
                task.abort();
            }
        }
    }
}

/// Serves one connection. What is wrong with a client is no business of the run's.
async fn serve<S: Service>(
    stream: TcpStream,
    limits: Limits,
    service: Arc<S>,
    connection: Arc<Connection>,
) {
    // An answer that is sent behind another one must not wait until that was acknowledged.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let (service, connection) = (Arc::clone(&service), Arc::clone(&connection));
        async move {
            connection.is_heard();
            let response = service.answer(request, &connection).await;
            connection.is_heard();
            Ok::<_, Infallible>(response)
        }
    });
    let served = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        // Answers are small: to copy head and body into one piece costs less than to send two.
        .writev(false)
        .keep_alive(limits.keep_alive)
        // A client that has nothing more to say may still want its answer.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let _ = served.await;
}

async fn all_answered(connections: &Connections) {
    let waiting = || lock(connections).iter().any(|(_, it)| it.awaits_answer());
    while waiting() {
        sleep(LOOK_PAUSE).await;
    }
}

/// An answer in plain text.
pub(super) fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let format = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, format);
    response
}

/// The answer where another method is needed.
pub(super) fn only(methods: &'static str) -> Response<Full<Bytes>> {
    let text = format!("only {methods} is answered here\n");
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, text);
    let methods = HeaderValue::from_static(methods);
    response.headers_mut().insert(ALLOW, methods);
    response
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::SocketAddr,
    };

    use super::*;

    struct Panicking;

    impl Service for Panicking {
        async fn answer(
            &self,
            request: Request<Incoming>,
            _: &Connection,
        ) -> Response<Full<Bytes>> {
            match request.uri().path() {
                "/panic" => panic!("on purpose, in the server's thread"),
                _ => plain(StatusCode::OK, "well\n"),
            }
        }
    }

    fn get(addr: SocketAddr, path: &str) -> String {
        let mut stream = std::net::TcpStream::connect(addr).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    #[test]
    fn a_panic_costs_its_client_the_answer_and_nobody_else_anything() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let limits = Limits {
            connections: 2,
            silence: 5,
            keep_alive: true,
            grace: Duration::ZERO,
        };
        let server = start(listener, "panicking", limits, Arc::new(Panicking)).unwrap();
        for _ in 0..3 {
            assert_eq!(get(addr, "/panic"), "");
            assert!(get(addr, "/").ends_with("well\n"));
        }
        drop(server);
    }
}
