//! The journal: where a record is safe before anyone else hears of it.
//!
//! Records go through a bounded queue to a thread of their own, which stamps them (node, epoch, sequence), appends them
//! to segment files and syncs in groups. The worker only moves a pointer into the queue: it never waits for a disk.
//!
//! # When the disk fails
//!
//! A full, read-only or broken disk stops nothing: the thread keeps the group in memory and tries again until the disk
//! takes it, while new records wait in the queue. Once the queue is full too, [`JournalHandle::append`] says so and the
//! record is lost. It is counted, and it still uses up a sequence number, so that every store can prove what it lacks.
//! We keep the queue in memory instead of spilling it to another disk: a second disk is a second thing to be full, and
//! what a carrier needs in that hour is a loud alarm while there is still room. The default queue holds 65,536 records,
//! about 50 MB and a minute at 1,000 calls per second.

mod disk;
mod frame;
mod handle;
mod open_calls;
mod payload;
mod reader;
mod recovery;
mod retention;
mod segment;
mod slate;
mod thread;
mod writer;

#[cfg(test)]
mod tests;

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use self::disk::{Disk, RealDisk};
use self::handle::Entrant;
pub use self::handle::JournalHandle;
pub use self::open_calls::Noted;
pub use self::reader::{Batch, Entry, Gap, GapCause, Reader};
pub use self::recovery::Recovered;
use self::recovery::{Given, recover};
pub use self::segment::Position;
pub(super) use self::segment::sync_folder;
use self::slate::LeftOver;
pub use self::slate::slates;
use self::thread::Retiring;
use self::writer::Writer;
use super::cursor;

/// What a journal can be told.
#[derive(Debug, Clone)]
pub struct Options {
    /// A record is synced at most this long after it came. Default 10 ms.
    pub sync: Duration,
    /// Records that may wait for the disk. Default 65,536.
    pub queue: usize,
    /// A new segment begins after this many bytes. Default 64 MiB.
    pub segment_bytes: u64,
    /// What all segments together may take of the disk, in bytes; then it counts as full. Default 64 GiB.
    pub limit: u64,
    /// Where workers keep what is not written yet: see [`slates`]. Default: nowhere.
    pub slates: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        let sync = Duration::from_millis(10);
        Self { sync, queue: 65_536, segment_bytes: 64 << 20, limit: 64 << 30, slates: None }
    }
}

/// Why a journal could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Two processes must not write one journal.
    #[error("the journal {} is in use by another process: give each node its own `cdr.journal` folder", .0.display())]
    Locked(PathBuf),
    /// The folder or a file in it.
    #[error("cannot open the journal {}: {source}", .folder.display())]
    Io {
        /// The journal's folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// How far the journal is confirmed by the disk. Shippers read up to here and no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Synced {
    /// Behind the last confirmed frame.
    pub position: Position,
    /// Of this journal.
    pub epoch: u64,
    /// The last number that was given out.
    pub sequence: u64,
}

/// How the journal fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// How far it is confirmed.
    pub synced: Synced,
    /// Records that found the queue full, or could not be encoded, since the start.
    pub lost: u64,
    /// Starts and answers of calls that found the queue full: after a crash these calls are closed with less, or not
    /// taken up.
    pub notes_lost: u64,
    /// Records and notes that no shared memory had room for: a `kill -9` before the disk has them loses them.
    pub unguarded: u64,
    /// How long the oldest record or note has been waiting for the disk to confirm it; zero where none waits.
    pub age: Duration,
    /// Records and notes that wait in the queue, and how many may.
    pub queue: (u64, u64),
    /// Bytes of all segments.
    pub disk_use: u64,
    /// What they may be at most.
    pub limit: u64,
    /// What the disk last said, while it refuses to write.
    pub failing: Option<String>,
}

/// The records that were still unwritten when the journal had to be closed.
#[derive(Debug, Default, thiserror::Error)]
#[error("the journal could not be brought to disk in time{}", .0.as_ref().map(|e| format!(": {e}")).unwrap_or_default())]
pub struct CloseError(Option<String>);

/// Stands for the journal's thread.
pub struct Journal {
    folder: PathBuf,
    shared: Arc<Shared>,
    queue: SyncSender<Entrant>,
    synced: watch::Receiver<Synced>,
    /// Hangs up when the thread has ended.
    ended: Receiver<()>,
    recovered: Recovered,
    retire: SyncSender<Retiring>,
    limits: Limits,
    slates: Option<PathBuf>,
}

/// What bounds a journal.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Bytes on disk.
    bytes: u64,
    /// Records and notes in the queue.
    queue: u64,
}

