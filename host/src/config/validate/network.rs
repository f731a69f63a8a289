//! `[node]`, `[listen]`, `[admin]`, `[gateways]`: addresses and who may reach them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use super::super::model::{Config, Gateway, Listen};
use super::super::problem::Report;
use super::{name, not_zero};
use crate::sip::flow::Transport;

/// More workers than any machine has cores is a typing mistake.
const MAX_WORKERS: usize = 1024;
/// Each of a call's messages may wait as long, and `overload.behind` must not take a pause for work that piles up.
const LONGEST_GATHER: Duration = Duration::from_millis(20);

pub(super) fn validate(config: &Config, report: &mut Report<'_>) {
    node(config, report);
    listen(config, report);
    admin(config, report);
    not_zero("dns.deadline", config.dns.deadline, report);
    if let Some(hep) = &config.hep
        && !hep
            .collector
            .strip_prefix("udp:")
            .is_some_and(|place| place.contains(':') && host_and_port(place).is_some())
    {
        let message =
            format!("`{}` is no collector: write `udp:HOST:PORT`, such as `udp:192.0.2.9:9060`", hep.collector);
        report.error("hep.collector", message);
    }
    for (gateway_name, gateway) in &config.gateways {
        name("gateways", gateway_name, report);
        validate_gateway(&format!("gateways.{gateway_name}"), gateway, &config.listen, report);
    }
}

fn node(config: &Config, report: &mut Report<'_>) {
    if let Some(node) = &config.node.name {
        // A record's key is written `node/epoch/sequence`.
        if node.is_empty()
            || node.len() > 64
            || node.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control())
        {
            report
                .error("node.name", format!("`{node}` cannot be a node's name: 1 to 64 bytes without `/` and spaces"));
        }
    }
    if config.node.workers > MAX_WORKERS {
        report.error("node.workers", format!("at most {MAX_WORKERS}; 0 makes one per core"));
    }
    if config.node.gather.get() > LONGEST_GATHER {
        report.error("node.gather", "is longer than callers should wait for a batch: at most `20ms`");
    }
}

fn listen(config: &Config, report: &mut Report<'_>) {
    let none = config.listen.udp.is_empty() && config.listen.tcp.is_empty() && config.listen.tls.is_empty();
    // A machine of its own for the ledger has a file of its own, without a router.
    if none && !config.is_ledger_alone() {
        report.error("listen", "there is no listener: write `udp = [\"0.0.0.0:5060\"]`");
    }
    for (index, address) in config.listen.udp.iter().enumerate() {
        // Port 0 means "any free one": two of those are two sockets.
        let before = &config.listen.udp[..index];
        if address.port() != 0 && before.contains(address) {
            report.error(&format!("listen.udp[{index}]"), format!("`{address}` is listened on twice: remove one"));
        }
    }
    if let Some(advertise) = &config.listen.advertise
        && host_and_port(advertise).is_none()
    {
        report.error(
            "listen.advertise",
            format!("`{advertise}` is not a host or `host:port`, such as `sip.example.net` or `[2001:db8::1]:5060`"),
        );
    }
}

fn admin(config: &Config, report: &mut Report<'_>) {
    let token = config.admin.token.as_deref();
    if token == Some("") {
        report.error("admin.token", "is empty: write a token, or leave the key out");
    }
    if let Some(bind) = config.admin.bind
        && !bind.ip().to_canonical().is_loopback()
        && token.is_none()
    {
        report.error(
            "admin.bind",
            format!("`{bind}` can be reached from outside: set `admin.token`, or bind to 127.0.0.1 or [::1]"),
        );
    }
    if config.admin.bind.is_none() && token.is_some() {
        report.warn("admin.token", "has no effect without `admin.bind`");
    }
}

fn validate_gateway(key: &str, gateway: &Gateway, listen: &Listen, report: &mut Report<'_>) {
    match gateway_uri(&gateway.uri) {
        Err(message) => report.error(&format!("{key}.uri"), format!("`{}` {message}", gateway.uri)),
        // The address of a listener is what a connection of ours carries in Via: without one, no answer comes back.
        Ok(transport) => {
            let missing = match transport {
                Transport::Udp => listen.udp.is_empty(),
                Transport::Tcp => listen.tcp.is_empty(),
                Transport::Tls => listen.tls.is_empty(),
            };
            if missing {
                let message =
                    format!("`{}` is reached over {}: add `listen.{transport}`", gateway.uri, transport.via());
                report.error(&format!("{key}.uri"), message);
            }
            if let Some(above) = gateway.tcp_above {
                super::gateways::tcp_above(&format!("{key}.tcp-above"), above, transport, listen, report);
            }
        }
    }
    for (timeout, value) in [("attempt-timeout", gateway.attempt_timeout), ("ring-timeout", gateway.ring_timeout)] {
        if let Some(value) = value {
            not_zero(&format!("{key}.{timeout}"), value, report);
        }
    }
    super::gateways::validate(key, gateway, report);
}

