//! Digest credentials of callers (RFC 7616, RFC 8760), checked without any state of our own.
//!
//! A nonce carries its time and a keyed hash of it, so that any worker, and any node with the same secret, can tell one
//! of its own. A captured answer can be replayed for as long as its nonce lives, to the same called user alone.

mod credentials;
mod hash;
mod login;
mod nonce;
#[cfg(test)]
mod tests;

use self::credentials::Credentials;
use self::hash::{Algorithm, equal};
pub use self::login::Login;
pub use self::nonce::{NONCE_LIFETIME, Secret, nonce};
use super::message::{Message, Name};
use super::uri::{Uri, unescaped};

/// What the credentials of a request come to. As `types.digest` in the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DigestStatus {
    /// None for this realm.
    Absent,
    /// They hold, for this user.
    Verified(String),
    /// They are right, the nonce is too old or not ours: challenge with `stale=true` (RFC 7616 section 3.3).
    Stale,
    /// They are wrong, or cannot be read.
    Failed,
}

/// The values of a challenge, one header field each, the strongest algorithm first (RFC 8760 section 2.4).
/// Proxy-Authenticate with 407, WWW-Authenticate with 401.
pub fn challenge(realm: &str, nonce: &str, stale: bool) -> Vec<String> {
    let realm = credentials::escaped(realm);
    let stale = if stale { ", stale=true" } else { "" };
    [Algorithm::Sha256, Algorithm::Md5]
        .map(|algorithm| {
            let name = algorithm.name();
            format!(r#"Digest realm="{realm}", nonce="{nonce}", algorithm={name}, qop="auth"{stale}"#)
        })
        .into()
}

/// Checks the Proxy-Authorization, else the Authorization, of a request for this realm.
///
/// `password` is asked once, with the user name that the request claims. For a user that it does not know the work is the
/// same, so that the time of the answer tells no names. `now` is in seconds since 1970-01-01 00:00 UTC.
pub fn verify(
    message: &Message,
    realm: &str,
    password: impl FnOnce(&str) -> Option<String>,
    secret: &Secret,
    now: u64,
) -> DigestStatus {
    let Some(credentials) = credentials_for(message, realm) else { return DigestStatus::Absent };
    let Some(user) = credentials.user() else { return DigestStatus::Failed };
    let Some(algorithm) = Algorithm::of(credentials.algorithm) else { return DigestStatus::Failed };
    let known = password(&user);
    let password = known.as_deref().unwrap_or("no such user");
    let Some(expected) = expected_response(message, &credentials, algorithm, password) else {
        return DigestStatus::Failed;
    };
    let matches = equal(expected.as_bytes(), &credentials.response.to_ascii_lowercase());
    let fresh = secret.holds(credentials.nonce, now);
    match (matches && known.is_some() && same_user(credentials.uri, message.uri()), fresh) {
        (false, _) => DigestStatus::Failed,
        (true, false) => DigestStatus::Stale,
        (true, true) => DigestStatus::Verified(user),
    }
}

/// The first readable credentials for this realm.
fn credentials_for<'a>(message: &'a Message, realm: &str) -> Option<Credentials<'a>> {
    let fields = message.all(Name::ProxyAuthorization).chain(message.all(Name::Authorization));
    fields
        .filter_map(|field| Credentials::read(message.value(field)))
        .find(|credentials| login::same_realm(credentials.realm, realm))
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
