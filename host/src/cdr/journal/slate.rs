//! What a worker has handed over and the journal has not written yet, where it outlives the process.
//!
//! A record waits some milliseconds in the queue, longer while the disk syncs. A `kill -9` in that time would take it along,
//! though the caller has heard of it. So each worker writes what it hands over into a file of its own in shared memory
//! too, before any message that tells of it leaves: all of one wake-up by one system call. No disk is behind such a file:
//! the worker waits for nothing.
//!
//! The file begins with the number of frames that the journal has written, 8 bytes little-endian. Frames follow, as in a
//! segment, numbered from 1 on. Once the journal has written all, the worker begins from the start again: in a healthy
//! journal every few milliseconds. Whoever opens the journal next finds what it lacks by the numbers.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::unistd::Uid;
use sha2::{Digest as _, Sha256};

use super::frame::{self, Decoded, Kind};
use crate::cdr::record::UnixMicros;

/// Memory behind a file system, on every Linux.
const MEMORY: &str = "/dev/shm";
/// The first frame stands behind the number of those that are written.
const FIRST: u64 = 8;
/// What one worker's slate may take: some five thousand frames, should the disk refuse them.
const ROOM: u64 = 8 << 20;
/// No frame goes in until all before it are written.
const FULL: u64 = u64::MAX;
const EXTENSION: &str = "slate";

/// One worker's.
#[derive(Debug)]
pub(super) struct Slate {
    file: File,
    /// Frames handed over since the start. Only the worker writes it.
    handed: AtomicU64,
    /// Where the next frame goes, or [`FULL`]. Only the worker writes it.
    at: AtomicU64,
    /// Of those handed over, how many the journal has written. Only the journal's thread writes it.
    written: AtomicU64,
}

/// A frame that an earlier process handed over and its journal may not have written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) kind: Kind,
    pub(super) call: u64,
    pub(super) payload: Vec<u8>,
}

/// All that earlier processes left.
#[derive(Debug, Default)]
pub(super) struct LeftOver {
    /// Of each worker in its order.
    pub(super) frames: Vec<Left>,
    /// Where they stand: to be removed once the journal has them.
    pub(super) files: Vec<PathBuf>,
    /// When the last was written; 0 where there is none.
    pub(super) died: UnixMicros,
}

impl Slate {
    /// An empty one in a folder, which is made.
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        let made = DirBuilder::new().mode(0o700).create(folder);
        if let Err(error) = made
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(error);
        }
        check_owner(folder)?;
        let path = folder.join(format!("{:016x}.{EXTENSION}", fastrand::u64(..)));
        let file = File::options().create_new(true).write(true).open(path)?;
        file.write_all_at(&0_u64.to_le_bytes(), 0)?;
        Ok(Self { file, handed: AtomicU64::new(0), at: AtomicU64::new(FIRST), written: AtomicU64::new(0) })
    }

    /// Appends the frame of what is handed over next, in the place of a [`Slate::keep`] to come.
    pub(super) fn frame(&self, kind: Kind, call: u64, payload: &[u8], frames: &mut Vec<u8>) {
        let number = self.handed.fetch_add(1, Ordering::Relaxed) + 1;
        let encoded = frame::append(frames, kind, number, |out| {
            out.extend_from_slice(&call.to_le_bytes());
            out.extend_from_slice(payload);
            Ok(())
        });
        if encoded.is_err() {
            // Too long, as it will be for the journal: an empty frame stands for it, so that the numbers go on.
            let _empty = frame::append(frames, kind, number, |_| Ok(()));
        }
    }

    /// The journal did not take what the last frame holds.
    pub(super) fn take_back(&self) {
        self.handed.fetch_sub(1, Ordering::Relaxed);
    }

    /// Keeps the last `count` frames that were made, all or none. False when there is no room for them.
    pub(super) fn keep(&self, frames: &[u8], count: u64) -> bool {
        let (handed, written) = (self.handed.load(Ordering::Relaxed), self.written.load(Ordering::Acquire));
        if written == handed {
            // The journal was quicker: it has them all.
            self.at.store(FIRST, Ordering::Relaxed);
            return true;
        }
        let at = if written >= handed - count { FIRST } else { self.at.load(Ordering::Relaxed) };
        let end = at.saturating_add(frames.len() as u64);
        let kept = end <= ROOM && self.file.write_all_at(frames, at).is_ok();
        self.at.store(if kept { end } else { FULL }, Ordering::Relaxed);
        kept
    }

    /// The journal has written so many more.
    pub(super) fn written(&self, count: u64) {
        let written = self.written.load(Ordering::Relaxed) + count;
        // Should it fail, some frames are looked up in the journal after a crash: they are known there by their calls.
        let _told = self.file.write_all_at(&written.to_le_bytes(), 0);
        self.written.store(written, Ordering::Release);
    }
}

/// Where the slates of a journal are; `None` where this machine has no memory for them. The journal's folder must exist.
pub fn slates(journal: &Path) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let in_memory = mounts.lines().any(|line| {
        let mut fields = line.split(' ').skip(1);
        (fields.next(), fields.next()) == (Some(MEMORY), Some("tmpfs"))
    });
    let place = fs::canonicalize(journal).ok().filter(|_| in_memory)?;
    let digest = Sha256::digest(place.as_os_str().as_encoded_bytes());
    let name = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    Some(Path::new(MEMORY).join(format!("trunkline-{}-{name:016x}", Uid::effective())))
}

