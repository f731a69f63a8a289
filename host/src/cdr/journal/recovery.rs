//! What a journal finds when it is opened: where the numbers go on, and what the last crash left behind.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::frame::{self, Decoded, Kind};
use super::open_calls::Noted;
use super::payload::Payload;
use super::segment::{self, Head};
use crate::cdr::chain::ChainHash;
use crate::cdr::codec;
use crate::cdr::record::UnixMicros;

/// Where the writer begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) node: Arc<str>,
    pub(super) epoch: u64,
    /// Of the next record.
    pub(super) sequence: u64,
    /// Number of the segment to make.
    pub(super) segment: u64,
    /// The hash before the next record.
    pub(super) hash: ChainHash,
}

/// What opening a journal found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Bytes after the last whole frame, cut off and kept in [`Recovered::torn_file`].
    pub torn_bytes: u64,
    /// Where they are kept.
    pub torn_file: Option<PathBuf>,
    /// Damaged bytes between whole frames of the last segment: the records in them are gone.
    pub damaged_bytes: u64,
    /// Segments that held nothing readable, renamed to `*.unreadable`.
    pub unreadable: Vec<PathBuf>,
    /// Whether a new epoch began: no journal of this node was there.
    pub new_epoch: bool,
    /// Frames that the last process had handed over and not written: taken from the shared memory.
    pub unwritten: usize,
    /// Calls that had begun and have no record.
    pub open: Vec<Noted>,
    /// When the last process was last heard of: the journal's last change.
    pub died: UnixMicros,
}

/// How far a store came: the records up to here were given out and their numbers are never given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) node: Arc<str>,
    pub(super) epoch: u64,
    pub(super) sequence: u64,
    pub(super) hash: ChainHash,
}

/// Finds the end of the journal in `folder`, cuts off what the last crash tore, and says where to go on.
///
/// `given` keeps numbers unique where the newest record was damaged after it had been shipped.
pub(super) fn recover(folder: &Path, node: &str, given: &[Given]) -> io::Result<(Start, Recovered)> {
    let mut recovered = Recovered::default();
    let numbers = segment::list(folder)?;
    let next_segment = numbers.last().map_or(1, |last| last + 1);
    let mut newest = None;
    for &number in numbers.iter().rev() {
        let path = segment::path(folder, number);
        let bytes = fs::read(&path)?;
        let scan = Scan::of(&bytes);
        if let Some(head) = scan.head {
            recovered.damaged_bytes = scan.damaged;
            cut_tail(&path, &bytes, scan.end, &mut recovered)?;
            newest = Some((head, scan.sequence, scan.hash));
            break;
        }
        let aside = path.with_extension("unreadable");
        fs::rename(&path, &aside)?;
        recovered.unreadable.push(aside);
    }
    segment::sync_folder(folder)?;

    let furthest = given.iter().filter(|given| &*given.node == node).max_by_key(|given| (given.epoch, given.sequence));
    let (epoch, sequence, hash) = match &newest {
        Some((head, last, hash)) if &*head.node == node => match furthest {
            Some(given) if given.epoch == head.epoch && given.sequence > *last => {
                (head.epoch, given.sequence + 1, given.hash)
            }
            _ => (head.epoch, last + 1, *hash),
        },
        _ => {
            recovered.new_epoch = true;
            let known = newest.iter().map(|(head, ..)| head.epoch).chain(given.iter().map(|g| g.epoch)).max();
            // A clock that was set back must not bring an old epoch back.
            (now().max(known.map_or(0, |known| known + 1)), 1, furthest.map_or(ChainHash::NONE, |given| given.hash))
        }
    };
    Ok((Start { node: Arc::from(node), epoch, sequence, segment: next_segment, hash }, recovered))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The tail may hold what a person can still read: it is cut off, not thrown away.
fn cut_tail(path: &Path, bytes: &[u8], end: usize, recovered: &mut Recovered) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    if end < bytes.len() {
        let aside = path.with_extension("torn");
        fs::write(&aside, &bytes[end..])?;
        file.set_len(end as u64)?;
        recovered.torn_bytes = (bytes.len() - end) as u64;
        recovered.torn_file = Some(aside);
    }
    // What the last process had written but not synced is whole: from here on it counts as confirmed.
    file.sync_all()
}

/// One pass over a segment.
struct Scan {
    head: Option<Head>,
    /// The highest sequence number that was used; one less than the head's first where there is none.
    sequence: u64,
    /// Of the last record.
    hash: ChainHash,
    /// Behind the last whole frame.
    end: usize,
    /// Bytes before `end` that belong to no whole frame.
    damaged: u64,
}

impl Scan {
    fn of(bytes: &[u8]) -> Self {
        let mut scan = Self { head: None, sequence: 0, hash: ChainHash::NONE, end: 0, damaged: 0 };
        let mut at = 0;
        while at < bytes.len() {
            if let Decoded::Whole(frame) = frame::decode(&bytes[at..]) {
                scan.damaged += (at - scan.end) as u64;
                match frame.kind {
                    Kind::Segment => {
                        scan.head = Head::of(&frame);
                        scan.hash = scan.head.as_ref().map_or(scan.hash, |head| head.before);
                        scan.sequence = scan.sequence.max(frame.sequence.saturating_sub(1));
                    }
                    Kind::Record | Kind::Lost => {
                        if frame.kind == Kind::Record
                            && let Some(payload) = Payload::of(&frame.payload())
                        {
                            scan.hash = payload.hash;
                        }
                        scan.sequence = scan.sequence.max(frame.sequence);
                        if scan.head.is_none() {
                            scan.head = head_of_record(&frame);
                        }
                    }
                    Kind::Start | Kind::Answer | Kind::Other => {}
                }
                at += frame.len();
                scan.end = at;
            } else if let Some(next) = frame::find_next(&bytes[at..]) {
                at += next;
            } else {
                break;
            }
        }
        scan
    }
}

/// Where the head itself is damaged, the records tell whose they are.
pub(super) fn head_of_record(frame: &frame::Frame<'_>) -> Option<Head> {
    let payload = (frame.kind == Kind::Record).then(|| frame.payload())?;
    let payload = Payload::of(&payload)?;
    let key = codec::key_of(payload.canonical).ok()?;
    Some(Head::new(key.node, key.epoch, key.sequence, ChainHash::NONE))
}
