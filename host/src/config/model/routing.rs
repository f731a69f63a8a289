//! Gateways and customers: where calls go, and whose they are.

use ipnet::IpNet;
use serde::Deserialize;

use super::super::units::{self, TimeSpan};
use super::Named;
use super::own_plugin::{CustomerLimits, OwnPlugin};

/// `[gateways.NAME]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Gateway {
    /// `sip:HOST[:PORT][;transport=udp|tcp|tls]`, `sips:HOST[:PORT]`
    pub uri: String,
    /// From an attempt's INVITE to its first provisional response. Default: `call.attempt-timeout`.
    pub attempt_timeout: Option<TimeSpan>,
    /// From an attempt's INVITE to its final response. Default: `call.ring-timeout`.
    pub ring_timeout: Option<TimeSpan>,
    /// What the Request-URI's host becomes. Default `gateway`.
    #[serde(default)]
    pub request_uri: RequestUriHost,
}

/// What happens to the host of the Request-URI towards a gateway.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestUriHost {
    /// It becomes the gateway's host and port.
    #[default]
    Gateway,
    /// It stays as received.
    Keep,
}

/// `[customers.NAME]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Customer {
    /// Addresses whose calls are this customer's. The longest match over all customers wins.
    #[serde(default, deserialize_with = "units::networks")]
    pub sources: Vec<IpNet>,
    /// Names whose certificates are this customer's, whatever address they come from: a host of a SIP URI or a DNS name
    /// in the certificate, or where it has neither, its Common Name.
    #[serde(default)]
    pub tls_identities: Vec<String>,
    /// A name of `[pipelines]`. Default `default`.
    #[serde(default = "default_pipeline")]
    pub pipeline: String,
    /// This customer's own component, configuration or limits in place of a stage's.
    #[serde(default)]
    pub plugins: Named<OwnPlugin>,
    /// What its calls may take of the node.
    #[serde(default)]
    pub limits: CustomerLimits,
    /// Attributes that every call of this customer starts with.
    #[serde(default)]
    pub attributes: Named<String>,
    /// Digest credentials of this customer.
    pub digest: Option<Digest>,
}

fn default_pipeline() -> String {
    "default".to_owned()
}

/// `[customers.NAME.digest]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Digest {
    /// The protection realm.
    pub realm: String,
    /// User name to password.
    pub users: Named<String>,
}
