//! What deliveries and their events are called, and what travels with them.

use super::*;

fn signed_github(more: &[(&str, &str)]) -> Result<Verified, Refusal> {
    let pairs = [&[("x-hub-signature-256", HELLO_SIGNATURE)], more].concat();
    verify(&named("github"), GITHUB_SECRET, &pairs, HELLO)
}

#[test]
fn a_delivery_id_is_short_and_visible_or_refused() {
    let id = |id: &str| {
        signed_github(&[("x-github-delivery", id)]).map(|v| v.delivery_id().map(str::to_owned))
    };
    let longest = "x".repeat(256);
    assert_eq!(id(&longest), Ok(Some(longest.clone())));
    for bad in ["", "a b", "a\tb", &"x".repeat(257)] {
        let refusal = id(bad).unwrap_err();
        assert_eq!(refusal.status(), 400, "{bad:?}: {refusal}");
        assert!(
            refusal
                .to_string()
                .starts_with("header `x-github-delivery` is unusable"),
            "{refusal}"
        );
    }
}

#[test]
fn a_body_that_is_not_json_is_opaque_unless_the_scheme_needs_a_field_of_it() {
    let json = br#"{"action":"opened","webhookTimestamp":1614265330000}"#;
    let with_bom = [b"\xef\xbb\xbf", &json[..]].concat();
    let bad_utf8 = [&json[..json.len() - 1], b",\"a\":\"\xff\"}"].concat();
    let cut = &json[..json.len() - 1];
    let longer = [&json[..], b"x"].concat();
    for body in [
        b"".as_slice(),
        b"\0",
        &with_bom,
        &bad_utf8,
        cut,
        &longer,
        b"payload=%7B",
        b"payload=%ff&payload=x",
    ] {
        let verified = signed(&named("github"), "s", body, &[]).unwrap();
        assert_eq!(
            (verified.event_type(), verified.body().as_ref()),
            ("com.github.issues", body)
        );
        let refusal = signed(&named("linear"), "s", body, &[]).unwrap_err();
        assert_eq!(refusal, Refusal::NotJson(Place::field("webhookTimestamp")));
        assert_eq!(refusal.status(), 400);
    }
    let deep = "[".repeat(200_000);
    assert!(signed(&named("github"), "s", deep.as_bytes(), &[]).is_ok());
}

