//! `[gateways]`: limits, health, and which codes mean what.

use super::super::model::Gateway;
use super::super::problem::Report;
use super::super::units::TimeSpan;
use super::{at_least_one, not_zero};

/// What the counters of one second hold.
const MAX_CPS: u32 = 1_000_000;

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
