//! The journal's thread: takes records from the queue, and never gives up on the disk.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::frame::Kind;
use super::open_calls::Noted;
use super::slate::{Left, Slate};
use super::writer::Writer;
use super::{Entrant, Shared, Synced};

/// While records keep coming the thread sleeps this long between looks at the queue, rather than waiting on it: a
/// worker pays for waking a thread that waits, not for one that sleeps. What waits is on a slate and outlives the process.
/// As long as a group usually is: more looks would be more writes, for nothing.
const GATHER: Duration = Duration::from_millis(10);

/// A group is synced once it is this long, whatever the clock says.
const GROUP: usize = 1 << 20;

const FIRST_RETRY: Duration = Duration::from_millis(20);
const LAST_RETRY: Duration = Duration::from_secs(1);
/// A disk that keeps failing is named in the log this often.
const ALARM: Duration = Duration::from_secs(10);

pub(super) struct JournalThread {
    pub(super) writer: Writer,
    pub(super) entrants: Receiver<Entrant>,
    /// Segments that are to go, with what may have to be kept of them.
    pub(super) retiring: Receiver<Retiring>,
    /// The calls that have no record, and the segment in which each was noted last.
    pub(super) open: HashMap<u64, u64>,
    /// A segment of which all that must be kept is in the group.
    pub(super) carried: Option<u64>,
    pub(super) shared: Arc<Shared>,
    pub(super) announce: watch::Sender<Synced>,
    /// A group is synced this long after its first record.
    pub(super) sync: Duration,
    /// How many lost records have been given a number.
    pub(super) noted: u64,
    /// What the last process had not written, and the files that keep it.
    pub(super) left: Option<(Vec<Left>, Vec<PathBuf>)>,
    /// How many frames were taken from each worker that are not written yet.
    pub(super) taken: Vec<(Arc<Slate>, u64)>,
}

/// A segment that every store is past.
pub(super) struct Retiring {
    pub(super) segment: u64,
    /// Its calls that have no record in it.
    pub(super) noted: Vec<Noted>,
}

/// The journal was closed while the disk failed.
struct Abandoned;

impl JournalThread {
    /// Returns when the journal is closed, or when nobody is left who could append.
    pub(super) fn run(mut self) {
        if self.work().is_ok() {
            self.shared.finished.store(true, Ordering::Release);
        }
    }

