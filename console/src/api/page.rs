//! Pages: how much of a long list is asked for, and from where on.

use super::refusal::Refusal;
use belfry_mesh::port::log::Sequence;

/// How many entries a page has if nothing else is said, and at most.
const USUAL: usize = 50;
const LARGEST: usize = 500;

/// How many entries are asked for.
pub(super) fn limit(asked: Option<usize>) -> Result<usize, Refusal> {
    let limit = asked.unwrap_or(USUAL);
    if (1..=LARGEST).contains(&limit) {
        Ok(limit)
    } else {
        Err(Refusal::bad_request(format!(
            "`limit` is {limit}; it may be 1 to {LARGEST}"
        )))
    }
}

/// Where the page begins. A cursor is a sequence, so that what is stored meanwhile moves no page.
pub(super) fn before(cursor: Option<&str>) -> Result<Option<Sequence>, Refusal> {
    let parse = |cursor: &str| {
        // SQLite counts to this.
        let sequence = cursor
            .parse()
            .ok()
            .filter(|&sequence| i64::try_from(sequence).is_ok());
        sequence.ok_or_else(|| Refusal::bad_request("`cursor` is not one that was given as `next`"))
    };
    cursor.map(parse).transpose()
}

/// The cursor of the next page.
pub(super) fn cursor(next: Option<Sequence>) -> Option<String> {
    next.map(|sequence| sequence.to_string())
}
