//! Where the calls are: each in a slot of its own, found by its Call-ID, woken by the wheel.

use std::hash::BuildHasher;
use std::time::Duration;

use super::call::{Call, Phase};
use super::cx::Cx;
use super::{Action, Core};
use crate::decision::CallRef;
use crate::time::Time;

/// A call is looked at again after this at the latest. A timer that is not needed any more stays in the wheel until it
/// fires: those of hours would outlive their calls and add up.
const HORIZON: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub(super) struct Slot<F> {
    pub(super) generation: u32,
    pub(super) call: Option<Box<Call<F>>>,
}

impl<F> Core<F> {
    pub(super) fn call_mut(&mut self, id: CallRef) -> Option<&mut Call<F>> {
        let slot = self.calls.get_mut(id.slot as usize).filter(|slot| slot.generation == id.generation)?;
        slot.call.as_deref_mut()
    }

    /// Let something happen to a call; then see to its timer, and to its end.
    pub(super) fn with<R>(
        &mut self,
        now: Time,
        id: CallRef,
        event: impl FnOnce(&mut Call<F>, &mut Cx<'_, F>) -> R,
    ) -> Option<R> {
        let slot = self.calls.get_mut(id.slot as usize).filter(|slot| slot.generation == id.generation)?;
        let call = slot.call.as_deref_mut()?;
        let mut cx = cx!(self, now);
        let (was, had) = (call.phase, call.transactions.len());
        let result = event(call, &mut cx);
        if call.phase == Phase::Over && was != Phase::Over {
            self.live -= 1;
        }
        call.settle(&mut cx);
        call.sweep();
        if had > 0 && call.transactions.is_empty() && call.phase == Phase::Answered {
            cx.actions.push_back(Action::Settled(id));
        }
        self.dialogs = self.dialogs + usize::from(call.phase == Phase::Answered) - usize::from(was == Phase::Answered);
        self.transactions = self.transactions + call.transactions.len() - had;
        if call.is_gone() {
            let hash = call.hash;
            self.transactions -= call.transactions.len();
            slot.call = None;
            slot.generation = slot.generation.wrapping_add(1);
            if let Ok(entry) = self.index.find_entry(hash, |slot| *slot == id.slot) {
                entry.remove();
            }
            self.free.push(id.slot);
            self.held -= 1;
        } else if let Some(next) = call.next_timer(&cx).map(|next| next.min(now + HORIZON))
            && call.wake.is_none_or(|wake| next < wake)
        {
            call.wake = Some(next);
            self.wheel.insert(next, (id, next));
        }
        Some(result)
    }

    /// The call with this Call-ID that `wanted` knows as the one.
    pub(super) fn find(&self, call_id: &[u8], wanted: impl Fn(&Call<F>) -> bool) -> Option<CallRef> {
        let hash = self.hasher.hash_one(call_id);
        let call = |slot: &u32| self.calls[*slot as usize].call.as_deref();
        let is_it = |slot: &u32| call(slot).is_some_and(|call| *call.call_id == *call_id && wanted(call));
        self.index.find(hash, is_it).and_then(call).map(|call| call.id)
    }

    /// Put a new call into its slot.
    pub(super) fn admit(&mut self, id: CallRef, hash: u64, call: Box<Call<F>>) {
        self.dialogs += usize::from(call.phase == Phase::Answered);
        self.transactions += call.transactions.len();
        self.calls[id.slot as usize].call = Some(call);
        self.held += 1;
        self.live += 1;
        let calls = &self.calls;
        self.index.insert_unique(hash, id.slot, |slot| calls[*slot as usize].call.as_ref().map_or(0, |call| call.hash));
    }

    pub(super) fn hash_of(&self, call_id: &[u8]) -> u64 {
        self.hasher.hash_one(call_id)
    }
}
