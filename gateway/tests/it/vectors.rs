//! Every scheme's vectors (`mesh/tests/vectors`), sent to a gateway over a socket as their provider would send them.

use crate::client::{receive, send};
use crate::fakes::World;
use crate::gateway::{Running, eventually, install};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use belfry_gateway::Config;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// What is needed of a vector here.
#[derive(Deserialize)]
struct Case {
    name: String,
    auth: Value,
    #[serde(default)]
    secrets: BTreeMap<String, String>,
    at: i64,
    method: String,
    query: Option<String>,
    headers: Vec<(String, String)>,
    body_base64: String,
    certificate_pem: Option<String>,
    expect: String,
}

/// The vectors of all schemes, with the scheme before the name of each.
fn cases() -> Vec<Case> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mesh/tests/vectors");
    let mut cases = Vec::new();
    for file in std::fs::read_dir(directory).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let file: Value = serde_json::from_str(&text).unwrap();
        for case in file["cases"].as_array().unwrap() {
            let mut whole: Map<String, Value> = file["common"].as_object().unwrap().clone();
            whole.extend(case.as_object().unwrap().clone());
            let mut case: Case = serde_json::from_value(whole.into()).unwrap();
            case.name = format!("{}: {}", file["scheme"].as_str().unwrap(), case.name);
            cases.push(case);
        }
    }
    cases
}

impl Case {
    fn body(&self) -> Vec<u8> {
        STANDARD.decode(&self.body_base64).unwrap()
    }

    /// Installs a trigger for it alone, with secrets of its own.
    fn install(&self, world: &World, name: &str) {
        let mut auth = self.auth.to_string();
        for (secret, value) in &self.secrets {
            let own = format!("{secret}_{}", name.replace('-', "_").to_uppercase());
            auth = auth.replace(&format!("${{{secret}}}"), &format!("${{{own}}}"));
            world.set_secret(&own, Some(Ok(value)));
        }
        let auth: Value = serde_json::from_str(&auth).unwrap();
        install(world, name, json!({"type": "webhook", "auth": auth}));
    }

    /// The bytes of its request.
    fn request(&self, trigger: &str) -> Vec<u8> {
        let query = self.query.as_ref().map(|query| format!("?{query}"));
        let body = self.body();
        let mut bytes = format!(
            "{} /hooks/{trigger}{} HTTP/1.1\r\nhost: belfry\r\nconnection: close\r\ncontent-length: {}\r\n",
            self.method,
            query.unwrap_or_default(),
            body.len()
        )
        .into_bytes();
        for (name, value) in &self.headers {
            bytes.extend(format!("{name}: ").as_bytes());
            bytes.extend(value.chars().map(|c| u8::try_from(c).unwrap()));
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"\r\n");
        bytes.extend(body);
        bytes
    }

    /// Puts the certificate where its body says that it is.
    fn publish_certificate(&self, world: &World) {
        let Some(pem) = &self.certificate_pem else {
            return;
        };
        let body = serde_json::from_slice::<Value>(&self.body()).unwrap_or_default();
        let mut web = world.web.lock().unwrap();
        web.documents.clear();
        for key in ["SigningCertURL", "SigningCertUrl"] {
            if let Some(address) = body[key].as_str() {
                web.documents.insert(address.to_owned(), pem.clone().into());
            }
        }
        if let Some(address) = body["SubscribeURL"].as_str() {
            web.documents.insert(address.to_owned(), "confirmed".into());
        }
    }

    /// What is wrong with how it was answered, if anything is.
    fn wrong(&self, status: u16, stored: Option<&[u8]>) -> Option<String> {
        let body = self.body();
        let right = match self.expect.as_str() {
            "genuine" => {
                status == 202 && stored == Some(&body) || status == 400 && self.is_no_json()
            }
            "handshake" => (200..300).contains(&status) && stored.is_none(),
            // HTTP strips blanks around a header's value (RFC 9110, section 5.5), so these are as good as any other.
            "refused" if self.begins_with_a_blank() => status < 300,
            // The provider may mend that, and the delivery is to be repeated then.
            "refused" if self.name.starts_with("sns: a certificate that") => {
                status == 503 && stored.is_none()
            }
            "refused" => (400..500).contains(&status) && stored.is_none(),
            other => panic!("{other} is no verdict"),
        };
        (!right).then(|| {
            let what = stored.map_or("nothing", |bytes| {
                if bytes == body {
                    "its body"
                } else {
                    "something else"
                }
            });
            format!(
                "{} expected to be {}, answered {status}, and {what} was stored",
                self.name, self.expect
            )
        })
    }

    fn begins_with_a_blank(&self) -> bool {
        self.headers
            .iter()
            .any(|(_, value)| value.starts_with(' ') && !value.trim().is_empty())
    }

    /// Whether it is genuine and yet not what it says it is.
    fn is_no_json(&self) -> bool {
        serde_json::from_slice::<Value>(&self.body()).is_err()
    }
}

async fn a_gateway_for(cases: &[Case]) -> (Arc<World>, Running) {
    let world = World::new();
    for (number, case) in cases.iter().enumerate() {
        case.install(&world, &format!("v-{number}"));
    }
    install(
        &world,
        "none",
        json!({"type": "webhook", "auth": {"scheme": "none"}}),
    );
    let gateway = Running::over(world.clone(), Config::default()).await;
    eventually(async || gateway.get("/hooks/none").await.status == 405).await;
    (world, gateway)
}

#[tokio::test]
async fn what_providers_send_is_stored_byte_for_byte_and_what_forgers_send_is_refused_and_never_our_fault()
 {
    let cases = cases();
    assert!(cases.len() > 2_000, "only {} vectors", cases.len());
    let (world, gateway) = a_gateway_for(&cases).await;
    let mut wrong = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        case.publish_certificate(&world);
        world.set_now(Timestamp::from_second(case.at).unwrap());
        let before = world.stored().len();
        let trigger = format!("v-{number}");
        let answer = receive(send(gateway.at, &case.request(&trigger)).await).await;
        let stored = world.stored();
        let stored = stored.get(before).map(|event| event.data.as_ref());
        wrong.extend(case.wrong(answer.status, stored));
    }
    println!("{} vectors", cases.len());
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
    gateway.end().await.unwrap();
}
