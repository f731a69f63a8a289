//! Stages and their bounds.

use std::path::PathBuf;

use serde::Deserialize;

use super::super::units::{Size, TimeSpan};
use super::lookups::{Breaker, default_concurrency};
use super::trials::{Canary, Probation, Shadow};

/// `[plugins.NAME]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Plugin {
    /// One of the built-in five by name, or the path of a component. Default: the plugin's own name.
    pub component: Option<String>,
    /// Instructions per call. Default 2,000,000.
    #[serde(default = "default_fuel")]
    pub fuel: u64,
    /// Wall clock per call, host waits included. Default 30 ms.
    #[serde(default = "default_stage_deadline")]
    pub deadline: TimeSpan,
    /// Linear memory per instance. Default 16 MiB.
    #[serde(default = "default_memory")]
    pub memory: Size,
    /// What a failure does. Default: skip for `lrn` and `cnam`, else reject with 503.
    pub on_failure: Option<OnFailure>,
    /// Whether instances are reused. Default warm.
    #[serde(default)]
    pub isolation: Isolation,
    /// Calls at once in this stage, per worker. Default 256.
    #[serde(default = "default_concurrency")]
    pub max_concurrent: usize,
    /// Default: 50 failures within 10 s open it for 5 s.
    #[serde(default = "default_plugin_breaker")]
    pub breaker: Breaker,
    /// Handed to `configure` as JSON.
    #[serde(default)]
    pub config: toml::Table,
    /// Whether the node's start waits for the component's compilation. Default: see [`Plugin::compile`].
    pub compile: Option<Compile>,
    /// Calls that a new version must answer as recorded before it is swapped in: a file of JSON lines.
    pub recorded_calls: Option<PathBuf>,
    /// How a version is watched that was swapped in.
    #[serde(default)]
    pub probation: Probation,
    /// A version that is compared only.
    pub shadow: Option<Shadow>,
    /// A version that takes a share of the calls.
    pub canary: Option<Canary>,
}

/// What happens at the node's start while a component is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compile {
    /// The node takes no calls yet.
    Wait,
    /// The node takes calls; the stage fails with the reason `loading`, as its `on-failure` says.
    Background,
}

/// A component of more bytes takes a second or longer to compile: there is an interpreter in it.
const LARGE: usize = 1 << 20;

impl Plugin {
    /// Whether the start waits for a component of so many bytes, where it is not compiled yet. Where nothing is
    /// configured it does, save for one that takes seconds and that calls go on without. By size and not by a clock, so
    /// that every start of every machine does the same, and what costs milliseconds is there for the first call.
    pub fn compile(&self, name: &str, bytes: usize) -> Compile {
        let spared = bytes > LARGE && self.on_failure(name) == OnFailure::Skip;
        self.compile.unwrap_or(if spared { Compile::Background } else { Compile::Wait })
    }

    /// What a failure of this plugin, so named, does: what only adds to a call is skipped; what decides about it fails
    /// closed.
    pub fn on_failure(&self, name: &str) -> OnFailure {
        let default = if matches!(name, "lrn" | "cnam") { OnFailure::Skip } else { OnFailure::Reject(503) };
        self.on_failure.unwrap_or(default)
    }
}

fn default_fuel() -> u64 {
    2_000_000
}

fn default_stage_deadline() -> TimeSpan {
    TimeSpan::from_millis(30)
}

fn default_memory() -> Size {
    Size::from_mib(16)
}

fn default_plugin_breaker() -> Breaker {
    Breaker { failures: 50, ..Breaker::default() }
}

/// What a failing stage does to the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The call goes on without it.
    Skip,
    /// The call is refused with this code, 400 to 699.
    Reject(u16),
}

/// Whether a stage's instances live on between calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// Reused: about 1 µs a call.
    #[default]
    Warm,
    /// A new instance for every call: about 30 µs.
    Fresh,
}
