//! Files of JSON lines as a store.
//!
//! A file's name tells what it begins with: `calls-EPOCH-SEQUENCE.jsonl`, so that names sort in the order of writing.
//! On opening, the sink reads where the newest file ends: a line that a crash cut short is taken off, and records that
//! are in the file already are not written again, though the cursor did not know of them yet.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};

use super::Sink;
use crate::cdr::journal::sync_folder;
use crate::cdr::record::{CallRecord, RecordKey};

const EXTENSION: &str = "jsonl";

/// Appends to the newest file of a folder.
pub(in crate::cdr) struct FileSink {
    folder: PathBuf,
    rotate: u64,
    /// `None` before the first batch and after a failure.
    out: Option<Out>,
}

/// An open file.
struct Out {
    file: File,
    length: u64,
    /// The last record in it.
    last: Option<RecordKey>,
}

impl FileSink {
    /// A new file begins after `rotate` bytes.
    pub(super) fn new(folder: PathBuf, rotate: u64) -> Self {
        Self { folder, rotate, out: None }
    }
}

impl Sink for FileSink {
    const BATCH: usize = 1_000;
    const LINGER: Duration = Duration::from_millis(100);

    async fn deliver(&mut self, batch: &[CallRecord]) -> anyhow::Result<()> {
        let (folder, rotate, out) = (self.folder.clone(), self.rotate, self.out.take());
        let batch = batch.to_vec();
        // A write that hangs in the kernel has no deadline that anyone could set; it holds a thread of the blocking
        // pool and this store, nothing else.
        let written = tokio::task::spawn_blocking(move || {
            write(&folder, rotate, out, &batch).with_context(|| format!("cannot write to {}", folder.display()))
        });
        self.out = Some(written.await.map_err(|_| anyhow!("the process is ending"))??);
        Ok(())
    }
}

fn write(folder: &Path, rotate: u64, out: Option<Out>, batch: &[CallRecord]) -> io::Result<Out> {
    let mut out = match out {
        Some(out) => Some(out),
        None => open_newest(folder)?,
    };
    let mut lines = Vec::new();
    for record in batch {
        if out.as_ref().is_some_and(|out| out.has(&record.key)) {
            continue;
        }
        if let Some(full) = out.as_mut().filter(|out| out.length + lines.len() as u64 >= rotate) {
            full.append(&mut lines)?;
            out = None;
        }
        let out = match &mut out {
            Some(out) => out,
            None => out.insert(Out::create(folder, &record.key)?),
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
    fn create(folder: &Path, first: &RecordKey) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("calls-{:010}-{:016}.{EXTENSION}", first.epoch, first.sequence));
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let length = file.metadata()?.len();
        sync_folder(folder)?;
        Ok(Self { file, length, last: None })
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
    Ok(Some(Out { file, length, last }))
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
