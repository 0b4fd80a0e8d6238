//! What holds for any input.

use super::super::body::{Scalar, Wanted};
use super::samples::{SECRET, Sample, of, samples};
use super::*;
use proptest::prelude::*;

/// The body with what Linear wants in it.
fn dated(text: &str) -> Vec<u8> {
    let time = SIGNED_AT * 1_000;
    json!({"text": text, "webhookTimestamp": time, "type": "Issue", "action": "create"})
        .to_string()
        .into_bytes()
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<Vec<u8>>(),
        "\\PC{0,60}".prop_map(|text| dated(&text)),
        "[\\[\\]{}\":,a-b0-9\\\\ ]{0,40}".prop_map(String::into_bytes)
    ]
}

/// JSON texts in which keys are repeated, at all depths.
fn any_json() -> impl Strategy<Value = String> {
    let key = || {
        prop_oneof![
            Just("a"),
            Just("b"),
            Just("0"),
            Just("1"),
            Just("\\u0061"),
            Just("c")
        ]
    };
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("1.5".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<u64>().prop_map(|n| n.to_string()),
        "[a-z]{0,3}".prop_map(|text| format!("\"{text}\"")),
        Just("\"\\n\\u00e4\"".to_owned()),
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|list| format!("[{}]", list.join(","))),
            prop::collection::vec((key(), inner), 0..5).prop_map(|pairs| {
                let pairs: Vec<_> = pairs
                    .into_iter()
                    .map(|(key, value)| format!("\"{key}\" : {value}"))
                    .collect();
                format!("{{{}}}", pairs.join(", "))
            }),
        ]
    })
}

/// What Twilio writes for a form that says this.
fn twilio_signature(said: &[u8]) -> HeaderMap {
    use base64::Engine;
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(super::samples::URL.as_bytes());
    mac.update(said);
    let signature = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
    headers(&[("x-twilio-signature", &signature)])
}

proptest! {
    #[test]
    fn no_delivery_makes_it_panic_or_fail_on_our_side(
        body in any_body(),
        query in prop::option::of("[a-zA-Z0-9%&=+]{0,40}|challenge=[a-z%]{0,9}|(validationToken|bodySHA256)=[0-9a-f%]{0,64}"),
        method in 0usize..4,
        names in prop::collection::vec(0usize..12, 0..6),
        values in prop::collection::vec(prop::collection::vec(prop_oneof![0x20u8..0x7f, 0x80u8..=0xff], 0..80), 6),
    ) {
        const MORE: [&str; 6] =
            ["content-type", "svix-id", "svix-timestamp", "x-time", "webhook-request-origin", "x-kind"];
        let method = [Method::POST, Method::GET, Method::HEAD, Method::OPTIONS][method].clone();
        for sample in samples() {
            let (_, signed) = sample.sign(SECRET, &sample.body);
            let known: Vec<&str> = signed.keys().map(HeaderName::as_str).chain(MORE).collect();
            let mut headers = HeaderMap::new();
            for (name, value) in names.iter().zip(&values) {
                let name: HeaderName = known[name % known.len()].parse().unwrap();
                headers.append(name, HeaderValue::from_bytes(value).unwrap());
            }
            let delivery = Delivery {
                method: &method,
                query: query.as_deref(),
                headers: &headers,
                body: body.clone().into(),
                certificate: None,
            };
            match sample.verifier(&[SECRET]).receive(delivery, at(SIGNED_AT)) {
                Err(refusal) => prop_assert!(refusal.status().is_client_error(), "{}", refusal),
                Ok(Genuine::Handshake(handshake)) => prop_assert!(handshake.status.is_success()),
                Ok(Genuine::Event(_)) => prop_assert!(false, "{} takes what nobody signed", sample.name()),
            }
        }
    }

    #[test]
    fn what_is_signed_is_verified_and_a_single_flipped_bit_is_refused(
        text in "\\PC{0,40}",
        which in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let body = dated(&text);
        for sample in samples().into_iter().filter(Sample::covers_body) {
            let scheme = &sample.scheme;
            let (query, headers) = sample.sign(SECRET, &body);
            let verifier = sample.verifier(&[SECRET]);
            let verify = |headers: &HeaderMap, body: &[u8]| {
                receive(&verifier, query.as_deref(), headers, body, at(SIGNED_AT)).map(event)
            };
            let verified = verify(&headers, &body).unwrap();
            prop_assert_eq!(verified.body(), &body);

            let mut forged = body.clone();
            forged[which.index(body.len())] ^= 1 << bit;
            prop_assert!(verify(&headers, &forged).is_err());

            let name = scheme.recipes()[0].proof_header().unwrap();
            let mut signature = headers[name].as_bytes().to_vec();
            let at = which.index(signature.len());
            let original = signature[at];
            signature[at] ^= 1 << bit;
            // A digit in upper case is the same digit, where either case may be written.
            let same_digit = scheme.name() == "github" && at >= 7 && signature[at].eq_ignore_ascii_case(&original);
            if let Ok(value) = HeaderValue::from_bytes(&signature) {
                let mut headers = headers.clone();
                headers.insert(name, value);
                prop_assert_eq!(verify(&headers, &body).is_ok(), same_digit, "{}", scheme.name());
            }
        }
    }

    #[test]
    fn a_form_with_a_flipped_bit_is_refused_unless_it_says_the_same(
        pairs in prop::collection::vec(("[A-Za-z]{1,6}", "[a-zA-Z0-9 +%ü]{0,8}"), 1..6),
        which in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        use super::super::form;
        let sample = of("twilio");
        let escaped = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let body: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        let body = body.join("&").into_bytes();
        let said = |body: &[u8]| {
            let mut fields: Vec<_> = form::fields(body).collect();
            fields.sort();
            fields.dedup();
            fields.into_iter().flat_map(|(name, value)| [name, value]).flatten().collect::<Vec<u8>>()
        };
        let mut forged = body.clone();
        forged[which.index(body.len())] ^= 1 << bit;
        let mut headers = twilio_signature(&said(&body));
        headers.insert("content-type", "application/x-www-form-urlencoded".parse().unwrap());
        let verifier = sample.verifier(&[SECRET]);
        prop_assert!(take(&verifier, &headers, &body, at(0)).is_ok());
        prop_assert_eq!(take(&verifier, &headers, &forged, at(0)).is_ok(), said(&forged) == said(&body));
    }

    #[test]
    fn what_is_read_of_a_body_is_what_a_reader_of_the_whole_document_finds(json in any_json()) {
        let paths = ["a", "a.b", "b.a", "a.0.b", "1"];
        let mut wanted = Wanted::default();
        let slots = paths.map(|path| wanted.add(path));
        let whole: Value = serde_json::from_str(&json).unwrap();
        let fields = wanted.find(&json).unwrap();
        for (slot, path) in slots.into_iter().zip(paths) {
            let expected = crate::path::Path::parse(path).unwrap().find(&whole).and_then(|value| match value {
                Value::String(text) => Some(Scalar::Text(text.into())),
                Value::Number(number) => number
                    .as_i64()
                    .map(i128::from)
                    .or_else(|| number.as_u64().map(i128::from))
                    .map(Scalar::Whole),
                _ => None,
            });
            prop_assert_eq!(fields.get(slot), expected.as_ref(), "{} of {}", path, &json);
        }
    }
}
