//! Counters for limits that several nodes share.

use serde::Deserialize;

use super::super::units::TimeSpan;

/// `[limits]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Limits {
    /// With the other nodes. Default: each node counts for itself.
    pub shared: Option<SharedLimits>,
}

/// `[limits.shared]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SharedLimits {
    /// A name of `[services]`, with the URL `redis://…`.
    pub service: String,
    /// Before the names of its keys there. Default `trunkline`.
    #[serde(default = "default_prefix")]
    pub prefix: String,
    /// Only limits whose key begins with one of these. Default: all.
    #[serde(default)]
    pub keys: Vec<String>,
    /// How often the nodes tell one another what they count. Default 100 ms.
    #[serde(default = "default_interval")]
    pub interval: TimeSpan,
    /// How long the counts of a node that is no longer heard of hold. Default 3 s.
    #[serde(default = "default_lease")]
    pub lease: TimeSpan,
}

fn default_prefix() -> String {
    "trunkline".to_owned()
}

fn default_interval() -> TimeSpan {
    TimeSpan::from_millis(100)
}

fn default_lease() -> TimeSpan {
    TimeSpan::from_secs(3)
}
