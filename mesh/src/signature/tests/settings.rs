//! Schemes and secrets as manifests write them.

use super::super::{Error, Legacy, SecretRef};
use super::*;

fn auth(written: Value) -> Result<Auth, String> {
    serde_json::from_value(written).map_err(|error| error.to_string())
}

#[test]
fn what_a_manifest_says_survives_being_stored() {
    for written in [
        json!({"scheme": "none"}),
        json!({"scheme": "none", "delivery_id_header": "X-Id"}),
        json!({"scheme": "github", "secret": "${GITHUB_WEBHOOK_SECRET}"}),
        json!({"scheme": "standard", "secret": ["${NEW}", "${OLD}"]}),
        json!({"scheme": "slack", "secrets": ["${NEW}", {"secret": "${OLD}", "until": "2026-12-01T00:00:00Z"}]}),
        json!({"scheme": "slack", "secrets": [{"secret": "${OLD}", "until": "2026-12-01T00:00:00.5Z"}]}),
        json!({"scheme": "twilio", "secret": "${S}", "public_url": "https://hooks.example.com/hooks/a"}),
        json!({"scheme": "discord", "public_key": "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"}),
        json!({"scheme": "sendgrid", "public_key": ["${OLD}", "${NEW}"]}),
        json!({"scheme": "sns", "topic_arn": ["arn:aws:sns:a:1:t"], "cert_hosts": ["sns.us-east-1.amazonaws.com"]}),
        json!({
            "scheme": "hmac", "secret": "${S}", "header": "X-Sig", "prefix": "v0=", "encoding": "base64", "algorithm": "sha512",
            "signed": "{id}.{timestamp}.{body}", "timestamp_header": "X-Time", "tolerance_seconds": 60,
            "delivery_id_header": "X-Id", "event_type_header": "X-Kind",
        }),
        json!({"scheme": "token", "secret": "${S}", "field": "a.b", "delivery_id_path": "id"}),
        json!({"scheme": "bearer", "secret": "${S}"}),
    ] {
        let read = auth(written.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), written);
        let again: Scheme =
            serde_json::from_value(serde_json::to_value(read.scheme()).unwrap()).unwrap();
        assert_eq!(&again, read.scheme());
    }
}

#[track_caller]
fn refuses(written: Value, message: &str) {
    let error = auth(written.clone()).unwrap_err();
    assert!(error.starts_with(message), "{written}: {error}");
}

#[test]
fn a_key_that_is_missing_unread_or_unknown_is_named() {
    for (written, message) in [
        (
            json!({"scheme": "githb"}),
            "unknown scheme `githb`; known: none, hmac, secret, bearer, token, github, linear, bitbucket, jira, shopify, pagerduty, sentry, intercom, dropbox, stripe, slack, zoom, standard, gitlab-signed, twilio, hubspot, square, discord, sendgrid, sns, gitlab, msgraph, cloudevents; did you mean `github`?",
        ),
        (json!({"secret": "${S}"}), "missing field `scheme`"),
        (
            json!({"scheme": "github"}),
            "scheme `github` needs a secret, and there is none",
        ),
        (
            json!({"scheme": "github", "secret": []}),
            "scheme `github` needs a secret, and there is none",
        ),
        (
            json!({"scheme": "none", "secret": "${S}"}),
            "scheme `none` takes no secret",
        ),
        (
            json!({"scheme": "github", "secret": "${S}", "header": "X"}),
            "scheme `github` takes no `header`: remove it",
        ),
        (
            json!({"scheme": "github", "secret": "${S}", "delivery_id_header": "X"}),
            "scheme `github` takes no `delivery_id_header`",
        ),
        (
            json!({"scheme": "none", "signed": "{body}"}),
            "scheme `none` takes no `signed`",
        ),
        (
            json!({"scheme": "github", "secret": "${S}", "haeder": "X"}),
            "unknown field `haeder`",
        ),
        (
            json!({"scheme": "hmac", "secret": "${S}"}),
            "scheme `hmac` needs `header`",
        ),
        (
            json!({"scheme": "secret", "secret": "${S}"}),
            "scheme `secret` needs `header`",
        ),
        (
            json!({"scheme": "token", "secret": "${S}"}),
            "scheme `token` needs `header` or `field`",
        ),
        (
            json!({"scheme": "token", "secret": "${S}", "header": "X", "field": "y"}),
            "scheme `token` takes no `field`",
        ),
        (
            json!({"scheme": "token", "secret": "${S}", "field": "a..b"}),
            "`field`: the path `a..b` has an empty part",
        ),
        (
            json!({"scheme": "token", "secret": "${S}", "field": ""}),
            "`field`: it is empty",
        ),
        (
            json!({"scheme": "secret", "secret": "${S}", "header": "X-S", "event_type_header": "x-s"}),
            "header `x-s` holds the secret, so it cannot name deliveries or events",
        ),
        (
            json!({"scheme": "token", "secret": "${S}", "field": "id", "delivery_id_path": "id"}),
            "body field `id` holds the secret, so it cannot name deliveries or events",
        ),
    ] {
        refuses(written, message);
    }
}

