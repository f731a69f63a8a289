//! Where plugins are built: the compilers that were fetched for it, and how missing programs come to be.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::{env, fmt};

use anyhow::{Context as _, Result, bail};

use crate::process;

/// How Debian packages are installed: the packages, and what for.
type Install = dyn Fn(&[&str], &str) -> Result<()>;

/// What all builds on this machine share.
pub struct Workshop {
    folder: PathBuf,
    install: Box<Install>,
}

impl Workshop {
    /// Tools are kept in `$XDG_CACHE_HOME/trunkline/tools` or `~/.cache/trunkline/tools`; what `install` cannot do is its
    /// error.
    ///
    /// # Errors
    /// Neither variable is set.
    pub fn new(install: impl Fn(&[&str], &str) -> Result<()> + 'static) -> Result<Self> {
        let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
        let cache = cache.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")));
        let cache = cache.context("neither XDG_CACHE_HOME nor HOME is set: no place to keep compilers in")?;
        Ok(Self { folder: cache.join("trunkline/tools"), install: Box::new(install) })
    }

    /// Installs nothing: says which packages are missing.
    ///
    /// # Errors
    /// As [`Workshop::new`].
    pub fn that_installs_nothing() -> Result<Self> {
        Self::new(|packages, purpose| {
            bail!("{purpose} needs {} (on Debian: apt-get install {})", packages.join(", "), packages.join(" "))
        })
    }

    /// Tell the person what happens now.
    pub fn say(&self, message: impl AsRef<str>) {
        eprintln!("==> {}", message.as_ref());
    }

    /// The folder of a tool, with the name of its version.
    pub(crate) fn tool(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Sees that these programs are there: pairs of program and Debian package.
    pub(crate) fn need(&self, programs: &[(&str, &str)], purpose: &str) -> Result<()> {
        let missing = programs.iter().filter(|(program, _)| !process::has(program)).map(|(_, package)| *package);
        let missing: Vec<&str> = missing.collect();
        if missing.is_empty() { Ok(()) } else { (self.install)(&missing, purpose) }
    }

    pub(crate) fn install(&self, packages: &[&str], purpose: &str) -> Result<()> {
        (self.install)(packages, purpose)
    }

    /// Holds the tools for one build: two at once would fetch the same compiler, or write one file.
    pub(crate) fn lock(&self) -> Result<File> {
        fs::create_dir_all(&self.folder).with_context(|| format!("cannot make {}", self.folder.display()))?;
        let path = self.folder.join(".lock");
        let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(file)
    }

    /// A tool that is fetched once: `fetch` fills a folder, and what it did not finish is begun anew next time.
    pub(crate) fn fetched(&self, name: &str, fetch: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let folder = self.tool(name);
        let done = folder.join(".fetched");
        if done.is_file() {
            return Ok(folder);
        }
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        self.say(format!("fetching {name} into {} (once)", folder.display()));
        fetch(&folder)?;
        fs::write(&done, "").with_context(|| format!("cannot write {}", done.display()))?;
        Ok(folder)
    }
}

impl fmt::Debug for Workshop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workshop").field("folder", &self.folder).finish_non_exhaustive()
    }
}
