use std::os::unix::fs::FileExt as _;
use std::sync::atomic::AtomicU32;

use tempfile::TempDir;

use super::disk::SegmentFile;
use super::*;
use crate::cdr::chain::{Link, Verifier};
use crate::cdr::cursor::{Cursor, CursorFile};
use crate::cdr::record::RecordKey;
use crate::cdr::testing::call;

const PATIENCE: Duration = Duration::from_secs(20);

fn open(folder: &Path) -> (Journal, JournalHandle) {
    Journal::open(folder, "edge-1", Options::default()).unwrap()
}

/// Opens, writes calls of these numbers and closes.
fn written(folder: &Path, numbers: std::ops::Range<u64>) -> Synced {
    let (journal, handle) = open(folder);
    for number in numbers {
        assert!(handle.append(0, &call(number)));
    }
    journal.close(PATIENCE).unwrap()
}

fn read_all(folder: &Path) -> Batch {
    let mut reader = Reader::new(folder, Position::default(), None);
    let batch = reader.read(None, usize::MAX).unwrap();
    assert!(reader.read(None, 1).unwrap().entries.is_empty(), "one read takes all");
    batch
}

fn sequences(batch: &Batch) -> Vec<u64> {
    batch.entries.iter().map(|entry| entry.key.sequence).collect()
}

/// Blocks until the disk has confirmed so many numbers.
fn wait_synced(journal: &Journal, sequence: u64) {
    let mut synced = journal.synced();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime
        .block_on(async {
            tokio::time::timeout(PATIENCE, synced.wait_for(|s| s.sequence >= sequence)).await.map(|_| ())
        })
        .unwrap();
}

/// The folder as another process would find it if this one died now.
fn as_after_a_crash(folder: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for number in segment::list(folder).unwrap() {
        fs::copy(segment::path(folder, number), segment::path(copy.path(), number)).unwrap();
    }
    copy
}

#[test]
fn a_journal_without_a_record_has_nothing_behind_the_place_where_everyone_begins_to_read() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _handle) = open(folder.path());
    assert_eq!(journal.synced().borrow().position, Position::default());
}

#[test]
fn records_come_back_as_they_were_appended_with_their_keys() {
    let folder = tempfile::tempdir().unwrap();
    let synced = written(folder.path(), 1..11);
    let batch = read_all(folder.path());
    assert_eq!(sequences(&batch), (1..=10).collect::<Vec<_>>());
    assert_eq!((synced.sequence, batch.gaps.len(), batch.damaged_bytes), (10, 0, 0));
    for (entry, number) in batch.entries.iter().zip(1..) {
        let mut expected = call(number);
        expected.key = RecordKey { node: "edge-1".into(), epoch: synced.epoch, sequence: number };
        expected.hash = entry.hash;
        assert_eq!(entry.record().unwrap(), *expected);
        assert_eq!(entry.key, expected.key);
    }
}

/// What the chain says of the records of all numbers that were read.
fn links(batch: &Batch) -> Vec<Link> {
    let mut verifier = Verifier::default();
    batch.entries.iter().map(|entry| verifier.check(&entry.record().unwrap())).collect()
}

#[test]
fn the_chain_goes_on_over_restarts_and_into_a_new_epoch() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 0..3);
    let before = written(folder.path(), 3..5);
    let batch = read_all(folder.path());
    assert_eq!(links(&batch), [Link::Whole; 5]);
    // The journal is lost; a store's cursor is what is left of it.
    let last = &batch.entries[4];
    let cursor =
        Cursor { epoch: before.epoch, sequence: 5, node: "edge-1".into(), hash: last.hash, ..Cursor::default() };
    CursorFile::new(folder.path(), "main").unwrap().write(&cursor).unwrap();
    for number in segment::list(folder.path()).unwrap() {
        fs::remove_file(segment::path(folder.path(), number)).unwrap();
    }
    written(folder.path(), 5..7);
    let batch = read_all(folder.path());
    let mut verifier = Verifier::after(last.key.clone(), last.hash);
    assert_eq!(verifier.check(&batch.entries[0].record().unwrap()), Link::Whole);
    assert_eq!(verifier.check(&batch.entries[1].record().unwrap()), Link::Whole);
}

