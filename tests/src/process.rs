//! A child process that ends with its fixture.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait::until;

/// A child with its output in a file. It and its own children are killed when dropped; when this process dies without
/// that (Ctrl-C, a crash), the kernel sends it SIGTERM.
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
        // setpriv asks the kernel to end the child with its parent, then becomes the program.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM"]).arg(program);
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
        if self.is_running() {
            // The root first: a server that sees its worker die might start another.
            for id in tree(self.id()) {
                let _ended = kill(Pid::from_raw(id.cast_signed()), Signal::SIGKILL);
            }
        }
        let _status = self.child.wait();
    }
}

/// A process and all that descend from it, the process itself first.
pub fn tree(root: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|id| Some((id, statistic(id, 4)?.try_into().ok()?)))
        .collect();
    let mut tree = vec![root];
    let mut next = 0;
    while let Some(parent) = tree.get(next).copied() {
        tree.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(id, _)| *id));
        next += 1;
    }
    tree
}

/// A field of `/proc/PID/stat` by its number in proc(5), from the third on.
pub fn statistic(id: u32, number: usize) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The second field may hold blanks: count from its end.
    text.rsplit_once(')')?.1.split_ascii_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_started_ends_with_it() -> Result<()> {
        let folder = tempfile::TempDir::new()?;
        let mut shell = Process::start(Path::new("sh"), folder.path().join("log"), |command| {
            command.args(["-c", "sleep 60 & wait"]);
        })?;
        shell.wait_until(Duration::from_secs(5), |shell| tree(shell.id()).len() == 2)?;
        let family = tree(shell.id());

        drop(shell);

        // A killed orphan stays a zombie until it is reaped.
        until("the end of the family", Duration::from_secs(5), || {
            let alive = family
                .iter()
                .any(|id| fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|text| !text.contains(") Z ")));
            Ok((!alive).then_some(()))
        })
    }

    #[test]
    fn a_program_that_ends_at_once_is_an_error_with_its_words() -> Result<()> {
        let folder = tempfile::TempDir::new()?;
        let mut shell = Process::start(Path::new("sh"), folder.path().join("log"), |command| {
            command.args(["-c", "echo no luck; exit 3"]);
        })?;
        let error = shell.wait_until(Duration::from_secs(5), |_| false).unwrap_err();
        assert!(format!("{error:#}").contains("no luck"), "{error:#}");
        Ok(())
    }
}