/// Everybody may write to the shared memory: what somebody else put there is not ours.
fn check_owner(folder: &Path) -> io::Result<()> {
    let of = fs::symlink_metadata(folder)?;
    let shared = of.mode() & 0o077;
    if of.is_dir() && of.uid() == Uid::effective().as_raw() && shared == 0 {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("{} belongs to somebody else", folder.display())))
}

/// What earlier processes left in a folder.
pub(super) fn left_over(folder: &Path) -> io::Result<LeftOver> {
    let mut left = LeftOver::default();
    match check_owner(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(left),
        checked => checked?,
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != EXTENSION) {
            continue;
        }
        let changed = fs::metadata(&path)?.modified()?.duration_since(std::time::UNIX_EPOCH);
        left.died = left.died.max(changed.map_or(0, |since| since.as_micros() as u64));
        read(&fs::read(&path)?, &mut left.frames);
        left.files.push(path);
    }
    Ok(left)
}

/// The frames of one slate that are not written.
fn read(bytes: &[u8], left: &mut Vec<Left>) {
    let Some((written, mut rest)) = bytes.split_first_chunk() else { return };
    let written = u64::from_le_bytes(*written);
    let mut last = None;
    while let Decoded::Whole(frame) = frame::decode(rest) {
        // Behind the newest frame stand older ones.
        if last.is_some_and(|last| frame.sequence != last + 1) {
            break;
        }
        last = Some(frame.sequence);
        let payload = frame.payload();
        if let Some((call, payload)) = payload.split_first_chunk()
            && frame.sequence > written
        {
            left.push(Left { kind: frame.kind, call: u64::from_le_bytes(*call), payload: payload.to_vec() });
        }
        rest = &rest[frame.len()..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(folder: &Path) -> Vec<u64> {
        left_over(folder).unwrap().frames.iter().map(|left| left.call).collect()
    }

    fn kept(slate: &Slate, kind: Kind, calls: &[u64], payload: &[u8]) -> bool {
        let mut frames = Vec::new();
        for call in calls {
            slate.frame(kind, *call, payload, &mut frames);
        }
        slate.keep(&frames, calls.len() as u64)
    }

    fn keep(slate: &Slate, call: u64) -> bool {
        kept(slate, Kind::Start, &[call], b"as it stands")
    }

    #[test]
    fn what_the_journal_has_not_written_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("slates");
        assert!(calls(&folder).is_empty(), "there is none yet");
        let slate = Slate::create(&folder).unwrap();
        assert!(calls(&folder).is_empty());
        assert!((1..=5).all(|call| keep(&slate, call)));
        slate.written(2);
        assert_eq!(calls(&folder), [3, 4, 5]);
        slate.written(3);
        assert!(calls(&folder).is_empty());
    }

    #[test]
    fn a_slate_that_begins_again_leaves_nothing_of_before() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("slates");
        let slate = Slate::create(&folder).unwrap();
        assert!((1..=5).all(|call| keep(&slate, call)));
        slate.written(5);
        assert!(keep(&slate, 6));
        assert_eq!(calls(&folder), [6]);
        let (length, changed) = (FIRST as usize, left_over(&folder).unwrap());
        assert!(changed.died > 0 && fs::read(&changed.files[0]).unwrap().len() > length);
    }

    #[test]
    fn of_several_that_are_kept_at_once_those_are_left_that_the_journal_was_not_quick_enough_for() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("slates");
        let slate = Slate::create(&folder).unwrap();
        let mut frames = Vec::new();
        for call in 1..=3 {
            slate.frame(Kind::Start, call, b"as it stands", &mut frames);
        }
        slate.written(2);
        assert!(slate.keep(&frames, 3));
        assert_eq!(calls(&folder), [3]);
        assert!(keep(&slate, 4), "behind the one that is not written");
        assert_eq!(calls(&folder), [3, 4]);
        frames.clear();
        slate.frame(Kind::Start, 5, b"as it stands", &mut frames);
        slate.written(3);
        assert!(slate.keep(&frames, 1), "with nothing to do");
        assert!(calls(&folder).is_empty());
        assert!(kept(&slate, Kind::Start, &[6, 7], b"as it stands"));
        assert_eq!(calls(&folder), [6, 7]);
    }

    #[test]
    fn a_full_slate_takes_nothing_until_all_is_written_so_that_no_frame_stands_without_those_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("slates");
        let slate = Slate::create(&folder).unwrap();
        let large = vec![7; 3 << 20];
        let kept = [1, 2, 3].map(|call| kept(&slate, Kind::Record, &[call], &large));
        assert_eq!(kept, [true, true, false]);
        assert!(!keep(&slate, 4), "small, but behind one that is not there");
        assert_eq!(calls(&folder), [1, 2]);
        slate.written(4);
        assert!(keep(&slate, 5));
        assert_eq!(calls(&folder), [5]);
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("slates");
        DirBuilder::new().mode(0o777).create(&folder).unwrap();
        fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        assert!(left_over(&folder).is_err() && Slate::create(&folder).is_err());
    }
}