/// `sip:HOST[:PORT][;transport=udp|tcp|tls]` or `sips:HOST[:PORT]`: the part of RFC 3261 section 19.1 that can name a
/// next hop, and the transport that it asks for.
fn gateway_uri(uri: &str) -> Result<Transport, String> {
    const RIGHT: &str = "write `sip:HOST[:PORT][;transport=tcp]` or `sips:HOST[:PORT]`, such as `sip:192.0.2.1:5060`";
    let (scheme, rest) = uri.split_once(':').ok_or_else(|| format!("is not a SIP URI: {RIGHT}"))?;
    let secure = scheme.eq_ignore_ascii_case("sips");
    if !secure && !scheme.eq_ignore_ascii_case("sip") {
        return Err(format!("is not a SIP URI: {RIGHT}"));
    }
    let mut transport = if secure { Transport::Tls } else { Transport::Udp };
    let (address, parameters) = rest.split_once(';').unwrap_or((rest, ""));
    if address.contains('@') {
        return Err(format!("has a user part, which a gateway has not: {RIGHT}"));
    }
    host_and_port(address).ok_or_else(|| format!("has no host that can be reached: {RIGHT}"))?;
    for parameter in parameters.split(';').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match (name.to_ascii_lowercase().as_str(), value.to_ascii_lowercase().as_str()) {
            ("transport", "udp") if secure => return Err("is `sips`, which UDP cannot be".to_owned()),
            ("transport", "udp") => {}
            ("transport", "tcp") if !secure => transport = Transport::Tcp,
            ("transport", "tcp" | "tls") => transport = Transport::Tls,
            ("transport", _) => return Err(format!("has no transport that there is: `{value}`")),
            _ => return Err(format!("has the parameter `{name}`, which means nothing here")),
        }
    }
    Ok(transport)
}

/// `HOST`, `HOST:PORT`, `[V6]` or `[V6]:PORT`.
fn host_and_port(text: &str) -> Option<()> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        host.parse::<Ipv6Addr>().ok()?;
        (None, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
    } else {
        let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
        (Some(host), port)
    };
    if let Some(port) = port {
        port.parse::<u16>().ok().filter(|port| *port > 0)?;
    }
    host.is_none_or(is_host).then_some(())
}

pub(super) fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        let letters = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        (1..=63).contains(&label.len()) && letters && !label.starts_with('-') && !label.ends_with('-')
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    // A host of digits and dots alone is meant as an address: 192.0.2.256 must not become a name to look up.
    let numeric = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_name = host.len() <= 253 && host.split('.').all(label);
    if numeric { host.parse::<IpAddr>().is_ok() } else { is_name }
}

/// Networks that two customers claim: whose call would it be?
pub(super) fn shared_sources(config: &Config, report: &mut Report<'_>) {
    let mut owners: HashMap<(ipnet::IpNet, Option<&str>), &str> = HashMap::new();
    for (customer_name, customer) in &config.customers {
        for (index, network) in customer.sources.iter().enumerate() {
            let key = format!("customers.{customer_name}.sources[{index}]");
            let whole = network.trunc();
            if whole != *network {
                report.warn(&key, format!("`{network}` is read as `{whole}`"));
            }
            match owners.insert((whole, customer.tech_prefix.as_deref()), customer_name) {
                Some(other) if other == customer_name => report.warn(&key, format!("`{whole}` is listed twice")),
                Some(other) => report.error(
                    &key,
                    format!(
                        "`{whole}` is a source of `{other}` too: a call from there can belong to one customer only, unless a \
                         `tech-prefix` tells them apart"
                    ),
                ),
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Transport, gateway_uri, host_and_port};

    #[test]
    fn a_gateway_is_a_host_with_an_optional_port_and_transport() {
        for (uri, transport) in [
            ("sip:192.0.2.1", Transport::Udp),
            ("sip:192.0.2.1:5070", Transport::Udp),
            ("sip:[2001:db8::1]:5060;transport=udp", Transport::Udp),
            ("SIP:gw.example.net", Transport::Udp),
            ("sip:gw.example.net;transport=TCP", Transport::Tcp),
            ("sip:gw.example.net;transport=tls", Transport::Tls),
            ("sips:192.0.2.1", Transport::Tls),
            ("sips:192.0.2.1;transport=tcp", Transport::Tls),
        ] {
            assert_eq!(gateway_uri(uri), Ok(transport), "{uri}");
        }
    }

    #[test]
    fn what_is_no_next_hop_is_refused() {
        for uri in [
            "192.0.2.1",
            "tel:+12125550000",
            "sips:192.0.2.1;transport=udp",
            "sip:me@192.0.2.1",
            "sip:192.0.2.256",
            "sip:192.0.2.1:0",
            "sip:192.0.2.1:70000",
            "sip:[2001:db8::1",
            "sip:2001:db8::1",
            "sip:gw.example.net;transport=smoke",
            "sip:gw.example.net;lr",
            "sip:",
        ] {
            assert!(gateway_uri(uri).is_err(), "{uri}");
        }
    }

    #[test]
    fn an_advertised_host_needs_no_port() {
        assert!(host_and_port("sip.example.net").is_some());
        assert!(host_and_port("[2001:db8::1]").is_some());
        assert!(host_and_port("sip example").is_none());
        assert!(host_and_port("").is_none());
    }
}
