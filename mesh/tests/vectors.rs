//! Every scheme against its vectors: requests as its provider signs them and mutants of those, each with what is to become of it,
//! and with what the provider's own library says. `scripts/vectors` writes them.

#![allow(clippy::unwrap_used)]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use belfry_mesh::signature::{Auth, Certificate, Delivery, Genuine, Handshake, Verifier, schemes};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The schemes that need no vectors: they verify nothing, or compare a secret that is sent.
const PLAIN: [&str; 4] = ["none", "secret", "bearer", "token"];

/// The traps that a verifier can fall into. The others are the gateway's: compressed and chunked bodies, and what is stored
/// before the answer.
const TRAPS: [(u8, &str); 13] = [
    (1, "raw bytes are signed"),
    (2, "an event may have no action, and types have capitals"),
    (3, "the algorithm is the scheme's"),
    (
        4,
        "odd secrets are used verbatim, and an empty one refuses all",
    ),
    (5, "of several signatures and secrets any may match"),
    (6, "a delivery id proves nothing"),
    (7, "a retry keeps its id"),
    (8, "a repeated header, and one that is not ASCII"),
    (9, "hex and base64 that are written wrongly"),
    (10, "the public address is configured"),
    (11, "bodies that are no JSON, or no text"),
    (13, "handshakes are verified before they are answered"),
    (14, "keys that are there twice"),
];

/// The vectors of a scheme. What all of its cases have, unless they say otherwise, is in `common`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    scheme: String,
    common: Map<String, Value>,
    cases: Vec<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    auth: Value,
    secrets: BTreeMap<String, String>,
    at: i64,
    method: String,
    query: Option<String>,
    /// The characters of a value are its bytes (ISO 8859-1).
    headers: Vec<(String, String)>,
    body_base64: String,
    certificate_pem: Option<String>,
    expect: Verdict,
    /// Empty if it has none.
    delivery_id: Option<String>,
    event_type: Option<String>,
    handshake: Option<Answer>,
    trap: Option<u8>,
    /// Who says so: a library, or this program's reading of a document.
    oracle: BTreeMap<String, String>,
    oracle_says: Option<Verdict>,
    /// Why the oracle is not followed.
    rule: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Genuine,
    Handshake,
    Refused,
}

/// How a handshake is to be answered.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    status: Option<u16>,
    #[serde(default)]
    success: bool,
    /// A header without a value is to be there, whatever it says.
    #[serde(default)]
    headers: BTreeMap<String, Option<String>>,
    text: Option<String>,
    contains: Option<String>,
    json: Option<Value>,
    visit: Option<String>,
}

impl File {
    fn cases(self) -> Vec<Case> {
        let whole = |case: Map<String, Value>| {
            let mut whole = self.common.clone();
            whole.extend(case);
            serde_json::from_value(Value::Object(whole)).unwrap()
        };
        self.cases.into_iter().map(whole).collect()
    }
}

impl Case {
    /// What becomes of the request, or why it is refused.
    ///
    /// # Errors
    /// What is wrong with the answer, whatever it is.
    fn received(&self) -> Result<Result<Genuine, String>, String> {
        let auth: Auth = serde_json::from_value(self.auth.clone()).map_err(|e| e.to_string())?;
        let verifier = Verifier::of(&auth, |name| Some(self.secrets[name.name()].clone().into()));
        let verifier = match verifier {
            Ok(verifier) => verifier,
            // Secrets that cannot be used refuse everything; all others must be taken.
            Err(error) if self.trap == Some(4) => return Ok(Err(error.to_string())),
            Err(error) => return Err(error.to_string()),
        };
        let method: Method = self.method.parse().unwrap();
        if !verifier.methods().contains(&method) {
            return Ok(Err(format!("{method} is not taken")));
        }
        let (now, headers) = (Timestamp::from_second(self.at).unwrap(), self.headers());
        let body = self.body();
        let certificate = match verifier.certificate(&body) {
            Ok(None) => None,
            Ok(Some(_)) => {
                let pem = self.certificate_pem.as_ref().unwrap();
                match Certificate::from_pem(pem.as_bytes(), now) {
                    Ok(certificate) => Some(certificate),
                    Err(error) => return Ok(Err(error.to_string())),
                }
            }
            Err(refusal) => return Ok(Err(refusal.to_string())),
        };
        let delivery = Delivery {
            method: &method,
            query: self.query.as_deref(),
            headers: &headers,
            body: body.clone(),
            certificate: certificate.as_ref(),
        };
        match verifier.receive(delivery, now) {
            Err(refusal) if !refusal.status().is_client_error() => Err(format!(
                "refused with {}, which is not the sender's fault: {refusal}",
                refusal.status()
            )),
            Err(refusal) => Ok(Err(refusal.to_string())),
            Ok(Genuine::Event(event)) if *event.body() != body => {
                Err("other bytes come out".into())
            }
            Ok(genuine) => Ok(Ok(genuine)),
        }
    }

    fn headers(&self) -> HeaderMap {
        let header = |(name, value): &(String, String)| {
            let value: Vec<u8> = value.chars().map(|c| u8::try_from(c).unwrap()).collect();
            let name: HeaderName = name.parse().unwrap();
            (name, HeaderValue::from_bytes(&value).unwrap())
        };
        // `extend` would replace: what is there twice must stay there twice.
        let mut headers = HeaderMap::new();
        for (name, value) in self.headers.iter().map(header) {
            headers.append(name, value);
        }
        headers
    }

    fn body(&self) -> Bytes {
        STANDARD.decode(&self.body_base64).unwrap().into()
    }

