//! Files of JSON lines as a store.
//!
//! A file's name tells what it begins with: `calls-EPOCH-SEQUENCE.jsonl`, so that names sort in the order of writing.
//! On opening, the sink reads where the newest file ends: a line that a crash cut short is taken off, and records that
//! are in the file already are not written again, though the cursor did not know of them yet.
//!
//! Where files are of a period each, the end of a call says into which one it belongs: so the names of a day's files and
//! what is in them do not depend on when they were written. A record that comes late stays in the file of its neighbours.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use serde::Deserialize;

use super::Sink;
use crate::cdr::journal::sync_folder;
use crate::cdr::record::{CallRecord, RecordKey, UnixMicros};

const EXTENSION: &str = "jsonl";

/// Appends to the newest file of a folder.
pub(in crate::cdr) struct FileSink {
    folder: PathBuf,
    rotation: Rotation,
    /// `None` before the first batch and after a failure.
    out: Option<Out>,
}

/// When a file is full.
#[derive(Debug, Clone, Copy)]
struct Rotation {
    bytes: u64,
    /// In microseconds.
    period: Option<u64>,
}

/// An open file.
struct Out {
    file: File,
    length: u64,
    /// When the first call in it ended: of which period it is.
    begun: UnixMicros,
    /// The last record in it.
    last: Option<RecordKey>,
}

/// What of the first record of a file must be known.
#[derive(Debug, Deserialize)]
struct First {
    times: Ended,
}

#[derive(Debug, Deserialize)]
struct Ended {
    ended: UnixMicros,
}

impl Rotation {
    fn is_over(self, out: &Out, length: u64, next: &CallRecord) -> bool {
        let of = |time: UnixMicros| self.period.map(|period| time / period);
        length >= self.bytes || of(next.times.ended) > of(out.begun)
    }
}

impl FileSink {
    /// A new file begins after `bytes`, and with the first call of another period.
    pub(super) fn new(folder: PathBuf, bytes: u64, period: Option<Duration>) -> Self {
        let period = period.map(|period| (period.as_micros() as u64).max(1));
        Self { folder, rotation: Rotation { bytes, period }, out: None }
    }
}

impl Sink for FileSink {
    const BATCH: usize = 1_000;
    const LINGER: Duration = Duration::from_millis(100);

    async fn deliver(&mut self, batch: &[CallRecord]) -> anyhow::Result<()> {
        let (folder, rotation, out) = (self.folder.clone(), self.rotation, self.out.take());
        let batch = batch.to_vec();
        // A write that hangs in the kernel has no deadline that anyone could set; it holds a thread of the blocking
        // pool and this store, nothing else.
        let written = tokio::task::spawn_blocking(move || {
            write(&folder, rotation, out, &batch).with_context(|| format!("cannot write to {}", folder.display()))
        });
        self.out = Some(written.await.map_err(|_| anyhow!("the process is ending"))??);
        Ok(())
    }
}

fn write(folder: &Path, rotation: Rotation, out: Option<Out>, batch: &[CallRecord]) -> io::Result<Out> {
    let mut out = match out {
        Some(out) => Some(out),
        None => open_newest(folder)?,
    };
    let mut lines = Vec::new();
    for record in batch {
        if out.as_ref().is_some_and(|out| out.has(&record.key)) {
            continue;
        }
        let full = |out: &&mut Out| rotation.is_over(out, out.length + lines.len() as u64, record);
        if let Some(full) = out.as_mut().filter(full) {
            full.append(&mut lines)?;
            out = None;
        }
        let out = match &mut out {
            Some(out) => out,
            None => out.insert(Out::create(folder, record)?),
        };
        serde_json::to_writer(&mut lines, record)?;
        lines.push(b'\n');
        out.last = Some(record.key.clone());
    }
    match out {
        Some(mut out) => out.append(&mut lines).map(|()| out),
        // Only for an empty batch, which nobody sends.
        None => Err(io::Error::other("there is nothing to write")),
    }
}

impl Out {
    fn create(folder: &Path, first: &CallRecord) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("calls-{:010}-{:016}.{EXTENSION}", first.key.epoch, first.key.sequence));
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let length = file.metadata()?.len();
        sync_folder(folder)?;
        Ok(Self { file, length, begun: first.times.ended, last: None })
    }

    fn has(&self, key: &RecordKey) -> bool {
        self.last
            .as_ref()
            .is_some_and(|last| (&last.node, last.epoch) == (&key.node, key.epoch) && key.sequence <= last.sequence)
    }

    fn append(&mut self, lines: &mut Vec<u8>) -> io::Result<()> {
        if !lines.is_empty() {
            self.file.write_all(lines)?;
            self.file.sync_data()?;
            self.length += lines.len() as u64;
            lines.clear();
        }
        Ok(())
    }
}

/// The newest file, ready to go on; `None` when there is none.
fn open_newest(folder: &Path) -> io::Result<Option<Out>> {
    let newest = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == EXTENSION))
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("calls-")))
            .max(),
    };
    let Some(path) = newest else { return Ok(None) };
    let mut file = OpenOptions::new().read(true).append(true).open(&path)?;
    let (length, last_line) = whole_lines(&mut file)?;
    let torn = file.metadata()?.len() - length;
    if torn > 0 {
        tracing::warn!(file = %path.display(), bytes = torn, "a line that a crash cut short is taken off");
        file.set_len(length)?;
    }
    let last = last_line.and_then(|line| serde_json::from_slice(&line).ok());
    let mut first = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    BufReader::new(&file).read_until(b'\n', &mut first)?;
    // One that cannot be read is of the first period there was: another file begins.
    let begun = serde_json::from_slice(&first).map_or(0, |first: First| first.times.ended);
    Ok(Some(Out { file, length, begun, last }))
}

/// Bytes up to the last line feed, and the line that it ends.
fn whole_lines(file: &mut File) -> io::Result<(u64, Option<Vec<u8>>)> {
    // From the end back in steps, so that a long file costs nothing.
    let total = file.seek(SeekFrom::End(0))?;
    let mut tail: u64 = 64 << 10;
    loop {
        let start = total.saturating_sub(tail);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        (&*file).take(total - start).read_to_end(&mut bytes)?;
        let ends: Vec<usize> = memchr::memrchr_iter(b'\n', &bytes).take(2).collect();
        match (ends.as_slice(), start) {
            (&[last, before], _) => return Ok((start + last as u64 + 1, Some(bytes[before + 1..last].to_vec()))),
            (&[last], 0) => return Ok((last as u64 + 1, Some(bytes[..last].to_vec()))),
            (_, 0) => return Ok((0, None)),
            _ => tail *= 4,
        }
    }
}
