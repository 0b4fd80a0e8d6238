//! W3C trace context: the one identifier that leads from a provider's request to the run that it caused.

use std::fmt;

/// A `traceparent` of version 00 (<https://www.w3.org/TR/trace-context/#traceparent-header>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    trace_id: u128,
    parent_id: u64,
    sampled: bool,
}

impl TraceParent {
    /// A new trace, sampled. A draw of zero, which the standard forbids, becomes one.
    pub fn new(rng: &mut impl rand::Rng) -> Self {
        let trace_id = (u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64())).max(1);
        Self {
            trace_id,
            parent_id: rng.next_u64().max(1),
            sampled: true,
        }
    }

    /// The trace of an incoming header value, or `None` if it is not one: the standard says to start a new trace then.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let mut parts = value.trim().split('-');
        let (version, trace, parent, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let lengths =
            version.len() == 2 && trace.len() == 32 && parent.len() == 16 && flags.len() == 2;
        let lower_hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let whole = version != "00" || parts.next().is_none();
        if !lengths
            || !whole
            || version == "ff"
            || ![version, trace, parent, flags].into_iter().all(lower_hex)
        {
            return None;
        }
        let trace_id = u128::from_str_radix(trace, 16).ok().filter(|&id| id != 0)?;
        let parent_id = u64::from_str_radix(parent, 16).ok().filter(|&id| id != 0)?;
        Some(Self {
            trace_id,
            parent_id,
            sampled: u8::from_str_radix(flags, 16).ok()? & 1 == 1,
        })
    }

    /// The same trace with a new parent: what one hop hands to the next.
    #[must_use]
    pub fn child(self, rng: &mut impl rand::Rng) -> Self {
        Self {
            parent_id: rng.next_u64().max(1),
            ..self
        }
    }

    /// The trace id in lower-case hex, for logs and look-ups.
    #[must_use]
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "00-{:032x}-{:016x}-{:02x}",
            self.trace_id,
            self.parent_id,
            u8::from(self.sampled)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_survives_its_own_text() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(TraceParent::parse(text).unwrap().to_string(), text);
    }

    #[test]
    fn what_the_standard_forbids_starts_a_new_trace() {
        for bad in [
            "",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-extra",
            "00-4bf92f35-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceParent::parse(bad), None, "{bad}");
        }
    }
}
