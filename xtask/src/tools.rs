//! Cargo, and programs that must be installed.

use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::setup;

/// Cargo, in the repository and with the target folder that this program was built into.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(setup::root()).env("CARGO_TARGET_DIR", setup::target_dir());
    cargo
}

/// Installs the Debian packages of those programs that are not there: pairs of program and package.
pub(crate) fn need(programs: &[(&str, &str)], purpose: &str) -> Result<()> {
    // Debian keeps servers where only root's PATH looks.
    let installed = |program: &str| {
        setup::has(program) || ["/usr/sbin", "/sbin"].iter().any(|folder| Path::new(folder).join(program).is_file())
    };
    let missing: Vec<&str> =
        programs.iter().filter(|(program, _)| !installed(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() { Ok(()) } else { setup::apt_install(&missing, purpose) }
}
