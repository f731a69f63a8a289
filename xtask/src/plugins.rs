//! `cargo xtask plugins`: the Rust plugins as components in `<target>/plugins`, where the router finds them by name.
//!
//! Cargo builds core modules, [`component`] wraps and checks them, [`stamp`] leaves out what has not changed, and
//! [`toolchain`] finds a compiler for wasm32.

mod component;
mod stamp;
mod toolchain;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::setup;

/// `cargo xtask plugins`
#[derive(Default, clap::Args)]
pub(crate) struct Arguments {
    /// Build although nothing changed since the last time
    #[arg(long)]
    force: bool,
}

/// The folders under `plugins/` that hold plugins, and where their components go under `<target>/plugins`.
const FOLDERS: [&str; 3] = ["", "benches", "faults"];

/// Build all that changed; say what is done and what came out.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let target = setup::target_dir();
    let out = target.join("plugins");
    let plugins = find(&setup::root().join("plugins"))?;
    let sources = stamp::of_sources(setup::root())?;
    let stamp = out.join(".stamp");
    let current = fs::read_to_string(&stamp).is_ok_and(|built| built == sources);
    if current && !arguments.force && plugins.iter().all(|plugin| plugin.component(&out).is_file()) {
        setup::say(format!("plugins: {} components in {} are up to date", plugins.len(), out.display()));
        return Ok(());
    }
    // From here to the end the components may be a mixture.
    if stamp.exists() {
        fs::remove_file(&stamp).with_context(|| format!("cannot remove {}", stamp.display()))?;
    }
    let toolchain = toolchain::find()?;
    setup::say(format!("plugins: building {} components with {}", plugins.len(), toolchain.name()));
    // Its own folder, so that the build does not wait for the lock of the one that runs this.
    let modules = toolchain.build(&setup::root().join("plugins"), &target.join("plugins-build"))?;
    for plugin in &plugins {
        let module = modules.join(&plugin.name).with_extension("wasm");
        let module = fs::read(&module).with_context(|| format!("cargo built no {}", module.display()))?;
        let component = component::encode(&module).with_context(|| format!("plugin {}", plugin.name))?;
        write(&plugin.component(&out), &component.bytes)?;
        println!(
            "  {:<18} {:>7} bytes, imports {}",
            plugin.component(Path::new("")).with_extension("").display(),
            component.bytes.len(),
            component.imports.join(" ")
        );
    }
    write(&stamp, sources.as_bytes())?;
    setup::say(format!("plugins: done, in {}", out.display()));
    Ok(())
}

/// One plugin.
struct Plugin {
    /// Of its folder and its crate.
    name: String,
    /// One of [`FOLDERS`].
    folder: &'static str,
}

impl Plugin {
    fn component(&self, out: &Path) -> PathBuf {
        out.join(self.folder).join(&self.name).with_extension("wasm")
    }
}

/// Every folder with a `Cargo.toml` is a plugin.
fn find(plugins: &Path) -> Result<Vec<Plugin>> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        let place = plugins.join(folder);
        for entry in fs::read_dir(&place).with_context(|| format!("cannot read {}", place.display()))? {
            let entry = entry?;
            if entry.path().join("Cargo.toml").is_file() {
                found.push(Plugin { name: entry.file_name().to_string_lossy().into_owned(), folder });
            }
        }
    }
    if found.is_empty() {
        bail!("no plugins in {}", plugins.display());
    }
    found.sort_by(|a, b| (a.folder, &a.name).cmp(&(b.folder, &b.name)));
    Ok(found)
}

/// Write a file whole or not at all: a router may read it at this moment.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().expect("a file in a folder");
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let aside = path.with_extension("new");
    fs::write(&aside, bytes).with_context(|| format!("cannot write {}", aside.display()))?;
    fs::rename(&aside, path).with_context(|| format!("cannot write {}", path.display()))
}
