//! A folder with everything that a compiler of another language reads: the project, the SDK and the contract.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::{Language, embedded};

/// Gone when dropped.
pub(super) struct Staging(TempDir);

/// Sources of a plugin, all languages together: what is deeper than this, or more than these, is no plugin.
const MAX_DEPTH: usize = 8;

impl Staging {
    /// The project's files that end so, in their places; the SDK where the project has no copy of its own; the contract in
    /// `wit`.
    pub(super) fn of(project: &Path, language: Language, extensions: &[&str]) -> Result<Self> {
        let folder = TempDir::with_prefix("trunkline-plugin-").context("cannot make a temporary folder")?;
        copy(project, folder.path(), extensions, MAX_DEPTH)?;
        let sdk = format!("sdk/{}/trunkline", language.folder());
        embedded::unpack(&sdk, &folder.path().join("trunkline"), true)?;
        embedded::unpack("wit", &folder.path().join("wit"), false)?;
        Ok(Self(folder))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn join(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }
}

fn copy(from: &Path, to: &Path, extensions: &[&str], depth: usize) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let path = entry.with_context(|| format!("cannot read {}", from.display()))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        // Tools of the project's own, virtual environments and caches are none of its sources.
        let foreign =
            name.starts_with('.') || ["node_modules", "venv", "__pycache__", "tests"].contains(&name.as_str());
        if foreign {
            continue;
        }
        if path.is_dir() {
            if depth > 0 {
                copy(&path, &to.join(&name), extensions, depth - 1)?;
            }
        } else if path.extension().is_some_and(|have| extensions.iter().any(|wanted| have == *wanted)) {
            let content = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            embedded::write(&to.join(&name), &content)?;
        }
    }
    Ok(())
}
