//! The schemes, as they are listed to people.

use super::providers;
use super::recipe::Proof;
use super::settings::{NAMES, PLAIN};

/// A scheme and the keys of `auth` that it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name in a manifest.
    pub name: &'static str,
    /// The keys without which it cannot do. One that is written `a|b` is either.
    pub needs: Vec<&'static str>,
    /// The keys that it takes besides.
    pub takes: Vec<&'static str>,
    /// Whether only the provider can sign, so that a delivery cannot be made for a trial.
    pub is_private: bool,
    /// Whether the provider asks for a handshake, which is answered.
    pub greets: bool,
}

/// All schemes: the providers' by name, then those that are no provider's.
#[must_use]
pub fn schemes() -> Vec<Listed> {
    let mut all: Vec<Listed> = providers::all().map(of_provider).collect();
    all.sort_by_key(|listed| listed.name);
    all.extend(PLAIN.into_iter().map(plain));
    all
}

fn of_provider(provider: &providers::Provider) -> Listed {
    let recipes = (provider.recipes)();
    let is_private = recipes.iter().any(|recipe| recipe.proof.is_private());
    let mut needs = Vec::new();
    let mut takes = Vec::new();
    if !is_private {
        needs.push("secret");
    }
    for recipe in &recipes {
        match &recipe.proof {
            Proof::Signature(signature) => {
                if signature.under.is_private() {
                    needs.push("public_key");
                }
                if signature.url().is_some() {
                    needs.push("public_url");
                }
            }
            Proof::Sns => {
                needs.push("topic_arn");
                takes.push("cert_hosts");
            }
            Proof::Nothing | Proof::Secret { .. } => {}
        }
    }
    needs.dedup();
    Listed {
        name: provider.name,
        needs,
        takes,
        is_private,
        greets: !provider.greetings.is_empty(),
    }
}

fn plain(name: &'static str) -> Listed {
    let (needs, takes): (&[&str], &[&str]) = match name {
        "none" => (&[], &[]),
        "hmac" => (
            &["secret", "header"],
            &[
                "prefix",
                "encoding",
                "algorithm",
                "signed",
                "timestamp_header",
                "tolerance_seconds",
            ],
        ),
        "secret" => (&["secret", "header"], &[]),
        "bearer" => (&["secret"], &["header"]),
        _ => (&["secret", "header|field"], &[]),
    };
    Listed {
        name,
        needs: needs.to_vec(),
        takes: takes.iter().copied().chain(NAMES).collect(),
        is_private: false,
        greets: false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Auth;
    use super::*;
    use serde_json::{Map, Value, json};

    /// A value that the key can have.
    fn value(key: &str) -> (String, Value) {
        let (key, value) = match key {
            "secret" => ("secret", json!("${A}")),
            "public_url" => ("public_url", json!("https://hooks.example/hooks/a")),
            "public_key" => ("public_key", json!("${KEY}")),
            "topic_arn" => ("topic_arn", json!("arn:aws:sns:us-east-1:1:t")),
            "cert_hosts" => ("cert_hosts", json!(["sns.us-east-1.amazonaws.com"])),
            "header|field" => ("field", json!("key")),
            "encoding" => ("encoding", json!("base64")),
            "algorithm" => ("algorithm", json!("sha512")),
            "signed" => ("signed", json!("{timestamp}.{body}")),
            "timestamp_header" => ("timestamp_header", json!("X-Time")),
            "tolerance_seconds" => ("tolerance_seconds", json!(60)),
            "delivery_id_header" | "event_type_header" | "header" => {
                (key, json!(format!("X-{}", key.len())))
            }
            other => (other, json!("x")),
        };
        (key.to_owned(), value)
    }

    fn auth(listed: &Listed, keys: &[&str]) -> Result<Auth, serde_json::Error> {
        let mut auth: Map<String, Value> = keys.iter().map(|key| value(key)).collect();
        auth.insert("scheme".into(), listed.name.into());
        serde_json::from_value(auth.into())
    }

    #[test]
    fn what_is_listed_is_what_each_scheme_takes_and_cannot_do_without() {
        let all = schemes();
        assert!(all.len() > 20, "{}", all.len());
        for listed in &all {
            let name = listed.name;
            let read = auth(listed, &listed.needs);
            assert_eq!(read.unwrap().scheme().name(), name);
            for left_out in &listed.needs {
                let mut keys = listed.needs.clone();
                keys.retain(|key| key != left_out);
                assert!(
                    auth(listed, &keys).is_err(),
                    "{name} does without {left_out}"
                );
            }
            // One names deliveries by a header or by a path.
            let taken = listed
                .takes
                .iter()
                .filter(|key| **key != "delivery_id_path");
            let keys: Vec<&str> = listed.needs.iter().chain(taken).copied().collect();
            if let Err(error) = auth(listed, &keys) {
                panic!("{name}: {error}");
            }
            assert!(auth(listed, &[&keys[..], &["made_up"]].concat()).is_err());
        }
        let read = |name: &str| all.iter().find(|listed| listed.name == name).unwrap();
        assert_eq!(read("twilio").needs, ["secret", "public_url"]);
        assert!(read("discord").is_private && read("discord").greets);
        assert!(!read("stripe").is_private);
    }
}
