//! Digest credentials of callers (RFC 7616, RFC 8760).
//!
//! A nonce carries its time and a keyed hash of it, so that any worker can tell one of its own, and a challenge costs no
//! memory. Each count of a nonce is good once: what was captured cannot be used again.

mod credentials;
mod hash;
mod login;
mod nonce;
#[cfg(test)]
mod tests;
mod used;

use self::credentials::Credentials;
use self::hash::{Algorithm, equal};
pub use self::login::Login;
pub use self::nonce::{NONCE_LIFETIME, Nonces};
use super::edit::Splices;
use super::message::{Message, Name};
use super::uri::{Uri, unescaped};

/// What the credentials of a request come to. As `types.digest` in the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DigestStatus {
    /// None for this realm.
    Absent,
    /// They hold, for this user.
    Verified(String),
    /// They are right, the nonce is too old, not ours, or was used so before: challenge with `stale=true` (RFC 7616 section 3.3).
    Stale,
    /// They are wrong, or cannot be read.
    Failed,
}

/// Whether answers by MD5 are good enough: whoever hears one can try billions of passwords a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Md5 {
    /// They are not.
    #[default]
    Refused,
    /// It is offered behind the others.
    Offered,
    /// Nothing else is offered: for callers who read the first challenge alone, and know no other.
    Alone,
}

/// What this node guards: a protection realm (RFC 7616 section 3.3).
#[derive(Debug, Clone, Copy)]
pub struct Realm<'a> {
    /// As callers see it.
    pub name: &'a str,
    /// Whether MD5 is good enough.
    pub md5: Md5,
    /// The node's.
    pub nonces: &'a Nonces,
}

impl Realm<'_> {
    /// The values of a challenge, one header field each, the strongest algorithm first (RFC 8760 section 2.4).
    /// Proxy-Authenticate with 407, WWW-Authenticate with 401.
    ///
    /// `now` is in seconds since 1970-01-01 00:00 UTC, `salt` a number that no other challenge has.
    pub fn challenge(&self, now: u64, salt: u64, stale: bool) -> Vec<String> {
        let realm = credentials::escaped(self.name);
        let nonce = self.nonces.make(now, salt);
        let stale = if stale { ", stale=true" } else { "" };
        let offered = [Algorithm::Sha512_256, Algorithm::Sha256, Algorithm::Md5].into_iter();
        let values = offered.filter(|algorithm| self.allows(*algorithm)).map(|algorithm| {
            let name = algorithm.name();
            format!(r#"Digest realm="{realm}", nonce="{nonce}", algorithm={name}, qop="auth"{stale}"#)
        });
        values.collect()
    }

    /// Checks the Proxy-Authorization, else the Authorization, of a request. Right credentials are good once.
    ///
    /// `password` is asked once, with the user name that the request claims. For a user that it does not know the work is
    /// the same, so that the time of the answer tells no names. `now` is as in [`Realm::challenge`].
    pub fn verify(&self, message: &Message, password: impl FnOnce(&str) -> Option<String>, now: u64) -> DigestStatus {
        let Some(credentials) = credentials_for(message, self.name) else { return DigestStatus::Absent };
        let Some(user) = credentials.user() else { return DigestStatus::Failed };
        let algorithm = Algorithm::of(credentials.algorithm).filter(|algorithm| self.allows(*algorithm));
        let (Some(algorithm), Some(count)) = (algorithm, credentials.count()) else { return DigestStatus::Failed };
        let known = password(&user);
        let password = known.as_deref().unwrap_or("no such user");
        let Some(expected) = expected_response(message, &credentials, algorithm, password) else {
            return DigestStatus::Failed;
        };
        let matches = equal(expected.as_bytes(), &credentials.response.to_ascii_lowercase());
        if !(matches && known.is_some() && same_user(credentials.uri, message.uri())) {
            return DigestStatus::Failed;
        }
        if self.nonces.take(credentials.nonce, count, now) { DigestStatus::Verified(user) } else { DigestStatus::Stale }
    }

    fn allows(&self, algorithm: Algorithm) -> bool {
        let is_md5 = matches!(algorithm, Algorithm::Md5 | Algorithm::Md5Session);
        match self.md5 {
            Md5::Refused => !is_md5,
            Md5::Offered => true,
            Md5::Alone => is_md5,
        }
    }
}

/// The first readable credentials for this realm.
fn credentials_for<'a>(message: &'a Message, realm: &str) -> Option<Credentials<'a>> {
    let fields = message.all(Name::ProxyAuthorization).chain(message.all(Name::Authorization));
    fields
        .filter_map(|field| Credentials::read(message.value(field)))
        .find(|credentials| login::same_realm(credentials.realm, realm))
}

/// Whether a request has credentials for this realm, good or bad.
pub fn claims(message: &Message, realm: &str) -> bool {
    credentials_for(message, realm).is_some()
}

/// A request without its credentials for this realm, every other byte as it was: they are for whoever guards it and for
/// nobody behind (RFC 3261 section 22.3). `None` where it has none.
pub fn without_credentials(message: &Message, realm: &str) -> Option<Message> {
    let mut splices = Splices::new();
    for field in message.all(Name::ProxyAuthorization).chain(message.all(Name::Authorization)) {
        if Credentials::read(message.value(field)).is_some_and(|own| login::same_realm(own.realm, realm)) {
            splices.remove(field.line);
        }
    }
    splices.applied_to(message)
}

/// Whether these are Digest credentials of this user.
pub(super) fn is_of_user(value: &[u8], user: &str) -> bool {
    Credentials::read(value).and_then(|credentials| credentials.user()).is_some_and(|name| name == user)
}

/// RFC 7616 section 3.4.1; without `qop` that of RFC 2069, which old gateways still send. `None` where a part that the
/// `qop` needs is missing, or the `qop` was not offered.
fn expected_response(
    message: &Message,
    credentials: &Credentials<'_>,
    algorithm: Algorithm,
    password: &str,
) -> Option<String> {
    let Credentials { username, realm, nonce, uri, cnonce, .. } = *credentials;
    let mut secret = algorithm.hex(&[username, b":", realm, b":", password.as_bytes()]);
    if algorithm.is_session() {
        secret = algorithm.hex(&[secret.as_bytes(), b":", nonce, b":", cnonce?]);
    }
    let request = algorithm.hex(&[message.method_bytes(), b":", uri]);
    let (secret, request) = (secret.as_bytes(), request.as_bytes());
    match credentials.qop {
        None => Some(algorithm.hex(&[secret, b":", nonce, b":", request])),
        Some(qop) if qop.eq_ignore_ascii_case(b"auth") => {
            let count = credentials.nc?;
            Some(algorithm.hex(&[secret, b":", nonce, b":", count, b":", cnonce?, b":", qop, b":", request]))
        }
        Some(_) => None,
    }
}

/// Whether the credentials were made for this called user. Proxies on the way may have changed the host and the
/// parameters (RFC 3261 section 22.4), and some clients leave the parameters out.
fn same_user(claimed: &[u8], request: &[u8]) -> bool {
    if claimed == request {
        return true;
    }
    let user = |text| {
        let name = Uri::parse(text).ok()?.user_name()?;
        Some(unescaped(name.of(text)))
    };
    user(claimed) == user(request)
}
