//! The end: nothing new is taken, what was taken is finished, nothing is left behind.

use crate::client::{receive, request, rest, send, with_length};
use crate::gateway::{Running, eventually, with_gateway};
use belfry_gateway::{Config, Error, Gateway};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

const BODY: &[u8] = b"{}";

async fn taken(gateway: &Running, delivery: &str) -> TcpStream {
    gateway.world.hold_bus(true);
    let headers = with_length(&gateway.sign("github", delivery, BODY), BODY.len());
    let stream = send(
        gateway.at,
        &request("POST", "/hooks/github", &headers, BODY),
    )
    .await;
    gateway.world.publishes(1).await;
    stream
}

#[tokio::test]
async fn what_was_taken_is_finished_and_answered() {
    let gateway = Running::start(Config::default()).await;
    let stream = taken(&gateway, "d-1").await;
    gateway.ask_to_end();
    eventually(async || TcpStream::connect(gateway.at).await.is_err()).await;
    gateway.world.hold_bus(false);
    assert_eq!(receive(stream).await.status, 202);
    gateway.end().await.unwrap();
}

#[tokio::test]
async fn deliveries_are_taken_for_as_long_as_load_balancers_may_send_them() {
    let config = Config {
        drain_delay: Duration::from_millis(500),
        ..Config::default()
    };
    let gateway = Running::start(config).await;
    let asked = Instant::now();
    gateway.ask_to_end();
    assert_eq!(gateway.deliver("d-1").await.status, 202);
    eventually(async || TcpStream::connect(gateway.at).await.is_err()).await;
    assert!(asked.elapsed() >= Duration::from_millis(500));
    gateway.end().await.unwrap();
}

#[tokio::test]
async fn what_does_not_end_within_the_grace_is_cut_off_and_not_acknowledged() {
    let config = Config {
        shutdown_grace: Duration::from_millis(50),
        ..Config::default()
    };
    let gateway = Running::start(config).await;
    let stream = taken(&gateway, "d-1").await;
    let world = gateway.world.clone();
    let error = gateway.end().await.unwrap_err();
    assert!(
        matches!(error, Error::Unfinished { left: 1.., .. }),
        "{error}"
    );
    let answer = rest(stream).await;
    assert!(
        !answer.starts_with(b"HTTP/1.1 2"),
        "{}",
        answer.escape_ascii()
    );
    world.hold_bus(false);
    assert!(world.stored().is_empty());
}

#[tokio::test]
async fn a_gateway_that_is_dropped_leaves_nothing_running() {
    let gateway = Running::start(Config::default()).await;
    let stream = taken(&gateway, "d-1").await;
    let world = gateway.world.clone();
    gateway.abandon();
    let answer = rest(stream).await;
    assert!(answer.is_empty(), "{}", answer.escape_ascii());
    // The ports are the gateway's for as long as a task of it is left.
    eventually(async || std::sync::Arc::strong_count(&world) == 1).await;
    assert!(world.stored().is_empty());
}

#[tokio::test]
async fn idle_connections_do_not_hold_it_up() {
    let gateway = Running::start(Config::default()).await;
    let silent = TcpStream::connect(gateway.at).await.unwrap();
    let half = send(gateway.at, b"POST /hooks/github HT").await;
    let kept_alive = send(gateway.at, b"GET /health HTTP/1.1\r\nhost: belfry\r\n\r\n").await;
    kept_alive.readable().await.unwrap();
    drop(half);
    gateway.end().await.unwrap();
    drop((silent, kept_alive));
}

#[tokio::test]
async fn a_client_that_sends_its_headers_too_slowly_is_cut_off() {
    let config = Config {
        read_deadline: Duration::from_millis(50),
        ..Config::default()
    };
    let gateway = Running::start(config).await;
    let slow = send(gateway.at, b"POST /hooks/github HTTP/1.1\r\nhost: bel").await;
    let answer = rest(slow).await;
    assert!(!answer.starts_with(b"HTTP/1.1 2"));
    gateway.end().await.unwrap();
}

#[tokio::test]
async fn a_gateway_that_was_asked_to_end_before_it_began_ends() {
    with_gateway(async |gateway| gateway.ask_to_end()).await;
}

#[test]
fn a_setting_out_of_its_bounds_is_refused_by_name() {
    let world = crate::fakes::World::new();
    for (config, setting) in [
        (
            Config {
                max_body: 0,
                ..Config::default()
            },
            "max_body",
        ),
        (
            Config {
                read_deadline: Duration::ZERO,
                ..Config::default()
            },
            "read_deadline",
        ),
        (
            Config {
                max_concurrent: 0,
                ..Config::default()
            },
            "max_concurrent",
        ),
        (
            Config {
                dedup_ttl: Duration::ZERO,
                ..Config::default()
            },
            "dedup_ttl",
        ),
        (
            Config {
                max_connections: 0,
                ..Config::default()
            },
            "max_connections",
        ),
        (
            Config {
                idle_deadline: Duration::ZERO,
                ..Config::default()
            },
            "idle_deadline",
        ),
        (
            Config {
                max_buffered: (10 << 20) - 1,
                ..Config::default()
            },
            "max_buffered",
        ),
        (
            Config {
                secrets_refresh: Duration::from_millis(99),
                ..Config::default()
            },
            "secrets_refresh",
        ),
    ] {
        let error = Gateway::build(config, world.ports(), world.clone(), || 4, world.clone())
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.starts_with(&format!("gateway setting `{setting}` must be ")),
            "{error}"
        );
    }
}

#[test]
fn a_certificate_that_is_not_there_is_said_before_anything_listens() {
    let world = crate::fakes::World::new();
    let config = Config {
        tls: Some(belfry_serve::tls::Files {
            certificates: "/nowhere/tls.crt".into(),
            key: "/nowhere/tls.key".into(),
        }),
        ..Config::default()
    };
    let error = Gateway::build(config, world.ports(), world.clone(), || 4, world.clone()).err();
    let told = error.unwrap().to_string();
    assert!(
        told.starts_with("cannot read the certificate /nowhere/tls.crt: "),
        "{told}"
    );
}
