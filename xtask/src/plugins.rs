//! `cargo xtask plugins`: the Rust plugins as components in `<target>/plugins`, where the router finds them by name.
//!
//! The kit (`sdk/kit`) finds a compiler for wasm32, and wraps and checks what it makes; [`stamp`] leaves out what has not
//! changed. With `--examples`, [`examples`] builds the plugins in other languages too.

mod examples;
mod stamp;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use trunkline_plugin_kit::build::{Selection, Toolchain, write_whole};
use trunkline_plugin_kit::{Workshop, component};

use crate::setup;

/// `cargo xtask plugins`
#[derive(Default, clap::Args)]
pub(crate) struct Arguments {
    /// Build although nothing changed since the last time
    #[arg(long)]
    force: bool,
    /// Build the examples in other languages too, with their compilers
    #[arg(long)]
    examples: bool,
}

impl Arguments {
    /// All that the tests run.
    pub(crate) fn everything() -> Self {
        Self { force: false, examples: true }
    }
}

/// The folders under `plugins/` that hold plugins, and where their components go under `<target>/plugins`.
const FOLDERS: [&str; 3] = ["", "benches", "faults"];

/// Build all that changed; say what is done and what came out.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let workshop = Workshop::new(setup::apt_install)?;
    let out = setup::target_dir().join("plugins");
    build(arguments.force, &out, &workshop)?;
    if arguments.examples {
        examples::build(arguments.force, &out.join("examples"), &workshop)?;
    }
    Ok(())
}

/// The compiler that makes the Rust plugins here, as it names itself.
pub(crate) fn compiler() -> Result<String> {
    Toolchain::find(&Workshop::new(setup::apt_install)?)?.version()
}

/// The Rust plugins, all in one run of cargo.
fn build(force: bool, out: &Path, workshop: &Workshop) -> Result<()> {
    let plugins = find(&setup::root().join("plugins"))?;
    let sources = stamp::of(setup::root(), &stamp::BUILT_IN)?;
    let stamp = out.join(".stamp");
    let current = fs::read_to_string(&stamp).is_ok_and(|built| built == sources);
    if current && !force && plugins.iter().all(|plugin| plugin.component(out).is_file()) {
        setup::say(format!("plugins: {} components in {} are up to date", plugins.len(), out.display()));
        return Ok(());
    }
    // From here to the end the components may be a mixture.
    if stamp.exists() {
        fs::remove_file(&stamp).with_context(|| format!("cannot remove {}", stamp.display()))?;
    }
    let toolchain = Toolchain::find(workshop)?;
    setup::say(format!("plugins: building {} components with {}", plugins.len(), toolchain.name()));
    let modules = toolchain.build(&setup::root().join("plugins"), Selection::Plugins, workshop)?;
    for plugin in &plugins {
        let module = modules.join(&plugin.name).with_extension("wasm");
        let module = fs::read(&module).with_context(|| format!("cargo built no {}", module.display()))?;
        let component = component::encode(&module).and_then(component::check);
        let component = component.with_context(|| format!("plugin {}", plugin.name))?;
        write_whole(&plugin.component(out), &component.bytes)?;
        println!(
            "  {:<18} {:>7} bytes, imports {}",
            plugin.component(Path::new("")).with_extension("").display(),
            component.bytes.len(),
            component.imports.join(" ")
        );
    }
    write_whole(&stamp, sources.as_bytes())?;
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
