//! What the commands share: where things are, installing what is missing.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
pub(crate) use trunkline_plugin_kit::process::{has, output, run};

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the repository")
}

/// Cargo's target folder: the one that this program was built into, however that was chosen.
pub(crate) fn target_dir() -> PathBuf {
    // Cargo marks it, and nothing below it.
    let marked = |folder: &&Path| folder.join("CACHEDIR.TAG").is_file();
    let built = env::current_exe().ok().and_then(|exe| exe.ancestors().find(marked).map(Path::to_owned));
    built.or_else(|| env::var_os("CARGO_TARGET_DIR").map(PathBuf::from)).unwrap_or_else(|| root().join("target"))
}

/// Tell the person what happens now.
pub(crate) fn say(message: impl AsRef<str>) {
    eprintln!("==> {}", message.as_ref());
}

/// Install Debian packages, as root or through sudo; what for is said before.
pub(crate) fn apt_install(packages: &[&str], purpose: &str) -> Result<()> {
    let by_hand = format!("install them by hand: apt-get install {}", packages.join(" "));
    if !has("apt-get") {
        bail!("{purpose} needs {}, and this machine has no apt-get; {by_hand}", packages.join(", "));
    }
    say(format!("{purpose} needs {}: installing from Debian", packages.join(", ")));
    let root = output(Command::new("id").arg("-u")).is_some_and(|id| id == "0");
    if !root && !has("sudo") {
        bail!("installing needs root or sudo; {by_hand}");
    }
    let apt = |arguments: &[&str]| {
        let mut command = if root { Command::new("apt-get") } else { Command::new("sudo") };
        if !root {
            command.arg("apt-get");
        }
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        run(&mut command)
    };
    let install = [&["install", "-y", "--no-install-recommends"], packages].concat();
    // Package lists are often absent or old in containers: fetch them when the first try fails.
    apt(&install).or_else(|_| apt(&["update"]).and_then(|()| apt(&install))).context(by_hand)
}
