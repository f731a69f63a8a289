//! From a project's folder to a checked component.

mod c;
mod javascript;
mod python;
mod rust;
mod staging;
mod toolchain;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

pub(crate) use c::write_bindings as write_c_bindings;
pub use toolchain::{Selection, Toolchain};

use crate::component::{self, Checked};
use crate::{Language, Workshop};

/// What came of a build.
#[derive(Debug)]
pub struct Built {
    /// What the project is written in.
    pub language: Language,
    /// The `.wasm`.
    pub path: PathBuf,
    /// What is in it.
    pub component: Checked,
}

/// Builds the project in this folder; into `out`, or else into `NAME.wasm` in the folder, where `NAME` is the project's.
///
/// # Errors
/// The folder holds no project, a compiler is missing and cannot be had, or refuses the source, or what it made is no
/// stage that reaches nothing but the router.
pub fn build(project: &Path, out: Option<&Path>, workshop: &Workshop) -> Result<Built> {
    let project = project.canonicalize().with_context(|| format!("cannot find {}", project.display()))?;
    let language = Language::of(&project).with_context(|| {
        let marks = Language::ALL.map(Language::mark).join(", ");
        format!("{} holds no plugin: none of {marks}", project.display())
    })?;
    let name = name(&project, language)?;
    let out = out.map_or_else(|| project.join(format!("{name}.wasm")), Path::to_owned);
    let _alone = workshop.lock()?;
    workshop.say(format!("building {name} ({language})"));
    let bytes = match language {
        Language::Rust => rust::build(&project, &name, workshop)?,
        Language::Python => python::build(&project, workshop)?,
        Language::Javascript => javascript::build(&project, workshop)?,
        Language::C => c::build(&project, workshop)?,
    };
    let component = component::check(bytes).with_context(|| format!("{name} is built, but cannot be a stage"))?;
    write_whole(&out, &component.bytes)?;
    Ok(Built { language, path: out, component })
}

/// A Rust plugin's package, else the folder's name.
fn name(project: &Path, language: Language) -> Result<String> {
    if language == Language::Rust {
        return rust::package(project);
    }
    let name = project.file_name().context("the root of the file system is no project")?;
    Ok(name.to_string_lossy().into_owned())
}

/// Writes a file whole or not at all: a router may read it at this moment.
///
/// # Errors
/// The folder or the file cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let aside = path.with_extension("new");
    fs::write(&aside, bytes).with_context(|| format!("cannot write {}", aside.display()))?;
    fs::rename(&aside, path).with_context(|| format!("cannot write {}", path.display()))
}
