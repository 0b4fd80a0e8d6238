//! Request bodies: read under a bound of size, time and memory, never trusted to be as long as they say. The time is real time,
//! not the mesh's clock: it guards a socket.
//!
//! A body in gzip is inflated, and what is verified, published and stored is what comes out: the coding is a matter of how the
//! bytes travel, and a provider signs its document before it is packed for a journey (RFC 9110, section 8.4).

mod budget;
mod gzip;

pub(crate) use budget::Budget;

use crate::answer::Refused;
use belfry_serve::Incoming;
use budget::{Held, SMALL};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use std::sync::Arc;
use std::time::Duration;

/// How much of a body that nobody wants is read and thrown away so that its sender comes to read the answer, in bytes.
const LINGER: usize = 64 << 20;

/// The body of one request.
pub(crate) struct Body {
    incoming: Incoming,
    /// Whether the client may still be sending.
    unread: bool,
    held: Held,
}

/// How a body is packed for its journey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    Gzip,
}

impl Coding {
    /// What the headers say.
    ///
    /// # Errors
    /// [`Refused::Encoded`] if it is another coding, or several.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Refused> {
        let mut coding = Self::Identity;
        for value in headers.get_all(header::CONTENT_ENCODING) {
            let named = value.as_bytes().trim_ascii();
            if named.is_empty() || named.eq_ignore_ascii_case(b"identity") {
                continue;
            }
            let is_gzip = [&b"gzip"[..], b"x-gzip"]
                .iter()
                .any(|name| named.eq_ignore_ascii_case(name));
            if !is_gzip || coding == Self::Gzip {
                return Err(Refused::Encoded);
            }
            coding = Self::Gzip;
        }
        Ok(coding)
    }
}

impl Body {
    pub(crate) fn new(incoming: Incoming, headers: &HeaderMap, budget: &Arc<Budget>) -> Self {
        // A client that asks before it sends will not send after a no.
        let unread = !incoming.is_end_stream() && !headers.contains_key(header::EXPECT);
        Self {
            incoming,
            unread,
            held: Held::none(budget),
        }
    }

    /// The whole body, as it was before it was packed. A large one counts against the budget for as long as it is kept.
    ///
    /// # Errors
    /// [`Refused::TooLarge`] as soon as it is known to be over `limit` bytes, as it comes or unpacked, [`Refused::Bomb`] if it
    /// grows out of all proportion, [`Refused::NotGzip`] if it is not packed as it says, [`Refused::TooSlow`] after `deadline`,
    /// [`Refused::Broken`] if the client went away or broke the protocol, [`Refused::Busy`] if the budget is spent.
    pub(crate) async fn read(
        &mut self,
        limit: usize,
        deadline: Duration,
        coding: Coding,
    ) -> Result<Bytes, Refused> {
        if self.incoming.size_hint().lower() > limit as u64 {
            return Err(Refused::TooLarge { limit });
        }
        let result = match tokio::time::timeout(deadline, self.receive(limit, coding)).await {
            Ok(result) => result,
            Err(_) => {
                self.unread = false;
                Err(Refused::TooSlow { deadline })
            }
        };
        let body = result.inspect_err(|_| self.held.release())?;
        Ok(if body.len() > SMALL {
            self.held.take().keep_with(body)
        } else {
            body
        })
    }

    async fn receive(&mut self, limit: usize, coding: Coding) -> Result<Bytes, Refused> {
        let sent = self.gather(limit).await?;
        match coding {
            Coding::Identity => Ok(sent),
            Coding::Gzip => gzip::inflate(sent, limit, &mut self.held).await,
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
            self.held.grow(data.len())?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_the_only_coding_and_is_applied_once() {
        for (lines, coding) in [
            (&[][..], Some(Coding::Identity)),
            (&["identity"], Some(Coding::Identity)),
            (&["", "Identity"], Some(Coding::Identity)),
            (&["gzip"], Some(Coding::Gzip)),
            (&[" GZIP "], Some(Coding::Gzip)),
            (&["x-gzip"], Some(Coding::Gzip)),
            (&["identity", "gzip"], Some(Coding::Gzip)),
            (&["gzip", "gzip"], None),
            (&["gzip, gzip"], None),
            (&["br"], None),
            (&["deflate"], None),
            (&["gzip;q=1"], None),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::CONTENT_ENCODING, line.parse().unwrap());
            }
            assert_eq!(Coding::of(&headers).ok(), coding, "{lines:?}");
        }
    }
}
