//! Proofs: what others than the sender could have written, and what the sender may.

use super::vectors::LINEAR_ISSUE;
use super::*;

const LINEAR_SIGNATURE: &str = "f1eaa5ad1935744ce5620cbfd2cd32822b1d24a8ea2d56d59776c0bc61e2f5cc";
const STANDARD_BODY: &[u8] = br#"{"test": 2432232314}"#;
const STANDARD_SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
const STANDARD_ID: (&str, &str) = ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek");
const STANDARD_TIME: (&str, &str) = ("webhook-timestamp", "1614265330");

fn github(signature: &str) -> Result<Verified, Refusal> {
    verify(
        &named("github"),
        GITHUB_SECRET,
        &[("x-hub-signature-256", signature)],
        HELLO,
    )
}

fn standard(signature: &str) -> Result<Verified, Refusal> {
    let pairs = [STANDARD_ID, STANDARD_TIME, ("webhook-signature", signature)];
    verify(&named("standard"), STANDARD_SECRET, &pairs, STANDARD_BODY)
}

#[test]
fn a_signature_that_is_not_written_as_the_provider_writes_it_is_malformed() {
    let digits = &HELLO_SIGNATURE[7..];
    let odd = &HELLO_SIGNATURE[..HELLO_SIGNATURE.len() - 1];
    let doubled = format!("{HELLO_SIGNATURE}{digits}");
    let listed = format!("{HELLO_SIGNATURE},{HELLO_SIGNATURE}");
    let spaced = format!("{HELLO_SIGNATURE} {HELLO_SIGNATURE}");
    let blank = format!("sha256= {digits}");
    let sha1 = format!("sha1={}", &digits[..40]);
    let upper = HELLO_SIGNATURE.replace("sha256", "SHA256");
    let not_hex = HELLO_SIGNATURE.replace('e', "g");
    for bad in [
        "",
        "sha256=",
        digits,
        odd,
        &odd[..odd.len() - 1],
        &doubled,
        &listed,
        &spaced,
        &blank,
        &sha1,
        &upper,
        &not_hex,
    ] {
        let refusal = github(bad).unwrap_err();
        assert!(
            matches!(refusal, Refusal::Malformed { .. }),
            "{bad}: {refusal}"
        );
        assert_eq!(refusal.status(), 401);
    }
    assert_eq!(
        github(odd).unwrap_err().to_string(),
        "header `x-hub-signature-256` is malformed: `sha256=` and 64 hexadecimal digits are expected"
    );
}

#[test]
fn base64_with_junk_or_without_its_padding_is_malformed() {
    let plain = &STANDARD_SIGNATURE[3..];
    for bad in [
        &format!("{STANDARD_SIGNATURE}="),
        &format!("{STANDARD_SIGNATURE}x"),
        &format!("{STANDARD_SIGNATURE},"),
        STANDARD_SIGNATURE.trim_end_matches('='),
        // The last two bits of the last digit are not part of the digest: `F` and `E` differ in them alone.
        &STANDARD_SIGNATURE.replace("OE=", "OF="),
        &STANDARD_SIGNATURE.replace('+', "-"),
        &format!("v1, {plain}"),
        &format!("V1,{plain}"),
        &format!("v1{plain}"),
        plain,
        "",
        "v1,",
        "v2,",
    ] {
        let refusal = standard(bad).unwrap_err();
        assert!(
            matches!(refusal, Refusal::Malformed { .. }),
            "{bad}: {refusal}"
        );
    }
    assert!(standard(STANDARD_SIGNATURE).is_ok());
}

#[test]
fn upper_case_digits_are_taken_where_the_providers_library_takes_them() {
    let upper = format!("sha256={}", HELLO_SIGNATURE[7..].to_uppercase());
    assert!(github(&upper).is_ok());
    let pairs = [("linear-signature", &*LINEAR_SIGNATURE.to_uppercase())];
    let refusal = verify(&named("linear"), "lin_wh_secret", &pairs, LINEAR_ISSUE).unwrap_err();
    assert!(
        refusal
            .to_string()
            .ends_with("64 lower-case hexadecimal digits are expected"),
        "{refusal}"
    );
}

#[test]
fn any_signature_of_a_list_may_match_and_unknown_versions_are_skipped() {
    let other = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for good in [
        format!("{other} {STANDARD_SIGNATURE}"),
        format!("{STANDARD_SIGNATURE} {other}"),
        format!("v1a,{} v2,??? v1 , {STANDARD_SIGNATURE}", &other[3..]),
        format!("v1,?? {STANDARD_SIGNATURE}"),
        format!("  {STANDARD_SIGNATURE} "),
    ] {
        assert!(standard(&good).is_ok(), "{good}");
    }
    let unknown = STANDARD_SIGNATURE.replace("v1", "v2");
    assert!(matches!(
        standard(&unknown).unwrap_err(),
        Refusal::Malformed { .. }
    ));
    assert!(matches!(
        standard(&format!("{unknown} {other}")).unwrap_err(),
        Refusal::Mismatch(_)
    ));
}

