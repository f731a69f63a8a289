//! Keeps the processor's cores awake while something is measured.
//!
//! A core without work is halted. What comes next runs slower, since the core's clock and what its caches held are gone:
//! under a hypervisor above all, which lends the core to others meanwhile. That time is counted as the time of whoever was
//! woken, and the less a system has to do, the more of it there is for each call. A loop that only runs where nobody else
//! wants the core (`SCHED_IDLE`) takes nothing from anyone and keeps each core awake, for every system that is measured.

use std::path::Path;

use anyhow::{Context, Result};
use tempfile::TempDir;
use trunkline_tests::Process;

/// Cores that do not sleep until this is dropped.
#[derive(Debug)]
pub struct Awake {
    _loops: Vec<Process>,
    _folder: TempDir,
}

impl Awake {
    /// A loop for each core.
    ///
    /// # Errors
    /// When `chrt` of util-linux cannot be run.
    pub fn keep() -> Result<Self> {
        let folder = TempDir::with_prefix("trunkline-awake-")?;
        let cores = std::thread::available_parallelism()?.get();
        let begin = |core: usize| {
            Process::start(Path::new("chrt"), folder.path().join(format!("{core}.log")), |command| {
                command.args(["--idle", "0", "sh", "-c", "while :; do :; done"]);
            })
        };
        let loops = (0..cores).map(begin).collect::<Result<_>>().context("the cores cannot be kept awake")?;
        Ok(Self { _loops: loops, _folder: folder })
    }
}
