//! Which events a webhook's trigger wants.
//!
//! Three kinds of lists, each of which must be met where it is there:
//!
//! * **event types**: the provider's name for the kind of event (`pull_request`, `Issue`). Compared as it is written.
//! * **actions**: the `action` in the event's body. It applies to events that carry one: GitHub's `push` and `ping` do not, and
//!   pass.
//! * **fields**: any field of the body, as `event.path`. A missing field does not pass.

use crate::condition::{OneOf, Reason, same};
use crate::document::{Error, Node, Object};
use crate::path::Path;
use serde_json::Value;

/// Which events a webhook's trigger wants. The default wants all.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {
    event_types: Option<Vec<Value>>,
    actions: Option<Vec<Value>>,
    fields: Vec<Field>,
}

#[derive(Debug, Clone, PartialEq)]
struct Field {
    name: String,
    path: Path,
    allowed: Vec<Value>,
}

impl Filter {
    /// What packages of the older form for GitHub get if they name neither event types nor actions.
    #[must_use]
    pub fn github() -> Self {
        Self {
            event_types: Some(words(["pull_request", "push", "issues"])),
            actions: Some(words(["opened", "synchronize"])),
            fields: Vec::new(),
        }
    }

    /// What packages of the older form for Linear get if they name neither event types nor actions.
    #[must_use]
    pub fn linear() -> Self {
        Self {
            event_types: Some(words(["AgentSessionEvent", "agentSession"])),
            ..Self::default()
        }
    }

    /// The same with the lists of the environment in place of the package's: `FILTER_ACTIONS` and `FILTER_EVENT_TYPES`, each
    /// separated by commas. A blank one counts as not set, and `*` wants all.
    #[must_use]
    pub fn with_overrides(mut self, actions: Option<&str>, event_types: Option<&str>) -> Self {
        for (list, given) in [
            (&mut self.actions, actions),
            (&mut self.event_types, event_types),
        ] {
            let given: Vec<_> = given
                .into_iter()
                .flat_map(|text| text.split(','))
                .map(str::trim)
                .collect();
            if given.contains(&"*") {
                *list = None;
            } else if given.iter().any(|word| !word.is_empty()) {
                *list = Some(words(given.into_iter().filter(|word| !word.is_empty())));
            }
        }
        self
    }

    /// Whether it wants an event of this type, the provider's, with this body.
    ///
    /// # Errors
    /// What the first list that is not met found, and what it asks for.
    pub fn admit(&self, event_type: Option<&str>, body: &Value) -> Result<(), Reason> {
        if let Some(allowed) = &self.event_types {
            meet(
                "the event type",
                event_type.map(Value::from).as_ref(),
                allowed,
            )?;
        }
        if let (Some(allowed), Some(action)) = (
            &self.actions,
            body.get("action").filter(|action| action.is_string()),
        ) {
            meet("the action", Some(action), allowed)?;
        }
        self.fields
            .iter()
            .try_for_each(|field| meet(&field.name, field.path.find(body), &field.allowed))
    }

    /// Whether it names event types or actions.
    pub(crate) fn names_kinds(&self) -> bool {
        self.event_types.is_some() || self.actions.is_some()
    }

    /// The same, with the event types and actions of another.
    pub(crate) fn with_kinds_of(self, other: Self) -> Self {
        Self {
            event_types: other.event_types,
            actions: other.actions,
            fields: self.fields,
        }
    }

    /// Reads a package's `filters`.
    pub(crate) fn read(node: &Node<'_>) -> Result<Self, Error> {
        let object = node.object()?;
        let mut filter = Self {
            event_types: event_types(&object)?,
            actions: texts(&object, "actions")?,
            fields: Vec::new(),
        };
        for (key, value) in object.entries() {
            if key == "event" || key.starts_with("event.") {
                let path = Path::parse_in_event(key).map_err(|error| value.refuse(error))?;
                let allowed = value
                    .one_or_many()?
                    .iter()
                    .map(|node| node.value().clone())
                    .collect();
                filter.fields.push(Field {
                    name: key.to_owned(),
                    path,
                    allowed,
                });
            } else if !["event_type", "event_types", "actions"].contains(&key) {
                object.only(&["event_type", "event_types", "actions", "event.…"])?;
            }
        }
        Ok(filter)
    }
}

fn event_types(object: &Object<'_>) -> Result<Option<Vec<Value>>, Error> {
    let (one, many) = (texts(object, "event_type")?, texts(object, "event_types")?);
    Ok(match (one, many) {
        (Some(one), Some(many)) => Some(one.into_iter().chain(many).collect()),
        (one, many) => one.or(many),
    })
}

fn texts(object: &Object<'_>, key: &str) -> Result<Option<Vec<Value>>, Error> {
    let Some(node) = object.get(key) else {
        return Ok(None);
    };
    let list: Vec<_> = node.one_or_many()?;
    if list.is_empty() {
        return Err(node.refuse("an empty list wants nothing; leave the key out to want all"));
    }
    list.iter()
        .map(|node| node.text().map(Value::from))
        .collect::<Result<_, _>>()
        .map(Some)
}

