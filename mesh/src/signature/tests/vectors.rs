//! Deliveries that were signed by others.

use super::*;

struct Vector {
    scheme: Scheme,
    secret: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static [u8],
    at: i64,
    delivery_id: Option<&'static str>,
    event_type: &'static str,
}

/// How they were made:
/// - GitHub: the first is the one of its documentation ("Validating webhook deliveries"); the others are Python's `hmac` over the
///   bytes that stand here.
/// - Linear: Python's `hmac`, as the verification in `@linear/sdk` (`packages/sdk/src/webhooks/client.ts`) computes it.
/// - Standard Webhooks: `Webhook(secret).sign(id, datetime.fromtimestamp(1614265330, timezone.utc), body)` of the PyPI packages
///   `standardwebhooks` 1.1.0 and `svix` 2.9.1.
/// - Slack, as a configured `hmac`: the one of its documentation ("Verifying requests from Slack").
fn vectors() -> Vec<Vector> {
    let mut all = github_and_linear();
    all.extend(standard());
    all.extend([svix(), slack()]);
    all
}

fn github_and_linear() -> Vec<Vector> {
    let github = |secret, headers, body, event_type| Vector {
        scheme: named("github"),
        secret,
        headers,
        body,
        at: 0,
        delivery_id: None,
        event_type,
    };
    vec![
        Vector {
            delivery_id: Some("72d3162e-cc78-11e3-81ab-4c9367dc0958"),
            ..github(
                "It's a Secret to Everybody",
                &[
                    (
                        "X-Hub-Signature-256",
                        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
                    ),
                    ("X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
                    ("X-GitHub-Event", "ping"),
                ],
                b"Hello, World!",
                "com.github.ping",
            )
        },
        github(
            " blanks and Grüße 🔑 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            &[(
                "X-Hub-Signature-256",
                "sha256=ee045bb535aeae4d20bda3db5567d9319f9173861899c1ebe8fd643bb1808466",
            )],
            b"\xef\xbb\xbf\xff\x00raw",
            "belfry.webhook",
        ),
        github(
            "It's a Secret to Everybody",
            &[
                (
                    "X-Hub-Signature-256",
                    "sha256=fb60135b5badcdc1562b191f06177a20fba50bc360fbac97e64988d66619edfc",
                ),
                ("X-GitHub-Event", "pull_request"),
            ],
            b"payload=%7B%22action%22%3A%22opened%22%2C%22title%22%3A%22a+b%22%7D",
            "com.github.pull_request.opened",
        ),
        Vector {
            scheme: named("linear"),
            secret: "lin_wh_secret",
            headers: &[
                (
                    "Linear-Signature",
                    "f1eaa5ad1935744ce5620cbfd2cd32822b1d24a8ea2d56d59776c0bc61e2f5cc",
                ),
                ("Linear-Delivery", "234d1a4e-b617-4388-90fe-adc3633d6b72"),
                ("Linear-Event", "Comment"),
            ],
            body: LINEAR_ISSUE,
            at: SIGNED_AT,
            delivery_id: Some("234d1a4e-b617-4388-90fe-adc3633d6b72"),
            event_type: "app.linear.Issue.create",
        },
    ]
}

pub(super) const LINEAR_ISSUE: &[u8] = br#"{"action":"create","type":"Issue","createdAt":"2026-11-22T08:00:00.000Z","data":{"type":"inner","action":"inner"},"webhookTimestamp":1614265330000}"#;

fn standard() -> Vec<Vector> {
    let standard = |secret, headers, body, delivery_id, event_type| Vector {
        scheme: named("standard"),
        secret,
        headers,
        body,
        at: SIGNED_AT,
        delivery_id: Some(delivery_id),
        event_type,
    };
    vec![
        standard(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            &[
                ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
                ("webhook-timestamp", "1614265330"),
                (
                    "webhook-signature",
                    "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
                ),
            ],
            br#"{"test": 2432232314}"#,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "belfry.webhook",
        ),
        standard(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            &[
                ("webhook-id", "msg_1"),
                ("webhook-timestamp", "1614265330"),
                (
                    "webhook-signature",
                    "v1,MUaupmuoFeGts3ZE0Y32TjeDttK1wOidB/Xcz666Nlk=",
                ),
            ],
            "{\"name\": \"Grüße, 世界 🌍\"}\n".as_bytes(),
            "msg_1",
            "belfry.webhook",
        ),
        standard(
            // 100 bytes, more than a block of SHA-256.
            "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0BBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZWltcXV5fYGFiYw==",
            &[
                ("webhook-id", "msg_1"),
                ("webhook-timestamp", "1614265330"),
                (
                    "webhook-signature",
                    "v1,zLsyftWbtFdFAt8+gn11XQcJXtsV08OGQz0dCS+Oifk=",
                ),
            ],
            b"{}",
            "msg_1",
            "belfry.webhook",
        ),
        standard(
            // Without its padding.
            "whsec_dHdlbnR5LWZpdmUgYnl0ZXMgb2Yga2V5IQ",
            &[
                ("webhook-id", "msg_1"),
                ("webhook-timestamp", "1614265330"),
                (
                    "webhook-signature",
                    "v1,nG3xerccwecN77mRr8iE+uYU65vVpmLL/c1yQmI5/1I=",
                ),
            ],
            br#"{"type":"user.created"}"#,
            "msg_1",
            "com.standardwebhooks.user.created",
        ),
    ]
}

