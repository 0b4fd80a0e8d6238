//! The clock changes that touch a schedule.

use super::cron::Cron;
use super::instants::Shift;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::fmt;

/// A clock change that touches a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// When.
    pub at: Timestamp,
    /// What the clocks show just before, rounded up: where they leave off.
    pub from: DateTime,
    /// What they show then.
    pub to: DateTime,
    /// What becomes of the times that are skipped or come twice.
    pub effect: Effect,
}

/// What a clock change does to a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Clocks are put forward, and what is skipped fires once at the end of the gap.
    OnceAfterTheGap,
    /// Clocks are put forward, and what is skipped does not fire.
    Skipped,
    /// Clocks are put back, and what comes twice fires the first time only.
    FirstPassOnly,
    /// Clocks are put back, and what comes twice fires both times.
    BothPasses,
}

/// The edges after `after` and not after `until`.
pub(super) fn edges(
    cron: &Cron,
    zone: &TimeZone,
    after: Timestamp,
    until: Timestamp,
) -> impl Iterator<Item = Edge> {
    let shifts = std::iter::successors(Shift::following(zone, after), |last| {
        Shift::following(zone, last.at)
    });
    shifts
        .take_while(move |shift| shift.at <= until)
        .filter_map(|shift| {
            let (from, to) = (shift.wall_before(), shift.wall_after());
            if cron.count(from.min(to), from.max(to)) == 0 {
                return None;
            }
            let effect = match (from < to, cron.fixed) {
                (true, true) => Effect::OnceAfterTheGap,
                (true, false) => Effect::Skipped,
                (false, true) => Effect::FirstPassOnly,
                (false, false) => Effect::BothPasses,
            };
            let at = shift.at;
            Some(Edge {
                at,
                from,
                to,
                effect,
            })
        })
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.from, self.to);
        let clock = |wall: DateTime| wall.strftime("%H:%M").to_string();
        let day = |wall: DateTime| wall.strftime("%Y-%m-%d").to_string();
        let same = from.date() == to.date();
        let ahead = if same {
            clock(to)
        } else {
            format!("{} {}", day(to), clock(to))
        };
        write!(f, "{} {}: clocks go to {ahead}; ", day(from), clock(from))?;
        f.write_str(match self.effect {
            Effect::OnceAfterTheGap => "what falls between fires once, right then",
            Effect::Skipped => "what falls between does not fire",
            Effect::FirstPassOnly => "what comes twice fires the first time only",
            Effect::BothPasses => "what comes twice fires both times",
        })
    }
}
