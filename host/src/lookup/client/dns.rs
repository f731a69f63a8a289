//! DNS, at one server or as the system is set up. What it answers is kept in the table alone.

use std::net::{IpAddr, SocketAddr};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Record, RecordType};

use crate::config::model;
use crate::lookup::error::Problem;

/// The client of one service.
#[derive(Debug)]
pub(in crate::lookup) struct DnsClient(TokioResolver);

impl DnsClient {
    /// `name` is the service's.
    pub(in crate::lookup) fn new(name: &str, config: &model::Service) -> Result<Self, Vec<Problem>> {
        let problem = |why: String| {
            let message = format!("{why}; such as `dns://127.0.0.1:53`, or `dns:` for the servers of the system");
            vec![Problem::new(format!("services.{name}.url"), message)]
        };
        let place = config.url.strip_prefix("dns:").unwrap_or_default().trim_start_matches('/');
        let mut builder = if place.is_empty() {
            TokioResolver::builder_tokio().map_err(|error| problem(error.to_string()))?
        } else {
            let address = place.parse::<SocketAddr>().or_else(|_| place.parse::<IpAddr>().map(|ip| (ip, 53).into()));
            let address = address.map_err(|_| problem(format!("`{place}` is no address of a DNS server")))?;
            let ports = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                connection.port = address.port();
                connection
            });
            let server = NameServerConfig::new(address.ip(), true, ports.into());
            let servers = ResolverConfig::from_name_servers(vec![server]);
            TokioResolver::builder_with_config(servers, TokioRuntimeProvider::default())
        };
        let options: &mut ResolverOpts = builder.options_mut();
        options.timeout = config.patience();
        options.attempts = 1;
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        builder.build().map(Self).map_err(|error| problem(error.to_string()))
    }

    /// The records of a type under a name; none where there is no such name. The error is the rest of a sentence.
    pub(in crate::lookup) async fn records(&self, name: &str, kind: RecordType) -> Result<Vec<Record>, String> {
        match self.0.lookup(name, kind).await {
            Ok(found) => Ok(found.answers().iter().filter(|record| record.record_type() == kind).cloned().collect()),
            Err(error) if error.is_no_records_found() => Ok(Vec::new()),
            Err(error) => Err(error.to_string()),
        }
    }
}
