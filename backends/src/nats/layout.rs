//! The streams and buckets that Belfry uses: made if they are missing, widened if they are too narrow, never narrowed.

mod plan;

use super::kv;
use super::link::{Link, Refusal};
use crate::{Config, Limits};
use async_nats::jetstream::ErrorCode;
use belfry_mesh::port::Error;
use belfry_mesh::port::state::Bucket;
use plan::{Plan, plan};
use serde_json::{Map, Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The stream of the events.
pub(super) const EVENTS: &str = "BELFRY_EVENTS";
/// The stream of the outcomes.
pub(super) const OUTCOMES: &str = "BELFRY_OUTCOMES";
/// The stream of the dead letters.
pub(super) const DEAD: &str = "BELFRY_DEAD";
/// The bucket of the leases.
pub(super) const LEASES: &str = "belfry-leases";

/// How much each bucket may hold, in bytes. Some ten thousand triggers with their history need half of it.
const BUCKET_BYTES: u64 = 256 << 20;

/// How full a stream may be, in bytes below its limit, before it counts as full.
const ROOM: u64 = 4 * 1024;

/// How often a stream is looked for that somebody else is to make.
const LOOK: Duration = Duration::from_millis(500);

/// How long a cluster that has no leader yet, or not enough servers, is waited for, in deadlines of an answer.
const START: u32 = 10;

/// Makes sure that the server has what Belfry needs. What this process may not make it waits for, without end: somebody who may is
/// to come.
///
/// # Errors
/// [`Error::Refused`] if it cannot have it, [`Error::Unavailable`] if it does not answer.
pub(super) async fn prepare(link: &Link, config: &Config) -> Result<(), Error> {
    let began = Instant::now();
    for wanted in wanted(config) {
        loop {
            match ensure(link, &wanted).await {
                Err(error @ Error::Unavailable { .. })
                    if link.is_up() && began.elapsed() < START * link.deadline() =>
                {
                    tracing::warn!(%error, "the bus is not ready; trying again");
                    sleep(LOOK).await;
                }
                other => break other?,
            }
        }
    }
    Ok(())
}

/// Returns if the stream has room.
pub(super) async fn check_room(link: &Link, stream: &str) -> Result<(), Error> {
    link.up().await?;
    let info = info(link, stream)
        .await
        .map_err(|refusal| link.explain(refusal, stream))?;
    let limit = info["config"]["max_bytes"].as_u64();
    let held = info["state"]["bytes"].as_u64().unwrap_or_default();
    match limit {
        Some(limit) if held + ROOM > limit => {
            Err(full(stream, format!("it holds {held} bytes of {limit}")))
        }
        _ => Ok(()),
    }
}

/// Why something was not stored.
pub(super) fn not_stored(link: &Link, stream: &str, refusal: Refusal) -> Error {
    let Refusal::Said(error) = &refusal else {
        return link.explain(refusal, stream);
    };
    let why = error.to_string();
    match error.error_code() {
        ErrorCode::STREAM_STORE_FAILED if why.contains("maximum") => full(stream, why),
        ErrorCode::INSUFFICIENT_RESOURCES
        | ErrorCode::STORAGE_RESOURCES_EXCEEDED
        | ErrorCode::MEMORY_RESOURCES_EXCEEDED
        | ErrorCode::ACCOUNT_RESOURCES_EXCEEDED => full(stream, why),
        // A copy of it is being stored at this moment, or the server has too much to do.
        ErrorCode::STREAM_DUPLICATE_MESSAGE_CONFLICT | ErrorCode::STREAM_TOO_MANY_REQUESTS => {
            link.unavailable(why)
        }
        _ => link.explain(refusal, stream),
    }
}

fn full(stream: &str, why: String) -> Error {
    Error::Full {
        log: stream.to_owned(),
        why,
    }
}

/// All streams, as the configuration wants them.
fn wanted(config: &Config) -> Vec<Map<String, Value>> {
    let keep = config.retention;
    let mut all = vec![
        log(
            EVENTS,
            &["belfry.event.*", "belfry.tick.*", "belfry.signal.>"],
            "new",
            keep.events,
            config,
        ),
        log(
            OUTCOMES,
            &["belfry.outcome.*"],
            "old",
            keep.outcomes,
            config,
        ),
        log(DEAD, &["belfry.dead.*"], "new", keep.dead_letters, config),
    ];
    all.extend(Bucket::ALL.map(|one| bucket(one.name(), one.history(), config)));
    // Single messages of it are deleted, which frees a lease without a trace of it.
    let mut leases = bucket(LEASES, 1, config);
    leases.insert("deny_delete".into(), json!(false));
    all.push(leases);
    all
}

fn log(
    name: &str,
    subjects: &[&str],
    discard: &str,
    keep: Limits,
    config: &Config,
) -> Map<String, Value> {
    let age = keep.age.unwrap_or_default();
    // The server remembers ids no longer than messages.
    let window = if age.is_zero() {
        config.window
    } else {
        config.window.min(age)
    };
    stream(json!({
        "name": name,
        "subjects": subjects,
        "discard": discard,
        "max_age": nanos(age),
        "max_bytes": keep.bytes,
        "duplicate_window": nanos(window),
        "num_replicas": config.replicas,
    }))
}

fn bucket(name: &str, history: u8, config: &Config) -> Map<String, Value> {
    stream(json!({
        "name": kv::stream(name),
        "subjects": [format!("$KV.{name}.>")],
        "discard": "new",
        "max_msgs_per_subject": history,
        "max_bytes": BUCKET_BYTES,
        "num_replicas": config.replicas,
        "allow_rollup_hdrs": true,
        "allow_msg_ttl": true,
        "deny_delete": true,
    }))
}

fn stream(special: Value) -> Map<String, Value> {
    let Value::Object(mut stream) = special else {
        unreachable!("it is written as an object")
    };
    stream.insert("retention".into(), json!("limits"));
    stream.insert("storage".into(), json!("file"));
    stream.insert("allow_direct".into(), json!(true));
    stream
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 2)
}

