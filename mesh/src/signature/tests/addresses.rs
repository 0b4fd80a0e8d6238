//! Schemes that sign the address.

use super::samples::{SECRET, URL};
use super::*;

/// The example of Twilio's documentation and libraries.
const TWILIO: &str = "https://mycompany.com/myapp.php";
const TWILIO_QUERY: &str = "foo=1&bar=2";
const TWILIO_BODY: &[u8] =
    b"To=%2B18005551212&Digits=1234&CallSid=CA1234567890ABCDE&From=%2B14158675309&Caller=%2B14158675309";
const FORM: (&str, &str) = (
    "content-type",
    "application/x-www-form-urlencoded; charset=UTF-8",
);

fn twilio(
    url: &str,
    query: Option<&str>,
    pairs: &[(&str, &str)],
    body: &[u8],
) -> Result<Verified, Refusal> {
    let scheme = scheme(json!({"scheme": "twilio", "public_url": url}));
    let mut headers = headers(pairs);
    headers.insert(
        "x-twilio-signature",
        "RSOYDt4T1cUTdK1PDd93/VVr8B8=".parse().unwrap(),
    );
    receive(&verifier(&scheme, &["12345"]), query, &headers, body, at(0)).map(event)
}

#[test]
fn a_form_is_covered_with_the_address_and_its_query() {
    let query = Some(TWILIO_QUERY);
    assert!(twilio(TWILIO, query, &[FORM], TWILIO_BODY).is_ok());
    let host = [
        FORM,
        ("host", "mycompany.com"),
        ("x-forwarded-host", "mycompany.com"),
    ];
    for (url, query) in [
        ("https://mycompany.com/myapp", query),
        ("http://mycompany.com/myapp.php", query),
        ("https://example.com/myapp.php", query),
        (TWILIO, Some("foo=1")),
        (TWILIO, None),
    ] {
        let refused = twilio(url, query, &host, TWILIO_BODY);
        assert!(
            matches!(refused, Err(Refusal::Mismatch(_))),
            "{url} {query:?}"
        );
    }
    // The order of fields and a field that is repeated with the same value say nothing.
    let turned = b"From=%2B14158675309&Caller=%2b14158675309&To=%2B18005551212&Digits=1234&CallSid=CA1234567890ABCDE&Digits=1234";
    assert!(twilio(TWILIO, query, &[FORM], turned).is_ok());
    let more = [TWILIO_BODY, b"&A=1"].concat();
    assert!(twilio(TWILIO, query, &[FORM], &more).is_err());
    // Signed is what the form says; as anything else it would not be covered.
    let refused = twilio(
        TWILIO,
        query,
        &[("content-type", "application/json")],
        TWILIO_BODY,
    );
    assert!(matches!(refused, Err(Refusal::Uncovered(_))));
    assert!(matches!(
        twilio(TWILIO, query, &[], TWILIO_BODY),
        Err(Refusal::Uncovered(_))
    ));
}

#[test]
fn the_standard_port_may_be_in_the_signed_address_or_not() {
    let query = Some(TWILIO_QUERY);
    for url in [
        "https://mycompany.com:443/myapp.php",
        "https://mycompany.com:8443/myapp.php",
    ] {
        assert!(twilio(url, query, &[FORM], TWILIO_BODY).is_ok(), "{url}");
    }
}

