//! A call as a stage finds it, as JSON.

use serde::{Deserialize, Serialize};

use crate::plugin::contract;

/// The contract's `call`. What is left out is that of a call of customer `acme` from 192.0.2.1 over UDP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Call {
    /// The Call-ID.
    pub id: String,
    /// By its name in the configuration.
    pub customer: String,
    /// Without port.
    pub source: String,
    /// Of the source.
    pub source_port: u16,
    /// What carried it.
    pub transport: Transport,
    /// The calling number, digits.
    pub caller: String,
    /// The called number, digits.
    pub callee: String,
    /// The Request-URI.
    pub request_uri: String,
    /// The URI in From.
    pub from_uri: String,
    /// The URI in To.
    pub to_uri: String,
    /// What earlier stages and the configuration left.
    pub attributes: Vec<(String, String)>,
    /// What the host made of the credentials.
    pub digest: Digest,
}

/// What carried a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// UDP.
    #[default]
    Udp,
    /// TCP.
    Tcp,
    /// TLS.
    Tls,
}

/// What the host made of a call's credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Digest {
    /// None for this realm.
    #[default]
    Absent,
    /// The user name.
    Verified(String),
    /// Right, but the nonce is too old.
    Stale,
    /// Wrong.
    Failed,
}

impl Default for Call {
    fn default() -> Self {
        Self {
            id: "recorded@192.0.2.1".to_owned(),
            customer: "acme".to_owned(),
            source: "192.0.2.1".to_owned(),
            source_port: 5060,
            transport: Transport::Udp,
            caller: String::new(),
            callee: String::new(),
            request_uri: String::new(),
            from_uri: String::new(),
            to_uri: String::new(),
            attributes: Vec::new(),
            digest: Digest::Absent,
        }
    }
}

impl From<&contract::Call> for Call {
    fn from(call: &contract::Call) -> Self {
        Self {
            id: call.id.clone(),
            customer: call.customer.clone(),
            source: call.source.clone(),
            source_port: call.source_port,
            transport: match call.transport {
                contract::Transport::Udp => Transport::Udp,
                contract::Transport::Tcp => Transport::Tcp,
                contract::Transport::Tls => Transport::Tls,
            },
            caller: call.caller.clone(),
            callee: call.callee.clone(),
            request_uri: call.request_uri.clone(),
            from_uri: call.from_uri.clone(),
            to_uri: call.to_uri.clone(),
            attributes: call.attributes.iter().map(|held| (held.name.clone(), held.value.clone())).collect(),
            digest: match &call.digest {
                contract::Digest::Absent => Digest::Absent,
                contract::Digest::Verified(user) => Digest::Verified(user.clone()),
                contract::Digest::Stale => Digest::Stale,
                contract::Digest::Failed => Digest::Failed,
            },
        }
    }
}

impl From<&Call> for contract::Call {
    fn from(call: &Call) -> Self {
        let attribute =
            |(name, value): &(String, String)| contract::Attribute { name: name.clone(), value: value.clone() };
        Self {
            id: call.id.clone(),
            customer: call.customer.clone(),
            source: call.source.clone(),
            source_port: call.source_port,
            transport: match call.transport {
                Transport::Udp => contract::Transport::Udp,
                Transport::Tcp => contract::Transport::Tcp,
                Transport::Tls => contract::Transport::Tls,
            },
            caller: call.caller.clone(),
            callee: call.callee.clone(),
            request_uri: call.request_uri.clone(),
            from_uri: call.from_uri.clone(),
            to_uri: call.to_uri.clone(),
            attributes: call.attributes.iter().map(attribute).collect(),
            digest: match &call.digest {
                Digest::Absent => contract::Digest::Absent,
                Digest::Verified(user) => contract::Digest::Verified(user.clone()),
                Digest::Stale => contract::Digest::Stale,
                Digest::Failed => contract::Digest::Failed,
            },
        }
    }
}
