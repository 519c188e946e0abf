//! What is answered to whoever scrapes: the metrics, a sign of life, a thread dump.

use std::{net::TcpListener, sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
};

use super::server::{self, Connection, Limits, Service, only, plain};
use crate::threads::Background;

/// Whoever connects gets one answer, in a bounded time.
const LIMITS: Limits = Limits {
    connections: 64,
    silence: 5,
    keep_alive: false,
    grace: Duration::ZERO,
};

/// What makes the text of a page.
pub(super) type Render = Box<dyn Fn() -> String + Send + Sync>;

/// What is answered.
pub(super) struct Pages {
    pub metrics: Render,
    /// The thread dump, where there is one.
    pub threads: Option<Render>,
}

impl Pages {
    /// Serves them on `listener`.
    ///
    /// # Errors
    /// The system refuses what a server needs.
    pub(super) fn serve(self, listener: TcpListener) -> anyhow::Result<Background> {
        server::start(listener, "metrics", LIMITS, Arc::new(self))
    }
}

impl Service for Pages {
    async fn answer(&self, request: Request<Incoming>, _: &Connection) -> Response<Full<Bytes>> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return only("GET, HEAD");
        }
        match (request.uri().path(), &self.threads) {
            ("/metrics", _) => {
                let mut response = plain(StatusCode::OK, (self.metrics)());
                let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
                response.headers_mut().insert(CONTENT_TYPE, format);
                response
            }
            ("/healthz", _) => plain(StatusCode::OK, "ok\n"),
            ("/threads", Some(threads)) => plain(StatusCode::OK, threads()),
            (_, Some(_)) => plain(
                StatusCode::NOT_FOUND,
                "there are /metrics, /healthz and /threads\n",
            ),
            (_, None) => plain(StatusCode::NOT_FOUND, "there are /metrics and /healthz\n"),
        }
    }
}
