//! What holds for any input.

use super::super::body::{Scalar, Wanted};
use super::*;
use proptest::prelude::*;

fn schemes() -> Vec<Scheme> {
    let mut all: Vec<Scheme> = ["github", "linear", "standard", "bearer"].map(named).into();
    all.extend([
        scheme(json!({
            "scheme": "hmac", "header": "x-sig", "encoding": "base64", "algorithm": "sha512", "signed": "{timestamp}{body}",
            "timestamp_header": "x-time", "delivery_id_path": "a.0.b", "event_type_header": "x-kind",
        })),
        scheme(json!({"scheme": "token", "field": "a.b"})),
    ]);
    all
}

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

proptest! {
    #[test]
    fn no_delivery_makes_it_panic_or_fail_on_our_side(
        body in any_body(),
        names in prop::collection::vec(0usize..12, 0..6),
        values in prop::collection::vec(prop::collection::vec(prop_oneof![0x20u8..0x7f, 0x80u8..=0xff], 0..80), 6),
    ) {
        const NAMES: [&str; 12] = [
            "x-hub-signature-256", "linear-signature", "webhook-signature", "svix-signature", "webhook-id", "svix-id",
            "webhook-timestamp", "svix-timestamp", "x-sig", "x-time", "authorization", "x-kind",
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in names.iter().zip(&values) {
            headers.append(NAMES[*name], HeaderValue::from_bytes(value).unwrap());
        }
        for scheme in schemes() {
            let verifier = verifier(&scheme, &[STANDARD_SECRET]);
            let refusal = take(&verifier, &headers, &body, at(SIGNED_AT)).unwrap_err();
            prop_assert!(refusal.status().is_client_error());
        }
    }

    #[test]
    fn what_is_signed_is_verified_and_a_single_flipped_bit_is_refused(
        text in "\\PC{0,40}",
        which in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let body = dated(&text);
        for scheme in schemes().into_iter().filter(|scheme| !matches!(scheme.name(), "bearer" | "token")) {
            let draft = Draft { delivery_id: "d-1", event: "e", body: &body };
            let headers = sign(&scheme, Some(&secret(STANDARD_SECRET)), draft, at(SIGNED_AT)).unwrap();
            let verifier = verifier(&scheme, &[STANDARD_SECRET]);
            let verify = |headers: &HeaderMap, body: &[u8]| {
                take(&verifier, headers, body, at(SIGNED_AT))
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
                prop_assert_eq!(verify(&headers, &body).is_ok(), same_digit);
            }
        }
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
