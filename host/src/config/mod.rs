//! The configuration file: read, filled in from the environment, checked whole, every fault named with its place.
//!
//! [`load`] is the one door. What it returns has passed every check that needs nothing but the file, its folder and
//! the environment: no part of the router has to check a name or a range again.

mod environment;
pub mod model;
mod places;
mod problem;
mod shape;
pub mod units;
mod validate;
mod wording;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use model::Config;
use places::Places;
use problem::Report;
pub use problem::{ConfigErrors, Problem, Severity};

/// The built-in stages, found by name beside the binary.
pub const BUILT_IN_STAGES: [&str; 6] = ["auth", "blocklist", "limit", "lrn", "cnam", "rate"];

/// A configuration without errors.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What it says, environment filled in.
    pub config: Config,
    /// The file, absolute.
    pub file: PathBuf,
    /// Relative paths in the configuration count from here.
    pub folder: PathBuf,
    /// The file as it stands on disk: without the secrets that came from the environment.
    pub text: String,
    /// What is allowed but looks wrong.
    pub warnings: Vec<Problem>,
}

impl Loaded {
    /// A path of the configuration, counted from the file's folder.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }
}

/// Reads and checks the configuration in `path`, with `${NAME}` taken from the process's environment.
///
/// # Errors
///
/// Everything that is wrong with it, as far as one pass can tell, in the order of the file.
pub fn load(path: &Path) -> Result<Loaded, ConfigErrors> {
    load_with(path, &|name| std::env::var(name).ok())
}

/// As [`load`], with `${NAME}` taken from `environment`.
///
/// # Errors
///
/// As [`load`].
pub fn load_with(path: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, ConfigErrors> {
    let file = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let text = std::fs::read_to_string(&file).map_err(|error| ConfigErrors::unreadable(path, &file, &error))?;
    let folder = file.parent().map_or_else(PathBuf::new, Path::to_owned);
    let (config, warnings) = check(path, &text, &folder, environment)?;
    Ok(Loaded { config, file, folder, text, warnings })
}

/// Checks the text of a configuration; `shown` is the file's name in messages.
fn check(
    shown: &Path,
    text: &str,
    folder: &Path,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<(Config, Vec<Problem>), ConfigErrors> {
    let (mut tree, faults) = toml::de::DeTable::parse_recoverable(text);
    let places = Places::of(text, tree.get_ref());
    let mut report = Report::new(shown, &places);
    // What follows a fault of syntax is read from a guess: one quote too few makes every later line wrong.
    if let Some(fault) = faults.first() {
        report.syntax(fault.span(), fault.message());
        return Err(report.into_errors());
    }
    environment::fill_in(&mut tree, environment, &mut report);
    let config = shape::read(&tree, &mut report);
    validate::validate(&config, folder, &mut report);
    report.finish().map(|warnings| (config, warnings))
}
