//! Each scheme, by its sample.

use super::samples::{SECRET, of, samples};
use super::*;

#[test]
fn each_provider_names_its_deliveries_and_events_in_its_own_way() {
    for sample in samples() {
        let name = sample.name();
        let verified = sample
            .send(&sample.body)
            .unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        assert_eq!(verified.body(), &sample.body, "{name}");
        assert_eq!(verified.delivery_id(), sample.delivery_id, "{name}");
        assert_eq!(verified.event_type(), sample.event_type, "{name}");
        let carried = verified.headers().any(|(_, value)| value.contains(SECRET));
        assert!(!carried, "{name}");
    }
}

#[test]
fn it_is_known_whether_a_body_was_read_as_json() {
    for (name, body, is_json) in [
        ("github", r#"{"action":"opened"}"#, true),
        ("github", r#" [1, "a"] "#, true),
        ("github", r#"{"action":"opened""#, false),
        ("github", "{\"action\":\"\u{feff}\"}x", false),
        ("github", "payload=%7B%22action%22%3A%22a%22%7D", false),
        // Nothing in it is wanted.
        ("shopify", r#"{"id":1}"#, false),
        ("twilio", r#"{"id":1}"#, true),
    ] {
        let sample = of(name);
        let verified = sample.send(body.as_bytes()).unwrap();
        // Twilio's name is in forms alone, so that a document of JSON is not read.
        let expected = is_json && name != "twilio";
        assert_eq!(verified.is_json(), expected, "{name} {body}");
    }
}

#[test]
fn a_signature_that_only_the_provider_can_make_is_not_made() {
    let key = "0".repeat(64);
    for settings in [
        json!({"scheme": "discord", "public_key": key}),
        json!({"scheme": "sns", "topic_arn": "arn:aws:sns:us-east-1:1:t"}),
    ] {
        let scheme = scheme(settings);
        assert!(scheme.is_private() && !scheme.needs_secret());
        let draft = Draft {
            delivery_id: "d",
            event: "e",
            body: b"{}",
        };
        let error = sign(&scheme, Some(&SECRET.into()), draft, at(0)).unwrap_err();
        let name = scheme.name();
        assert_eq!(
            error.to_string(),
            format!(
                "scheme `{name}` is signed with the provider's private key, so nobody else can sign a delivery"
            )
        );
    }
}

#[test]
fn several_events_in_a_body_are_one_delivery_with_a_name_of_its_own() {
    let hubspot = of("hubspot");
    let id = |body: &str| {
        hubspot
            .send(body.as_bytes())
            .map(|v| v.delivery_id().map(str::to_owned))
    };
    let both = id(r#"[{"eventId":1},{"eventId":2}]"#).unwrap().unwrap();
    assert!(both.starts_with("1+") && both.len() == 34, "{both}");
    // In other company the first one is not a repetition of the whole.
    assert_ne!(
        id(r#"[{"eventId":1},{"eventId":3}]"#).unwrap().unwrap(),
        both
    );
    assert_eq!(
        id(r#"[{"eventId":1},{"eventId":2}]"#).unwrap().unwrap(),
        both
    );
    assert_eq!(id(r#"[{"eventId":1}]"#).unwrap().as_deref(), Some("1"));
    for unnamed in [
        "[]",
        r#"[{"eventId":1},{}]"#,
        r#"{"eventId":1}"#,
        "[[{\"eventId\":1}]]",
        "x",
        "",
    ] {
        assert_eq!(id(unnamed), Ok(None), "{unnamed}");
    }
    // Of a key that is there twice the last value counts, here, too.
    assert_eq!(
        id(r#"[{"eventId":1,"eventId":9}]"#).unwrap().as_deref(),
        Some("9")
    );
    assert_eq!(id(r#"[{"eventId":"a b"}]"#).unwrap_err().status(), 400);
}

#[test]
fn events_of_other_forms_are_named_too() {
    for (name, body, id, event_type) in [
        (
            "slack",
            "token=t&command=%2Fdeploy&text=a+b",
            None,
            "com.slack.slash_command",
        ),
        (
            "slack",
            "payload=%7B%22type%22%3A%22block_actions%22%7D",
            None,
            "com.slack.block_actions",
        ),
        (
            "slack",
            r#"{"type":"app_rate_limited"}"#,
            None,
            "com.slack.app_rate_limited",
        ),
        ("slack", "ssl_check=1", None, "belfry.webhook"),
        (
            "twilio",
            "MessageStatus=sent",
            Some("d-1"),
            "com.twilio.webhook",
        ),
        ("hubspot", r#"{"objectId":1}"#, None, "com.hubspot.webhook"),
        ("gitlab", "{}", Some("d-1"), "com.gitlab.merge_request"),
        (
            "msgraph",
            r#"{"value":[{"clientState":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw","lifecycleEvent":"missed","changeType":"x"}]}"#,
            None,
            "com.microsoft.graph.missed",
        ),
        // Only names of Standard Webhooks may be reverse domain names already.
        (
            "stripe",
            r#"{"type":"com.a.b"}"#,
            None,
            "com.stripe.com.a.b",
        ),
    ] {
        let verified = of(name).send(body.as_bytes()).unwrap();
        assert_eq!(
            (verified.delivery_id(), verified.event_type()),
            (id, event_type),
            "{name} {body}"
        );
    }
    let bearer = headers(&[(
        "authorization",
        "Bearer whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    )]);
    let verifier = verifier(&named("cloudevents"), &[SECRET]);
    for (body, id, event_type) in [
        (
            r#"{"specversion":"1.0","id":"e-1","type":"com.a.b"}"#,
            Some("e-1"),
            "com.a.b",
        ),
        (r#"[{"id":"e-1","type":"com.a.b"}]"#, Some("e-1"), "com.a.b"),
    ] {
        let verified = take(&verifier, &bearer, body.as_bytes(), at(0)).unwrap();
        assert_eq!(
            (verified.delivery_id(), verified.event_type()),
            (id, event_type)
        );
    }
}
