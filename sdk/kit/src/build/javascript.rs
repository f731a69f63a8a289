//! JavaScript: componentize-js puts SpiderMonkey and the plugin, already evaluated, into a component.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::staging::Staging;
use crate::process::{output, quietly};
use crate::{Language, Workshop, embedded};

/// The folder of the tool; the version is that of `sdk/javascript/tools/package.json`.
const COMPONENTIZE: &str = "componentize-js-0.23.0";

/// The oldest Node.js that it runs on.
const NODE: u32 = 20;

pub(super) fn build(project: &Path, workshop: &Workshop) -> Result<Vec<u8>> {
    let tool = workshop.fetched(COMPONENTIZE, |folder| fetch(folder, workshop))?;
    let staging = Staging::of(project, Language::Javascript, &["js", "mjs", "json"])?;
    let out = staging.join("out.wasm");
    let mut node = Command::new("node");
    node.arg(tool.join("build.mjs")).arg(staging.join("trunkline/stage.js")).arg(staging.join("wit")).arg(&out);
    // Its own module paths begin at the folder that it runs in.
    quietly(node.current_dir(staging.path()))?;
    fs::read(&out).with_context(|| format!("componentize-js wrote no {}", out.display()))
}

/// The packages of the lock file.
fn fetch(folder: &Path, workshop: &Workshop) -> Result<()> {
    workshop.need(&[("node", "nodejs"), ("npm", "npm")], "building a JavaScript plugin")?;
    let version = output(Command::new("node").arg("--version")).unwrap_or_default();
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < NODE) {
        bail!("building a JavaScript plugin needs Node.js {NODE} or later; this is {version:?}");
    }
    embedded::unpack("sdk/javascript/tools", folder, false)?;
    // No package needs to run anything to be installed.
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]);
    quietly(npm.current_dir(folder))
}
