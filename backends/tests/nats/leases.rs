//! Leases on a server that fails, and in a process that does.

use crate::{DEADLINE, subscribed, within};
use belfry_mesh::port::Ports;
use belfry_mesh::port::lease::Held;
use futures::FutureExt;
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test]
async fn a_lease_outlives_a_renewal_whose_answer_was_lost() {
    let (mut nats, ports) = subscribed(Duration::from_secs(30)).await;
    let ttl = Duration::from_secs(3);
    let held = acquire(&ports, ttl).await.expect("it is free");
    // The renewal that is due after a third of the time is stored when the server comes round, and by then nobody listens.
    tokio::time::sleep(ttl / 4).await;
    nats.pause().unwrap();
    tokio::time::sleep(DEADLINE * 2).await;
    nats.resume().unwrap();
    let end = Instant::now() + ttl * 2;
    while Instant::now() < end {
        assert!(held.hold.lost().now_or_never().is_none(), "it was lost");
        assert!(
            acquire(&ports, ttl).await.is_none(),
            "somebody else took it"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_lease_on_a_silent_server_is_lost_before_another_can_take_it() {
    let (mut nats, ports) = subscribed(Duration::from_secs(30)).await;
    let ttl = Duration::from_secs(2);
    let held = acquire(&ports, ttl).await.expect("it is free");
    let asked = Instant::now();
    nats.pause().unwrap();
    within(held.hold.lost()).await;
    assert!(
        asked.elapsed() < ttl,
        "the loss was known only after {:?}",
        asked.elapsed()
    );
    nats.resume().unwrap();
}

// On one thread, a call that blocks is a process that stands still.
#[tokio::test(flavor = "current_thread")]
async fn a_process_that_stood_still_knows_at_once_that_its_lease_is_lost() {
    let (_nats, ports) = subscribed(Duration::from_secs(30)).await;
    let ttl = Duration::from_secs(1);
    let held = acquire(&ports, ttl).await.expect("it is free");
    assert!(held.hold.lost().now_or_never().is_none());
    std::thread::sleep(ttl);
    assert!(held.hold.lost().now_or_never().is_some());
    tokio::time::sleep(ttl).await;
    assert!(
        held.hold.lost().now_or_never().is_some(),
        "what is lost came back"
    );
}

async fn acquire(ports: &Ports, ttl: Duration) -> Option<Held> {
    ports.leases.acquire("a.0", "node-1", ttl).await.unwrap()
}
