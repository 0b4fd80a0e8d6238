//! The manifest as a whole.

use super::{
    Delivery, Deployment, Error, Kind, Manifest, PackageName, Requirements, Response, Source,
    Update,
};
use crate::condition;
use crate::document::{Form, Node, Object};
use crate::signature::Auth;
use crate::template::Templates;
use semver::Version;
use serde_json::Value;

const KEYS: [&str; 16] = [
    "manifest",
    "name",
    "version",
    "type",
    "publisher",
    "description",
    "metadata",
    "tags",
    "requirements",
    "deployment",
    "trigger",
    "action",
    "conditions",
    "response",
    "delivery",
    "update",
];

/// What a package that takes no events has no use for.
const OF_TRIGGERS: [&str; 5] = ["trigger", "action", "conditions", "response", "delivery"];

pub(super) fn manifest(document: Value) -> Result<Manifest, Error> {
    let form = form(&document)?;
    let root = Node::root(&document, "", form).object()?;
    root.only(&KEYS)?;
    let requirements = root
        .read("requirements", Requirements::read)?
        .unwrap_or_default();
    let kind = kind(&root)?;
    let source = source(&root, kind, &requirements)?;
    let text = |key: &str| root.read(key, |node| node.text().map(str::to_owned));
    Ok(Manifest {
        kind,
        name: name(&root)?,
        version: version(&root)?,
        publisher: text("publisher")?,
        description: root.read("description", Node::scalar)?.unwrap_or_default(),
        tags: root.read("tags", texts)?.unwrap_or_default(),
        deployment: Deployment::read(root.get("deployment").as_ref(), kind, &source)?,
        conditions: root
            .read("conditions", condition::read)?
            .unwrap_or_default(),
        params: params(&root, form)?,
        response: root.read("response", Response::read)?,
        delivery: match root.get("delivery") {
            Some(node) if form == Form::Strict => Delivery::read(&node)?,
            _ => Delivery::default(),
        },
        update: match root.get("update") {
            Some(node) if form == Form::Strict => Update::read(&node)?,
            _ => Update::default(),
        },
        secrets: secrets(&requirements, &source),
        requirements,
        source,
        document,
    })
}

/// A list of strings.
pub(super) fn texts(node: &Node<'_>) -> Result<Vec<String>, Error> {
    node.list()?
        .iter()
        .map(|node| node.text().map(str::to_owned))
        .collect()
}

fn form(document: &Value) -> Result<Form, Error> {
    match Node::root(document, "", Form::Older)
        .object()?
        .get("manifest")
    {
        None => Ok(Form::Older),
        Some(node) => match node.value().as_u64() {
            Some(2) => Ok(Form::Strict),
            _ => Err(node.expected("2, or no such key in a manifest of the older form,")),
        },
    }
}

fn kind(root: &Object<'_>) -> Result<Kind, Error> {
    root.require("type", "`trigger` or `mcp`")?.word(
        "package type",
        &[("trigger", Kind::Trigger), ("mcp", Kind::Mcp)],
    )
}

fn source(root: &Object<'_>, kind: Kind, requirements: &Requirements) -> Result<Source, Error> {
    match kind {
        Kind::Trigger => {
            let trigger = root.require("trigger", "an object that says where events come from")?;
            Source::read(&trigger, requirements)
        }
        Kind::Mcp => {
            if root.form() == Form::Strict
                && let Some(node) = OF_TRIGGERS.iter().find_map(|key| root.get(key))
            {
                return Err(node.refuse("an mcp takes no events; leave it out"));
            }
            Ok(Source::None)
        }
    }
}

fn name(root: &Object<'_>) -> Result<PackageName, Error> {
    let node = root.require("name", "the package's name")?;
    PackageName::parse(node.text()?).map_err(|error| node.refuse(error))
}

fn version(root: &Object<'_>) -> Result<Version, Error> {
    let node = root.require("version", "a semantic version such as `1.0.0`")?;
    Version::parse(node.text()?).map_err(|_| node.expected("a semantic version such as `1.0.0`"))
}

fn params(root: &Object<'_>, form: Form) -> Result<Option<Templates>, Error> {
    let Some(action) = root.get("action").filter(|_| form == Form::Strict) else {
        return Ok(None);
    };
    let action = action.object()?;
    action.only(&["workflow_id", "team_id", "params"])?;
    for key in ["workflow_id", "team_id"] {
        action.read(key, |node| node.text().map(str::len))?;
    }
    let Some(node) = action.get("params") else {
        return Ok(None);
    };
    let params = node.object()?;
    let map = node
        .value()
        .as_object()
        .ok_or_else(|| node.expected("an object"))?;
    let templates =
        Templates::parse(map).map_err(|(key, error)| params.node(&key).refuse(error))?;
    if let Some((key, _)) = templates
        .iter()
        .find(|(_, template)| template.needs_execution())
    {
        return Err(params.node(key).refuse(
            "refers to the run, which is not there before it is started; `${execution.…}` is for `response.body`",
        ));
    }
    Ok(Some(templates))
}

fn secrets(requirements: &Requirements, source: &Source) -> Vec<String> {
    let verifying = source
        .auth()
        .map(Auth::secrets)
        .unwrap_or_default()
        .iter()
        .map(|secret| secret.name().to_owned());
    let mut names: Vec<_> = requirements
        .secrets
        .iter()
        .chain(&requirements.optional_secrets)
        .cloned()
        .chain(verifying)
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}