#[test]
fn a_form_is_signed_as_its_bytes_and_named_by_the_document_in_it() {
    let type_of = |body: &str| {
        signed(&named("github"), "s", body.as_bytes(), &[])
            .unwrap()
            .event_type()
            .to_owned()
    };
    // A blank is no part of a name.
    assert_eq!(
        type_of("payload=%7B%22action%22:%22a+b%22%7D"),
        "com.github.issues"
    );
    assert_eq!(
        type_of("payload=%7b%22action%22:%22closed%22%7D&x=1"),
        "com.github.issues.closed"
    );
    assert_eq!(
        type_of("payload=%7B%22action%22%3A%22a%22%7D&payload=%7B%22action%22%3A%22b%22%7D"),
        "com.github.issues"
    );
    assert_eq!(
        type_of(r#"{"action":"edited","url":"?a&payload=%7B%22action%22%3A%22b%22%7D"}"#),
        "com.github.issues.edited"
    );
}

#[test]
fn of_a_key_that_is_there_twice_the_last_value_names_the_event() {
    let type_of = |body: &str| {
        signed(&named("github"), "s", body.as_bytes(), &[])
            .unwrap()
            .event_type()
            .to_owned()
    };
    assert_eq!(
        type_of(r#"{"action":"a","action":"b"}"#),
        "com.github.issues.b"
    );
    assert_eq!(
        type_of(r#"{"action":"a","\u0061ction":"b"}"#),
        "com.github.issues.b"
    );
    assert_eq!(
        type_of(r#"{"action":"a","action":null}"#),
        "com.github.issues"
    );
    assert_eq!(
        type_of(r#"{"action":"a","issue":{"action":"b"}}"#),
        "com.github.issues.a"
    );
    let linear = br#"{"webhookTimestamp":1614265330000,"webhookTimestamp":1}"#;
    assert!(matches!(
        signed(&named("linear"), "s", linear, &[]),
        Err(Refusal::TooOld { .. })
    ));
}

#[test]
fn an_event_is_named_as_the_provider_names_it() {
    let linear = |body: &str| {
        let body = format!(r#"{{"webhookTimestamp":1614265330000{body}}}"#);
        signed(&named("linear"), "s", body.as_bytes(), &[])
            .unwrap()
            .event_type()
            .to_owned()
    };
    assert_eq!(
        linear(r#","type":"AgentSessionEvent","action":"prompted""#),
        "app.linear.AgentSessionEvent.prompted"
    );
    assert_eq!(linear(r#","action":"create""#), "app.linear.issues.create");
    assert_eq!(linear(r#","type":"two words""#), "app.linear.issues");
    let standard = |kind: &str| {
        let body = format!(r#"{{"type":"{kind}"}}"#);
        signed(&named("standard"), STANDARD_SECRET, body.as_bytes(), &[])
            .unwrap()
            .event_type()
            .to_owned()
    };
    for (kind, event_type) in [
        ("user.created", "com.standardwebhooks.user.created"),
        ("com.acme.user.created", "com.acme.user.created"),
        ("io.acme.paid", "io.acme.paid"),
        ("app.installed", "com.standardwebhooks.app.installed"),
        ("com..", "com.standardwebhooks.com.."),
        ("", "belfry.webhook"),
        ("Grüße", "belfry.webhook"),
        (&"x".repeat(129), "belfry.webhook"),
    ] {
        assert_eq!(standard(kind), event_type);
    }
}

#[test]
fn the_headers_that_sign_or_name_a_delivery_travel_and_a_secret_does_not() {
    let verified = signed_github(&[
        ("X-GitHub-Event", "push"),
        ("X-GitHub-Delivery", "d-1"),
        ("X-GitHub-Hook-ID", "7"),
        ("X-GitHub-Hook-Installation-Target-ID", "ü"),
        ("Content-Type", "application/json"),
        ("Cookie", "c"),
        ("X-Hub-Signature", "sha1=00"),
    ])
    .unwrap();
    let carried: Vec<_> = verified.headers().collect();
    let names = [
        ("x-github-delivery", "d-1"),
        ("x-github-event", "push"),
        ("x-github-hook-id", "7"),
    ];
    assert_eq!(
        carried,
        [&[("x-hub-signature-256", HELLO_SIGNATURE)][..], &names].concat()
    );
    assert_eq!(verified.content_type(), Some("application/json"));
    for (settings, pairs) in [
        (
            json!({"scheme": "bearer"}),
            [("authorization", "Bearer s3cr3t")],
        ),
        (
            json!({"scheme": "secret", "header": "X-Secret"}),
            [("x-secret", "s3cr3t")],
        ),
        (
            json!({"scheme": "token", "header": "X-Token"}),
            [("x-token", "s3cr3t")],
        ),
    ] {
        let verified = verify(&scheme(settings), "s3cr3t", &pairs, b"").unwrap();
        assert_eq!(verified.headers().count(), 0);
    }
}

#[test]
fn without_a_scheme_a_delivery_is_named_by_its_idempotency_key_alone() {
    let verifier = verifier(&Scheme::none(), &[]);
    let id = |pairs: &[(&str, &str)]| {
        take(&verifier, &headers(pairs), b"", at(0))
            .unwrap()
            .delivery_id()
            .map(str::to_owned)
    };
    assert_eq!(
        id(&[("idempotency-key", "k-1"), ("x-request-id", "r")]).as_deref(),
        Some("k-1")
    );
    assert_eq!(id(&[("x-request-id", "r"), ("webhook-id", "w")]), None);
}

#[test]
fn a_configured_scheme_names_deliveries_where_it_was_told() {
    let by_path = scheme(
        json!({"scheme": "hmac", "header": "X-S", "delivery_id_path": "event.ids.1", "event_type_header": "X-Kind"}),
    );
    let verified = signed(&by_path, "s", br#"{"event":{"ids":["a",7]}}"#, &[]).unwrap();
    assert_eq!(
        (verified.delivery_id(), verified.event_type()),
        (Some("7"), "issues")
    );
    assert_eq!(
        signed(&by_path, "s", br#"{"event":{"ids":{"1":true}}}"#, &[])
            .unwrap()
            .delivery_id(),
        None
    );
    assert_eq!(
        signed(&by_path, "s", br#"{"event":{"ids":[0,"a b"]}}"#, &[])
            .unwrap_err()
            .status(),
        400
    );
    let no_index = scheme(json!({"scheme": "hmac", "header": "X-S", "delivery_id_path": "+1"}));
    assert_eq!(
        signed(&no_index, "s", b"[1,2]", &[]).unwrap().delivery_id(),
        None
    );
    let signed_id = scheme(
        json!({"scheme": "hmac", "header": "X-S", "signed": "{id}:{body}", "delivery_id_header": "X-Id"}),
    );
    assert_eq!(
        signed(&signed_id, "s", b"b", &[]).unwrap().delivery_id(),
        Some("d-1")
    );
    let refusal = verify(&signed_id, "s", &[("x-s", &"0".repeat(64))], b"b").unwrap_err();
    assert_eq!(refusal.to_string(), "header `x-id` is missing");
}
