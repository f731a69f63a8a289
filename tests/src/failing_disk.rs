//! A disk of its own that breaks under whoever writes to it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::mounting::mount;

/// Of Debian's e2fsprogs; only root's PATH leads there.
const MAKE: &str = "/usr/sbin/mkfs.ext4";

/// A small ext4 in a file, mounted on a folder. Unmounted when dropped.
#[derive(Debug)]
pub struct FailingDisk {
    folder: PathBuf,
    /// Writing here makes the kernel find an error in the file system.
    trigger: PathBuf,
}

impl FailingDisk {
    /// Mounts it on this folder, which is made; `image` is the file that it is in. `None`, and said why, where this process
    /// may not.
    pub fn mount(folder: &Path, image: &Path) -> Result<Option<Self>> {
        fs::create_dir_all(folder)?;
        File::create(image)?.set_len(32 << 20)?;
        run(Command::new(MAKE).args(["-q", "-F"]).arg(image)).context("`cargo xtask test` installs what is missing")?;
        if !mount(|mount| mount.args(["-o", "loop,errors=remount-ro"]).args([image, folder]))? {
            return Ok(None);
        }
        let mut disk = Self { folder: folder.to_owned(), trigger: PathBuf::new() };
        let device = run(Command::new("findmnt").args(["-no", "SOURCE"]).arg(folder))?;
        let device = device.trim().rsplit('/').next().context("no device")?.to_owned();
        disk.trigger = Path::new("/sys/fs/ext4").join(device).join("trigger_fs_error");
        ensure!(disk.trigger.exists(), "{} is not there", disk.trigger.display());
        fs::remove_dir(folder.join("lost+found"))?;
        Ok(Some(disk))
    }

    /// The kernel finds an error in it, and lets nobody write from now on: not to files that are open either.
    pub fn turn_read_only(&self) -> Result<()> {
        fs::write(&self.trigger, "1").with_context(|| self.trigger.display().to_string())
    }
}

impl Drop for FailingDisk {
    fn drop(&mut self) {
        // Lazily: a process may have files open on it.
        let _unmounted = Command::new("umount").arg("--lazy").arg(&self.folder).status();
    }
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
