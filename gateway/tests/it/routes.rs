//! The route table follows the state and the secrets, without a restart.

use crate::fakes::World;
use crate::gateway::{Running, SECRET, auth, eventually, install, install_with, with_gateway};
use belfry_gateway::Config;
use belfry_mesh::trigger::Desired;
use http::HeaderMap;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

async fn status(gateway: &Running, trigger: &str) -> u16 {
    gateway.post(trigger, &HeaderMap::new(), b"{}").await.status
}

async fn becomes(gateway: &Running, trigger: &str, expected: u16) {
    eventually(async || status(gateway, trigger).await == expected).await;
}

fn open() -> serde_json::Value {
    json!({"type": "webhook", "auth": auth("none")})
}

#[tokio::test]
async fn an_install_is_live_in_under_a_second_and_an_uninstall_too() {
    with_gateway(async |gateway| {
        assert_eq!(status(gateway, "new").await, 404);
        let begun = Instant::now();
        install(&gateway.world, "new", open());
        becomes(gateway, "new", 202).await;
        gateway.world.delete("new");
        becomes(gateway, "new", 404).await;
        assert!(begun.elapsed() < Duration::from_secs(1));
    })
    .await;
}

#[tokio::test]
async fn a_stopped_trigger_still_takes_deliveries() {
    with_gateway(async |gateway| {
        install_with(
            &gateway.world,
            "stopped",
            open(),
            Desired::Stopped,
            BTreeMap::new(),
        );
        becomes(gateway, "stopped", 202).await;
    })
    .await;
}

#[tokio::test]
async fn a_record_that_cannot_be_read_closes_its_own_route_only() {
    with_gateway(async |gateway| {
        install(&gateway.world, "broken", open());
        becomes(gateway, "broken", 202).await;
        gateway.world.put("broken", "{\"name\":");
        becomes(gateway, "broken", 503).await;
        gateway
            .post("broken", &HeaderMap::new(), b"{}")
            .await
            .problem(503);
        assert_eq!(status(gateway, "none").await, 202);
        install(&gateway.world, "broken", open());
        becomes(gateway, "broken", 202).await;
    })
    .await;
}

#[tokio::test]
async fn a_watch_that_begins_anew_keeps_what_is_there_and_drops_what_went_meanwhile() {
    with_gateway(async |gateway| {
        for again in [&["none", "github"][..], &[]] {
            install(&gateway.world, "gone", open());
            becomes(gateway, "gone", 202).await;
            gateway.world.watches_begin_anew("gone", again);
            becomes(gateway, "gone", 404).await;
            assert_eq!(status(gateway, "none").await, 202);
            assert_eq!(
                gateway
                    .post("linear", &HeaderMap::new(), b"{}")
                    .await
                    .status,
                401
            );
        }
    })
    .await;
}

#[tokio::test]
async fn while_the_state_is_away_the_known_routes_go_on() {
    with_gateway(async |gateway| {
        gateway.world.state_is_away(true);
        gateway.world.delete_unseen("linear");
        assert_eq!(gateway.deliver("d-1").await.status, 202);
        gateway.world.state_is_away(false);
        eventually(async || {
            gateway.world.tick();
            status(gateway, "linear").await == 404
        })
        .await;
        assert_eq!(gateway.deliver("d-2").await.status, 202);
    })
    .await;
}

#[tokio::test]
async fn without_its_secret_a_trigger_refuses_all_until_it_is_set() {
    with_gateway(async |gateway| {
        let body = b"{}";
        let genuine = gateway.sign("github", "d-1", body);
        let becomes = async |expected: u16| {
            eventually(async || {
                gateway.world.tick();
                gateway.post("github", &genuine, body).await.status == expected
            })
            .await;
        };
        gateway.world.set_secret("HOOK_SECRET", None);
        becomes(401).await;
        let answer = gateway.post("github", &genuine, body).await;
        let detail = answer.problem(401);
        assert!(
            ["trigger `github`", "secret `HOOK_SECRET`", "no restart"]
                .iter()
                .all(|part| detail.contains(part)),
            "{detail}"
        );
        assert!(gateway.world.stored().is_empty());

        gateway.world.set_secret("HOOK_SECRET", Some(Ok("")));
        eventually(async || {
            gateway.world.tick();
            gateway
                .post("github", &genuine, body)
                .await
                .problem(401)
                .contains("empty")
        })
        .await;
        gateway.world.set_secret("HOOK_SECRET", Some(Ok(SECRET)));
        becomes(202).await;
    })
    .await;
}

#[tokio::test]
async fn each_instance_of_a_package_may_have_a_secret_of_its_own() {
    with_gateway(async |gateway| {
        let config = BTreeMap::from([("HOOK_SECRET".to_owned(), "${BILLING_SECRET}".to_owned())]);
        let source = json!({"type": "webhook", "auth": auth("github")});
        install_with(&gateway.world, "billing", source, Desired::Running, config);
        becomes(gateway, "billing", 401).await;
        let detail = gateway
            .post("billing", &HeaderMap::new(), b"{}")
            .await
            .problem(401)
            .to_owned();
        assert!(detail.contains("`BILLING_SECRET` is not set"), "{detail}");
    })
    .await;
}

#[tokio::test]
async fn while_a_secret_is_rotated_the_old_and_the_new_one_are_taken() {
    with_gateway(async |gateway| {
        let both = json!({"scheme": "github", "secret": ["${NEW_SECRET}", "${HOOK_SECRET}"]});
        install(
            &gateway.world,
            "rotating",
            json!({"type": "webhook", "auth": both}),
        );
        let genuine = gateway.sign("github", "d-1", b"{}");
        eventually(async || gateway.post("rotating", &genuine, b"{}").await.status == 202).await;

        gateway.world.set_secret("NEW_SECRET", Some(Ok(SECRET)));
        gateway.world.set_secret("HOOK_SECRET", None);
        eventually(async || {
            gateway.world.tick();
            gateway.post("github", &genuine, b"{}").await.status == 401
        })
        .await;
        assert_eq!(
            gateway
                .post("rotating", &gateway.sign("github", "d-2", b"{}"), b"{}")
                .await
                .status,
            202
        );
    })
    .await;
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_no_fault_of_the_senders_and_one_that_was_read_is_used_as_it_was()
 {
    with_gateway(async |gateway| {
        gateway
            .world
            .set_secret("OTHER_SECRET", Some(Err("permission denied")));
        let source =
            json!({"type": "webhook", "auth": {"scheme": "github", "secret": "${OTHER_SECRET}"}});
        install(&gateway.world, "other", source);
        becomes(gateway, "other", 503).await;

        gateway
            .world
            .set_secret("HOOK_SECRET", Some(Err("permission denied")));
        gateway.world.set_secret("OTHER_SECRET", Some(Ok(SECRET)));
        // Once the other one is seen to be set, this one has been looked up too.
        eventually(async || {
            gateway.world.tick();
            status(gateway, "other").await == 401
        })
        .await;
        assert_eq!(gateway.deliver("d-1").await.status, 202);
    })
    .await;
}

#[tokio::test]
async fn a_gateway_that_starts_has_all_routes_at_once() {
    let world = World::new();
    for n in 0..1000 {
        install(&world, &format!("t{n}"), open());
    }
    let gateway = Running::over(world, Config::default()).await;
    eventually(async || gateway.get("/ready").await.body["checks"]["routes"] == "ok").await;
    for trigger in ["t0", "t999"] {
        assert_eq!(status(&gateway, trigger).await, 202);
    }
    gateway.end().await.unwrap();
}
