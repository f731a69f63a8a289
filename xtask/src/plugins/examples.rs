//! The plugins under `plugins/examples`, each with the compiler of its language.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use trunkline_plugin_kit::{Workshop, build};

use super::stamp;
use crate::setup;

/// What goes into every example beside its own folder.
const SHARED: [&str; 5] = ["wit", "sdk/kit/src", "sdk/python", "sdk/javascript", "sdk/c"];

/// Build those that changed. Each takes tens of seconds, so each has a stamp of its own.
pub(super) fn build(force: bool, out: &Path, workshop: &Workshop) -> Result<()> {
    for project in projects()? {
        let name = project.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let own = format!("plugins/examples/{name}");
        let sources = stamp::of(setup::root(), &[&[own.as_str()][..], &SHARED].concat())?;
        let component = out.join(&name).with_extension("wasm");
        let stamp = out.join(format!(".{name}.stamp"));
        if !force && component.is_file() && fs::read_to_string(&stamp).is_ok_and(|built| built == sources) {
            setup::say(format!("examples: {name} is up to date"));
            continue;
        }
        let built = build::build(&project, Some(&component), workshop).with_context(|| format!("example {name}"))?;
        println!(
            "  {name:<24} {:>8} bytes, imports {}",
            built.component.bytes.len(),
            built.component.imports.join(" ")
        );
        build::write_whole(&stamp, sources.as_bytes())?;
    }
    Ok(())
}

/// Every folder below `plugins/examples`.
fn projects() -> Result<Vec<PathBuf>> {
    let folder = setup::root().join("plugins/examples");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut found = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    found.retain(|path| path.is_dir());
    found.sort();
    Ok(found)
}
