//! When an attempt is made again: a pure function of the policy, the attempt and the answer.

use std::time::Duration;

/// The longest wait that a `Retry-After` is honoured for. A target that asks for more is asked again after this.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(3_600);

/// How often and how patiently an event is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How many attempts an event gets in all, at least one.
    pub max_attempts: u32,
    /// The unit of the exponential backoff.
    pub base: Duration,
    /// The longest backoff.
    pub cap: Duration,
}

/// What a trigger answered, as far as trying again is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// An HTTP status, with its `Retry-After`.
    Status(u16, Option<Duration>),
    /// No answer: not reached, cut off, or not within the trigger's timeout.
    None,
}

/// What follows from an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Done; the answer's body says what became of it.
    Done,
    /// Try again after this wait.
    Retry(Duration),
    /// Give up: the answer says that trying again is of no use.
    Refused,
    /// Give up: the attempts are spent.
    Spent,
}

/// Decides what follows from the answer to attempt number `attempt` (from 1). 2xx is done. A 4xx other than 408, 425 and 429
/// says that the same request will fail again, and a 3xx, which is not followed, that it would lead elsewhere again. Anything else is tried again while attempts are left, after
/// `min(cap, base·2^attempt)` with full jitter, `draw` being uniform in 0..1, and not before a `Retry-After`
/// (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>).
#[must_use]
pub fn decide(policy: &Policy, attempt: u32, answer: Answer, draw: f64) -> Decision {
    let after = match answer {
        Answer::Status(200..=299, _) => return Decision::Done,
        Answer::Status(408 | 425 | 429, after) => after,
        Answer::Status(300..=499, _) => return Decision::Refused,
        Answer::Status(_, after) => after,
        Answer::None => None,
    };
    if attempt >= policy.max_attempts {
        return Decision::Spent;
    }
    let backoff = backoff(policy, attempt).mul_f64(draw.clamp(0.0, 1.0));
    let asked = after.unwrap_or_default().min(MAX_RETRY_AFTER);
    Decision::Retry(backoff.max(asked))
}

/// The longest wait after attempt number `attempt`, before jitter.
#[must_use]
pub fn backoff(policy: &Policy, attempt: u32) -> Duration {
    let factor = 2_u32.saturating_pow(attempt);
    policy.base.saturating_mul(factor).min(policy.cap)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POLICY: Policy = Policy {
        max_attempts: 4,
        base: Duration::from_secs(1),
        cap: Duration::from_secs(5),
    };

    #[test]
    fn a_success_is_done_and_a_refusal_is_final() {
        assert_eq!(
            decide(&POLICY, 1, Answer::Status(202, None), 0.5),
            Decision::Done
        );
        for status in [400, 401, 404, 410, 422, 301, 302, 307, 308] {
            assert_eq!(
                decide(&POLICY, 1, Answer::Status(status, None), 0.5),
                Decision::Refused
            );
        }
    }

    #[test]
    fn what_may_pass_by_itself_is_tried_again_until_the_attempts_are_spent() {
        for answer in [500, 502, 503, 504, 408, 425, 429].map(|s| Answer::Status(s, None)) {
            assert!(
                matches!(decide(&POLICY, 3, answer, 0.5), Decision::Retry(_)),
                "{answer:?}"
            );
            assert_eq!(
                decide(&POLICY, 4, answer, 0.5),
                Decision::Spent,
                "{answer:?}"
            );
        }
        assert!(matches!(
            decide(&POLICY, 1, Answer::None, 0.5),
            Decision::Retry(_)
        ));
    }

    #[test]
    fn the_wait_doubles_up_to_its_cap() {
        let waits: Vec<_> = (1..=4)
            .map(|attempt| backoff(&POLICY, attempt).as_secs())
            .collect();
        assert_eq!(waits, [2, 4, 5, 5]);
        assert_eq!(backoff(&POLICY, u32::MAX), POLICY.cap);
    }

    #[test]
    fn a_retry_after_is_honoured_up_to_its_bound() {
        let asked = |secs| Answer::Status(429, Some(Duration::from_secs(secs)));
        assert_eq!(
            decide(&POLICY, 1, asked(30), 0.1),
            Decision::Retry(Duration::from_secs(30))
        );
        assert_eq!(
            decide(&POLICY, 1, asked(86_400), 0.1),
            Decision::Retry(MAX_RETRY_AFTER)
        );
    }

    proptest! {
        #[test]
        fn the_jitter_never_exceeds_the_backoff(attempt in 1_u32..100, draw in 0.0_f64..1.0) {
            let policy = Policy { max_attempts: u32::MAX, ..POLICY };
            match decide(&policy, attempt, Answer::None, draw) {
                Decision::Retry(wait) => prop_assert!(wait <= backoff(&policy, attempt)),
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }
}
