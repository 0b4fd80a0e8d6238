//! Every scheme with keys that this program has, and deliveries as its provider sends them.

use crate::Post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use belfry_mesh::signature::{Auth, Certificate, Draft, Verifier, schemes, sign};
use http::{HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use ring::hmac::{self, HMAC_SHA1_FOR_LEGACY_USE_ONLY};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use serde_json::{Value, json};
use std::sync::OnceLock;

/// The instant at which everything is signed, in seconds since 1970.
pub const SIGNED_AT: i64 = 1_614_265_330;
/// When [`SECOND`] comes to its end, in seconds since 1970.
pub const SECOND_UNTIL: i64 = SIGNED_AT + 40;
/// The trigger's address.
pub const URL: &str = "https://hooks.example.com/hooks/billing";
/// The topic of SNS.
pub const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:billing";
/// A secret without an end.
pub const FIRST: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// A secret that comes to its end.
pub const SECOND: &str = "whsec_c2VjcmV0LW9mLXRoZS1mdXp6LXRhcmdldHM=";

/// Of the tests of SNS, valid in 2021, and its key.
const CERTIFICATE: &[u8] = include_bytes!("../../mesh/src/signature/tests/sns/certificate.pem");
const RSA: &str = include_str!("../../mesh/src/signature/tests/sns/key.txt");
/// Of the fuzz targets alone.
const P256: &str = include_str!("../keys/p256.txt");
/// How the `SubjectPublicKeyInfo` of a point on P-256 begins.
const P256_SPKI: &str = "3059301306072a8648ce3d020106082a8648ce3d030107034200";

/// The keys that only a provider has.
pub struct Keys {
    /// Discord's.
    pub ed25519: Ed25519KeyPair,
    /// SendGrid's.
    pub p256: EcdsaKeyPair,
    /// Amazon's.
    pub rsa: RsaKeyPair,
    /// The certificate of the last.
    pub certificate: Certificate,
}

/// A scheme, set up.
pub struct Provider {
    /// Its name.
    pub scheme: &'static str,
    /// Its settings.
    pub auth: Auth,
    /// Its verifier, under both secrets.
    pub verifier: Verifier,
}

/// An instant.
#[must_use]
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("a time of this century")
}

/// The keys.
pub fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    let decode = |text: &str| STANDARD.decode(text.replace('\n', "")).expect("base64");
    KEYS.get_or_init(|| Keys {
        ed25519: Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed"),
        p256: EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_ASN1_SIGNING,
            &decode(P256),
            &SystemRandom::new(),
        )
        .expect("a key on P-256"),
        rsa: RsaKeyPair::from_pkcs8(&decode(RSA)).expect("an RSA key"),
        certificate: Certificate::from_pem(CERTIFICATE, at(SIGNED_AT)).expect("a certificate"),
    })
}

/// All schemes.
pub fn providers() -> &'static [Provider] {
    static ALL: OnceLock<Vec<Provider>> = OnceLock::new();
    ALL.get_or_init(|| {
        let names = schemes().into_iter().map(|listed| listed.name);
        names.map(Provider::of).collect()
    })
}

impl Provider {
    fn of(scheme: &'static str) -> Self {
        let auth: Auth = serde_json::from_value(settings(scheme)).expect("settings that hold");
        let verifier = Verifier::of(&auth, |secret| match secret.name() {
            "FIRST" => Some(FIRST.into()),
            "SECOND" => Some(SECOND.into()),
            _ => None,
        });
        Self {
            scheme,
            verifier: verifier.expect("keys that hold"),
            auth,
        }
    }

    /// What its provider sends: `body` as it is where the scheme asks nothing of it, or else a document that says `text`.
    #[must_use]
    pub fn send(&self, text: &str, body: Option<&[u8]>, secret: &str) -> Post {
        let body = match body {
            Some(body) if self.takes_any_body() => body.to_vec(),
            _ => said(self.scheme, text, secret),
        };
        let mut post = Post {
            method: Method::POST,
            query: self.auth.scheme().query(&body),
            headers: Vec::new(),
            body,
            certified: true,
        };
        if self.auth.scheme().is_private() {
            self.sign_in_private(&mut post);
        } else if self.scheme == "twilio" && text.starts_with('f') {
            return form(text, secret);
        } else {
            let draft = Draft {
                delivery_id: "d-1",
                event: "issues",
                body: &post.body,
            };
            let secret = secret.into();
            let headers = sign(self.auth.scheme(), Some(&secret), draft, at(SIGNED_AT));
            let headers = headers.expect("a secret of any scheme's");
            post.headers = headers
                .iter()
                .map(|(n, v)| (n.clone(), v.clone()))
                .collect();
        }
        put(&mut post, "content-type", "application/json");
        post
    }

    /// Whether its proof asks nothing of the body.
    #[must_use]
    pub fn takes_any_body(&self) -> bool {
        !["linear", "msgraph", "sns", "token"].contains(&self.scheme)
    }

