//! Strangers are turned away before their INVITE is a call: no transaction, no record, no stage.

use std::sync::Arc;

use crate::routing::Snapshot;
use crate::sip::door::{Dismissal, Door};
use crate::sip::flow::Flow;
use crate::sip::message::Message;
use crate::transport::stream::Streams;

/// By one configuration.
#[derive(Debug)]
pub(super) struct Doorman {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) streams: Streams,
}

impl Door for Doorman {
    fn turns_away(&self, invite: &Message, flow: Flow) -> Option<Dismissal> {
        let identities = self.streams.identities(flow.connection);
        self.snapshot.turns_away(flow.remote.ip(), identities.as_deref(), invite)
    }
}
