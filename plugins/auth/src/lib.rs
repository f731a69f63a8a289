//! The stage `auth`: which account a call belongs to, and whether it may call.
//!
//! A call is let in by the address that sent it, by a tech prefix where several accounts share one address, or by
//! digest credentials. It leaves the attributes `account` and `auth` (`address`, `tech-prefix` or `digest`).
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `table` | `accounts` | exact table of accounts, by source address: `192.0.2.1`, `2001:db8::1` |
//! | `tech-prefix` | false | also look for `ADDRESS/PREFIX` keys, such as `192.0.2.1/1234#` |
//! | `prefix-lengths` | `[3, 4, 5, 6, 7]` | how long those prefixes can be; one cached lookup each, all at once |
//! | `digest` | none | realm: an unknown source is challenged; without it, refused |
//! | `users` | none | exact table of accounts by digest user name; without it the user name is the account |
//! | `unknown-code` | 403 | the answer to who is nobody's |
//! | `inactive-code` | 403 | the answer to an account that is not `active` |
//!
//! Fields of a row: `account` (default: the key), `status` (`active`, in any case; any other text refuses, an absent
//! field does not), `prefix` (a tech prefix that calls under this key must carry).
//!
//! **Tech prefixes.** An account alone behind its address has one row, `192.0.2.1`, with a `prefix` or none. Accounts
//! that share an address each have a row `192.0.2.1/PREFIX`; the longest that the dialled number begins with wins, and
//! a row of the bare address, if there is one, takes what carries none of them. The prefix that let the call in is
//! taken off the called number.
//!
//! A table that does not answer is a failure of the stage: whether such calls are let in is `on-failure`'s to say,
//! `{ reject = 503 }` by default.

use serde::Deserialize;
use trunkline_plugin::uri::User;
use trunkline_plugin::{Call, Digest, Error, Host, Outcome, Plugin, Query, Row, export};

/// The stage, as configured.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Auth {
    table: String,
    tech_prefix: bool,
    prefix_lengths: Vec<u8>,
    digest: Option<String>,
    users: Option<String>,
    unknown_code: u16,
    inactive_code: u16,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            table: "accounts".to_owned(),
            tech_prefix: false,
            prefix_lengths: vec![3, 4, 5, 6, 7],
            digest: None,
            users: None,
            unknown_code: 403,
            inactive_code: 403,
        }
    }
}

impl Plugin for Auth {
    fn handle(&self, call: &Call, host: &dyn Host) -> Result<Outcome, Error> {
        let dialled = dialled(call);
        if let Some(entry) = self.by_source(call, &dialled, host)? {
            return Ok(self.admit(&entry, &dialled));
        }
        match (&self.digest, &call.digest) {
            (Some(_), Digest::Verified(user)) => self.by_user(user, &dialled, host),
            (Some(realm), Digest::Absent | Digest::Stale) => Ok(Outcome::challenge(realm)),
            // Wrong credentials are not challenged again: guessing must not be made cheaper than asking.
            (Some(_), Digest::Failed) | (None, _) => Ok(Outcome::reject(self.unknown_code, "")),
        }
    }

    fn check(&self) -> Result<(), String> {
        // The bare address is one of the 32 lookups that the host takes at once.
        if self.prefix_lengths.len() > 31 {
            return Err(format!("prefix-lengths: {} lengths; at most 31", self.prefix_lengths.len()));
        }
        if self.prefix_lengths.contains(&0) {
            return Err("prefix-lengths: 0 is no length; leave it out".to_owned());
        }
        if self.users.is_some() && self.digest.is_none() {
            return Err("users: needs digest, the realm to challenge for".to_owned());
        }
        for (key, code) in [("unknown-code", self.unknown_code), ("inactive-code", self.inactive_code)] {
            if !(300..700).contains(&code) {
                return Err(format!("{key}: {code} is no final response that refuses; 300 to 699"));
            }
        }
        Ok(())
    }
}

/// A row that lets the call in.
struct Entry {
    row: Row,
    /// Whose it is where the row does not say.
    key: String,
    /// To take off the called number.
    prefix: String,
    by: &'static str,
}

impl Auth {
    /// The entry for the source address, with the longest tech prefix that fits.
    fn by_source(&self, call: &Call, dialled: &str, host: &dyn Host) -> Result<Option<Entry>, Error> {
        let mut prefixes: Vec<&str> = Vec::new();
        if self.tech_prefix {
            prefixes.extend(self.prefix_lengths.iter().filter_map(|length| dialled.get(..usize::from(*length))));
            prefixes.sort_by_key(|prefix| std::cmp::Reverse(prefix.len()));
        }
        let shared = prefixes.iter().map(|prefix| ([&*call.source, "/", prefix].concat(), *prefix));
        let candidates: Vec<(String, &str)> = shared.chain([(call.source.clone(), "")]).collect();
        let queries: Vec<Query<'_>> = candidates.iter().map(|(key, _)| Query { table: &self.table, key }).collect();
        let answers = host.lookup_all(&queries);
        for ((key, prefix), answer) in candidates.into_iter().zip(answers) {
            // A longer prefix that did not answer could be another account's: no guess.
            let Some(row) = answer? else { continue };
            if !prefix.is_empty() {
                return Ok(Some(Entry { row, key, prefix: prefix.to_owned(), by: "tech-prefix" }));
            }
            let own = row.text("prefix").unwrap_or_default().into_owned();
            if dialled.starts_with(&own) {
                let by = if own.is_empty() { "address" } else { "tech-prefix" };
                return Ok(Some(Entry { row, key, prefix: own, by }));
            }
        }
        Ok(None)
    }

    /// The host has verified the credentials: what is left is whose they are.
    fn by_user(&self, user: &str, dialled: &str, host: &dyn Host) -> Result<Outcome, Error> {
        let Some(table) = &self.users else {
            return Ok(Outcome::proceed().attribute("account", user).attribute("auth", "digest"));
        };
        let Some(row) = host.lookup(table, user)? else {
            return Ok(Outcome::reject(self.unknown_code, ""));
        };
        let prefix = row.text("prefix").unwrap_or_default().into_owned();
        if !dialled.starts_with(&prefix) {
            return Ok(Outcome::reject(self.unknown_code, ""));
        }
        Ok(self.admit(&Entry { row, key: user.to_owned(), prefix, by: "digest" }, dialled))
    }

    /// Let a known sender in, unless its account is closed.
    fn admit(&self, entry: &Entry, dialled: &str) -> Outcome {
        let account = entry.row.text("account").map_or_else(|| entry.key.clone(), std::borrow::Cow::into_owned);
        let active = entry.row.get("status").is_none()
            || entry.row.text("status").is_some_and(|status| status.eq_ignore_ascii_case("active"));
        let number = &dialled[entry.prefix.len()..];
        let outcome = if !active {
            Outcome::reject(self.inactive_code, "")
        } else if entry.prefix.is_empty() {
            Outcome::proceed()
        } else if number.is_empty() {
            Outcome::reject(484, "")
        } else {
            Outcome::proceed().callee_number(number)
        };
        outcome.attribute("account", account).attribute("auth", entry.by)
    }
}

/// The called number with the `*` and `#` that tech prefixes are often set off by.
fn dialled(call: &Call) -> String {
    let user = User::of(&call.request_uri).dialled();
    let number = user.map(|number| number.trim_start_matches('+').to_owned());
    number.unwrap_or_else(|| call.callee.clone())
}

export!(Auth);

#[cfg(test)]
mod tests;
