//! The languages that there is an SDK for.

use std::fmt;
use std::path::Path;

/// What a plugin is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Language {
    /// With the crate `trunkline-plugin`: the fastest, and tested natively
    Rust,
    /// With componentize-py: CPython inside the component
    Python,
    /// With componentize-js: SpiderMonkey inside the component
    Javascript,
    /// With clang, and without a C library
    C,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Rust, Self::Python, Self::Javascript, Self::C];

    /// The folder of its SDK below `sdk/`.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::Javascript => "javascript",
            Self::C => "c",
        }
    }

    /// The file that every project in this language has.
    pub(crate) fn mark(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::Python => "plugin.py",
            Self::Javascript => "plugin.js",
            Self::C => "plugin.c",
        }
    }

    /// Of the project in this folder.
    pub fn of(project: &Path) -> Option<Self> {
        Self::ALL.into_iter().find(|language| project.join(language.mark()).is_file())
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::Javascript => "JavaScript",
            Self::C => "C",
        })
    }
}
