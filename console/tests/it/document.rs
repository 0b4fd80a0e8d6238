//! The OpenAPI document, and whether answers are what it says.

use crate::harness::Mesh;
use crate::http::{Answer, Request};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// Everything that the API does. It is what existing clients rely on, and what the document and the router must both say.
const OPERATIONS: [&str; 46] = [
    "DELETE /dead-letters/{id}",
    "DELETE /mcps/{name}",
    "DELETE /nodes/{name}",
    "DELETE /triggers/{name}",
    "GET /dead-letters",
    "GET /events",
    "GET /events/{id}",
    "GET /gateways",
    "GET /health",
    "GET /mcps",
    "GET /mcps/{name}/history",
    "GET /mcps/{name}/logs",
    "GET /mcps/{name}/status",
    "GET /nodes",
    "GET /nodes/{name}",
    "GET /openapi.json",
    "GET /packages",
    "GET /ready",
    "GET /triggers",
    "GET /triggers/installed",
    "GET /triggers/{name}/history",
    "GET /triggers/{name}/logs",
    "GET /triggers/{name}/status",
    "POST /events/{id}/replay",
    "POST /mcps/{name}/restart",
    "POST /mcps/{name}/rollback",
    "POST /mcps/{name}/scale",
    "POST /mcps/{name}/start",
    "POST /mcps/{name}/stop",
    "POST /mcps/{name}/update",
    "POST /nodes/{name}/cordon",
    "POST /nodes/{name}/drain",
    "POST /nodes/{name}/uncordon",
    "POST /registries/install/mcp/{name}/{version}",
    "POST /registries/install/mcp/{reference}",
    "POST /registries/install/trigger/{name}/{version}",
    "POST /registries/install/trigger/{reference}",
    "POST /triggers/{name}/pause",
    "POST /triggers/{name}/restart",
    "POST /triggers/{name}/resume",
    "POST /triggers/{name}/rollback",
    "POST /triggers/{name}/run",
    "POST /triggers/{name}/scale",
    "POST /triggers/{name}/start",
    "POST /triggers/{name}/stop",
    "POST /triggers/{name}/update",
];

pub(crate) struct Document(Value);

impl Document {
    pub(crate) async fn read(from: SocketAddr) -> Self {
        let answer = Request::new("GET", "/openapi.json")
            .send(from)
            .await
            .unwrap();
        assert_eq!(answer.headers["content-type"], "application/json");
        Self(answer.json())
    }

    fn operations(&self) -> impl Iterator<Item = (String, &str, &Value)> {
        self.0["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, methods)| {
                let methods = methods.as_object().unwrap().iter();
                methods.map(move |(method, operation)| {
                    (method.to_uppercase(), path.as_str(), operation)
                })
            })
    }

    /// Panics unless the answer is one that the document describes for the request.
    pub(crate) fn check(&self, request: &Request, answer: &Answer) {
        let (path, _) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let what = format!("{} {path} answered {}", request.method, answer.status);
        assert_eq!(answer.headers["cache-control"], "no-store", "{what}");
        let (content_type, schema) = match self.operation(&request.method, path) {
            Some(operation) => {
                let response = &operation["responses"][answer.status.to_string()];
                assert!(
                    response.is_object(),
                    "{what}, which is not described: {:?}",
                    answer.body_text()
                );
                let content = response["content"].as_object().unwrap();
                assert_eq!(content.len(), 1, "{what}");
                let (content_type, content) = content.iter().next().unwrap();
                (content_type.as_str(), &content["schema"])
            }
            None => {
                assert!(
                    matches!(answer.status, 403 | 404 | 405 | 421),
                    "{what}, which is not described at all"
                );
                (
                    "application/problem+json",
                    &self.0["components"]["schemas"]["Problem"],
                )
            }
        };
        assert_eq!(answer.headers["content-type"], content_type, "{what}");
        if let Err(fault) = self.fits(schema, &answer.json(), "answer") {
            panic!("{what}: {fault}");
        }
    }

    fn operation(&self, method: &str, path: &str) -> Option<&Value> {
        let fits = |template: &str| {
            let (template, path) = (template.split('/'), path.split('/'));
            let same = |(part, found): (&str, &str)| part == found || part.starts_with('{');
            template.clone().count() == path.clone().count() && template.zip(path).all(same)
        };
        let templates = self.0["paths"]
            .as_object()
            .unwrap()
            .keys()
            .filter(|template| fits(template));
        // A path without parameters comes before one with them.
        let template = templates.min_by_key(|template| template.matches('{').count())?;
        let operation = &self.0["paths"][template][method.to_lowercase()];
        operation.is_object().then_some(operation)
    }

    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(reference) => {
                let name = reference
                    .strip_prefix("#/components/schemas/")
                    .expect("references lead to schemas");
                let schema = &self.0["components"]["schemas"][name];
                assert!(schema.is_object(), "{reference} leads nowhere");
                schema
            }
            None => schema,
        }
    }

    /// Whether a value is what a schema says: the part of JSON Schema that the document uses, and stricter in that an object has no
    /// keys that are not described.
    fn fits(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        let schema = self.resolve(schema);
        for choices in [&schema["oneOf"], &schema["anyOf"]]
            .into_iter()
            .filter_map(Value::as_array)
        {
            let faults: Vec<_> = choices
                .iter()
                .map(|choice| self.fits(choice, value, at))
                .collect();
            if !faults.iter().any(Result::is_ok) {
                return Err(format!("{at} is none of the choices: {faults:?}"));
            }
        }
        if let Some(words) = schema["enum"].as_array()
            && !words.contains(value)
        {
            return Err(format!("{at} is {value}, and not one of {words:?}"));
        }
        let types: Vec<&str> = match &schema["type"] {
            Value::String(one) => vec![one],
            Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if !types.is_empty() && !types.iter().any(|name| is_a(name, value)) {
            return Err(format!("{at} is {value}, and not {types:?}"));
        }
        if let Some(items) = value.as_array() {
            for (number, item) in items.iter().enumerate() {
                self.fits(&schema["items"], item, &format!("{at}[{number}]"))?;
            }
        }
        value
            .as_object()
            .map_or(Ok(()), |object| self.object_fits(schema, object, at))
    }

    fn object_fits(
        &self,
        schema: &Value,
        object: &Map<String, Value>,
        at: &str,
    ) -> Result<(), String> {
        let (mut properties, mut required) = (Map::new(), Vec::new());
        self.gather(schema, &mut properties, &mut required);
        if let Some(key) = required.iter().find(|key| !object.contains_key(*key)) {
            return Err(format!("{at}.{key} is missing"));
        }
        for (key, value) in object {
            let at = format!("{at}.{key}");
            match (properties.get(key), &schema["additionalProperties"]) {
                (Some(schema), _) => self.fits(schema, value, &at)?,
                (None, Value::Object(rest)) => {
                    self.fits(&Value::Object(rest.clone()), value, &at)?
                }
                (None, _) if properties.is_empty() => {}
                (None, _) => return Err(format!("{at} is not described")),
            }
        }
        Ok(())
    }

    /// The properties of an object and of all that it is composed of.
    fn gather(
        &self,
        schema: &Value,
        properties: &mut Map<String, Value>,
        required: &mut Vec<String>,
    ) {
        let schema = self.resolve(schema);
        properties.extend(
            schema["properties"]
                .as_object()
                .cloned()
                .unwrap_or_default(),
        );
        let keys = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        required.extend(keys.map(str::to_owned));
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.gather(part, properties, required);
        }
        for part in schema["oneOf"].as_array().into_iter().flatten() {
            self.gather(part, properties, &mut Vec::new());
        }
    }
}