    fn work(&mut self) -> Result<(), Abandoned> {
        self.take_left()?;
        while let Ok(first) = self.entrants.recv() {
            self.take(first);
            self.gather()?;
            self.carry();
            self.sync()?;
            while self.closing() {
                let empty = self.drain();
                self.note_lost();
                self.sync()?;
                if empty {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// What the last process had not written comes first.
    fn take_left(&mut self) -> Result<(), Abandoned> {
        let Some((frames, files)) = self.left.take() else { return Ok(()) };
        for Left { kind, call, payload } in frames {
            self.take(Entrant::Frame { kind, call, payload, slate: None });
        }
        self.sync()?;
        for file in files {
            if let Err(error) = fs::remove_file(&file) {
                tracing::warn!(%error, file = %file.display(), "cannot remove what the last process left");
            }
        }
        Ok(())
    }

    /// Lets a group grow until it is due or long enough. What is there is written at once.
    fn gather(&mut self) -> Result<(), Abandoned> {
        let due = Instant::now() + self.sync;
        loop {
            self.note_lost();
            let empty = self.drain();
            self.until_done(Writer::write)?;
            self.tell_written();
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() || self.writer.group_len() >= GROUP || self.closing() {
                return Ok(());
            }
            if empty {
                std::thread::sleep(GATHER.min(left));
            }
        }
    }

    fn sync(&mut self) -> Result<(), Abandoned> {
        if self.writer.waiting() > 0 {
            let synced = self.until_done(Writer::sync)?;
            *self.shared.unsynced() = None;
            self.announce.send_replace(synced);
            self.tell_written();
        }
        if let Some(segment) = self.carried.take() {
            self.shared.retired.fetch_max(segment, Ordering::Release);
        }
        Ok(())
    }

    fn closing(&self) -> bool {
        self.shared.closing.load(Ordering::Acquire)
    }

    /// Takes what waits, as far as one group goes. True when nothing waits any more.
    fn drain(&mut self) -> bool {
        while self.writer.group_len() < GROUP {
            match self.entrants.try_recv() {
                Ok(entrant) => self.take(entrant),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return true,
            }
        }
        false
    }

    fn take(&mut self, entrant: Entrant) {
        let Entrant::Frame { kind, call, payload, slate } = entrant else { return };
        self.shared.taken.fetch_add(1, Ordering::Relaxed);
        if self.writer.waiting() == 0 {
            *self.shared.unsynced() = Some(Instant::now());
        }
        if let Some(slate) = slate {
            match self.taken.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &slate)) {
                Some((_, count)) => *count += 1,
                None => self.taken.push((slate, 1)),
            }
        }
        if kind != Kind::Record {
            self.note(kind, call, &payload);
            return;
        }
        self.open.remove(&call);
        if let Err(error) = self.writer.push(call, &payload) {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%error, "a call record cannot be journalled");
        }
    }

    /// All that was taken is with the operating system: it outlives this process there.
    fn tell_written(&mut self) {
        for (slate, count) in self.taken.iter_mut().filter(|(_, count)| *count > 0) {
            slate.written(std::mem::take(count));
        }
    }

    fn note(&mut self, kind: Kind, call: u64, payload: &[u8]) {
        match self.writer.note(kind, call, payload) {
            Ok(()) => drop(self.open.insert(call, self.writer.segment())),
            Err(error) => {
                self.shared.notes_lost.fetch_add(1, Ordering::Relaxed);
                tracing::error!(%error, "a call in progress cannot be journalled");
            }
        }
    }

    /// Takes the next segment that is to go: the calls whose last note is in it are noted again.
    fn carry(&mut self) {
        let Ok(Retiring { segment, noted }) = self.retiring.try_recv() else { return };
        for Noted { call, payload, kind, .. } in noted {
            if self.open.get(&call) == Some(&segment) {
                self.note(kind, call, &payload);
            }
        }
        self.writer.frees();
        self.carried = Some(segment);
    }

    /// Gives the numbers of lost records away, so that the gap shows in every store.
    fn note_lost(&mut self) {
        let lost = self.shared.lost.load(Ordering::Relaxed);
        if lost > self.noted && self.writer.skip_lost(lost - self.noted).is_ok() {
            self.noted = lost;
        }
    }

    /// Tries until the disk takes it.
    fn until_done<T>(&mut self, attempt: impl Fn(&mut Writer) -> io::Result<T>) -> Result<T, Abandoned> {
        let mut pause = FIRST_RETRY;
        let mut alarmed: Option<Instant> = None;
        loop {
            match attempt(&mut self.writer) {
                Ok(done) => {
                    if alarmed.is_some() {
                        *self.shared.failing() = None;
                        self.shared.refusing.store(false, Ordering::Release);
                        tracing::warn!("the journal's disk takes records again");
                    }
                    return Ok(done);
                }
                Err(error) => {
                    *self.shared.failing() = Some(error.to_string());
                    self.shared.refusing.store(true, Ordering::Release);
                    if alarmed.is_none_or(|last| last.elapsed() >= ALARM) {
                        alarmed = Some(Instant::now());
                        tracing::error!(
                            %error, bytes = self.writer.group_len(),
                            "the journal's disk refuses call records: they wait in memory, bounded"
                        );
                    }
                }
            }
            // A segment that goes makes room.
            self.carry();
            if self.shared.abandoned.load(Ordering::Acquire) {
                return Err(Abandoned);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LAST_RETRY);
        }
    }
}
