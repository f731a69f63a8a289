//! Loads keys before the first call asks for them: those of a file, or the most used ones of the last run.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use super::CachedTable;
use crate::lookup::key;
use crate::lookup::table::Probe;

/// Keys of one table that are loaded beforehand, and kept for the next run.
const MOST_KEYS: usize = 1_000_000;
/// Between two times that the most used keys are kept. Tests have no minutes.
const KEEP: Duration = if cfg!(test) { Duration::from_millis(50) } else { Duration::from_mins(3) };

/// How far the warming up of a table is.
#[derive(Debug, Default)]
pub(super) struct Progress {
    began: OnceLock<Instant>,
    /// `usize::MAX` until the keys have been read.
    all: OnceLock<usize>,
    done: AtomicUsize,
}

impl CachedTable {
    /// Whether enough keys are loaded for the node to take calls, or it has waited long enough for them.
    pub(in crate::lookup) fn is_warm(&self) -> bool {
        let Some(warm) = &self.config.warm else { return true };
        let Some(began) = self.warming.began.get() else { return false };
        if began.elapsed() >= warm.within.get() {
            return true;
        }
        self.warming.all.get().is_some_and(|all| self.warming.done.load(Relaxed) * 100 >= all * usize::from(warm.share))
    }

    /// How long the node waits for enough keys.
    pub(in crate::lookup) fn patience(&self) -> Duration {
        self.config.warm.as_ref().map_or(Duration::ZERO, |warm| warm.within.get())
    }

    /// Begins to load; `state` is where the keys of the last run are kept, `folder` where relative paths count from.
    pub(super) fn warm_up(self: &Arc<Self>, state: &Path) {
        let Some(warm) = self.config.warm.clone() else { return };
        let _ = self.warming.began.set(Instant::now());
        let own = state.join(format!("{}.keys", self.name));
        let from = warm.keys.map(|path| self.folder.join(path));
        let (table, office) = (Arc::downgrade(self), self.back_office.clone());
        self.back_office.spawn(async move {
            let kept = warm.last_run.then(|| own.clone());
            let read = office.spawn_blocking(move || from.iter().chain(&kept).flat_map(read).collect::<Vec<_>>());
            let mut keys = read.await.unwrap_or_default();
            keys.truncate(MOST_KEYS);
            load(&table, keys).await;
            while warm.last_run && table.strong_count() > 0 {
                tokio::time::sleep(KEEP).await;
                let (table, own) = (Weak::clone(&table), own.clone());
                let _ = tokio::task::spawn_blocking(move || table.upgrade().map(|table| table.keep_keys(&own))).await;
            }
        });
    }

    /// Writes down the most used keys for the next run.
    pub(in crate::lookup) fn save(&self, state: &Path) {
        if self.config.warm.as_ref().is_some_and(|warm| warm.last_run) {
            self.keep_keys(&state.join(format!("{}.keys", self.name)));
        }
    }

    fn keep_keys(&self, path: &PathBuf) {
        let mut keys: Vec<(u32, Box<str>)> = self.store.iter().map(|(key, entry)| (entry.used.beats(), key)).collect();
        keys.sort_unstable_by(|one, other| other.cmp(one));
        keys.truncate(MOST_KEYS);
        if keys.is_empty() {
            // A run without calls is no reason to forget the one before.
            return;
        }
        let aside = path.with_extension("new");
        let written = (|| {
            fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
            let mut file = std::io::BufWriter::new(fs::File::create(&aside)?);
            for (_, key) in &keys {
                writeln!(file, "{key}")?;
            }
            file.flush()?;
            fs::rename(&aside, path)
        })();
        if let Err(error) = written {
            tracing::warn!(table = &*self.name, path = %path.display(), %error, "the keys for the next run are not kept");
        }
    }
}

/// The first cell of each line.
fn read(path: &PathBuf) -> Vec<String> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) => {
            if error.kind() != std::io::ErrorKind::NotFound {
                tracing::warn!(path = %path.display(), %error, "no keys to warm up with");
            }
            return Vec::new();
        }
    };
    let lines = BufReader::new(file).lines().map_while(Result::ok);
    let cell = |line: String| line.split(',').next().unwrap_or_default().trim().trim_matches('"').to_owned();
    lines.map(cell).filter(|key| key::check(key).is_ok()).take(MOST_KEYS).collect()
}

/// At the table's rate of loads that no call asked for; what fails is left to the first call.
async fn load(table: &Weak<CachedTable>, keys: Vec<String>) {
    let Some(beat) = table.upgrade().map(|table| {
        let _ = table.warming.all.set(keys.len());
        table.config.beat()
    }) else {
        return;
    };
    let began = Instant::now();
    let mut beat = tokio::time::interval(beat);
    for key in &keys {
        beat.tick().await;
        let Some(table) = table.upgrade() else { return };
        let counted = Arc::clone(&table);
        let done = move || counted.warming.done.fetch_add(1, Relaxed);
        match table.load(key) {
            Ok(Probe::Pending(load)) => drop(table.back_office.spawn(async move {
                let _ = load.await;
                done();
            })),
            Ok(Probe::Ready(_)) | Err(_) => drop(done()),
        }
    }
    if let Some(table) = table.upgrade() {
        let seconds = began.elapsed().as_secs_f64();
        tracing::info!(table = &*table.name, keys = keys.len(), seconds, "table warmed up");
    }
}
