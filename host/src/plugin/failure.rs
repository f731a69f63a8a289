//! Gives every way in which a stage can fail its reason in the call record.

use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};

use super::memory::{MemoryRefused, ShareRefused};
use crate::cdr::record::StageOutcome;

/// Bytes of a detail that reach the record: a guest writes some of them.
const MAX_DETAIL: usize = 1_024;

/// Why a stage gave no verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Never a verdict.
    pub reason: StageOutcome,
    /// For people.
    pub detail: Option<String>,
}

impl std::fmt::Display for Failure {
    /// A stage's own error in its words alone; any other failure with its reason before them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let detail = self.detail.as_deref().unwrap_or_default();
        if self.reason == StageOutcome::Error {
            return f.write_str(detail);
        }
        let reason = self.reason.word();
        if detail.is_empty() { f.write_str(reason) } else { write!(f, "{reason}: {detail}") }
    }
}

impl Failure {
    pub(super) fn new(reason: StageOutcome, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        truncate(&mut detail, MAX_DETAIL);
        Self { reason, detail: Some(detail) }
    }

    /// Whether it speaks against the plugin: only such failures count towards its breaker. That it gave up or ran out
    /// of time in an `outage` of what it asked does not: the service has a breaker of its own, and the plugin's would
    /// keep calls from what the caches still answer.
    pub(super) fn is_the_plugins(&self, outage: bool) -> bool {
        use StageOutcome::{Deadline, Error, Fuel, Invalid, Memory, Trap};
        match self.reason {
            Fuel | Memory | Trap | Invalid => true,
            Deadline | Error => !outage,
            _ => false,
        }
    }

    /// Of an error that wasmtime returned: from a trap in the guest, from the host's refusal of what the guest handed
    /// over, or from the want of a free slot.
    pub(super) fn of(error: &wasmtime::Error) -> Self {
        if let Some(refused) = error.downcast_ref::<MemoryRefused>() {
            return Self::new(StageOutcome::Memory, refused.to_string());
        }
        if let Some(refused) = error.downcast_ref::<ShareRefused>() {
            return Self::new(StageOutcome::Share, refused.to_string());
        }
        if let Some(full) = error.downcast_ref::<PoolConcurrencyLimitError>() {
            return Self::new(StageOutcome::Saturated, format!("the node's instance pool is used up: {full}"));
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => Self::new(StageOutcome::Fuel, "used up its fuel".to_owned() + &place(error)),
            Some(trap) => Self::new(StageOutcome::Trap, format!("{trap}{}", place(error))),
            // No trap of the guest: the host could not read what it handed over (a pointer outside its memory, text
            // that is not UTF-8, a list larger than the host takes).
            None => Self::new(StageOutcome::Invalid, error.root_cause().to_string()),
        }
    }
}

/// `, in rate::handle`: the innermost function that has a name.
fn place(error: &wasmtime::Error) -> String {
    error
        .downcast_ref::<WasmBacktrace>()
        .and_then(|trace| trace.frames().iter().find_map(|frame| frame.func_name()))
        .map_or_else(String::new, |name| format!(", in {name}"))
}

/// Cuts at a character's border.
pub(super) fn truncate(text: &mut String, max: usize) {
    if text.len() > max {
        let end = text.floor_char_boundary(max);
        text.truncate(end);
    }
}
