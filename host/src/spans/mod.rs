//! Traces of calls for an OpenTelemetry collector: a span for the call, below it one for each stage, each lookup of a
//! stage, and each attempt.
//!
//! A trace is put together from the call's record when the call is over, by a task of the back office: a worker hands
//! the record over by a bounded queue and goes on. Whether a call is traced is decided when it comes, by chance; such a
//! call's lookups are written down with their times, which the record does not have. Traces are lossy: where the queue
//! is full or the collector refuses, they are dropped and counted, and nothing waits for them. Nothing of it is seen in
//! SIP messages.
//!
//! | file | what |
//! |---|---|
//! | `mod` | which calls are traced, and the queue |
//! | `visit` | what is kept of a stage while the call lasts |
//! | `tree` | a record as spans |
//! | `otlp` | spans as OTLP/HTTP has them in JSON |
//! | `export` | the task that posts them |

mod export;
mod otlp;
#[cfg(test)]
mod tests;
mod tree;
mod visit;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use self::export::Exporter;
use crate::cdr::record::{CallRecord, End};
use crate::config::model;

pub use self::export::StartError;
pub use self::visit::{Heard, Visit};

/// Hands the records of traced calls over. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tracer {
    queue: mpsc::Sender<Traced>,
    counts: Arc<Counts>,
    /// Of a million calls, so many are traced from their beginning.
    share: u32,
    /// Calls that went wrong are traced, whatever the share.
    failed: bool,
}

/// A call that is over.
#[derive(Debug)]
struct Traced {
    record: CallRecord,
    /// Of its stages, in order; empty where it was not chosen when it came.
    visits: Vec<Visit>,
}

/// What became of the traces so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// The collector has taken them.
    pub exported: u64,
    /// The collector rejected spans of the request that they came in: it may lack some of them.
    pub partial: u64,
    /// The queue was full.
    pub dropped: u64,
    /// The collector refused them, or was not there.
    pub failed: u64,
}

#[derive(Debug, Default)]
struct Counts {
    exported: AtomicU64,
    partial: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
}

impl Tracer {
    /// Begins to export, for ever. A collector that is down is no error: traces are dropped and counted meanwhile.
    ///
    /// # Errors
    ///
    /// The URL or a header field is none.
    pub fn start(config: &model::Tracing, node: &Arc<str>, office: &Handle) -> Result<Self, StartError> {
        let (queue, traced) = mpsc::channel(config.queue.max(1));
        let counts = Arc::<Counts>::default();
        let exporter = Exporter::new(config, node, Arc::clone(&counts))?;
        drop(office.spawn(exporter.run(traced)));
        Ok(Self { queue, counts, share: config.share.millionths(), failed: config.failed })
    }

    /// Whether a call that has just come is one of those that are traced.
    pub fn chooses(&self) -> bool {
        fastrand::u32(..1_000_000) < self.share
    }

    /// A call is over. `visits`, where it was chosen.
    pub fn take(&self, record: CallRecord, visits: Option<Box<[Visit]>>) {
        if visits.is_none() && !(self.failed && went_wrong(&record)) {
            return;
        }
        let visits = visits.map(Vec::from).unwrap_or_default();
        if self.queue.try_send(Traced { record, visits }).is_err() {
            self.counts.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Traces that wait, and how many may.
    pub fn queue(&self) -> (u64, u64) {
        let limit = self.queue.max_capacity();
        ((limit - self.queue.capacity()) as u64, limit as u64)
    }

    /// Since the start.
    pub fn counts(&self) -> Tally {
        let Counts { exported, partial, dropped, failed } = &*self.counts;
        let [exported, partial, dropped, failed] =
            [exported, partial, dropped, failed].map(|count| count.load(Relaxed));
        Tally { exported, partial, dropped, failed }
    }
}

/// Whether it is one that somebody will ask about: no route led anywhere, or a stage failed.
fn went_wrong(record: &CallRecord) -> bool {
    let lost = matches!(record.end, End::Failed | End::TimedOut | End::Interrupted) && record.code >= 500
        || record.end == End::TimedOut;
    lost || record.stages.iter().any(|stage| !stage.outcome.is_verdict())
}