#[test]
fn numbers_go_on_after_a_restart_in_the_same_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let before = written(folder.path(), 0..3);
    let after = written(folder.path(), 3..5);
    assert_eq!(before.epoch, after.epoch);
    assert_eq!(sequences(&read_all(folder.path())), [1, 2, 3, 4, 5]);
}

#[test]
fn a_lost_journal_begins_a_new_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let before = written(folder.path(), 0..3);
    let cursor = Cursor { epoch: before.epoch, sequence: 3, ..Cursor::default() };
    CursorFile::new(folder.path(), "main").unwrap().write(&cursor).unwrap();
    fs::remove_file(segment::path(folder.path(), 1)).unwrap();
    let after = written(folder.path(), 0..1);
    assert!(after.epoch > before.epoch, "{} must be above {} in the same second too", after.epoch, before.epoch);
    assert_eq!(after.sequence, 1);
}

#[test]
fn another_node_name_begins_an_epoch_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let before = written(folder.path(), 0..3);
    let (journal, handle) = Journal::open(folder.path(), "edge-2", Options::default()).unwrap();
    handle.append(0, &call(9));
    let after = journal.close(PATIENCE).unwrap();
    assert!(after.epoch > before.epoch);
    let last = read_all(folder.path()).entries.pop().unwrap();
    assert_eq!((&*last.key.node, last.key.sequence), ("edge-2", 1));
}

#[test]
fn what_is_synced_survives_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, handle) = open(folder.path());
    for number in 0..100 {
        handle.append(0, &call(number));
    }
    wait_synced(&journal, 100);
    let copy = as_after_a_crash(folder.path());
    assert_eq!(read_all(copy.path()).entries.len(), 100);
    let (reopened, _handle) = open(copy.path());
    assert_eq!(reopened.synced().borrow().sequence, 100);
}

#[test]
fn a_torn_last_frame_is_cut_off_kept_and_its_number_given_again() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 0..5);
    let path = segment::path(folder.path(), 1);
    let length = fs::metadata(&path).unwrap().len();
    File::options().write(true).open(&path).unwrap().set_len(length - 7).unwrap();

    let (journal, handle) = open(folder.path());
    let recovered = journal.recovered().clone();
    assert!(recovered.torn_bytes > 0 && !recovered.new_epoch && recovered.damaged_bytes == 0, "{recovered:?}");
    assert_eq!(fs::metadata(recovered.torn_file.unwrap()).unwrap().len(), recovered.torn_bytes);
    handle.append(0, &call(77));
    journal.close(PATIENCE).unwrap();
    let batch = read_all(folder.path());
    assert_eq!(sequences(&batch), [1, 2, 3, 4, 5]);
    assert!(batch.gaps.is_empty() && batch.damaged_bytes == 0);
    assert_eq!(batch.entries[4].record().unwrap().call_id, call(77).call_id);
}

#[test]
fn the_number_of_a_shipped_record_is_never_given_again_though_the_record_was_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let synced = written(folder.path(), 0..5);
    let hash = read_all(folder.path()).entries[4].hash;
    let (position, epoch) = (synced.position, synced.epoch);
    let cursor = Cursor { position, node: "edge-1".into(), epoch, sequence: 5, hash };
    CursorFile::new(folder.path(), "main").unwrap().write(&cursor).unwrap();
    let length = fs::metadata(segment::path(folder.path(), 1)).unwrap().len();
    flip_bit(folder.path(), 1, length - 3);
    written(folder.path(), 5..6);
    assert_eq!(sequences(&read_all(folder.path())), [1, 2, 3, 4, 6]);
}

fn flip_bit(folder: &Path, number: u64, at: u64) {
    let file = File::options().read(true).write(true).open(segment::path(folder, number)).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    byte[0] ^= 0x10;
    file.write_all_at(&byte, at).unwrap();
}