/// Names of its own, and here a secret without its prefix and no body.
fn svix() -> Vector {
    Vector {
        scheme: named("standard"),
        secret: "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        headers: &[
            ("svix-id", "msg_empty"),
            ("svix-timestamp", "1614265330"),
            (
                "svix-signature",
                "v1,za1CKH5Eq2VQZ+33R4AiRaBlqULcMRs1lL1rbBuq59U=",
            ),
        ],
        body: b"",
        at: SIGNED_AT,
        delivery_id: Some("msg_empty"),
        event_type: "belfry.webhook",
    }
}

fn slack() -> Vector {
    Vector {
        scheme: scheme(json!({
            "scheme": "hmac", "header": "X-Slack-Signature", "prefix": "v0=", "signed": "v0:{timestamp}:{body}",
            "timestamp_header": "X-Slack-Request-Timestamp",
        })),
        secret: "8f742231b10e8888abcd99yyyzzz85a5",
        headers: &[
            ("X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
            ("X-Slack-Request-Timestamp", "1531420618"),
        ],
        body: b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
        at: 1_531_420_618,
        delivery_id: None,
        event_type: "belfry.webhook",
    }
}

#[test]
fn what_others_signed_is_verified_and_named() {
    for vector in vectors() {
        let name = format!("{} {:?}", vector.scheme.name(), vector.headers[0]);
        let verifier = verifier(&vector.scheme, &[vector.secret]);
        let verified = take(
            &verifier,
            &headers(vector.headers),
            vector.body,
            at(vector.at),
        )
        .unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        assert_eq!(verified.body(), vector.body, "{name}");
        assert_eq!(verified.delivery_id(), vector.delivery_id, "{name}");
        assert_eq!(verified.event_type(), vector.event_type, "{name}");
    }
}

#[test]
fn what_others_signed_is_refused_under_another_secret_or_with_another_body() {
    for vector in vectors() {
        let other = if vector.scheme.name() == "standard" {
            "whsec_b3RoZXI="
        } else {
            "other"
        };
        let longer = [vector.body, b"\n"].concat();
        for (secret, body) in [(other, vector.body), (vector.secret, &longer)] {
            let verifier = verifier(&vector.scheme, &[secret]);
            let refusal =
                take(&verifier, &headers(vector.headers), body, at(vector.at)).unwrap_err();
            assert!(
                matches!(refusal, Refusal::Mismatch(_)),
                "{}: {refusal}",
                vector.scheme.name()
            );
            assert_eq!(refusal.status(), 401);
        }
    }
}

#[test]
fn each_algorithm_and_encoding_of_a_configured_hmac_is_understood() {
    // Python's hmac.new(b"k", b"b", …).
    const SHA1: &str = "21f3ecf8ae69313b04b7f28478e174d764970e8f";
    const SHA1_BASE64: &str = "IfPs+K5pMTsEt/KEeOF012SXDo8=";
    const SHA512: &str = "67b91893632ef77699b2ecb3e8991160670772cac7bbfe05ca221292b371dcf36ad5a18ebb2af20a98046416ed9422e0e9cb1f1515044eda7c92989074acf0bb";
    const SHA512_BASE64: &str =
        "Z7kYk2Mu93aZsuyz6JkRYGcHcsrHu/4FyiISkrNx3PNq1aGOuyryCpgEZBbtlCLg6csfFRUETtp8kpiQdKzwuw==";
    for (algorithm, encoding, signature) in [
        ("sha1", "hex", SHA1),
        ("sha1", "base64", SHA1_BASE64),
        ("sha512", "hex", SHA512),
        ("sha512", "base64", SHA512_BASE64),
    ] {
        let scheme = scheme(
            json!({"scheme": "hmac", "header": "X-S", "algorithm": algorithm, "encoding": encoding}),
        );
        assert!(
            verify(&scheme, "k", &[("x-s", signature)], b"b").is_ok(),
            "{algorithm} {encoding}"
        );
        assert!(
            verify(&scheme, "k", &[("x-s", signature)], b"B").is_err(),
            "{algorithm} {encoding}"
        );
    }
}
