//! What every lease keeps.

use crate::{Fixture, never, open, within};
use belfry_mesh::port::Ports;
use belfry_mesh::port::lease::Held;
use futures::{FutureExt, future};
use std::time::Duration;
use tokio::time::Instant;

/// Long enough for the slowest machine to renew it in time, short enough to wait for its end.
const TTL: Duration = Duration::from_secs(2);

pub(crate) async fn a_lease_has_one_holder<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let held = acquire(&ports, "scheduler", "one")
        .await
        .expect("it is free");
    assert!(acquire(&ports, "scheduler", "two").await.is_none());
    assert!(
        acquire(&ports, "scheduler", "one").await.is_none(),
        "a holder took its lease twice"
    );
    assert!(acquire(&ports, "other", "two").await.is_some());
    drop(held);
}

pub(crate) async fn of_many_who_want_a_lease_at_once_one_gets_it<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let names: Vec<_> = (0..20).map(|i| format!("node-{i}")).collect();
    let held = future::join_all(names.iter().map(|name| acquire(&ports, "scheduler", name))).await;
    assert_eq!(held.iter().flatten().count(), 1);
}

pub(crate) async fn a_released_lease_is_free_at_once<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    for i in 0..5 {
        let held = acquire(&ports, "a.0", &format!("node-{i}"))
            .await
            .expect("it is free");
        let lost = held.hold.lost();
        held.hold.release().await;
        within("the end of a released lease", lost).await;
    }
}

pub(crate) async fn tokens_grow<F: Fixture>() {
    let (mut fixture, ports) = open::<F>().await;
    let mut tokens = Vec::new();
    for _ in 0..3 {
        let held = acquire(&ports, "a.0", "node").await.expect("it is free");
        tokens.push(held.token);
        held.hold.release().await;
    }
    fixture.stop().await;
    fixture.start().await;
    let ports = fixture.ports();
    let held = within("the lease", taken(&ports, "a.0", "node")).await;
    tokens.push(held.token);
    assert!(tokens.is_sorted_by(|a, b| a < b), "{tokens:?}");
}

pub(crate) async fn a_lease_is_renewed_while_it_is_held<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let held = acquire(&ports, "a.0", "one").await.expect("it is free");
    let end = Instant::now() + TTL * 3;
    while Instant::now() < end {
        assert!(
            acquire(&ports, "a.0", "two").await.is_none(),
            "a held lease was taken"
        );
        tokio::time::sleep(TTL / 10).await;
    }
    never("the loss of a held lease", held.hold.lost()).await;
}

pub(crate) async fn a_lease_that_is_not_renewed_is_lost_before_another_takes_it<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let held = acquire(&ports, "a.0", "one").await.expect("it is free");
    let (first, lost, dropped) = (held.token, held.hold.lost(), Instant::now());
    drop(held);
    let second = within("the lease", taken(&ports, "a.0", "two")).await;
    assert!(
        lost.now_or_never().is_some(),
        "the first holder was not told before another had it"
    );
    assert!(second.token > first);
    assert!(
        dropped.elapsed() <= TTL * 3,
        "it was free only after {:?}",
        dropped.elapsed()
    );
}

pub(crate) async fn a_lease_is_lost_when_the_backend_goes_away<F: Fixture>() {
    let (mut fixture, ports) = open::<F>().await;
    let held = acquire(&ports, "a.0", "one").await.expect("it is free");
    let (lost, stopped) = (held.hold.lost(), Instant::now());
    fixture.stop().await;
    within("the loss", lost).await;
    assert!(
        stopped.elapsed() <= TTL + Duration::from_secs(1),
        "the loss was known only after {:?}",
        stopped.elapsed()
    );
    within(
        "the end of a release that cannot be told",
        held.hold.release(),
    )
    .await;
}

async fn acquire(ports: &Ports, key: &str, holder: &str) -> Option<Held> {
    ports
        .leases
        .acquire(key, holder, TTL)
        .await
        .expect("the backend is up")
}

/// The lease, as soon as it is free.
async fn taken(ports: &Ports, key: &str, holder: &str) -> Held {
    loop {
        if let Some(held) = acquire(ports, key, holder).await {
            return held;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
