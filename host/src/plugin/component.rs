//! Finds, reads and compiles components, each at most once.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::cache::Cache;
use super::engine::Engine;
use super::error::LoadError;
use super::versions;

/// The file of the largest component that is read: a Python plugin has 18 MB.
const MAX_FILE: u64 = 256 << 20;

/// Where the built-in components lie.
#[derive(Debug, Clone)]
pub struct ComponentFinder {
    folders: Vec<PathBuf>,
}

impl ComponentFinder {
    /// Looks in these folders, in order.
    pub fn new(folders: Vec<PathBuf>) -> Self {
        Self { folders }
    }

    /// `$TRUNKLINE_PLUGINS`, then beside the program and above it (a build tree), then `/usr/lib/trunkline/plugins`.
    pub fn from_environment() -> Self {
        let mut folders: Vec<PathBuf> = std::env::var_os("TRUNKLINE_PLUGINS").map(PathBuf::from).into_iter().collect();
        if let Ok(program) = std::env::current_exe() {
            folders.extend(program.ancestors().skip(1).take(3).map(|folder| folder.join("plugins")));
        }
        folders.push(PathBuf::from("/usr/lib/trunkline/plugins"));
        Self { folders }
    }

    /// The file of a component as the configuration names it: a path (with a slash, or ending in `.wasm`) from
    /// `base`, or the name of a built-in one.
    pub fn find(&self, reference: &str, base: &Path) -> Result<PathBuf, LoadError> {
        let is_path = reference.contains('/') || Path::new(reference).extension().is_some_and(|ext| ext == "wasm");
        if is_path {
            return Ok(base.join(reference));
        }
        let looked: Vec<PathBuf> = self.folders.iter().map(|folder| folder.join(format!("{reference}.wasm"))).collect();
        match looked.iter().find(|path| path.is_file()) {
            Some(path) => Ok(path.clone()),
            None => Err(LoadError::NotFound { name: reference.to_owned(), looked }),
        }
    }
}

/// A compiled component.
#[derive(Clone)]
pub struct Component {
    /// SHA-256 of the file, 64 hexadecimal digits.
    pub digest: Arc<str>,
    /// The file.
    pub path: PathBuf,
    pub(super) code: wasmtime::component::Component,
}

impl Component {
    /// The first 16 hexadecimal digits of the digest, as in call records.
    pub fn short_digest(&self) -> Arc<str> {
        self.digest.get(..16).unwrap_or_default().into()
    }
}

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Component").field("digest", &self.digest).field("path", &self.path).finish_non_exhaustive()
    }
}

/// All components that this process has compiled, by digest: two stages of one file share its code, and a reload
/// compiles only what changed.
#[derive(Debug)]
pub struct Components {
    engine: Engine,
    finder: ComponentFinder,
    cache: Option<Cache>,
    known: Mutex<HashMap<Arc<str>, Component>>,
    /// Who compiles which digest.
    turns: Mutex<HashMap<Arc<str>, Arc<Mutex<()>>>>,
}

impl Components {
    /// With `cache`, compiled components are kept in that folder, which must be the host's own.
    pub fn new(engine: Engine, finder: ComponentFinder, cache: Option<PathBuf>) -> Self {
        Self { engine, finder, cache: cache.map(Cache::new), known: Mutex::default(), turns: Mutex::default() }
    }

    /// The engine that compiles.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Reads and compiles a component, or takes it from the cache. Compiling takes 20 ms to 15 s of all cores: not
    /// for a thread that carries calls.
    pub fn load(&self, reference: &str, base: &Path) -> Result<Component, LoadError> {
        let path = self.finder.find(reference, base)?;
        let bytes = read(&path)?;
        self.admit(path, &bytes)
    }

    /// As [`Components::load`], of bytes that came from this path or go by it. Of one component that several want at
    /// once, the first compiles it and the others wait for that.
    pub fn admit(&self, path: PathBuf, bytes: &[u8]) -> Result<Component, LoadError> {
        check_kind(&path, bytes)?;
        let digest: Arc<str> = versions::digest(bytes).into();
        let turn = Arc::clone(lock(&self.turns).entry(Arc::clone(&digest)).or_default());
        let _turn = lock(&turn);
        let known = lock(&self.known).get(&digest).cloned();
        if let Some(component) = known {
            return Ok(Component { path, ..component });
        }
        let code = self.compile(&path, bytes, &digest)?;
        let component = Component { digest: Arc::clone(&digest), path, code };
        lock(&self.known).insert(digest, component.clone());
        Ok(component)
    }

    /// The bytes of a component as the configuration names it, and their digest.
    pub fn bytes(&self, reference: &str, base: &Path) -> Result<(PathBuf, Vec<u8>), LoadError> {
        let path = self.finder.find(reference, base)?;
        let bytes = read(&path)?;
        Ok((path, bytes))
    }

    /// Whether [`Components::admit`] would not have to compile.
    pub fn is_compiled(&self, digest: &str) -> bool {
        let known = lock(&self.known).contains_key(digest);
        known || self.cache.as_ref().is_some_and(|cache| cache.has(&self.engine, digest))
    }

    /// Forgets the code of every other component: what has been swapped out shall not hold memory. On disk it stays.
    pub fn forget_all_but(&self, digests: &BTreeSet<String>) {
        lock(&self.known).retain(|digest, _| digests.contains(&**digest));
        lock(&self.turns).retain(|digest, _| digests.contains(&**digest));
    }

    fn compile(&self, path: &Path, bytes: &[u8], digest: &str) -> Result<wasmtime::component::Component, LoadError> {
        if let Some(code) = self.cache.as_ref().and_then(|cache| cache.get(&self.engine, digest)) {
            return Ok(code);
        }
        let began = Instant::now();
        let code = wasmtime::component::Component::new(self.engine.wasm(), bytes)
            .map_err(|error| not(path, format!("is no valid component: {error:#}")))?;
        let (path, millis) = (path.display(), began.elapsed().as_millis() as u64);
        tracing::info!(%path, bytes = bytes.len(), millis, "component compiled");
        if let Some(cache) = &self.cache {
            cache.put(&self.engine, digest, &code);
        }
        Ok(code)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    let unreadable = |source| LoadError::Unreadable { path: path.to_owned(), source };
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(not(path, "is no file"));
    }
    if metadata.len() > MAX_FILE {
        return Err(not(path, format!("has {} bytes; a component has at most {MAX_FILE}", metadata.len())));
    }
    std::fs::read(path).map_err(unreadable)
}

/// Tells by the first eight bytes what a file is, for words that help: `\0asm`, then version and layer.
fn check_kind(path: &Path, bytes: &[u8]) -> Result<(), LoadError> {
    match bytes.get(..8) {
        Some(b"\0asm\x0d\0\x01\0") => Ok(()),
        Some(b"\0asm\x01\0\0\0") => Err(not(
            path,
            "is a core WebAssembly module, not a component: make one of it with `wasm-tools component new`, or build \
             it with the SDK",
        )),
        Some(head) if head.starts_with(b"\0asm") => {
            Err(not(path, "is WebAssembly of a version that this host does not know"))
        }
        _ => Err(not(path, "is not WebAssembly (it does not begin with \\0asm)")),
    }
}

fn not(path: &Path, what: impl Into<String>) -> LoadError {
    LoadError::NotAComponent { path: path.to_owned(), what: what.into() }
}
