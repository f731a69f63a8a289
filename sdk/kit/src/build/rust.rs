//! Rust: cargo makes a core module, which needs only to be wrapped.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::toolchain::{Selection, Toolchain};
use crate::{Workshop, component};

pub(super) fn build(project: &Path, name: &str, workshop: &Workshop) -> Result<Vec<u8>> {
    let toolchain = Toolchain::find(workshop)?;
    let modules = toolchain.build(project, Selection::Package(name), workshop)?;
    let module = modules.join(name.replace('-', "_")).with_extension("wasm");
    let module = fs::read(&module).with_context(|| {
        format!(
            "cargo built no {}: does Cargo.toml say `crate-type = [\"cdylib\", \"rlib\"]` under [lib]?",
            module.display()
        )
    })?;
    component::encode(&module)
}

/// The package's name.
pub(super) fn package(project: &Path) -> Result<String> {
    let path = project.join("Cargo.toml");
    let manifest = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let manifest: toml::Table = manifest.parse().with_context(|| format!("cannot read {}", path.display()))?;
    let name = manifest.get("package").and_then(|package| package.get("name")).and_then(toml::Value::as_str);
    name.map(str::to_owned).with_context(|| format!("{} names no package", path.display()))
}
