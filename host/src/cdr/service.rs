//! The journal and its shippers as one thing to start, to watch and to stop.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::alarms::Alarms;
use super::cursor;
use super::journal::{self, Journal, JournalHandle, Monitor};
use super::record::UnixMicros;
use super::shippers::{self, Lag, Ship, Shipper};
use crate::config::model;

#[cfg(test)]
mod tests;

/// How often retention and alarms are looked after.
const ROUND: Duration = Duration::from_secs(1);

/// Why call records could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] journal::OpenError),
    /// A store's configuration.
    #[error("`{key}`: {problem}")]
    Config {
        /// The key in the configuration file.
        key: String,
        /// What is wrong with its value, and what would be right.
        problem: String,
    },
    /// A store's cursor.
    #[error("cannot keep the cursor of `{store}` in {}: {source}", .folder.display())]
    Cursor {
        /// The store's name.
        store: String,
        /// The journal's folder.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// All that happens to call records in this process.
pub struct Cdr {
    journal: Journal,
    monitor: Monitor,
    shippers: Vec<Running>,
    drain: watch::Sender<Option<Instant>>,
    keeper: JoinHandle<()>,
}

struct Running {
    status: Arc<shippers::Status>,
    task: JoinHandle<()>,
}

impl Cdr {
    /// Opens the journal and starts the shippers on `runtime`, the back office. Relative paths count from `base`.
    ///
    /// A store that is down is no error: it is tried for ever. Wrong configuration is.
    pub fn start(
        config: &model::Cdr,
        node: &str,
        base: &Path,
        runtime: &Handle,
    ) -> Result<(Self, JournalHandle), StartError> {
        let folder = base.join(&config.journal);
        let ships = shippers::plan(config, base)?;
        // Its place in memory follows from where it really is.
        std::fs::create_dir_all(&folder).map_err(|source| journal::OpenError::Io { folder: folder.clone(), source })?;
        let options = journal::Options {
            slates: journal::slates(&folder),
            sync: config.sync.get(),
            queue: config.queue,
            limit: config.journal_limit.bytes(),
            ..journal::Options::default()
        };
        let (journal, handle) = Journal::open(&folder, node, options)?;
        let monitor = journal.monitor();
        let (drain, draining) = watch::channel(None);
        let mut shippers = Vec::new();
        for (store, ship) in ships {
            let shipper = Shipper::new(&folder, &store, ship.kind(), journal.synced(), draining.clone())
                .map_err(|source| StartError::Cursor { store, folder: folder.clone(), source })?;
            let status = shipper.status();
            let task = match ship {
                Ship::Sql(sink) => runtime.spawn(shipper.run(sink)),
                Ship::Files(sink) => runtime.spawn(shipper.run(sink)),
                Ship::Http(sink) => runtime.spawn(shipper.run(*sink)),
                Ship::Amqp(sink) => runtime.spawn(shipper.run(*sink)),
            };
            shippers.push(Running { status, task });
        }
        let statuses: Vec<_> = shippers.iter().map(|running| Arc::clone(&running.status)).collect();
        warn_of_strays(&folder, &statuses);
        let keeper = runtime.spawn(keep(monitor.clone(), statuses));
        Ok((Self { journal, monitor, shippers, drain, keeper }, handle))
    }

    /// The calls that an earlier process has left open, and when that was last heard of. Once.
    pub fn take_open(&mut self) -> (Vec<journal::Noted>, UnixMicros) {
        (self.journal.take_open(), self.journal.recovered().died)
    }

    /// How the journal fares.
    pub fn journal(&self) -> journal::Status {
        self.monitor.status()
    }

    /// How far each store is behind, in the order of the configuration, the fanout last.
    pub fn lag(&self) -> Vec<Lag> {
        let synced = self.monitor.status().synced;
        self.shippers.iter().map(|running| running.status.lag(synced)).collect()
    }

    /// Tells how things stand, also to those who do not own it: for the admin API and the metrics.
    pub fn observer(&self) -> Observer {
        Observer {
            monitor: self.monitor.clone(),
            stores: self.shippers.iter().map(|running| Arc::clone(&running.status)).collect(),
        }
    }

    /// Closes the journal and lets the shippers go on until all is confirmed, at most for `patience` in all.
    ///
    /// Stop the workers first. What a store has not confirmed by then is in the journal and goes out after the next
    /// start. An error means that records did not even reach the journal.
    pub async fn shutdown(self, patience: Duration) -> Result<(), journal::CloseError> {
        let deadline = Instant::now() + patience;
        let journal = self.journal;
        let closed = tokio::task::spawn_blocking(move || journal.close(patience)).await;
        self.drain.send_replace(Some(deadline));
        for mut running in self.shippers {
            // A little over the deadline, so that a shipper that reaches it still saves its cursor.
            let last = deadline + Duration::from_millis(500);
            if tokio::time::timeout_at(last, &mut running.task).await.is_err() {
                running.task.abort();
            }
        }
        self.keeper.abort();
        closed.unwrap_or_else(|_| Err(journal::CloseError::default())).map(|_| ())
    }
}

/// Looks at call records without owning them.
#[derive(Clone)]
pub struct Observer {
    monitor: Monitor,
    stores: Vec<Arc<shippers::Status>>,
}

impl Observer {
    /// How the journal fares.
    pub fn journal(&self) -> journal::Status {
        self.monitor.status()
    }

    /// How far each store is behind.
    pub fn lag(&self) -> Vec<Lag> {
        let synced = self.monitor.status().synced;
        self.stores.iter().map(|store| store.lag(synced)).collect()
    }
}

/// Removes segments that every store is past, and raises the alarm over lost records: not the workers' job, and not
/// the journal's, whose thread may be stuck in a write.
async fn keep(monitor: Monitor, stores: Vec<Arc<shippers::Status>>) {
    let mut alarms = Alarms::default();
    loop {
        tokio::time::sleep(ROUND).await;
        alarms.look(&monitor.status());
        tidy(&monitor, &stores).await;
    }
}

/// Removes the segments that every store is past, by its cursor as it would be found after a crash now. Without any
/// store there is nobody who has the records: all stay.
async fn tidy(monitor: &Monitor, stores: &[Arc<shippers::Status>]) {
    let Some(oldest) = stores.iter().map(|store| store.saved_segment()).min() else { return };
    let monitor = monitor.clone();
    let removed = tokio::task::spawn_blocking(move || monitor.remove_before(oldest)).await;
    if let Ok(Err(error)) = removed {
        tracing::warn!(%error, "cannot remove old segments of the journal");
    }
}

/// A store that left the configuration keeps its cursor: should it come back after its records are gone, that shows.
fn warn_of_strays(folder: &Path, stores: &[Arc<shippers::Status>]) {
    if stores.is_empty() {
        tracing::warn!("no [cdr.stores] and no [cdr.fanout]: records stay in the journal, which grows for ever");
    }
    for (name, _) in cursor::read_all(folder) {
        if !stores.iter().any(|store| store.cursor_name() == name) {
            tracing::warn!(store = %name, "a store that was configured before is not any more: records no longer wait for it");
        }
    }
}
