//! What is configured in `[abuse]`, and who is no stranger.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::table::{Allowance, Bucket};
use crate::config::model::{Abuse, UnknownSources};
use crate::routing::Known;
use crate::sip::message::{Head, Name};
use crate::sip::time::Time;

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
    /// By customer; those who may send what they like have none.
    allowances: Arc<[Option<Allowance>]>,
    limits_customers: bool,
}

impl Rules {
    /// As configured.
    pub fn new(abuse: &Abuse, known: Known) -> Self {
        let allowances: Arc<[_]> = known.rates().iter().map(|rate| rate.map(Allowance::of)).collect();
        Self {
            limits_customers: allowances.iter().any(Option::is_some),
            allowances,
            requests: Bucket::new(abuse.rate, Duration::from_secs(1), abuse.burst),
            faults: Bucket::new(abuse.malformed, FAULTS, abuse.malformed),
            ban: abuse.ban.get(),
            max_message: abuse.max_message.bytes() as usize,
            drops_strangers: abuse.unknown_sources == UnknownSources::Drop,
            agents: abuse.user_agents.iter().map(|agent| agent.to_ascii_lowercase().into_bytes().into()).collect(),
            known,
        }
    }

    /// The same, where customers have what these have left of their allowances: gateways that were found again, or another
    /// key in the file, give nobody a new one.
    pub(super) fn going_on_from(self, before: &Self) -> Self {
        let same = self.known.rates() == before.known.rates();
        let allowances = if same { Arc::clone(&before.allowances) } else { self.allowances };
        Self { allowances, ..self }
    }

    pub(super) fn knows(&self, source: IpAddr) -> bool {
        self.known.holds(source)
    }

    /// Whether a customer may send one more message of this kind. Of several who cannot be told apart yet, one that may is
    /// enough.
    pub(super) fn allows(
        &self,
        now: Time,
        (source, identities): (IpAddr, Option<&[Box<str>]>),
        message: &[u8],
    ) -> bool {
        if !self.limits_customers {
            return true;
        }
        let head = Head::of(message);
        let mut customers = self.known.customers(source, identities).peekable();
        let nobodys = customers.peek().is_none();
        nobodys
            || customers.any(|customer| {
                let allowance = self.allowances.get(customer).and_then(Option::as_ref);
                allowance.is_none_or(|own| own.take(now, &head))
            })
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
