//! Where the hosts of services are, for the HTTP client.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::locate::Names;

/// Instead of the system's own resolver, whose waits nobody bounds and whose answers nobody keeps.
pub(super) struct Resolver(pub(super) Arc<Names>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let names = Arc::clone(&self.0);
        Box::pin(async move {
            let found = names.addresses(name.as_str()).await;
            let addresses = found.map_err(|why| format!("`{}`: {why}", name.as_str()))?;
            // The client puts the port of the URL in.
            let addresses: Vec<_> = addresses.iter().map(|address| SocketAddr::new(*address, 0)).collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
