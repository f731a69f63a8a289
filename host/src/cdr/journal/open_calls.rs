//! Calls that have begun and have no record yet: found when the journal is opened, carried on when their segment goes.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::Path;

use super::frame::{self, Decoded, Frame, Kind};
use super::payload;
use super::segment;
use super::slate::Left;

/// What was last written down of a call that has no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// The call's name in the journal.
    pub call: u64,
    /// As it was handed to [`super::JournalHandle::started`] or [`super::JournalHandle::answered`].
    pub payload: Vec<u8>,
    /// Where it stands.
    pub(super) segment: u64,
    pub(super) kind: Kind,
}

/// By the name of the call.
pub(super) type NotedCalls = HashMap<u64, Noted>;

/// All segments of a folder.
pub(super) fn scan(folder: &Path) -> io::Result<NotedCalls> {
    let mut open = NotedCalls::new();
    for number in segment::list(folder)? {
        scan_segment(folder, number, &mut open)?;
    }
    Ok(open)
}

/// Leaves of what the last process handed over only what its journal lacks, and brings `open` to the state behind that.
///
/// What was written the moment before a crash may not have been told to the slate: it is found in the last segments.
pub(super) fn take_left(folder: &Path, left: &mut Vec<Left>, segment: u64, open: &mut NotedCalls) -> io::Result<()> {
    if left.is_empty() {
        return Ok(());
    }
    let ended = ended(folder)?;
    // 0 is the name of calls that have none.
    left.retain(|left| left.call == 0 || !ended.contains(&left.call));
    for Left { kind, call, payload } in left {
        if *kind == Kind::Record {
            open.remove(call);
        } else {
            open.insert(*call, Noted { call: *call, payload: payload.clone(), segment, kind: *kind });
        }
    }
    Ok(())
}

/// The calls with a record in the last two segments.
fn ended(folder: &Path) -> io::Result<HashSet<u64>> {
    let mut ended = HashSet::new();
    for number in segment::list(folder)?.into_iter().rev().take(2) {
        let bytes = fs::read(segment::path(folder, number))?;
        for_each_frame(&bytes, |frame| {
            if frame.kind == Kind::Record {
                ended.extend(frame.word(payload::CALL));
            }
        });
    }
    Ok(ended)
}

/// Brings `open` from the state before a segment to that behind it.
pub(super) fn scan_segment(folder: &Path, number: u64, open: &mut NotedCalls) -> io::Result<()> {
    let bytes = fs::read(segment::path(folder, number))?;
    for_each_frame(&bytes, |frame| match frame.kind {
        Kind::Start | Kind::Answer => {
            let (call, kind) = (frame.sequence, frame.kind);
            open.insert(call, Noted { call, payload: frame.payload(), segment: number, kind });
        }
        Kind::Record => {
            if let Some(call) = frame.word(payload::CALL) {
                open.remove(&call);
            }
        }
        Kind::Segment | Kind::Lost | Kind::Other => {}
    });
    Ok(())
}

/// Every whole frame of a segment.
fn for_each_frame(bytes: &[u8], mut see: impl FnMut(&Frame<'_>)) {
    let mut at = 0;
    while at < bytes.len() {
        if let Decoded::Whole(frame) = frame::decode(&bytes[at..]) {
            see(&frame);
            at += frame.len();
        } else if let Some(next) = frame::find_next(&bytes[at..]) {
            at += next;
        } else {
            return;
        }
    }
}
