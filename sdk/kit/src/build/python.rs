//! Python: componentize-py puts CPython and the plugin, already imported, into a component.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::staging::Staging;
use crate::process::{quietly, try_for};
use crate::{Language, Workshop};

/// The version that the SDK is tested with.
const COMPONENTIZE: &str = "componentize-py==0.25.1";

pub(super) fn build(project: &Path, workshop: &Workshop) -> Result<Vec<u8>> {
    let tool = workshop.fetched(&COMPONENTIZE.replace("==", "-"), |folder| fetch(folder, workshop))?;
    let staging = Staging::of(project, Language::Python, &["py"])?;
    let out = staging.join("out.wasm");
    let mut componentize = Command::new(tool.join("bin/componentize-py"));
    componentize.args(["--quiet", "--wit-path", "wit", "--world", "stage", "componentize"]);
    // No WASI: what Python would ask of the system traps, and the component imports the router alone.
    componentize.args(["--stub-wasi", "--python-path", ".", "trunkline.app", "--output"]).arg(&out);
    // Whose packages happen to be active is nothing that a component should depend on.
    componentize.current_dir(staging.path()).env_remove("VIRTUAL_ENV").env_remove("PYTHONPATH");
    quietly(&mut componentize)?;
    fs::read(&out).with_context(|| format!("componentize-py wrote no {}", out.display()))
}

/// A virtual environment with componentize-py in it.
fn fetch(folder: &Path, workshop: &Workshop) -> Result<()> {
    let purpose = "building a Python plugin";
    workshop.need(&[("python3", "python3")], purpose)?;
    let has_venv =
        || try_for(std::time::Duration::from_mins(1), Command::new("python3").args(["-c", "import ensurepip, venv"]));
    if !has_venv() {
        // Debian keeps it apart from Python.
        workshop.install(&["python3-venv"], purpose)?;
    }
    quietly(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    quietly(Command::new(folder.join("bin/pip")).args([
        "install",
        "--quiet",
        "--disable-pip-version-check",
        COMPONENTIZE,
    ]))
}
