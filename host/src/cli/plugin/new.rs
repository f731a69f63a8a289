//! `trunkline plugin new`

use std::path::PathBuf;

use clap::Args;
use trunkline_plugin_kit::{Language, project};

/// Make the project of a new plugin: a stage that works, with the SDK beside it.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  trunkline plugin new --lang javascript ani")]
pub(super) struct New {
    /// What it is written in.
    #[arg(long, value_enum)]
    lang: Language,
    /// Its name, and that of its folder: lower-case letters, digits and hyphens.
    name: String,
    /// Where the folder is made.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    r#in: PathBuf,
}

impl New {
    pub(super) fn execute(&self) -> anyhow::Result<()> {
        let project = project::create(&self.r#in, &self.name, self.lang)?;
        let project = project.strip_prefix(".").unwrap_or(&project).display();
        println!("{project}: a plugin in {}; its README.md says how to go on", self.lang);
        println!("  trunkline plugin build {project}");
        Ok(())
    }
}
