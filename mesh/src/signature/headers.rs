//! Reading headers.

use super::Refusal;
use super::recipe::Place;
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
        return Err(Refusal::Repeated(name.clone()));
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
