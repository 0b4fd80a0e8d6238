//! Request bodies: read under a bound of size and time, never trusted to be as long as they say. The time is real time, not the
//! mesh's clock: it guards a socket.

use crate::answer::Refused;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use std::time::Duration;

/// How much of a body that nobody wants is read and thrown away so that its sender comes to read the answer, in bytes.
const LINGER: usize = 64 << 20;

/// The body of one request.
pub(crate) struct Body {
    incoming: Incoming,
    /// Whether the client may still be sending.
    unread: bool,
}

impl Body {
    pub(crate) fn new(incoming: Incoming, headers: &HeaderMap) -> Self {
        // A client that asks before it sends will not send after a no.
        let unread = !incoming.is_end_stream() && !headers.contains_key(header::EXPECT);
        Self { incoming, unread }
    }

    /// The whole body, byte for byte.
    ///
    /// # Errors
    /// [`Refused::TooLarge`] as soon as it is known to be over `limit` bytes, [`Refused::TooSlow`] after `deadline`,
    /// [`Refused::Broken`] if the client went away or broke the protocol.
    pub(crate) async fn read(
        &mut self,
        limit: usize,
        deadline: Duration,
    ) -> Result<Bytes, Refused> {
        if self.incoming.size_hint().lower() > limit as u64 {
            return Err(Refused::TooLarge { limit });
        }
        match tokio::time::timeout(deadline, self.gather(limit)).await {
            Ok(result) => result,
            Err(_) => {
                self.unread = false;
                Err(Refused::TooSlow { deadline })
            }
        }
    }

    async fn gather(&mut self, limit: usize) -> Result<Bytes, Refused> {
        // One frame, as most bodies are, is passed on without a copy; more are copied together, so that a body in very small
        // frames takes no more memory than its bytes.
        let mut first = Bytes::new();
        let mut rest = BytesMut::new();
        while let Some(data) = self.next().await? {
            if first.len().max(rest.len()) + data.len() > limit {
                return Err(Refused::TooLarge { limit });
            }
            if first.is_empty() && rest.is_empty() {
                first = data;
            } else {
                if rest.is_empty() {
                    rest.extend_from_slice(&std::mem::take(&mut first));
                }
                rest.extend_from_slice(&data);
            }
        }
        Ok(if rest.is_empty() {
            first
        } else {
            rest.freeze()
        })
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Refused> {
        loop {
            match self.incoming.frame().await {
                // What is not data is trailers, which no provider signs.
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
                Some(Err(_)) => {
                    self.unread = false;
                    return Err(Refused::Broken);
                }
                None => {
                    self.unread = false;
                    return Ok(None);
                }
            }
        }
    }

    /// What is still to be done with a body when its request is answered, if anything: to read on. A server that closes while
    /// its client still sends resets the connection, and the client never sees the answer.
    pub(crate) fn linger(mut self, deadline: Duration) -> Option<impl Future<Output = ()>> {
        self.unread.then_some(async move {
            let drain = async {
                let mut thrown_away = 0;
                while thrown_away <= LINGER
                    && let Ok(Some(data)) = self.next().await
                {
                    thrown_away += data.len();
                }
            };
            let _ = tokio::time::timeout(deadline, drain).await;
        })
    }
}
