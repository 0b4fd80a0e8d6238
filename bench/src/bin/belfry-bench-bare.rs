//! The bare pipeline: what a gateway has to do at the least, in as little code as possible. No routes, limits, metrics, deadlines,
//! spool, CloudEvents or JSON. It is what Belfry's gateway is measured against.
//!
//!     belfry-bench-bare pipeline ADDRESS NATS_URL REDIS_URL    verify, GET in Redis, publish to JetStream, SET in Redis, 202
//!     belfry-bench-bare http ADDRESS                           verify, 202
//!     belfry-bench-bare orchestrator ADDRESS                   200 to whatever comes

#![expect(
    clippy::disallowed_methods,
    reason = "as little code as possible: connections end with the process"
)]

use anyhow::{Context, Result, bail};
use async_nats::jetstream;
use async_nats::jetstream::stream::{Config, DiscardPolicy};
use belfry_bench::body::SECRET;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use redis::aio::MultiplexedConnection;
use sha2::Sha256;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// How long a delivery is remembered in Redis, in milliseconds: as long as Belfry does.
const REMEMBERED: u64 = 24 * 3_600_000;

/// What is done with a request.
#[derive(Default)]
struct Pipeline {
    verifies: bool,
    stores: Option<(jetstream::Context, MultiplexedConnection)>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (address, pipeline) = match arguments[..] {
        ["pipeline", address, nats, redis] => (address, store(nats, redis).await?),
        ["http", address] => {
            let verifies = true;
            let pipeline = Pipeline {
                verifies,
                ..Pipeline::default()
            };
            (address, pipeline)
        }
        ["orchestrator", address] => (address, Pipeline::default()),
        _ => bail!(
            "usage: belfry-bench-bare pipeline|http|orchestrator ADDRESS [NATS_URL REDIS_URL]"
        ),
    };
    let pipeline = Arc::new(pipeline);
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let pipeline = pipeline.clone();
        let service = service_fn(move |request| {
            let pipeline = pipeline.clone();
            async move { pipeline.answer(request).await }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// Connects, and makes a stream like Belfry's.
async fn store(nats: &str, redis: &str) -> Result<Pipeline> {
    let context = jetstream::new(async_nats::connect(nats).await?);
    let stream = Config {
        name: "BENCH_EVENTS".into(),
        subjects: vec!["bench.event.*".into()],
        discard: DiscardPolicy::New,
        max_age: Duration::from_hours(7 * 24),
        max_bytes: 4 << 30,
        duplicate_window: Duration::from_mins(2),
        allow_direct: true,
        ..Config::default()
    };
    context.create_stream(stream).await?;
    let redis = redis::Client::open(redis)?
        .get_multiplexed_async_connection()
        .await?;
    Ok(Pipeline {
        verifies: true,
        stores: Some((context, redis)),
    })
}

impl Pipeline {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        if !self.verifies {
            return Ok(say(StatusCode::OK, r#"{"execution_id":"e"}"#.into()));
        }
        if !is_genuine(&head.headers, &body) {
            return Ok(say(StatusCode::UNAUTHORIZED, String::new()));
        }
        let id = header(&head.headers, "x-github-delivery")?;
        if let Some((context, redis)) = &self.stores {
            let mut redis = redis.clone();
            let key = format!("seen:{id}");
            let seen: Option<String> = redis::cmd("GET").arg(&key).query_async(&mut redis).await?;
            if seen.is_some() {
                return Ok(say(StatusCode::OK, id.to_owned()));
            }
            let mut headers = async_nats::HeaderMap::new();
            headers.insert("Nats-Msg-Id", id);
            context
                .publish_with_headers("bench.event.github", headers, body)
                .await?
                .await?;
            let mut set = redis::cmd("SET");
            set.arg(&key).arg("1").arg("PX").arg(REMEMBERED);
            set.exec_async(&mut redis).await?;
        }
        let accepted = format!(r#"{{"status":"accepted","event_id":"{id}"}}"#);
        Ok(say(StatusCode::ACCEPTED, accepted))
    }
}

fn is_genuine(headers: &HeaderMap, body: &[u8]) -> bool {
    let signature = header(headers, "x-hub-signature-256").ok();
    let Some(Ok(signature)) = signature
        .and_then(|value| value.strip_prefix("sha256="))
        .map(hex::decode)
    else {
        return false;
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key of any length");
    mac.update(body);
    mac.verify_slice(&signature).is_ok()
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Result<&'h str> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .with_context(|| format!("no {name}"))
}

fn say(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
}
