//! New rows for tables that are held whole: a file is looked at now and then, a database is asked again or says so
//! itself.

use std::path::Path;
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::{WholeSource, WholeTable};
use crate::lookup::error::{LookupError, Trouble};
use crate::lookup::rows::RowSet;
use crate::lookup::source::sql::Listener;

/// Between two attempts to read what fails.
const RETRY: Duration = Duration::from_secs(2);
/// Where nothing says that a table has changed, and nobody asked for a time.
const NEVER: Duration = Duration::from_hours(24 * 365);

/// What shows that a file is another: when it was written, and its length.
pub(super) type Face = (SystemTime, u64);

pub(super) fn face(path: &Path) -> Option<Face> {
    let about = std::fs::metadata(path).ok()?;
    Some((about.modified().ok()?, about.len()))
}

/// Reads the file anew when it has changed, and has not changed any further since the last look: one that is being
/// written is left alone.
pub(super) async fn watch(table: Weak<WholeTable>) {
    let Some((path, pause, mut loaded)) = table.upgrade().and_then(|table| match &table.source {
        WholeSource::File(file) => Some((file.path.clone(), file.watch, file.seen)),
        WholeSource::Query(_) => None,
    }) else {
        return;
    };
    let mut seen = loaded;
    loop {
        sleep(pause).await;
        let Some(table) = table.upgrade() else { return };
        let now = face(&path);
        let settled = now == seen;
        seen = now;
        // A file that is not there is about to be put there.
        if now.is_none() || now == loaded || !settled {
            continue;
        }
        loaded = now;
        let began = Instant::now();
        let reading = Arc::clone(&table);
        let read = tokio::task::spawn_blocking(move || match &reading.source {
            WholeSource::File(file) => Some(file.load()),
            WholeSource::Query(_) => None,
        });
        match read.await {
            Ok(Some(Ok(rows))) => table.swap(rows, began),
            Ok(Some(Err(problems))) => {
                let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
                table.failed(Trouble::Nonsense, lines.join("\n"));
            }
            // The node is ending.
            Ok(None) | Err(_) => return,
        }
    }
}

/// Hears the database notify, over as many connections as it takes.
pub(super) async fn listen(table: Arc<str>, listener: Listener, notified: Arc<Notify>) {
    loop {
        let why = listener.listen(|| notified.notify_one()).await;
        tracing::warn!(%table, "notifications are not heard: {why}");
        sleep(RETRY).await;
    }
}

/// Asks the database: at once, then in its interval, and when it notifies.
pub(super) async fn ask_again(table: Weak<WholeTable>, notified: Arc<Notify>) {
    loop {
        let Some(table) = table.upgrade() else { return };
        let WholeSource::Query(query) = &table.source else { return };
        let began = Instant::now();
        let pause = match query.load().await {
            Ok(rows) => {
                table.swap(rows, began);
                query.refresh().unwrap_or(NEVER)
            }
            Err(LookupError::Deadline) => {
                table.failed(Trouble::Deadline, "not read in time".to_owned());
                RETRY
            }
            Err(error) => {
                table.failed(error.trouble(), error.to_string());
                RETRY
            }
        };
        drop(table);
        // Woken early or not: it is time.
        let _ = timeout(pause, notified.notified()).await;
    }
}

impl WholeTable {
    fn swap(&self, rows: RowSet, began: Instant) {
        let took = began.elapsed();
        let entries = rows.entries;
        self.rows.store(Some(Arc::new(rows)));
        self.counters.loaded(took.as_micros() as u64);
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner) = None;
        tracing::info!(table = &*self.name, entries, seconds = took.as_secs_f64(), "table read again");
    }

    /// The old rows stay. Told once for as long as the same is wrong.
    fn failed(&self, trouble: Trouble, why: String) {
        self.counters.failed(&LookupError::Unavailable(trouble, why.as_str().into()));
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if failing.as_ref() != Some(&why) {
            tracing::error!(table = &*self.name, "table not read again, the rows stay as they were: {why}");
            *failing = Some(why);
        }
    }
}