#[test]
fn any_of_two_secrets_may_match() {
    let signed = headers(&[("x-hub-signature-256", HELLO_SIGNATURE)]);
    for secrets in [["old", GITHUB_SECRET], [GITHUB_SECRET, "new"]] {
        let verifier = verifier(&named("github"), &secrets);
        assert!(take(&verifier, &signed, HELLO, at(0)).is_ok());
    }
}

#[test]
fn a_header_that_is_missing_repeated_or_not_ascii_is_named() {
    let verify =
        |pairs: &[(&str, &str)]| verify(&named("github"), GITHUB_SECRET, pairs, HELLO).unwrap_err();
    let refusal = verify(&[]);
    assert_eq!(
        (refusal.to_string().as_str(), refusal.status().as_u16()),
        ("header `x-hub-signature-256` is missing", 401)
    );
    // The SHA-1 header is no substitute.
    assert_eq!(
        verify(&[(
            "x-hub-signature",
            "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59"
        )]),
        refusal
    );

    let signature = ("x-hub-signature-256", HELLO_SIGNATURE);
    for (name, pairs) in [
        ("x-hub-signature-256", &[signature, signature][..]),
        (
            "x-github-delivery",
            &[
                signature,
                ("x-github-delivery", "a"),
                ("x-github-delivery", "b"),
            ],
        ),
        (
            "x-github-event",
            &[
                signature,
                ("x-github-event", "push"),
                ("x-github-event", "ping"),
            ],
        ),
        (
            "content-type",
            &[signature, ("content-type", "a/b"), ("content-type", "a/c")],
        ),
    ] {
        let refusal = verify(pairs);
        assert_eq!(
            refusal.to_string(),
            format!("header `{name}` is given more than once")
        );
        assert_eq!(refusal.status(), 400);
    }
    for name in [
        "x-hub-signature-256",
        "x-github-delivery",
        "x-github-event",
        "content-type",
    ] {
        let pairs = [signature, (name, "sha256=ü")];
        let refusal = verify(&pairs[usize::from(name == signature.0)..]);
        assert_eq!(
            refusal.to_string(),
            format!("header `{name}` holds bytes that are not visible ASCII")
        );
        assert_eq!(refusal.status(), 400);
    }
}

#[test]
fn a_timestamp_is_fresh_to_the_second_in_either_direction() {
    let verifier = verifier(&named("standard"), &[STANDARD_SECRET]);
    let signed = headers(&[
        STANDARD_ID,
        STANDARD_TIME,
        ("webhook-signature", STANDARD_SIGNATURE),
    ]);
    let verify = |offset| take(&verifier, &signed, STANDARD_BODY, at(SIGNED_AT + offset));
    assert!(verify(300).is_ok() && verify(-300).is_ok());
    let (old, new) = (verify(301).unwrap_err(), verify(-301).unwrap_err());
    assert_eq!((old.status().as_u16(), new.status().as_u16()), (401, 401));
    assert_eq!(
        old.to_string(),
        "the timestamp is 301s old and at most 300s are allowed: sign at the time of sending, and check the clock"
    );
    assert_eq!(
        new.to_string(),
        "the timestamp is 301s in the future and at most 300s are allowed: check the clock"
    );
}

#[test]
fn a_timestamp_is_written_in_digits_only() {
    for bad in [
        "",
        "1614265330.0",
        "+1614265330",
        "-1",
        "1614265330x",
        "0x1",
        "99999999999999999999",
        "1614265330000",
    ] {
        let pairs = [
            STANDARD_ID,
            ("webhook-timestamp", bad),
            ("webhook-signature", STANDARD_SIGNATURE),
        ];
        let refusal =
            verify(&named("standard"), STANDARD_SECRET, &pairs, STANDARD_BODY).unwrap_err();
        assert!(
            matches!(refusal, Refusal::Unusable { .. } | Refusal::TooNew { .. })
                && refusal.status().is_client_error(),
            "{bad}: {refusal}"
        );
    }
}