#[test]
fn a_flipped_bit_costs_one_record_which_is_named_and_reading_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let synced = written(folder.path(), 0..9);
    let middle = fs::metadata(segment::path(folder.path(), 1)).unwrap().len() / 2;
    flip_bit(folder.path(), 1, middle);
    let batch = read_all(folder.path());
    assert_eq!(sequences(&batch), [1, 2, 3, 4, 6, 7, 8, 9]);
    let gap = Gap { node: "edge-1".into(), epoch: synced.epoch, first: 5, last: 5, cause: GapCause::Damaged };
    assert_eq!(batch.gaps, [gap]);
    assert!(batch.damaged_bytes > 0);
    // A reader with a limit sees the same, and so does the next start.
    let limited = Reader::new(folder.path(), Position::default(), None).read(Some(synced.position), 1_000).unwrap();
    assert_eq!((sequences(&limited), &limited.gaps), (sequences(&batch), &batch.gaps));
    let (journal, _handle) = open(folder.path());
    assert_eq!(journal.recovered().damaged_bytes, batch.damaged_bytes);
}

#[test]
fn any_single_flipped_bit_loses_at_most_one_record() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 0..4);
    written(folder.path(), 4..6);
    let length = fs::metadata(segment::path(folder.path(), 1)).unwrap().len();
    for at in (0..length).step_by(5) {
        flip_bit(folder.path(), 1, at);
        let batch = read_all(folder.path());
        let missing: u64 = batch.gaps.iter().map(|gap| gap.last - gap.first + 1).sum();
        assert!(batch.entries.len() >= 5, "bit flipped at {at}: {:?}", sequences(&batch));
        assert_eq!(batch.entries.len() as u64 + missing, 6, "bit flipped at {at}: {:?}", batch.gaps);
        flip_bit(folder.path(), 1, at);
    }
}

#[test]
fn damage_longer_than_a_chunk_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 0..3_000);
    let file = File::options().write(true).open(segment::path(folder.path(), 1)).unwrap();
    file.write_all_at(&vec![0x1e; 700_000], 200_000).unwrap();
    let batch = read_all(folder.path());
    let read = sequences(&batch);
    assert_eq!((read.first(), read.last(), batch.gaps.len()), (Some(&1), Some(&3_000), 1));
    assert_eq!(read.len() as u64 + (batch.gaps[0].last - batch.gaps[0].first + 1), 3_000);
}

#[test]
fn records_pass_from_segment_to_segment_without_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { segment_bytes: 10_000, sync: Duration::ZERO, ..Options::default() };
    let (journal, handle) = Journal::open(folder.path(), "edge-1", options).unwrap();
    for number in 0..200 {
        handle.append(0, &call(number));
        if number % 10 == 0 {
            wait_synced(&journal, number);
        }
    }
    let synced = journal.close(PATIENCE).unwrap();
    assert!(segment::list(folder.path()).unwrap().len() > 5);
    let mut reader = Reader::new(folder.path(), Position::default(), None);
    let mut read = Vec::new();
    loop {
        let batch = reader.read(Some(synced.position), 7).unwrap();
        assert!(batch.gaps.is_empty() && batch.entries.len() <= 7);
        if batch.entries.is_empty() {
            break;
        }
        read.extend(sequences(&batch));
    }
    assert_eq!(read, (1..=200).collect::<Vec<_>>());
}

#[test]
fn a_reader_goes_on_where_another_stopped_and_notices_what_was_removed_between() {
    let folder = tempfile::tempdir().unwrap();
    for run in 0..4 {
        written(folder.path(), run * 10..run * 10 + 10);
    }
    let mut first = Reader::new(folder.path(), Position::default(), None);
    assert_eq!(first.read(None, 5).unwrap().entries.len(), 5);
    retention::remove(folder.path(), 1).unwrap();
    retention::remove(folder.path(), 2).unwrap();
    let batch = Reader::new(folder.path(), first.position(), first.last()).read(None, 100).unwrap();
    assert_eq!(sequences(&batch), (21..=40).collect::<Vec<_>>());
    assert_eq!(batch.gaps.iter().map(|gap| (gap.first, gap.last)).collect::<Vec<_>>(), [(6, 20)]);
}

#[test]
fn a_reader_never_passes_what_is_synced() {
    let folder = tempfile::tempdir().unwrap();
    let synced = written(folder.path(), 0..5);
    written(folder.path(), 5..9);
    let mut reader = Reader::new(folder.path(), Position::default(), None);
    assert_eq!(reader.read(Some(synced.position), 100).unwrap().entries.len(), 5);
    assert_eq!(reader.read(Some(synced.position), 100).unwrap().entries.len(), 0);
    assert_eq!(reader.position(), synced.position);
}

