//! What a delivery and its event are called.

use super::Refusal;
use super::body::{Read, Scalar, Slot};
use super::form;
use super::headers::single;
use super::naming::Naming;
use super::place::Place;
use http::HeaderMap;
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// The longest delivery id, in bytes.
const MAX_ID: usize = 256;
/// The longest part of an event's type that a provider names, in bytes.
const MAX_NAME: usize = 128;
/// The type of a delivery that names no event.
const UNNAMED: &str = "belfry.webhook";
/// Where the reverse domain names begin that are taken for ones.
const TOP_LEVEL: [&str; 6] = ["com", "org", "net", "io", "dev", "app"];

/// Where the names of a delivery are in what was read of its body.
#[derive(Debug, Clone, Default)]
pub(super) struct Slots {
    /// For each of the places of the delivery's name.
    pub(super) delivery_id: Vec<Option<Slot>>,
    /// For each of the places of [`Naming::kind`].
    pub(super) kind: Vec<Option<Slot>>,
    pub(super) action: Option<Slot>,
}

/// The CloudEvents type of a delivery.
pub(super) fn event_type(
    naming: &Naming,
    slots: &Slots,
    headers: &HeaderMap,
    read: &Read<'_>,
) -> Result<String, Refusal> {
    let Some(kind) = kind(naming, slots, headers, read)? else {
        return Ok(match naming.otherwise {
            Some(name) => format!("{}.{name}", naming.domain),
            None => UNNAMED.to_owned(),
        });
    };
    let action = field(read, slots.action)
        .and_then(Scalar::text)
        .filter(|action| is_bounded(action, MAX_NAME));
    let mut name = String::with_capacity(naming.domain.len() + kind.len() + 32);
    let is_whole = naming.domain.is_empty() || naming.is_open && is_reverse_domain(&kind);
    if !is_whole {
        name.push_str(naming.domain);
        name.push('.');
    }
    name.push_str(&kind);
    if let Some(action) = action {
        name.push('.');
        name.push_str(action);
    }
    Ok(name)
}

fn kind<'a>(
    naming: &Naming,
    slots: &Slots,
    headers: &'a HeaderMap,
    read: &'a Read<'_>,
) -> Result<Option<Cow<'a, str>>, Refusal> {
    for (place, slot) in naming.kind.iter().zip(&slots.kind) {
        let kind = match place {
            Place::Header(name) => match single(headers, name)? {
                Some(kind) => {
                    let kind = naming.spelling.spell(Cow::Borrowed(kind));
                    check_bounded(&kind, MAX_NAME, place)?;
                    Some(kind)
                }
                None => None,
            },
            Place::Form(name) => read
                .form
                .and_then(|form| form::value(form, name))
                .map(Cow::Owned),
            Place::Item(..) | Place::Field(_) | Place::Each(_) => {
                field(read, *slot).and_then(|value| named(naming, value))
            }
        };
        if let Some(kind) = kind.filter(|kind| is_bounded(kind, MAX_NAME)) {
            return Ok(Some(kind));
        }
    }
    let has = |field: &str| {
        read.form
            .is_some_and(|form| form::value(form, field).is_some())
    };
    let kind = naming.form.filter(|(field, _)| has(field));
    Ok(kind.map(|(_, name)| Cow::Borrowed(name)))
}

/// What a value of the body calls an event.
fn named<'a>(naming: &Naming, value: &'a Scalar<'_>) -> Option<Cow<'a, str>> {
    match value {
        Scalar::Text(text) => Some(naming.spelling.spell(Cow::Borrowed(text))),
        Scalar::Whole(_) if naming.numbers.is_empty() => None,
        Scalar::Whole(number) => {
            let known = naming.numbers.iter().find(|(known, _)| known == number);
            Some(known.map_or_else(
                || Cow::Owned(number.to_string()),
                |(_, name)| Cow::Borrowed(*name),
            ))
        }
    }
}

fn field<'a, 'b>(read: &'a Read<'b>, slot: Option<Slot>) -> Option<&'a Scalar<'b>> {
    read.fields.as_ref()?.get(slot?)
}

/// The name of the delivery, by the first of these places that holds one.
pub(super) fn delivery_id(
    places: &[Place],
    slots: &Slots,
    headers: &HeaderMap,
    read: &Read<'_>,
) -> Result<Option<String>, Refusal> {
    for (place, slot) in places.iter().zip(&slots.delivery_id) {
        let id = match place {
            Place::Header(name) => single(headers, name)?.map(Cow::Borrowed),
            Place::Each(_) => id_of_all(place, read)?.map(Cow::Owned),
            Place::Field(_) | Place::Item(..) | Place::Form(_) => {
                field(read, *slot).map(Scalar::as_text)
            }
        };
        if let Some(id) = id {
            check_bounded(&id, MAX_ID, place)?;
            return Ok(Some(id.into_owned()));
        }
    }
    Ok(None)
}

/// The name of a delivery that brings several events: that of the first one, and if there are more a hash of the names of all.
/// The first one's alone would not do, since a provider may send it again in other company, which must not be lost.
fn id_of_all(place: &Place, read: &Read<'_>) -> Result<Option<String>, Refusal> {
    /// How much of the hash is enough, in bytes.
    const HASH: usize = 16;
    let events = read.fields.as_ref().map_or(&[][..], |fields| fields.each());
    let ids: Option<Vec<_>> = events
        .iter()
        .map(|id| id.as_ref().map(Scalar::as_text))
        .collect();
    let ids = ids.unwrap_or_default();
    let Some(first) = ids.first() else {
        return Ok(None);
    };
    for id in &ids {
        check_bounded(id, MAX_ID - 2 * HASH - 1, place)?;
    }
    if ids.len() == 1 {
        return Ok(Some(first.clone().into_owned()));
    }
    let mut hash = Sha256::new();
    for id in &ids {
        hash.update(id.as_bytes());
        hash.update(b"\n");
    }
    let hash = hex::encode(&hash.finalize()[..HASH]);
    Ok(Some(format!("{first}+{hash}")))
}

fn check_bounded(text: &str, max: usize, place: &Place) -> Result<(), Refusal> {
    if is_bounded(text, max) {
        return Ok(());
    }
    Err(Refusal::Unusable {
        place: place.clone(),
        expected: format!("a name of 1 to {max} visible ASCII characters"),
    })
}

fn is_bounded(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

fn is_reverse_domain(name: &str) -> bool {
    let mut labels = name.split('.');
    labels
        .next()
        .is_some_and(|first| TOP_LEVEL.contains(&first))
        && labels.filter(|label| !label.is_empty()).count() >= 2
}
