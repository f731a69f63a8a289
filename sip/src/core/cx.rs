//! What every part of the core works with while it handles one event.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::ascii::Ascii;
use super::names::{Found, Names, Wish};
use super::settings::Settings;
use super::size::Deaf;
use super::{Action, Counters};
use crate::decision::CallRef;
use crate::flow::Flow;
use crate::place::Place;
use crate::time::Time;

/// The part of a core that handling one event takes; the rest stays free to be borrowed beside it.
macro_rules! cx {
    ($core:ident, $now:expr) => {
        Cx {
            now: $now,
            settings: &$core.settings,
            actions: &mut $core.actions,
            counters: &mut $core.counters,
            rng: &mut $core.rng,
            deaf: &mut $core.deaf,
            names: &mut $core.names,
        }
    };
}

pub(super) struct Cx<'a, F> {
    pub(super) now: Time,
    pub(super) settings: &'a Settings,
    pub(super) actions: &'a mut VecDeque<Action<F>>,
    pub(super) counters: &'a mut Counters,
    pub(super) rng: &'a mut fastrand::Rng,
    pub(super) deaf: &'a mut Deaf,
    pub(super) names: &'a mut Names,
}

impl<F> Cx<'_, F> {
    pub(super) fn send(&mut self, flow: Flow, bytes: Bytes) {
        self.actions.push_back(Action::Send { flow, bytes, within: None });
    }

    /// The same by a connection that need not come about, and is waited for no longer than this.
    pub(super) fn try_to_send(&mut self, flow: Flow, bytes: Bytes, within: Duration) {
        self.actions.push_back(Action::Send { flow, bytes, within: Some(within) });
    }

    /// Requests will go to this URI: where its host is a name, it is asked for in the background.
    pub(super) fn seek(&mut self, uri: &[u8]) {
        let wish = self.names.wish(self.now, uri);
        self.grant(wish, false);
    }

    /// Where a name leads; where that is not known, `call` waits for it.
    pub(super) fn find(&mut self, place: &Place, call: CallRef) -> Found {
        let (found, wish) = self.names.find(self.now, place, call);
        self.grant(wish, true);
        found
    }

    fn grant(&mut self, wish: Wish, awaited: bool) {
        match wish {
            Wish::None => {}
            Wish::Ask(place) => self.actions.push_back(Action::Locate { place, awaited }),
            Wish::Full => self.counters.unasked += 1,
        }
    }

    /// A branch that names the call, so that a response or an ICMP error finds it without a search. The part after the
    /// dot is for loop detection (RFC 3261 section 16.6 item 8).
    pub(super) fn branch(&mut self, call: CallRef, loop_hash: u32) -> BranchName {
        let [worker, loop_hash] = [u32::from(self.settings.worker), loop_hash].map(u64::from);
        let [slot, generation, random] = [call.slot, call.generation, self.rng.u32(..)].map(u64::from);
        Ascii::of(&[(MAGIC, worker, 2), ("", slot, 8), ("", generation, 8), ("", random, 8), (".", loop_hash, 8)])
    }
}

/// The branch parameter of a Via of ours.
pub(super) type BranchName = Ascii<BRANCH_LEN>;

/// RFC 3261 section 8.1.1.7, and a `t` so that a trace shows whose it is.
const MAGIC: &str = "z9hG4bKt";
pub(super) const BRANCH_LEN: usize = MAGIC.len() + 2 + 8 + 8 + 8 + 1 + 8;

/// The worker, the call and the loop hash that a branch of ours names.
pub(super) fn read_branch(branch: &[u8]) -> Option<(u8, CallRef, u32)> {
    let text = std::str::from_utf8(branch).ok()?.strip_prefix(MAGIC)?;
    if branch.len() != BRANCH_LEN || !text.is_ascii() || text.as_bytes()[26] != b'.' {
        return None;
    }
    let hex = |range| u32::from_str_radix(&text[range], 16).ok();
    let call = CallRef { slot: hex(2..10)?, generation: hex(10..18)? };
    Some((hex(0..2)? as u8, call, hex(27..35)?))
}
