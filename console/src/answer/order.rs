//! What commands take.

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What a package is installed with. For a trigger exactly one of the two ids is given, for an mcp none.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = InstallRequest)]
pub(crate) struct Install {
    /// The workflow that it runs.
    pub(crate) workflow_id: Option<String>,
    /// The team that it runs.
    pub(crate) team_id: Option<String>,
    /// The trigger's name, one a mesh: 1 to 63 lower-case letters, digits, `-` and `_`. The package's if none is given.
    pub(crate) name: Option<String>,
    /// Environment over the package's own. A secret is given by its name, as `${NAME}`.
    pub(crate) config: BTreeMap<String, String>,
    /// How a webhook's deliveries are verified, instead of the way that the package says: `scheme`, `secret` as `${NAME}`, and
    /// what else the scheme needs. A package such as `webhook`, which takes any provider's deliveries, cannot do without.
    #[schema(value_type = Option<Object>, example = json!({"scheme": "stripe", "secret": "${STRIPE_SECRET}"}))]
    pub(crate) auth: Option<Value>,
    /// How often its hook may be called, over all gateways, instead of as often as the package says.
    #[schema(value_type = Option<super::shape::RateLimit>)]
    pub(crate) rate_limit: Option<Value>,
    /// Where its deliveries may come from, instead of what the package says: addresses and networks.
    #[schema(value_type = Option<Vec<String>>, example = json!(["203.0.113.7", "2001:db8::/32"]))]
    pub(crate) allow_ips: Option<Value>,
    /// How many slots it has, each with a container of its own: 1 to 64. One if it is not said.
    pub(crate) replicas: Option<u32>,
    /// What a node must be like to take one, as `label=value` or `label!=value`. The labels are the node's own, and `node` (its
    /// name) and `runtime`.
    pub(crate) constraints: Vec<String>,
}

/// What an update sets. With nothing in it, it takes the newest version of the package; with something, the package and its
/// containers stay as they are. `null` stands for what the package says.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = UpdateRequest)]
pub(crate) struct Update {
    /// How a webhook's deliveries are verified from now on. While a secret is rotated, `secrets` lists the new one and, with an
    /// end, the old one.
    #[serde(deserialize_with = "said")]
    #[schema(value_type = Option<Object>, example = json!({
        "scheme": "stripe", "secrets": ["${NEW}", {"secret": "${OLD}", "until": "2026-12-01T00:00:00Z"}]
    }))]
    pub(crate) auth: Option<Value>,
    /// How often its hook may be called, over all gateways.
    #[serde(deserialize_with = "said")]
    #[schema(value_type = Option<super::shape::RateLimit>)]
    pub(crate) rate_limit: Option<Value>,
    /// Where its deliveries may come from: addresses and networks.
    #[serde(deserialize_with = "said")]
    #[schema(value_type = Option<Vec<String>>, example = json!(["203.0.113.7", "2001:db8::/32"]))]
    pub(crate) allow_ips: Option<Value>,
}

/// What a key says that is there, `null` included.
pub(crate) fn said<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(reader).map(Some)
}

/// How many slots something should have.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ScaleRequest)]
pub(crate) struct Scale {
    /// 1 to 64.
    pub(crate) replicas: u32,
}