/// What the thread, the handles and the owner share.
#[derive(Default)]
struct Shared {
    lost: AtomicU64,
    notes_lost: AtomicU64,
    /// In the queue: put in, and taken out. Two counters, for two kinds of thread.
    queued: AtomicU64,
    taken: AtomicU64,
    unguarded: AtomicU64,
    disk_use: Arc<AtomicU64>,
    /// The disk refuses now.
    refusing: AtomicBool,
    /// The last segment that was asked to go, and the last that may.
    retiring: AtomicU64,
    retired: AtomicU64,
    closing: AtomicBool,
    /// Closing took too long: give up the disk.
    abandoned: AtomicBool,
    /// The thread has ended with everything on disk.
    finished: AtomicBool,
    failing: Mutex<Option<String>>,
    /// Since when the thread holds what the disk has not confirmed.
    unsynced: Mutex<Option<Instant>>,
}

impl Shared {
    /// What is in the queue, roughly: the two counters are not read at the same moment.
    fn waiting(&self) -> u64 {
        let taken = self.taken.load(Ordering::Relaxed);
        self.queued.load(Ordering::Relaxed).saturating_sub(taken)
    }

    fn unsynced(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failing(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal {
    /// Opens the journal in `folder`, makes it where there is none, and starts its thread.
    pub fn open(folder: &Path, node: &str, options: Options) -> Result<(Self, JournalHandle), OpenError> {
        Self::open_on(folder, node, options, Box::new(RealDisk))
    }

    fn open_on(
        folder: &Path,
        node: &str,
        options: Options,
        disk: Box<dyn Disk>,
    ) -> Result<(Self, JournalHandle), OpenError> {
        let failed = |source| OpenError::Io { folder: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(failed)?;
        let lock = lock(folder)?;
        let given: Vec<Given> = cursor::read_all(folder)
            .into_iter()
            .map(|(_, cursor)| Given {
                node: cursor.node,
                epoch: cursor.epoch,
                sequence: cursor.sequence,
                hash: cursor.hash,
            })
            .collect();
        let died = segment::newest_change(folder).map_err(failed)?;
        let (start, mut recovered) = recover(folder, node, &given).map_err(failed)?;
        let mut noted = open_calls::scan(folder).map_err(failed)?;
        let LeftOver { mut frames, files, died: last } = left_over(options.slates.as_deref());
        open_calls::take_left(folder, &mut frames, start.segment, &mut noted).map_err(failed)?;
        recovered.unwritten = frames.len();
        report(folder, &start, &recovered);
        let open = noted.values().map(|noted| (noted.call, noted.segment)).collect();
        recovered.open = noted.into_values().collect();
        recovered.died = died.max(last);

        let last = segment::list(folder).map_err(failed)?.last().copied();
        let position = match last {
            Some(last) => {
                Position { segment: last, offset: fs::metadata(segment::path(folder, last)).map_err(failed)?.len() }
            }
            // Where everyone begins to read: a segment is made with its first frame.
            None => Position::default(),
        };
        let synced = Synced { position, epoch: start.epoch, sequence: start.sequence - 1 };
        let (announce, synced) = watch::channel(synced);
        let (queue, entrants) = mpsc::sync_channel(options.queue.max(1));
        let (alive, ended) = mpsc::channel();
        let shared = Arc::new(Shared::default());
        shared.disk_use.store(segment::bytes_of_all(folder).map_err(failed)?, Ordering::Relaxed);
        let (retire, retiring) = mpsc::sync_channel(1);
        let writer = Writer::new(folder, disk, &start, &options, Arc::clone(&shared.disk_use));
        let limits = Limits { bytes: options.limit, queue: options.queue.max(1) as u64 };
        let Options { sync, slates, .. } = options;
        let thread = thread::JournalThread {
            writer,
            entrants,
            retiring,
            open,
            carried: None,
            shared: Arc::clone(&shared),
            announce,
            sync,
            noted: 0,
            left: Some((frames, files)),
            taken: Vec::new(),
        };
        std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || {
                // Both live as long as the thread: the lock keeps others out, `alive` tells the owner.
                let _held = (lock, alive);
                thread.run();
            })
            .map_err(failed)?;
        let handle = JournalHandle::new(queue.clone(), Arc::clone(&shared), slates.clone());
        let folder = folder.to_owned();
        Ok((Self { folder, shared, queue, synced, ended, recovered, retire, limits, slates }, handle))
    }

    /// What opening it found.
    pub fn recovered(&self) -> &Recovered {
        &self.recovered
    }

    /// The calls that had begun and have no record, for whoever goes on with them or closes their records.
    pub fn take_open(&mut self) -> Vec<Noted> {
        std::mem::take(&mut self.recovered.open)
    }

    /// Follows how far the journal is confirmed. Hangs up when the journal is closed.
    pub fn synced(&self) -> watch::Receiver<Synced> {
        self.synced.clone()
    }

    /// How it fares.
    pub fn status(&self) -> Status {
        self.monitor().status()
    }

    /// Tells how the journal fares, also to those who do not own it.
    pub fn monitor(&self) -> Monitor {
        Monitor {
            folder: self.folder.clone(),
            shared: Arc::clone(&self.shared),
            synced: self.synced.clone(),
            queue: self.queue.clone(),
            retire: self.retire.clone(),
            limits: self.limits,
        }
    }

    /// Brings all that was appended to disk and ends the thread; waits at most `patience`.
    ///
    /// Stop the workers first: what is appended meanwhile may be lost.
    pub fn close(self, patience: Duration) -> Result<Synced, CloseError> {
        let deadline = Instant::now() + patience;
        self.shared.closing.store(true, Ordering::Release);
        // A full queue needs no wake-up: the thread is at work.
        let _ = self.queue.try_send(Entrant::Wake);
        let _ = self.ended.recv_timeout(deadline.saturating_duration_since(Instant::now()));
        if self.shared.finished.load(Ordering::Acquire) {
            // All is on disk.
            let _removed = self.slates.map(fs::remove_dir_all);
            return Ok(*self.synced.borrow());
        }
        self.shared.abandoned.store(true, Ordering::Release);
        Err(CloseError(self.shared.failing().clone()))
    }
}

/// Looks at a journal without owning it.
#[derive(Clone)]
pub struct Monitor {
    folder: PathBuf,
    shared: Arc<Shared>,
    synced: watch::Receiver<Synced>,
    queue: SyncSender<Entrant>,
    retire: SyncSender<Retiring>,
    limits: Limits,
}

impl Monitor {
    /// How the journal fares.
    pub fn status(&self) -> Status {
        Status {
            synced: *self.synced.borrow(),
            lost: self.shared.lost.load(Ordering::Relaxed),
            notes_lost: self.shared.notes_lost.load(Ordering::Relaxed),
            unguarded: self.shared.unguarded.load(Ordering::Relaxed),
            disk_use: self.shared.disk_use.load(Ordering::Relaxed),
            limit: self.limits.bytes,
            age: self.shared.unsynced().map_or(Duration::ZERO, |since| since.elapsed()),
            queue: (self.shared.waiting(), self.limits.queue),
            failing: self.shared.failing().clone(),
        }
    }

    /// Removes the segments before `segment`, never the one that is being written. Returns how many.
    ///
    /// One that holds calls without a record goes only after these have been noted anew behind it: at a later call.
    pub fn remove_before(&self, segment: u64) -> io::Result<usize> {
        let written = self.synced.borrow().position.segment;
        let mut removed = 0;
        for number in segment::list(&self.folder)?.into_iter().take_while(|&number| number < segment.min(written)) {
            if number > self.shared.retired.load(Ordering::Acquire) && !self.is_dispensable(number)? {
                break;
            }
            let freed = retention::remove(&self.folder, number)?;
            self.shared.disk_use.fetch_sub(freed, Ordering::Relaxed);
            removed += 1;
        }
        Ok(removed)
    }

    /// Whether no call has its last note in a segment; if some might, the journal's thread is told.
    fn is_dispensable(&self, segment: u64) -> io::Result<bool> {
        if segment <= self.shared.retiring.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let mut noted = open_calls::NotedCalls::new();
        open_calls::scan_segment(&self.folder, segment, &mut noted)?;
        if noted.is_empty() {
            return Ok(true);
        }
        if self.retire.try_send(Retiring { segment, noted: noted.into_values().collect() }).is_ok() {
            self.shared.retiring.store(segment, Ordering::Relaxed);
            // A full queue needs no wake-up: the thread is at work.
            let _ = self.queue.try_send(Entrant::Wake);
        }
        Ok(false)
    }
}

/// Shared memory is a help, not a need: what is wrong with it is told.
fn left_over(slates: Option<&Path>) -> LeftOver {
    let left = slates.map_or_else(|| Ok(LeftOver::default()), slate::left_over);
    left.unwrap_or_else(|error| {
        tracing::error!(%error, "what the last process had not written yet cannot be read from the shared memory");
        LeftOver::default()
    })
}

fn lock(folder: &Path) -> Result<File, OpenError> {
    let failed = |source| OpenError::Io { folder: folder.to_owned(), source };
    let file = File::options().create(true).append(true).open(folder.join("lock")).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(folder.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

fn report(folder: &Path, start: &recovery::Start, recovered: &Recovered) {
    let journal = folder.display();
    if let Some(kept) = &recovered.torn_file {
        tracing::warn!(
            %journal, bytes = recovered.torn_bytes, kept = %kept.display(),
            "the journal's last write was torn by a crash: cut off, and kept beside it"
        );
    }
    if recovered.damaged_bytes > 0 {
        tracing::error!(
            %journal, bytes = recovered.damaged_bytes,
            "bytes in the journal were altered: the records in them are lost, shippers will name them"
        );
    }
    if recovered.unwritten > 0 {
        tracing::warn!(
            %journal, frames = recovered.unwritten,
            "the last process was killed with these unwritten: taken from the shared memory"
        );
    }
    for path in &recovered.unreadable {
        tracing::error!(%journal, segment = %path.display(), "nothing in this segment can be read: set aside");
    }
    if recovered.new_epoch {
        tracing::info!(%journal, node = %start.node, epoch = start.epoch, "a new journal begins");
    } else {
        tracing::info!(
            %journal, node = %start.node, epoch = start.epoch, next = start.sequence, "the journal goes on"
        );
    }
}
