//! What is logged, and what never is.

use crate::fakes::unavailable;
use crate::gateway::{SECRET, eventually, with_config, with_gateway};
use belfry_gateway::{AccessLog, Config};
use std::cell::RefCell;
use std::io;
use std::sync::Once;

thread_local! {
    /// What was logged on this thread, and so by the one test that it runs.
    static LOGGED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// All that is logged on this thread. One subscriber serves all tests: with one a thread, `tracing` may remember of a place in the
/// code that nobody listens to it, because that was so on another thread.
struct Log;

impl Log {
    fn begin() -> Self {
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| {
            let subscriber = tracing_subscriber::fmt()
                .with_max_level(tracing::Level::TRACE)
                .with_ansi(false);
            tracing::subscriber::set_global_default(subscriber.with_writer(|| Log).finish())
                .unwrap();
        });
        LOGGED.take();
        Self
    }

    fn text(&self) -> String {
        LOGGED.with_borrow(|logged| String::from_utf8(logged.clone()).unwrap())
    }

    fn count(&self, part: &str) -> usize {
        self.text().matches(part).count()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOGGED.with_borrow_mut(|logged| logged.extend(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn an_outage_is_logged_when_it_begins_and_when_it_ends() {
    let log = Log::begin();
    with_gateway(async |gateway| {
        gateway.world.fail_dedup(Some(unavailable("redis")));
        for n in 0..5 {
            assert_eq!(gateway.deliver(&n.to_string()).await.status, 202);
        }
        gateway.world.fail_dedup(None);
        eventually(async || gateway.deliver("last").await.status == 200).await;
        assert_eq!(
            (
                log.count("deduplication failed"),
                log.count("deduplication works again")
            ),
            (1, 1)
        );

        gateway.world.fail_bus(Some(unavailable("the bus")));
        for _ in 0..5 {
            gateway.deliver("lost").await.problem(503);
        }
        gateway.world.fail_bus(None);
        assert_eq!(gateway.deliver("lost").await.status, 202);
        assert_eq!(
            (
                log.count("event log failed"),
                log.count("event log works again")
            ),
            (1, 1)
        );
        assert!(
            log.text().contains("10.0.0.7:4222"),
            "the log does not say which bus"
        );
    })
    .await;
}

#[tokio::test]
async fn a_delivery_leaves_one_line_without_its_body_its_headers_or_a_secret() {
    let log = Log::begin();
    let config = Config {
        access_log: AccessLog::All,
        ..Config::default()
    };
    with_config(config, async |gateway| {
        let body = br#"{"confidential":"figures"}"#;
        let headers = gateway.sign("github", "d-1", body);
        let accepted = gateway.post("github", &headers, body).await;
        gateway
            .post("github", &headers, b"forged confidential figures")
            .await
            .problem(401);
        gateway.world.set_secret("HOOK_SECRET", Some(Ok("another")));
        eventually(async || {
            gateway.world.tick();
            gateway.post("github", &headers, body).await.status == 401
        })
        .await;

        assert_eq!(log.count("delivery stored"), 1);
        let text = log.text();
        let line = text
            .lines()
            .find(|line| line.contains("delivery stored"))
            .unwrap();
        for field in [
            "trigger=\"github\"",
            "status=202",
            accepted.event_id(),
            "duration_ms=",
            "bytes=26",
            "client=127.0.0.1",
            "method=\"POST\"",
        ] {
            assert!(line.contains(field), "{field} is missing: {line}");
        }
        let signature = headers["x-hub-signature-256"].to_str().unwrap();
        for never in [
            SECRET,
            "another",
            "confidential",
            "figures",
            &signature[7..],
        ] {
            assert!(!text.contains(never), "{never} is in the log");
        }
    })
    .await;
}
