//! The metrics server: HTTP on a thread of its own, which no client can keep from its work.
//!
//! Whoever connects gets one answer, in a bounded time and with a bounded head. Connections are bounded in number: the
//! oldest goes when there is one too many, so clients that only sit there are in nobody's way.

use std::{
    collections::VecDeque,
    convert::Infallible,
    net::TcpListener,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::Context;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpStream,
    sync::oneshot,
    task::AbortHandle,
    time::{sleep, timeout},
};

use super::metrics::{self, LogFigures};
use crate::observe::watch::Sources;

/// Connections at one time.
const CONNECTIONS_MAX: usize = 64;
/// How long a client has for its request's head, and for all of the exchange.
const HEAD_TIME: Duration = Duration::from_secs(5);
const EXCHANGE_TIME: Duration = Duration::from_secs(10);
/// How large the head may be.
const HEAD_BYTES: usize = 16 << 10;
/// How long to wait where the system has no descriptor to spare for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The server's thread. To drop it is to end it.
#[derive(Debug)]
pub struct Server {
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What makes an answer.
type Answer = dyn Fn(&Request<Incoming>) -> Response<Full<Bytes>> + Send + Sync;

/// What the answers are made from.
struct Answers {
    sources: Sources,
    log: LogFigures,
}

impl Server {
    /// Serves on `listener` until this is dropped.
    ///
    /// # Errors
    /// The system refuses what a server needs.
    pub fn start(listener: TcpListener, sources: Sources) -> anyhow::Result<Self> {
        let answers = Answers {
            sources,
            log: LogFigures::default(),
        };
        Self::answer_with(listener, Arc::new(move |request| answers.answer(request)))
    }

    /// Serves what `answer` makes. A panic in it costs its client the answer, and nobody else anything.
    fn answer_with(listener: TcpListener, answer: Arc<Answer>) -> anyhow::Result<Self> {
        let needs = "cannot start the metrics server";
        listener.set_nonblocking(true).context(needs)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .context(needs)?;
        let listener = {
            let _entered = runtime.enter();
            tokio::net::TcpListener::from_std(listener).context(needs)?
        };
        let (end, ended) = oneshot::channel::<()>();
        let thread = thread::Builder::new()
            .name("metrics".into())
            .spawn(move || {
                runtime.spawn(accept(listener, answer));
                // Nobody ever sends: it ends when the other side is dropped, and with it all connections.
                let _ = runtime.block_on(ended);
            })
            .context(needs)?;
        Ok(Self {
            end: Some(end),
            thread: Some(thread),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: tokio::net::TcpListener, answer: Arc<Answer>) {
    let mut connections: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        connections.retain(|connection| !connection.is_finished());
        if connections.len() >= CONNECTIONS_MAX
            && let Some(oldest) = connections.pop_front()
        {
            oldest.abort();
        }
        let connection = tokio::spawn(timeout(EXCHANGE_TIME, serve(stream, Arc::clone(&answer))));
        connections.push_back(connection.abort_handle());
    }
}

/// Serves one connection. What is wrong with a client is no business of the run's.
async fn serve(stream: TcpStream, answer: Arc<Answer>) {
    let service = service_fn(move |request| {
        let answer = answer(&request);
        async { Ok::<_, Infallible>(answer) }
    });
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

impl Answers {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut response = plain(
                StatusCode::METHOD_NOT_ALLOWED,
                "only GET and HEAD are answered\n",
            );
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match request.uri().path() {
            "/metrics" => match metrics::text(&self.sources, &self.log) {
                Ok(text) => {
                    let mut response = plain(StatusCode::OK, text);
                    let format =
                        HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
                    response.headers_mut().insert(CONTENT_TYPE, format);
                    response
                }
                Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")),
            },
            "/healthz" => plain(StatusCode::OK, "ok\n"),
            "/threads" => plain(StatusCode::OK, self.sources.dumper.text()),
            _ => plain(
                StatusCode::NOT_FOUND,
                "there are /metrics, /healthz and /threads\n",
            ),
        }
    }
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let format = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, format);
    response
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::SocketAddr,
    };

    use super::*;

    fn get(addr: SocketAddr, path: &str) -> String {
        let mut stream = std::net::TcpStream::connect(addr).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    #[test]
    fn a_panic_costs_its_client_the_answer_and_nobody_else_anything() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let server = Server::answer_with(
            listener,
            Arc::new(|request| match request.uri().path() {
                "/panic" => panic!("on purpose, in the metrics thread"),
                _ => plain(StatusCode::OK, "well\n"),
            }),
        )
        .unwrap();
        for _ in 0..3 {
            assert_eq!(get(addr, "/panic"), "");
            assert!(get(addr, "/").ends_with("well\n"));
        }
        drop(server);
    }
}
