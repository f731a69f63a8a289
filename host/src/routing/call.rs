//! A call that wants routes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::cdr::record::UnixMicros;
use crate::plugin::Trace;
use crate::sip::flow::{Flow, Transport};
use crate::sip::message::Message;

/// What the router needs to know of an INVITE.
#[derive(Debug, Clone)]
pub struct NewCall {
    /// The INVITE as received.
    pub message: Arc<Message>,
    /// The address that sent it.
    pub source: SocketAddr,
    /// What carried it.
    pub transport: Transport,
    /// Whom the certificate names that its connection was made with, in lower case; none where it showed none.
    pub identities: Option<Arc<[Box<str>]>>,
    /// When it came: the stages' time, and the nonce's.
    pub received: UnixMicros,
    /// Who wants to hear what its stages do; none for a real call.
    pub trace: Option<Arc<Trace>>,
}

impl NewCall {
    /// An INVITE that came by this flow just now.
    pub fn received_now(message: Arc<Message>, flow: Flow) -> Self {
        let received = unix_micros();
        Self { message, source: flow.remote, transport: flow.transport, identities: None, received, trace: None }
    }
}

pub(super) fn unix_micros() -> UnixMicros {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}
