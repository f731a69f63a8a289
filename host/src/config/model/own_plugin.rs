//! A customer's own version of a stage: `plugins = { lrn = "own.wasm" }`, or with configuration and limits.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::super::units::{Size, TimeSpan};
use super::plugins::{Isolation, OnFailure, Plugin};

/// What a customer has otherwise than `[plugins.NAME]`. What is left out is as there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnPlugin(pub Overrides);

/// `[customers.NAME.plugins.STAGE]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Overrides {
    /// A built-in name or a path.
    pub component: Option<String>,
    /// In place of the plugin's, whole.
    pub config: Option<toml::Table>,
    /// Instructions per call.
    pub fuel: Option<u64>,
    /// Wall clock per call.
    pub deadline: Option<TimeSpan>,
    /// Linear memory per instance.
    pub memory: Option<Size>,
    /// What a failure does.
    pub on_failure: Option<OnFailure>,
    /// Calls at once, per worker.
    pub max_concurrent: Option<usize>,
    /// Whether instances are reused.
    pub isolation: Option<Isolation>,
}

// TOML has no NaN in a table that we compare: equal texts are equal tables.
impl Eq for Overrides {}

impl OwnPlugin {
    /// The plugin as this customer has it. Trials of the shared component are not its.
    pub fn over(&self, name: &str, plugin: &Plugin) -> Plugin {
        let own = &self.0;
        let mut plugin = Plugin {
            component: own.component.clone().or_else(|| plugin.component.clone()),
            config: own.config.clone().unwrap_or_else(|| plugin.config.clone()),
            fuel: own.fuel.unwrap_or(plugin.fuel),
            deadline: own.deadline.unwrap_or(plugin.deadline),
            memory: own.memory.unwrap_or(plugin.memory),
            on_failure: Some(own.on_failure.unwrap_or_else(|| plugin.on_failure(name))),
            max_concurrent: own.max_concurrent.unwrap_or(plugin.max_concurrent),
            isolation: own.isolation.unwrap_or(plugin.isolation),
            ..plugin.clone()
        };
        (plugin.shadow, plugin.canary) = (None, None);
        if own.component.is_some() {
            plugin.recorded_calls = None;
        }
        plugin
    }
}

impl<'de> Deserialize<'de> for OwnPlugin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PathOrTable;
        impl<'de> Visitor<'de> for PathOrTable {
            type Value = OwnPlugin;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a component (a built-in name or the path of a .wasm file), or a table with `component`, `config` or limits")
            }

            fn visit_str<E: Error>(self, component: &str) -> Result<OwnPlugin, E> {
                Ok(OwnPlugin(Overrides { component: Some(component.to_owned()), ..Overrides::default() }))
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<OwnPlugin, A::Error> {
                Overrides::deserialize(MapAccessDeserializer::new(table)).map(OwnPlugin)
            }
        }
        deserializer.deserialize_any(PathOrTable)
    }
}

/// `[customers.NAME.limits]`: what a customer and its calls may take of the node, all workers together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CustomerLimits {
    /// Instructions per second in all stages together; one second's worth can be saved up. Default: no limit.
    pub fuel_per_second: Option<u64>,
    /// Memory of all instances of the customer's own components together. Default: no limit.
    pub memory: Option<Size>,
    /// Stages of its calls that run at once. Default: no limit.
    pub instances: Option<u32>,
    /// Messages that it sends in a second; two seconds' worth can be saved up. Default: no limit.
    pub messages_per_second: Option<u32>,
}
