//! `listen.tcp`, `listen.tls`, `[tls]`, `[streams]`, and whom certificates name.

use std::collections::HashMap;
use std::path::Path;

use super::super::model::Config;
use super::super::problem::Report;
use super::network::is_host;
use super::{at_least_one, file, not_zero};

/// Room for one message of the largest size.
const LEAST_QUEUE: u64 = 64 << 10;
/// Each place takes memory from the start.
const MOST_CONNECTIONS: usize = 1_000_000;

pub(super) fn validate(config: &Config, folder: &Path, report: &mut Report<'_>) {
    addresses(config, report);
    for (index, listener) in config.listen.tls.iter().enumerate() {
        let key = format!("listen.tls[{index}]");
        file(&format!("{key}.certificate"), &listener.certificate, folder, report);
        file(&format!("{key}.key"), &listener.key, folder, report);
        if let Some(path) = &listener.client_ca {
            file(&format!("{key}.client-ca"), path, folder, report);
        }
    }
    tls(config, folder, report);
    limits(config, report);
    by_size(config, report);
    identities(config, report);
}

/// TCP and TLS share the ports of an address.
fn addresses(config: &Config, report: &mut Report<'_>) {
    let tcp = config.listen.tcp.iter().enumerate().map(|(index, address)| (format!("listen.tcp[{index}]"), *address));
    let tls = config.listen.tls.iter().enumerate();
    let tls = tls.map(|(index, listener)| (format!("listen.tls[{index}].bind"), listener.bind));
    let mut seen = Vec::new();
    for (key, address) in tcp.chain(tls) {
        if address.port() != 0 && seen.contains(&address) {
            report.error(&key, format!("`{address}` is listened on twice: give TLS a port of its own, such as 5061"));
        }
        seen.push(address);
    }
}

fn tls(config: &Config, folder: &Path, report: &mut Report<'_>) {
    let files = [("ca", &config.tls.ca), ("certificate", &config.tls.certificate), ("key", &config.tls.key)];
    for (key, path) in files {
        let Some(path) = path else { continue };
        let key = format!("tls.{key}");
        file(&key, path, folder, report);
        if config.listen.tls.is_empty() {
            report.warn(&key, "has no effect without `listen.tls`, whose address connections of ours carry in Via");
        }
    }
    match (&config.tls.certificate, &config.tls.key) {
        (Some(_), None) => {
            report.error("tls.certificate", "has no `tls.key`: both make a certificate that can be shown");
        }
        (None, Some(_)) => report.error("tls.key", "has no `tls.certificate`: both make one that can be shown"),
        _ => {}
    }
}

fn limits(config: &Config, report: &mut Report<'_>) {
    let streams = &config.streams;
    at_least_one("streams.max-connections", streams.max_connections as u64, report);
    if streams.max_connections > MOST_CONNECTIONS {
        report.error("streams.max-connections", format!("at most {MOST_CONNECTIONS}"));
    }
    at_least_one("streams.max-per-source", streams.max_per_source as u64, report);
    at_least_one("streams.max-handshakes", streams.max_handshakes as u64, report);
    at_least_one("streams.max-handshakes-per-source", streams.max_handshakes_per_source as u64, report);
    not_zero("streams.handshake-timeout", streams.handshake_timeout, report);
    not_zero("streams.connect-timeout", streams.connect_timeout, report);
    not_zero("streams.idle", streams.idle, report);
    not_zero("streams.stall", streams.stall, report);
    if streams.queue.bytes() < LEAST_QUEUE {
        report.error("streams.queue", "is less than one message of the largest size: at least `64KiB`");
    }
}

/// Where large requests go by TCP, half of an attempt's time is a connection's.
fn by_size(config: &Config, report: &mut Report<'_>) {
    let connect = config.streams.connect_timeout.get();
    for (name, gateway) in &config.gateways {
        let attempt = gateway.attempt_timeout.unwrap_or(config.call.attempt_timeout).get();
        if gateway.tcp_above.is_some() && attempt <= connect {
            report.warn(
                &format!("gateways.{name}.tcp-above"),
                format!(
                    "a connection has half of `attempt-timeout`, {attempt:?}, to come about, and `streams.connect-timeout`, \
                     {connect:?}, is never reached: large requests to a gateway that is slow to connect go by UDP"
                ),
            );
        }
    }
}

/// A certificate that two customers claim: whose call would it be?
fn identities(config: &Config, report: &mut Report<'_>) {
    let verified = config.listen.tls.iter().any(|listener| listener.client_ca.is_some());
    let mut owners: HashMap<String, &str> = HashMap::new();
    for (name, customer) in &config.customers {
        for (index, identity) in customer.tls_identities.iter().enumerate() {
            let key = format!("customers.{name}.tls-identities[{index}]");
            if !is_host(identity) {
                report.error(&key, format!("`{identity}` is no host, such as `sip.carrier.example.net`"));
            } else if !verified {
                report.error(&key, "needs a `client-ca` in one of `listen.tls`: else no certificate is asked for");
            }
            match owners.insert(identity.to_ascii_lowercase(), name) {
                Some(other) if other == name => report.warn(&key, format!("`{identity}` is listed twice")),
                Some(other) => report.error(
                    &key,
                    format!("`{identity}` is an identity of `{other}` too: a certificate belongs to one customer"),
                ),
                None => {}
            }
        }
    }
}
