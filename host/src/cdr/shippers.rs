//! Shippers: one task per store, from the journal to the store's confirmation.
//!
//! Each keeps its own cursor and its own pace: a dead store delays no other. A batch is tried until the store has
//! confirmed it, for ever, and only then the cursor moves: every record arrives at least once, and the store knows it
//! by its key.

mod amqp;
mod backoff;
mod files;
mod http;
mod sql;
mod status;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub(crate) use self::backoff::Backoff;
pub(super) use self::sql::{SqlSink, sqlite_path};
pub use self::status::Lag;
pub(super) use self::status::Status;
use super::cursor::{Cursor, CursorFile};
use super::journal::{Batch, Gap, GapCause, Position, Reader, Synced};
use super::record::{CallRecord, RecordKey};
use super::service::StartError;
use crate::config::model;
use crate::config::units::TimeSpan;

/// A cursor is saved this often while records flow, and at the end. What a crash makes a store see twice is bounded
/// by it.
const SAVE: Duration = Duration::from_secs(1);
/// While the journal itself cannot be read, it is tried this often.
const REREAD: Duration = Duration::from_secs(1);

/// Where records go.
pub(super) trait Sink: Send + 'static {
    /// Most records in one batch.
    const BATCH: usize;
    /// How long a shipper that is up to date lets records gather: the price of a batch against a record's age.
    const LINGER: Duration;

    /// Returns when the store has all of `batch`, or says why not; then the same batch comes again.
    ///
    /// May be dropped at any await. Every wait in it has a deadline.
    fn deliver(&mut self, batch: &[CallRecord]) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Records that were delivered to nobody, since the start.
    fn unroutable(&self) -> u64 {
        0
    }
}

/// A configured sink.
pub(super) enum Ship {
    Sql(SqlSink),
    Files(files::FileSink),
    Http(Box<http::HttpSink>),
    Amqp(Box<amqp::AmqpSink>),
}

impl Ship {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Sql(_) => "sql",
            Self::Files(_) => "files",
            Self::Http(_) => "http",
            Self::Amqp(_) => "amqp",
        }
    }
}

/// The sinks of a configuration with their names, the fanout last.
pub(super) fn plan(config: &model::Cdr, base: &Path) -> Result<Vec<(String, Ship)>, StartError> {
    let mut ships = Vec::new();
    for (name, store) in &config.stores {
        let problem = |key: &str, problem: anyhow::Error| StartError::Config {
            key: format!("cdr.stores.{name}.{key}"),
            problem: format!("{problem:#}"),
        };
        let ship = match store {
            model::Store::Sql(store) => {
                Ship::Sql(SqlSink::new(&store.url, base).map_err(|error| problem("sql.url", error))?)
            }
            model::Store::Files(store) => {
                let model::FileFormat::Jsonl = store.format;
                let every = store.rotate_every.map(TimeSpan::get);
                Ship::Files(files::FileSink::new(base.join(&store.folder), store.rotate.bytes(), every))
            }
            model::Store::Http(store) => {
                let sink = http::HttpSink::new(store).map_err(|error| problem("http", error))?;
                Ship::Http(Box::new(sink))
            }
        };
        ships.push((format!("store {name}"), ship));
    }
    if let Some(model::Fanout::Amqp(fanout)) = &config.fanout {
        let sink = amqp::AmqpSink::new(fanout, base).map_err(|error| StartError::Config {
            key: format!("cdr.fanout.amqp.{}", error.key()),
            problem: error.to_string(),
        })?;
        ships.push(("fanout".to_owned(), Ship::Amqp(Box::new(sink))));
    }
    Ok(ships)
}

/// The loop from the journal to one sink.
pub(super) struct Shipper {
    folder: PathBuf,
    file: CursorFile,
    cursor: Cursor,
    /// When the cursor was last saved; `None` when it is saved as it is.
    unsaved_since: Option<Instant>,
    synced: watch::Receiver<Synced>,
    /// Set once: stop when all is confirmed, or at this moment.
    drain: watch::Receiver<Option<Instant>>,
    status: Arc<Status>,
}

