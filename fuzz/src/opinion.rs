//! A second opinion: whether a delivery proves where it comes from. It is written from what providers document, with another library
//! for HMAC than the verifier has, and knows nothing of the verifier's recipes. It may be more lenient in how things are spelt, never
//! in what is signed.

use crate::Post;
use crate::provider::{FIRST, SECOND, SECOND_UNTIL, SIGNED_AT, TOPIC, URL, at, keys};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use jiff::Timestamp;
use ring::digest;
use ring::hmac::{self, HMAC_SHA1_FOR_LEGACY_USE_ONLY as SHA1, HMAC_SHA256, HMAC_SHA512};
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, KeyPair, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
};
use serde_json::Value;

/// How an HMAC is written in a header.
#[derive(Clone, Copy)]
enum Spelling {
    Hex,
    Base64,
}

/// Whether the delivery is genuine at this instant.
#[must_use]
pub fn is_genuine(scheme: &str, post: &Post, now: Timestamp) -> bool {
    post.method == Method::POST && is_recent(scheme, post, now) && is_proven(scheme, post, now)
}

/// Whether a request is one of the handshakes that nobody signs.
#[must_use]
pub fn is_unsigned_greeting(scheme: &str, post: &Post) -> bool {
    match scheme {
        "dropbox" => post.method == Method::GET && has_parameter(post),
        "msgraph" => post.method == Method::POST && has_parameter(post),
        "intercom" => post.method == Method::HEAD,
        "cloudevents" => post.method == Method::OPTIONS,
        _ => false,
    }
}

fn has_parameter(post: &Post) -> bool {
    post.query.as_ref().is_some_and(|query| query.contains('='))
}

/// The secrets that are good.
fn secrets(now: Timestamp) -> impl Iterator<Item = &'static str> {
    let second = (now < at(SECOND_UNTIL)).then_some(SECOND);
    [FIRST].into_iter().chain(second)
}

fn is_proven(scheme: &str, post: &Post, now: Timestamp) -> bool {
    let shows = |name: &str, prefix: &str| {
        let shown = post.header(name).unwrap_or_default();
        secrets(now).any(|secret| {
            shown.len() == prefix.len() + secret.len()
                && shown.ends_with(secret)
                && shown[..prefix.len()].eq_ignore_ascii_case(prefix)
        })
    };
    match scheme {
        "none" => true,
        "gitlab" => shows("x-gitlab-token", ""),
        "secret" => shows("x-key", ""),
        "bearer" | "cloudevents" => shows("authorization", "Bearer "),
        "token" => {
            let json: Value = serde_json::from_slice(&post.body).unwrap_or_default();
            secrets(now).any(|secret| json["a"]["b"] == secret)
        }
        "msgraph" => {
            let json: Value = serde_json::from_slice(&post.body).unwrap_or_default();
            let items = json["value"].as_array().map_or(&[][..], Vec::as_slice);
            let shown = |item: &Value| secrets(now).any(|secret| item["clientState"] == secret);
            !items.is_empty() && items.iter().all(shown)
        }
        "sns" => is_amazons(post),
        "discord" => {
            let signature = post.header("x-signature-ed25519").unwrap_or_default();
            let key = UnparsedPublicKey::new(&ED25519, keys().ed25519.public_key());
            let message = stamped(post, "x-signature-timestamp");
            hex::decode(signature).is_ok_and(|signature| key.verify(&message, &signature).is_ok())
        }
        "sendgrid" => {
            let name = "x-twilio-email-event-webhook";
            let signature = post
                .header(&format!("{name}-signature"))
                .unwrap_or_default();
            let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, keys().p256.public_key());
            let message = stamped(post, &format!("{name}-timestamp"));
            let signature = STANDARD.decode(signature);
            signature.is_ok_and(|signature| key.verify(&message, &signature).is_ok())
        }
        _ => is_signed(scheme, post, now),
    }
}

fn stamped(post: &Post, header: &str) -> Vec<u8> {
    let time = post.header(header).unwrap_or_default();
    [time.as_bytes(), &post.body].concat()
}

