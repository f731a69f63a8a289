//! The journal's thread: takes records from the queue, and never gives up on the disk.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::writer::Writer;
use super::{Entrant, Shared, Synced};

/// While records keep coming the thread sleeps this long between looks at the queue, rather than waiting on it: a
/// worker pays for waking a thread that waits, not for one that sleeps. It is also the longest that a record stays in
/// the memory of this process alone while the disk is well.
const GATHER: Duration = Duration::from_millis(1);

/// A group is synced once it is this long, whatever the clock says.
const GROUP: usize = 1 << 20;

const FIRST_RETRY: Duration = Duration::from_millis(20);
const LAST_RETRY: Duration = Duration::from_secs(1);
/// A disk that keeps failing is named in the log this often.
const ALARM: Duration = Duration::from_secs(10);

pub(super) struct JournalThread {
    pub(super) writer: Writer,
    pub(super) entrants: Receiver<Entrant>,
    pub(super) shared: Arc<Shared>,
    pub(super) announce: watch::Sender<Synced>,
    /// A group is synced this long after its first record.
    pub(super) sync: Duration,
    /// How many lost records have been given a number.
    pub(super) noted: u64,
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
        while let Ok(first) = self.entrants.recv() {
            self.take(first);
            self.gather()?;
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

    /// Lets a group grow until it is due or long enough. What is there is written at once.
    fn gather(&mut self) -> Result<(), Abandoned> {
        let due = Instant::now() + self.sync;
        loop {
            self.note_lost();
            let empty = self.drain();
            self.until_done(Writer::write)?;
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
            self.announce.send_replace(synced);
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
        let Entrant::Record { call, body } = entrant else { return };
        if let Err(error) = self.writer.push(call, &body) {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%error, "a call record cannot be journalled");
        }
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
                        tracing::warn!("the journal's disk takes records again");
                    }
                    return Ok(done);
                }
                Err(error) => {
                    *self.shared.failing() = Some(error.to_string());
                    if alarmed.is_none_or(|last| last.elapsed() >= ALARM) {
                        alarmed = Some(Instant::now());
                        tracing::error!(
                            %error, bytes = self.writer.group_len(),
                            "the journal's disk refuses call records: they wait in memory, bounded"
                        );
                    }
                }
            }
            if self.shared.abandoned.load(Ordering::Acquire) {
                return Err(Abandoned);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LAST_RETRY);
        }
    }
}
