use super::*;
use crate::cli::{Cli, Command};
use clap::Parser;
use std::time::Duration;

fn hook(flags: &[&str]) -> cli::Hook {
    let base = ["belfry", "install", "webhook", "--workflow", "w"];
    let cli = Cli::try_parse_from(base.iter().chain(flags)).unwrap();
    match cli.command {
        Command::Install(install) => install.hook,
        other => panic!("{other:?}"),
    }
}

fn rotation(flags: &[&str]) -> cli::Rotate {
    let base = ["belfry", "rotate", "billing"];
    let cli = Cli::try_parse_from(base.iter().chain(flags)).unwrap();
    match cli.command {
        Command::Rotate(rotate) => rotate,
        other => panic!("{other:?}"),
    }
}

fn said(flags: &[&str]) -> Value {
    Value::Object(body(&hook(flags), None).unwrap())
}

fn refused(flags: &[&str]) -> String {
    format!("{:#}", body(&hook(flags), None).unwrap_err())
}

#[test]
fn flags_become_what_the_api_takes() {
    assert_eq!(said(&[]), json!({}));
    assert_eq!(
        said(&["--scheme", "stripe", "--secret", "A"]),
        json!({"auth": {"scheme": "stripe", "secret": "${A}"}})
    );
    assert_eq!(
        said(&[
            "--scheme",
            "stripe",
            "--secret",
            "NEW",
            "--secret",
            "OLD@2026-12-01T00:00:00Z"
        ]),
        json!({"auth": {"scheme": "stripe", "secrets": ["${NEW}", {"secret": "${OLD}", "until": "2026-12-01T00:00:00Z"}]}})
    );
    assert_eq!(
        said(&[
            "--scheme",
            "hmac",
            "--secret",
            "${A}",
            "--auth",
            "header=X-Sign",
            "--auth",
            "prefix=v1=",
            "--auth",
            "tolerance_seconds=60"
        ]),
        json!({"auth": {
            "scheme": "hmac", "secret": "${A}", "header": "X-Sign", "prefix": "v1=", "tolerance_seconds": 60
        }})
    );
    assert_eq!(
        said(&[
            "--scheme",
            "sns",
            "--auth",
            "cert_hosts=a",
            "--auth",
            "topic=b",
            "--auth",
            "topic=c"
        ]),
        json!({"auth": {"scheme": "sns", "cert_hosts": ["a"], "topic": ["b", "c"]}})
    );
    assert_eq!(
        said(&[
            "--rate-limit",
            "100/60",
            "--allow-ip",
            "192.0.2.0/24",
            "--allow-ip",
            "::1"
        ]),
        json!({"rate_limit": {"requests": 100, "window_seconds": 60}, "allow_ips": ["192.0.2.0/24", "::1"]})
    );
    assert_eq!(
        said(&["--auth-json", r#"{"scheme": "none"}"#]),
        json!({"auth": {"scheme": "none"}})
    );
}

#[test]
fn what_cannot_be_meant_is_refused_without_showing_a_secret() {
    for (flags, says) in [
        (&["--secret", "A"][..], "say which with --scheme"),
        (
            &["--scheme", "stripe", "--secret", "whsec-s3cr3t/+"],
            "takes the name of a secret",
        ),
        (
            &["--scheme", "stripe", "--secret", "A@soon"],
            "the end of secret `A`",
        ),
        (
            &["--scheme", "hmac", "--auth", "s3cr3t"],
            "--auth takes KEY=VALUE",
        ),
        (
            &["--scheme", "hmac", "--auth", "secret=s3cr3t"],
            "by --secret NAME",
        ),
        (
            &["--auth-json", r#"{"scheme": "s3cr3t""#],
            "is not a JSON object",
        ),
        (&["--rate-limit", "100"], "`100` is not REQUESTS/SECONDS"),
    ] {
        let refusal = refused(flags);
        assert!(refusal.contains(says), "{flags:?}: {refusal}");
        assert!(!refusal.contains("s3cr3t"), "{refusal}");
    }
}

#[test]
fn a_secret_alone_replaces_those_of_the_scheme_that_is_there() {
    let now = json!({"scheme": "hmac", "secrets": ["${A}", "${B}"], "header": "X-Sign"});
    let update = hook(&["--secret", "C"]);
    assert!(builds_on_what_is_there(&update));
    let body = body(&update, Some(&now)).unwrap();
    assert_eq!(
        Value::Object(body),
        json!({"auth": {"scheme": "hmac", "header": "X-Sign", "secret": "${C}"}})
    );
    assert!(!builds_on_what_is_there(&hook(&["--rate-limit", "1/1"])));
}

#[test]
fn a_rotation_keeps_the_old_secrets_for_a_while_and_none_longer_than_it_had() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let now = [
        ("${A}".to_owned(), None),
        ("${B}".to_owned(), Some(at(50))),
        ("${OVER}".to_owned(), Some(at(10))),
    ];
    let names = |flags: &[&str]| {
        let rotated = rotated(&rotation(flags), &now, at(10), at(100)).unwrap();
        let name = |(name, end): (SecretRef, Option<Timestamp>)| {
            (name.name().to_owned(), end.map(Timestamp::as_second))
        };
        rotated.into_iter().map(name).collect::<Vec<_>>()
    };
    let kept = |name: &str, end| (name.to_owned(), end);
    let new = kept("NEW", None);
    assert_eq!(
        names(&["--secret", "NEW"]),
        [new.clone(), kept("A", Some(100)), kept("B", Some(50))]
    );
    assert_eq!(
        names(&["--secret", "NEW", "--keep", "A"]),
        [new.clone(), kept("A", Some(100))]
    );
    assert_eq!(names(&["--secret", "NEW", "--at-once"]), [new]);
    // The one that does already has no end from now on.
    assert_eq!(
        names(&["--secret", "B"]),
        [kept("B", None), kept("A", Some(100))]
    );
    let unknown = rotation(&["--secret", "NEW", "--keep", "Z"]);
    let refusal = rotated(&unknown, &now, at(10), at(100)).unwrap_err();
    assert!(refusal.to_string().contains("no secret Z to keep"));
    assert_eq!(
        rotation(&["--secret", "N", "--for", "7d"]).keep_for,
        Duration::from_hours(168)
    );
}
