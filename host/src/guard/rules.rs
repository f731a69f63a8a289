//! What is configured in `[abuse]`, and who is no stranger.

use std::net::IpAddr;
use std::time::Duration;

use super::table::Bucket;
use crate::config::model::{Abuse, UnknownSources};
use crate::routing::Known;
use crate::sip::message::{Head, Name};

/// More of a User-Agent is not looked at.
const LONGEST_AGENT: usize = 256;
/// Faults are counted over this time.
const FAULTS: Duration = Duration::from_mins(1);

/// Never changes; a reload makes others.
#[derive(Debug)]
pub struct Rules {
    pub(super) requests: Bucket,
    pub(super) faults: Bucket,
    pub(super) ban: Duration,
    pub(super) max_message: usize,
    pub(super) drops_strangers: bool,
    /// In lower case.
    agents: Vec<Box<[u8]>>,
    known: Known,
}

impl Rules {
    /// As configured.
    pub fn new(abuse: &Abuse, known: Known) -> Self {
        Self {
            requests: Bucket::new(abuse.rate, Duration::from_secs(1), abuse.burst),
            faults: Bucket::new(abuse.malformed, FAULTS, abuse.malformed),
            ban: abuse.ban.get(),
            max_message: abuse.max_message.bytes() as usize,
            drops_strangers: abuse.unknown_sources == UnknownSources::Drop,
            agents: abuse.user_agents.iter().map(|agent| agent.to_ascii_lowercase().into_bytes().into()).collect(),
            known,
        }
    }

    pub(super) fn knows(&self, source: IpAddr) -> bool {
        self.known.holds(source)
    }

    /// Whether one of the configured names stands anywhere in a User-Agent.
    pub(super) fn is_scanner(&self, head: &Head<'_>) -> bool {
        !self.agents.is_empty() && head.values(Name::UserAgent).any(|agent| self.names(agent))
    }

    fn names(&self, agent: &[u8]) -> bool {
        let mut lower = [0; LONGEST_AGENT];
        let length = agent.len().min(LONGEST_AGENT);
        lower[..length].copy_from_slice(&agent[..length]);
        lower.make_ascii_lowercase();
        self.agents.iter().any(|name| memchr::memmem::find(&lower[..length], name).is_some())
    }
}
