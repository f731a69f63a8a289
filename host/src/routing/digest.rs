//! The host's part in digest authentication: stages see the result and ask for a challenge; the credentials stay here.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::call::NewCall;
use crate::config::model;
use crate::plugin::contract;
use crate::sip::digest::{DigestStatus, Md5, Nonces, Realm};
use crate::sip::door::Dismissal;
use crate::sip::message::Message;

/// Microseconds of a second.
const SECOND: u64 = 1_000_000;

/// Digest credentials of a customer.
#[derive(Clone)]
pub struct DigestRealm {
    /// The protection realm.
    pub realm: Arc<str>,
    md5: Md5,
    passwords: HashMap<String, String>,
}

impl fmt::Debug for DigestRealm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the passwords.
        f.debug_struct("DigestRealm").field("realm", &self.realm).field("md5", &self.md5).finish_non_exhaustive()
    }
}

impl DigestRealm {
    pub(super) fn of(digest: &model::Digest) -> Self {
        let passwords = digest.users.iter().map(|(user, password)| (user.clone(), password.clone()));
        Self { realm: digest.realm.as_str().into(), md5: digest.md5, passwords: passwords.collect() }
    }

    fn guard<'a>(&'a self, nonces: &'a Nonces) -> Realm<'a> {
        Realm { name: &self.realm, md5: self.md5, nonces }
    }

    /// What the credentials in the request come to. Right ones are good once.
    pub(super) fn verify(&self, nonces: &Nonces, call: &NewCall) -> contract::Digest {
        let password = |user: &str| self.passwords.get(user).cloned();
        match self.guard(nonces).verify(&call.message, password, call.received / SECOND) {
            DigestStatus::Absent => contract::Digest::Absent,
            DigestStatus::Verified(user) => contract::Digest::Verified(user),
            DigestStatus::Stale => contract::Digest::Stale,
            DigestStatus::Failed => contract::Digest::Failed,
        }
    }

    /// The header fields of a 407 at `now`, in microseconds since 1970.
    pub(super) fn challenge(&self, nonces: &Nonces, now: u64, stale: bool) -> Vec<(String, String)> {
        let values = self.guard(nonces).challenge(now / SECOND, fastrand::u64(..), stale);
        values.into_iter().map(|value| ("Proxy-Authenticate".to_owned(), value)).collect()
    }
}

/// Customers who may call from anywhere, by digest users. They share one realm: a stranger is asked before it is known who
/// it is.
#[derive(Debug, Clone)]
pub(super) struct Roaming {
    all: DigestRealm,
    customers: HashMap<String, usize>,
}

impl Roaming {
    /// Adds a customer's users.
    ///
    /// # Errors
    ///
    /// What they have that others have too, or have otherwise.
    pub(super) fn add(roaming: &mut Option<Self>, digest: &model::Digest, customer: usize) -> Result<(), String> {
        let own = DigestRealm::of(digest);
        let Some(others) = roaming else {
            let customers = digest.users.keys().map(|user| (user.clone(), customer)).collect();
            *roaming = Some(Self { all: own, customers });
            return Ok(());
        };
        if others.all.realm != own.realm || others.all.md5 != own.md5 {
            return Err("realm and md5 must be those of the other customers who call from anywhere".to_owned());
        }
        for (user, password) in own.passwords {
            if others.customers.insert(user.clone(), customer).is_some() {
                return Err(format!("the user `{user}` is another customer's who calls from anywhere too"));
            }
            others.all.passwords.insert(user, password);
        }
        Ok(())
    }

    /// Whether a stranger has shown credentials that must be looked at.
    pub(super) fn is_asked(&self, message: &Message) -> bool {
        crate::sip::digest::claims(message, &self.all.realm)
    }

    /// Asks a stranger who has shown none, at `now` in microseconds since 1970.
    pub(super) fn ask(&self, nonces: &Nonces, now: u64) -> Dismissal {
        Dismissal { code: 407, headers: self.all.challenge(nonces, now, false) }
    }

    /// Whose the credentials of a stranger are, and the user that they name; or the answer to what is nobody's.
    pub(super) fn verify(&self, nonces: &Nonces, call: &NewCall) -> Result<(usize, String), Dismissal> {
        match self.all.verify(nonces, call) {
            contract::Digest::Verified(user) => {
                let customer = self.customers.get(&user).copied();
                customer.map(|customer| (customer, user)).ok_or(Dismissal::with(403))
            }
            // Wrong credentials are not challenged again: guessing must not be made cheaper than asking.
            contract::Digest::Failed => Err(Dismissal::with(403)),
            status => {
                let stale = matches!(status, contract::Digest::Stale);
                Err(Dismissal { code: 407, headers: self.all.challenge(nonces, call.received, stale) })
            }
        }
    }
}
