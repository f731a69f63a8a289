//! A machine's clock that a test sets, by libfaketime: what a step of NTP or of an administrator does to one process.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The wall's clock as one process sees it. Its monotonic clock goes on, as the kernel's does.
#[derive(Debug)]
pub struct WallClock {
    file: PathBuf,
    library: PathBuf,
}

impl WallClock {
    /// Right, until it is set. `folder` is kept as long as the process runs.
    ///
    /// # Errors
    /// When libfaketime is not installed.
    pub fn new(folder: &Path) -> Result<Self> {
        let clock = Self { file: folder.join("clock"), library: library()? };
        clock.set(0)?;
        Ok(clock)
    }

    /// From now on it is so many seconds ahead of the right time, or behind it where they are negative.
    pub fn set(&self, seconds: i64) -> Result<()> {
        // Renamed, so that nobody reads half of it.
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{seconds:+}\n"))?;
        Ok(fs::rename(new, &self.file)?)
    }

    /// What a process is started with that goes by this clock.
    pub fn environment(&self) -> Vec<(String, String)> {
        let words = [
            ("LD_PRELOAD", self.library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string()),
            ("FAKETIME_CACHE_DURATION", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("NO_FAKE_STAT", "1".to_owned()),
        ];
        words.map(|(name, value)| (name.to_owned(), value)).into()
    }
}

/// Debian puts it into a folder for the machine's kind; the one for programs of many threads.
fn library() -> Result<PathBuf> {
    let kinds = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    kinds
        .map(|kind| kind.path().join("faketime/libfaketimeMT.so.1"))
        .find(|library| library.is_file())
        .context("libfaketime is not installed: `cargo xtask test` installs what is missing")
}
