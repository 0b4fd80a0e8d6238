//! What a delivery and its event are called.

use super::Refusal;
use super::body::{Fields, Scalar, Want};
use super::headers::single;
use super::recipe::{Naming, Place};
use http::HeaderMap;
use std::borrow::Cow;

/// The longest delivery id, in bytes.
const MAX_ID: usize = 256;
/// The longest part of an event's type that a provider names, in bytes.
const MAX_NAME: usize = 128;
/// The type of a delivery that names no event.
const UNNAMED: &str = "belfry.webhook";
/// Where the reverse domain names begin that are taken for ones.
const TOP_LEVEL: [&str; 6] = ["com", "org", "net", "io", "dev", "app"];

impl Naming {
    /// The CloudEvents type of a delivery.
    pub(super) fn event_type<'a>(
        &self,
        headers: &'a HeaderMap,
        fields: &mut Fields<'a>,
    ) -> Result<String, Refusal> {
        let Some(kind) = self.kind(headers, fields)? else {
            return Ok(UNNAMED.to_owned());
        };
        let action = fields.take(Want::Action).and_then(Scalar::name);
        let domain =
            Some(self.domain).filter(|domain| !domain.is_empty() && !is_reverse_domain(&kind));
        let parts: Vec<&str> = domain
            .into_iter()
            .chain([&*kind])
            .chain(action.as_deref())
            .collect();
        Ok(parts.join("."))
    }

    fn kind<'a>(
        &self,
        headers: &'a HeaderMap,
        fields: &mut Fields<'a>,
    ) -> Result<Option<Cow<'a, str>>, Refusal> {
        for place in &self.kind {
            let kind = match place {
                Place::Header(name) => match single(headers, name)? {
                    Some(kind) => Some(Cow::Borrowed(bounded(kind, MAX_NAME, place)?)),
                    None => None,
                },
                Place::Field(_) => fields.take(Want::Kind).and_then(Scalar::name),
            };
            if kind.is_some() {
                return Ok(kind);
            }
        }
        Ok(None)
    }
}

impl<'b> Scalar<'b> {
    fn name(self) -> Option<Cow<'b, str>> {
        match self {
            Self::Text(text) if is_bounded(&text, MAX_NAME) => Some(text),
            Self::Text(_) | Self::Whole(_) => None,
        }
    }
}

/// The name of the delivery, if the place holds one.
pub(super) fn delivery_id(
    place: &Place,
    headers: &HeaderMap,
    fields: &mut Fields<'_>,
) -> Result<Option<String>, Refusal> {
    let id = match place {
        Place::Header(name) => single(headers, name)?.map(Cow::Borrowed),
        Place::Field(_) => fields.take(Want::DeliveryId).map(Scalar::into_text),
    };
    id.map(|id| bounded(&id, MAX_ID, place).map(str::to_owned))
        .transpose()
}

fn bounded<'a>(text: &'a str, max: usize, place: &Place) -> Result<&'a str, Refusal> {
    if is_bounded(text, max) {
        return Ok(text);
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
