//! What registries answer to `GET /triggers` and `GET /mcps`, the present ones and those of earlier systems, and which version is
//! the newest.

use crate::layout::KINDS;
use belfry_mesh::package::{Kind, PackageName};
use belfry_mesh::port::packages::{Listed, Reference};
use semver::Version;
use serde::Deserialize;
use serde_json::Value;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// A package that a registry says it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) kind: Kind,
    pub(crate) name: PackageName,
    /// Old registries may list the name alone.
    pub(crate) version: Option<Version>,
    pub(crate) description: String,
    pub(crate) publisher: String,
    pub(crate) trigger_type: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Item {
    Text(String),
    Record(Record),
    Other(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
struct Record {
    #[serde(rename = "type")]
    kind: Option<Value>,
    name: String,
    version: Option<String>,
    description: Option<String>,
    publisher: Option<String>,
    trigger_type: Option<String>,
}

/// Reads a list of packages of one kind, of texts (`name` or `name-version`) or of objects with `name` and `version`. An entry that
/// is neither, that cannot be the name of a package, or that says it is of another kind, is left out: it could not be installed,
/// and must not hide the others.
pub(crate) fn parse(kind: Kind, body: &[u8]) -> Result<Vec<Line>, serde_json::Error> {
    let items: Vec<Item> = serde_json::from_slice(body)?;
    Ok(items
        .into_iter()
        .filter_map(|item| line(kind, item))
        .collect())
}

/// The version that is meant when none is named: the highest by semantic versioning that is no pre-release, or if all are, the
/// highest of them.
pub(crate) fn newest<'a>(versions: impl IntoIterator<Item = &'a Version>) -> Option<&'a Version> {
    versions
        .into_iter()
        .max_by_key(|version| (version.pre.is_empty(), *version))
}

/// The lines of one registry as lines of the catalogue, one a package, by name and kind.
pub(crate) fn catalogue(lines: Vec<Line>, registry: &str) -> Vec<Listed> {
    let mut packages = BTreeMap::<(String, Kind), Vec<Line>>::new();
    for line in lines {
        packages
            .entry((line.name.to_string(), line.kind))
            .or_default()
            .push(line);
    }
    packages
        .into_iter()
        .map(|((name, kind), lines)| listed(kind, name, lines, registry))
        .collect()
}

fn line(kind: Kind, item: Item) -> Option<Line> {
    match item {
        Item::Text(text) => {
            let Reference { name, version } = Reference::parse(&text).ok()?;
            let none = String::new;
            Some(Line {
                kind,
                name,
                version,
                description: none(),
                publisher: none(),
                trigger_type: none(),
            })
        }
        Item::Record(record) if is_other(kind, record.kind.as_ref()) => None,
        Item::Record(record) => {
            let version = record
                .version
                .map(|version| Version::parse(&version))
                .transpose()
                .ok()?;
            Some(Line {
                kind,
                name: PackageName::parse(&record.name).ok()?,
                version,
                description: record.description.unwrap_or_default(),
                publisher: record.publisher.unwrap_or_default(),
                trigger_type: record.trigger_type.unwrap_or_default(),
            })
        }
        Item::Other(_) => None,
    }
}

/// Whether a `type` is the word for another kind. Older registries have none there, or words of their own.
fn is_other(kind: Kind, word: Option<&Value>) -> bool {
    let mut others = KINDS.iter().filter(|other| **other != kind);
    others.any(|other| word.and_then(Value::as_str) == Some(other.as_str()))
}

fn listed(kind: Kind, name: String, mut lines: Vec<Line>, registry: &str) -> Listed {
    lines.sort_by(|a, b| b.version.cmp(&a.version));
    lines.dedup_by(|a, b| a.version == b.version);
    let versions: Vec<Version> = lines
        .iter()
        .filter_map(|line| line.version.clone())
        .collect();
    let newest = newest(&versions);
    lines.sort_by_key(|line| Reverse(line.version.as_ref() == newest));
    let first = lines.swap_remove(0);
    Listed {
        kind,
        name,
        version: newest.map(Version::to_string).unwrap_or_default(),
        versions: versions.iter().map(Version::to_string).collect(),
        description: first.description,
        publisher: first.publisher,
        trigger_type: first.trigger_type,
        registry: registry.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(all: &[&str]) -> Vec<Version> {
        all.iter()
            .map(|text| Version::parse(text).unwrap())
            .collect()
    }

    #[test]
    fn the_newest_is_chosen_by_semantic_versioning_and_not_by_the_alphabet() {
        for (all, expected) in [
            (&["1.9.0", "1.10.0", "1.2.0"][..], Some("1.10.0")),
            (&["1.0.0", "2.0.0-rc.1"], Some("1.0.0")),
            (
                &["2.0.0-rc.1", "2.0.0-rc.2", "2.0.0-beta"],
                Some("2.0.0-rc.2"),
            ),
            (&[], None),
        ] {
            let all = versions(all);
            assert_eq!(
                newest(&all).map(Version::to_string).as_deref(),
                expected,
                "{all:?}"
            );
        }
    }

    #[test]
    fn lists_of_texts_and_lists_of_objects_say_the_same() {
        let texts = parse(
            Kind::Trigger,
            br#"["daily-scan-1.0.0", "daily-scan-1.1.0", "simple-webhook"]"#,
        )
        .unwrap();
        let objects = parse(Kind::Trigger, br#"[{"id":"daily-scan-1.0.0","name":"daily-scan","version":"1.0.0","description":null,"signed":false},
                 {"name":"daily-scan","version":"1.1.0"}, {"name":"simple-webhook"}]"#,
        )
        .unwrap();
        assert_eq!(texts, objects);
    }

    #[test]
    fn a_broken_entry_hides_no_other() {
        let lines = parse(Kind::Trigger, br#"[7, null, {"title":"x"}, {"name":"../etc","version":"1.0.0"}, {"name":"a","version":"latest"}, "b-1.0.0"]"#,
        )
        .unwrap();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(lines[0].name.as_str(), "b");
    }

    #[test]
    fn a_line_of_the_catalogue_describes_the_newest_release_and_names_all() {
        let lines = parse(Kind::Trigger, br#"[{"name":"a","version":"1.0.0","description":"old"}, {"name":"a","version":"2.0.0-rc.1","description":"next"},
                 {"name":"a","version":"1.1.0","description":"new"}]"#,
        )
        .unwrap();
        let listed = catalogue(lines, "house").remove(0);
        assert_eq!(
            (listed.version.as_str(), listed.description.as_str()),
            ("1.1.0", "new")
        );
        assert_eq!(listed.versions, ["2.0.0-rc.1", "1.1.0", "1.0.0"]);
        assert_eq!(listed.registry, "house");
    }
}
