//! A call that wants routes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::cdr::record::UnixMicros;
use crate::sip::decision::RouteRequest;
use crate::sip::flow::Transport;
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
    /// When it came: the stages' time, and the nonce's.
    pub received: UnixMicros,
}

impl NewCall {
    /// Of the core's request, received now.
    pub fn of(request: &RouteRequest) -> Self {
        let received = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64);
        Self {
            message: Arc::clone(&request.message),
            source: request.flow.remote,
            transport: request.flow.transport,
            received,
        }
    }
}
