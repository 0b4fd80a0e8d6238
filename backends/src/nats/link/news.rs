//! What is known of the connection.

use async_nats::Event;
use tokio::sync::watch;

/// How the connection is.
#[derive(Debug, Clone, Default)]
pub(super) struct News {
    /// Whether it is there.
    pub(super) up: bool,
    /// How often it came up.
    pub(super) connection: u64,
    /// What the server last complained about on this connection.
    pub(super) complaint: Option<String>,
}

/// Notes what the client says of it.
pub(super) fn note(news: &watch::Sender<News>, event: Event, address: &str) {
    match event {
        Event::Connected => {
            tracing::info!(address, "connected to the bus");
            news.send_modify(|news| {
                let connection = news.connection + 1;
                *news = News {
                    up: true,
                    connection,
                    complaint: None,
                };
            });
        }
        Event::Disconnected | Event::Closed => {
            tracing::warn!(address, "the connection to the bus is lost; trying again");
            news.send_modify(|news| news.up = false);
        }
        Event::ServerError(error) => {
            tracing::warn!(address, %error, "the bus complains");
            news.send_modify(|news| news.complaint = Some(error.to_string()));
        }
        Event::SlowConsumer(subscription) => {
            tracing::warn!(
                address,
                subscription,
                "messages of the bus were dropped: they come faster than they are read"
            );
        }
        Event::LameDuckMode => tracing::info!(address, "this server of the bus is about to stop"),
        // An attempt to connect that failed is followed by the next one.
        Event::ClientError(error) => tracing::debug!(address, %error, "no connection to the bus"),
        Event::Draining => {}
    }
}
