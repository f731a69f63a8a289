//! A disk that takes its time, for one thread of a process.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use crate::process::Process;

/// Of Debian's strace: it delays the calls of the thread that it watches, and of no other.
const WATCHER: &str = "/usr/bin/strace";

/// Every sync of that thread takes so much longer, until this is dropped.
#[derive(Debug)]
pub struct SlowDisk {
    watcher: Process,
}

impl SlowDisk {
    /// Begins, for the thread of this name; `folder` is where the watcher's own output goes.
    ///
    /// # Errors
    /// Where the process has no such thread, or strace is missing or may not watch it.
    pub fn begin(process: u32, thread: &str, longer: Duration, folder: &Path) -> Result<Self> {
        let threads = fs::read_dir(format!("/proc/{process}/task")).context("the process is gone")?;
        let named = |path: &Path| fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim() == thread);
        let thread_id = threads.flatten().find(|entry| named(&entry.path()));
        let thread_id = thread_id.with_context(|| format!("no thread `{thread}` in process {process}"))?.file_name();
        let fault = format!("inject=fsync,fdatasync:delay_enter={}", longer.as_micros());
        let mut watcher = Process::start(Path::new(WATCHER), folder.join("slow-disk.log"), |command| {
            command.args(["-e", "trace=fsync,fdatasync", "-e", &fault, "-p"]).arg(&thread_id);
        })?;
        watcher.wait_until(Duration::from_secs(5), |watcher| watcher.output().contains("attached"))?;
        Ok(Self { watcher })
    }
}

impl Drop for SlowDisk {
    fn drop(&mut self) {
        // Asked to end it lets go of the thread; killed it might leave it stopped in the middle of a delay.
        let _asked = self.watcher.signal(Signal::SIGINT);
        let _ended = self.watcher.wait(Duration::from_secs(5));
    }
}
