//! What stands behind an instance: the means it was lent, and the call it is on.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use super::counters::Counters;
use super::limits::{Limits, Permit};
use super::memory::MemoryGuard;
use super::recorded::{Asking, Recording};
use super::trace::story::Question;
use super::trace::{Open, Trace};
use crate::lookup::{Services, Tables};

/// Bytes of remarks after which no more are made.
const MOST_REMARKS: usize = 256;

/// The header fields of the request that a stage may read.
pub trait Headers: Send + Sync {
    /// The values of every field of this name (without case, long or compact form), in order, unfolded.
    fn values(&self, name: &str) -> Vec<String>;
}

/// What a node lends to its stages.
#[derive(Debug, Clone)]
pub struct Lent {
    /// For `lookups`.
    pub tables: Tables,
    /// For `services`.
    pub services: Services,
    /// For `limits`.
    pub limits: Arc<Limits>,
}

/// The data of one store.
pub(super) struct State {
    /// The plugin's name in the configuration.
    pub(super) plugin: Arc<str>,
    pub(super) lent: Lent,
    pub(super) counters: Arc<Counters>,
    /// The counters that this instance has asked for, so that the shared ones are locked once.
    pub(super) own_counters: Vec<(Box<str>, Arc<AtomicU64>)>,
    pub(super) memory: MemoryGuard,
    /// `None` while `configure` runs.
    pub(super) call: Option<OnCall>,
}

/// What an instance knows of the call it is on.
pub(super) struct OnCall {
    pub(super) headers: Arc<dyn Headers>,
    pub(super) customer: Arc<str>,
    pub(super) call_id: Arc<str>,
    /// What `clock.now` says: microseconds since 1970.
    pub(super) now: u64,
    /// When the stage's call began.
    pub(super) started: Instant,
    /// Until when an import may wait: a little before the stage's deadline, so that the guest still hears of it.
    pub(super) wait_until: Instant,
    pub(super) permits: Vec<Permit>,
    pub(super) log_lines: u32,
    /// Whether a table or a service gave no answer in this call: what follows from that is not the plugin's failure.
    pub(super) outage: bool,
    /// For the call's record: which tables' answers were old, or another node's.
    pub(super) remarks: String,
    /// Whether what is asked is written down, or told as it was to another.
    pub(super) asking: Option<Asking>,
    /// Who wants to hear what is asked.
    pub(super) trace: Option<Arc<Trace>>,
}

impl State {
    /// Tells the trace, where the call carries one, what the guest asks.
    pub(super) fn ask(&self, question: impl FnOnce() -> Question) -> Option<Open> {
        self.call.as_ref()?.trace.as_ref()?.ask(question())
    }

    /// Writes down what the guest was told, where that is wanted.
    pub(super) fn write_down(&self, write: impl FnOnce(&Recording)) {
        if let Some(Asking::Write(recording)) = self.asking() {
            write(recording);
        }
    }

    /// What another stage was told, where this one is to be told the same, and whether memory may stand in for it.
    pub(super) fn told(&self) -> Option<(&Recording, bool)> {
        match self.asking()? {
            Asking::Tell { recording, memory } => Some((recording, *memory)),
            Asking::Write(_) => None,
        }
    }

    fn asking(&self) -> Option<&Asking> {
        self.call.as_ref()?.asking.as_ref()
    }

    /// Has the call's record say this of a table's answer, once of each table.
    pub(super) fn remark(&mut self, table: &str, remark: &str) {
        let Some(call) = &mut self.call else { return };
        if call.remarks.len() > MOST_REMARKS || call.remarks.split("; ").any(|told| is_of(told, table)) {
            return;
        }
        let between = if call.remarks.is_empty() { "" } else { "; " };
        let _infallible = write!(call.remarks, "{between}{table}: {remark}");
    }

    /// A table or a service that the guest asked failed, or did not answer in time.
    pub(super) fn met_outage(&mut self) {
        if let Some(call) = &mut self.call {
            call.outage = true;
        }
    }
}

fn is_of(remark: &str, table: &str) -> bool {
    remark.strip_prefix(table).is_some_and(|rest| rest.starts_with(": "))
}
