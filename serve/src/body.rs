//! The body of a request, as it arrives.

use crate::pulse::Pulse;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// The body of a request, as it arrives: of any length, at any pace.
#[derive(Debug)]
pub struct Incoming {
    incoming: hyper::body::Incoming,
    /// The connection's, until the body has arrived in full.
    open: Option<Arc<Pulse>>,
}

impl Incoming {
    pub(crate) fn new(incoming: hyper::body::Incoming, pulse: &Arc<Pulse>) -> Self {
        let open = (!incoming.is_end_stream()).then(|| {
            pulse.body_begins();
            pulse.clone()
        });
        Self { incoming, open }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        let arrived = match &frame {
            None => true,
            Some(Ok(_)) => self.incoming.is_end_stream(),
            Some(Err(_)) => false,
        };
        if arrived && let Some(pulse) = self.open.take() {
            pulse.body_ends(true);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Some(pulse) = self.open.take() {
            pulse.body_ends(false);
        }
    }
}
