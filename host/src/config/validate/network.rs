//! `[node]`, `[listen]`, `[admin]`, `[gateways]`: addresses and who may reach them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use super::super::model::{Config, Gateway};
use super::super::problem::Report;
use super::{name, not_zero};

/// More workers than any machine has cores is a typing mistake.
const MAX_WORKERS: usize = 1024;

pub(super) fn validate(config: &Config, report: &mut Report<'_>) {
    node(config, report);
    listen(config, report);
    admin(config, report);
    for (gateway_name, gateway) in &config.gateways {
        name("gateways", gateway_name, report);
        validate_gateway(&format!("gateways.{gateway_name}"), gateway, report);
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
}

fn listen(config: &Config, report: &mut Report<'_>) {
    // A machine of its own for the ledger has a file of its own, without a router.
    if config.listen.udp.is_empty() && !config.is_ledger_alone() {
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

fn validate_gateway(key: &str, gateway: &Gateway, report: &mut Report<'_>) {
    if let Err(message) = gateway_uri(&gateway.uri) {
        report.error(&format!("{key}.uri"), format!("`{}` {message}", gateway.uri));
    }
    for (timeout, value) in [("attempt-timeout", gateway.attempt_timeout), ("ring-timeout", gateway.ring_timeout)] {
        if let Some(value) = value {
            not_zero(&format!("{key}.{timeout}"), value, report);
        }
    }
}

/// `sip:HOST[:PORT][;transport=udp]`: the part of RFC 3261 section 19.1 that can name a next hop of this version.
fn gateway_uri(uri: &str) -> Result<(), String> {
    const RIGHT: &str = "write `sip:HOST[:PORT]`, such as `sip:192.0.2.1:5060`";
    let (scheme, rest) = uri.split_once(':').ok_or_else(|| format!("is not a SIP URI: {RIGHT}"))?;
    if scheme.eq_ignore_ascii_case("sips") {
        return Err("asks for TLS, which this version does not have yet: UDP only".to_owned());
    }
    if !scheme.eq_ignore_ascii_case("sip") {
        return Err(format!("is not a SIP URI: {RIGHT}"));
    }
    let (address, parameters) = rest.split_once(';').unwrap_or((rest, ""));
    if address.contains('@') {
        return Err(format!("has a user part, which a gateway has not: {RIGHT}"));
    }
    host_and_port(address).ok_or_else(|| format!("has no host that can be reached: {RIGHT}"))?;
    for parameter in parameters.split(';').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match (name.to_ascii_lowercase().as_str(), value.to_ascii_lowercase().as_str()) {
            ("transport", "udp") => {}
            ("transport", "tcp" | "tls") => {
                return Err(format!("asks for `{value}`, which this version does not have yet: UDP only"));
            }
            ("transport", _) => return Err(format!("has no transport that there is: `{value}`")),
            _ => return Err(format!("has the parameter `{name}`, which means nothing here")),
        }
    }
    Ok(())
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

fn is_host(host: &str) -> bool {
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
    let mut owners: HashMap<ipnet::IpNet, &str> = HashMap::new();
    for (customer_name, customer) in &config.customers {
        for (index, network) in customer.sources.iter().enumerate() {
            let key = format!("customers.{customer_name}.sources[{index}]");
            let whole = network.trunc();
            if whole != *network {
                report.warn(&key, format!("`{network}` is read as `{whole}`"));
            }
            match owners.insert(whole, customer_name) {
                Some(other) if other == customer_name => report.warn(&key, format!("`{whole}` is listed twice")),
                Some(other) => report.error(
                    &key,
                    format!(
                        "`{whole}` is a source of `{other}` too: a call from there can belong to one customer only"
                    ),
                ),
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{gateway_uri, host_and_port};

    #[test]
    fn a_gateway_is_a_host_with_an_optional_port_over_udp() {
        for uri in ["sip:192.0.2.1", "sip:192.0.2.1:5070", "sip:[2001:db8::1]:5060;transport=udp", "SIP:gw.example.net"]
        {
            assert_eq!(gateway_uri(uri), Ok(()), "{uri}");
        }
    }

    #[test]
    fn what_is_no_next_hop_is_refused() {
        for uri in [
            "192.0.2.1",
            "tel:+12125550000",
            "sips:192.0.2.1",
            "sip:me@192.0.2.1",
            "sip:192.0.2.256",
            "sip:192.0.2.1:0",
            "sip:192.0.2.1:70000",
            "sip:[2001:db8::1",
            "sip:2001:db8::1",
            "sip:gw.example.net;transport=tcp",
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