    /// What is other than expected.
    fn differences(&self) -> Vec<String> {
        let received = match self.received() {
            Ok(received) => received,
            Err(wrong) => return vec![wrong],
        };
        match (received, self.expect) {
            (Err(_), Verdict::Refused) => Vec::new(),
            (Err(why), expected) => vec![format!("{expected:?} expected, refused: {why}")],
            (Ok(Genuine::Event(event)), Verdict::Genuine) => {
                let id = event.delivery_id().unwrap_or_default();
                [
                    ("delivery id", &self.delivery_id, id),
                    ("event type", &self.event_type, event.event_type()),
                ]
                .into_iter()
                .filter_map(|(what, expected, got)| {
                    let expected = expected.as_deref().filter(|expected| *expected != got)?;
                    Some(format!("{what} `{expected}` expected, `{got}` got"))
                })
                .collect()
            }
            (Ok(Genuine::Handshake(handshake)), Verdict::Handshake) => {
                let answer = self.handshake.as_ref().unwrap();
                answer.differences(&handshake)
            }
            (Ok(Genuine::Event(_)), expected) => {
                vec![format!("{expected:?} expected, an event got")]
            }
            (Ok(Genuine::Handshake(_)), expected) => {
                vec![format!("{expected:?} expected, a handshake got")]
            }
        }
    }
}

impl Answer {
    fn differences(&self, got: &Handshake) -> Vec<String> {
        let text = String::from_utf8_lossy(&got.body);
        let mut wrong = Vec::new();
        let mut check = |what: String, right: bool| {
            if !right {
                wrong.push(format!("{what} expected of {got:?}"));
            }
        };
        if let Some(status) = self.status {
            check(format!("status {status}"), got.status == status);
        }
        check("success".into(), !self.success || got.status.is_success());
        for (name, value) in &self.headers {
            let mut there = got
                .headers
                .iter()
                .filter(|(other, _)| other == name.as_str());
            let said = there.next().and_then(|(_, said)| said.to_str().ok());
            let right = said.is_some_and(|said| {
                let media_type = said.split(';').next().unwrap_or_default();
                value
                    .as_ref()
                    .is_none_or(|value| value == said || value == media_type)
            });
            check(
                format!("header {name}: {value:?}"),
                right && there.next().is_none(),
            );
        }
        if let Some(expected) = &self.text {
            check(format!("body {expected:?}"), *expected == text);
        }
        if let Some(expected) = &self.contains {
            check(format!("{expected:?} in the body"), text.contains(expected));
        }
        if let Some(expected) = &self.json {
            let json = serde_json::from_str::<Value>(&text).ok();
            check(format!("body {expected}"), json.as_ref() == Some(expected));
        }
        check(
            format!("a visit to {:?}", self.visit),
            self.visit == got.visit,
        );
        wrong
    }
}

/// The cases of each scheme.
fn vectors() -> BTreeMap<String, Vec<Case>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let paths = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let read = |path: &Path| {
        let file: File = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!(path.file_stem().unwrap().to_str(), Some(&*file.scheme));
        (file.scheme.clone(), file.cases())
    };
    paths.map(|path| read(&path)).collect()
}

/// Every case that is wrong in some way, a line each.
fn wrong(judge: impl Fn(&Case) -> Vec<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (scheme, cases) in vectors() {
        let lines = cases.iter().flat_map(|case| {
            let name = format!("{scheme}: {}", case.name);
            judge(case)
                .into_iter()
                .map(move |line| format!("{name}: {line}"))
        });
        let lines: Vec<String> = lines.collect();
        println!("{scheme}: {} cases, {} wrong", cases.len(), lines.len());
        wrong.extend(lines);
    }
    wrong
}

#[test]
fn every_request_is_judged_as_its_vector_says() {
    let wrong = wrong(Case::differences);
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn an_oracle_is_left_for_a_stated_rule_only() {
    let wrong = wrong(|case| {
        let agreed = case.oracle_says.is_none_or(|said| {
            said == case.expect || (said, case.expect) == (Verdict::Genuine, Verdict::Handshake)
        });
        let known =
            case.oracle.contains_key("library") || case.oracle.contains_key("documentation");
        let ruled = case.rule.as_ref().is_some_and(|rule| !rule.is_empty());
        match (known, agreed || ruled) {
            (true, true) => Vec::new(),
            _ => vec![format!("{:?} says {:?}", case.oracle, case.oracle_says)],
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_scheme_has_genuine_and_refused_vectors() {
    let vectors = vectors();
    let named: BTreeSet<&str> = vectors.keys().map(String::as_str).collect();
    let schemes = schemes().into_iter().map(|listed| listed.name);
    assert_eq!(
        named,
        schemes.filter(|name| !PLAIN.contains(name)).collect()
    );
    for (scheme, cases) in &vectors {
        let count = |verdict| cases.iter().filter(|case| case.expect == verdict).count();
        assert!(count(Verdict::Genuine) >= 1, "{scheme}");
        assert!(count(Verdict::Refused) >= 10, "{scheme}");
        assert!(
            cases.iter().all(|case| case.auth["scheme"] == **scheme),
            "{scheme}"
        );
    }
}

#[test]
fn every_trap_of_verification_has_vectors() {
    let vectors = vectors();
    for (trap, what) in TRAPS {
        let count = vectors
            .values()
            .flatten()
            .filter(|case| case.trap == Some(trap))
            .count();
        println!("{trap}: {what}: {count} cases");
        assert!(count > 0, "no vector shows trap {trap}: {what}");
    }
}
