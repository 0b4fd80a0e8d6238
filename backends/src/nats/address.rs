//! Addresses of servers, as they may be shown.

use async_nats::ServerAddr;
use belfry_mesh::port::Error;
use secrecy::{ExposeSecret, SecretString};

/// The servers that a configured address names, and the address as errors and logs may show it.
pub(super) fn parse(url: &SecretString) -> Result<(Vec<ServerAddr>, String), Error> {
    let shown = crate::config::without_credentials(url.expose_secret());
    let servers = url.expose_secret().split(',').map(|one| one.trim().parse()).collect::<Result<_, _>>();
    match servers {
        Ok(servers) => Ok((servers, format!("NATS at {shown}"))),
        Err(error) => Err(Error::Refused {
            what: format!("the NATS address {shown}"),
            why: format!("it is not one ({error}): write nats://[user:password@]host[:port], several parted by commas"),
        }),
    }
}
