//! Several secrets at once, and their ends.

use super::*;
use crate::signature::Error;

const END: i64 = SIGNED_AT + 100;

fn rotating() -> Auth {
    serde_json::from_value(json!({
        "scheme": "github",
        "secrets": ["${NEW}", {"secret": "${OLD}", "until": at(END).to_string()}],
    }))
    .unwrap()
}

fn of(auth: &Auth, set: &[(&str, &str)]) -> Result<Verifier, Error> {
    Verifier::of(auth, |name| {
        let found = set.iter().find(|(known, _)| *known == name.name());
        found.map(|(_, secret)| (*secret).into())
    })
}

fn github(secret: &str) -> HeaderMap {
    let draft = Draft {
        delivery_id: "d",
        event: "push",
        body: HELLO,
    };
    sign(&named("github"), Some(&secret.into()), draft, at(0)).unwrap()
}

#[test]
fn a_secret_is_good_until_its_end_and_no_longer() {
    let verifier = of(&rotating(), &[("NEW", "n"), ("OLD", "o")]).unwrap();
    let sent = |secret: &str, now| take(&verifier, &github(secret), HELLO, at(now)).map(drop);
    assert_eq!(sent("o", END - 1), Ok(()));
    assert!(matches!(sent("o", END), Err(Refusal::Mismatch(_))));
    assert_eq!(sent("n", END), Ok(()));
    assert!(sent("x", END).is_err());
}

#[test]
fn when_each_secret_has_ended_all_is_refused_and_why_is_said() {
    let verifier = of(&rotating(), &[("OLD", "o")]).unwrap();
    assert_eq!(verifier.end(), Some(at(END)));
    let sent = |now| take(&verifier, &github("o"), HELLO, at(now)).map(drop);
    assert_eq!(sent(END - 1), Ok(()));
    let refusal = sent(END).unwrap_err();
    assert_eq!(
        (&refusal, refusal.status().as_u16()),
        (&Refusal::Ended, 401)
    );
    assert!(
        refusal
            .to_string()
            .starts_with("every secret that is set here has come to its end")
    );
    let open = of(&rotating(), &[("NEW", "n"), ("OLD", "o")]).unwrap();
    assert_eq!(open.end(), None);

    // Not even a handshake that nobody signs is answered.
    let auth = json!({"scheme": "dropbox", "secrets": [{"secret": "${A}", "until": "2001-01-01T00:00:00Z"}]});
    let verifier = of(&serde_json::from_value(auth).unwrap(), &[("A", "a")]).unwrap();
    let delivery = Delivery {
        method: &Method::GET,
        query: Some("challenge=x"),
        headers: &HeaderMap::new(),
        body: Bytes::new(),
        certificate: None,
    };
    assert!(matches!(
        verifier.receive(delivery, at(SIGNED_AT)),
        Err(Refusal::Ended)
    ));
}

#[test]
fn a_shown_secret_ends_as_a_signing_one_does() {
    let auth: Auth = serde_json::from_value(json!({
        "scheme": "gitlab",
        "secrets": ["${NEW}", {"secret": "${OLD}", "until": at(END).to_string()}],
    }))
    .unwrap();
    let verifier = of(&auth, &[("NEW", "n"), ("OLD", "o")]).unwrap();
    let shown = |secret, now| {
        take(
            &verifier,
            &headers(&[("x-gitlab-token", secret)]),
            HELLO,
            at(now),
        )
        .is_ok()
    };
    assert!(shown("o", END - 1) && !shown("o", END) && shown("n", END));
}

#[test]
fn one_secret_that_is_set_is_enough_and_none_is_an_error_that_names_them() {
    assert!(of(&rotating(), &[("NEW", "n")]).is_ok());
    let error = of(&rotating(), &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "none of the secrets of scheme `github` is set: `NEW` or `OLD`"
    );
    assert_eq!(
        of(&rotating(), &[("NEW", "")]).unwrap_err(),
        Error::SecretEmpty {
            scheme: "github",
            number: 1
        }
    );
    let open: Auth = serde_json::from_value(json!({"scheme": "none"})).unwrap();
    assert!(of(&open, &[]).is_ok());
}

#[test]
fn a_public_key_is_written_or_named_and_several_may_be_in_use() {
    // A public key of RFC 8032, section 7.1 (test 2).
    let key = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    for (public_key, secrets) in [
        (json!(key), 0),
        (json!([key, "00".repeat(32)]), 0),
        (json!("${KEY}"), 1),
        (json!([key, "${KEY}"]), 1),
    ] {
        let written = json!({"scheme": "discord", "public_key": public_key});
        let auth: Auth = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(auth.secrets().len(), secrets, "{written}");
        assert_eq!(serde_json::to_value(&auth).unwrap(), written);
        let has_literal = public_key != json!("${KEY}");
        assert_eq!(of(&auth, &[]).is_ok(), has_literal, "{written}");
        assert!(of(&auth, &[("KEY", key)]).is_ok());
        let error = of(&auth, &[("KEY", "s3cr3t")]);
        match (error, secrets) {
            (Ok(_), 0) => {}
            (Err(error), 1) => {
                let text = error.to_string();
                assert!(
                    text.contains("64 hexadecimal digits") && !text.contains("s3cr3t"),
                    "{text}"
                );
            }
            (found, _) => panic!("{found:?}"),
        }
    }
}
