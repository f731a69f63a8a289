//! Compiled components, carried from one test's router to the next: compiling five for each would be most of a run.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::setup::plugins_folder;

/// Where a router keeps them: beside its journal.
const OF_ROUTER: &str = "var/components";
/// Where they wait for the next router: beside the plugins.
const SHARED: &str = "plugins-compiled";

/// Gives a router that is about to start in `folder` what others have compiled.
pub(crate) fn lend(folder: &Path) -> Result<()> {
    copy_new(&plugins_folder()?.with_file_name(SHARED), &folder.join(OF_ROUTER))
}

/// Takes over what a router has compiled.
pub(crate) fn keep(folder: &Path) -> Result<()> {
    copy_new(&folder.join(OF_ROUTER), &plugins_folder()?.with_file_name(SHARED))
}

fn copy_new(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let Ok(files) = fs::read_dir(from) else { return Ok(()) };
    for file in files {
        let file = file?.path();
        let name = file.file_name().context("a file has a name")?;
        let target = to.join(name);
        if file.extension().is_none_or(|extension| extension != "cwasm") || target.exists() {
            continue;
        }
        // Whole or not at all, as other tests look here too.
        let draft = to.join(format!("{}.{}", name.display(), fastrand::u64(..)));
        fs::copy(&file, &draft)?;
        fs::rename(&draft, &target)?;
    }
    Ok(())
}
