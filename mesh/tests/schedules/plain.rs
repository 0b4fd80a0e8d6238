//! Cron read in the plainest way: sets of numbers, looked up for every second or minute that passes.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

const BOUNDS: [(i8, i8); 6] = [(0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 7)];
const MONTHS: &str = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC";
const DAYS: &str = "SUN MON TUE WED THU FRI SAT";

/// An expression without `L`, `W` and macros.
pub(crate) struct Plain {
    /// From seconds on.
    fields: Vec<BTreeSet<i8>>,
    /// Days of the week and which of them in the month.
    places: Vec<(i8, i8)>,
    /// Whether both day fields are restricted, so that either will do.
    either: bool,
    /// Neither seconds nor minutes nor hours begin with `*`.
    pub(crate) fixed: bool,
    /// How far two times that can be told apart are from each other.
    tick: SignedDuration,
}

impl Plain {
    /// Reads an expression, if it is one of these.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut words: Vec<&str> = text.split_ascii_whitespace().collect();
        let tick = SignedDuration::from_secs(if words.len() == 6 { 1 } else { 60 });
        if words.len() == 5 {
            words.insert(0, "0");
        }
        let (placed, days): (Vec<&str>, Vec<&str>) =
            words[5].split(',').partition(|item| item.contains('#'));
        let places = placed.iter().map(|item| {
            let (day, place) = item.split_once('#')?;
            Some((value(day, 5)? % 7, place.parse().ok()?))
        });
        let days = days.join(",");
        let fields =
            (0..6).map(|field| items(if field == 5 { &days } else { words[field] }, field));
        Some(Self {
            fields: fields.collect::<Option<_>>()?,
            places: places.collect::<Option<_>>()?,
            either: !words[3].starts_with('*') && !words[5].starts_with('*'),
            fixed: words[..3].iter().all(|word| !word.starts_with('*')),
            tick,
        })
    }

    /// Whether this time of the wall clock is named.
    pub(crate) fn names(&self, wall: DateTime) -> bool {
        let weekday = wall.weekday().to_sunday_zero_offset();
        let placed = self.places.contains(&(weekday, (wall.day() + 6) / 7));
        let weekday = placed
            || self.fields[5].contains(&weekday)
            || weekday == 0 && self.fields[5].contains(&7);
        let day = self.fields[3].contains(&wall.day());
        let others = [
            (wall.second(), 0),
            (wall.minute(), 1),
            (wall.hour(), 2),
            (wall.month(), 4),
        ];
        let days = if self.either {
            day || weekday
        } else {
            day && weekday
        };
        days && others
            .iter()
            .all(|(value, field)| self.fields[*field].contains(value))
    }

    /// The instants after `from` and not after `to` at which it fires, found by looking at the zone's clock at every tick. What
    /// is fixed fires when the clock shows more than it ever has, for what it then shows or has leapt over; anything else fires
    /// for what the clock shows.
    pub(crate) fn fires(&self, zone: &TimeZone, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
        let mut fires = Vec::new();
        // By so much no clock has been put back since 1970.
        let mut now = from.checked_sub(SignedDuration::from_hours(5)).unwrap();
        let mut shown = zone.to_datetime(now);
        while now < to {
            now = now.checked_add(self.tick).unwrap();
            let wall = zone.to_datetime(now);
            let mut fires_now = !self.fixed && self.names(wall);
            while self.fixed && shown < wall {
                shown = shown.checked_add(self.tick).unwrap();
                fires_now |= self.names(shown);
            }
            if fires_now && now > from && now <= to {
                fires.push(now);
            }
        }
        fires
    }
}

/// The values of a field.
fn items(word: &str, field: usize) -> Option<BTreeSet<i8>> {
    let mut set = BTreeSet::new();
    for item in word.split(',').filter(|item| !item.is_empty()) {
        let (range, step) = item.split_once('/').unwrap_or((item, ""));
        let (first, mut last) = ends(range, field)?;
        if first == last && !step.is_empty() {
            last = BOUNDS[field].1;
        }
        let step = if step.is_empty() {
            1
        } else {
            step.parse().ok()?
        };
        set.extend((first..=last).step_by(step));
    }
    Some(set)
}

/// The first and the last value of a range.
pub(crate) fn ends(range: &str, field: usize) -> Option<(i8, i8)> {
    if range == "*" {
        return Some(BOUNDS[field]);
    }
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    Some((value(first, field)?, value(last, field)?))
}

fn value(text: &str, field: usize) -> Option<i8> {
    let names = match field {
        4 => MONTHS,
        5 => DAYS,
        _ => "",
    };
    let named = names
        .split(' ')
        .position(|name| !name.is_empty() && name.eq_ignore_ascii_case(text));
    match named {
        Some(at) => Some(BOUNDS[field].0 + at as i8),
        None => text.parse().ok(),
    }
}
