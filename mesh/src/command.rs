//! Commands over the bus: where they are sent, how they are read and how they are answered. The console serves those on triggers
//! and mcps, each agent those on its node; what they mean is [`crate::control`].

use crate::name::{NodeName, TriggerName};
use crate::package::Kind;
use crate::port::Error;
use crate::port::calls::{Answer, Calls, Handler, Serving};
use crate::port::clock::Clock;
use crate::port::runtime::LogLine;
use crate::problem::Problem;
use bytes::Bytes;
use http::StatusCode;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The longest that may be said of who asks, in bytes.
pub const MAX_BY: usize = 64;

/// The most lines of a log that are told at once.
pub const MAX_LINES: usize = 1_000;

/// How many lines of a log are told if it is not said.
pub const LINES: usize = 100;

/// The longest that a request waits for a new line.
pub const MAX_WAIT: Duration = Duration::from_secs(30);

/// The longest answer, in bytes: it fits the bus' usual bound of 1 MB with room for what is around it.
const MAX_ANSWER: usize = 960 << 10;

/// How long a bus that is away, or refuses, is left alone.
const RETRY: Duration = Duration::from_secs(2);

/// A request to read a log: of what a slot's container writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadLog {
    /// The trigger or mcp.
    pub name: TriggerName,
    /// Which of its slots; the first that a node holds if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<u32>,
    /// How many lines at most, up to [`MAX_LINES`]: the last ones, or with `after` the next ones. [`LINES`] if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<usize>,
    /// Only lines that were written after that: the `after` of the answer before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Timestamp>,
    /// How long to wait for a line if there is none, in seconds, up to [`MAX_WAIT`]. Not at all if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_seconds: Option<u64>,
}

/// Lines of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPage {
    /// The node that the container is on.
    pub node: NodeName,
    /// Which of the slots it is.
    pub slot: u32,
    /// The container's name.
    pub container_name: String,
    /// The lines, oldest first.
    pub lines: Vec<LogLine>,
    /// Where to go on: after the last of the lines.
    pub after: Timestamp,
}

impl ReadLog {
    /// How many lines are asked for.
    ///
    /// # Errors
    /// If that is none, or too many.
    pub fn lines(&self) -> Result<usize, Problem> {
        let lines = self.lines.unwrap_or(LINES);
        if (1..=MAX_LINES).contains(&lines) {
            return Ok(lines);
        }
        Err(refused(format!(
            "`lines` is {lines}; it may be 1 to {MAX_LINES}"
        )))
    }

    /// How long to wait for a line.
    ///
    /// # Errors
    /// If that is too long.
    pub fn wait(&self) -> Result<Duration, Problem> {
        let wait = Duration::from_secs(self.wait_seconds.unwrap_or_default());
        if wait <= MAX_WAIT {
            return Ok(wait);
        }
        Err(refused(format!(
            "`wait_seconds` is {}; it may be 0 to {}",
            wait.as_secs(),
            MAX_WAIT.as_secs()
        )))
    }
}

/// Where commands on packages of a kind are sent: `belfry.cmd.{kind}.{verb}`.
#[must_use]
pub fn subject(kind: Kind, verb: &str) -> String {
    format!("belfry.cmd.{}.{verb}", kind.as_str())
}

/// Where commands on a node are sent: `belfry.cmd.node.{node}.{verb}`.
#[must_use]
pub fn node_subject(node: &NodeName, verb: &str) -> String {
    format!("belfry.cmd.node.{node}.{verb}")
}

/// Reads a request: a JSON object. None at all is as good as `{}`.
///
/// # Errors
/// What is wrong with it, and what may be in it.
pub fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Problem> {
    let payload = match payload.trim_ascii() {
        [] => b"{}",
        payload => payload,
    };
    // The parser would take a list for an object, its items in the order of the fields.
    if payload.first() != Some(&b'{') {
        return Err(refused("the request must be a JSON object"));
    }
    serde_json::from_slice(payload)
        .map_err(|error| refused(format!("the request cannot be taken: {error}")))
}

/// Who asks, for the record.
///
/// # Errors
/// If that is not what can stand in a record.
pub fn by(said: Option<&str>) -> Result<String, Problem> {
    let Some(said) = said else {
        return Ok("bus".to_owned());
    };
    let said = said.trim();
    let visible = |b: u8| b == b' ' || b.is_ascii_graphic();
    if (1..=MAX_BY).contains(&said.len()) && said.bytes().all(visible) {
        return Ok(said.to_owned());
    }
    Err(refused(format!(
        "`by` must say who asks in 1 to {MAX_BY} visible ASCII characters or spaces"
    )))
}

/// The answer to a request. Why it was refused is told twice: as a problem document, and as the bus' own fault.
pub fn answer<T: Serialize>(result: Result<T, Problem>) -> Answer {
    let done = result.and_then(|done| {
        let payload = serde_json::to_vec(&done)
            .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
        bounded(payload.into())
    });
    match done {
        Ok(payload) => payload.into(),
        Err(problem) => {
            let payload = serde_json::to_vec(&problem).unwrap_or_default();
            Answer::fault(problem.status, problem.detail, payload)
        }
    }
}

