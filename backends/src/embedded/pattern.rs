//! Patterns of signal types, as NATS matches subjects.

/// Whether a signal's type matches a pattern: `*` stands for one token, `>` at the end for one or more, tokens being parted by dots
/// (<https://docs.nats.io/nats-concepts/subjects#wildcards>).
pub(super) fn matches(pattern: &str, kind: &str) -> bool {
    let (mut pattern, mut kind) = (pattern.split('.'), kind.split('.'));
    loop {
        match (pattern.next(), kind.next()) {
            (None, None) => return true,
            (Some(">"), Some(_)) => return pattern.next().is_none(),
            (Some(wanted), Some(found)) if wanted == "*" || wanted == found => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_is_one_token_and_an_angle_the_rest() {
        for (pattern, kind) in [
            ("workflow.completed", "workflow.completed"),
            ("workflow.*", "workflow.completed"),
            ("*.completed", "workflow.completed"),
            ("workflow.>", "workflow.completed"),
            ("workflow.>", "workflow.step.completed"),
            ("*.*.completed", "workflow.step.completed"),
            (">", "workflow"),
        ] {
            assert!(matches(pattern, kind), "{pattern} does not match {kind}");
        }
        for (pattern, kind) in [
            ("workflow", "workflow.completed"),
            ("workflow.completed", "workflow"),
            ("workflow.*", "workflow"),
            ("workflow.*", "workflow.step.completed"),
            ("workflow.>", "workflow"),
            ("workflow.>.completed", "workflow.step.completed"),
            ("work*", "workflow"),
            ("", "workflow"),
        ] {
            assert!(!matches(pattern, kind), "{pattern} matches {kind}");
        }
    }
}