impl Shipper {
    pub(super) fn new(
        journal: &Path,
        store: &str,
        kind: &'static str,
        synced: watch::Receiver<Synced>,
        drain: watch::Receiver<Option<Instant>>,
    ) -> io::Result<Self> {
        let file = CursorFile::new(journal, store)?;
        let cursor = file.read().unwrap_or_default();
        let status = Arc::new(Status::new(store, kind, &cursor));
        Ok(Self { folder: journal.to_owned(), file, cursor, unsaved_since: None, synced, drain, status })
    }

    pub(super) fn status(&self) -> Arc<Status> {
        Arc::clone(&self.status)
    }

    /// Ships until told to drain.
    pub(super) async fn run<S: Sink>(mut self, mut sink: S) {
        let mut reader = Some(Reader::new(&self.folder, self.cursor.position, self.cursor.last()));
        while !self.out_of_time() {
            let target = self.synced.borrow_and_update().position;
            if self.cursor.position >= target {
                self.status.holds(None);
                if self.draining() {
                    break;
                }
                self.wait(S::LINGER).await;
                continue;
            }
            self.status.waits();
            let Some((read, batch)) = self.read(reader.take(), target, S::BATCH).await else { continue };
            self.report(&batch);
            if read.position() == self.cursor.position {
                // Synced, and not there: somebody has removed the segment.
                tokio::time::sleep(REREAD).await;
                continue;
            }
            if let Some(oldest) = batch.records.first() {
                self.status.holds(Some(oldest));
            }
            if !self.deliver(&mut sink, &batch.records).await {
                break;
            }
            self.advance(&read, &batch.records);
            reader = Some(read);
            if self.unsaved_since.is_some_and(|since| since.elapsed() >= SAVE) {
                self.save().await;
            }
        }
        self.save().await;
    }

    /// Whoever started the shipper wants it to end, or is gone.
    fn draining(&self) -> bool {
        self.drain.borrow().is_some() || self.drain.has_changed().is_err()
    }

    fn out_of_time(&self) -> bool {
        self.drain.borrow().map_or(self.drain.has_changed().is_err(), |deadline| Instant::now() >= deadline)
    }

    /// Until there is something new, and some more has gathered; saves the cursor meanwhile.
    async fn wait(&mut self, linger: Duration) {
        let save_at = self.unsaved_since.map(|since| since + SAVE);
        let changed = tokio::select! {
            changed = self.synced.changed() => changed,
            changed = self.drain.changed() => changed,
            () = sleep_until(save_at) => {
                self.save().await;
                return;
            }
        };
        // Closed: the journal's thread is gone, and only the order to drain is still to come.
        let more = async {
            if changed.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(linger).await;
        };
        if !self.draining() {
            tokio::select! {
                () = more => {}
                _ = self.drain.changed() => {}
            }
        }
    }

    /// The next batch behind the cursor, and the reader that stands behind it.
    async fn read(&self, reader: Option<Reader>, until: Position, max: usize) -> Option<(Reader, Load)> {
        let folder = self.folder.clone();
        let cursor = self.cursor.clone();
        let read = tokio::task::spawn_blocking(move || {
            let mut reader = reader.unwrap_or_else(|| Reader::new(&folder, cursor.position, cursor.last()));
            let batch = reader.read(Some(until), max)?;
            io::Result::Ok((reader, Load::of(batch)))
        });
        self.come_of(read).await
    }

    /// What was read; `None` after a pause, to be tried again.
    async fn come_of<T>(&self, read: JoinHandle<io::Result<T>>) -> Option<T> {
        let error = match read.await {
            Ok(Ok(read)) => return Some(read),
            Ok(Err(error)) => error.to_string(),
            Err(error) if error.is_panic() => "its reader has a fault, which the log names".to_owned(),
            // The runtime is going down.
            Err(_) => std::future::pending().await,
        };
        if self.status.failed(format!("cannot read the journal: {error}")) {
            tracing::error!(store = self.status.name(), error, "cannot read the journal");
        }
        tokio::time::sleep(REREAD).await;
        None
    }

