//! Tests that concern the module as a whole, and what they share.

mod addresses;
mod each;
mod handshakes;
mod names;
mod private;
mod proofs;
mod properties;
mod rotation;
mod samples;
mod settings;
mod sns;
mod traps;
mod vectors;

use super::{Auth, Delivery, Draft, Genuine, Place, Refusal, Scheme, Verified, Verifier, sign};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Value, json};

/// The instant at which the vectors were signed.
const SIGNED_AT: i64 = 1_614_265_330;

const STANDARD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const GITHUB_SECRET: &str = "It's a Secret to Everybody";
const HELLO: &[u8] = b"Hello, World!";
const HELLO_SIGNATURE: &str =
    "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            (
                name.parse::<HeaderName>().unwrap(),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            )
        })
        .collect()
}

fn named(scheme: &str) -> Scheme {
    Scheme::named(scheme).unwrap()
}

fn scheme(settings: Value) -> Scheme {
    serde_json::from_value(settings).unwrap()
}

fn verifier(scheme: &Scheme, secrets: &[&str]) -> Verifier {
    Verifier::try_new(
        scheme,
        secrets.iter().map(|&secret| secret.into()).collect(),
    )
    .unwrap()
}

/// What a verifier makes of a POST.
fn receive(
    verifier: &Verifier,
    query: Option<&str>,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<Genuine, Refusal> {
    let delivery = Delivery {
        method: &Method::POST,
        query,
        headers,
        body: Bytes::copy_from_slice(body),
        certificate: None,
    };
    verifier.receive(delivery, now)
}

/// The event that a POST brings.
fn take(
    verifier: &Verifier,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<Verified, Refusal> {
    receive(verifier, None, headers, body, now).map(event)
}

#[track_caller]
fn event(genuine: Genuine) -> Verified {
    match genuine {
        Genuine::Event(verified) => verified,
        Genuine::Handshake(handshake) => panic!("{handshake:?}"),
    }
}

/// Verifies at the instant of the vectors.
fn verify(
    scheme: &Scheme,
    secret: &str,
    pairs: &[(&str, &str)],
    body: &[u8],
) -> Result<Verified, Refusal> {
    take(
        &verifier(scheme, &[secret]),
        &headers(pairs),
        body,
        at(SIGNED_AT),
    )
}

fn secret(text: &str) -> SecretString {
    text.into()
}

/// A delivery that is signed as the scheme's provider would, with more headers, or others of a name.
fn signed(
    scheme: &Scheme,
    text: &str,
    body: &[u8],
    more: &[(&str, &str)],
) -> Result<Verified, Refusal> {
    let draft = Draft {
        delivery_id: "d-1",
        event: "issues",
        body,
    };
    let mut signed = sign(scheme, Some(&secret(text)), draft, at(SIGNED_AT)).unwrap();
    signed.extend(headers(more));
    take(&verifier(scheme, &[text]), &signed, body, at(SIGNED_AT))
}
