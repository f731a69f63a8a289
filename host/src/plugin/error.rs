//! Why a component cannot become a stage.

use std::path::PathBuf;

use super::failure::Failure;
use crate::cdr::record::StageOutcome;

/// A load that was refused. Nothing of it meets a call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A built-in name that no folder holds.
    #[error("there is no built-in plugin `{name}`: looked for {}. Build the plugins, set TRUNKLINE_PLUGINS, or write the path of a .wasm file", list(.looked))]
    NotFound {
        /// As configured.
        name: String,
        /// The files that were looked for, in order.
        looked: Vec<PathBuf>,
    },
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}", .path.display())]
    Unreadable {
        /// The component's file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is something else.
    #[error("{}: {what}", .path.display())]
    NotAComponent {
        /// The component's file.
        path: PathBuf,
        /// What it is, and what would be right.
        what: String,
    },
    /// It asks for something that no host lends.
    #[error("imports {}, which Trunkline does not lend: a stage can import the interfaces of trunkline:routing only{}", .imports.join(", "), wasi_hint(.imports))]
    Imports {
        /// What it asks for.
        imports: Vec<String>,
    },
    /// It was built against a version of the contract that this host does not serve.
    #[error(
        "was built against trunkline:routing@{built} (it imports {import}); this host serves trunkline:routing@{}: build it with an SDK of that version, or run a host of its own",
        super::version::CONTRACT_VERSION
    )]
    Version {
        /// The component's version.
        built: String,
        /// The import that names it.
        import: String,
    },
    /// It is none of the world that it is wanted for: an export is missing, or a type differs from the contract's.
    #[error("is no `{world}` of trunkline:routing@{}: {why}", super::version::CONTRACT_VERSION)]
    Contract {
        /// `stage` or `rater`.
        world: &'static str,
        /// What the linker says.
        why: String,
    },
    /// Its `configure` refused, in its own words.
    #[error("refuses its configuration: {0}")]
    Refused(String),
    /// Its `configure`, or its start, failed.
    #[error("fails before its first call: {reason}: {detail}")]
    Failed {
        /// As in a call record: `trap`, `fuel`, `memory` …
        reason: &'static str,
        /// For people.
        detail: String,
    },
    /// It does not answer the plugin's recorded calls as they were recorded.
    #[error("fails {failed} of {calls} recorded calls: {told}")]
    Rehearsal {
        /// How many.
        failed: usize,
        /// Of how many.
        calls: usize,
        /// The first of them.
        told: String,
    },
    /// The engine of this node cannot be what the configuration asks for.
    #[error("{0}")]
    Settings(String),
    /// The engine cannot be made on this machine.
    #[error("the WebAssembly engine cannot start: {0}")]
    Engine(String),
}

impl LoadError {
    /// Of a start that failed: its `configure` refused, or it met a limit.
    pub(super) fn of_start(failure: Failure) -> Self {
        let detail = failure.detail.unwrap_or_default();
        let reason = match failure.reason {
            StageOutcome::Error => return Self::Refused(detail),
            StageOutcome::Fuel => "fuel",
            StageOutcome::Memory => "memory",
            StageOutcome::Share => "share",
            StageOutcome::Trap => "trap",
            StageOutcome::Saturated => "saturated",
            StageOutcome::Deadline => "deadline",
            _ => "invalid",
        };
        Self::Failed { reason, detail }
    }
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn wasi_hint(imports: &[String]) -> &'static str {
    if imports.iter().any(|import| import.starts_with("wasi:")) {
        ". WASI is not lent: build for wasm32-unknown-unknown, or with --stub-wasi (componentize-py) or every feature \
         disabled (componentize-js)"
    } else {
        ""
    }
}
