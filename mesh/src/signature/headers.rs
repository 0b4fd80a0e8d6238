//! Reading headers.

use super::Refusal;
use super::place::Place;
use http::{HeaderMap, HeaderName};

/// The value of a header that is there once, in visible ASCII, or not at all.
pub(super) fn single<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Refusal::Repeated(Place::Header(name.clone())));
    }
    value
        .to_str()
        .map(Some)
        .map_err(|_| Refusal::NotAscii(name.clone()))
}

/// The value of a header that is there once, in visible ASCII.
pub(super) fn required<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h str, Refusal> {
    single(headers, name)?.ok_or_else(|| Refusal::Missing(Place::Header(name.clone())))
}

/// The value of an item that is there once in a header that is a list: `t` in `t=1,v1=2`.
pub(super) fn item<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
    item: &'static str,
) -> Result<&'h str, Refusal> {
    let place = || Place::Item(name.clone(), item);
    let list = required(headers, name)?;
    let mut values = list
        .split(',')
        .filter_map(|pair| pair.strip_prefix(item)?.strip_prefix('='));
    let value = values.next().ok_or_else(|| Refusal::Missing(place()))?;
    match values.next() {
        Some(_) => Err(Refusal::Repeated(place())),
        None => Ok(value),
    }
}
