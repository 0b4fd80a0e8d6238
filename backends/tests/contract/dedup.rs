//! What every shared deduplication and rate limit keeps.

use crate::{Fixture, open, within};
use belfry_mesh::event::EventId;
use belfry_mesh::limit::Rate;
use belfry_mesh::port::dedup::{Dedup, Verdict};
use futures::future;
use std::time::Duration;

const TTL: Duration = Duration::from_secs(60);

/// Slow enough that no test lives to see a second interval.
const FIVE: Rate = Rate {
    requests: 1,
    window: Duration::from_secs(3_600),
    burst: 5,
};

pub(crate) async fn a_delivery_is_fresh_until_it_is_marked<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    for _ in 0..2 {
        assert_eq!(
            ports.dedup.check(&id("e-1"), "a", None).await.unwrap(),
            Verdict::Fresh
        );
    }
    ports.dedup.mark(&id("e-1"), TTL).await.unwrap();
    assert_eq!(
        ports.dedup.check(&id("e-1"), "a", None).await.unwrap(),
        Verdict::Seen(id("e-1"))
    );
    assert_eq!(
        ports.dedup.check(&id("e-2"), "a", None).await.unwrap(),
        Verdict::Fresh
    );
}

pub(crate) async fn a_mark_ends_with_its_time<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let ttl = Duration::from_millis(500);
    ports.dedup.mark(&id("e-1"), ttl).await.unwrap();
    assert_eq!(
        ports.dedup.check(&id("e-1"), "a", None).await.unwrap(),
        Verdict::Seen(id("e-1"))
    );
    within("the end of the mark", async {
        while ports.dedup.check(&id("e-1"), "a", None).await.unwrap() != Verdict::Fresh {
            tokio::time::sleep(ttl / 10).await;
        }
    })
    .await;
}

pub(crate) async fn a_mark_made_again_lasts_anew<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    ports
        .dedup
        .mark(&id("e-1"), Duration::from_millis(300))
        .await
        .unwrap();
    ports.dedup.mark(&id("e-1"), TTL).await.unwrap();
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(
        ports.dedup.check(&id("e-1"), "a", None).await.unwrap(),
        Verdict::Seen(id("e-1"))
    );
}

pub(crate) async fn a_burst_passes_and_the_next_one_is_told_when<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    assert_eq!(admitted(&*ports.dedup, "a", 5).await, 5);
    let verdict = ports
        .dedup
        .check(&id("late"), "a", Some(&FIVE))
        .await
        .unwrap();
    let Verdict::Limited { retry_after } = verdict else {
        panic!("{verdict:?}")
    };
    assert!(
        retry_after > FIVE.window - Duration::from_secs(60) && retry_after <= FIVE.window,
        "{retry_after:?}"
    );
}

pub(crate) async fn the_rate_recovers_with_time<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let rate = Rate {
        requests: 1,
        window: Duration::from_millis(400),
        burst: 1,
    };
    assert_eq!(
        ports
            .dedup
            .check(&id("e-1"), "a", Some(&rate))
            .await
            .unwrap(),
        Verdict::Fresh
    );
    let verdict = ports
        .dedup
        .check(&id("e-2"), "a", Some(&rate))
        .await
        .unwrap();
    let Verdict::Limited { retry_after } = verdict else {
        panic!("{verdict:?}")
    };
    assert!(retry_after <= rate.window, "{retry_after:?}");
    tokio::time::sleep(retry_after + Duration::from_millis(5)).await;
    assert_eq!(
        ports
            .dedup
            .check(&id("e-2"), "a", Some(&rate))
            .await
            .unwrap(),
        Verdict::Fresh
    );
}

pub(crate) async fn each_subject_has_its_own_rate<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    assert_eq!(admitted(&*ports.dedup, "a", 10).await, 5);
    assert_eq!(admitted(&*ports.dedup, "b", 10).await, 5);
}

pub(crate) async fn a_repetition_takes_nothing_from_the_rate<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    ports.dedup.mark(&id("seen"), TTL).await.unwrap();
    for _ in 0..20 {
        let verdict = ports
            .dedup
            .check(&id("seen"), "a", Some(&FIVE))
            .await
            .unwrap();
        assert_eq!(verdict, Verdict::Seen(id("seen")));
    }
    assert_eq!(admitted(&*ports.dedup, "a", 10).await, 5);
    let verdict = ports
        .dedup
        .check(&id("seen"), "a", Some(&FIVE))
        .await
        .unwrap();
    assert_eq!(
        verdict,
        Verdict::Seen(id("seen")),
        "a repetition is answered although the rate is spent"
    );
}

pub(crate) async fn the_rate_is_not_overshot_by_concurrent_gateways<F: Fixture>() {
    let (fixture, ports) = open::<F>().await;
    let other = fixture.ports();
    let checks = (0..100).map(|i| {
        let dedup = if i % 2 == 0 {
            ports.dedup.clone()
        } else {
            other.dedup.clone()
        };
        async move {
            dedup
                .check(&id(&format!("e-{i}")), "a", Some(&FIVE))
                .await
                .unwrap()
        }
    });
    let fresh = future::join_all(checks)
        .await
        .into_iter()
        .filter(|verdict| *verdict == Verdict::Fresh)
        .count();
    assert_eq!(fresh, 5);
}

pub(crate) async fn it_fails_promptly_while_the_backend_is_away<F: Fixture>() {
    let (mut fixture, ports) = open::<F>().await;
    ports.dedup.ping().await.unwrap();
    fixture.stop().await;
    if F::SHARED {
        let check = tokio::time::timeout(
            Duration::from_secs(2),
            ports.dedup.check(&id("e-1"), "a", None),
        )
        .await;
        let error = check
            .expect("an outage must not hold up deliveries")
            .unwrap_err();
        assert!(error.is_retryable(), "{error}");
        assert!(
            within("an answer", ports.dedup.mark(&id("e-1"), TTL))
                .await
                .is_err()
        );
        assert!(within("an answer", ports.dedup.ping()).await.is_err());
    }
    fixture.start().await;
    let ports = fixture.ports();
    let works = async { while ports.dedup.check(&id("e-1"), "a", None).await.is_err() {} };
    within("the backend", works).await;
}

async fn admitted(dedup: &dyn Dedup, subject: &str, of: usize) -> usize {
    let mut admitted = 0;
    for i in 0..of {
        let verdict = dedup
            .check(&id(&format!("{subject}-{i}")), subject, Some(&FIVE))
            .await
            .unwrap();
        admitted += usize::from(verdict == Verdict::Fresh);
    }
    admitted
}

fn id(text: &str) -> EventId {
    EventId::parse(text).unwrap()
}
