//! `[customers]`: how a customer is told from others, and what of its word counts.

use super::super::model::{Customer, TrustIdentity};
use super::super::problem::Report;

pub(super) fn trust(key: &str, customer: &Customer, report: &mut Report<'_>) {
    let TrustIdentity::From(networks) = &customer.trust_identity else { return };
    // One that is known by its certificate may call from anywhere.
    if !customer.tls_identities.is_empty() {
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
