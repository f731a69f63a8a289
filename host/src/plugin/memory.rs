//! Bounds an instance's linear memories and tables, and tells this refusal from any other trap.

use std::sync::Arc;

use wasmtime::ResourceLimiter;

use super::account::Account;

/// What one element of a table weighs against the memory limit.
const TABLE_ELEMENT: usize = size_of::<usize>();

/// The guest asked for more memory than it may have.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("asked for {asked} bytes of memory, {limit} are allowed")]
pub(super) struct MemoryRefused {
    pub(super) asked: usize,
    pub(super) limit: usize,
}

/// The customer's own components hold all the memory that it may have.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the customer's memory is used up: {limit} bytes for all its instances")]
pub(super) struct ShareRefused {
    limit: u64,
}

/// The limiter of one store: all its memories and tables together.
#[derive(Debug)]
pub(super) struct MemoryGuard {
    limit: usize,
    used: usize,
    /// Whose memory it is, where it is one customer's.
    account: Option<Arc<Account>>,
}

impl MemoryGuard {
    pub(super) fn new(limit: usize, account: Option<Arc<Account>>) -> Self {
        Self { limit, used: 0, account }
    }

    /// An error rather than `false`: a guest that were told "no" would abort on its own, and its trap would look like
    /// a bug of the plugin rather than a limit that was reached.
    fn grow(&mut self, by: usize) -> wasmtime::Result<bool> {
        let asked = self.used.saturating_add(by);
        if asked > self.limit {
            return Err(wasmtime::Error::new(MemoryRefused { asked, limit: self.limit }));
        }
        if let Some(account) = &self.account {
            account.grow(by as u64).map_err(|limit| wasmtime::Error::new(ShareRefused { limit }))?;
        }
        self.used = asked;
        Ok(true)
    }
}

impl Drop for MemoryGuard {
    fn drop(&mut self) {
        if let Some(account) = &self.account {
            account.shrink(self.used as u64);
        }
    }
}

impl ResourceLimiter for MemoryGuard {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        self.grow(desired.saturating_sub(current))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        self.grow(desired.saturating_sub(current).saturating_mul(TABLE_ELEMENT))
    }
}
