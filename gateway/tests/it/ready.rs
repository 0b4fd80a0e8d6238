//! Health and readiness.

use crate::fakes::{World, unavailable};
use crate::gateway::{Running, eventually, with_gateway};
use belfry_gateway::Config;
use serde_json::{Value, json};

async fn becomes_ready(gateway: &Running, status: u16, body: Value) {
    eventually(async || {
        let answer = gateway.get("/ready").await;
        answer.status == status && answer.body == body
    })
    .await;
}

fn report(status: &str, routes: &str, bus: &str, dedup: &str) -> Value {
    json!({"status": status, "checks": {"routes": routes, "bus": bus, "dedup": dedup}})
}

#[tokio::test]
async fn readiness_tells_what_is_missing() {
    with_gateway(async |gateway| {
        becomes_ready(gateway, 200, report("ready", "ok", "ok", "ok")).await;
        gateway.world.fail_dedup(Some(unavailable("redis")));
        becomes_ready(gateway, 200, report("degraded", "ok", "ok", "unavailable")).await;
        gateway.world.fail_bus(Some(unavailable("the bus")));
        becomes_ready(
            gateway,
            503,
            report("unavailable", "ok", "unavailable", "unavailable"),
        )
        .await;
        assert_eq!(gateway.get("/health").await.body, json!({"status": "up"}));
        gateway.world.fail_bus(None);
        gateway.world.fail_dedup(None);
        becomes_ready(gateway, 200, report("ready", "ok", "ok", "ok")).await;
    })
    .await;
}

#[tokio::test]
async fn before_the_routes_are_known_nothing_is_ready_and_no_trigger_is_denied() {
    let world = World::new();
    world.state_is_away(true);
    let gateway = Running::over(world, Config::default()).await;
    becomes_ready(
        &gateway,
        503,
        report("unavailable", "unavailable", "ok", "ok"),
    )
    .await;
    gateway.deliver("d-1").await.problem(503);
    assert_eq!(gateway.get("/health").await.status, 200);

    gateway.world.state_is_away(false);
    eventually(async || {
        gateway.world.tick();
        gateway.get("/ready").await.status == 200
    })
    .await;
    gateway.deliver("d-1").await.problem(404);
    gateway.end().await.unwrap();
}
