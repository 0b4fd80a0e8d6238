//! One request and its answer: what is decided before a service sees it, and what is known of it while it is under way.

use crate::Peer;
use crate::body::Incoming;
use crate::pulse::Pulse;
use belfry_mesh::Problem;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_service::Service;

/// How many headers a request may have, as many as the HTTP/1.1 implementation takes.
const MAX_HEADERS: usize = 100;

/// What answers requests.
pub(crate) trait Answers<B>: Clone + Send + Sync + 'static {
    /// Answers one.
    fn answer(
        &self,
        request: Request<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = Response<B>> + Send + 'static;
}

impl<F, A, B> Answers<B> for F
where
    F: Fn(Request<Incoming>, Peer) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<B>> + Send + 'static,
{
    fn answer(
        &self,
        request: Request<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = Response<B>> + Send + 'static {
        self(request, peer)
    }
}

/// Whatever can be the body of an answer.
pub(crate) trait Content:
    Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static
{
}

impl<B> Content for B where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static
{
}

/// The body of an answer, for as long as the connection has not taken all of it.
pub(crate) struct Outgoing<B> {
    content: Result<B, Full<Bytes>>,
    pulse: Arc<Pulse>,
    waits: bool,
}

/// Answers one request of a connection, which is under way from here on, and not only when somebody waits for the answer.
pub(crate) fn answer<A, B>(
    answers: A,
    mut request: Request<hyper::body::Incoming>,
    peer: Peer,
    pulse: Arc<Pulse>,
) -> impl Future<Output = Result<Response<Outgoing<B>>, Infallible>> + Send + 'static
where
    A: Answers<B>,
    B: Content,
{
    pulse.begin();
    let under_way = UnderWay(pulse);
    name_host(&mut request);
    let request = request.map(|incoming| Incoming::new(incoming, &under_way.0));
    async move {
        let response = if request.headers().len() > MAX_HEADERS {
            too_many_headers().map(Err)
        } else {
            // On its own, so that a connection without a request does not keep the room for one.
            Box::pin(answers.answer(request, peer)).await.map(Ok)
        };
        let pulse = under_way.0.clone();
        Ok(response.map(|content| Outgoing::new(content, pulse)))
    }
}

/// A request for which an answer is being made. With HTTP/2 a client can take it back.
struct UnderWay(Arc<Pulse>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Where the request's target names the host, as it does in HTTP/2, the `Host` header says the same (RFC 9112, section 3.2.2;
/// RFC 9113, section 8.3.1), so that who looks at it sees what was asked for.
fn name_host<B>(request: &mut Request<B>) {
    let authority = request.uri().authority();
    let host = authority.and_then(|named| HeaderValue::from_str(named.as_str()).ok());
    if let Some(host) = host {
        request.headers_mut().insert(header::HOST, host);
    }
}

fn too_many_headers() -> Response<Full<Bytes>> {
    let detail = format!("the request has more than {MAX_HEADERS} headers");
    Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, detail)
        .into_response()
        .map(|body| Full::new(body.into()))
}

impl<B> Outgoing<B> {
    fn new(content: Result<B, Full<Bytes>>, pulse: Arc<Pulse>) -> Self {
        pulse.answer_begins();
        Self {
            content,
            pulse,
            waits: false,
        }
    }

    fn waits(&mut self, waits: bool) {
        if self.waits != waits {
            self.waits = waits;
            self.pulse.source_waits(waits);
        }
    }
}

impl<B: Content> Body for Outgoing<B> {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = match &mut self.content {
            Ok(content) => Pin::new(content)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(Into::into))),
            Err(own) => Pin::new(own)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(Into::into))),
        };
        self.waits(frame.is_pending());
        if frame.is_ready() {
            self.pulse.progressed();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Ok(content) => content.is_end_stream(),
            Err(own) => own.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Ok(content) => content.size_hint(),
            Err(own) => own.size_hint(),
        }
    }
}

impl<B> Drop for Outgoing<B> {
    fn drop(&mut self) {
        self.waits(false);
        self.pulse.answer_ends();
    }
}

/// An answer that is being made.
pub type Routed<B> = Pin<Box<dyn Future<Output = Response<B>> + Send>>;

/// What answers by a service such as a router. The [`Peer`] is among the request's extensions.
pub fn routed<S, B>(
    service: S,
) -> impl Fn(Request<Incoming>, Peer) -> Routed<B> + Clone + Send + Sync + 'static
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    move |mut request, peer| {
        let mut service = service.clone();
        request.extensions_mut().insert(peer);
        Box::pin(async move {
            let ready = poll_fn(|cx| service.poll_ready(cx)).await;
            let answered = match ready {
                Ok(()) => service.call(request).await,
                Err(never) => match never {},
            };
            answered.unwrap_or_else(|never| match never {})
        })
    }
}
