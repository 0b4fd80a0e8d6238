//! What is counted.

use crate::client::{request, rest, send};
use crate::gateway::{Running, with_config, with_gateway};
use belfry_gateway::Config;
use http::HeaderMap;

/// What `/metrics` says.
async fn counted(gateway: &Running) -> String {
    let ask = request("GET", "/metrics", &HeaderMap::new(), b"");
    let answer = String::from_utf8(rest(send(gateway.at, &ask).await).await).unwrap();
    let (head, text) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(
        head.contains("application/openmetrics-text; version=1.0.0"),
        "{head}"
    );
    assert!(text.ends_with("# EOF\n"), "it is not whole");
    text.to_owned()
}

/// The value of a sample.
fn sample(text: &str, name: &str) -> f64 {
    let mut lines = text.lines();
    let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found
        .unwrap_or_else(|| panic!("no {name} in {text}"))
        .parse()
        .unwrap()
}

#[tokio::test]
async fn deliveries_are_counted_by_trigger_and_by_what_they_came_to() {
    with_gateway(async |gateway| {
        for delivery in ["d-1", "d-1", "d-2"] {
            gateway.deliver(delivery).await;
        }
        gateway
            .post("github", &HeaderMap::new(), b"forged")
            .await
            .problem(401);
        let text = counted(gateway).await;
        let deliveries = |outcome| {
            let name = format!(
                r#"belfry_gateway_deliveries_total{{trigger="github",outcome="{outcome}"}}"#
            );
            sample(&text, &name)
        };
        assert_eq!(deliveries("stored"), 2.0);
        assert_eq!(deliveries("duplicate"), 1.0);
        assert_eq!(deliveries("refused"), 1.0);
        let took = |code| {
            let labels = r#"http_route="/hooks/{trigger}",http_response_status_code"#;
            let name =
                format!(r#"http_server_request_duration_seconds_count{{{labels}="{code}"}}"#);
            sample(&text, &name)
        };
        assert_eq!((took(202), took(200), took(401)), (2.0, 1.0, 1.0));
        assert_eq!(sample(&text, r#"belfry_gateway_up{part="event_log"}"#), 1.0);
        assert!(!text.contains("forged"));
    })
    .await;
}

#[tokio::test]
async fn what_is_counted_is_nobody_else_s_to_read() {
    let config = Config {
        metrics_allow: vec!["192.0.2.0/24".parse().unwrap()],
        ..Config::default()
    };
    with_config(config, async |gateway| {
        gateway.get("/metrics").await.problem(404);
    })
    .await;
}
