//! From wall times to instants: what a cron expression means in a zone whose clocks are put forward and back.
//!
//! A fixed job fires when the zone's clock first shows, or first passes, a time that is named: a time that is skipped counts at
//! the first instant after the gap, a time that comes twice counts once. Any other job fires at every instant at which the clock
//! shows a time that is named. So does Debian's cron.

use super::cron::Cron;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// A change of the offset from universal time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shift {
    /// The first instant with the new offset.
    pub(super) at: Timestamp,
    pub(super) before: Offset,
    pub(super) after: Offset,
}

impl Shift {
    /// What the clock would show at that instant if it were not changed.
    pub(super) fn wall_before(&self) -> DateTime {
        self.before.to_datetime(self.at)
    }

    /// What the clock shows at that instant.
    pub(super) fn wall_after(&self) -> DateTime {
        self.after.to_datetime(self.at)
    }

    /// The first shift of a zone after this instant, even one by nothing.
    pub(super) fn following(zone: &TimeZone, after: Timestamp) -> Option<Self> {
        let next = zone.following(after).next()?;
        Self::at(zone, next.timestamp())
    }

    /// The last shift of a zone that is not after this instant.
    fn until(zone: &TimeZone, instant: Timestamp) -> Option<Self> {
        let last = zone.preceding(beyond(instant)).next()?;
        Self::at(zone, last.timestamp())
    }

    fn at(zone: &TimeZone, at: Timestamp) -> Option<Self> {
        Some(Self {
            at,
            before: zone.to_offset(at.checked_sub(SECOND).ok()?),
            after: zone.to_offset(at),
        })
    }
}

/// The first instant after `after` at which the job fires.
pub(super) fn next(cron: &Cron, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    let after = whole(after)?;
    if cron.fixed {
        next_fixed(cron, zone, after)
    } else {
        next_real(cron, zone, after)
    }
}

/// The last instant before `before` at which the job fires.
pub(super) fn previous(cron: &Cron, zone: &TimeZone, before: Timestamp) -> Option<Timestamp> {
    let floor = whole(before)?;
    let last = if floor < before {
        floor
    } else {
        floor.checked_sub(SECOND).ok()?
    };
    if cron.fixed {
        let shown = zone.to_datetime(last);
        let passed = passed(zone, last, shown).unwrap_or(shown);
        let wall = cron.until(passed)?;
        // What the clock has passed is not after `last`, but at the instant of a shift it shows what is passed only then.
        let instant = first_pass(zone, wall)?;
        debug_assert!(instant <= last);
        return Some(instant);
    }
    previous_real(cron, zone, last)
}

/// How many instants after `after` and not after `until` the job fires at.
pub(super) fn count(cron: &Cron, zone: &TimeZone, after: Timestamp, until: Timestamp) -> u64 {
    let bounds = || {
        let start = whole(after)?.checked_add(SECOND).ok()?;
        let end = beyond(whole(until)?);
        (start < end).then_some((start, end))
    };
    let Some((start, end)) = bounds() else {
        return 0;
    };
    let mut count = 0;
    let mut from = start;
    // Up to which time, exclusively, the clock has shown or passed all times before `from`.
    let mut shown = match Shift::until(zone, start) {
        Some(shift) if shift.at == start => shift.wall_before(),
        Some(shift) => shift.wall_before().max(zone.to_datetime(start)),
        None => zone.to_datetime(start),
    };
    while from < end {
        let shift = Shift::following(zone, from).filter(|shift| shift.at < end);
        let offset = zone.to_offset(from);
        let to = shift.map_or(end, |shift| shift.at);
        let (low, high) = (offset.to_datetime(from), offset.to_datetime(to));
        if cron.fixed {
            let skipped = cron.count(shown, low) > 0 && !cron.includes(low);
            count += u64::from(skipped) + cron.count(shown.max(low), high);
            shown = shown.max(high);
        } else {
            count += cron.count(low, high);
        }
        from = to;
    }
    count
}

fn next_fixed(cron: &Cron, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    let shown = zone.to_datetime(after);
    let wall = cron.after(shown)?;
    let instant = first_pass(zone, wall)?;
    if instant > after {
        return Some(instant);
    }
    // The clock was put back and shows for the second time what it has shown before.
    let wall = cron.after(passed(zone, after, shown)?)?;
    first_pass(zone, wall)
}

/// The last time that the clock has shown or passed at this instant, if it now shows an earlier one for the second time.
fn passed(zone: &TimeZone, instant: Timestamp, shown: DateTime) -> Option<DateTime> {
    match zone.to_ambiguous_timestamp(shown).offset() {
        AmbiguousOffset::Fold { after, .. } if after.to_timestamp(shown).ok()? == instant => {
            let shift = Shift::until(zone, instant)?;
            shift.wall_before().checked_sub(SECOND).ok()
        }
        _ => None,
    }
}

/// The instant at which the clock first shows this time, or passes it.
pub(super) fn first_pass(zone: &TimeZone, wall: DateTime) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(wall).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(wall).ok(),
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(wall).ok(),
        AmbiguousOffset::Gap { before, .. } => {
            let beyond = before.to_timestamp(wall).ok()?;
            Some(Shift::until(zone, beyond)?.at)
        }
    }
}

fn next_real(cron: &Cron, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    let mut offset = zone.to_offset(after);
    let mut wall = cron.after(offset.to_datetime(after));
    let mut from = after;
    loop {
        let found = wall.and_then(|wall| offset.to_timestamp(wall).ok());
        let Some(shift) = zone.following(from).next() else {
            return found;
        };
        from = shift.timestamp();
        if let Some(found) = found.filter(|found| *found < from) {
            return Some(found);
        }
        offset = shift.offset();
        wall = cron.from(offset.to_datetime(from));
        if wall.is_none() && found.is_none() {
            return None;
        }
    }
}

fn previous_real(cron: &Cron, zone: &TimeZone, last: Timestamp) -> Option<Timestamp> {
    let mut last = last;
    loop {
        let offset = zone.to_offset(last);
        let found = cron
            .until(offset.to_datetime(last))
            .and_then(|wall| offset.to_timestamp(wall).ok());
        let Some(shift) = zone.preceding(beyond(last)).next() else {
            return found;
        };
        let at = shift.timestamp();
        if let Some(found) = found.filter(|found| *found >= at) {
            return Some(found);
        }
        last = at.checked_sub(SECOND).ok()?;
    }
}

/// A second later, if there is one.
fn beyond(instant: Timestamp) -> Timestamp {
    instant.checked_add(SECOND).unwrap_or(Timestamp::MAX)
}

/// The whole second that an instant is in.
fn whole(instant: Timestamp) -> Option<Timestamp> {
    Timestamp::from_second(instant.as_nanosecond().div_euclid(1_000_000_000) as i64).ok()
}
