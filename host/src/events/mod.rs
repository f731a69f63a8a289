//! Events for whoever watches: calls as they start, are answered and end, and what befalls the node.
//!
//! [`publish`] may be called anywhere, like a log line: it never waits and never fails. Behind it stands a bounded queue
//! and one task that passes events on to a topic exchange, when `[events]` is configured. Events are for fraud and
//! balance services that must know at once; they are lossy. What must not be lost is in the call records.

mod event;
mod publisher;

#[cfg(test)]
mod tests;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::sync::mpsc::{self, Receiver, Sender};

pub use self::event::{CallBegun, CallOver, Event, Message};
pub use self::publisher::{Publisher, StartError};

/// As the log, there is one bus per process: whoever has something to tell need not be handed a way to do so.
static BUS: Bus = Bus { sender: OnceLock::new(), dropped: AtomicU64::new(0), published: AtomicU64::new(0) };

struct Bus {
    sender: OnceLock<Sender<Message>>,
    dropped: AtomicU64,
    published: AtomicU64,
}

/// What became of the events so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Handed to the broker.
    pub published: u64,
    /// Dropped: the queue was full, or the broker failed with them in hand.
    pub dropped: u64,
}

/// Tells whoever listens. Costs a few nanoseconds where nobody does.
pub fn publish(event: Event) {
    let Some(sender) = BUS.sender.get() else { return };
    if sender.try_send(Message { event, at: now() }).is_err() {
        BUS.dropped.fetch_add(1, Relaxed);
    }
}

/// Whether events go anywhere: what is costly to tell need not be put together otherwise.
pub fn wanted() -> bool {
    BUS.sender.get().is_some()
}

/// Since the process began.
pub fn counts() -> Counts {
    Counts { published: BUS.published.load(Relaxed), dropped: BUS.dropped.load(Relaxed) }
}

/// Events that wait, and how many may; `None` where nobody listens.
pub fn queue() -> Option<(u64, u64)> {
    let sender = BUS.sender.get()?;
    let limit = sender.max_capacity();
    Some(((limit - sender.capacity()) as u64, limit as u64))
}

/// Opens the bus, once in a process: later ones get `None`.
fn open(depth: usize) -> Option<Receiver<Message>> {
    let (sender, receiver) = mpsc::channel(depth.max(1));
    BUS.sender.set(sender).ok().map(|()| receiver)
}

fn now() -> u64 {
    let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    wall.map_or(0, |since| since.as_micros() as u64)
}
