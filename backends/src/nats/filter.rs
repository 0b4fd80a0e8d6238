//! Which subjects a trigger's consumer wants.

use belfry_mesh::event::Address;
use belfry_mesh::port::Error;
use belfry_mesh::port::log::Subscription;

/// The subjects of a subscription. No two may match one subject, says the server, so a pattern that another one covers is left
/// out.
///
/// # Errors
/// [`Error::Refused`] for what is no pattern, and for two that cross (`a.*` and `*.b`), which NATS cannot serve together.
pub(super) fn subjects(subscription: &Subscription) -> Result<Vec<String>, Error> {
    let refused = |why: String| Error::Refused {
        what: format!("trigger `{}`", subscription.trigger),
        why,
    };
    let own = [
        Address::Trigger(subscription.trigger.clone()),
        Address::Tick(subscription.trigger.clone()),
    ];
    let mut subjects: Vec<String> = own.iter().map(Address::subject).collect();
    let mut signals: Vec<&str> = Vec::new();
    for pattern in subscription.signals.iter().map(String::as_str) {
        if !is_pattern(pattern) {
            return Err(refused(format!(
                "`{pattern}` is no signal pattern: write words parted by dots, `*` for any one word, `>` at the end for the rest"
            )));
        }
        if signals.iter().any(|other| covers(other, pattern)) {
            continue;
        }
        signals.retain(|other| !covers(pattern, other));
        if let Some(other) = signals.iter().find(|other| cross(other, pattern)) {
            return Err(refused(format!(
                "some signals match both `{other}` and `{pattern}`, which NATS cannot serve together: use one pattern that covers both"
            )));
        }
        signals.push(pattern);
    }
    subjects.extend(
        signals
            .into_iter()
            .map(|pattern| Address::Signal(pattern.to_owned()).subject()),
    );
    Ok(subjects)
}

fn is_pattern(pattern: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|b| b.is_ascii_graphic() && !matches!(b, b'*' | b'>'))
    };
    let (front, last) = pattern
        .rsplit_once('.')
        .map_or((None, pattern), |(front, last)| (Some(front), last));
    (last == ">" || last == "*" || word(last))
        && front.is_none_or(|front| front.split('.').all(|one| one == "*" || word(one)))
}

/// Whether everything that `narrow` matches, `wide` matches too.
fn covers(wide: &str, narrow: &str) -> bool {
    let (mut wide, mut narrow) = (wide.split('.'), narrow.split('.'));
    loop {
        match (wide.next(), narrow.next()) {
            (None, None) => return true,
            (Some(">"), Some(_)) => return true,
            (Some("*"), Some(word)) if word != ">" => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

/// Whether something matches both.
fn cross(a: &str, b: &str) -> bool {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        match (a.next(), b.next()) {
            (None, None) | (Some(">"), Some(_)) | (Some(_), Some(">")) => return true,
            (Some(one), Some(other)) if one == "*" || other == "*" || one == other => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use belfry_mesh::name::TriggerName;
    use std::time::Duration;

    fn signals(patterns: &[&str]) -> Result<Vec<String>, String> {
        let subscription = Subscription {
            trigger: TriggerName::parse("a").unwrap(),
            signals: patterns.iter().map(|&pattern| pattern.to_owned()).collect(),
            claim: Duration::from_secs(30),
        };
        let subjects = subjects(&subscription).map_err(|error| error.to_string())?;
        assert_eq!(subjects[..2], ["belfry.event.a", "belfry.tick.a"]);
        Ok(subjects[2..].to_vec())
    }

    #[test]
    fn a_pattern_that_another_covers_is_left_out() {
        for (patterns, kept) in [
            (
                &["workflow.completed", "workflow.*"][..],
                &["belfry.signal.workflow.*"][..],
            ),
            (
                &["workflow.>", "workflow.*.done", "team.x"],
                &["belfry.signal.workflow.>", "belfry.signal.team.x"],
            ),
            (&["a", "a"], &["belfry.signal.a"]),
            (&[">", "a.>", "*"], &["belfry.signal.>"]),
            (
                &["a.*", "a.*.c", "a"],
                &[
                    "belfry.signal.a.*",
                    "belfry.signal.a.*.c",
                    "belfry.signal.a",
                ],
            ),
        ] {
            assert_eq!(signals(patterns).unwrap(), kept);
        }
    }

    #[test]
    fn patterns_that_cross_are_refused_with_both_named() {
        for (a, b) in [("a.*", "*.b"), ("a.>", "*.b"), ("*.b.*", "a.>")] {
            let error = signals(&[a, b]).unwrap_err();
            assert!(
                error.contains(&format!("`{a}`")) && error.contains(&format!("`{b}`")),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for bad in [
            "", ".", "a.", ".a", "a..b", "a.>.b", "a b", "a*", "a.b>", ">.>",
        ] {
            assert!(
                signals(&[bad]).unwrap_err().contains("no signal pattern"),
                "{bad:?}"
            );
        }
    }
}
