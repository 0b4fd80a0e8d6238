//! Every answer, and what it takes to get it. Whatever is refused leaves nothing on the bus.

use crate::client::{receive, request, send, with, with_length};
use crate::fakes::{Step, unavailable};
use crate::gateway::{Running, SECRET, auth, eventually, install, with_config, with_gateway};
use belfry_gateway::Config;
use belfry_mesh::port::Error;
use belfry_mesh::{Address, EventId, TriggerName};
use http::HeaderMap;
use serde_json::json;
use std::time::Duration;

const BODY: &[u8] = br#"{"action":"opened","number":7}"#;

#[tokio::test]
async fn a_genuine_delivery_is_stored_as_it_was_sent_and_answered_202() {
    with_gateway(async |gateway| {
        let headers = with(
            &gateway.sign("github", "d-1", BODY),
            "content-type",
            "application/json",
        );
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let answer = gateway
            .post("github", &with(&headers, "traceparent", trace), BODY)
            .await;

        let trigger = TriggerName::parse("github").unwrap();
        let id = EventId::of_delivery(&trigger, "d-1");
        assert_eq!(answer.status, 202);
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.body, json!({"status": "accepted", "event_id": id}));
        let [event] = &gateway.world.stored()[..] else {
            panic!("not one event is stored")
        };
        assert_eq!((&event.id, event.data.as_ref()), (&id, BODY));
        assert_eq!(event.address, Address::Trigger(trigger));
        assert_eq!(
            (event.source.as_str(), event.time),
            ("/hooks/github", gateway.world.now())
        );
        assert_eq!(event.delivery_id.as_deref(), Some("d-1"));
        assert_eq!(event.content_type.as_deref(), Some("application/json"));
        assert_eq!(event.trace.unwrap().to_string(), trace);
    })
    .await;
}

/// The values are those of <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>.
#[tokio::test]
async fn the_signature_of_githubs_own_documentation_is_taken() {
    with_gateway(async |gateway| {
        let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let headers = with(&HeaderMap::new(), "x-hub-signature-256", signature);
        assert_eq!(
            gateway
                .post("github", &headers, b"Hello, World!")
                .await
                .status,
            202
        );
    })
    .await;
}

