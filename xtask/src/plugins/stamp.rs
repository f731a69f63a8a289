//! What the components are made of, as one hash: when it stands still, there is nothing to build.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

/// The folders and files that go into the Rust components, the builder included.
pub(super) const BUILT_IN: [&str; 6] =
    ["plugins", "sdk/rust", "sdk/kit/src", "wit", "xtask/src/plugins", "xtask/src/plugins.rs"];

/// The hash of every source's path and content.
pub(super) fn of(root: &Path, sources: &[&str]) -> Result<String> {
    let mut files = Vec::new();
    for source in sources {
        collect(&root.join(source), &mut files)?;
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        let content = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let path = file.strip_prefix(root).unwrap_or(&file).to_string_lossy().into_owned();
        // Lengths keep the end of one file from passing for the start of the next.
        hash.update((path.len() as u64).to_le_bytes());
        hash.update(path);
        hash.update((content.len() as u64).to_le_bytes());
        hash.update(content);
    }
    let mut stamp = String::new();
    for byte in hash.finalize() {
        write!(stamp, "{byte:02x}").expect("a String takes all");
    }
    Ok(stamp)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if path.is_file() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        // What a build leaves behind, examples in other languages, and editors' files are no source of these.
        if name != "target" && name != "examples" && !name.to_string_lossy().starts_with('.') {
            collect(&entry.path(), files)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for folder in ["plugins/auth/src", "plugins/target"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        fs::write(root.path().join("plugins/auth/src/lib.rs"), "one").unwrap();
        root
    }

    #[test]
    fn the_stamp_changes_with_a_sources_content_and_place() {
        let root = repository();
        let at_first = of(root.path(), &["plugins"]).unwrap();
        assert_eq!(of(root.path(), &["plugins"]).unwrap(), at_first);
        fs::write(root.path().join("plugins/auth/src/lib.rs"), "two").unwrap();
        let edited = of(root.path(), &["plugins"]).unwrap();
        assert_ne!(edited, at_first);
        fs::rename(root.path().join("plugins/auth/src/lib.rs"), root.path().join("plugins/auth/src/new.rs")).unwrap();
        assert_ne!(of(root.path(), &["plugins"]).unwrap(), edited);
    }

    #[test]
    fn what_a_build_leaves_behind_does_not_change_the_stamp() {
        let root = repository();
        let at_first = of(root.path(), &["plugins"]).unwrap();
        fs::write(root.path().join("plugins/target/auth.d"), "x").unwrap();
        assert_eq!(of(root.path(), &["plugins"]).unwrap(), at_first);
    }
}