#[test]
fn a_document_is_covered_by_its_hash_in_the_query() {
    let scheme = scheme(json!({"scheme": "twilio", "public_url": URL}));
    let verifier = verifier(&scheme, &[SECRET]);
    let body = br#"{"a":1}"#;
    let draft = Draft {
        delivery_id: "d",
        event: "",
        body,
    };
    let headers = sign(&scheme, Some(&SECRET.into()), draft, at(0)).unwrap();
    let query = scheme.query(body).unwrap();
    let sent =
        |query: &str, body: &[u8]| receive(&verifier, Some(query), &headers, body, at(0)).map(drop);
    assert!(query.starts_with("bodySHA256="));
    assert_eq!(sent(&query, body), Ok(()));
    assert_eq!(
        sent(&query, br#"{"a":2}"#),
        Err(Refusal::OtherBody("bodySHA256"))
    );
    assert_eq!(sent(&query, b""), Err(Refusal::OtherBody("bodySHA256")));
    let other = scheme.query(br#"{"a":2}"#).unwrap();
    assert!(matches!(
        sent(&other, br#"{"a":2}"#),
        Err(Refusal::Mismatch(_))
    ));
    for twice in [format!("{query}&{query}"), format!("{query}&{other}")] {
        assert_eq!(sent(&twice, body), Err(Refusal::OtherBody("bodySHA256")));
    }
}

/// An HMAC of HubSpot's over this address.
fn hubspot(url: &str) -> HeaderMap {
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"secret").unwrap();
    let time = (SIGNED_AT * 1000).to_string();
    for part in ["POST", url, "[]", &time] {
        mac.update(part.as_bytes());
    }
    use base64::Engine;
    let signature = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
    headers(&[
        ("x-hubspot-signature-v3", &signature),
        ("x-hubspot-request-timestamp", &time),
    ])
}

#[test]
fn some_escapes_in_the_query_may_be_resolved_before_it_is_signed() {
    let scheme = scheme(json!({"scheme": "hubspot", "public_url": URL}));
    let verifier = verifier(&scheme, &["secret"]);
    let query = "a=%3A%2f%3F%40%21%24%27%28%29%2A%2C%3B&b=%20%26%3d%25%ZZ%";
    let sent = |signed: &str| {
        receive(
            &verifier,
            Some(query),
            &hubspot(signed),
            b"[]",
            at(SIGNED_AT),
        )
        .is_ok()
    };
    assert!(sent(&format!("{URL}?a=:/?@!$'()*,;&b=%20%26%3d%25%ZZ%")));
    assert!(sent(&format!("{URL}?{query}")));
    assert!(!sent(&format!("{URL}?a=:/?@!$'()*,;&b= &=%%ZZ%")));
    assert!(!sent(URL));
    let late = SIGNED_AT + 301;
    let refused = receive(&verifier, None, &hubspot(URL), b"[]", at(late)).map(drop);
    assert!(matches!(refused, Err(Refusal::TooOld { .. })));
}

#[test]
fn an_address_that_cannot_be_a_triggers_is_refused_and_the_key_named() {
    for (scheme, url, message) in [
        ("square", None, "scheme `square` needs `public_url`"),
        (
            "twilio",
            Some("hooks.example.com/a"),
            "`public_url`: it is not an address such as",
        ),
        (
            "twilio",
            Some("ftp://hooks.example.com/a"),
            "`public_url`: it is not an address",
        ),
        (
            "twilio",
            Some("https://user:pass@hooks.example.com/a"),
            "`public_url`: it is not an address",
        ),
        (
            "twilio",
            Some("https://hooks.example.com/a#b"),
            "`public_url`: it is not an address",
        ),
        (
            "twilio",
            Some("https://hooks.example.com:port/a"),
            "`public_url`: it is not an address",
        ),
        (
            "twilio",
            Some("https://hooks.example.com/ä"),
            "`public_url`: it is not an address",
        ),
        (
            "twilio",
            Some("https:///a"),
            "`public_url`: it is not an address",
        ),
        (
            "hubspot",
            Some("https://hooks.example.com/a?b"),
            "`public_url`: it has a query",
        ),
        ("github", Some(URL), "scheme `github` takes no `public_url`"),
    ] {
        let mut written = json!({"scheme": scheme, "secret": "${S}"});
        if let Some(url) = url {
            written["public_url"] = url.into();
        }
        let error = serde_json::from_value::<Auth>(written)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(message), "{error}");
    }
    // Square signs the address as it is subscribed, query and all.
    let square = json!({"scheme": "square", "secret": "${S}", "public_url": "https://hooks.example.com/a?b"});
    assert!(serde_json::from_value::<Auth>(square).is_ok());
}
