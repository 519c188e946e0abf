//! What is answered to whoever scrapes: the metrics, a sign of life, a thread dump.

use std::{net::TcpListener, sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
};

use super::{
    metrics::{self, LogFigures},
    operations::RequestFigures,
    server::{Connection, Limits, Server, Service, only, plain},
};
use crate::observe::watch::Sources;

/// Whoever connects gets one answer, in a bounded time.
pub(super) const LIMITS: Limits = Limits {
    connections: 64,
    silence: 5,
    keep_alive: false,
    grace: Duration::ZERO,
};

/// What the answers are made from.
struct Scrapes {
    sources: Sources,
    requests: Option<Arc<RequestFigures>>,
    log: LogFigures,
}

/// Serves the metrics on `listener`.
///
/// # Errors
/// The system refuses what a server needs.
pub(super) fn serve(
    listener: TcpListener,
    sources: Sources,
    requests: Option<Arc<RequestFigures>>,
) -> anyhow::Result<Server> {
    let scrapes = Scrapes {
        sources,
        requests,
        log: LogFigures::default(),
    };
    Server::start(listener, "metrics", LIMITS, Arc::new(scrapes))
}

impl Service for Scrapes {
    async fn answer(&self, request: Request<Incoming>, _: &Connection) -> Response<Full<Bytes>> {
        let text = || metrics::text(&self.sources, self.requests.as_deref(), &self.log);
        let threads = || self.sources.dumper.text();
        answer(&request, text, Some(&threads))
    }
}

/// The answer to a request for metrics, a sign of life or, where there is one, a thread dump.
pub(super) fn answer(
    request: &Request<Incoming>,
    metrics: impl FnOnce() -> anyhow::Result<String>,
    threads: Option<&dyn Fn() -> String>,
) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return only("GET, HEAD");
    }
    match (request.uri().path(), threads) {
        ("/metrics", _) => match metrics() {
            Ok(text) => {
                let mut response = plain(StatusCode::OK, text);
                let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
                response.headers_mut().insert(CONTENT_TYPE, format);
                response
            }
            Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")),
        },
        ("/healthz", _) => plain(StatusCode::OK, "ok\n"),
        ("/threads", Some(threads)) => plain(StatusCode::OK, threads()),
        (_, Some(_)) => plain(
            StatusCode::NOT_FOUND,
            "there are /metrics, /healthz and /threads\n",
        ),
        (_, None) => plain(StatusCode::NOT_FOUND, "there are /metrics and /healthz\n"),
    }
}