async fn ensure(link: &Link, wanted: &Map<String, Value>) -> Result<(), Error> {
    let name = wanted["name"].as_str().unwrap_or_default();
    let failed = |refusal| unprepared(link, name, refusal);
    let found = match info(link, name).await {
        Err(refusal) if refusal.is(ErrorCode::STREAM_NOT_FOUND) => {
            match link
                .api::<Value>(&format!("STREAM.CREATE.{name}"), wanted)
                .await
            {
                Ok(_) => return Ok(()),
                // Somebody else made it at the same time, and otherwise.
                Err(refusal) if refusal.is(ErrorCode::STREAM_NAME_EXIST) => {
                    info(link, name).await.map_err(failed)?
                }
                Err(refusal) if refusal.is_forbidden() => {
                    tracing::info!(
                        stream = name,
                        "this user may not make it; waiting until a process that may has done so (the console)"
                    );
                    made(link, name).await.map_err(failed)?
                }
                Err(refusal) => return Err(failed(refusal)),
            }
        }
        other => other.map_err(failed)?,
    };
    let Some(found) = found["config"].as_object() else {
        return Err(Error::Corrupt {
            what: format!("stream {name}"),
            why: "the server does not say how it is configured".into(),
        });
    };
    let Plan { change, kept } = plan(wanted, found);
    for setting in kept {
        tracing::warn!(
            stream = name,
            "{setting}; it stays so: change it with `nats stream edit` if it should not"
        );
    }
    if let Some(change) = change {
        let verb = format!("STREAM.UPDATE.{name}");
        match link.api::<Value>(&verb, &change).await {
            Ok(_) => tracing::info!(stream = name, "the stream is widened to what is configured"),
            Err(refusal) if refusal.is_forbidden() => tracing::info!(
                stream = name,
                "it is narrower than configured, and this user may not widen it; a process that may does so (the console)"
            ),
            Err(refusal) => return Err(failed(refusal)),
        }
    }
    Ok(())
}

/// The stream, once somebody else has made it.
async fn made(link: &Link, stream: &str) -> Result<Value, Refusal> {
    loop {
        match info(link, stream).await {
            Err(refusal) if refusal.is(ErrorCode::STREAM_NOT_FOUND) => sleep(LOOK).await,
            other => return other,
        }
    }
}

async fn info(link: &Link, stream: &str) -> Result<Value, Refusal> {
    link.api(&format!("STREAM.INFO.{stream}"), &json!({})).await
}

/// Without JetStream nobody listens to its API.
fn unprepared(link: &Link, stream: &str, refusal: Refusal) -> Error {
    match link.explain(refusal, &format!("stream {stream}")) {
        Error::Unavailable { what, .. } if !link.client().server_info().jetstream => Error::Refused {
            what,
            why: "it runs without JetStream: start it with `nats-server -js`, or with a `jetstream` block in its configuration".into(),
        },
        other => other,
    }
}
