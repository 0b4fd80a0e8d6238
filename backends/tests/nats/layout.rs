//! The streams that Belfry needs, and servers that cannot have them.

use crate::{DEADLINE, api, config, open, within};
use belfry_backends::{Config, Limits, Retention};
use belfry_mesh::port::calls::Handler;
use belfry_tests::servers::Nats;
use futures::future;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

#[tokio::test]
async fn a_stream_is_widened_to_what_is_configured_and_never_narrowed() {
    let nats = Nats::start().unwrap();
    let with = |bytes, days: u64| {
        let events = Limits {
            age: Some(Duration::from_secs(days * 86_400)),
            bytes,
        };
        Config {
            retention: Retention {
                events,
                ..Retention::default()
            },
            ..config(&nats)
        }
    };
    for (bytes, days, expected) in [
        (1 << 20, 2, (1 << 20, 2)),
        (2 << 20, 3, (2 << 20, 3)),
        (1 << 20, 1, (2 << 20, 3)),
    ] {
        open(&with(bytes, days)).await.unwrap();
        let info = api(&nats, "STREAM.INFO.BELFRY_EVENTS", json!({})).await;
        let nanoseconds: u64 = expected.1 * 86_400 * 1_000_000_000;
        assert_eq!(
            (&info["config"]["max_bytes"], &info["config"]["max_age"]),
            (&json!(expected.0), &json!(nanoseconds))
        );
        assert_eq!(info["config"]["discard"], "new");
    }
}

#[tokio::test]
async fn several_processes_that_start_at_once_make_the_streams_once() {
    let nats = Nats::start().unwrap();
    let config = config(&nats);
    for opened in future::join_all((0..8).map(|_| open(&config))).await {
        opened.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_belfry_cannot_use_is_refused_with_what_to_do() {
    let error = async |nats: &Nats, url: String| {
        let config = Config {
            nats_url: Some(url.into()),
            ..config(nats)
        };
        open(&config)
            .await
            .err()
            .expect("it cannot be used")
            .to_string()
    };
    let nats = Nats::start_without_jetstream().unwrap();
    let without_jetstream = error(&nats, nats.url()).await;
    assert!(
        without_jetstream.contains("nats-server -js"),
        "{without_jetstream}"
    );

    let account = "authorization { users = [{ user: belfry, password: \"s3:cret\", permissions: { publish: \"belfry.>\" } }] }";
    let nats = Nats::start_with(account).unwrap();
    let with = |credentials: &str| {
        nats.url()
            .replace("nats://", &format!("nats://{credentials}@"))
    };
    let wrong = error(&nats, with("belfry:wr0ng")).await;
    assert!(
        wrong.contains("check the user and the password") && !wrong.contains("wr0ng"),
        "{wrong}"
    );
    let forbidden = error(&nats, with("belfry:s3%3Acret")).await;
    assert!(
        forbidden.contains("Permissions Violation for Publish to") && !forbidden.contains("cret"),
        "{forbidden}"
    );

    let mut nats = Nats::start().unwrap();
    nats.stop().unwrap();
    let away = error(&nats, nats.url()).await;
    assert!(
        away.contains(&nats.url()) && away.contains("unavailable"),
        "{away}"
    );
}

/// The configuration of a role on the server that is shipped.
fn role(nats: &Nats, user: &str) -> Config {
    Config {
        nats_url: Some(nats.url_of(user).into()),
        ..config(nats)
    }
}

#[tokio::test]
async fn a_role_that_may_not_make_the_streams_waits_for_one_that_may() {
    let nats = Nats::deployed().unwrap();
    for user in ["gateway", "agent"] {
        let config = role(&nats, user);
        let mut opening = Box::pin(open(&config));
        if user == "gateway" {
            assert!(timeout(4 * DEADLINE, &mut opening).await.is_err());
            open(&role(&nats, "console")).await.unwrap();
        }
        let ports = within(opening).await.unwrap();
        ports.events.ping().await.unwrap();
    }
}

#[tokio::test]
async fn a_role_that_may_not_widen_a_stream_works_with_it_as_it_is() {
    let nats = Nats::deployed().unwrap();
    open(&role(&nats, "console")).await.unwrap();
    let mut wide = role(&nats, "gateway");
    wide.retention.events.bytes *= 2;
    let ports = within(open(&wide)).await.unwrap();
    ports.events.ping().await.unwrap();
}

#[tokio::test]
async fn what_the_bus_forbids_is_refused_at_once_and_by_name() {
    let nats = Nats::deployed().unwrap();
    open(&role(&nats, "console")).await.unwrap();
    let slow = Config {
        nats_deadline: Duration::from_secs(10),
        ..role(&nats, "gateway")
    };
    let (ports, asked) = (open(&slow).await.unwrap(), Instant::now());
    let nobody: Handler = Arc::new(|_| unreachable!("nobody asks"));
    let errors = [
        ports.events.get(1).await.map(drop),
        ports
            .calls
            .request("belfry.cmd.trigger.stop", "".into(), slow.nats_deadline)
            .await
            .map(drop),
        ports
            .calls
            .serve("belfry.cmd.trigger.stop", nobody)
            .await
            .map(drop),
    ];
    for error in errors {
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("refused") && error.contains("Permissions Violation"),
            "{error}"
        );
    }
    assert!(
        asked.elapsed() < slow.nats_deadline,
        "{:?}",
        asked.elapsed()
    );
}

#[tokio::test]
async fn an_inbox_that_is_forbidden_is_told_as_such() {
    let nats = Nats::deployed().unwrap();
    let others = Config {
        nats_inbox: Some("_INBOX_console".to_owned()),
        ..role(&nats, "gateway")
    };
    let error = within(open(&others)).await.err().unwrap().to_string();
    assert!(error.contains("subscribe to `_INBOX_console.>`"), "{error}");
}
