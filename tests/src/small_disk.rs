//! A disk of its own that a test can fill up and forbid to write to.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::mounting::mount;

/// A file system in memory, mounted on a folder. Unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts so many mebibytes on this folder, which is made. `None`, and said why, where this process may not.
    pub fn mount(folder: &Path, mebibytes: u32) -> Result<Option<Self>> {
        fs::create_dir_all(folder)?;
        let options = format!("size={mebibytes}m");
        let mounted = mount(|mount| mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder))?;
        Ok(mounted.then(|| Self(folder.to_owned())))
    }

    /// Writes until there is no room.
    pub fn fill(&self) -> Result<()> {
        let mut file = File::create(self.ballast())?;
        let block = vec![0; 4 << 10];
        while file.write_all(&block).is_ok() {}
        Ok(())
    }

    /// Gives the room back.
    pub fn free(&self) -> Result<()> {
        Ok(fs::remove_file(self.ballast())?)
    }

    /// From now on it can only be read. Nobody may have a file open for writing.
    pub fn forbid_writing(&self) -> Result<()> {
        let done = Command::new("mount").args(["-o", "remount,ro"]).arg(&self.0).status().context("mount")?;
        ensure!(done.success(), "mount");
        Ok(())
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process may have files open on it.
        let _unmounted = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