#[tokio::test]
async fn a_repetition_is_answered_200_with_the_first_ones_event() {
    with_gateway(async |gateway| {
        let first = gateway.deliver("d-1").await;
        let again = gateway.deliver("d-1").await;
        assert_eq!((first.status, again.status), (202, 200));
        let expected =
            json!({"status": "duplicate", "event_id": first.event_id(), "delivery_id": "d-1"});
        assert_eq!(again.body, expected);
        assert_eq!(gateway.world.stored().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_repetition_that_only_the_log_recognises_is_answered_alike() {
    with_gateway(async |gateway| {
        let first = gateway.deliver("d-1").await;
        gateway
            .world
            .until(|steps| matches!(steps.last(), Some(Step::Mark(_))))
            .await;
        gateway.world.forget_marks();
        let again = gateway.deliver("d-1").await;
        assert_eq!((again.status, again.event_id()), (200, first.event_id()));
        assert_eq!(
            (&again.body["status"], &again.body["delivery_id"]),
            (&json!("duplicate"), &json!("d-1"))
        );
        assert_eq!(gateway.world.stored().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn identical_deliveries_without_a_name_are_different_events() {
    with_gateway(async |gateway| {
        let (first, second) = (
            gateway.post("none", &HeaderMap::new(), BODY).await,
            gateway.post("none", &HeaderMap::new(), BODY).await,
        );
        assert_eq!((first.status, second.status), (202, 202));
        assert_ne!(first.event_id(), second.event_id());
        let events = gateway.world.stored();
        assert_ne!(
            events[0].trace.unwrap().trace_id(),
            events[1].trace.unwrap().trace_id()
        );
    })
    .await;
}

#[tokio::test]
async fn a_trigger_that_wants_repetitions_gets_them() {
    with_gateway(async |gateway| {
        let source =
            json!({"type": "webhook", "auth": auth("github"), "deduplication": {"enabled": false}});
        install(&gateway.world, "all", source);
        let headers = gateway.sign("github", "d-1", BODY);
        eventually(async || gateway.post("all", &headers, BODY).await.status == 202).await;
        let before = gateway.world.stored().len();
        assert_eq!(gateway.post("all", &headers, BODY).await.status, 202);
        assert_eq!(gateway.world.stored().len(), before + 1);
    })
    .await;
}

#[tokio::test]
async fn a_forgery_is_answered_401_or_400_and_says_what_to_do() {
    with_gateway(async |gateway| {
        let good = gateway.sign("github", "d-1", BODY);
        let signature = good["x-hub-signature-256"].to_str().unwrap();
        let signed = |value: &str| {
            let mut headers = good.clone();
            headers.insert("x-hub-signature-256", value.parse().unwrap());
            headers
        };
        let mut missing = good.clone();
        missing.remove("x-hub-signature-256");
        let wrong = signed(&format!("sha256={}", "0".repeat(64)));
        let truncated = signed(&signature[..signature.len() - 2]);
        let repeated = with(&good, "x-hub-signature-256", signature);
        let not_ascii = signed("sha256=é");
        for (headers, status, says) in [
            (missing, 401, "`x-hub-signature-256` is missing"),
            (wrong, 401, "same secret"),
            (truncated, 401, "64 hexadecimal digits"),
            (signed("sha1=abc"), 401, "`sha256=`"),
            (repeated, 400, "more than once"),
            (not_ascii, 400, "ASCII"),
        ] {
            let answer = gateway.post("github", &headers, BODY).await;
            let detail = answer.problem(status);
            assert!(
                detail.contains("trigger `github`") && detail.contains(says),
                "{detail}"
            );
        }
        let other_body = gateway.post("github", &good, b"{}").await;
        other_body.problem(401);
        assert!(gateway.world.stored().is_empty());
        assert!(
            gateway.world.steps.borrow().is_empty(),
            "a forgery came as far as the deduplication"
        );
    })
    .await;
}

#[tokio::test]
async fn a_wrong_secret_is_answered_401() {
    with_gateway(async |gateway| {
        let headers = gateway.sign("github", "d-1", BODY);
        gateway
            .world
            .set_secret("HOOK_SECRET", Some(Ok("another one")));
        eventually(async || {
            gateway.world.tick();
            gateway.post("github", &headers, BODY).await.status == 401
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_stale_linear_delivery_is_answered_401_and_a_fresh_one_202() {
    with_gateway(async |gateway| {
        let at = |ms: i64| format!(r#"{{"type":"Issue","webhookTimestamp":{ms}}}"#).into_bytes();
        let now = gateway.world.now().as_millisecond();
        for (sent, status) in [
            (now, 202),
            (now - 59_000, 202),
            (now - 61_000, 401),
            (now + 61_000, 401),
        ] {
            let body = at(sent);
            let headers = gateway.sign("linear", &sent.to_string(), &body);
            assert_eq!(
                gateway.post("linear", &headers, &body).await.status,
                status,
                "{} ms old",
                now - sent
            );
        }
        assert_eq!(gateway.world.stored().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn what_is_not_there_is_answered_404_and_says_why() {
    with_gateway(async |gateway| {
        install(
            &gateway.world,
            "nightly",
            json!({"type": "schedule", "cron": "0 2 * * *"}),
        );
        eventually(async || {
            gateway.post("nightly", &HeaderMap::new(), b"").await.body["detail"]
                .to_string()
                .contains("schedule")
        })
        .await;
        gateway
            .post("nightly", &HeaderMap::new(), b"")
            .await
            .problem(404);
        assert!(
            gateway
                .post("other", &HeaderMap::new(), BODY)
                .await
                .problem(404)
                .contains("`other` is not installed")
        );
        for path in [
            "/",
            "/hooks",
            "/hooks/",
            "/hooks/github/",
            "/hooks/../github",
            "/hooks/%67ithub",
        ] {
            gateway
                .ask("POST", path, &HeaderMap::new(), b"")
                .await
                .problem(404);
        }
    })
    .await;
}

#[tokio::test]
async fn another_method_is_answered_405_with_the_one_that_is_allowed() {
    with_gateway(async |gateway| {
        for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
            let answer = gateway
                .ask(method, "/hooks/github", &HeaderMap::new(), b"")
                .await;
            answer.problem(405);
            assert_eq!(answer.header("allow"), "POST");
        }
        let answer = gateway.ask("POST", "/ready", &HeaderMap::new(), b"").await;
        answer.problem(405);
        assert_eq!(answer.header("allow"), "GET, HEAD");
    })
    .await;
}

#[tokio::test]
async fn over_its_rate_a_trigger_answers_429_and_says_when_to_come_back() {
    with_gateway(async |gateway| {
        let rate = json!({"requests": 2, "window_seconds": 60});
        install(
            &gateway.world,
            "slow",
            json!({"type": "webhook", "auth": auth("none"), "rate_limit": rate}),
        );
        eventually(async || {
            gateway
                .ask("GET", "/hooks/slow", &HeaderMap::new(), b"")
                .await
                .status
                == 405
        })
        .await;
        for _ in 0..2 {
            assert_eq!(
                gateway.post("slow", &HeaderMap::new(), BODY).await.status,
                202
            );
        }
        let answer = gateway.post("slow", &HeaderMap::new(), BODY).await;
        assert!(answer.problem(429).contains("`slow`"));
        assert_eq!(answer.header("retry-after"), "30");
        assert_eq!(gateway.world.stored().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_bus_that_cannot_store_is_answered_503_and_a_repetition_is_new() {
    with_gateway(async |gateway| {
        let full = Error::Full {
            log: "BELFRY_EVENTS at 10.0.0.7".into(),
            why: "1 GiB".into(),
        };
        let late = Error::Deadline {
            who: "10.0.0.7".into(),
            after: Duration::from_secs(5),
        };
        let refused = Error::Refused {
            what: "10.0.0.7".into(),
            why: "permission".into(),
        };
        for error in [unavailable("the bus"), full, late, refused] {
            gateway.world.fail_bus(Some(error));
            gateway.deliver("d-1").await.problem(503);
        }
        gateway.world.fail_bus(None);
        assert_eq!(gateway.deliver("d-1").await.status, 202);
    })
    .await;
}

#[tokio::test]
async fn an_event_that_the_log_can_never_take_is_answered_413() {
    with_gateway(async |gateway| {
        gateway.world.fail_bus(Some(Error::TooLarge {
            what: "event".into(),
            size: 2 << 20,
            limit: 1 << 20,
        }));
        assert!(
            gateway
                .deliver("d-1")
                .await
                .problem(413)
                .contains("1048576")
        );
    })
    .await;
}

#[tokio::test]
async fn one_delivery_more_than_may_be_worked_on_is_answered_503() {
    let config = Config {
        max_concurrent: 2,
        ..Config::default()
    };
    with_config(config, async |gateway: &Running| {
        gateway.world.hold_bus(true);
        let taken = async |id: &str| {
            let headers = with_length(&gateway.sign("github", id, BODY), BODY.len());
            send(
                gateway.at,
                &request("POST", "/hooks/github", &headers, BODY),
            )
            .await
        };
        let held = [taken("d-1").await, taken("d-2").await];
        gateway.world.publishes(2).await;
        assert!(
            gateway
                .deliver("d-3")
                .await
                .problem(503)
                .contains("as many deliveries as it may")
        );
        assert_eq!(gateway.get("/health").await.status, 200);

        gateway.world.hold_bus(false);
        for stream in held {
            assert_eq!(receive(stream).await.status, 202);
        }
        eventually(async || gateway.deliver("d-3").await.status == 202).await;
    })
    .await;
}

#[tokio::test]
async fn no_answer_and_no_event_holds_the_secret() {
    with_gateway(async |gateway| {
        let accepted = gateway.deliver("d-1").await;
        let refused = gateway.post("github", &HeaderMap::new(), BODY).await;
        let stored = format!("{:?}", gateway.world.stored());
        for text in [accepted.body.to_string(), refused.body.to_string(), stored] {
            assert!(!text.contains(SECRET));
        }
    })
    .await;
}
