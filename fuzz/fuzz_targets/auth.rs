//! The `auth` object: any is read or refused without a word of a secret in it, what is read survives being written, and whatever it
//! asks for, nobody without the key gets an event through.

#![no_main]

use belfry_mesh::signature::{Auth, Delivery, Genuine, Legacy, SecretRef, Verifier};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// What somebody writes in the place of a secret's name.
const WRITTEN: &str = "hunter2-hunter2";
/// What is set on the node.
const SET: &str = "whsec_c2VjcmV0LW9mLXRoZS1mdXp6LXRhcmdldHM=";

fuzz_target!(|text: &str| {
    let (text, body) = text.split_once('\n').unwrap_or((text, "{}"));
    let Ok(written) = serde_json::from_str::<Value>(text) else {
        return;
    };
    let _ = legacy(&written);
    let auth = match serde_json::from_value::<Auth>(written.clone()) {
        Ok(auth) => auth,
        Err(error) => {
            let is_secret = |key: &str| written[key] == WRITTEN;
            let once = text.matches(WRITTEN).count() == 1;
            if once && (is_secret("secret") || is_secret("secrets")) {
                assert!(!error.to_string().contains(WRITTEN), "{error}");
            }
            return;
        }
    };
    let again = serde_json::to_value(&auth).and_then(serde_json::from_value::<Auth>);
    assert_eq!(again.expect("what was just written"), auth);
    let Ok(verifier) = Verifier::of(&auth, |_| Some(SET.into())) else {
        return;
    };
    let mut headers = HeaderMap::new();
    for key in [
        "header",
        "timestamp_header",
        "delivery_id_header",
        "event_type_header",
    ] {
        let name = written[key]
            .as_str()
            .and_then(|name| name.parse::<HeaderName>().ok());
        if let (Some(name), Ok(value)) = (name, HeaderValue::from_str(body)) {
            headers.insert(name, value);
        }
    }
    let delivery = Delivery {
        method: &Method::POST,
        query: Some(body),
        headers: &headers,
        body: body.to_owned().into(),
        certificate: None,
    };
    if let Ok(Genuine::Event(_)) = verifier.receive(delivery, Timestamp::UNIX_EPOCH) {
        assert_eq!(auth.scheme().name(), "none", "{text}");
    }
});

/// The same as an object of the older form.
fn legacy(written: &Value) -> Option<Auth> {
    let text = |key: &str| written[key].as_str();
    let legacy = Legacy {
        kind: text("type").or(text("scheme"))?,
        header: text("header"),
        algorithm: text("algorithm"),
        field: text("field"),
        delivery_id_header: text("delivery_id_header"),
        secret: SecretRef::named("A").ok()?,
    };
    Auth::from_legacy(legacy).ok()
}
