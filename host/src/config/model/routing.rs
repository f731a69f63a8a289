//! Gateways and customers: where calls go, and whose they are.

use ipnet::IpNet;
use serde::Deserialize;

use super::super::units::{self, Size, TimeSpan};
use super::Named;
use super::own_plugin::{CustomerLimits, OwnPlugin};
use super::trust::TrustIdentity;
use crate::sip::codes::Pattern;
use crate::sip::digest::Md5;

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
    /// Requests larger than this go by TCP where its URI says UDP (RFC 3261 section 18.1.1), and by UDP after all where
    /// no connection comes about. Default: none do, since many carriers take UDP alone.
    pub tcp_above: Option<Size>,
    /// What the Request-URI's host becomes. Default `gateway`.
    #[serde(default)]
    pub request_uri: RequestUriHost,
    /// Codes after which the next route is tried, beside those of `call.continue-on`.
    #[serde(default, deserialize_with = "units::codes")]
    pub continue_on: Vec<Pattern>,
    /// Codes that end the hunt, although `call.continue-on` has them.
    #[serde(default, deserialize_with = "units::codes")]
    pub stop_on: Vec<Pattern>,
    /// What a 3xx does. Default `pass`.
    #[serde(default)]
    pub redirect: OnRedirect,
    /// Answers its challenges.
    pub digest: Option<GatewayLogin>,
    /// Whether it is told who calls where the caller wants that to be private (RFC 3325 section 5). Default true.
    #[serde(default = "default_trust_identity")]
    pub trust_identity: bool,
    /// Calls at once. Default: no limit.
    pub max_calls: Option<u32>,
    /// Calls in a second. Default: no limit.
    pub max_cps: Option<u32>,
    /// How often it is asked by OPTIONS how it is; `"off"`: never. Default `off`.
    #[serde(default, deserialize_with = "units::span_or_off")]
    pub probe: Option<TimeSpan>,
    /// How long the answer to a probe may take. Default 2 s.
    #[serde(default = "default_probe_timeout")]
    pub probe_timeout: TimeSpan,
    /// Final failures that show that it is alive; a 2xx always does. Default `["3xx", "4xx", "501"]`.
    #[serde(default = "default_probe_accept", deserialize_with = "units::codes")]
    pub probe_accept: Vec<Pattern>,
    /// Failed probes in a row that take it down. Default 3.
    #[serde(default = "default_down_after")]
    pub down_after: u32,
    /// Answered probes in a row that bring it up. Default 2.
    #[serde(default = "default_up_after")]
    pub up_after: u32,
    /// How many failing calls set it aside.
    #[serde(default)]
    pub failures: Failures,
}

const fn default_trust_identity() -> bool {
    true
}

fn default_probe_timeout() -> TimeSpan {
    TimeSpan::from_secs(2)
}

fn default_probe_accept() -> Vec<Pattern> {
    vec![Pattern::Class(3), Pattern::Class(4), Pattern::Code(501)]
}

const fn default_down_after() -> u32 {
    3
}

const fn default_up_after() -> u32 {
    2
}

/// What a 3xx of a gateway does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnRedirect {
    /// It is an answer as others.
    #[default]
    Pass,
    /// Its Contacts are called, where their names lead.
    Follow,
    /// Its Contacts are called, those with a host name at the gateway that gave them.
    Stay,
}

/// `[gateways.NAME] digest`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct GatewayLogin {
    /// The user name.
    pub user: String,
    /// The password.
    pub password: String,
}

/// `[gateways.NAME] failures`: of the calls within `window`, at least `calls`, so many per cent that got no answer, or
/// 408, 500, 502, 503 or 504.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Failures {
    /// Default 90.
    pub percent: u32,
    /// Default 20; 0: calls never set it aside.
    pub calls: u32,
    /// Default 30 s.
    pub window: TimeSpan,
    /// For how long. Default 30 s.
    pub aside: TimeSpan,
}

impl Default for Failures {
    fn default() -> Self {
        Self { percent: 90, calls: 20, window: TimeSpan::from_secs(30), aside: TimeSpan::from_secs(30) }
    }
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
    /// Digits that its calls have before the called number: tells apart customers that share an address or a certificate.
    pub tech_prefix: Option<String>,
    /// Whether it is believed who calls (RFC 3325). Default: it is not.
    #[serde(default)]
    pub trust_identity: TrustIdentity,
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
    /// Whether answers by MD5 are good enough: `true`, `false` or `"only"`. Default false.
    #[serde(default, deserialize_with = "super::md5::read")]
    pub md5: Md5,
    /// Whether right credentials make a call this customer's, whatever address it comes from. Default false.
    #[serde(default)]
    pub from_anywhere: bool,
}
