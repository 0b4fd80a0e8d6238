//! Senders that wait, and packages that word their answers.

use crate::client::{Answer, request, rest, send, with_length};
use crate::fakes::{Step, World};
use crate::gateway::{Running, auth, eventually, install_package, with_config, with_gateway};
use belfry_gateway::Config;
use belfry_mesh::event::Event;
use belfry_mesh::outcome::Status;
use belfry_mesh::trigger::Desired;
use futures::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const BODY: &[u8] = br#"{"text": "bell"}"#;

/// Installs a trigger with this `response`, and waits until its deliveries are taken and answers are heard.
async fn installed(gateway: &Running, name: &str, response: Value) {
    let source = json!({"type": "webhook", "auth": auth("github")});
    let manifest = json!({"trigger": source, "response": response});
    let world = &gateway.world;
    install_package(world, name, manifest, Desired::Running, BTreeMap::new());
    let path = format!("/hooks/{name}");
    eventually(async || gateway.get(&path).await.status == 405 && world.is_heard()).await;
}

async fn deliver(gateway: &Running, trigger: &str, delivery: &str) -> Answer {
    let headers = gateway.sign("github", delivery, BODY);
    gateway.post(trigger, &headers, BODY).await
}

/// The only event, once it is stored.
async fn stored(world: &World) -> Event {
    eventually(async || !world.stored().is_empty()).await;
    let mut events = world.stored();
    assert_eq!(events.len(), 1);
    events.remove(0)
}

#[tokio::test]
async fn a_sender_that_waits_is_answered_once_its_event_has_ended() {
    with_gateway(async |gateway| {
        let body = json!({"run": "${execution.id}", "said": "${event.text}"});
        installed(gateway, "t", json!({"sync": true, "body": body})).await;
        let world = &gateway.world;
        let told = async {
            let event = stored(world).await;
            assert!(event.answer_to.is_some());
            assert_eq!(world.tell(&event, Status::Triggered).await, None);
            // Nobody waits for it any more.
            assert_eq!(world.tell(&event, Status::Triggered).await, Some(404));
        };
        let (answer, ()) = tokio::join!(deliver(gateway, "t", "d-1"), told);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body, json!({"run": "exec-1", "said": "bell"}));

        let again = deliver(gateway, "t", "d-1").await;
        assert_eq!(
            (again.status, &again.body["status"]),
            (200, &json!("duplicate"))
        );
    })
    .await;
}

