//! The host's part in digest authentication: stages see the result and ask for a challenge; the credentials stay here.

use super::call::NewCall;
use super::customer::Customer;
use super::snapshot::Snapshot;
use crate::plugin::contract;
use crate::sip::digest::{self, DigestStatus};

/// Microseconds of a second.
const SECOND: u64 = 1_000_000;

/// What the credentials in the request come to for this customer.
pub(super) fn verify(snapshot: &Snapshot, customer: &Customer, call: &NewCall) -> contract::Digest {
    let Some(realm) = &customer.digest else { return contract::Digest::Absent };
    let password = |user: &str| realm.users.get(user).cloned();
    let now = call.received / SECOND;
    match digest::verify(&call.message, &realm.realm, password, &snapshot.digest_secret, now) {
        DigestStatus::Absent => contract::Digest::Absent,
        DigestStatus::Verified(user) => contract::Digest::Verified(user),
        DigestStatus::Stale => contract::Digest::Stale,
        DigestStatus::Failed => contract::Digest::Failed,
    }
}

/// The header fields of a 407 for this customer.
pub(super) fn challenge(
    snapshot: &Snapshot,
    customer: &Customer,
    call: &NewCall,
    stale: bool,
) -> Vec<(String, String)> {
    let Some(realm) = &customer.digest else { return Vec::new() };
    let nonce = digest::nonce(&snapshot.digest_secret, call.received / SECOND);
    let values = digest::challenge(&realm.realm, &nonce, stale);
    values.into_iter().map(|value| ("Proxy-Authenticate".to_owned(), value)).collect()
}