/// Whether it has an HMAC that is right.
fn is_signed(scheme: &str, post: &Post, now: Timestamp) -> bool {
    use Spelling::{Base64, Hex};
    let body = || vec![post.body.clone()];
    let get = |name: &str| post.header(name).unwrap_or_default();
    let joined = |parts: &[&str]| vec![[parts.concat().as_bytes(), &post.body].concat()];
    let list = |header: &'static str, prefix, spelling, messages: Vec<Vec<u8>>| {
        (header, prefix, spelling, HMAC_SHA256, messages)
    };
    let svix = |name: &str| {
        let of = |what: &str| post.header(&format!("{name}-{what}")).unwrap_or_default();
        joined(&[of("id"), ".", of("timestamp"), "."])
    };
    let versioned = |header: &str| joined(&["v0:", get(header), ":"]);
    let ways = match scheme {
        "github" => vec![list("x-hub-signature-256", "sha256=", Hex, body())],
        "linear" => vec![list("linear-signature", "", Hex, body())],
        "bitbucket" | "jira" => vec![list("x-hub-signature", "sha256=", Hex, body())],
        "pagerduty" => vec![list("x-pagerduty-signature", "v1=", Hex, body())],
        "sentry" => vec![list("sentry-hook-signature", "", Hex, body())],
        "dropbox" => vec![list("x-dropbox-signature", "", Hex, body())],
        "intercom" => vec![("x-hub-signature", "sha1=", Hex, SHA1, body())],
        "shopify" => ["x-shopify-hmac-sha256", "shopify-hmac-sha256"]
            .map(|header| list(header, "", Base64, body()))
            .into(),
        "stripe" => {
            let items = get("stripe-signature").split(',');
            let time = items.filter_map(|item| item.strip_prefix("t=")).next();
            let messages = joined(&[time.unwrap_or_default(), "."]);
            vec![list("stripe-signature", "v1=", Hex, messages)]
        }
        "slack" => {
            let messages = versioned("x-slack-request-timestamp");
            vec![list("x-slack-signature", "v0=", Hex, messages)]
        }
        "zoom" => {
            let messages = versioned("x-zm-request-timestamp");
            vec![list("x-zm-signature", "v0=", Hex, messages)]
        }
        "standard" => vec![
            list("webhook-signature", "v1,", Base64, svix("webhook")),
            list("svix-signature", "v1,", Base64, svix("svix")),
        ],
        "gitlab-signed" => vec![list("webhook-signature", "v1,", Base64, svix("webhook"))],
        "twilio" => vec![("x-twilio-signature", "", Base64, SHA1, twilio(post))],
        "hubspot" => vec![list("x-hubspot-signature-v3", "", Base64, hubspot(post))],
        "square" => {
            let messages = joined(&[URL]);
            vec![list("x-square-hmacsha256-signature", "", Base64, messages)]
        }
        "hmac" => vec![("x-sig", "", Base64, HMAC_SHA512, joined(&[get("x-time")]))],
        other => panic!("`{other}` is not known to the fuzz targets: say here what it signs"),
    };
    ways.into_iter()
        .any(|(header, prefix, spelling, hash, messages)| {
            let offered = get(header);
            let signed = |secret: &str, message: &[u8]| {
                let key = hmac::Key::new(hash, &key(scheme, secret));
                let tag = hmac::sign(&key, message);
                let items = || {
                    offered
                        .split([',', ' '])
                        .chain(offered.split(' '))
                        .chain([offered])
                };
                items().any(|item| match spelling {
                    Hex => {
                        item.eq_ignore_ascii_case(&format!("{prefix}{}", hex::encode(tag.as_ref())))
                    }
                    Base64 => item == format!("{prefix}{}", STANDARD.encode(tag.as_ref())),
                })
            };
            secrets(now).any(|secret| messages.iter().any(|message| signed(secret, message)))
        })
}

fn key(scheme: &str, secret: &str) -> Vec<u8> {
    match scheme {
        "standard" | "gitlab-signed" => {
            let text = secret.strip_prefix("whsec_").unwrap_or(secret);
            STANDARD.decode(text).expect("a secret in base64")
        }
        _ => secret.into(),
    }
}

/// What Twilio may have signed: the address with its port or without, and the fields, if it is a form.
#[must_use]
pub fn twilio(post: &Post) -> Vec<Vec<u8>> {
    let query = post.query.as_deref().unwrap_or_default();
    let hash = digest::digest(&digest::SHA256, &post.body);
    let is_hashed = query.contains("bodySHA256");
    if is_hashed && !query.to_ascii_lowercase().contains(&hex::encode(hash)) {
        return Vec::new();
    }
    let said = match is_hashed {
        true => Vec::new(),
        false => form(&post.body),
    };
    let mark = if query.is_empty() { "" } else { "?" };
    let with_port = URL.replacen(".com/", ".com:443/", 1);
    [URL, &with_port]
        .map(|url| [url.as_bytes(), mark.as_bytes(), query.as_bytes(), &said].concat())
        .into()
}

/// The fields of a form, sorted, each pair once.
fn form(body: &[u8]) -> Vec<u8> {
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for pair in body
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
    {
        let mut halves = pair.splitn(2, |byte| *byte == b'=').map(unescaped);
        pairs.push((
            halves.next().unwrap_or_default(),
            halves.next().unwrap_or_default(),
        ));
    }
    pairs.sort();
    pairs.dedup();
    pairs
        .into_iter()
        .flat_map(|(name, value)| [name, value].concat())
        .collect()
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let byte = tail.get(..2).and_then(|digits| hex::decode(digits).ok());
        match (first, byte) {
            (b'%', Some(byte)) => {
                plain.extend(byte);
                rest = &tail[2..];
            }
            _ => {
                plain.push(if *first == b'+' { b' ' } else { *first });
                rest = tail;
            }
        }
    }
    plain
}

