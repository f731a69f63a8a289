//! `[gateways]`: limits, health, and which codes mean what.

use super::super::model::{Gateway, Listen};
use super::super::problem::Report;
use super::super::units::{Size, TimeSpan};
use super::{at_least_one, not_zero};
use crate::sip::flow::Transport;

/// No request is smaller, and a datagram of IPv4 holds no more.
const TCP_ABOVE: std::ops::RangeInclusive<u64> = 500..=65_507;
/// What the counters of one second hold.
const MAX_CPS: u32 = 1_000_000;

/// The size above which requests to a gateway that is reached by `transport` go by TCP.
pub(super) fn tcp_above(key: &str, above: Size, transport: Transport, listen: &Listen, report: &mut Report<'_>) {
    if !TCP_ABOVE.contains(&above.bytes()) {
        report.error(key, "is out of range: 500B to 65507B; RFC 3261 section 18.1.1 has 1300B");
    }
    if transport != Transport::Udp {
        report.warn(key, format!("has no effect: all goes over {}, as `uri` says", transport.via()));
    } else if listen.tcp.is_empty() {
        report.error(key, "wants connections, whose Via names a listener: add `listen.tcp`");
    }
}

pub(super) fn validate(key: &str, gateway: &Gateway, report: &mut Report<'_>) {
    for (name, value) in [("max-calls", gateway.max_calls), ("max-cps", gateway.max_cps)] {
        if value == Some(0) {
            report.error(&format!("{key}.{name}"), "is 0: no call could go there; leave the key out for no limit");
        }
    }
    if gateway.max_cps.is_some_and(|max| max > MAX_CPS) {
        report.error(&format!("{key}.max-cps"), format!("is out of range: 1 to {MAX_CPS}"));
    }
    at_least_one(&format!("{key}.down-after"), gateway.down_after.into(), report);
    at_least_one(&format!("{key}.up-after"), gateway.up_after.into(), report);
    not_zero(&format!("{key}.probe-timeout"), gateway.probe_timeout, report);
    if let Some(interval) = gateway.probe {
        if interval < TimeSpan::from_secs(1) {
            report.error(&format!("{key}.probe"), "is less than 1s: write a longer time, or `off`");
        } else if gateway.probe_timeout > interval {
            let message = "is longer than `probe`: a gateway is not asked again while an answer is awaited";
            report.warn(&format!("{key}.probe-timeout"), message);
        }
    }
    let failures = &gateway.failures;
    if !(1..=100).contains(&failures.percent) {
        report.error(&format!("{key}.failures.percent"), "is out of range: 1 to 100");
    }
    not_zero(&format!("{key}.failures.window"), failures.window, report);
    not_zero(&format!("{key}.failures.aside"), failures.aside, report);
    for (index, code) in gateway.stop_on.iter().enumerate() {
        if gateway.continue_on.contains(code) {
            report.error(&format!("{key}.stop-on[{index}]"), "is in `continue-on` too: one of them only");
        }
    }
    if let Some(login) = &gateway.digest
        && (login.user.is_empty() || login.user.chars().any(char::is_control))
    {
        report.error(&format!("{key}.digest.user"), "must be a text without control characters");
    }
}
