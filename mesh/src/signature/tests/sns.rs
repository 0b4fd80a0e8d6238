//! Messages of SNS, signed with a key of these tests.

use super::*;
use crate::signature::{Certificate, Error, Handshake};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};

/// Valid in 2021. Made with the PyPI package `cryptography` 48.0.0, as the key was.
const CERTIFICATE: &[u8] = include_bytes!("sns/certificate.pem");
const ELLIPTIC: &[u8] = include_bytes!("sns/elliptic.pem");
const KEY: &str = include_str!("sns/key.txt");
const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:billing";
const PEM: &str = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem";

fn message(more: Value) -> Value {
    let mut message = json!({
        "Type": "Notification", "MessageId": "m-1", "TopicArn": TOPIC, "Message": "a\nb", "SignatureVersion": "2",
        "Timestamp": at(SIGNED_AT).to_string(), "SigningCertURL": PEM,
    });
    message
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let mut names = vec![
        "Message",
        "MessageId",
        "Subject",
        "Timestamp",
        "TopicArn",
        "Type",
    ];
    if message["Type"] != "Notification" {
        names = vec![
            "Message",
            "MessageId",
            "SubscribeURL",
            "Timestamp",
            "Token",
            "TopicArn",
            "Type",
        ];
    }
    let canonical: String = names
        .iter()
        .filter_map(|name| Some(format!("{name}\n{}\n", message[name].as_str()?)))
        .collect();
    message["Signature"] = signature(&canonical).into();
    message
}

fn signature(canonical: &str) -> String {
    let key = STANDARD.decode(KEY.replace('\n', "")).unwrap();
    let key = RsaKeyPair::from_pkcs8(&key).unwrap();
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        canonical.as_bytes(),
        &mut signature,
    )
    .unwrap();
    STANDARD.encode(signature)
}

fn sns(more: Value) -> Verifier {
    let mut settings = json!({"scheme": "sns", "topic_arn": TOPIC});
    settings
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    verifier(&scheme(settings), &[])
}

fn received(verifier: &Verifier, message: &Value, now: i64) -> Result<Genuine, Refusal> {
    let body = message.to_string();
    verifier.certificate(body.as_bytes())?;
    let certificate = Certificate::from_pem(CERTIFICATE, at(SIGNED_AT)).unwrap();
    let delivery = Delivery {
        method: &Method::POST,
        query: None,
        headers: &headers(&[("content-type", "text/plain; charset=UTF-8")]),
        body: body.into(),
        certificate: Some(&certificate),
    };
    verifier.receive(delivery, at(now))
}

#[test]
fn a_notification_of_a_known_topic_is_verified_under_its_certificate() {
    let verifier = sns(json!({}));
    let verified = received(&verifier, &message(json!({})), SIGNED_AT)
        .map(event)
        .unwrap();
    assert_eq!(
        (verified.delivery_id(), verified.event_type()),
        (Some("m-1"), "com.amazonaws.sns.Notification")
    );
    assert!(verified.is_json());
    assert!(
        received(
            &verifier,
            &message(json!({"Subject": "s"})),
            SIGNED_AT + 3600
        )
        .is_ok()
    );
    assert!(matches!(
        received(&verifier, &message(json!({})), SIGNED_AT + 3601),
        Err(Refusal::TooOld { .. })
    ));
    let mut forged = message(json!({}));
    forged["Message"] = "other".into();
    assert!(matches!(
        received(&verifier, &forged, SIGNED_AT),
        Err(Refusal::Mismatch(_))
    ));
}

/// Anyone may have a topic, and Amazon signs for all of them.
#[test]
fn a_topic_of_somebody_elses_is_refused_before_its_certificate_is_fetched() {
    let theirs = message(json!({"TopicArn": "arn:aws:sns:us-east-1:666666666666:billing"}));
    let refusal = sns(json!({}))
        .certificate(theirs.to_string().as_bytes())
        .unwrap_err();
    assert_eq!(
        (&refusal, refusal.status().as_u16()),
        (&Refusal::OtherTopic, 401)
    );
    let two = sns(json!({"topic_arn": ["arn:aws:sns:us-east-1:666666666666:billing", TOPIC]}));
    assert!(received(&two, &theirs, SIGNED_AT).is_ok());
    for (topics, message) in [
        (json!(null), "scheme `sns` needs `topic_arn`"),
        (json!([]), "`topic_arn`: it is no ARN such as"),
        (json!("billing"), "`topic_arn`: it is no ARN such as"),
        (json!(7), "`topic_arn`: it is no ARN such as"),
    ] {
        let mut written = json!({"scheme": "sns", "topic_arn": topics});
        if topics.is_null() {
            written.as_object_mut().unwrap().remove("topic_arn");
        }
        let error = serde_json::from_value::<Auth>(written)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(message), "{error}");
    }
}