    fn report(&self, batch: &Load) {
        let store = self.status.name();
        for gap in &batch.gaps {
            let (node, epoch, first, last) = (&*gap.node, gap.epoch, gap.first, gap.last);
            match gap.cause {
                GapCause::NeverWritten => tracing::error!(
                    store,
                    node,
                    epoch,
                    first,
                    last,
                    "these call records were lost before they reached the journal"
                ),
                GapCause::Damaged => tracing::error!(
                    store,
                    node,
                    epoch,
                    first,
                    last,
                    "these call records are missing in the journal: it was damaged, or a segment was removed"
                ),
            }
            self.status.missing(last - first + 1);
        }
        for problem in &batch.unreadable {
            tracing::error!(store, "{problem}: passed over");
            self.status.missing(1);
        }
        if batch.damaged_bytes > 0 {
            tracing::error!(store, bytes = batch.damaged_bytes, "damaged bytes in the journal were passed over");
        }
    }

    /// Tries until the sink has confirmed. False when the time to drain is up before that.
    async fn deliver<S: Sink>(&mut self, sink: &mut S, records: &[CallRecord]) -> bool {
        if records.is_empty() {
            return true;
        }
        let mut backoff = Backoff::new();
        let mut drain = self.drain.clone();
        loop {
            let attempt = tokio::select! {
                attempt = sink.deliver(records) => attempt,
                () = deadline(&mut drain) => return false,
            };
            self.status.unroutable(sink.unroutable());
            let Err(error) = attempt else {
                self.status.delivered();
                return true;
            };
            let error = format!("{error:#}");
            let pause = backoff.pause();
            if self.status.failed(error.clone()) {
                tracing::error!(store = self.status.name(), %error, "records wait in the journal for this store");
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = deadline(&mut drain) => return false,
            }
        }
    }

    fn advance(&mut self, read: &Reader, records: &[CallRecord]) {
        self.cursor.position = read.position();
        if let Some(last) = read.last() {
            let hash = records.last().map_or(self.cursor.hash, |record| record.hash);
            let RecordKey { node, epoch, sequence } = last;
            self.cursor = Cursor { position: read.position(), node, epoch, sequence, hash };
        }
        self.unsaved_since.get_or_insert_with(Instant::now);
        self.status.advanced(&self.cursor, records.len() as u64);
    }

    async fn save(&mut self) {
        if self.unsaved_since.is_none() {
            return;
        }
        let (file, cursor) = (self.file.clone(), self.cursor.clone());
        match tokio::task::spawn_blocking(move || file.write(&cursor)).await {
            Ok(Ok(())) => {
                self.unsaved_since = None;
                self.status.saved(self.cursor.position.segment);
            }
            Ok(Err(error)) => {
                tracing::error!(store = self.status.name(), %error, "cannot save the cursor: records may arrive twice");
                self.unsaved_since = Some(Instant::now());
            }
            Err(_) => {}
        }
    }
}

/// What one read of the journal brings to a sink.
struct Load {
    records: Vec<CallRecord>,
    gaps: Vec<Gap>,
    /// Records that this version cannot read.
    unreadable: Vec<String>,
    damaged_bytes: u64,
}

impl Load {
    fn of(batch: Batch) -> Self {
        let mut records = Vec::with_capacity(batch.entries.len());
        let mut unreadable = Vec::new();
        for entry in batch.entries {
            let RecordKey { node, epoch, sequence } = &entry.key;
            match entry.record() {
                Ok(record) => records.push(record),
                Err(error) => unreadable.push(format!("the record {node}/{epoch}/{sequence} {error}")),
            }
        }
        Self { records, gaps: batch.gaps, unreadable, damaged_bytes: batch.damaged_bytes }
    }
}

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Returns when the order to drain has come and its time is up, or when nobody is left to give it.
async fn deadline(drain: &mut watch::Receiver<Option<Instant>>) {
    let deadline = drain.wait_for(Option::is_some).await.ok().and_then(|deadline| *deadline);
    if let Some(deadline) = deadline {
        tokio::time::sleep_until(deadline).await;
    }
}
