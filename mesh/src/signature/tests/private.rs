//! Signatures that only a provider can make: here with keys of these tests.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};

/// Signs a message.
type Signer = Box<dyn Fn(&[u8]) -> Vec<u8>>;

fn discord() -> (Scheme, Signer) {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let key = hex::encode(pair.public_key());
    let scheme = scheme(json!({"scheme": "discord", "public_key": key}));
    (
        scheme,
        Box::new(move |message| pair.sign(message).as_ref().to_owned()),
    )
}

fn sendgrid() -> (Scheme, Signer) {
    /// How the `SubjectPublicKeyInfo` of a point on P-256 begins.
    const SPKI: &str = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
    let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).unwrap();
    let spki = [&hex::decode(SPKI).unwrap()[..], pair.public_key().as_ref()].concat();
    let scheme = scheme(json!({"scheme": "sendgrid", "public_key": STANDARD.encode(spki)}));
    let sign = move |message: &[u8]| pair.sign(&random, message).unwrap().as_ref().to_owned();
    (scheme, Box::new(sign))
}

/// The headers over a timestamp and a body.
fn stamped(scheme: &Scheme, signature: &[u8], time: &str) -> HeaderMap {
    match scheme.name() {
        "discord" => headers(&[
            ("x-signature-ed25519", &hex::encode(signature)),
            ("x-signature-timestamp", time),
        ]),
        _ => headers(&[
            (
                "x-twilio-email-event-webhook-signature",
                &STANDARD.encode(signature),
            ),
            ("x-twilio-email-event-webhook-timestamp", time),
        ]),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_flipped_bit_of_the_body_the_time_or_the_signature_is_refused(
        body in any::<Vec<u8>>(),
        which in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        for (scheme, sign) in [discord(), sendgrid()] {
            let verifier = verifier(&scheme, &[]);
            let time = SIGNED_AT.to_string();
            let signature = sign(&[time.as_bytes(), &body].concat());
            let sent = |signature: &[u8], time: &str, body: &[u8]| {
                take(&verifier, &stamped(&scheme, signature, time), body, at(SIGNED_AT)).map(|v| v.body().clone())
            };
            prop_assert_eq!(&sent(&signature, &time, &body).unwrap(), &body);
            let mut forged = signature.clone();
            forged[which.index(signature.len())] ^= 1 << bit;
            prop_assert!(sent(&forged, &time, &body).is_err());
            prop_assert!(sent(&signature, &(SIGNED_AT + 1).to_string(), &body).is_err());
            prop_assert!(sent(&signature, &time, &[&body[..], b"\n"].concat()).is_err());
            if !body.is_empty() {
                let mut forged = body.clone();
                forged[which.index(body.len())] ^= 1 << bit;
                prop_assert!(sent(&signature, &time, &forged).is_err());
            }
        }
    }
}

#[test]
fn a_ping_is_answered_and_what_it_is_not_is_an_event() {
    let (scheme, sign) = discord();
    let verifier = verifier(&scheme, &[]);
    let sent = |body: &str| {
        let time = SIGNED_AT.to_string();
        let signature = sign(&[&time, body].concat().into_bytes());
        let headers = stamped(&scheme, &signature, &time);
        receive(&verifier, None, &headers, body.as_bytes(), at(SIGNED_AT)).unwrap()
    };
    for (body, status, answer) in [
        (r#"{"id":"1","type":1,"version":1}"#, 200, r#"{"type":1}"#),
        (r#"{"version":1,"application_id":"2","type":0}"#, 204, ""),
    ] {
        match sent(body) {
            Genuine::Handshake(handshake) => {
                assert_eq!(
                    (handshake.status.as_u16(), &handshake.body[..]),
                    (status, answer.as_bytes())
                );
            }
            Genuine::Event(verified) => panic!("{verified:?}"),
        }
    }
    for (body, id, event_type) in [
        (
            r#"{"id":"1","type":2}"#,
            Some("1"),
            "com.discord.application_command",
        ),
        (r#"{"id":"1","type":9}"#, Some("1"), "com.discord.9"),
        (
            r#"{"type":1,"event":{"type":"ENTITLEMENT_CREATE"}}"#,
            None,
            "com.discord.ENTITLEMENT_CREATE",
        ),
    ] {
        let verified = event(sent(body));
        assert_eq!(
            (verified.delivery_id(), verified.event_type()),
            (id, event_type)
        );
    }
}
