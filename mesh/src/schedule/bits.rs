//! Sets of small numbers, as the bits of a word.

/// The least member that is not under `least`.
pub(super) fn up(set: u64, least: u32) -> Option<u32> {
    let rest = set & u64::MAX.checked_shl(least)?;
    (rest != 0).then(|| rest.trailing_zeros())
}

/// The greatest member that is not over `most`, which is under 64.
pub(super) fn down(set: u64, most: u32) -> Option<u32> {
    let rest = set & (u64::MAX >> (63 - most));
    (rest != 0).then(|| 63 - rest.leading_zeros())
}

/// How many members are under `limit`.
pub(super) fn under(set: u64, limit: u32) -> u64 {
    let below = !u64::MAX.checked_shl(limit).unwrap_or(0);
    u64::from((set & below).count_ones())
}

/// Every `step`th number from `low` to `high`, which is under 64.
pub(super) fn series(low: u32, high: u32, step: u32) -> u64 {
    (low..=high)
        .step_by(step.max(1) as usize)
        .fold(0, |set, value| set | 1 << value)
}

/// The members, ascending.
pub(super) fn members(set: u64) -> impl Iterator<Item = u32> {
    (0..64).filter(move |value| set >> value & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_upwards_downwards_and_counted() {
        let set = series(3, 59, 7) | 1 << 63;
        assert_eq!(
            members(set).collect::<Vec<_>>(),
            [3, 10, 17, 24, 31, 38, 45, 52, 59, 63]
        );
        assert_eq!(
            (up(set, 0), up(set, 3), up(set, 4)),
            (Some(3), Some(3), Some(10))
        );
        assert_eq!((up(set, 60), up(set, 64), up(0, 0)), (Some(63), None, None));
        assert_eq!(
            (down(set, 63), down(set, 62), down(set, 2)),
            (Some(63), Some(59), None)
        );
        assert_eq!((under(set, 0), under(set, 10), under(set, 64)), (0, 1, 10));
    }
}
