//! Where workers hand records over.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;

use super::Shared;
use super::frame::Kind;
use super::slate::Slate;
use crate::cdr::codec;
use crate::cdr::record::CallRecord;

/// What comes through the queue.
pub(super) enum Entrant {
    /// Of a call: a note, or all of its record but the key and the hash, which the thread stamps.
    Frame {
        kind: Kind,
        /// The name under which its start was journalled; 0 for none.
        call: u64,
        payload: Vec<u8>,
        /// Where it is kept meanwhile.
        slate: Option<Arc<Slate>>,
    },
    /// Wakes the thread to look at [`Shared::closing`], and for segments that are to go.
    Wake,
}

/// Where records enter the journal; one for each worker.
#[derive(Clone)]
pub struct JournalHandle {
    queue: SyncSender<Entrant>,
    shared: Arc<Shared>,
    slates: Option<PathBuf>,
    slate: Option<Arc<Slate>>,
    /// Frames for the slate, and how many.
    to_keep: RefCell<(Vec<u8>, u64)>,
}

impl JournalHandle {
    pub(super) fn new(queue: SyncSender<Entrant>, shared: Arc<Shared>, slates: Option<PathBuf>) -> Self {
        Self { queue, shared, slates, slate: None, to_keep: RefCell::default() }
    }

    /// One that keeps what it hands over in shared memory until it is written: for one thread alone, as no two may share
    /// that place.
    pub fn for_worker(&self) -> Self {
        let slate = self.slates.as_deref().map(Slate::create).transpose();
        let slate = slate.unwrap_or_else(|error| {
            tracing::error!(%error, "no shared memory for call records: a kill -9 loses the last milliseconds");
            None
        });
        Self { slate: slate.map(Arc::new), ..self.clone() }
    }

    /// Hands a record to the journal, which stamps its key and its hash. Never waits for a disk.
    ///
    /// False when the record was lost: the disk has been failing for so long that the queue is full, or the journal was
    /// closed. The loss is counted here and alarmed by the back office.
    ///
    /// `call` is the name under which its start was journalled, or any other name where it was not.
    pub fn append(&self, call: u64, record: &CallRecord) -> bool {
        let taken = codec::body(record).is_ok_and(|body| self.hand_over(Kind::Record, call, body));
        if !taken {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }

    /// Notes that a call has begun: `payload` is what [`super::Journal::take_open`] gives back should its record never
    /// come. Never waits for a disk.
    pub fn started(&self, call: u64, payload: Vec<u8>) {
        self.note(Kind::Start, call, payload);
    }

    /// Notes that it was answered, in place of what was noted before.
    pub fn answered(&self, call: u64, payload: Vec<u8>) {
        self.note(Kind::Answer, call, payload);
    }

    fn note(&self, kind: Kind, call: u64, payload: Vec<u8>) {
        if !self.hand_over(kind, call, payload) {
            self.shared.notes_lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn hand_over(&self, kind: Kind, call: u64, payload: Vec<u8>) -> bool {
        let mut to_keep = self.to_keep.borrow_mut();
        let (frames, count) = &mut *to_keep;
        let before = frames.len();
        if let Some(slate) = &self.slate {
            slate.frame(kind, call, &payload, frames);
            *count += 1;
        }
        let entrant = Entrant::Frame { kind, call, payload, slate: self.slate.clone() };
        let taken = self.queue.try_send(entrant).is_ok();
        if let Some(slate) = self.slate.as_ref().filter(|_| !taken) {
            slate.take_back();
            frames.truncate(before);
            *count -= 1;
        }
        self.shared.queued.fetch_add(u64::from(taken), Ordering::Relaxed);
        taken
    }

    /// Brings all that was handed over since the last time to where a `kill -9` does not reach, where the journal has not
    /// written it yet. To be called before any message leaves that tells of it.
    pub fn keep(&self) {
        let mut to_keep = self.to_keep.borrow_mut();
        let (frames, count) = &mut *to_keep;
        if let Some(slate) = self.slate.as_ref().filter(|_| *count > 0) {
            if !slate.keep(frames, *count) {
                self.shared.unguarded.fetch_add(*count, Ordering::Relaxed);
            }
            frames.clear();
            *count = 0;
        }
    }

    /// Whether the disk refuses call records at this moment.
    pub fn is_failing(&self) -> bool {
        self.shared.refusing.load(Ordering::Relaxed)
    }
}
