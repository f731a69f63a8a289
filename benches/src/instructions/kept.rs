//! The counts that the repository keeps, and what is said of others.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// What the names of the stages' counts begin with.
pub(super) const STAGE: &str = "stage-";

/// By name.
pub type Counts = BTreeMap<String, u64>;

/// Another compiler makes other code: its counts cannot be held against those of this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compilers {
    /// Of the router: instructions depend on it.
    pub router: String,
    /// Of the plugins: fuel depends on it.
    pub plugins: String,
}

impl Compilers {
    /// Whether what has this name was made by the same one.
    pub fn agree_on(&self, other: &Self, name: &str) -> bool {
        if name.starts_with(STAGE) { self.plugins == other.plugins } else { self.router == other.router }
    }
}

/// As in `benches/instructions.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// How many percent a count may be from the kept one, either way.
    pub tolerance: u64,
    /// Who made what was counted.
    pub compilers: Compilers,
    /// Instructions of a time that a piece of work is done; of stages, fuel.
    pub counts: Counts,
}

/// What there is to say of one count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Within the tolerance.
    Same,
    /// So many percent more than kept, rounded up: a regression.
    More(u64),
    /// So many percent less than kept, rounded up: a gain that the file does not know yet, behind which a loss could hide.
    Less(u64),
    /// The file does not know it.
    Unknown,
    /// The file knows it, and it was not counted.
    Missing,
}

impl Kept {
    /// From a file.
    ///
    /// # Errors
    /// When it is not there, or not in this form.
    pub fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).with_context(|| format!("no kept counts in {}", file.display()))?;
        toml::from_str(&text).with_context(|| format!("{}", file.display()))
    }

    /// To a file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        const HEAD: &str = "# Instructions of a piece of work, by callgrind, profile `release`; of stages, fuel.\n\
                            # Recorded by `cargo xtask bench --only instructions --record`.\n";
        fs::write(file, format!("{HEAD}{}", toml::to_string(self)?)).with_context(|| format!("{}", file.display()))
    }

    /// What there is to say of these counts.
    pub fn findings(&self, seen: &Counts) -> BTreeMap<String, Finding> {
        let names = self.counts.keys().chain(seen.keys()).cloned();
        names.map(|name| (name.clone(), self.finding(self.counts.get(&name), seen.get(&name)))).collect()
    }

    fn finding(&self, kept: Option<&u64>, seen: Option<&u64>) -> Finding {
        let (kept, seen) = match (kept, seen) {
            (Some(kept), Some(seen)) => (*kept, *seen),
            (None, _) => return Finding::Unknown,
            (_, None) => return Finding::Missing,
        };
        let hundredfold = kept.abs_diff(seen).saturating_mul(100);
        let is_beyond = hundredfold > kept.saturating_mul(self.tolerance);
        let percent = hundredfold.div_ceil(kept.max(1));
        match (is_beyond, seen > kept) {
            (false, _) => Finding::Same,
            (true, true) => Finding::More(percent),
            (true, false) => Finding::Less(percent),
        }
    }
}

/// The compiler of this folder's toolchain, as it names itself.
///
/// # Errors
/// When there is none.
pub fn rustc() -> Result<String> {
    let output = Command::new("rustc").arg("--version").output().context("no rustc")?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pairs: &[(&str, u64)]) -> Counts {
        pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    fn compilers(router: &str, plugins: &str) -> Compilers {
        Compilers { router: router.to_owned(), plugins: plugins.to_owned() }
    }

    #[test]
    fn fuel_is_of_the_plugins_compiler_and_instructions_of_the_router_s() {
        let (one, other) = (compilers("rustc 1", "rustc 1"), compilers("rustc 1", "rustc 2"));
        assert!(one.agree_on(&other, "parse") && !one.agree_on(&other, "stage-lrn"));
        assert!(!one.agree_on(&compilers("rustc 2", "rustc 1"), "parse"));
    }

    #[test]
    fn a_count_beyond_the_tolerance_is_told_either_way() {
        let kept = Kept {
            compilers: compilers("rustc 1", "rustc 1"),
            tolerance: 5,
            counts: counts(&[("a", 1_000), ("b", 1_000), ("c", 1_000), ("d", 1_000), ("f", 10_000), ("g", 10_000)]),
        };
        let seen = counts(&[("a", 1_050), ("b", 1_060), ("c", 800), ("e", 1), ("f", 10_501), ("g", 9_401)]);
        let found: Vec<Finding> = kept.findings(&seen).into_values().collect();
        let [more, less] = [Finding::More(6), Finding::Less(6)];
        let expected = [Finding::Same, more.clone(), Finding::Less(20), Finding::Missing, Finding::Unknown, more, less];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_written_is_read_again() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("instructions.toml");
        let kept =
            Kept { compilers: compilers(&rustc()?, "rustc 2"), tolerance: 5, counts: counts(&[("parse", 4_321)]) };
        kept.write(&file)?;
        assert_eq!(Kept::read(&file)?, kept);
        Ok(())
    }
}
