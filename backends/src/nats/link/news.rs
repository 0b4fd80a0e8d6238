//! What is known of the connection.

use async_nats::Event;
use std::collections::VecDeque;
use tokio::sync::watch;

/// How many complaints are remembered: as many as may come while one answer is waited for.
const REMEMBERED: usize = 32;

/// How the connection is.
#[derive(Debug, Clone, Default)]
pub(super) struct News {
    /// Whether it is there.
    pub(super) up: bool,
    /// How often it came up.
    pub(super) connection: u64,
    /// How often the server has complained, on this connection and the earlier ones.
    pub(super) complaints: u64,
    /// What the server last complained about on this connection, latest last.
    recent: VecDeque<String>,
}

impl News {
    /// What the server said against this subject after it had complained so often. A permission that is missing is told so, beside
    /// the answer that does not come.
    pub(super) fn complaint(&self, since: u64, subject: &str) -> Option<&str> {
        let news = usize::try_from(self.complaints - since).unwrap_or(usize::MAX);
        if news == 0 {
            return None;
        }
        let quoted = format!("\"{subject}\"");
        let mut latest_first = self.recent.iter().rev().take(news);
        latest_first
            .find(|complaint| complaint.contains(&quoted))
            .map(String::as_str)
    }

    /// What the server said against a subscription to inboxes of this prefix.
    pub(super) fn inbox_complaint(&self, prefix: &str) -> Option<&str> {
        let quoted = format!("Subscription to \"{prefix}.");
        let mut all = self.recent.iter();
        all.find(|complaint| complaint.contains(&quoted))
            .map(String::as_str)
    }
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
                    complaints: news.complaints,
                    recent: VecDeque::new(),
                };
            });
        }
        Event::Disconnected | Event::Closed => {
            tracing::warn!(address, "the connection to the bus is lost; trying again");
            news.send_modify(|news| news.up = false);
        }
        Event::ServerError(error) => {
            tracing::warn!(address, %error, "the bus complains");
            news.send_modify(|news| {
                news.complaints += 1;
                if news.recent.len() == REMEMBERED {
                    news.recent.pop_front();
                }
                news.recent.push_back(error.to_string());
            });
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

#[cfg(test)]
mod tests {
    use super::*;

    fn complaining(times: usize) -> watch::Sender<News> {
        let news = watch::channel(News::default()).0;
        for number in 0..times {
            let text = format!("Permissions Violation for Publish to \"a.{number}\"");
            note(
                &news,
                Event::ServerError(async_nats::ServerError::Other(text)),
                "",
            );
        }
        news
    }

    #[test]
    fn a_complaint_is_found_by_its_whole_subject_among_those_that_came_since() {
        let news = complaining(3);
        let news = news.borrow();
        assert!(news.complaint(0, "a.1").is_some());
        assert!(news.complaint(1, "a.1").is_some() && news.complaint(2, "a.1").is_none());
        assert!(news.complaint(0, "a").is_none() && news.complaint(3, "a.2").is_none());
    }

    #[test]
    fn complaints_are_remembered_for_one_connection_and_not_without_bound() {
        let news = complaining(2 * REMEMBERED);
        assert_eq!(news.borrow().recent.len(), REMEMBERED);
        assert!(news.borrow().complaint(0, "a.0").is_none());
        note(&news, Event::Connected, "");
        assert_eq!(news.borrow().complaints, 2 * REMEMBERED as u64);
        assert!(news.borrow().complaint(0, "a.63").is_none());
    }
}