impl Answer {
    fn body_text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn is_a(name: &str, value: &Value) -> bool {
    match name {
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        other => panic!("the document has a type `{other}`"),
    }
}

#[tokio::test]
async fn the_document_describes_every_route_and_nothing_else() {
    let mesh = Mesh::start().await;
    let document = Document::read(mesh.address).await;
    let described: BTreeSet<String> = document
        .operations()
        .map(|(method, path, _)| format!("{method} {path}"))
        .collect();
    assert_eq!(
        described,
        OPERATIONS.into_iter().map(str::to_owned).collect()
    );

    let paths: BTreeSet<&str> = document.operations().map(|(_, path, _)| path).collect();
    for path in paths {
        let filled = path
            .replace("{version}", "1.0.0")
            .replace("{name}", "nobody");
        let filled = filled
            .replace("{reference}", "nothing")
            .replace("{id}", "none");
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let answer = Request::new(method, &filled)
                .send(mesh.address)
                .await
                .unwrap();
            let is_route = answer.status != 405;
            // One path is another's parameter.
            let expected = described.contains(&format!("{method} {path}"));
            assert_eq!(
                is_route, expected,
                "{method} {path} answered {}",
                answer.status
            );
        }
    }
    mesh.stop().await;
}

#[tokio::test]
async fn every_operation_is_described_in_full() {
    let mesh = Mesh::start().await;
    let document = Document::read(mesh.address).await;
    assert_eq!(document.0["openapi"], "3.1.0");
    let tags: Vec<_> = document.0["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| &tag["name"])
        .collect();
    let mut ids = BTreeSet::new();
    for (method, path, operation) in document.operations() {
        let what = format!("{method} {path}");
        assert!(
            operation["summary"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{what} has no summary"
        );
        assert!(
            ids.insert(operation["operationId"].to_string()),
            "{what} shares its operationId"
        );
        assert!(
            operation["tags"]
                .as_array()
                .unwrap()
                .iter()
                .all(|tag| tags.contains(&tag)),
            "{what}"
        );
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let described = parameter["description"]
                .as_str()
                .is_some_and(|text| !text.is_empty());
            assert!(described, "{what}: {} is not described", parameter["name"]);
        }
        for part in path.split('/').filter(|part| part.starts_with('{')) {
            let named = json!(part.trim_matches(['{', '}']));
            let parameters = operation["parameters"].as_array().unwrap();
            assert!(
                parameters
                    .iter()
                    .any(|it| it["in"] == "path" && it["name"] == named),
                "{what}: {part}"
            );
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            assert!(
                response["description"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{what} {status}"
            );
            let content = response["content"].as_object().unwrap();
            let problem = status.as_str() >= "400" && (path, status.as_str()) != ("/ready", "503");
            assert_eq!(
                content.contains_key("application/problem+json"),
                problem,
                "{what} {status}"
            );
        }
    }
    mesh.stop().await;
}

#[tokio::test]
async fn every_reference_leads_somewhere_and_every_schema_is_used() {
    fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let mesh = Mesh::start().await;
    let document = Document::read(mesh.address).await;
    let mut found = BTreeSet::new();
    references(&document.0, &mut found);
    let schemas = document.0["components"]["schemas"].as_object().unwrap();
    let there: BTreeSet<_> = schemas
        .keys()
        .map(|name| format!("#/components/schemas/{name}"))
        .collect();
    assert_eq!(found, there.iter().map(String::as_str).collect());
    mesh.stop().await;
}
