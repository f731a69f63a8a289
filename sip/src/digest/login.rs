//! Answers to the challenges of gateways: this node as a client (RFC 7616 section 3.4, RFC 3261 section 22).

use std::fmt;

use super::credentials::{escaped, params, plain};
use super::hash::Algorithm;
use crate::message::{Message, Name};

/// User name and password that a gateway knows this node by.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the password.
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// What of a challenge the answer is made from.
struct Challenge<'a> {
    realm: &'a [u8],
    nonce: &'a [u8],
    opaque: Option<&'a [u8]>,
    algorithm: Algorithm,
    /// Whether it names its algorithm: old gateways know the parameter in neither direction.
    named: bool,
    /// Whether `qop="auth"` is offered; without any `qop` the answer is that of RFC 2069.
    qop: bool,
    stale: bool,
}

impl<'a> Challenge<'a> {
    /// `None` where it is none that this node can answer.
    fn read(value: &'a [u8]) -> Option<Self> {
        let (mut realm, mut nonce, mut opaque, mut stale) = (None, None, None, false);
        let (mut algorithm, mut offered) = (None, None);
        for (name, value) in params(value)? {
            match name.as_slice() {
                b"realm" => realm = Some(value),
                b"nonce" => nonce = Some(value),
                b"opaque" => opaque = Some(value),
                b"algorithm" => algorithm = Some(value),
                b"qop" => offered = Some(value),
                b"stale" => stale = value.eq_ignore_ascii_case(b"true"),
                _ => {}
            }
        }
        let auth =
            |offered: &[u8]| offered.split(|b| *b == b',').any(|qop| qop.trim_ascii().eq_ignore_ascii_case(b"auth"));
        let qop = match offered {
            None => false,
            Some(offered) if auth(offered) => true,
            // `auth-int` alone hashes the body too, which no trunk asks for.
            Some(_) => return None,
        };
        Some(Self {
            realm: realm?,
            nonce: nonce?,
            opaque,
            algorithm: Algorithm::of(algorithm)?,
            named: algorithm.is_some(),
            qop,
            stale,
        })
    }
}

impl Login {
    /// The header lines that answer a 401 or 407 for a request with this method and URI, and whether it says that only
    /// the nonce was old. `None` where no challenge can be answered.
    ///
    /// Of several challenges in one realm the topmost that can be answered counts: whoever made them put them in the
    /// order of its preference (RFC 8760 section 2.4).
    pub fn answer(&self, challenge: &Message, method: &[u8], uri: &[u8], cnonce: &str) -> Option<(Vec<u8>, bool)> {
        let (asked, answered) = if challenge.code() == 407 {
            (Name::ProxyAuthenticate, "Proxy-Authorization")
        } else {
            (Name::WwwAuthenticate, "Authorization")
        };
        let mut realms: Vec<&[u8]> = Vec::new();
        let mut lines = Vec::new();
        let mut stale = false;
        for challenge in challenge.all(asked).filter_map(|field| Challenge::read(challenge.value(field))) {
            if realms.contains(&challenge.realm) || realms.len() == MAX_REALMS {
                continue;
            }
            realms.push(challenge.realm);
            stale |= challenge.stale;
            self.line(&challenge, answered, (method, uri), cnonce, &mut lines);
        }
        (!lines.is_empty()).then_some((lines, stale))
    }

    fn line(
        &self,
        challenge: &Challenge<'_>,
        field: &str,
        (method, uri): (&[u8], &[u8]),
        cnonce: &str,
        out: &mut Vec<u8>,
    ) {
        let Challenge { realm, nonce, algorithm, .. } = *challenge;
        let cnonce_bytes = cnonce.as_bytes();
        let user = escaped(&self.user);
        let mut secret = algorithm.hex(&[user.as_bytes(), b":", realm, b":", self.password.as_bytes()]);
        if algorithm.is_session() {
            secret = algorithm.hex(&[secret.as_bytes(), b":", nonce, b":", cnonce_bytes]);
        }
        let request = algorithm.hex(&[method, b":", uri]);
        let (secret, request) = (secret.as_bytes(), request.as_bytes());
        let response = if challenge.qop {
            algorithm.hex(&[secret, b":", nonce, b":00000001:", cnonce_bytes, b":auth:", request])
        } else {
            algorithm.hex(&[secret, b":", nonce, b":", request])
        };
        let mut add = |parts: &[&[u8]]| parts.iter().for_each(|part| out.extend_from_slice(part));
        add(&[field.as_bytes(), b": Digest username=\"", user.as_bytes(), b"\", realm=\"", realm]);
        add(&[b"\", nonce=\"", nonce, b"\", uri=\"", uri, b"\", response=\"", response.as_bytes()]);
        add(&[b"\""]);
        if challenge.named {
            add(&[b", algorithm=", algorithm.name().as_bytes()]);
        }
        if challenge.qop {
            add(&[b", qop=auth, nc=00000001, cnonce=\"", cnonce_bytes, b"\""]);
        } else if algorithm.is_session() {
            add(&[b", cnonce=\"", cnonce_bytes, b"\""]);
        }
        if let Some(opaque) = challenge.opaque {
            add(&[b", opaque=\"", opaque, b"\""]);
        }
        add(&[b"\r\n"]);
    }
}

/// Realms that are answered at once: a gateway, and a proxy before it.
const MAX_REALMS: usize = 4;

/// Whether two values of `realm` name the same one.
pub(super) fn same_realm(written: &[u8], realm: &str) -> bool {
    *plain(written) == *realm.as_bytes()
}