/// What HubSpot may have signed: the query as it is, or some escapes of it resolved.
fn hubspot(post: &Post) -> Vec<Vec<u8>> {
    let query = post.query.as_deref().unwrap_or_default();
    let mut resolved = query.to_owned();
    for byte in b":/?@!$'()*,;" {
        let plain = char::from(*byte).to_string();
        resolved = resolved
            .replace(&format!("%{byte:02X}"), &plain)
            .replace(&format!("%{byte:02x}"), &plain);
    }
    let time = post
        .header("x-hubspot-request-timestamp")
        .unwrap_or_default();
    let message = |query: &str| {
        let mark = if query.is_empty() { "" } else { "?" };
        let address = ["POST", URL, mark, query].concat();
        [address.as_bytes(), &post.body, time.as_bytes()].concat()
    };
    vec![message(query), message(&resolved)]
}

/// What Amazon signs of a message.
#[must_use]
pub fn canonical(message: &Value) -> Option<String> {
    let names: &[&str] = match message["Type"].as_str()? {
        "Notification" => &[
            "Message",
            "MessageId",
            "Subject",
            "Timestamp",
            "TopicArn",
            "Type",
        ],
        "SubscriptionConfirmation" | "UnsubscribeConfirmation" => &[
            "Message",
            "MessageId",
            "SubscribeURL",
            "Timestamp",
            "Token",
            "TopicArn",
            "Type",
        ],
        _ => return None,
    };
    let mut text = String::new();
    for name in names {
        match message[name].as_str() {
            Some(value) => text.push_str(&format!("{name}\n{value}\n")),
            None if *name == "Subject" => {}
            None => return None,
        }
    }
    Some(text)
}

fn is_amazons(post: &Post) -> bool {
    let message: Value = serde_json::from_slice(&post.body).unwrap_or_default();
    let Some(canonical) = canonical(&message) else {
        return false;
    };
    let is_at = |name: &str| {
        let url = message[name].as_str().unwrap_or_default();
        let host = url.strip_prefix("https://sns.").unwrap_or_default();
        let region = host.split('/').next().unwrap_or_default();
        region.ends_with(".amazonaws.com") || region.ends_with(".amazonaws.com.cn")
    };
    let algorithm = match message["SignatureVersion"].as_str() {
        Some("1") => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        Some("2") => &RSA_PKCS1_2048_8192_SHA256,
        _ => return false,
    };
    let signature = STANDARD.decode(message["Signature"].as_str().unwrap_or_default());
    let key = UnparsedPublicKey::new(algorithm, keys().rsa.public().as_ref());
    post.certified
        && message["TopicArn"] == TOPIC
        && is_at("SigningCertURL")
        && (message["Type"] == "Notification" || is_at("SubscribeURL"))
        && signature.is_ok_and(|bytes| key.verify(canonical.as_bytes(), &bytes).is_ok())
}

/// Whether it was sent near now, where the scheme says when.
fn is_recent(scheme: &str, post: &Post, now: Timestamp) -> bool {
    let json = || serde_json::from_slice::<Value>(&post.body).unwrap_or_default();
    let header = |name: &str, unit: i64| {
        let number = post.header(name).and_then(|text| text.parse::<i64>().ok());
        number.map(|number| (number as f64 / unit as f64, 300.0))
    };
    let sent = match scheme {
        "stripe" => {
            let list = post.header("stripe-signature").unwrap_or_default();
            let time = list.split(',').find_map(|item| item.strip_prefix("t="));
            time.and_then(|text| text.parse::<i64>().ok())
                .map(|time| (time as f64, 300.0))
        }
        "slack" => header("x-slack-request-timestamp", 1),
        "zoom" => header("x-zm-request-timestamp", 1),
        "gitlab-signed" => header("webhook-timestamp", 1),
        "standard"
            if post
                .headers
                .iter()
                .any(|(name, _)| name == "webhook-signature") =>
        {
            header("webhook-timestamp", 1)
        }
        "standard" => header("svix-timestamp", 1),
        "discord" => header("x-signature-timestamp", 1),
        "sendgrid" => header("x-twilio-email-event-webhook-timestamp", 1),
        "hmac" => header("x-time", 1),
        "hubspot" => header("x-hubspot-request-timestamp", 1000),
        "linear" => json()["webhookTimestamp"]
            .as_i64()
            .map(|time| (time as f64 / 1000.0, 60.0)),
        "sns" => {
            let time = json()["Timestamp"]
                .as_str()
                .and_then(|text| text.parse::<Timestamp>().ok());
            time.map(|time| (time.as_millisecond() as f64 / 1000.0, 3600.0))
        }
        _ => Some((SIGNED_AT as f64, f64::INFINITY)),
    };
    let now = now.as_millisecond() as f64 / 1000.0;
    sent.is_some_and(|(sent, tolerance)| (now - sent).abs() <= tolerance)
}