#[test]
fn a_detail_of_a_configured_hmac_that_cannot_be_is_refused_with_what_can() {
    for (more, message) in [
        (
            json!({"header": "X Sig"}),
            "`header`: `X Sig` is not the name of a header",
        ),
        (
            json!({"encoding": "hexa"}),
            "`encoding`: unknown encoding `hexa`; known: hex, base64",
        ),
        (
            json!({"algorithm": "md5"}),
            "`algorithm`: unknown algorithm `md5`; known: sha256, sha1, sha512",
        ),
        (
            json!({"signed": "{timestamp}.{body}"}),
            "`signed`: `{timestamp}` needs `timestamp_header`",
        ),
        (
            json!({"signed": "{url}{body}"}),
            "`signed`: unknown part `{url}`; known: {body}, {timestamp}, {id}",
        ),
        (
            json!({"signed": "{body}{body}"}),
            "`signed`: `{body}` is there 2 times; once is needed",
        ),
        (json!({"signed": "{id"}), "`signed`: `{id` has no `}`"),
        (
            json!({"signed": "{id}{body}", "delivery_id_path": "id"}),
            "`signed`: `{id}` is a header's value",
        ),
        (
            json!({"timestamp_header": "X-T"}),
            "`timestamp_header`: `signed` has no `{timestamp}`",
        ),
        (
            json!({"tolerance_seconds": 5}),
            "`tolerance_seconds`: it needs `timestamp_header`",
        ),
        (
            json!({"signed": "{timestamp}{body}", "timestamp_header": "X-T", "tolerance_seconds": 0}),
            "`tolerance_seconds`: found 0; 1 to 86400 are allowed",
        ),
        (
            json!({"delivery_id_header": "X", "delivery_id_path": "id"}),
            "`delivery_id_path`: `delivery_id_header` is given too",
        ),
    ] {
        let mut written = json!({"scheme": "hmac", "secret": "${S}", "header": "X-Sig"});
        written
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        refuses(written, message);
    }
}

#[test]
fn a_list_of_secrets_may_be_written_in_either_key_and_is_stored_in_one_way() {
    for (written, stored) in [
        (
            json!({"scheme": "github", "secrets": ["${A}"]}),
            json!({"scheme": "github", "secret": "${A}"}),
        ),
        (
            json!({"scheme": "github", "secrets": [{"secret": "${A}"}, "${B}"]}),
            json!({"scheme": "github", "secret": ["${A}", "${B}"]}),
        ),
        (
            json!({"scheme": "github", "secret": {"secret": "${A}", "until": "2026-12-01T01:00:00+01:00"}}),
            json!({"scheme": "github", "secrets": [{"secret": "${A}", "until": "2026-12-01T00:00:00Z"}]}),
        ),
    ] {
        let read = auth(written).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), stored);
        assert_eq!(auth(stored).unwrap(), read);
    }
    for (more, message) in [
        (
            json!({"secret": "${A}", "secrets": ["${B}"]}),
            "`secrets`: `secret` is given too",
        ),
        (json!({"secrets": "${A}"}), "`secrets`: it is no list"),
        (
            json!({"secrets": []}),
            "scheme `github` needs a secret, and there is none",
        ),
        (
            json!({"secrets": [{"secret": "${A}", "until": "tomorrow"}]}),
            "`secrets`: ${A}: `until` is no time such as",
        ),
        (
            json!({"secrets": [{"secret": "${A}", "until": 7}]}),
            "`secrets`: ${A}: `until` is no time such as",
        ),
        (
            json!({"secrets": [{"secret": "${A}", "until": null}]}),
            "`secrets`: ${A}: `until` is no time such as",
        ),
        (
            json!({"secrets": [{"until": "2026-12-01T00:00:00Z"}]}),
            "a secret is named, never written",
        ),
    ] {
        let mut written = json!({"scheme": "github"});
        written
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        refuses(written, message);
    }
}