#[test]
fn certificates_are_fetched_from_the_hosts_that_are_configured_alone() {
    let at_host = |host: &str| {
        message(json!({"SigningCertURL": format!("https://{host}/a.pem")})).to_string()
    };
    let asks =
        |verifier: &Verifier, host: &str| verifier.certificate(at_host(host).as_bytes()).is_ok();
    let default = sns(json!({}));
    for host in [
        "sns.eu-west-1.amazonaws.com",
        "sns.cn-north-1.amazonaws.com.cn",
    ] {
        assert!(asks(&default, host), "{host}");
    }
    for host in [
        "sns..amazonaws.com",
        "sns.a.b.amazonaws.com",
        "sns.us-east-1.amazonaws.com:444",
        "sns.us-east-1.amazonaws.com.evil.net",
    ] {
        assert!(!asks(&default, host), "{host}");
    }
    let own = sns(json!({"cert_hosts": ["localhost:4566", "sns.us-east-1.amazonaws.com"]}));
    assert!(asks(&own, "localhost:4566") && asks(&own, "sns.us-east-1.amazonaws.com"));
    assert!(!asks(&own, "localhost") && !asks(&own, "sns.eu-west-1.amazonaws.com"));
    let found = default
        .certificate(message(json!({})).to_string().as_bytes())
        .unwrap();
    assert_eq!(found.unwrap().as_str(), PEM);
    assert_eq!(
        verifier(&named("github"), &["s"]).certificate(b"{}"),
        Ok(None)
    );
    for (hosts, why) in [
        (json!([]), "it is empty"),
        (
            json!(["https://a"]),
            "`https://a` is not the name of a host",
        ),
        (json!(["a/b"]), "`a/b` is not"),
    ] {
        let written = json!({"scheme": "sns", "topic_arn": TOPIC, "cert_hosts": hosts});
        let error = serde_json::from_value::<Auth>(written)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with(&format!("`cert_hosts`: {why}")),
            "{error}"
        );
    }
}

#[test]
fn a_certificate_that_is_none_or_not_valid_is_refused() {
    let from = |pem: &[u8], now| Certificate::from_pem(pem, at(now));
    assert!(from(CERTIFICATE, SIGNED_AT).is_ok());
    let year = 366 * 86_400;
    for now in [SIGNED_AT - year, SIGNED_AT + year] {
        let error = from(CERTIFICATE, now).unwrap_err().to_string();
        assert!(
            error.starts_with(
                "the certificate cannot be used: it is valid from 2021-01-01T00:00:00Z until"
            ),
            "{error}"
        );
    }
    assert_eq!(
        from(ELLIPTIC, SIGNED_AT),
        Err(Error::Certificate("its key is no RSA key".into()))
    );
    let mut cut = CERTIFICATE.to_vec();
    cut.drain(200..220);
    for bad in [
        &b""[..],
        b"<html>",
        &CERTIFICATE[..400],
        &cut,
        b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        // Cut short within its length, and within what that announces.
        b"-----BEGIN CERTIFICATE-----\nZQ==\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n",
    ] {
        assert!(matches!(from(bad, SIGNED_AT), Err(Error::Certificate(_))));
    }
}

#[test]
fn without_a_valid_certificate_a_message_is_to_be_repeated() {
    let verifier = sns(json!({}));
    let old = Certificate::from_pem(CERTIFICATE, at(SIGNED_AT)).unwrap();
    let later = SIGNED_AT + 366 * 86_400;
    for (certificate, now) in [(None, SIGNED_AT), (Some(&old), later)] {
        let delivery = Delivery {
            method: &Method::POST,
            query: None,
            headers: &HeaderMap::new(),
            body: message(json!({})).to_string().into(),
            certificate,
        };
        let refusal = verifier.receive(delivery, at(now)).unwrap_err();
        assert!(
            matches!(refusal, Refusal::NoCertificate(_)) && refusal.status() == 503,
            "{refusal}"
        );
    }
}

#[test]
fn a_subscription_is_confirmed_at_amazons_own_address_alone() {
    let subscription = |url: &str| {
        message(json!({"Type": "SubscriptionConfirmation", "Token": "t", "SubscribeURL": url}))
    };
    let visit = format!(
        "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=t"
    );
    let verifier = sns(json!({}));
    match received(&verifier, &subscription(&visit), SIGNED_AT).unwrap() {
        Genuine::Handshake(Handshake {
            visit: Some(found), ..
        }) => assert_eq!(found, visit),
        other => panic!("{other:?}"),
    }
    let mut forged = subscription(&visit);
    forged["SubscribeURL"] = format!("{visit}x").into();
    assert!(matches!(
        received(&verifier, &forged, SIGNED_AT),
        Err(Refusal::Mismatch(_))
    ));
    for url in [
        "http://sns.us-east-1.amazonaws.com/",
        "https://169.254.169.254/",
        "https://sns.us-east-1.amazonaws.com@evil.net/",
        "",
    ] {
        assert!(
            matches!(
                received(&verifier, &subscription(url), SIGNED_AT),
                Err(Refusal::Foreign(_))
            ),
            "{url}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_flipped_bit_of_a_message_is_refused_unless_no_signed_field_changes(
        which in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        const SIGNED: [&str; 6] = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"];
        let verifier = sns(json!({}));
        let certificate = Certificate::from_pem(CERTIFICATE, at(SIGNED_AT)).unwrap();
        let message = message(json!({"Subject": "s"}));
        let mut body = message.to_string().into_bytes();
        let at_byte = which.index(body.len());
        body[at_byte] ^= 1 << bit;
        let forged: Option<Value> = serde_json::from_slice(&body).ok();
        let delivery = Delivery {
            method: &Method::POST,
            query: None,
            headers: &HeaderMap::new(),
            body: body.into(),
            certificate: Some(&certificate),
        };
        if verifier.receive(delivery, at(SIGNED_AT)).is_ok() {
            let forged = forged.unwrap();
            prop_assert!(SIGNED.iter().all(|name| forged[name] == message[name]));
        }
    }
}
