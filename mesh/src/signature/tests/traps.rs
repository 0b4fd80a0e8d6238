//! The traps that catch people, for every scheme that has a secret; those that providers sign with private keys are among the
//! vectors. Compressed and chunked bodies (12) and what is stored before the answer (15) are the gateway's.

use super::samples::{SECRET, Sample, of, samples};
use super::*;

const OTHER: &str = "whsec_b3RoZXI=";
const BOM: &[u8] = b"\xef\xbb\xbf";

/// What becomes of a request whose body or headers may have been changed since it was signed.
fn sent(
    sample: &Sample,
    secrets: &[&str],
    (query, headers): &(Option<String>, HeaderMap),
    body: &[u8],
) -> Result<Verified, Refusal> {
    receive(
        &sample.verifier(secrets),
        query.as_deref(),
        headers,
        body,
        at(SIGNED_AT),
    )
    .map(event)
}

fn signing() -> impl Iterator<Item = Sample> {
    samples().into_iter().filter(Sample::covers_body)
}

/// The name of the header with the proof.
fn proof_header(sample: &Sample) -> Option<HeaderName> {
    sample.scheme.recipes()[0].proof_header().cloned()
}

#[test]
fn trap_1_the_raw_bytes_are_signed_and_the_same_bytes_come_out() {
    for sample in signing() {
        let signed = sample.sign(SECRET, &sample.body);
        let text = str::from_utf8(&sample.body).unwrap();
        for changed in [
            [BOM, &sample.body].concat(),
            [&sample.body[..], b"\n"].concat(),
            [b" ", &sample.body[..]].concat(),
            text.replace(':', ": ").replace('=', "= ").into_bytes(),
            text.replace('e', "\u{fffd}").into_bytes(),
        ] {
            let refused =
                changed == sample.body || sent(&sample, &[SECRET], &signed, &changed).is_err();
            assert!(refused, "{}: {changed:?}", sample.name());
        }
        // What is signed with blanks around it and with bytes that are no text comes out with them.
        let odd = [b"\r\n", &sample.body[..], b" \r\n\0\xff"].concat();
        if let Ok(verified) = sample.send(&odd) {
            assert_eq!(verified.body(), &odd, "{}", sample.name());
        } else {
            assert_eq!(sample.name(), "linear");
        }
    }
}

