//! What strangers may send.

use serde::Deserialize;

use super::super::units::{Size, TimeSpan};

/// `[abuse]`: bounds on sources that are neither a customer's nor a gateway's.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Abuse {
    /// Messages a second of one source: an address, or a network of 64 bits of IPv6. Default 50.
    pub rate: u32,
    /// Messages at once, of a source that was quiet. Default 200.
    pub burst: u32,
    /// How long nothing is taken from a source that sent more. Default 60 s; 0: the excess is dropped, no more.
    pub ban: TimeSpan,
    /// Malformed messages and failed handshakes in a minute, beyond which a source is banned. Default 20.
    pub malformed: u32,
    /// The longest message. Default 8 KiB.
    pub max_message: Size,
    /// Parts of User-Agent values whose messages are dropped.
    pub user_agents: Vec<String>,
    /// What becomes of a request from a stranger. Default `reject`.
    pub unknown_sources: UnknownSources,
}

/// What becomes of a request that begins something, from a source that is nobody's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownSources {
    /// Nothing is answered.
    Drop,
    /// An INVITE gets 403, once.
    #[default]
    Reject,
}

/// The tools that scan the Internet for open switches under their own names.
const SCANNERS: [&str; 8] =
    ["friendly-scanner", "sipvicious", "sipcli", "VaxSIPUserAgent", "sundayddr", "sip-scan", "pplsip", "iWar"];

impl Default for Abuse {
    fn default() -> Self {
        Self {
            rate: 50,
            burst: 200,
            ban: TimeSpan::from_secs(60),
            malformed: 20,
            max_message: Size::from_kib(8),
            user_agents: SCANNERS.map(str::to_owned).to_vec(),
            unknown_sources: UnknownSources::Reject,
        }
    }
}
