//! Mounting file systems, where this process may.

use std::process::Command;

use anyhow::{Context, Result, bail};

/// What mount(8) says where the kernel answers EPERM, where the user is not root, and where a container was lent no loop
/// devices.
const NOT_ALLOWED: [&str; 4] =
    ["permission denied", "Operation not permitted", "must be superuser", "failed to setup loop device"];

/// Runs `mount` with these words. False, and said why, where this process may not mount.
///
/// # Errors
/// Whatever else `mount` complains of.
pub(crate) fn mount(words: impl FnOnce(&mut Command) -> &mut Command) -> Result<bool> {
    let output = words(Command::new("mount").env("LC_ALL", "C")).output().context("mount")?;
    if output.status.success() {
        return Ok(true);
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if !NOT_ALLOWED.iter().any(|words| said.contains(words)) {
        bail!("mount: {said}");
    }
    println!("NOT TESTED, as this process may not mount a file system: {said}");
    Ok(false)
}
