//! A new project, from its language's template.

mod vendor;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::{Language, build, embedded};

/// What stands for the project's name in a template.
const NAME: &str = "{{name}}";

/// Makes the folder `name` below `parent`, with a plugin that works, the SDK, and a README that says how to go on.
///
/// # Errors
/// The name is none for a plugin, the folder exists, or it cannot be written.
pub fn create(parent: &Path, name: &str, language: Language) -> Result<PathBuf> {
    check(name)?;
    let project = parent.join(name);
    if project.exists() {
        bail!("{} exists: remove it, or choose another name", project.display());
    }
    fs::create_dir_all(&project).with_context(|| format!("cannot make {}", project.display()))?;
    let sdk = format!("sdk/{}", language.folder());
    for folder in ["sdk/template".to_owned(), format!("{sdk}/template")] {
        for (path, content) in embedded::below(&folder) {
            let text = String::from_utf8_lossy(content).replace(NAME, name);
            embedded::write(&project.join(placed(path)), text.as_bytes())?;
        }
    }
    match language {
        Language::Rust => vendor::write(&project)?,
        Language::Python | Language::Javascript => {
            embedded::unpack(&format!("{sdk}/trunkline"), &project.join("trunkline"), false)?;
        }
        Language::C => {
            embedded::unpack(&format!("{sdk}/trunkline"), &project.join("trunkline"), false)?;
            build::write_c_bindings(&project.join("trunkline"))?;
        }
    }
    Ok(project)
}

/// A manifest of the name that cargo looks for would be a package of this repository.
fn placed(path: &str) -> PathBuf {
    let path = Path::new(path);
    match path.file_name().and_then(|name| name.to_str()) {
        Some("Cargo.toml.template") => path.with_file_name("Cargo.toml"),
        Some("gitignore") => path.with_file_name(".gitignore"),
        _ => path.to_owned(),
    }
}

/// What the configuration, cargo and file systems all take.
fn check(name: &str) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    if !first || name.len() > 64 || !name.bytes().all(fits) || name.ends_with('-') {
        bail!(
            "{name:?} is no name for a plugin: lower-case letters, digits and hyphens, a letter first, such as `time-of-day`"
        );
    }
    // The library that the plugin is made with, and a folder of the project.
    if ["trunkline-plugin", "trunkline", "test", "core", "std"].contains(&name) {
        bail!("{name:?} is taken: choose another name");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_made_whole_and_only_once() {
        for language in Language::ALL {
            let folder = tempfile::tempdir().unwrap();
            let project = create(folder.path(), "time-of-day", language).unwrap();
            assert_eq!(Language::of(&project), Some(language));
            let readme = fs::read_to_string(project.join("README.md")).unwrap();
            assert!(readme.contains("time-of-day") && !readme.contains(NAME), "{readme}");
            let again = create(folder.path(), "time-of-day", language).unwrap_err().to_string();
            assert!(again.contains("exists"), "{again}");
        }
    }

    #[test]
    fn a_name_that_some_tool_would_refuse_is_refused_at_once() {
        for name in ["", "Vip", "9to5", "a/b", "../up", "a b", "end-", "trunkline-plugin"] {
            assert!(check(name).is_err(), "{name}");
        }
        assert!(check("vip2-gold").is_ok());
    }
}
