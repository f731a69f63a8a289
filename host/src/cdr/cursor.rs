//! How far a store has confirmed: one small file per store, replaced as a whole.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::chain::ChainHash;
use super::journal::{Position, sync_folder};
use super::record::RecordKey;

/// Everything before it is confirmed by the store it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cursor {
    /// Where to go on.
    #[serde(flatten)]
    pub position: Position,
    /// Of the last confirmed record.
    pub node: Arc<str>,
    /// Of the last confirmed record.
    pub epoch: u64,
    /// Of the last confirmed record; 0 where there is none yet.
    pub sequence: u64,
    /// Of the last confirmed record.
    #[serde(default)]
    pub hash: ChainHash,
}

impl Cursor {
    /// The last confirmed record.
    pub fn last(&self) -> Option<RecordKey> {
        (self.sequence > 0).then(|| RecordKey {
            node: Arc::clone(&self.node),
            epoch: self.epoch,
            sequence: self.sequence,
        })
    }
}

/// The file that keeps a cursor.
#[derive(Debug, Clone)]
pub(super) struct CursorFile {
    path: PathBuf,
}

impl CursorFile {
    /// For the store `name` of the journal in `journal`.
    pub(super) fn new(journal: &Path, name: &str) -> io::Result<Self> {
        let folder = folder(journal);
        fs::create_dir_all(&folder)?;
        Ok(Self { path: folder.join(format!("{}.json", file_name(name))) })
    }

    /// Where the store is; `None` when it has no cursor, or one that cannot be read: it then starts at the oldest
    /// record that is there, and what it has already is recognised by its key.
    pub(super) fn read(&self) -> Option<Cursor> {
        read(&self.path)
    }

    /// Survives a power cut once it returns; a crash before that leaves the old one.
    pub(super) fn write(&self, cursor: &Cursor) -> io::Result<()> {
        let new = self.path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(cursor)?)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        self.path.parent().map_or(Ok(()), sync_folder)
    }
}

/// Every cursor of a journal, those of stores that are no longer configured included, with its file's name.
pub(super) fn read_all(journal: &Path) -> Vec<(String, Cursor)> {
    let Ok(entries) = fs::read_dir(folder(journal)) else { return Vec::new() };
    entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_stem()?.to_str()?.to_owned();
            (path.extension()? == "json").then(|| read(&path).map(|cursor| (name, cursor)))?
        })
        .collect()
}

fn read(path: &Path) -> Option<Cursor> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::error!(cursor = %path.display(), %error, "cannot be read: this store starts at the oldest record");
            return None;
        }
    };
    serde_json::from_slice(&bytes)
        .inspect_err(|error| {
            tracing::error!(cursor = %path.display(), %error, "not a cursor: this store starts at the oldest record");
        })
        .ok()
}

fn folder(journal: &Path) -> PathBuf {
    journal.join("cursors")
}

/// One hexadecimal digit, in lower case.
pub(super) fn hex(digit: u8) -> char {
    char::from_digit(digit.into(), 16).unwrap_or('0')
}

/// A store's name is any TOML key; a file's name is not.
pub(super) fn file_name(name: &str) -> String {
    let mut safe = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_".contains(&byte) {
            safe.push(byte.into());
        } else {
            safe.extend(['%', hex(byte >> 4), hex(byte & 15)]);
        }
    }
    safe
}
