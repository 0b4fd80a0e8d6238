//! The life of one connection: a handshake, then requests, and between them a wait that takes no buffer.

use crate::exchange::{self, Answers, Content};
use crate::pulse::Pulse;
use crate::seats::Seat;
use crate::wire::{Protocol, Socket, Wire};
use crate::{Config, Peer, Tasks};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The largest head of a request, in bytes; also how much of a body is read at once.
const MAX_HEAD: usize = 64 << 10;

/// How many requests of one HTTP/2 connection are taken at once.
const MAX_STREAMS: u32 = 128;

/// How many streams a client may reset before they were looked at, and how many may be reset for its errors, before the
/// connection is closed: rapid reset (CVE-2023-44487) and its kin.
const MAX_RESETS: (usize, usize) = (20, 128);

/// How much of a body, and of all bodies of a connection, an HTTP/2 client may send before it is told to go on: 2.5 MB/s at
/// 100 ms of round trip, so that 5 MiB arrive in time, and no more than that is held of what nobody reads.
const WINDOWS: (u32, u32) = (256 << 10, 512 << 10);

/// How much of an answer is held for an HTTP/2 client that does not read it.
const MAX_UNREAD: usize = 64 << 10;

/// How often an HTTP/2 client is asked whether it is there, and how long it may take to say so.
const PING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));

/// How often a connection is looked at while there is something to do, at most.
const LOOK: Duration = Duration::from_secs(1);

/// After how long without a request, at least, a connection's buffers are given back. They are most of what it takes.
const QUIET: Duration = Duration::from_millis(100);

/// How long a client may take, once the shutdown is asked for, to end a head that it has begun to send.
const LAST_HEAD: Duration = Duration::from_secs(1);

/// What all connections of a listener share.
pub(crate) struct Door<A> {
    pub(crate) answer: A,
    pub(crate) config: Config,
    pub(crate) shutdown: CancellationToken,
    pub(crate) tasks: Tasks,
}

/// Serves a connection to its end.
pub(crate) async fn serve<A, B>(
    door: Arc<Door<A>>,
    stream: TcpStream,
    address: SocketAddr,
    seat: Seat,
) where
    A: Answers<B>,
    B: Content,
{
    // Answers are small and must not wait for more to send; a socket that cannot be told so works all the same.
    let _ = stream.set_nodelay(true);
    let peer = Peer {
        address: SocketAddr::new(address.ip().to_canonical(), address.port()),
        tls: door.config.tls.is_some(),
    };
    let pulse = seat.pulse.clone();
    let Some(Some((mut wire, protocol))) =
        before_the_end(&door, &pulse, Box::pin(greet(&door, stream, &pulse))).await
    else {
        return;
    };
    if protocol == Protocol::Http2 {
        return Box::pin(http2(&door, wire, peer, &pulse)).await;
    }
    loop {
        let served = Box::pin(http1(&door, wire, peer, &pulse)).await;
        let Some(quiet) = served else {
            return;
        };
        let idle = tokio::time::timeout(door.config.idle_deadline, quiet.readable());
        match before_the_end(&door, &pulse, idle).await {
            Some(Ok(Ok(()))) => wire = quiet,
            _ => return,
        }
    }
}

/// Waits for what comes, unless the connection is to end before.
async fn before_the_end<A, T>(
    door: &Door<A>,
    pulse: &Pulse,
    what: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        came = what => Some(came),
        () = door.shutdown.cancelled() => None,
        () = pulse.leave.notified() => None,
    }
}

/// The handshake, and the first bytes of the first request.
async fn greet<A>(
    door: &Door<A>,
    stream: TcpStream,
    pulse: &Arc<Pulse>,
) -> Option<(Wire, Protocol)> {
    let greeting = async {
        let socket = match &door.config.tls {
            None => Socket::Plain(stream),
            Some(identity) => Socket::Encrypted(Box::new(identity.accept(stream).await?)),
        };
        let mut wire = Wire::new(socket, pulse.clone());
        wire.readable().await?;
        let protocol = wire.protocol().await?;
        Ok::<_, std::io::Error>((wire, protocol))
    };
    match tokio::time::timeout(door.config.head_deadline, greeting).await {
        Ok(Ok(greeted)) => Some(greeted),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a connection ended before its first request");
            None
        }
        Err(_) => None,
    }
}

/// Serves requests until the connection ends, or is quiet: then it is given back.
async fn http1<A, B>(door: &Door<A>, wire: Wire, peer: Peer, pulse: &Arc<Pulse>) -> Option<Wire>
where
    A: Answers<B>,
    B: Content,
{
    let service =
        service_fn(|request| exchange::answer(door.answer.clone(), request, peer, pulse.clone()));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // It is kept here, where a client that has begun to send is told from one that has not.
        .header_read_timeout(None)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(wire), service);
    let mut watch = Watch::new(&door.config, pulse);
    let mut ending = false;
    loop {
        tokio::select! {
            ended = &mut connection => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                }
                return None;
            }
            () = door.shutdown.cancelled(), if !ending => {
                ending = true;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
                watch.hurry();
            }
            () = pulse.leave.notified() => if pulse.spare_since().is_some() {
                return None;
            },
            () = watch.tick() => match watch.http1() {
                ControlFlow::Continue(false) => {}
                ControlFlow::Continue(true) if ending => return None,
                ControlFlow::Continue(true) => {
                    let parts = connection.into_parts();
                    return Some(parts.io.into_inner().unread(parts.read_buf));
                }
                ControlFlow::Break(why) => {
                    tracing::debug!("a connection was closed: {why}");
                    return None;
                }
            }
        }
    }
}