    fn sign_in_private(&self, post: &mut Post) {
        let time = SIGNED_AT.to_string();
        let message = [time.as_bytes(), &post.body].concat();
        match self.scheme {
            "discord" => {
                let signature = keys().ed25519.sign(&message);
                put(post, "x-signature-ed25519", &hex::encode(signature));
                put(post, "x-signature-timestamp", &time);
            }
            "sendgrid" => {
                let signature = keys().p256.sign(&SystemRandom::new(), &message);
                let signature = STANDARD.encode(signature.expect("randomness"));
                put(post, "x-twilio-email-event-webhook-signature", &signature);
                put(post, "x-twilio-email-event-webhook-timestamp", &time);
            }
            // It is in the body.
            "sns" => {}
            other => panic!("`{other}` is not known to the fuzz targets: sign its deliveries here"),
        }
    }
}

/// A form, as Twilio sends and signs it.
fn form(text: &str, secret: &str) -> Post {
    let mut post = Post {
        method: Method::POST,
        query: Some("a=%2f".into()),
        headers: Vec::new(),
        body: format!("Body=Hi+%26&EventType=onMessageAdded&A={text}").into_bytes(),
        certified: true,
    };
    let key = hmac::Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
    let message = crate::opinion::twilio(&post).swap_remove(0);
    let signature = STANDARD.encode(hmac::sign(&key, &message));
    put(&mut post, "x-twilio-signature", &signature);
    put(
        &mut post,
        "content-type",
        "application/x-www-form-urlencoded",
    );
    post
}

fn put(post: &mut Post, name: &'static str, value: &str) {
    let value = HeaderValue::from_str(value).expect("visible ASCII");
    post.headers.push((HeaderName::from_static(name), value));
}

fn settings(scheme: &str) -> Value {
    let mut settings = match scheme {
        "twilio" | "hubspot" | "square" => json!({"public_url": URL}),
        "hmac" => json!({
            "header": "X-Sig", "encoding": "base64", "algorithm": "sha512", "signed": "{timestamp}{body}",
            "timestamp_header": "X-Time", "delivery_id_path": "a.0.b", "event_type_header": "X-Kind",
        }),
        "secret" => json!({"header": "X-Key"}),
        "token" => json!({"field": "a.b"}),
        "discord" => json!({"public_key": hex::encode(keys().ed25519.public_key())}),
        "sendgrid" => {
            let point = keys().p256.public_key().as_ref();
            let spki = [&hex::decode(P256_SPKI).expect("hexadecimal")[..], point].concat();
            json!({"public_key": STANDARD.encode(spki)})
        }
        "sns" => json!({"topic_arn": TOPIC}),
        _ => json!({}),
    };
    settings["scheme"] = scheme.into();
    if !["none", "discord", "sendgrid", "sns"].contains(&scheme) {
        let until = at(SECOND_UNTIL).to_string();
        settings["secrets"] = json!(["${FIRST}", {"secret": "${SECOND}", "until": until}]);
    }
    settings
}

/// A body that a provider may send, with a text in it.
fn said(scheme: &str, text: &str, secret: &str) -> Vec<u8> {
    let time = SIGNED_AT * 1000;
    let mut body = match scheme {
        "linear" => json!({"type": "Issue", "action": "create", "webhookTimestamp": time}),
        "msgraph" => json!({"value": [{"clientState": secret, "changeType": "updated"}]}),
        "token" => json!({"a": {"b": secret}}),
        "slack" if text.starts_with('u') => json!({"type": "url_verification", "challenge": "c"}),
        "zoom" if text.starts_with('u') => {
            json!({"event": "endpoint.url_validation", "payload": {"plainToken": "p"}})
        }
        "discord" if text.starts_with('u') => json!({"type": 1}),
        "hubspot" => {
            return json!([{"eventId": 100, "text": text}])
                .to_string()
                .into_bytes();
        }
        "sns" => return message(text).to_string().into_bytes(),
        _ => {
            json!({"action": "opened", "id": "i", "type": "a.b", "event": {"id": "e", "type": "t"}})
        }
    };
    body["text"] = text.into();
    body.to_string().into_bytes()
}

/// A message of SNS.
fn message(text: &str) -> Value {
    let mut message = json!({
        "Type": "Notification", "MessageId": "m-1", "TopicArn": TOPIC, "Message": text, "SignatureVersion": "2",
        "Timestamp": at(SIGNED_AT).to_string(),
        "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem",
    });
    if text.starts_with('u') {
        message["Type"] = "SubscriptionConfirmation".into();
        message["Token"] = "t".into();
        message["SubscribeURL"] = "https://sns.us-east-1.amazonaws.com/?Token=t".into();
    } else if text.starts_with('s') {
        message["Subject"] = text.into();
    }
    let canonical = crate::opinion::canonical(&message).expect("all that is signed");
    let mut signature = vec![0; keys().rsa.public().modulus_len()];
    let random = SystemRandom::new();
    let signed = keys().rsa.sign(
        &RSA_PKCS1_SHA256,
        &random,
        canonical.as_bytes(),
        &mut signature,
    );
    signed.expect("randomness");
    message["Signature"] = STANDARD.encode(signature).into();
    message
}