fn meet(what: &str, found: Option<&Value>, allowed: &[Value]) -> Result<(), Reason> {
    if found.is_some_and(|found| allowed.iter().any(|value| same(found, value))) {
        return Ok(());
    }
    Err(Reason::about(
        what,
        found,
        format_args!("be {}", OneOf(allowed)),
    ))
}

fn words<'a>(list: impl IntoIterator<Item = &'a str>) -> Vec<Value> {
    list.into_iter().map(Value::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Form;
    use serde_json::json;

    fn filter(value: Value) -> Filter {
        Filter::read(&Node::root(&value, "trigger.filters", Form::Strict)).unwrap()
    }

    fn reason(filter: &Filter, event_type: &str, body: Value) -> String {
        filter
            .admit(Some(event_type), &body)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn an_event_passes_if_each_list_is_met() {
        let filter = filter(json!({
            "event_types": ["pull_request", "issues"], "event_type": "push", "actions": ["opened"],
            "event.repository.private": false, "event.labels.0.name": ["bug", "ui"],
        }));
        let body = json!({"action": "opened", "repository": {"private": false}, "labels": [{"name": "ui"}]});
        for event_type in ["pull_request", "issues", "push"] {
            assert_eq!(filter.admit(Some(event_type), &body), Ok(()));
        }
        assert_eq!(
            reason(&filter, "star", body.clone()),
            "the event type is `star`, and must be one of `push`, `pull_request`, `issues`"
        );
        assert_eq!(
            reason(&filter, "push", json!({"action": "closed"})),
            "the action is `closed`, and must be one of `opened`"
        );
        assert_eq!(
            reason(&filter, "push", json!({"repository": {"private": true}})),
            "event.repository.private is `true`, and must be one of `false`"
        );
        assert_eq!(
            reason(&filter, "push", json!({"repository": {"private": false}})),
            "event.labels.0.name is missing, and must be one of `bug`, `ui`"
        );
        assert!(
            filter
                .admit(None, &body)
                .unwrap_err()
                .as_str()
                .contains("the event type is missing")
        );
    }

    #[test]
    fn a_filter_on_actions_lets_pass_what_has_none() {
        let filter = Filter::github();
        assert_eq!(
            filter.admit(Some("push"), &json!({"ref": "refs/heads/main"})),
            Ok(())
        );
        assert_eq!(
            filter.admit(Some("pull_request"), &json!({"action": "synchronize"})),
            Ok(())
        );
        assert!(
            reason(&filter, "pull_request", json!({"action": "closed"}))
                .contains("the action is `closed`")
        );
        assert!(reason(&filter, "ping", json!({"zen": "."})).contains("the event type is `ping`"));
    }

    #[test]
    fn linear_sends_its_sessions_under_either_name() {
        for event_type in ["AgentSessionEvent", "agentSession"] {
            assert_eq!(
                Filter::linear().admit(Some(event_type), &json!({"action": "prompted"})),
                Ok(())
            );
        }
        assert!(Filter::linear().admit(Some("Issue"), &json!({})).is_err());
    }

    #[test]
    fn the_environment_overrides_the_package() {
        let closed = json!({"action": "closed"});
        let with = |actions, types| Filter::github().with_overrides(actions, types);
        assert_eq!(
            with(Some("closed, reopened"), None).admit(Some("issues"), &closed),
            Ok(())
        );
        assert_eq!(
            with(Some("*"), Some("*")).admit(Some("release"), &closed),
            Ok(())
        );
        assert_eq!(
            with(None, Some("release")).admit(Some("release"), &json!({})),
            Ok(())
        );
        for blank in [None, Some(""), Some(" , ")] {
            assert!(
                with(blank, blank).admit(Some("issues"), &closed).is_err(),
                "{blank:?}"
            );
        }
    }

    #[test]
    fn the_default_wants_all() {
        assert_eq!(Filter::default().admit(None, &Value::Null), Ok(()));
    }

    #[test]
    fn a_misspelt_list_is_refused_and_an_older_package_may_have_more() {
        let misspelt = json!({"action": ["opened"]});
        let node = |form| Node::root(&misspelt, "trigger.filters", form);
        let error = Filter::read(&node(Form::Strict)).unwrap_err().to_string();
        assert!(
            error.starts_with("trigger.filters.action: unknown key `action`; known: event_type"),
            "{error}"
        );
        assert!(error.ends_with("did you mean `actions`?"), "{error}");
        assert_eq!(Filter::read(&node(Form::Older)).unwrap(), Filter::default());
        let empty = json!({"actions": []});
        assert!(Filter::read(&Node::root(&empty, "f", Form::Older)).is_err());
    }
}
