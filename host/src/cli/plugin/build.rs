//! `trunkline plugin build`

use std::path::PathBuf;

use clap::Args;
use trunkline_plugin_kit::{Workshop, build};

use super::thousands;

/// Make a component of a plugin's project.
///
/// Compilers that come from a registry are fetched once, in the version that this program is made for, into
/// ~/.cache/trunkline/tools. What Debian packages bring is named where it is missing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  trunkline plugin build
  trunkline plugin build vip -o /etc/trunkline/plugins/vip.wasm")]
pub(super) struct Build {
    /// The project's folder.
    #[arg(default_value = ".")]
    project: PathBuf,
    /// The component [default: NAME.wasm in the folder].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Build {
    pub(super) fn execute(&self) -> anyhow::Result<()> {
        let built = build::build(&self.project, self.output.as_deref(), &Workshop::that_installs_nothing()?)?;
        let size = thousands(built.component.bytes.len() as u64);
        println!("{}: {size} bytes, imports {}", built.path.display(), built.component.imports.join(" "));
        Ok(())
    }
}