fn bounded(payload: Bytes) -> Result<Bytes, Problem> {
    if payload.len() <= MAX_ANSWER {
        return Ok(payload);
    }
    let detail = format!(
        "the answer is too large for the bus: {} bytes, at most {MAX_ANSWER}; ask for less, or ask the console's API",
        payload.len()
    );
    Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail))
}

/// Serves all these subjects until what is returned is dropped. What the bus does not let be served yet is tried until it does,
/// and `complain` is told of it once.
pub async fn serve(
    calls: &dyn Calls,
    clock: &dyn Clock,
    endpoints: Vec<(String, Handler)>,
    complain: impl Fn(&str, &Error),
) -> Vec<Serving> {
    let mut serving = Vec::new();
    let (mut left, mut silent) = (endpoints, false);
    loop {
        let mut refused = Vec::new();
        for (subject, handler) in left {
            match calls.serve(&subject, handler.clone()).await {
                Ok(one) => serving.push(one),
                Err(error) => {
                    if !silent {
                        complain(&subject, &error);
                    }
                    silent |= error.is_retryable();
                    refused.push((subject, handler));
                }
            }
        }
        if refused.is_empty() {
            return serving;
        }
        (left, silent) = (refused, true);
        clock.sleep(RETRY).await;
    }
}

fn refused(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_log(payload: &str) -> Result<ReadLog, Problem> {
        read(payload.as_bytes())
    }

    #[test]
    fn a_request_that_cannot_be_taken_says_what_can() {
        for (payload, says) in [
            (r#"["hook"]"#, "must be a JSON object"),
            (r#"{"nmae": "hook"}"#, "expected one of `name`, `slot`"),
            (r#"{"name": "No Name"}"#, "`No Name` is not a trigger name"),
            (r#"{"name": "hook""#, "EOF"),
            ("", "missing field `name`"),
        ] {
            let problem = read_log(payload).unwrap_err();
            assert_eq!(problem.status, 400, "{payload}");
            assert!(problem.detail.contains(says), "{payload}: {problem:?}");
        }
        let bare = read_log(r#"{"name": "hook"}"#).unwrap();
        assert_eq!((bare.lines(), bare.wait()), (Ok(LINES), Ok(Duration::ZERO)));
        for much in [r#""lines": 1001"#, r#""lines": 0"#, r#""wait_seconds": 31"#] {
            let asked = read_log(&format!(r#"{{"name": "hook", {much}}}"#)).unwrap();
            assert!(asked.lines().is_err() || asked.wait().is_err(), "{much}");
        }
    }

    #[test]
    fn a_refusal_is_told_by_its_document_and_by_its_fault() {
        let problem = Problem::new(StatusCode::NOT_FOUND, "there is no such thing");
        let told = answer::<()>(Err(problem));
        let fault = told.fault.unwrap();
        assert_eq!(
            (fault.code, fault.description.as_str()),
            (404, "there is no such thing")
        );
        let document: Problem = serde_json::from_slice(&told.payload).unwrap();
        assert_eq!(document.detail, "there is no such thing");
        let huge = answer(Ok("x".repeat(MAX_ANSWER)));
        assert_eq!(huge.fault.unwrap().code, 413);
    }

    #[test]
    fn who_asks_can_stand_in_a_record() {
        assert_eq!(by(None).unwrap(), "bus");
        assert_eq!(
            by(Some(" ada of operations ")).unwrap(),
            "ada of operations"
        );
        for bad in ["", "  ", "a\nb", "é", &"x".repeat(65)] {
            assert!(by(Some(bad)).is_err(), "{bad:?} was taken");
        }
    }

    /// A bus that is away at first, and refuses one subject for a while longer.
    #[derive(Default)]
    struct Away(std::sync::atomic::AtomicUsize);

    #[async_trait::async_trait]
    impl Calls for Away {
        async fn request(&self, _: &str, _: Bytes, _: Duration) -> Result<Answer, Error> {
            unreachable!("nobody asks")
        }

        async fn serve(&self, subject: &str, _: Handler) -> Result<Serving, Error> {
            let what = || subject.to_owned();
            match self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
                0..2 => Err(Error::Unavailable {
                    what: what(),
                    why: "it is away".into(),
                }),
                2..6 if subject == "b" => Err(Error::Refused {
                    what: what(),
                    why: "not yet".into(),
                }),
                _ => Ok(Serving::new(())),
            }
        }
    }

    #[async_trait::async_trait]
    impl Clock for Away {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        async fn sleep(&self, _: Duration) {}
    }

    #[tokio::test]
    async fn what_the_bus_does_not_let_be_served_yet_is_tried_until_it_does() {
        let bus = Away::default();
        let complaints = std::sync::Mutex::new(Vec::<String>::new());
        let handler: Handler = std::sync::Arc::new(|_| unreachable!("nobody asks"));
        let all = ["a", "b"].map(|subject| (subject.to_owned(), handler.clone()));
        let complain = |subject: &str, error: &Error| {
            let complaint = format!("{subject}: {error}");
            complaints.lock().unwrap().push(complaint);
        };
        let serving = serve(&bus, &bus, all.to_vec(), complain).await;
        assert_eq!(serving.len(), 2);
        let told = complaints.into_inner().unwrap();
        assert_eq!(told, ["a: a is unavailable: it is away"]);
        assert_eq!(bus.0.into_inner(), 7);
    }
}
