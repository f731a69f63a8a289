//! Compiled components on disk, so that a restart does not compile them again.
//!
//! Loading compiled code is running it: the folder must be the host's own. A file is named by the component's SHA-256
//! and the engine's compatibility hash, so that no other component's code and no other engine's is ever loaded.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use wasmtime::component::Component;

use super::engine::Engine;

/// Begins every file; the number is that of this layout: magic, CRC32C of the code (little endian), code.
const MAGIC: &[u8; 8] = b"TLCWASM1";

/// Compiled components that are kept.
const MAX_FILES: usize = 256;

const HEAD: usize = MAGIC.len() + size_of::<u32>();

/// A folder of compiled components.
#[derive(Debug, Clone)]
pub(super) struct Cache {
    folder: PathBuf,
}

impl Cache {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The compiled component, where an unbroken one lies in the cache. Anything else is as if there were none.
    pub(super) fn get(&self, engine: &Engine, digest: &str) -> Option<Component> {
        let path = self.path(engine, digest);
        if !is_ours(&self.folder) || !is_ours(&path) {
            return None;
        }
        let file = fs::read(&path).ok()?;
        let code = checked(&file)?;
        match deserialize(engine, code) {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::debug!(path = %path.display(), "compiled component not usable: {error:#}");
                None
            }
        }
    }

    /// Whether there is a file for it; it may still turn out to be broken.
    pub(super) fn has(&self, engine: &Engine, digest: &str) -> bool {
        self.path(engine, digest).is_file()
    }

    /// Keeps it. A cache that cannot be written is slower and nothing else: it is said once in the log.
    pub(super) fn put(&self, engine: &Engine, digest: &str, component: &Component) {
        let path = self.path(engine, digest);
        if let Err(error) = self.write(&path, component) {
            tracing::warn!(path = %path.display(), "compiled component not kept: {error:#}");
        }
    }

    fn write(&self, path: &Path, component: &Component) -> anyhow::Result<()> {
        let code = component.serialize().map_err(|error| anyhow::anyhow!("{error:#}"))?;
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        // Whole or not at all, also when two processes start at once.
        let draft = path.with_extension(format!("{}.draft", std::process::id()));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(MAGIC)?;
        file.write_all(&crc32c::crc32c(&code).to_le_bytes())?;
        file.write_all(&code)?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        self.clear_away();
        Ok(())
    }

    /// Removes the oldest files beyond what a node with many plugins uses: each swap would leave one for ever.
    fn clear_away(&self) {
        let Ok(files) = fs::read_dir(&self.folder) else { return };
        let compiled = files.flatten().filter(|file| file.path().extension().is_some_and(|ending| ending == "cwasm"));
        let dated = compiled.filter_map(|file| Some((file.metadata().ok()?.modified().ok()?, file.path())));
        let mut dated: Vec<_> = dated.collect();
        dated.sort();
        for (_, path) in dated.iter().take(dated.len().saturating_sub(MAX_FILES)) {
            let _ = fs::remove_file(path);
        }
    }

    fn path(&self, engine: &Engine, digest: &str) -> PathBuf {
        self.folder.join(format!("{digest}-{:016x}.cwasm", engine.compatibility()))
    }
}

/// Whether nobody but this user (or root) can have written it.
fn is_ours(path: &Path) -> bool {
    let Ok(metadata) = fs::symlink_metadata(path) else { return false };
    let owner = metadata.uid();
    let ours = owner == 0 || owner == nix::unistd::geteuid().as_raw();
    let writable_by_others = metadata.mode() & 0o022 != 0;
    ours && !writable_by_others && !metadata.is_symlink()
}

/// The code of a file whose magic and checksum hold: a torn write is not code.
fn checked(file: &[u8]) -> Option<&[u8]> {
    let (head, code) = file.split_at_checked(HEAD)?;
    let (magic, sum) = head.split_at(MAGIC.len());
    (magic == MAGIC && sum == crc32c::crc32c(code).to_le_bytes()).then_some(code)
}

#[allow(unsafe_code, reason = "compiled code can only be loaded on trust; see below for why it is due")]
fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize` demands bytes that `Component::serialize` made. Only `Cache::write` makes files of this
    // name and magic; the checksum shows that they are unchanged by accident, and `is_ours` that nobody but this user
    // or root could have changed the file or the folder on purpose. wasmtime itself refuses code of another version
    // or other engine settings.
    unsafe { Component::deserialize(engine.wasm(), code) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::plugin::engine::EngineOptions;

    struct Rig {
        engine: Engine,
        cache: Cache,
        _folder: tempfile::TempDir,
    }

    impl Rig {
        fn with_one() -> Self {
            let engine = Engine::new(EngineOptions { instances: 4 }).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let cache = Cache::new(folder.path().join("components"));
            let component = Component::new(engine.wasm(), wat::parse_str("(component)").unwrap()).unwrap();
            cache.put(&engine, "d1", &component);
            Self { engine, cache, _folder: folder }
        }

        fn has(&self, digest: &str) -> bool {
            self.cache.get(&self.engine, digest).is_some()
        }

        fn file(&self) -> PathBuf {
            self.cache.path(&self.engine, "d1")
        }
    }

    #[test]
    fn what_was_put_is_found_and_nothing_else() {
        let rig = Rig::with_one();
        assert!(rig.has("d1"));
        assert!(!rig.has("d2"));
    }

    #[test]
    fn a_torn_or_changed_file_is_as_if_it_were_not_there() {
        let rig = Rig::with_one();
        let whole = fs::read(rig.file()).unwrap();
        for cut in [0, 5, HEAD, whole.len() / 2, whole.len() - 1] {
            fs::write(rig.file(), &whole[..cut]).unwrap();
            assert!(!rig.has("d1"), "cut to {cut} bytes");
        }
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        fs::write(rig.file(), &flipped).unwrap();
        assert!(!rig.has("d1"));
        fs::write(rig.file(), &whole).unwrap();
        assert!(rig.has("d1"));
    }

    #[test]
    fn a_file_that_others_can_write_is_not_run() {
        let rig = Rig::with_one();
        fs::set_permissions(rig.file(), fs::Permissions::from_mode(0o666)).unwrap();
        assert!(!rig.has("d1"));
    }
}