#[test]
fn the_segment_that_is_written_is_never_removed() {
    let folder = tempfile::tempdir().unwrap();
    for run in 0..3 {
        written(folder.path(), run..run + 1);
    }
    let (journal, handle) = open(folder.path());
    handle.append(0, &call(1));
    wait_synced(&journal, 4);
    assert_eq!(journal.monitor().remove_before(u64::MAX).unwrap(), 3);
    assert_eq!(segment::list(folder.path()).unwrap(), [4]);
}

#[test]
fn two_processes_cannot_write_one_journal() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _handle) = open(folder.path());
    let second = Journal::open(folder.path(), "edge-1", Options::default());
    assert!(matches!(second, Err(OpenError::Locked(_))));
    journal.close(PATIENCE).unwrap();
    drop(open(folder.path()));
}

/// A disk that refuses while it is told to.
#[derive(Clone, Default)]
struct Moody {
    full: Arc<AtomicBool>,
    /// Lets this many bytes of a refused write through, as a full disk does.
    torn: Arc<AtomicU32>,
    refusals: Arc<AtomicU32>,
}

struct MoodyFile {
    mood: Moody,
    file: Box<dyn SegmentFile>,
}

impl Moody {
    fn check(&self) -> io::Result<()> {
        if self.full.load(Ordering::Acquire) {
            self.refusals.fetch_add(1, Ordering::Release);
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn wait_for_refusal(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.refusals.load(Ordering::Acquire) == 0 {
            assert!(Instant::now() < deadline, "the journal never asked the disk");
            std::thread::yield_now();
        }
    }
}

impl Disk for Moody {
    fn create(&mut self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        self.check()?;
        Ok(Box::new(MoodyFile { mood: self.clone(), file: RealDisk.create(path)? }))
    }
}

impl SegmentFile for MoodyFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.mood.check().or_else(|error| {
            let torn = (self.mood.torn.load(Ordering::Relaxed) as usize).min(bytes.len());
            self.file.write_at(&bytes[..torn], offset)?;
            Err(error)
        })?;
        self.file.write_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.mood.check()?;
        self.file.sync()
    }
}

#[test]
fn a_full_disk_loses_nothing_that_fits_the_queue_and_recovers_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Moody { torn: Arc::new(100.into()), ..Moody::default() };
    let (journal, handle) =
        Journal::open_on(folder.path(), "edge-1", Options::default(), Box::new(disk.clone())).unwrap();
    handle.append(0, &call(0));
    wait_synced(&journal, 1);
    disk.full.store(true, Ordering::Release);
    for number in 1..500 {
        assert!(handle.append(0, &call(number)));
    }
    disk.wait_for_refusal();
    // The disk refuses a moment before the journal says so.
    let patience = Instant::now() + PATIENCE;
    while journal.status().failing.is_none() {
        assert!(Instant::now() < patience, "the journal does not say that its disk refuses");
        std::thread::yield_now();
    }
    assert_eq!(journal.status().synced.sequence, 1);
    disk.full.store(false, Ordering::Release);
    wait_synced(&journal, 500);
    let status = journal.status();
    assert_eq!((status.synced, status.lost, status.failing), (*journal.synced().borrow(), 0, None));
    let batch = read_all(folder.path());
    assert_eq!(sequences(&batch), (1..=500).collect::<Vec<_>>());
    assert_eq!(batch.damaged_bytes, 0, "the torn write was overwritten");
}

#[test]
fn records_that_find_the_queue_full_are_counted_and_leave_a_gap_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Moody::default();
    disk.full.store(true, Ordering::Release);
    let options = Options { queue: 10, ..Options::default() };
    let (journal, handle) = Journal::open_on(folder.path(), "edge-1", options, Box::new(disk.clone())).unwrap();
    handle.append(0, &call(0));
    // From here on the thread is busy with the disk and takes nothing.
    disk.wait_for_refusal();
    let kept = 1 + (1..100).filter(|&number| handle.append(0, &call(number))).count() as u64;
    assert_eq!((kept, journal.status().lost), (11, 89));
    disk.full.store(false, Ordering::Release);
    wait_synced(&journal, 100);
    journal.close(PATIENCE).unwrap();
    let batch = read_all(folder.path());
    assert_eq!(batch.entries.len() as u64, kept);
    let lost: u64 = batch.gaps.iter().map(|gap| gap.last - gap.first + 1).sum();
    assert_eq!(lost, 89);
    assert!(batch.gaps.iter().all(|gap| gap.cause == GapCause::NeverWritten), "{:?}", batch.gaps);
}