/// Serves requests until the connection ends.
async fn http2<A, B>(door: &Door<A>, wire: Wire, peer: Peer, pulse: &Arc<Pulse>)
where
    A: Answers<B>,
    B: Content,
{
    let (answer, of) = (door.answer.clone(), pulse.clone());
    let service =
        service_fn(move |request| exchange::answer(answer.clone(), request, peer, of.clone()));
    let mut connection = pin!(
        http2::Builder::new(door.tasks.clone())
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_pending_accept_reset_streams(MAX_RESETS.0)
            .max_local_error_reset_streams(MAX_RESETS.1)
            .max_header_list_size(MAX_HEAD as u32)
            .initial_stream_window_size(WINDOWS.0)
            .initial_connection_window_size(WINDOWS.1)
            .max_send_buf_size(MAX_UNREAD)
            .keep_alive_interval(PING.0)
            .keep_alive_timeout(PING.1)
            .serve_connection(TokioIo::new(wire), service)
    );
    let mut watch = Watch::new(&door.config, pulse);
    let mut ending = false;
    loop {
        let end = tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                }
                return;
            }
            () = door.shutdown.cancelled(), if !ending => true,
            () = pulse.leave.notified() => match pulse.spare_since() {
                Some(_) => return,
                None => false,
            },
            () = watch.tick() => match watch.http2() {
                // Told that it ends, and still there.
                ControlFlow::Continue(true) if ending => return,
                ControlFlow::Continue(end) => end,
                ControlFlow::Break(why) => {
                    tracing::debug!("a connection was closed: {why}");
                    return;
                }
            },
        };
        if end && !ending {
            ending = true;
            connection.as_mut().graceful_shutdown();
            watch.hurry();
        }
    }
}

/// Looks at a connection's pulse every now and then.
struct Watch<'a> {
    config: &'a Config,
    pulse: &'a Pulse,
    /// How often to look while there is something to do.
    every: Duration,
    next: Instant,
    /// Requests that were begun before.
    begun: u64,
    reads: u64,
    progress: (u64, Instant),
    /// When the connection was asked to end.
    ending: Option<Instant>,
}

impl<'a> Watch<'a> {
    fn new(config: &'a Config, pulse: &'a Pulse) -> Self {
        let shortest = config
            .head_deadline
            .min(config.idle_deadline)
            .min(config.answer_deadline);
        let every = (shortest / 4).clamp(Duration::from_millis(1), LOOK);
        Self {
            config,
            pulse,
            every,
            next: Instant::now() + every.min(QUIET),
            begun: pulse.begun(),
            reads: pulse.reads(),
            progress: (pulse.progress(), Instant::now()),
            ending: None,
        }
    }

    /// Waits until it is time to look.
    async fn tick(&mut self) {
        tokio::time::sleep_until(self.next).await;
        let waits = self.pulse.is_free() && self.pulse.head_for().is_none();
        let every = if waits {
            self.every.min(QUIET)
        } else {
            self.every
        };
        self.next = Instant::now() + every;
    }

    /// The connection was asked to end.
    fn hurry(&mut self) {
        self.ending = Some(Instant::now());
    }

    /// Whether the connection is quiet between two requests, or why it is to be closed.
    fn http1(&mut self) -> ControlFlow<&'static str, bool> {
        self.answers_are_read()?;
        let head = self.pulse.head_for();
        let first = self.pulse.begun() == 0;
        let arriving = if first {
            Some(self.pulse.turned())
        } else {
            head
        };
        if arriving.is_some_and(|since| since >= self.config.head_deadline) {
            return ControlFlow::Break("the head of a request did not arrive in time");
        }
        // One that a body has led astray is never given back, and ends here.
        if self.pulse.is_free()
            && head.is_none()
            && self.pulse.turned() >= self.config.idle_deadline
        {
            return ControlFlow::Break("it was idle for too long");
        }
        if self.pulse.is_free() && self.is_over() {
            return ControlFlow::Break("the shutdown waits for no more requests");
        }
        let reads = self.pulse.reads();
        let still = std::mem::replace(&mut self.reads, reads) == reads;
        // One that was given back with bytes that nobody had used must first make a request of them.
        let served = self.pulse.begun() > self.begun;
        ControlFlow::Continue(still && served && head.is_none() && self.pulse.is_between_requests())
    }

    /// Whether the connection has had no request for long, or why it is to be closed.
    fn http2(&mut self) -> ControlFlow<&'static str, bool> {
        self.answers_are_read()?;
        if !self.pulse.is_free() {
            return ControlFlow::Continue(false);
        }
        if self.is_over() {
            return ControlFlow::Break("it was asked to end and did not");
        }
        let patience = if self.pulse.begun() == 0 {
            self.config.head_deadline
        } else {
            self.config.idle_deadline
        };
        ControlFlow::Continue(self.pulse.turned() >= patience)
    }

    fn is_over(&self) -> bool {
        self.ending
            .is_some_and(|since| since.elapsed() >= LAST_HEAD)
    }

    fn answers_are_read(&mut self) -> ControlFlow<&'static str> {
        let progress = self.pulse.progress();
        if progress != self.progress.0 || !self.pulse.waits_for_reader() {
            self.progress = (progress, Instant::now());
        }
        if self.progress.1.elapsed() >= self.config.answer_deadline {
            return ControlFlow::Break("its client does not read what it asked for");
        }
        ControlFlow::Continue(())
    }
}