#[test]
fn a_key_of_the_providers_is_no_secret_and_still_must_be_one() {
    for (written, message) in [
        (
            json!({"scheme": "discord"}),
            "scheme `discord` needs `public_key`",
        ),
        (
            json!({"scheme": "discord", "public_key": "xyz"}),
            "key 1 of scheme `discord` is not 64 hexadecimal digits",
        ),
        (
            json!({"scheme": "discord", "public_key": 7}),
            "`public_key`: it is neither a text nor a list of texts",
        ),
        (
            json!({"scheme": "discord", "public_key": []}),
            "`public_key`: it is neither a text nor a list of texts",
        ),
        (
            json!({"scheme": "discord", "public_key": "${1}"}),
            "a secret is named, never written",
        ),
        (
            json!({"scheme": "discord", "public_key": "${K}", "secret": "${S}"}),
            "scheme `discord` takes no secret",
        ),
        (
            json!({"scheme": "sendgrid", "public_key": "MFkwEwYHKoZIzj0CAQ=="}),
            "key 1 of scheme `sendgrid` is not the base64 of a public key on P-256",
        ),
        (
            json!({"scheme": "github", "secret": "${S}", "public_key": "x"}),
            "scheme `github` takes no `public_key`",
        ),
        (
            json!({"scheme": "sns", "topic_arn": "arn:aws:sns:a:1:t", "secret": "${S}"}),
            "scheme `sns` takes no secret",
        ),
    ] {
        refuses(written, message);
    }
}

#[test]
fn the_field_that_a_secret_is_stored_with_is_known() {
    for (written, field) in [
        (
            json!({"scheme": "token", "secret": "${S}", "field": "a.b"}),
            Some("a.b"),
        ),
        (
            json!({"scheme": "msgraph", "secret": "${S}"}),
            Some("value.*.clientState"),
        ),
        (json!({"scheme": "gitlab", "secret": "${S}"}), None),
    ] {
        assert_eq!(auth(written).unwrap().scheme().secret_field(), field);
    }
}

#[test]
fn a_secret_is_named_and_never_written() {
    for literal in [
        json!("s3cr3t"),
        json!("${s3cr3t:-x}"),
        json!("${7s3cr3t}"),
        json!("$s3cr3t"),
        json!(["${A}", "s3cr3t"]),
        json!({"s3cr3t": 1}),
        json!(53_737),
        json!([{"secret": "s3cr3t"}]),
        json!([{"secret": "${A}", "s3cr3t": 1}]),
        json!([["s3cr3t"]]),
    ] {
        for key in ["secret", "secrets"] {
            let literal = match (key, literal.is_array()) {
                ("secrets", false) => json!([literal]),
                _ => literal.clone(),
            };
            let error = auth(json!({"scheme": "github", key: literal})).unwrap_err();
            assert!(
                error.starts_with("a secret is named, never written: write `${NAME}`"),
                "{error}"
            );
            assert!(
                !error.contains("s3cr3t") && !error.contains("53737"),
                "{error}"
            );
        }
    }
    let reference = SecretRef::parse("${GITHUB_WEBHOOK_SECRET}").unwrap();
    assert_eq!(
        (reference.name(), reference.to_string().as_str()),
        ("GITHUB_WEBHOOK_SECRET", "${GITHUB_WEBHOOK_SECRET}")
    );
}

