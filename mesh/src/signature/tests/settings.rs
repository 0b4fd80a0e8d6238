//! Schemes and secrets as manifests write them.

use super::super::{Error, Legacy, SecretRef};
use super::*;
use serde_json::json;

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

#[test]
fn a_mistake_is_refused_with_what_to_do() {
    let hmac = |more: Value| {
        let mut all = json!({"scheme": "hmac", "secret": "${S}", "header": "X-Sig"});
        all.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        all
    };
    for (written, message) in [
        (
            json!({"scheme": "githb"}),
            "unknown scheme `githb`; known: none, hmac, secret, bearer, token, github, linear, standard; did you mean `github`?",
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
            hmac(json!({"header": "X Sig"})),
            "`header`: `X Sig` is not the name of a header",
        ),
        (
            hmac(json!({"encoding": "hexa"})),
            "`encoding`: unknown encoding `hexa`; known: hex, base64",
        ),
        (
            hmac(json!({"algorithm": "md5"})),
            "`algorithm`: unknown algorithm `md5`; known: sha256, sha1, sha512",
        ),
        (
            hmac(json!({"signed": "{timestamp}.{body}"})),
            "`signed`: `{timestamp}` needs `timestamp_header`",
        ),
        (
            hmac(json!({"signed": "{url}{body}"})),
            "`signed`: unknown part `{url}`; known: {body}, {timestamp}, {id}",
        ),
        (
            hmac(json!({"signed": "{body}{body}"})),
            "`signed`: `{body}` is there 2 times; once is needed",
        ),
        (hmac(json!({"signed": "{id"})), "`signed`: `{id` has no `}`"),
        (
            hmac(json!({"signed": "{id}{body}", "delivery_id_path": "id"})),
            "`signed`: `{id}` is a header's value",
        ),
        (
            hmac(json!({"timestamp_header": "X-T"})),
            "`timestamp_header`: `signed` has no `{timestamp}`",
        ),
        (
            hmac(json!({"tolerance_seconds": 5})),
            "`tolerance_seconds`: it needs `timestamp_header`",
        ),
        (
            hmac(
                json!({"signed": "{timestamp}{body}", "timestamp_header": "X-T", "tolerance_seconds": 0}),
            ),
            "`tolerance_seconds`: found 0; 1 to 86400 are allowed",
        ),
        (
            hmac(json!({"delivery_id_header": "X", "delivery_id_path": "id"})),
            "`delivery_id_path`: `delivery_id_header` is given too",
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
        let error = auth(written.clone()).unwrap_err();
        assert!(error.starts_with(message), "{written}: {error}");
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
    ] {
        let error = auth(json!({"scheme": "github", "secret": literal})).unwrap_err();
        assert!(
            error.starts_with("a secret is named, never written: write `${NAME}`"),
            "{error}"
        );
        assert!(
            !error.contains("s3cr3t") && !error.contains("53737"),
            "{error}"
        );
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
        "secret 1 of scheme `standard` is not `whsec_` and base64: copy it whole, as the provider shows it"
    );
    assert!(matches!(
        try_new("standard", &["whpk_abcd"]),
        Error::SecretMalformed { .. }
    ));
}

#[test]
fn the_header_of_an_older_manifest_picks_the_scheme() {
    let base = |kind| Legacy {
        kind,
        header: None,
        algorithm: None,
        field: None,
        delivery_id_header: None,
        secret: SecretRef::named("S").unwrap(),
    };
    let hmac = |header| Legacy {
        header: Some(header),
        ..base("hmac")
    };
    for (legacy, written) in [
        (hmac("X-Hub-Signature-256"), json!({"scheme": "github"})),
        (
            Legacy {
                algorithm: Some("sha1"),
                delivery_id_header: Some("X-GitHub-Delivery"),
                ..hmac("x-hub-signature-256")
            },
            json!({"scheme": "github"}),
        ),
        (hmac("Linear-Signature"), json!({"scheme": "linear"})),
        (hmac("webhook-signature"), json!({"scheme": "standard"})),
        (hmac("Svix-Signature"), json!({"scheme": "standard"})),
        (
            hmac("X-Signature"),
            json!({"scheme": "hmac", "header": "X-Signature", "algorithm": "sha256"}),
        ),
        (
            Legacy {
                algorithm: Some("HMAC-SHA512"),
                delivery_id_header: Some("X-Id"),
                ..hmac("X-Signature")
            },
            json!({"scheme": "hmac", "header": "X-Signature", "algorithm": "sha512", "delivery_id_header": "X-Id"}),
        ),
        (
            Legacy {
                algorithm: Some("sha1"),
                ..hmac("X-Hub-Signature")
            },
            json!({"scheme": "hmac", "header": "X-Hub-Signature", "prefix": "sha1=", "algorithm": "sha1"}),
        ),
        (
            Legacy {
                header: Some("X-Secret"),
                ..base("secret")
            },
            json!({"scheme": "secret", "header": "X-Secret"}),
        ),
        (base("bearer"), json!({"scheme": "bearer"})),
        (
            Legacy {
                header: Some("X-Gitlab-Token"),
                ..base("token")
            },
            json!({"scheme": "token", "header": "X-Gitlab-Token"}),
        ),
        (
            Legacy {
                field: Some("token"),
                ..base("token")
            },
            json!({"scheme": "token", "field": "token"}),
        ),
    ] {
        let auth = Auth::from_legacy(legacy).unwrap();
        let mut written = written;
        written["secret"] = "${S}".into();
        assert_eq!(serde_json::to_value(&auth).unwrap(), written);
    }
    assert_eq!(
        Auth::from_legacy(base("hmac")).unwrap_err(),
        Error::MissingKey {
            scheme: "hmac",
            keys: "`header`"
        }
    );
    assert_eq!(
        Auth::from_legacy(base("hmca")).unwrap_err().to_string(),
        "unknown auth type `hmca`; known: hmac, secret, bearer, token; did you mean `hmac`?"
    );
    assert!(
        Auth::from_legacy(Legacy {
            algorithm: Some("md5"),
            ..hmac("X")
        })
        .is_err()
    );
}
