//! Of all failures the one that the caller is told (RFC 3261 section 16.7 items 6 and 7).

use std::sync::Arc;

use crate::message::{Message, Name};

/// A header field that asks for credentials, and its value.
pub(super) type Challenge = (Name, Box<[u8]>);

#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// A response of a next hop; `shift` is what its CSeq number is ahead of the caller's.
    Response { message: Arc<Message>, shift: u32 },
    /// Our own finding: 408, 500, 503, or 513.
    Local(u16),
}

impl Failure {
    pub(super) fn code(&self) -> u16 {
        match self {
            Self::Response { message, .. } => message.code(),
            Self::Local(code) => *code,
        }
    }
}

/// The best failure so far.
#[derive(Debug, Default)]
pub(super) struct Best {
    failure: Option<(Rank, Failure)>,
    /// The challenges of all that asked for credentials: the caller may have them for any of these.
    challenges: Vec<Challenge>,
}

/// Lower is better.
type Rank = (bool, u16, bool, bool, bool);

/// Challenges of one call that are kept.
const MAX_CHALLENGES: usize = 16;

impl Best {
    /// Take a failure into account. `decisive`: it ended the hunt, where others led on.
    pub(super) fn add(&mut self, failure: Failure, decisive: bool) {
        if let Failure::Response { message, .. } = &failure
            && matches!(message.code(), 401 | 407)
        {
            for name in [Name::WwwAuthenticate, Name::ProxyAuthenticate] {
                let room = MAX_CHALLENGES.saturating_sub(self.challenges.len());
                let fields = message.all(name).take(room);
                self.challenges.extend(fields.map(|field| (name, message.value(field).into())));
            }
        }
        let rank = rank(&failure, decisive);
        if self.failure.as_ref().is_none_or(|(best, _)| rank <= *best) {
            self.failure = Some((rank, failure));
        }
    }

    /// The best one, and the header fields that others add to it: with a 401 or 407 every other's challenges go too.
    pub(super) fn take(&mut self) -> Option<(Failure, Vec<Challenge>)> {
        let (_, failure) = self.failure.take()?;
        let mut challenges = std::mem::take(&mut self.challenges);
        match &failure {
            Failure::Response { message, .. } if matches!(message.code(), 401 | 407) => {
                let own = |(name, value): &Challenge| message.all(*name).any(|field| message.value(field) == &**value);
                challenges.retain(|challenge| !own(challenge));
            }
            _ => challenges.clear(),
        }
        Some((failure, challenges))
    }
}

/// What ended the hunt comes before what led on, and of that a 6xx first; then the lowest class; within it what tells
/// the caller how to try again, a response before our own finding, and what says more than 503.
fn rank(failure: &Failure, decisive: bool) -> Rank {
    let code = failure.code();
    let class = if decisive && code >= 600 { 0 } else { code / 100 };
    let helps = matches!(code, 401 | 407 | 415 | 420 | 484);
    (!decisive, class, !helps, code == 503, matches!(failure, Failure::Local(_)))
}
