//! The connections that there are. Looking one up takes no lock: each place is a pointer that is swapped.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use crate::sip::flow::ConnectionId;

/// Messages that wait to be written to one connection. Their bytes are bounded too: `streams.queue`.
const MESSAGES: usize = 4096;

/// As many places as there may be connections.
#[derive(Debug)]
pub(super) struct Slots {
    places: Box<[ArcSwapOption<Line>]>,
    /// For those who open and close connections, never for those who send.
    free: Mutex<Vec<(u32, u32)>>,
    used: AtomicUsize,
}

/// The sender's end of one connection.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) id: ConnectionId,
    queue: mpsc::Sender<Bytes>,
    /// Bytes in the queue.
    waiting: AtomicUsize,
    most: usize,
    /// Opened by us.
    ours: bool,
    identities: OnceLock<Arc<[Box<str>]>>,
    coming: watch::Sender<Coming>,
}

/// Whether a connection of ours has come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coming {
    Opening,
    Open,
    /// For this reason.
    Failed(&'static str),
}

/// What became of a message that was to be queued.
#[derive(Debug)]
pub(super) enum Push {
    Taken,
    /// The peer does not read.
    Full(Bytes),
    Closed(Bytes),
}

impl Slots {
    pub(super) fn new(most: usize) -> Self {
        Self {
            places: (0..most).map(|_| ArcSwapOption::empty()).collect(),
            // The lowest first.
            free: Mutex::new((0..most as u32).rev().map(|slot| (slot, 0)).collect()),
            used: AtomicUsize::new(0),
        }
    }

    /// A new connection, opened by us or by a peer, its queue bounded to so many bytes; `None` when there are as many as
    /// there may be.
    pub(super) fn open(&self, most: usize, ours: bool) -> Option<(Arc<Line>, mpsc::Receiver<Bytes>)> {
        let (slot, generation) = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        let (queue, messages) = mpsc::channel(MESSAGES);
        let line = Arc::new(Line {
            id: ConnectionId { slot, generation },
            queue,
            waiting: AtomicUsize::new(0),
            most,
            ours,
            identities: OnceLock::new(),
            coming: watch::Sender::new(if ours { Coming::Opening } else { Coming::Open }),
        });
        self.places[slot as usize].store(Some(Arc::clone(&line)));
        self.used.fetch_add(1, Relaxed);
        Some((line, messages))
    }

    pub(super) fn close(&self, id: ConnectionId) {
        self.places[id.slot as usize].store(None);
        self.used.fetch_sub(1, Relaxed);
        let next = (id.slot, id.generation.wrapping_add(1));
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(next);
    }

    pub(super) fn get(&self, id: ConnectionId) -> Option<Arc<Line>> {
        self.places.get(id.slot as usize)?.load_full().filter(|line| line.id == id)
    }

    pub(super) fn len(&self) -> usize {
        self.used.load(Relaxed)
    }
}

impl Line {
    /// Keep room in the queue for so many bytes. False where there is none.
    pub(super) fn reserve(&self, length: usize) -> bool {
        let fits = self.waiting.fetch_add(length, Relaxed) + length <= self.most;
        if !fits {
            self.waiting.fetch_sub(length, Relaxed);
        }
        fits
    }

    /// Queue a message, or give it back.
    pub(super) fn push(&self, message: Bytes) -> Push {
        let length = message.len();
        if !self.reserve(length) {
            return Push::Full(message);
        }
        match self.queue.try_send(message) {
            Ok(()) => Push::Taken,
            Err(error) => {
                self.waiting.fetch_sub(length, Relaxed);
                match error {
                    mpsc::error::TrySendError::Full(message) => Push::Full(message),
                    mpsc::error::TrySendError::Closed(message) => Push::Closed(message),
                }
            }
        }
    }

    /// So many bytes have left the queue, or need no room in it any more.
    pub(super) fn written(&self, length: usize) {
        self.waiting.fetch_sub(length, Relaxed);
    }

    /// The connection is there.
    pub(super) fn opened(&self) {
        self.coming.send_replace(Coming::Open);
    }

    /// It did not come about.
    pub(super) fn failed(&self, reason: &'static str) {
        self.coming.send_replace(Coming::Failed(reason));
    }

    pub(super) fn is_opening(&self) -> bool {
        *self.coming.borrow() == Coming::Opening
    }

    /// Returns as soon as it is known whether the connection has come about; or why not.
    pub(super) async fn comes_about(&self) -> Result<(), &'static str> {
        let mut coming = self.coming.subscribe();
        match coming.wait_for(|coming| *coming != Coming::Opening).await.as_deref() {
            Ok(Coming::Failed(reason)) => Err(*reason),
            _ => Ok(()),
        }
    }

    /// The peer has shown a certificate that names these.
    pub(super) fn identify(&self, identities: Arc<[Box<str>]>) {
        let _ = self.identities.set(identities);
    }

    pub(super) fn identities(&self) -> Option<Arc<[Box<str>]>> {
        self.identities.get().cloned()
    }

    pub(super) fn is_ours(&self) -> bool {
        self.ours
    }

    /// Neither opened by us, nor by who has shown a certificate.
    pub(super) fn is_strange(&self) -> bool {
        !self.ours && self.identities.get().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_use_of_an_id_finds_nothing_though_its_place_is_taken_again() {
        let slots = Slots::new(1);
        let (first, _messages) = slots.open(100, false).expect("a place");
        assert!(slots.open(100, false).is_none(), "there is one place");
        slots.close(first.id);
        let (second, _messages) = slots.open(100, false).expect("the place is free again");
        assert_eq!(first.id.slot, second.id.slot);
        assert!(slots.get(first.id).is_none());
        assert!(slots.get(second.id).is_some());
    }

    #[test]
    fn a_queue_takes_no_more_than_its_bytes_until_some_are_written() {
        let slots = Slots::new(1);
        let (line, _messages) = slots.open(10, false).expect("a place");
        assert!(matches!(line.push(Bytes::from_static(b"123456")), Push::Taken));
        assert!(matches!(line.push(Bytes::from_static(b"12345")), Push::Full(_)));
        line.written(6);
        assert!(matches!(line.push(Bytes::from_static(b"12345")), Push::Taken));
    }

    #[test]
    fn the_queue_of_an_ended_connection_gives_its_message_back() {
        let slots = Slots::new(1);
        let (line, messages) = slots.open(10, false).expect("a place");
        drop(messages);
        assert!(matches!(line.push(Bytes::from_static(b"1")), Push::Closed(_)));
        assert!(matches!(line.push(Bytes::from_static(b"0123456789")), Push::Closed(_)), "it counts for nothing");
    }
}
