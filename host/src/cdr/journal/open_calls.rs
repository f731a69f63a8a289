//! Calls that have begun and have no record yet: found when the journal is opened, carried on when their segment goes.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use super::frame::{self, Decoded, Kind};
use super::payload;
use super::segment;

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

/// Brings `open` from the state before a segment to that behind it.
pub(super) fn scan_segment(folder: &Path, number: u64, open: &mut NotedCalls) -> io::Result<()> {
    let bytes = fs::read(segment::path(folder, number))?;
    let mut at = 0;
    while at < bytes.len() {
        let Decoded::Whole(frame) = frame::decode(&bytes[at..]) else {
            match frame::find_next(&bytes[at..]) {
                Some(next) => at += next,
                None => break,
            }
            continue;
        };
        match frame.kind {
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
        }
        at += frame.len();
    }
    Ok(())
}
