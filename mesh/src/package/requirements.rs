//! What a package needs of a node.

use super::Error;
use crate::document::{Form, Node, Object};
use crate::placement::Constraint;
use crate::template::is_variable;

/// What a package needs of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Requirements {
    /// The names of the secrets without which it cannot run.
    pub secrets: Vec<String>,
    /// The names of the secrets that it takes if they are set. Only of manifest 2.
    pub optional_secrets: Vec<String>,
    /// The least memory, in bytes: placement sets it aside on the node.
    pub min_memory: Option<u64>,
    /// What a node must be like: `constraints`. Only of manifest 2.
    pub constraints: Vec<Constraint>,
}

impl Requirements {
    pub(super) fn read(node: &Node<'_>) -> Result<Self, Error> {
        let object = node.object()?;
        object.only(&["secrets", "optional_secrets", "min_memory", "constraints"])?;
        let secrets = names(&object, "secrets")?;
        let optional_secrets = names(&object, "optional_secrets")?;
        if let Some(name) = optional_secrets.iter().find(|name| secrets.contains(name)) {
            return Err(object
                .node("optional_secrets")
                .refuse(format_args!("`{name}` is required by `secrets` already")));
        }
        Ok(Self {
            secrets,
            optional_secrets,
            min_memory: object.read("min_memory", memory)?,
            constraints: match object.get("constraints") {
                Some(node) if object.form() == Form::Strict => constraints(&node)?,
                _ => Vec::new(),
            },
        })
    }
}

/// Memory as Docker writes it: a number of bytes, or with a unit, `512m`. A unit is a power of 1024, in either case, with or
/// without `b` or `ib` (<https://docs.docker.com/reference/compose-file/extension/#specifying-byte-values>).
pub(super) fn memory(node: &Node<'_>) -> Result<u64, Error> {
    let text = node.scalar()?.trim().to_ascii_lowercase();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    let shift = match unit
        .strip_suffix("ib")
        .or_else(|| unit.strip_suffix('b'))
        .unwrap_or(unit)
        .trim_end_matches('i')
    {
        "" => Some(0),
        "k" => Some(10),
        "m" => Some(20),
        "g" => Some(30),
        _ => None,
    };
    let bytes = shift.and_then(|shift| number.parse::<u64>().ok()?.checked_mul(1 << shift));
    bytes
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| node.expected("an amount of memory such as `256m` or `1g`"))
}

fn constraints(node: &Node<'_>) -> Result<Vec<Constraint>, Error> {
    let constraint =
        |node: &Node<'_>| Constraint::parse(node.text()?).map_err(|error| node.refuse(error));
    node.list()?.iter().map(constraint).collect()
}

fn names(object: &Object<'_>, key: &str) -> Result<Vec<String>, Error> {
    let Some(node) = object.get(key) else {
        return Ok(Vec::new());
    };
    let name = |node: &Node<'_>| match node.text()? {
        name if is_variable(name) => Ok(name.to_owned()),
        _ => Err(node.expected("the name of an environment variable (letters, digits and `_`)")),
    };
    node.list()?.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn bytes(value: Value) -> Result<u64, Error> {
        memory(&Node::root(&value, "deployment.memory", Form::Strict))
    }

    #[test]
    fn memory_is_read_as_docker_reads_it() {
        for (value, expected) in [
            (json!(1_048_576), 1 << 20),
            (json!("512"), 512),
            (json!("512b"), 512),
            (json!("64k"), 64 << 10),
            (json!("256m"), 256 << 20),
            (json!("256MB"), 256 << 20),
            (json!("256 Mi"), 256 << 20),
            (json!("256MiB"), 256 << 20),
            (json!("2G"), 2 << 30),
        ] {
            assert_eq!(bytes(value.clone()), Ok(expected), "{value}");
        }
        for bad in [
            json!(""),
            json!("m"),
            json!("1x"),
            json!("1.5g"),
            json!("-1"),
            json!(0),
            json!("99999999999g"),
            json!([]),
        ] {
            assert!(bytes(bad.clone()).is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn a_secret_is_required_or_optional_and_named_like_a_variable() {
        let read =
            |value: Value| Requirements::read(&Node::root(&value, "requirements", Form::Strict));
        assert_eq!(
            read(json!({"secrets": ["A"], "optional_secrets": ["B"]}))
                .unwrap()
                .optional_secrets,
            ["B"]
        );
        assert!(read(json!({"secrets": ["A"], "optional_secrets": ["A"]})).is_err());
        let error = read(json!({"secrets": ["${A}"]})).unwrap_err().to_string();
        assert!(
            error.starts_with("requirements.secrets[0]: found `${A}`; the name of"),
            "{error}"
        );
    }
}
