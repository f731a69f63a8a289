//! C: clang makes a core module of the plugin, the SDK's runtime and the bindings, which are generated from the contract.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use wit_bindgen_core::Files;
use wit_parser::Resolve;

use super::staging::Staging;
use crate::process::quietly;
use crate::{Language, Workshop, component, embedded};

/// The same optimisation and errors for the plugin and what comes with it.
const FLAGS: [&str; 9] = [
    "--target=wasm32-unknown-unknown",
    "-std=c11",
    "-O2",
    "-ffreestanding",
    "-nostdlib",
    "-fno-builtin",
    "-Wl,--no-entry",
    "-Wl,--gc-sections",
    "-Wl,--strip-all",
];

pub(super) fn build(project: &Path, workshop: &Workshop) -> Result<Vec<u8>> {
    workshop.need(&[("clang", "clang"), ("wasm-ld", "lld")], "building a C plugin")?;
    let staging = Staging::of(project, Language::C, &["c", "h"])?;
    bindings(&staging.join("wit"), &staging.join("trunkline"))?;
    let module = staging.join("out.wasm");
    let mut clang = Command::new("clang");
    clang.args(FLAGS).args(["-Wall", "-Wextra", "-I", ".", "-isystem", "trunkline/include"]);
    clang.args(sources(staging.path())?).arg("-o").arg(&module);
    quietly(clang.current_dir(staging.path()))?;
    let module = fs::read(&module).with_context(|| format!("clang wrote no {}", module.display()))?;
    component::encode(&module)
}

/// The bindings, for editors to find what a plugin in C includes. A build makes them anew.
///
/// # Errors
/// The folder cannot be written.
pub(crate) fn write_bindings(folder: &Path) -> Result<()> {
    let wit = tempfile::tempdir().context("cannot make a temporary folder")?;
    embedded::unpack("wit", wit.path(), false)?;
    bindings(wit.path(), folder)
}

/// `stage.h`, `stage.c`, and the contract's types as an object file to link.
fn bindings(wit: &Path, folder: &Path) -> Result<()> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(wit).context("the contract in wit/ cannot be read")?;
    let world = resolve.select_world(&[package], Some("stage")).context("the contract has no world `stage`")?;
    let mut files = Files::default();
    let mut generator = wit_bindgen_c::Opts::default().build();
    generator.generate(&mut resolve, world, &mut files).context("no C bindings for the contract")?;
    files.iter().try_for_each(|(name, content)| embedded::write(&folder.join(name), content))
}

/// Every C file of the project, of the SDK and of the bindings, and the contract's types.
fn sources(staging: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in [staging.to_owned(), staging.join("trunkline")] {
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "c" || extension == "o") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
