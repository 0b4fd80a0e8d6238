//! One attempt: POST the event to its trigger and read what became of it.

use belfry_mesh::Event;
use belfry_mesh::outcome::Status;
use belfry_mesh::retry::Answer;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// How much of an answer is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// How much of an answer's text is kept as a reason, in characters.
const MAX_REASON: usize = 500;

/// What a trigger answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    /// What it means for trying again.
    pub(crate) answer: Answer,
    /// For a success, whether the target runs or the event was ignored.
    pub(crate) status: Status,
    /// The orchestrator's name for the run.
    pub(crate) execution_id: Option<String>,
    /// Why it was ignored or failed, in words.
    pub(crate) reason: Option<String>,
    /// What the orchestrator answered, for a sender that waits.
    pub(crate) result: Option<Value>,
}

impl Reply {
    /// No answer, for this reason.
    pub(crate) fn none(reason: String) -> Self {
        Self {
            answer: Answer::None,
            status: Status::Retrying,
            execution_id: None,
            reason: Some(reason),
            result: None,
        }
    }
}

/// What a trigger may say in its body: the trigger contract's, or a problem document's.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    status: Value,
    execution_id: Option<Value>,
    result: Option<Value>,
    reason: Option<String>,
    detail: Option<String>,
}

/// The client for what containers answer. It follows no redirect, by which a container would have the agent ask, from where it
/// stands, whatever the container itself cannot reach; and no proxy is between them.
pub fn client() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
}

/// Posts the event in the HTTP binary mode of CloudEvents and waits up to `timeout` for the whole answer.
pub(crate) async fn post(
    http: &reqwest::Client,
    url: &str,
    event: &Event,
    timeout: Duration,
) -> Reply {
    let mut request = http.post(url).timeout(timeout).body(event.data.clone());
    for (name, value) in event.attributes_for_trigger() {
        request = request.header(name.as_ref(), value);
    }
    let sent = async {
        let response = request.send().await?;
        let (status, after) = (response.status().as_u16(), retry_after(response.headers()));
        Ok((status, after, read(response).await?))
    };
    match sent.await {
        Ok((status, after, body)) => interpret(status, after, &body),
        Err(error) => unanswered(&error, timeout),
    }
}

/// Reads as much of the body as is of use.
async fn read(mut response: reqwest::Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk[..chunk.len().min(MAX_ANSWER - body.len())]);
        if body.len() == MAX_ANSWER {
            break;
        }
    }
    Ok(body)
}

/// The seconds form of `Retry-After`. Its date form is for people's caches; backoff serves instead.
fn retry_after(headers: &http::HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(http::header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}

/// What a status and a body mean. A 2xx whose body says nothing counts as triggered, so that any container can be a trigger.
fn interpret(status: u16, after: Option<Duration>, body: &[u8]) -> Reply {
    if (300..400).contains(&status) {
        let reason =
            format!("the trigger answered with a redirect, which is not followed: {status}");
        return Reply {
            answer: Answer::Status(status, after),
            ..Reply::none(reason)
        };
    }
    let parsed: Option<Body> = serde_json::from_slice(body).ok();
    let text = || {
        format!(
            "the trigger answered {status}: {}",
            bounded(&String::from_utf8_lossy(body))
        )
    };
    let said = parsed.unwrap_or_default();
    let succeeded = (200..300).contains(&status);
    let ignored = succeeded && said.status == "ignored";
    let execution_id = said.execution_id.and_then(|id| match id {
        Value::String(id) => Some(id),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    });
    let words = said.reason.or(said.detail).map(|words| bounded(&words));
    Reply {
        answer: Answer::Status(status, after),
        status: if ignored {
            Status::Ignored
        } else {
            Status::Triggered
        },
        execution_id,
        reason: if succeeded {
            words
        } else {
            Some(words.unwrap_or_else(text))
        },
        result: said.result.filter(|_| succeeded && !ignored),
    }
}

fn unanswered(error: &reqwest::Error, timeout: Duration) -> Reply {
    let reason = if error.is_timeout() {
        format!(
            "the trigger did not answer within its timeout of {} s",
            timeout.as_secs_f32()
        )
    } else if error.is_connect() {
        "the trigger cannot be reached".to_owned()
    } else {
        "the trigger broke the connection off before it answered".to_owned()
    };
    Reply::none(reason)
}

fn bounded(text: &str) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(MAX_REASON).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[test]
    fn the_contract_s_answers_are_understood() {
        let reply = interpret(
            200,
            None,
            br#"{"status":"triggered","execution_id":"ex-1","result":{"score":7}}"#,
        );
        assert_eq!(
            (reply.status, reply.execution_id.as_deref()),
            (Status::Triggered, Some("ex-1"))
        );
        assert_eq!(reply.result, Some(serde_json::json!({"score": 7})));
        let reply = interpret(
            200,
            None,
            br#"{"status":"ignored","reason":"action closed"}"#,
        );
        assert_eq!(
            (reply.status, reply.reason.as_deref()),
            (Status::Ignored, Some("action closed"))
        );
    }

    #[test]
    fn a_container_that_says_nothing_has_triggered() {
        for body in [&b""[..], b"OK", b"[1]", b"{\"status\":7}"] {
            let reply = interpret(204, None, body);
            assert_eq!(
                (reply.status, reply.reason),
                (Status::Triggered, None),
                "{body:?}"
            );
        }
    }

    #[test]
    fn a_failure_keeps_its_words_on_one_bounded_line() {
        let reply = interpret(
            422,
            None,
            br#"{"title":"x","status":422,"detail":"no such workflow"}"#,
        );
        assert_eq!(reply.reason.as_deref(), Some("no such workflow"));
        let long = format!("boom\n\tat {}", "x".repeat(2_000));
        let reason = interpret(500, None, long.as_bytes()).reason.unwrap();
        assert!(
            reason.starts_with("the trigger answered 500: boom at xxx"),
            "{reason}"
        );
        assert!(reason.len() < 600 && !reason.contains('\n'));
    }

    #[tokio::test]
    async fn a_redirect_is_told_and_leads_the_agent_nowhere() {
        let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = elsewhere.local_addr().unwrap();
        let trigger = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/event", trigger.local_addr().unwrap());
        let answering = async {
            let (mut stream, _) = trigger.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            let answer = format!(
                "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{target}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        };
        // Another test of this process may have installed it already.
        let provider = rustls::crypto::ring::default_provider();
        provider.install_default().ok();
        let http = client().build().unwrap();
        let posting = http.post(&url).send();
        let (response, ()) = tokio::join!(posting, answering);
        let reply = interpret(response.unwrap().status().as_u16(), None, b"x");
        assert_eq!(reply.answer, Answer::Status(307, None));
        assert_eq!(
            reply.reason.as_deref(),
            Some("the trigger answered with a redirect, which is not followed: 307")
        );
        let led = tokio::time::timeout(Duration::from_millis(50), elsewhere.accept()).await;
        assert!(led.is_err(), "it was followed");
    }
}