#[test]
fn closing_on_a_dead_disk_ends_in_time_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Moody::default();
    disk.full.store(true, Ordering::Release);
    let (journal, handle) =
        Journal::open_on(folder.path(), "edge-1", Options::default(), Box::new(disk.clone())).unwrap();
    handle.append(0, &call(0));
    disk.wait_for_refusal();
    let error = journal.close(Duration::from_millis(10)).unwrap_err();
    assert!(error.to_string().contains("no storage space"), "{error}");
}

#[test]
fn appending_to_a_closed_journal_is_refused_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, handle) = open(folder.path());
    let monitor = journal.monitor();
    journal.close(PATIENCE).unwrap();
    assert!(!handle.append(0, &call(0)));
    assert_eq!(monitor.status().lost, 1);
}

#[test]
fn a_segment_of_nothing_but_garbage_is_set_aside_and_numbers_go_on() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 0..3);
    fs::write(segment::path(folder.path(), 2), [0; 5_000]).unwrap();
    let (journal, handle) = open(folder.path());
    assert_eq!(journal.recovered().unreadable.len(), 1);
    handle.append(0, &call(3));
    journal.close(PATIENCE).unwrap();
    assert_eq!(sequences(&read_all(folder.path())), [1, 2, 3, 4]);
}

#[test]
fn a_journal_at_its_limit_counts_as_a_full_disk_until_stores_have_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let limit = 4 << 20;
    let options = Options { segment_bytes: 256 << 10, limit, ..Options::default() };
    let (journal, handle) = Journal::open(folder.path(), "edge-1", options).unwrap();
    let count = 12_000;
    for number in 0..count {
        assert!(handle.append(number, &call(number)));
    }
    let patience = Instant::now() + PATIENCE;
    while journal.status().failing.is_none() {
        assert!(Instant::now() < patience, "{:?}", journal.status());
        std::thread::yield_now();
    }
    let status = journal.status();
    assert!(status.failing.unwrap().contains("journal-limit") && handle.is_failing());
    assert!(status.disk_use <= limit && status.synced.sequence < count, "{} bytes", status.disk_use);
    while journal.status().synced.sequence < count {
        assert!(Instant::now() < patience, "{:?}", journal.status());
        journal.monitor().remove_before(u64::MAX).unwrap();
        std::thread::yield_now();
    }
    let on_disk = segment::bytes_of_all(folder.path()).unwrap();
    assert_eq!((journal.status().disk_use, journal.status().lost), (on_disk, 0));
    assert!(!handle.is_failing());
}

/// The calls that a journal knows to have no record, as they were noted.
fn open_calls(folder: &Path) -> Vec<(u64, Vec<u8>)> {
    let (mut journal, _handle) = open(folder);
    let mut open: Vec<_> = journal.take_open().into_iter().map(|noted| (noted.call, noted.payload)).collect();
    open.sort();
    journal.close(PATIENCE).unwrap();
    open
}

#[test]
fn a_call_without_a_record_comes_back_as_it_was_noted_last() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, handle) = open(folder.path());
    handle.started(1, b"rings".to_vec());
    handle.started(2, b"rings".to_vec());
    handle.answered(2, b"talks".to_vec());
    handle.started(3, b"rings".to_vec());
    handle.append(3, &call(3));
    journal.close(PATIENCE).unwrap();
    assert_eq!(open_calls(folder.path()), [(1, b"rings".to_vec()), (2, b"talks".to_vec())]);
    let (journal, handle) = open(folder.path());
    handle.append(2, &call(2));
    journal.close(PATIENCE).unwrap();
    assert_eq!(open_calls(folder.path()), [(1, b"rings".to_vec())]);
    assert_eq!(sequences(&read_all(folder.path())), [1, 2], "readers of records pass notes over");
}

