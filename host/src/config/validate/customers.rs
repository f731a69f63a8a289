//! `[customers]`: how a customer is told from others, and what of its word counts.

use super::super::model::{Config, Customer, TrustIdentity, UnknownSources};
use super::super::problem::Report;

/// As many as any carrier dials.
const LONGEST_PREFIX: usize = 16;

pub(super) fn identity(key: &str, customer: &Customer, config: &Config, report: &mut Report<'_>) {
    let roams = customer.digest.as_ref().is_some_and(|digest| digest.from_anywhere);
    if customer.sources.is_empty() && customer.tls_identities.is_empty() && !roams {
        report.error(
            &format!("{key}.sources"),
            "is empty, and there are neither `tls-identities` nor `digest.from-anywhere`: no call can be this customer's",
        );
    }
    if roams && config.abuse.unknown_sources == UnknownSources::Drop {
        let message = "has no effect: `abuse.unknown-sources` is `drop`, so nobody from elsewhere is asked who it is";
        report.error(&format!("{key}.digest.from-anywhere"), message);
    }
    let Some(prefix) = &customer.tech_prefix else { return };
    let dialled = prefix.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'*' | b'#'));
    if !dialled || !(1..=LONGEST_PREFIX).contains(&prefix.len()) {
        let message = format!("`{prefix}` cannot be dialled: 1 to {LONGEST_PREFIX} digits, `*` and `#`");
        report.error(&format!("{key}.tech-prefix"), message);
    }
}

pub(super) fn trust(key: &str, customer: &Customer, report: &mut Report<'_>) {
    let TrustIdentity::From(networks) = &customer.trust_identity else { return };
    // One that is known by its certificate or its password may call from anywhere.
    if !customer.tls_identities.is_empty() || customer.digest.as_ref().is_some_and(|digest| digest.from_anywhere) {
        return;
    }
    for (index, network) in networks.iter().enumerate() {
        let reached = customer.sources.iter().any(|source| source.contains(network) || network.contains(source));
        if !reached {
            let message = format!("`{network}` is none of this customer's `sources`: no call comes from there");
            report.warn(&format!("{key}[{index}]"), message);
        }
    }
}
