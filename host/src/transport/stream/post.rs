//! The way from connections to the workers.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::sip::core::branch_owner;
use crate::sip::flow::{Flow, Loss};
use crate::sip::message::call_id_of;
use crate::transport::udp;
use crate::worker::Mail;

/// How long a connection waits for a worker that is behind. Its peer sees it read no further meanwhile.
const PATIENCE: Duration = Duration::from_secs(5);

/// All workers.
#[derive(Debug, Clone)]
pub struct Post(Vec<mpsc::Sender<Mail>>);

impl Post {
    /// To these workers, by their index.
    pub fn new(workers: Vec<mpsc::Sender<Mail>>) -> Self {
        Self(workers)
    }

    /// Hand a message to the worker that owns its call, and wait until that has room: whoever reads a connection reads
    /// on after that, so its messages stay in order and its peer is held back. False when there is no room in time.
    pub(super) async fn deliver(&self, flow: Flow, message: Bytes) -> bool {
        let owner = udp::owner(call_id_of(&message).unwrap_or_default(), self.0.len());
        let Some(worker) = self.0.get(owner) else { return false };
        worker.send_timeout(Mail::Datagrams(vec![(flow, message)]), PATIENCE).await.is_ok()
    }

    /// Tell the worker that sent this request that it did not arrive. A response has nobody who waits.
    pub(super) fn unreachable(&self, message: &[u8], why: Loss) {
        if message.starts_with(b"SIP/") {
            return;
        }
        if let Some((owner, branch)) = branch_owner(message)
            && let Some(worker) = self.0.get(usize::from(owner))
        {
            // Lost when that worker is overloaded: its timer will find out.
            let _ = worker.try_send(Mail::Unreachable(branch.to_vec(), why));
        }
    }
}
