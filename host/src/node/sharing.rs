//! Limits that several nodes share: the task that tells and hears, for the configuration in use.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::config::model;
use crate::lookup::Services;
use crate::plugin::{Limits, share_limits};

/// At most one task at a time.
#[derive(Debug)]
pub(super) struct Sharing {
    /// Names this run of the node to the others: a restart must not be taken for what was before.
    run: u64,
    task: Mutex<Option<AbortHandle>>,
}

impl Default for Sharing {
    fn default() -> Self {
        Self { run: RandomState::new().hash_one(std::process::id()), task: Mutex::default() }
    }
}

impl Sharing {
    /// Begins to share by this configuration, or ends it; what was counted so far goes on to count.
    pub(super) fn begin(
        &self,
        node: &str,
        config: &model::Limits,
        services: &Services,
        (limits, office): (&Arc<Limits>, &Handle),
    ) {
        let task = config.shared.as_ref().and_then(|shared| {
            let place = format!("{node}:{:016x}", self.run);
            match services.board(&shared.service, &format!("{}-limits", shared.prefix), &place) {
                Ok(board) => Some(office.spawn(share_limits(Arc::clone(limits), board, shared.clone()))),
                Err(problem) => {
                    tracing::error!(%problem, "limits are not shared");
                    None
                }
            }
        });
        if task.is_none() {
            limits.forget_others();
        }
        let task = task.map(|task| task.abort_handle());
        let before = std::mem::replace(&mut *self.task.lock().unwrap_or_else(PoisonError::into_inner), task);
        if let Some(before) = before {
            before.abort();
        }
    }
}
