//! The bans by name. Whoever begins one does not wait for whoever reads the list.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError, TryLockError};
use std::time::Duration;

use ipnet::IpNet;
use serde::Serialize;

use super::Offence;
use super::table::network;
use crate::sip::time::Time;

/// Bans at once. Beyond, what a source sends above its rate is dropped message by message.
const MOST: usize = 10_000;
/// How often those that are over are taken out, where the list is full.
const SWEEP: Duration = Duration::from_secs(1);

/// One ban.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ban {
    /// An address, or a network of IPv6.
    pub source: String,
    /// `rate` or `malformed`.
    pub reason: &'static str,
    /// How long it still holds.
    pub seconds_left: u64,
}

#[derive(Debug, Default)]
pub(super) struct Bans(Mutex<List>);

#[derive(Debug, Default)]
struct List {
    bans: BTreeMap<IpNet, (Time, Offence)>,
    swept: Time,
}

impl Bans {
    /// Write one down; false where that cannot be done at once.
    pub(super) fn begin(&self, now: Time, source: IpAddr, until: Time, offence: Offence) -> bool {
        let mut list = match self.0.try_lock() {
            Ok(list) => list,
            Err(TryLockError::Poisoned(list)) => list.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        if list.bans.len() >= MOST {
            if now.since(list.swept) < SWEEP {
                return false;
            }
            list.swept = now;
            list.bans.retain(|_, (until, _)| *until > now);
        }
        let room = list.bans.len() < MOST;
        if room {
            list.bans.insert(network(source), (until, offence));
        }
        room
    }

    pub(super) fn end(&self, now: Time, source: IpAddr) -> bool {
        let ended = self.0.lock().unwrap_or_else(PoisonError::into_inner).bans.remove(&network(source));
        ended.is_some_and(|(until, _)| until > now)
    }

    pub(super) fn all(&self, now: Time) -> Vec<Ban> {
        let list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let holding = list.bans.iter().filter(|(_, (until, _))| *until > now);
        let told = holding.map(|(network, (until, offence))| Ban {
            source: if network.addr().is_ipv4() { network.addr().to_string() } else { network.to_string() },
            reason: offence.word(),
            seconds_left: until.since(now).as_secs(),
        });
        told.collect()
    }
}
