//! Call records: written to the journal first, and from there to every store.
//!
//! A worker hands its record to [`JournalHandle::append`] and goes on. The [`journal`] brings it to disk; then one
//! shipper per store and one for the fanout read it from there, each at its own pace with its own [`cursor`], until all
//! have confirmed it and its segment may go. Every store knows a record by (node, epoch, sequence) and takes it once.

mod alarms;
pub mod bill;
pub mod chain;
pub mod codec;
pub mod cursor;
pub mod journal;
pub mod message;
pub mod query;
pub mod reconcile;
pub mod record;
mod service;
mod shippers;

#[cfg(test)]
pub(crate) mod testing;

pub use journal::JournalHandle;
pub use service::{Cdr, Observer, StartError};
pub(crate) use shippers::Backoff;
pub use shippers::Lag;
