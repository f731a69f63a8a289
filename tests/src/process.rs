//! A child process that ends with its fixture.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait::until;

/// A child with its output in a file. It is killed when dropped, and by the kernel when this process dies first.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` with its output in `log`.
    ///
    /// # Errors
    /// When it, or `setpriv` of util-linux, is not installed.
    pub fn start(program: &Path, log: PathBuf, prepare: impl FnOnce(&mut Command)) -> Result<Self> {
        let name = program.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        // setpriv asks the kernel to kill the child with its parent, then becomes the program.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(program);
        prepare(&mut command);
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {name}: `cargo xtask test` installs what is missing"))?;
        Ok(Self { name, child, log })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written.
    pub fn output(&self) -> String {
        fs::read(&self.log).map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The end of what it has written.
    pub fn last_lines(&self) -> String {
        let output = self.output();
        let lines: Vec<&str> = output.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(self.pid(), signal).with_context(|| format!("cannot send {signal} to {}", self.name))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it has not ended after `patience`; it is left running then.
    pub fn wait(&mut self, patience: Duration) -> Result<ExitStatus> {
        until(&format!("the end of {}", self.name), patience, || Ok(self.child.try_wait()?))
    }

    /// Waits until `ready`, unless it ends before.
    ///
    /// # Errors
    /// When it ends, or is not ready after `patience`; with the end of its output.
    pub fn wait_until(&mut self, patience: Duration, mut ready: impl FnMut(&mut Self) -> bool) -> Result<()> {
        let what = format!("{} to be ready", self.name);
        let came = until(&what, patience, || {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended at once ({status})", self.name);
            }
            Ok(ready(self).then_some(()))
        });
        came.with_context(|| format!("{} wrote:\n{}", self.name, self.last_lines()))
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}
