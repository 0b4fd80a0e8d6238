use super::*;
use belfry_mesh::limit;
use belfry_tests::servers::Redis;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::time::Instant;

const DEADLINE: Duration = Duration::from_millis(100);

fn url(redis: &Redis) -> SecretString {
    redis.url().into()
}

/// The script with the time as further arguments instead of the server's.
fn timed_script() -> Script {
    let time = "redis.call('TIME')";
    assert_eq!(CHECK.matches(time).count(), 1, "the time is asked for once");
    Script::new(&CHECK.replace(time, "{ ARGV[3], ARGV[4] }"))
}

#[tokio::test]
async fn the_script_decides_as_the_pure_function_does() {
    let redis = Redis::start().unwrap();
    let client = Client::open(redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let script = timed_script();
    let mut rng = SmallRng::seed_from_u64(7);
    let (mut admitted, mut refused) = (0, 0);
    for round in 0..60 {
        let rate = Rate {
            requests: rng.random_range(1..=2_000),
            window: Duration::from_micros(rng.random_range(1_000..=100_000_000)),
            burst: rng.random_range(1..=20),
        };
        // As many digits as the present has.
        let mut now = Duration::from_micros(1_795_334_400_000_000 + rng.random_range(0..1_000_000));
        let mut full_at = Duration::ZERO;
        for _ in 0..80 {
            let gap = rate.interval().as_micros() as u64;
            now += Duration::from_micros(rng.random_range(0..=gap));
            let mut invocation = script.key("belfry:seen:never");
            invocation.key(format!("belfry:rate:{round}"));
            add(&mut invocation, &rate);
            invocation.arg(now.as_secs()).arg(now.subsec_micros());
            let answer: Vec<u64> = invocation.invoke_async(&mut connection).await.unwrap();
            // The key goes by the server's own clock, which stands still compared to the one of this test.
            let _: bool = ::redis::cmd("PERSIST")
                .arg(format!("belfry:rate:{round}"))
                .query_async(&mut connection)
                .await
                .unwrap();
            match limit::admit(&rate, full_at, now) {
                Ok(next) => {
                    assert_eq!(answer, [0], "{rate:?} at {now:?}");
                    full_at = next;
                    admitted += 1;
                }
                Err(wait) => {
                    assert_eq!(answer, [2, wait.as_nanos() as u64], "{rate:?} at {now:?}");
                    refused += 1;
                }
            }
        }
    }
    assert!(
        admitted > 500 && refused > 500,
        "{admitted} were admitted and {refused} refused: that proves little"
    );
}

#[tokio::test]
async fn a_server_that_is_away_at_first_is_used_once_it_is_there() {
    let mut redis = Redis::start().unwrap();
    redis.stop().unwrap();
    let dedup = open(&url(&redis), DEADLINE, &TaskTracker::new())
        .await
        .unwrap();
    let error = dedup.ping().await.unwrap_err();
    assert!(error.is_retryable());
    redis.restart().unwrap();
    let back = async { while dedup.ping().await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(10), back)
        .await
        .expect("it connects by itself");
}

#[tokio::test]
async fn a_silent_server_holds_nobody_up() {
    let mut redis = Redis::start().unwrap();
    let dedup = open(&url(&redis), DEADLINE, &TaskTracker::new())
        .await
        .unwrap();
    let id = EventId::parse("e-1").unwrap();
    dedup.mark(&id, Duration::from_secs(60)).await.unwrap();
    redis.pause().unwrap();
    for _ in 0..5 {
        let asked = Instant::now();
        assert!(
            dedup
                .check(&id, "a", None)
                .await
                .unwrap_err()
                .is_retryable()
        );
        assert!(
            asked.elapsed() < DEADLINE * 3,
            "it took {:?}",
            asked.elapsed()
        );
    }
    redis.resume().unwrap();
    let back = async {
        loop {
            if let Ok(verdict) = dedup.check(&id, "a", None).await {
                return verdict;
            }
        }
    };
    let verdict = tokio::time::timeout(Duration::from_secs(10), back)
        .await
        .expect("it answers again");
    assert_eq!(verdict, Verdict::Seen(id));
}

#[tokio::test]
async fn a_server_that_forgot_the_script_learns_it_again() {
    let redis = Redis::start().unwrap();
    let dedup = open(&url(&redis), DEADLINE, &TaskTracker::new())
        .await
        .unwrap();
    let client = Client::open(redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    for i in 0..3 {
        let id = EventId::parse(&format!("e-{i}")).unwrap();
        assert_eq!(dedup.check(&id, "a", None).await.unwrap(), Verdict::Fresh);
        let () = ::redis::cmd("SCRIPT")
            .arg("FLUSH")
            .query_async(&mut connection)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn no_error_shows_a_password() {
    for url in [
        "redis://:s3cret@127.0.0.1:1",
        "redis://user:s3cret@127.0.0.1:1/0",
    ] {
        let dedup = open(&url.into(), DEADLINE, &TaskTracker::new())
            .await
            .unwrap();
        let error = dedup.ping().await.unwrap_err().to_string();
        assert!(
            error.contains("redis://127.0.0.1:1") && !error.contains("s3cret"),
            "{error}"
        );
    }
    for url in [
        "nonsense://:s3cret@127.0.0.1",
        "redis://:s3cret@127.0.0.1:port",
    ] {
        let error = open(&url.into(), DEADLINE, &TaskTracker::new())
            .await
            .err()
            .expect("it is no address")
            .to_string();
        assert!(!error.contains("s3cret"), "{error}");
    }
}
