//! The files of the SDKs, the templates and the contract, by their path in the repository.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// Every file below this folder: its path from there, and its content.
pub fn below(folder: &str) -> impl Iterator<Item = (&'static str, &'static [u8])> {
    let folder = format!("{folder}/");
    FILES.iter().filter_map(move |(path, content)| Some((path.strip_prefix(&folder)?, *content)))
}

/// The text of one file.
///
/// # Panics
/// When the kit was built without it.
pub fn text(path: &str) -> &'static str {
    let content = FILES.iter().find(|(name, _)| *name == path).map(|(_, content)| *content);
    content.and_then(|content| str::from_utf8(content).ok()).unwrap_or_else(|| panic!("{path} is part of the kit"))
}

/// Writes every file below `folder` to the same place below `to`. What is there already stays with `keep`.
pub(crate) fn unpack(folder: &str, to: &Path, keep: bool) -> Result<()> {
    below(folder)
        .filter(|(path, _)| !(keep && to.join(path).exists()))
        .try_for_each(|(path, content)| write(&to.join(path), content))
}

/// Writes a file and makes its folder.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}
