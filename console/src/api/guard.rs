//! Who may not ask: web pages. The API has no password, and a browser on an operator's machine reaches it, so any page that the
//! operator visits could.

use super::refusal::Refusal;
use axum::extract::{Request, State};
use axum::http::uri::{Authority, Scheme};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use std::net::IpAddr;
use std::sync::Arc;

/// Which requests come from where they may.
#[derive(Debug)]
pub(crate) struct Guard {
    loopback: bool,
    hosts: Vec<String>,
}

impl Guard {
    /// The guard of a console that is bound to `address` and may be asked under these names besides.
    pub(crate) fn new(address: IpAddr, hosts: &[String]) -> Self {
        let hosts = hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        Self {
            loopback: address.to_canonical().is_loopback(),
            hosts,
        }
    }

    /// Judges a request by its head.
    fn judge(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let host = host(uri, headers);
        if self.loopback && !host.as_ref().is_some_and(|host| self.is_ours(host.host())) {
            return Err(foreign_host(host.as_ref()));
        }
        // Whoever sends two is no browser.
        for origin in headers.get_all(header::ORIGIN) {
            let same = origin
                .to_str()
                .is_ok_and(|origin| is_same_origin(origin, host.as_ref()));
            if !same {
                return Err(foreign_origin());
            }
        }
        Ok(())
    }

    /// A name that somebody else can make point here is none of ours. `localhost` and what is below it they cannot (RFC 6761,
    /// section 6.3).
    fn is_ours(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>();
        address.is_ok_and(|address| address.to_canonical().is_loopback())
            || host == "localhost"
            || host.ends_with(".localhost")
            || self.hosts.contains(&host)
    }
}

/// Lets a request pass, or refuses it.
pub(crate) async fn admit(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    guard.judge(request.uri(), request.headers())?;
    Ok(next.run(request).await)
}

/// The host that is asked, which a target in absolute form names before the header does (RFC 9112, section 3.2.2).
fn host(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    uri.authority()
        .cloned()
        .or_else(|| headers.get(header::HOST)?.to_str().ok()?.parse().ok())
}

/// Whether an origin is the console itself: a page that it served. The scheme may differ from the console's own, since a proxy may
/// have ended TLS.
fn is_same_origin(origin: &str, host: Option<&Authority>) -> bool {
    let (Ok(origin), Some(host)) = (origin.parse::<Uri>(), host) else {
        return false;
    };
    let (Some(scheme), Some(authority)) = (origin.scheme(), origin.authority()) else {
        return false;
    };
    let default = if *scheme == Scheme::HTTPS { 443 } else { 80 };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(default);
    authority.host().eq_ignore_ascii_case(host.host()) && port(authority) == port(host)
}

fn foreign_host(host: Option<&Authority>) -> Refusal {
    let named = host.map_or_else(|| "no host".to_owned(), |host| format!("host `{host}`"));
    Refusal::new(
        StatusCode::MISDIRECTED_REQUEST,
        format!(
            "the request is for {named}, and this console answers for this machine's own names; configure others as its hosts"
        ),
    )
}

fn foreign_origin() -> Refusal {
    Refusal::new(
        StatusCode::FORBIDDEN,
        "the request comes from a web page that this console did not serve; ask without a browser, or from the console's own pages",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn judge(bound: &str, hosts: &[&str], headers: &[(&'static str, &'static str)]) -> u16 {
        let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
        let guard = Guard::new(bound.parse().unwrap(), &hosts);
        let mut map = HeaderMap::new();
        for &(name, value) in headers {
            map.append(name, HeaderValue::from_static(value));
        }
        match guard.judge(&Uri::from_static("/triggers"), &map) {
            Ok(()) => 200,
            Err(refusal) => axum::response::IntoResponse::into_response(refusal)
                .status()
                .as_u16(),
        }
    }

    #[test]
    fn a_name_that_was_made_to_point_to_this_machine_is_refused() {
        for host in [
            "evil.example",
            "evil.example:8081",
            "localhost.evil.example",
            "10.0.0.7:8081",
            "127.0.0.1.nip.io",
            "",
        ] {
            assert_eq!(judge("127.0.0.1", &[], &[("host", host)]), 421, "{host}");
        }
        assert_eq!(judge("127.0.0.1", &[], &[]), 421);
    }

    #[test]
    fn this_machines_own_names_and_configured_ones_are_answered_on_any_port() {
        for host in [
            "localhost:8081",
            "127.0.0.1:8081",
            "127.9.9.9",
            "[::1]:8081",
            "LOCALHOST",
            "belfry.localhost:1",
            "localhost.",
        ] {
            assert_eq!(judge("127.0.0.1", &[], &[("host", host)]), 200, "{host}");
            assert_eq!(judge("::1", &[], &[("host", host)]), 200, "{host}");
        }
        assert_eq!(
            judge(
                "127.0.0.1",
                &["Console.Example"],
                &[("host", "console.example:443")]
            ),
            200
        );
    }

    #[test]
    fn a_console_on_another_address_takes_any_name() {
        for bound in ["0.0.0.0", "192.168.1.5", "::"] {
            assert_eq!(judge(bound, &[], &[("host", "console.example")]), 200);
        }
    }

    #[test]
    fn a_page_of_another_origin_is_refused_wherever_the_console_is_bound() {
        for bound in ["127.0.0.1", "0.0.0.0"] {
            for origin in [
                "https://evil.example",
                "null",
                "http://localhost:3000",
                "http://localhost",
                "",
                "file://",
            ] {
                let headers = [("host", "localhost:8081"), ("origin", origin)];
                assert_eq!(judge(bound, &[], &headers), 403, "{origin}");
            }
        }
        let two = [
            ("host", "localhost:8081"),
            ("origin", "http://localhost:8081"),
            ("origin", "http://evil.example"),
        ];
        assert_eq!(judge("127.0.0.1", &[], &two), 403);
    }

    #[test]
    fn the_consoles_own_page_is_answered_behind_a_proxy_too() {
        for (host, origin) in [
            ("localhost:8081", "http://localhost:8081"),
            ("console.example", "https://console.example"),
            ("console.example:443", "https://Console.Example"),
            ("[::1]:8081", "http://[::1]:8081"),
        ] {
            assert_eq!(
                judge("0.0.0.0", &[], &[("host", host), ("origin", origin)]),
                200,
                "{origin}"
            );
        }
    }
}
