//! The gateway says how it is, where operators see it.

use crate::fakes::World;
use crate::gateway::{Running, SECRET, auth, install};
use belfry_gateway::Config;
use belfry_mesh::GatewayName;
use belfry_mesh::gateway::Gateway;
use http::HeaderMap;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

fn named(name: &str) -> Config {
    Config {
        name: GatewayName::parse(name).unwrap(),
        ..Config::default()
    }
}

/// Waits until what the gateway says of itself is so.
async fn said(world: &Arc<World>, check: impl Fn(&Gateway) -> bool) -> Gateway {
    let mut said = world.said.subscribe();
    let wait = said.wait_for(|said| said.as_ref().is_some_and(&check));
    let told = tokio::time::timeout(Duration::from_secs(5), wait).await;
    told.expect("it never said so").unwrap().clone().unwrap()
}

fn why(gateway: &Gateway, trigger: &str) -> Option<String> {
    let mut refusing = gateway.refusing.iter();
    let found = refusing.find(|(name, _)| name.as_str() == trigger);
    found.map(|(_, why)| why.clone())
}

#[tokio::test]
async fn a_secret_that_is_missing_is_told_and_told_no_more_once_it_is_set() {
    let world = World::new();
    install(
        &world,
        "none",
        json!({"type": "webhook", "auth": auth("none")}),
    );
    let gateway = Running::over(world.clone(), named("g1")).await;
    install(
        &world,
        "billing",
        json!({"type": "webhook", "auth": auth("github")}),
    );
    // At once, without a beat: the clock of this world stands still.
    let told = said(&world, |said| why(said, "billing").is_some()).await;
    assert_eq!(told.name.as_str(), "g1");
    assert_eq!(told.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(
        why(&told, "billing").as_deref(),
        Some("secret `HOOK_SECRET` is not set")
    );
    assert_eq!(why(&told, "none"), None);
    world.set_secret("HOOK_SECRET", Some(Err("permission denied")));
    world.tick();
    said(&world, |said| {
        why(said, "billing").as_deref() == Some("secret `HOOK_SECRET` cannot be read")
    })
    .await;
    world.set_secret("HOOK_SECRET", Some(Ok(SECRET)));
    world.tick();
    said(&world, |said| said.refusing.is_empty()).await;
    gateway.end().await.unwrap();
    assert_eq!(
        *world.said.borrow(),
        None,
        "it is gone, and still there for operators"
    );
}

#[tokio::test]
async fn what_no_gateway_can_verify_is_told_as_such() {
    let world = World::new();
    let asking = json!({"type": "webhook", "auth": "install"});
    install(&world, "asking", asking);
    world.put("broken", "{\"name\":");
    let gateway = Running::over(world.clone(), named("g1")).await;
    let told = said(&world, |said| said.refusing.len() == 2).await;
    let says = |trigger: &str| why(&told, trigger).unwrap();
    assert!(says("asking").contains("leaves `auth` to the installer"));
    assert!(says("broken").contains("cannot be read"));
    let refused = gateway.post("asking", &HeaderMap::new(), b"{}").await;
    assert!(refused.status >= 400);
    assert!(world.stored().is_empty(), "it took what nobody verified");
    gateway.end().await.unwrap();
}