#[test]
fn a_scheme_without_a_usable_secret_makes_no_verifier() {
    let try_new = |scheme: &str, secrets: &[&str]| {
        let secrets = secrets.iter().map(|&text| secret(text)).collect();
        Verifier::try_new(&named(scheme), secrets).unwrap_err()
    };
    assert_eq!(try_new("github", &[]), Error::SecretMissing("github"));
    assert_eq!(try_new("none", &["s"]), Error::SecretUnread("none"));
    assert_eq!(
        try_new("github", &["a", ""]),
        Error::SecretEmpty {
            scheme: "github",
            number: 2
        }
    );
    assert_eq!(
        try_new("bearer", &[""]),
        Error::SecretEmpty {
            scheme: "bearer",
            number: 1
        }
    );
    assert_eq!(
        try_new("standard", &["whsec_"]),
        Error::SecretEmpty {
            scheme: "standard",
            number: 1
        }
    );
    let error = try_new("standard", &["whsec_not base64"]);
    assert_eq!(
        error.to_string(),
        "key 1 of scheme `standard` is not `whsec_` and base64: copy it whole, as the provider shows it"
    );
    assert!(matches!(
        try_new("standard", &["whpk_abcd"]),
        Error::SecretMalformed { .. }
    ));
}

/// An `auth` of an older manifest: its type, header, algorithm and field.
type Older = (
    &'static str,
    Option<&'static str>,
    Option<&'static str>,
    Option<&'static str>,
);

fn from_older((kind, header, algorithm, field): Older) -> Result<Auth, Error> {
    Auth::from_legacy(Legacy {
        kind,
        header,
        algorithm,
        field,
        delivery_id_header: Some("X-Id"),
        secret: SecretRef::named("S").unwrap(),
    })
}

#[test]
fn the_header_of_an_older_manifest_picks_the_scheme() {
    for (older, written) in [
        (
            ("hmac", Some("X-Hub-Signature-256"), None, None),
            json!({"scheme": "github"}),
        ),
        (
            ("hmac", Some("x-hub-signature-256"), Some("sha1"), None),
            json!({"scheme": "github"}),
        ),
        (
            ("hmac", Some("Linear-Signature"), Some("sha256"), None),
            json!({"scheme": "linear"}),
        ),
        (
            ("hmac", Some("webhook-signature"), None, None),
            json!({"scheme": "standard"}),
        ),
        (
            ("hmac", Some("Svix-Signature"), None, None),
            json!({"scheme": "standard"}),
        ),
    ] {
        let mut expected = written;
        expected["secret"] = "${S}".into();
        assert_eq!(
            serde_json::to_value(from_older(older).unwrap()).unwrap(),
            expected
        );
    }
}

#[test]
fn an_older_manifest_without_a_providers_header_is_taken_at_its_word() {
    for (older, written) in [
        (
            ("hmac", Some("X-Signature"), None, None),
            json!({"scheme": "hmac", "header": "X-Signature", "algorithm": "sha256"}),
        ),
        (
            ("hmac", Some("X-Signature"), Some("HMAC-SHA512"), None),
            json!({"scheme": "hmac", "header": "X-Signature", "algorithm": "sha512"}),
        ),
        (
            ("hmac", Some("X-Hub-Signature"), Some("sha1"), None),
            json!({"scheme": "hmac", "header": "X-Hub-Signature", "algorithm": "sha1", "prefix": "sha1="}),
        ),
        (
            ("secret", Some("X-Secret"), None, None),
            json!({"scheme": "secret", "header": "X-Secret"}),
        ),
        (("bearer", None, None, None), json!({"scheme": "bearer"})),
        (
            ("token", Some("X-Token"), None, None),
            json!({"scheme": "token", "header": "X-Token"}),
        ),
        (
            ("token", None, None, Some("token")),
            json!({"scheme": "token", "field": "token"}),
        ),
    ] {
        let mut expected = written;
        expected["secret"] = "${S}".into();
        expected["delivery_id_header"] = "X-Id".into();
        assert_eq!(
            serde_json::to_value(from_older(older).unwrap()).unwrap(),
            expected
        );
    }
    for (older, message) in [
        (("hmac", None, None, None), "scheme `hmac` needs `header`"),
        (
            ("hmac", Some("X"), Some("md5"), None),
            "`algorithm`: unknown algorithm `md5`",
        ),
        (
            ("hmca", None, None, None),
            "unknown auth type `hmca`; known: hmac, secret, bearer, token; did you mean `hmac`?",
        ),
    ] {
        let error = from_older(older).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
}