#[tokio::test]
async fn a_repetition_that_comes_while_the_first_one_waits_gets_the_same_answer() {
    with_gateway(async |gateway| {
        installed(gateway, "t", json!({"sync": true})).await;
        let world = &gateway.world;
        let come = |wanted: fn(&Step) -> bool, count| async move {
            let seen = |steps: &Vec<Step>| steps.iter().filter(|step| wanted(step)).count();
            world.until(|steps| seen(steps) >= count).await;
        };
        let told = async {
            come(|step| matches!(step, Step::Mark(_)), 1).await;
            come(|step| matches!(step, Step::Check(_)), 2).await;
            // The next one is known to the event log only.
            world.forget_marks();
            world.publishes(2).await;
            world.tell(&stored(world).await, Status::Triggered).await
        };
        let second = async {
            come(|step| matches!(step, Step::Mark(_)), 1).await;
            deliver(gateway, "t", "d-1").await
        };
        let third = async {
            come(|step| matches!(step, Step::Check(_)), 2).await;
            deliver(gateway, "t", "d-1").await
        };
        let first = deliver(gateway, "t", "d-1");
        let (first, second, third, heard) = tokio::join!(first, second, third, told);
        assert_eq!(heard, None);
        for answer in [first, second, third] {
            assert_eq!(answer.body["status"], "triggered", "{answer:?}");
        }
        assert_eq!(world.stored().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_dead_event_is_a_502_without_our_addresses() {
    with_gateway(async |gateway| {
        installed(gateway, "t", json!({"sync": true, "body": "it runs"})).await;
        let world = &gateway.world;
        let told = async {
            let event = stored(world).await;
            world.tell(&event, Status::Dead).await
        };
        let (answer, heard) = tokio::join!(deliver(gateway, "t", "d-1"), told);
        assert_eq!(heard, None);
        let detail = answer.problem(502);
        assert!(
            detail.contains("refused the event with status 422: asked at …"),
            "{detail}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_sender_that_waits_in_vain_gets_a_504_and_its_event_is_stored_once() {
    with_gateway(async |gateway| {
        installed(gateway, "t", json!({"sync": true, "timeout": 1})).await;
        let answer = deliver(gateway, "t", "d-1").await;
        let detail = answer.problem(504);
        assert!(
            detail.contains("within 1 s; the event is stored"),
            "{detail}"
        );
        assert_eq!(answer.event_id(), stored(&gateway.world).await.id.as_str());
    })
    .await;
}

#[tokio::test]
async fn one_more_than_may_wait_is_refused_before_its_event_is_stored() {
    let config = Config {
        max_waiting: 1,
        ..Config::default()
    };
    with_config(config, async |gateway| {
        installed(gateway, "t", json!({"sync": true})).await;
        let world = &gateway.world;
        let told = async {
            let event = stored(world).await;
            deliver(gateway, "t", "d-2").await.problem(503);
            assert_eq!(world.stored().len(), 1);
            // Other triggers are none of its business.
            assert_eq!(gateway.deliver("d-3").await.status, 202);
            world.tell(&event, Status::Ignored).await
        };
        let (answer, heard) = tokio::join!(deliver(gateway, "t", "d-1"), told);
        assert_eq!((heard, &answer.body["status"]), (None, &json!("ignored")));
    })
    .await;
}

#[tokio::test]
async fn those_who_wait_are_not_counted_among_those_that_are_worked_on() {
    let config = Config {
        max_concurrent: 1,
        ..Config::default()
    };
    with_config(config, async |gateway| {
        installed(gateway, "t", json!({"sync": true})).await;
        let world = &gateway.world;
        let told = async {
            let event = stored(world).await;
            // The delivery itself ends once it is remembered.
            eventually(async || gateway.deliver("d-2").await.status != 503).await;
            world.tell(&event, Status::Triggered).await
        };
        let (answer, heard) = tokio::join!(deliver(gateway, "t", "d-1"), told);
        assert_eq!((heard, answer.status), (None, 200));
    })
    .await;
}

#[tokio::test]
async fn a_sender_that_hangs_up_ends_its_wait_and_nothing_else() {
    with_gateway(async |gateway| {
        installed(gateway, "t", json!({"sync": true})).await;
        let headers = with_length(&gateway.sign("github", "d-1", BODY), BODY.len());
        let stream = send(gateway.at, &request("POST", "/hooks/t", &headers, BODY)).await;
        let world = &gateway.world;
        let event = stored(world).await;
        drop(stream);
        // Nobody is told, once the gateway has seen it.
        eventually(async || world.tell(&event, Status::Triggered).await == Some(404)).await;
        let again = deliver(gateway, "t", "d-1").await;
        assert_eq!(again.body["status"], "duplicate");
    })
    .await;
}

#[tokio::test]
async fn those_who_wait_when_the_gateway_ends_are_told_that_their_events_are_stored() {
    let config = Config {
        shutdown_grace: Duration::from_millis(200),
        ..Config::default()
    };
    let gateway = Running::start(config).await;
    installed(&gateway, "t", json!({"sync": true})).await;
    let headers = with_length(&gateway.sign("github", "d-1", BODY), BODY.len());
    let stream = send(gateway.at, &request("POST", "/hooks/t", &headers, BODY)).await;
    stored(&gateway.world).await;
    gateway.end().await.unwrap();
    let answer = rest(stream).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.starts_with("HTTP/1.1 202 ") && answer.contains(r#""status":"accepted""#),
        "{answer}"
    );
}

#[tokio::test]
async fn a_package_words_the_answer_to_senders_that_do_not_wait() {
    with_gateway(async |gateway| {
        let body = json!({"text": "got ${event.text}"});
        installed(gateway, "t", json!({"status": 201, "body": body})).await;
        for _ in 0..2 {
            let answer = deliver(gateway, "t", "d-1").await;
            assert_eq!(
                (answer.status, &answer.body),
                (201, &json!({"text": "got bell"}))
            );
        }
        let event = stored(&gateway.world).await;
        assert_eq!(event.answer_to, None);
        gateway
            .world
            .fail_bus(Some(crate::fakes::unavailable("the bus")));
        deliver(gateway, "t", "d-2").await.problem(503);
    })
    .await;
}

#[tokio::test]
async fn many_wait_at_once_and_each_gets_its_own_answer() {
    with_gateway(async |gateway| {
        installed(gateway, "t", json!({"sync": true})).await;
        let world = &gateway.world;
        let told = async {
            eventually(async || world.stored().len() == 50).await;
            let events = world.stored();
            let heard = join_all(
                events
                    .iter()
                    .rev()
                    .map(|event| world.tell(event, Status::Triggered)),
            );
            assert!(heard.await.iter().all(Option::is_none));
        };
        let deliveries = (0..50).map(|number| async move {
            let answer = deliver(gateway, "t", &format!("d-{number}")).await;
            answer.event_id().to_owned()
        });
        let (answered, ()) = tokio::join!(join_all(deliveries), told);
        let mut stored: Vec<_> = world
            .stored()
            .iter()
            .map(|event| event.id.to_string())
            .collect();
        let mut answered = answered;
        answered.sort_unstable();
        stored.sort_unstable();
        assert_eq!(answered, stored);
    })
    .await;
}
