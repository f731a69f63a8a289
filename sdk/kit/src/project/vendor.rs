//! The Rust SDK and the contract inside a project, so that it needs no repository.

use std::path::Path;

use anyhow::{Context as _, Result};
use toml::{Table, Value};

use crate::embedded;

/// Places the SDK and the contract as in the repository: the SDK finds the contract at `../../wit`.
pub(super) fn write(project: &Path) -> Result<()> {
    let vendor = project.join("vendor");
    embedded::unpack("wit", &vendor.join("wit"), false)?;
    for (path, content) in embedded::below("sdk/rust").filter(|(path, _)| !path.starts_with("template/")) {
        let to = vendor.join("sdk/rust").join(path);
        if path == "Cargo.toml" {
            embedded::write(&to, manifest()?.as_bytes())?;
        } else {
            embedded::write(&to, content)?;
        }
    }
    // The versions that the SDK is tested with. Cargo takes from it what the project needs.
    embedded::write(&project.join("Cargo.lock"), embedded::text("plugins/Cargo.lock").as_bytes())
}

/// The SDK's manifest with what it takes from the workspace of this repository's plugins written out.
fn manifest() -> Result<String> {
    let read = |path: &str| embedded::text(path).parse::<Table>().with_context(|| format!("cannot read {path}"));
    let mut manifest = read("sdk/rust/Cargo.toml")?;
    let plugins = read("plugins/Cargo.toml")?;
    let shared = |part: &str| plugins.get("workspace")?.get(part)?.as_table();
    for (part, inherited) in [("package", shared("package")), ("dependencies", shared("dependencies"))] {
        let Some(table) = manifest.get_mut(part).and_then(Value::as_table_mut) else { continue };
        for (key, value) in table.iter_mut() {
            if value.get("workspace").is_some() {
                let written = inherited.and_then(|table| table.get(key));
                *value = written.with_context(|| format!("plugins/Cargo.toml shares no {part}.{key}"))?.clone();
            }
        }
        table.remove("workspace");
    }
    // Which lints hold is the project's own affair.
    manifest.remove("lints");
    toml::to_string(&manifest).context("the SDK's manifest cannot be written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sdk_in_a_project_takes_nothing_from_a_workspace() {
        let manifest = manifest().unwrap();
        assert!(!manifest.contains("workspace"), "{manifest}");
        assert!(manifest.contains("[dependencies.wit-bindgen]"), "{manifest}");
    }
}