#[test]
fn what_standard_webhooks_sign_beside_the_body_cannot_be_left_out_or_changed() {
    let all = [
        STANDARD_ID,
        STANDARD_TIME,
        ("webhook-signature", STANDARD_SIGNATURE),
    ];
    for missing in 0..all.len() {
        let mut pairs = all.to_vec();
        let (name, _) = pairs.remove(missing);
        let refusal =
            verify(&named("standard"), STANDARD_SECRET, &pairs, STANDARD_BODY).unwrap_err();
        assert_eq!(refusal.to_string(), format!("header `{name}` is missing"));
        assert_eq!(refusal.status(), 401);
    }
    for (changed, value) in [(0, "msg_other"), (1, "1614265331")] {
        let mut pairs = all;
        pairs[changed].1 = value;
        assert!(matches!(
            verify(&named("standard"), STANDARD_SECRET, &pairs, STANDARD_BODY),
            Err(Refusal::Mismatch(_))
        ));
    }
}

#[test]
fn linear_must_say_when_in_the_body_and_its_header_counts_for_nothing() {
    let linear = named("linear");
    let body = |time: &str| format!(r#"{{"action":"create","type":"Issue"{time}}}"#);
    let verify = |body: &str| {
        signed(
            &linear,
            "s",
            body.as_bytes(),
            &[("linear-timestamp", "1614265330000")],
        )
    };
    assert!(verify(&body(r#","webhookTimestamp":1614265390000"#)).is_ok());
    assert!(verify(&body(r#","webhookTimestamp":1614265270000"#)).is_ok());
    let stale = verify(&body(r#","webhookTimestamp":1614265269600"#)).unwrap_err();
    assert!(
        stale
            .to_string()
            .starts_with("the timestamp is 60.4s old and at most 60s are allowed"),
        "{stale}"
    );
    // Seconds where milliseconds belong are fifty years old.
    assert!(matches!(
        verify(&body(r#","webhookTimestamp":1614265330"#)),
        Err(Refusal::TooOld { .. })
    ));
    for bad in [
        "",
        r#","webhookTimestamp":"1614265330000""#,
        r#","webhookTimestamp":1614265330000.5"#,
        r#","webhookTimestamp":null"#,
    ] {
        let refusal = verify(&body(bad)).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "body field `webhookTimestamp` is unusable: a whole number of milliseconds since 1970 is expected"
        );
        assert_eq!(refusal.status(), 400);
    }
    let carried = verify(&body(r#","webhookTimestamp":1614265330000"#)).unwrap();
    assert!(
        carried
            .headers()
            .all(|(name, _)| name != "linear-timestamp")
    );
}

#[test]
fn a_shared_secret_must_be_the_very_one() {
    let bearer = scheme(json!({"scheme": "bearer"}));
    let shown = |value: &str| verify(&bearer, "s3cr3t", &[("authorization", value)], b"");
    assert!(shown("Bearer s3cr3t").is_ok() && shown("bearer s3cr3t").is_ok());
    for bad in [
        "",
        "Bearer",
        "Bearer ",
        "s3cr3t",
        "Bearer s3cr3",
        "Bearer s3cr3t ",
        "Bearer  s3cr3t",
        "Bearer S3cr3t",
        "Basic s3cr3t",
    ] {
        let refusal = shown(bad).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "header `authorization` does not hold the secret that is set here",
            "{bad}"
        );
        assert_eq!(refusal.status(), 401);
    }
    let field = scheme(json!({"scheme": "token", "field": "auth.token"}));
    let shown = |body: &str| verify(&field, "s3cr3t", &[], body.as_bytes());
    assert!(shown(r#"{"auth":{"token":"s3cr3t"}}"#).is_ok());
    for bad in [
        r#"{"auth":{"token":"s3cr3t\u0000"}}"#,
        r#"{"auth":{"token":"s3cr3t"},"auth":1}"#,
        r#"{"auth.token":"s3cr3t"}"#,
        "[]",
        "",
    ] {
        assert!(shown(bad).is_err(), "{bad}");
    }
}

#[test]
fn nothing_shows_a_secret_or_a_body() {
    let verifier = verifier(&named("github"), &["s3cr3t"]);
    assert_eq!(
        format!("{verifier:?}"),
        "Verifier { scheme: \"github\", .. }"
    );
    let verified = signed(&named("github"), "s3cr3t", b"private", &[]).unwrap();
    assert!(!format!("{verified:?}").contains("private"));
    assert!(!format!("{:?}", verified.into_parts()).contains("private"));
    let refusals = [
        github("x").unwrap_err(),
        github(&HELLO_SIGNATURE.replace('7', "8")).unwrap_err(),
    ];
    assert!(
        refusals
            .iter()
            .all(|refusal| !format!("{refusal} {refusal:?}").contains("757107"))
    );
}
