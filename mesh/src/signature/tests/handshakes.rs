//! What providers ask before they send events.

use super::samples::{SECRET, Sample, of, samples};
use super::*;
use crate::signature::Handshake;
use http::StatusCode;

fn asked(
    sample: &Sample,
    method: &Method,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Result<Handshake, Refusal> {
    let delivery = Delivery {
        method,
        query,
        headers,
        body: Bytes::new(),
        certificate: None,
    };
    sample
        .verifier(&[SECRET])
        .receive(delivery, at(SIGNED_AT))
        .map(handshake)
}

#[track_caller]
fn handshake(genuine: Genuine) -> Handshake {
    match genuine {
        Genuine::Handshake(handshake) => handshake,
        Genuine::Event(verified) => panic!("{verified:?}"),
    }
}

fn signed(sample: &Sample, body: &str) -> Result<Handshake, Refusal> {
    let (query, headers) = sample.sign(SECRET, body.as_bytes());
    let verifier = sample.verifier(&["another secret", SECRET]);
    receive(
        &verifier,
        query.as_deref(),
        &headers,
        body.as_bytes(),
        at(SIGNED_AT),
    )
    .map(handshake)
}

fn header<'a>(handshake: &'a Handshake, name: &str) -> Option<&'a str> {
    let mut headers = handshake.headers.iter();
    let (_, value) = headers.find(|(known, _)| known == name)?;
    value.to_str().ok()
}

#[test]
fn a_text_is_given_back_as_nothing_but_text() {
    for (name, method, parameter) in [
        ("dropbox", Method::GET, "challenge"),
        ("msgraph", Method::POST, "validationToken"),
    ] {
        let sample = of(name);
        let query = format!("x=1&{parameter}=%3Cscript%3E+a%20b");
        let answer = asked(&sample, &method, Some(&query), &HeaderMap::new()).unwrap();
        assert_eq!(
            (answer.status, &answer.body[..]),
            (StatusCode::OK, &b"<script> a b"[..])
        );
        assert_eq!(
            header(&answer, "content-type"),
            Some("text/plain; charset=utf-8")
        );
        assert_eq!(header(&answer, "x-content-type-options"), Some("nosniff"));
        let long = "x".repeat(1025);
        for bad in ["", "%00", "a%0d%0ab", &long] {
            let query = format!("{parameter}={bad}");
            let refusal = asked(&sample, &method, Some(&query), &HeaderMap::new()).unwrap_err();
            assert_eq!(refusal.status(), 400, "{bad}");
        }
        // Two of them, and bytes that are no text, are none: what is left is an event without a proof, or nothing.
        for none in [
            format!("{parameter}=a&{parameter}=b"),
            format!("{parameter}=%ff"),
        ] {
            let refusal = asked(&sample, &method, Some(&none), &HeaderMap::new()).unwrap_err();
            assert!(refusal.status().is_client_error(), "{none}");
        }
    }
}

#[test]
fn only_the_methods_of_a_schemes_handshakes_are_taken_beside_post() {
    for sample in samples() {
        let verifier = sample.verifier(&[SECRET]);
        let expected: &[Method] = match sample.name() {
            "dropbox" => &[Method::POST, Method::GET],
            "intercom" => &[Method::POST, Method::HEAD],
            "cloudevents" => &[Method::POST, Method::OPTIONS],
            _ => &[Method::POST],
        };
        assert_eq!(verifier.methods(), expected, "{}", sample.name());
        for method in [
            Method::GET,
            Method::HEAD,
            Method::OPTIONS,
            Method::PUT,
            Method::DELETE,
        ] {
            let (query, headers) = sample.sign(SECRET, &sample.body);
            let delivery = Delivery {
                method: &method,
                query: query.as_deref(),
                headers: &headers,
                body: sample.body.clone().into(),
                certificate: None,
            };
            let received = verifier.receive(delivery, at(SIGNED_AT));
            if expected.contains(&method) {
                assert!(!matches!(received, Ok(Genuine::Event(_))), "{method}");
            } else {
                let refusal = received.unwrap_err();
                assert_eq!(
                    (&refusal, refusal.status()),
                    (&Refusal::Method, StatusCode::METHOD_NOT_ALLOWED)
                );
            }
        }
    }
    let answer = asked(&of("intercom"), &Method::HEAD, None, &HeaderMap::new()).unwrap();
    assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0));
}

#[test]
fn an_origin_that_asks_may_send_at_any_rate_and_is_not_called_back() {
    let sample = of("cloudevents");
    let ask = |pairs: &[(&str, &str)]| asked(&sample, &Method::OPTIONS, None, &headers(pairs));
    let answer = ask(&[
        ("webhook-request-origin", "eventemitter.example.com"),
        ("webhook-request-callback", "https://10.0.0.1/confirm"),
        ("webhook-request-rate", "120"),
    ])
    .unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        header(&answer, "webhook-allowed-origin"),
        Some("eventemitter.example.com")
    );
    assert_eq!(header(&answer, "webhook-allowed-rate"), Some("*"));
    assert_eq!(header(&answer, "allow"), Some("OPTIONS, POST"));
    assert_eq!(answer.visit, None);
    let long = "x".repeat(254);
    for pairs in [
        &[][..],
        &[("webhook-request-origin", "")],
        &[("webhook-request-origin", "a b")],
        &[("webhook-request-origin", &long)],
        &[
            ("webhook-request-origin", "a"),
            ("webhook-request-origin", "b"),
        ],
    ] {
        assert!(
            ask(pairs).unwrap_err().status().is_client_error(),
            "{pairs:?}"
        );
    }
}

#[test]
fn a_signed_question_is_verified_before_it_is_answered() {
    let slack = r#"{"type":"url_verification","challenge":"3eZbrw1a"}"#;
    let answer = signed(&of("slack"), slack).unwrap();
    assert_eq!(&answer.body[..], b"3eZbrw1a");
    assert_eq!(header(&answer, "x-content-type-options"), Some("nosniff"));

    // `printf %s 'a"b' | openssl dgst -sha256 -hmac whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw`
    let zoom = r#"{"event":"endpoint.url_validation","payload":{"plainToken":"a\"b"}}"#;
    let answer = signed(&of("zoom"), zoom).unwrap();
    let told: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(
        told,
        json!({"plainToken": "a\"b", "encryptedToken": "b4d39d99be913b55c11b90cf6f77d375d7c5d585551779061bb9467b8cc2d425"})
    );
    assert_eq!(header(&answer, "content-type"), Some("application/json"));

    for (name, body) in [("slack", slack), ("zoom", zoom)] {
        let sample = of(name);
        let (_, mut headers) = sample.sign("another", body.as_bytes());
        let verifier = sample.verifier(&[SECRET]);
        let forged = receive(&verifier, None, &headers, body.as_bytes(), at(SIGNED_AT));
        assert!(matches!(forged, Err(Refusal::Mismatch(_))), "{name}");
        headers.clear();
        assert!(
            receive(&verifier, None, &headers, body.as_bytes(), at(SIGNED_AT)).is_err(),
            "{name}"
        );
    }
    for (name, body) in [
        ("slack", r#"{"type":"url_verification"}"#),
        ("slack", r#"{"type":"url_verification","challenge":7}"#),
        (
            "slack",
            r#"{"type":"url_verification","challenge":"\u0000"}"#,
        ),
        (
            "zoom",
            r#"{"event":"endpoint.url_validation","payload":{}}"#,
        ),
    ] {
        assert!(
            signed(&of(name), body)
                .unwrap_err()
                .status()
                .is_client_error(),
            "{body}"
        );
    }
}