#[test]
fn trap_2_an_event_may_have_no_action_and_types_have_capitals() {
    for (name, body, event_type) in [
        ("github", r#"{"ref":"main"}"#, "com.github.issues"),
        ("sentry", "{}", "io.sentry.issue"),
        (
            "linear",
            r#"{"type":"AgentSessionEvent","webhookTimestamp":1614265330000}"#,
            "app.linear.AgentSessionEvent",
        ),
    ] {
        let sample = of(name);
        assert_eq!(
            sample.send(body.as_bytes()).unwrap().event_type(),
            event_type
        );
    }
}

#[test]
fn trap_3_the_algorithm_is_the_schemes() {
    // The same bytes under the same secret, by another hash and named so.
    for (name, own, others) in [
        ("github", "sha256", ["sha1", "sha512"]),
        ("bitbucket", "sha256", ["sha1", "sha512"]),
        ("jira", "sha256", ["sha1", "sha512"]),
        ("intercom", "sha1", ["sha256", "sha512"]),
    ] {
        let sample = of(name);
        let header = proof_header(&sample).unwrap();
        let by = |algorithm: &str| {
            let scheme = scheme(json!({
                "scheme": "hmac", "header": header.as_str(), "algorithm": algorithm, "prefix": format!("{algorithm}="),
            }));
            let draft = Draft {
                delivery_id: "d-1",
                event: "",
                body: &sample.body,
            };
            (
                None,
                sign(&scheme, Some(&SECRET.into()), draft, at(SIGNED_AT)).unwrap(),
            )
        };
        assert!(
            sent(&sample, &[SECRET], &by(own), &sample.body).is_ok(),
            "{name}"
        );
        for other in others {
            let refused = sent(&sample, &[SECRET], &by(other), &sample.body);
            assert!(
                matches!(refused, Err(Refusal::Malformed { .. })),
                "{name} {other}"
            );
        }
    }
}

#[test]
fn trap_4_odd_secrets_are_used_verbatim_and_an_empty_one_refuses_everything() {
    use base64::Engine;
    for sample in signing() {
        let based = ["standard", "gitlab-signed"].contains(&sample.name());
        for secret in [
            " blanks \t",
            "pässwörd \u{1f511}",
            &"0123456789".repeat(30),
            "${A}",
            "x\n",
        ] {
            let secret = &if based {
                format!(
                    "whsec_{}",
                    base64::engine::general_purpose::STANDARD.encode(secret)
                )
            } else {
                secret.to_owned()
            };
            let signed = sample.sign(secret, &sample.body);
            assert!(
                sent(&sample, &[secret], &signed, &sample.body).is_ok(),
                "{}",
                sample.name()
            );
            if secret.trim() != secret {
                assert!(
                    sent(&sample, &[secret.trim()], &signed, &sample.body).is_err(),
                    "{}",
                    sample.name()
                );
            }
        }
        let empty = Verifier::try_new(&sample.scheme, vec![SECRET.into(), "".into()]);
        assert!(empty.is_err(), "{}", sample.name());
    }
}

#[test]
fn trap_5_any_of_two_secrets_may_match_and_any_of_several_signatures() {
    for sample in samples() {
        let signed = sample.sign(SECRET, &sample.body);
        for secrets in [[SECRET, OTHER], [OTHER, SECRET]] {
            assert!(
                sent(&sample, &secrets, &signed, &sample.body).is_ok(),
                "{}",
                sample.name()
            );
        }
        assert!(
            sent(&sample, &[OTHER], &signed, &sample.body).is_err(),
            "{}",
            sample.name()
        );
    }
    for (name, separator) in [
        ("stripe", ","),
        ("pagerduty", ","),
        ("standard", " "),
        ("gitlab-signed", " "),
    ] {
        let sample = of(name);
        let header = proof_header(&sample).unwrap();
        let (query, mut headers) = sample.sign(SECRET, &sample.body);
        let good = headers[&header].to_str().unwrap().to_owned();
        let (_, others) = sample.sign(OTHER, &sample.body);
        let bad = others[&header]
            .to_str()
            .unwrap()
            .replace("t=1614265330,", "");
        for list in [
            format!("{good}{separator}{bad}"),
            format!("{good}{separator}v9{separator}{separator}v0=00"),
        ] {
            headers.insert(&header, list.parse().unwrap());
            assert!(
                sent(
                    &sample,
                    &[SECRET],
                    &(query.clone(), headers.clone()),
                    &sample.body
                )
                .is_ok(),
                "{list}"
            );
        }
        headers.insert(&header, good.replace("v1", "v2").parse().unwrap());
        assert!(sent(&sample, &[SECRET], &(query, headers), &sample.body).is_err());
    }
}

#[test]
fn trap_6_a_delivery_id_proves_nothing() {
    for sample in samples() {
        let forged = sample.sign(OTHER, &sample.body);
        let body = String::from_utf8(sample.body.clone())
            .unwrap()
            .replace(SECRET, OTHER);
        let refused = sent(&sample, &[SECRET], &forged, body.as_bytes()).unwrap_err();
        assert_eq!(refused.status(), 401, "{}", sample.name());
    }
}

#[test]
fn trap_7_a_retry_keeps_its_id_and_changes_its_timestamp_and_signature() {
    for sample in signing().filter(|sample| sample.name() != "linear") {
        let draft = Draft {
            delivery_id: "d-1",
            event: sample.event,
            body: &sample.body,
        };
        let query = sample.scheme.query(&sample.body);
        let verifier = sample.verifier(&[SECRET]);
        let id_at = |now| {
            let headers = sign(&sample.scheme, Some(&SECRET.into()), draft, at(now)).unwrap();
            let genuine =
                receive(&verifier, query.as_deref(), &headers, &sample.body, at(now)).unwrap();
            (headers, event(genuine).delivery_id().map(str::to_owned))
        };
        let (first, id) = id_at(SIGNED_AT);
        let (_, again) = id_at(SIGNED_AT + 7200);
        assert_eq!(id, again, "{}", sample.name());
        let late = receive(
            &verifier,
            query.as_deref(),
            &first,
            &sample.body,
            at(SIGNED_AT + 7200),
        );
        let is_timed = sample.scheme.recipes()[0].timestamp.is_some();
        assert_eq!(late.is_err(), is_timed, "{}", sample.name());
    }
}

#[test]
fn trap_8_a_repeated_header_and_one_that_is_not_ascii_are_the_senders_fault() {
    for sample in samples() {
        let Some(header) = proof_header(&sample) else {
            continue;
        };
        let (query, headers) = sample.sign(SECRET, &sample.body);
        let mut twice = headers.clone();
        twice.append(&header, headers[&header].clone());
        let refused = sent(&sample, &[SECRET], &(query.clone(), twice), &sample.body).unwrap_err();
        assert_eq!(
            (refused.status().as_u16(), refused.to_string()),
            (400, format!("header `{header}` is given more than once"))
        );
        for bytes in [&b"\xff\xfe"[..], "ü".as_bytes(), b"v1=\x80"] {
            let mut odd = headers.clone();
            odd.insert(&header, HeaderValue::from_bytes(bytes).unwrap());
            let refused =
                sent(&sample, &[SECRET], &(query.clone(), odd), &sample.body).unwrap_err();
            assert!(
                refused.status().is_client_error(),
                "{}: {refused}",
                sample.name()
            );
        }
    }
}

#[test]
fn trap_9_digits_that_are_written_wrongly_are_refused() {
    for sample in signing() {
        let header = proof_header(&sample).unwrap();
        let (query, headers) = sample.sign(SECRET, &sample.body);
        let good = headers[&header].to_str().unwrap();
        let cut = &good[..good.len() - 1];
        for bad in [
            cut.to_owned(),
            format!("{good}0"),
            format!("{good}x"),
            format!("{good}=="),
            format!("{good};"),
            format!(" {cut}"),
        ] {
            if bad == good {
                continue;
            }
            let mut headers = headers.clone();
            headers.insert(&header, bad.parse().unwrap());
            let refused = sent(&sample, &[SECRET], &(query.clone(), headers), &sample.body);
            assert_eq!(
                refused.unwrap_err().status(),
                401,
                "{}: {bad}",
                sample.name()
            );
        }
        let upper = good
            .to_uppercase()
            .replace("SHA", "sha")
            .replace("V0", "v0")
            .replace("V1", "v1")
            .replace("T=", "t=");
        let mut headers = headers.clone();
        headers.insert(&header, upper.parse().unwrap());
        let received = sent(&sample, &[SECRET], &(query, headers), &sample.body);
        assert_eq!(
            received.is_ok(),
            sample.name() == "github",
            "{}: {upper}",
            sample.name()
        );
    }
}

#[test]
fn trap_10_an_address_is_the_configured_one_whatever_host_says() {
    for name in ["twilio", "hubspot", "square"] {
        let elsewhere =
            scheme(json!({"scheme": name, "public_url": "https://evil.example.net/hooks/billing"}));
        let sample = of(name);
        let theirs = Sample {
            scheme: elsewhere,
            body: Vec::new(),
            ..samples().remove(0)
        };
        let (query, mut headers) = theirs.sign(SECRET, &sample.body);
        headers.insert("host", "evil.example.net".parse().unwrap());
        headers.insert("x-forwarded-host", "evil.example.net".parse().unwrap());
        let refused = sent(&sample, &[SECRET], &(query, headers), &sample.body);
        assert!(matches!(refused, Err(Refusal::Mismatch(_))), "{name}");
        let (query, mut headers) = sample.sign(SECRET, &sample.body);
        headers.insert("host", "127.0.0.1:8080".parse().unwrap());
        assert!(
            sent(&sample, &[SECRET], &(query, headers), &sample.body).is_ok(),
            "{name}"
        );
    }
}

#[test]
fn trap_11_odd_bodies_are_opaque_or_the_senders_fault() {
    let deep = "[".repeat(100_000).into_bytes();
    for sample in samples() {
        for body in [
            b"".as_slice(),
            b"\0",
            b"x",
            b"[",
            b"{\"a\":",
            b"null",
            b"[]",
            b"\xff\xfe{}",
            &[BOM, b"{}"].concat(),
            b"%ff=%ff&=&&",
            &deep,
        ] {
            match sample.send(body) {
                Ok(verified) => assert_eq!(verified.body(), body, "{}", sample.name()),
                Err(refusal) => {
                    assert!(
                        refusal.status().is_client_error(),
                        "{}: {refusal}",
                        sample.name()
                    );
                    assert!(
                        ["linear", "msgraph", "token"].contains(&sample.name()),
                        "{}: {refusal}",
                        sample.name()
                    );
                }
            }
        }
    }
}

#[test]
fn trap_13_what_asks_to_be_answered_is_verified_first() {
    for (name, body) in [
        ("slack", r#"{"type":"url_verification","challenge":"c"}"#),
        (
            "zoom",
            r#"{"event":"endpoint.url_validation","payload":{"plainToken":"p"}}"#,
        ),
    ] {
        let sample = of(name);
        let forged = sample.sign(OTHER, body.as_bytes());
        let refused = sent(&sample, &[SECRET], &forged, body.as_bytes()).unwrap_err();
        assert_eq!(refused.status(), 401, "{name}");
    }
}

#[test]
fn trap_14_of_a_key_that_is_there_twice_the_last_value_is_read() {
    for (name, body, id, event_type) in [
        (
            "stripe",
            r#"{"id":"a","id":"b","type":"x","type":"y"}"#,
            Some("b"),
            "com.stripe.y",
        ),
        (
            "slack",
            r#"{"event":{"type":"x"},"event":{"type":"y"},"event_id":"a","event_id":"b"}"#,
            Some("b"),
            "com.slack.y",
        ),
        (
            "slack",
            r#"{"type":"x","event":{"type":"y"},"event":null}"#,
            None,
            "com.slack.x",
        ),
        (
            "pagerduty",
            r#"{"event":{"id":"a","event_type":"x"},"event":{"event_type":"y"}}"#,
            None,
            "com.pagerduty.y",
        ),
        ("slack", "command=a&command=b", None, "belfry.webhook"),
        (
            "twilio",
            "EventType=a&Event%54ype=b",
            Some("d-1"),
            "com.twilio.webhook",
        ),
    ] {
        let sample = of(name);
        let verified = sample.send(body.as_bytes()).unwrap();
        assert_eq!(
            (verified.delivery_id(), verified.event_type()),
            (id, event_type),
            "{body}"
        );
    }
    let msgraph = of("msgraph");
    let good = format!(r#"{{"clientState":"{SECRET}"}}"#);
    for (body, is_genuine) in [
        (format!(r#"{{"value":[{{}}],"value":[{good}]}}"#), true),
        (format!(r#"{{"value":[{good}],"value":[{{}}]}}"#), false),
        (format!(r#"{{"value":[{good}],"value":[]}}"#), false),
        (format!(r#"{{"value":[{good}],"value":null}}"#), false),
        (
            format!(r#"{{"value":[{good},{{"clientState":"{SECRET}","clientState":"x"}}]}}"#),
            false,
        ),
        (format!(r#"{{"value":[{good},{good},null]}}"#), false),
        (format!(r#"{{"value":[{good},{good}]}}"#), true),
    ] {
        assert_eq!(msgraph.send(body.as_bytes()).is_ok(), is_genuine, "{body}");
    }
}
