//! The HTTP API for the people and machines that look after a node: health, metrics, status, reload.
//!
//! | request | answer |
//! |---|---|
//! | `GET /healthz` | 200 while the process serves; no token needed |
//! | `GET /readyz` | 200 when the node takes calls, 503 before and while it drains; no token needed |
//! | `GET /metrics` | [`metrics`] as OpenMetrics text |
//! | `GET /v1/status` | [`Status`] as JSON |
//! | `POST /v1/reload` | 200 with the warnings, or 422 with every error; a refused reload changes nothing |
//! | `GET /v1/plugins` | every stage's version, with trials and what can be had back |
//! | `POST /v1/plugins/NAME` | a component as the body is put in: `?customer=`, `?as=swap|canary|shadow`, `?share=` |
//! | `POST /v1/plugins/NAME/promote`, `…/rollback` | ends a trial by hand, or goes back to the version before |
//! | `GET`, `DELETE /v1/plugins/NAME/shadow` | how two versions compare, with samples; ends the shadow |
//! | `GET /v1/customers/NAME/usage` | what a customer's stages have used |
//! | `GET /v1/gateways` | every gateway: whether it takes calls, how many it has |
//! | `POST /v1/gateways/{name}/disable` | no further call goes there; those in progress go on. `enable` undoes it |
//! | `GET /v1/bans` | the sources from which nothing is taken |
//! | `DELETE /v1/bans/{address}` | ends a ban |
//! | `GET /v1/tables` | every table with its numbers |
//! | `GET /v1/tables/{table}/{key}` | what memory holds for the key, where it is from and how old |
//! | `DELETE /v1/tables/{table}/{key}` | forgets the key |
//! | `DELETE /v1/tables/{table}?prefix=…` | forgets every key that begins so; all of them where the prefix is empty |
//! | `POST /v1/services/{service}/breaker` | body `open`, `closed` or `auto`: who decides over the breaker |
//!
//! It runs on the back-office runtime. Every request has a deadline and every body a bound.

mod auth;
mod bans;
mod connections;
mod gateways;
mod histogram;
mod lookups;
pub mod metrics;
pub mod plugins;
mod routes;
mod serve;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use auth::Token;
pub use metrics::Metrics;
pub use plugins::Plugins;
pub use routes::router;
use serde::Serialize;
pub use serve::{Admin, AdminError};

use crate::guard::Guard;
use crate::lookup::{Services, Tables};

/// What the API can see and do; the node implements it.
pub trait Control: Send + Sync + 'static {
    /// A snapshot of the node. Must not wait: it is called on the runtime's thread.
    fn status(&self) -> Status;

    /// Whether new calls are taken.
    fn is_ready(&self) -> bool;

    /// The tables and services in use now.
    fn lookups(&self) -> Option<(Tables, Services)>;

    /// The versions of stages.
    fn plugins(&self) -> Option<&dyn Plugins>;

    /// Who keeps strangers off.
    fn guard(&self) -> Option<&Guard>;

    /// Takes a gateway out of the hunt or back in; false where there is none of this name.
    fn switch_gateway(&self, name: &str, on: bool) -> bool;

    /// Reads the configuration again and swaps it in whole, or changes nothing. May block: it is called on a thread
    /// for that.
    ///
    /// # Errors
    ///
    /// Every reason why the new configuration was refused, one per line.
    fn reload(&self) -> Result<Vec<String>, Vec<String>>;
}

/// A node at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// `node.name`.
    pub node: Arc<str>,
    /// The version of this binary.
    pub version: &'static str,
    /// Whether new calls are taken.
    pub ready: bool,
    /// Since the start, in seconds.
    pub uptime_seconds: u64,
    /// When the configuration in use was loaded, in seconds since 1970.
    pub configured_at: u64,
    /// Worker threads.
    pub workers: usize,
    /// Calls that have not ended.
    pub calls: u64,
    /// Addresses listened on, such as `udp:0.0.0.0:5060`.
    pub listeners: Vec<String>,
    /// The stages' components in use.
    pub plugins: Vec<PluginStatus>,
    /// The tables.
    pub tables: Vec<TableStatus>,
    /// The gateways.
    pub gateways: Vec<GatewayStatus>,
    /// The named HTTP services.
    pub services: Vec<ServiceStatus>,
    /// The record stores and the fanout.
    pub stores: Vec<StoreStatus>,
}

/// One component in use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PluginStatus {
    /// The stage's name.
    pub stage: String,
    /// First 16 hexadecimal digits of its SHA-256, as in the records.
    pub digest: String,
    /// `closed`, `open`, `half-open`.
    pub breaker: String,
}

/// One table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TableStatus {
    /// Its name.
    pub name: String,
    /// Rows held.
    pub entries: u64,
}

/// One gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GatewayStatus {
    /// Its name.
    pub name: String,
    /// `up`, `aside` (its calls fail, or it asked for rest), `down` (its probes fail), `disabled`.
    pub state: &'static str,
    /// Where it is, as far as that is known.
    pub destination: Option<std::net::SocketAddr>,
    /// Calls that it has, those that ring too.
    pub calls: u32,
    /// Calls that went past it because it was full, since the start.
    pub passed_full: u64,
    /// Calls that went past it because it took none, since the start.
    pub passed_down: u64,
    /// The code of the last probe; `null` where it had no answer, and before the first.
    pub probed: Option<u16>,
}

/// One named HTTP service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// `closed`, `open`, `half-open`.
    pub breaker: String,
    /// Whether an operator holds it so.
    pub held: bool,
}

/// One record store, or the fanout.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StoreStatus {
    /// Its name.
    pub name: String,
    /// Records in the journal that it has not confirmed.
    pub behind: u64,
    /// How long ago the call of the oldest of them ended, in seconds.
    pub lag_seconds: u64,
    /// Its last failure; `None` since it last succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