#[test]
fn a_segment_that_goes_leaves_its_open_calls_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, handle) = open(folder.path());
    handle.started(1, b"rings".to_vec());
    handle.started(2, b"rings".to_vec());
    handle.started(3, b"rings".to_vec());
    handle.append(0, &call(0));
    journal.close(PATIENCE).unwrap();
    let (journal, handle) = open(folder.path());
    handle.append(1, &call(1));
    handle.answered(2, b"talks".to_vec());
    wait_synced(&journal, 2);
    let patience = Instant::now() + PATIENCE;
    while journal.monitor().remove_before(2).unwrap() == 0 {
        assert!(Instant::now() < patience, "the segment never goes");
        std::thread::yield_now();
    }
    journal.close(PATIENCE).unwrap();
    assert_eq!(segment::list(folder.path()).unwrap(), [2]);
    assert_eq!(open_calls(folder.path()), [(2, b"talks".to_vec()), (3, b"rings".to_vec())]);
}

/// A journal whose disk refuses, so that nothing is written, and a handle that keeps what it hands over.
fn guarded(folder: &Path, slates: &Path, disk: &Moody) -> (Journal, JournalHandle) {
    let options = Options { slates: Some(slates.to_owned()), ..Options::default() };
    let (journal, handle) = Journal::open_on(folder, "edge-1", options, Box::new(disk.clone())).unwrap();
    (journal, handle.for_worker())
}

#[test]
fn what_a_killed_process_had_handed_over_and_not_written_is_in_the_journal_of_the_next_once() {
    let folder = tempfile::tempdir().unwrap();
    let slates = folder.path().join("slates");
    let disk = Moody::default();
    let (journal, handle) = guarded(folder.path(), &slates, &disk);
    handle.started(7, b"seven".to_vec());
    assert!(handle.append(1, &call(1)));
    wait_synced(&journal, 1);
    disk.full.store(true, Ordering::Release);
    handle.answered(7, b"seven, answered".to_vec());
    handle.started(8, b"eight".to_vec());
    assert!(handle.append(8, &call(8)) && handle.append(2, &call(2)));
    handle.keep();
    disk.wait_for_refusal();

    // The process that dies now leaves these two folders.
    let copy = as_after_a_crash(folder.path());
    let kept = folder.path().join("kept");
    fs::create_dir(&kept).unwrap();
    fs::set_permissions(&kept, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    for file in fs::read_dir(&slates).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), kept.join(file.file_name())).unwrap();
    }
    let (mut next, _handle) = guarded(copy.path(), &kept, &Moody::default());
    let open: Vec<_> = next.take_open().into_iter().map(|noted| (noted.call, noted.payload)).collect();
    assert_eq!(open, [(7, b"seven, answered".to_vec())]);
    assert_eq!(next.recovered().unwritten, 4);
    wait_synced(&next, 3);
    // Taken once: whoever comes after that has nothing to do.
    let patience = Instant::now() + PATIENCE;
    while fs::read_dir(&kept).unwrap().count() > 1 {
        assert!(Instant::now() < patience, "what was taken is not removed");
        std::thread::yield_now();
    }
    let again = as_after_a_crash(copy.path());
    let (third, _) = guarded(again.path(), &kept, &Moody::default());
    assert_eq!(third.recovered().unwritten, 0);
    assert_eq!(sequences(&read_all(again.path())), [1, 2, 3]);
    next.close(PATIENCE).unwrap();
    let _ = journal.close(Duration::ZERO);
}

#[test]
fn what_was_written_the_moment_before_a_crash_is_not_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let slates = folder.path().join("slates");
    written(folder.path(), 0..1);
    let (journal, handle) = open(folder.path());
    assert!(handle.append(5, &call(5)));
    journal.close(PATIENCE).unwrap();
    // As if the journal had died before it told the slate.
    let slate = slate::Slate::create(&slates).unwrap();
    let mut frames = Vec::new();
    slate.frame(frame::Kind::Start, 5, b"five", &mut frames);
    slate.frame(frame::Kind::Record, 5, b"five, as it ended", &mut frames);
    assert!(slate.keep(&frames, 2));
    let (mut journal, _) = guarded(folder.path(), &slates, &Moody::default());
    assert_eq!(journal.recovered().unwritten, 0);
    assert!(journal.take_open().is_empty());
    journal.close(PATIENCE).unwrap();
    assert_eq!(sequences(&read_all(folder.path())), [1, 2]);
    assert!(!slates.exists(), "a journal that was closed leaves nothing behind");
}
