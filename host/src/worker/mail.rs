//! What workers tell each other, and what the node tells them.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::stats::Stats;
use crate::routing::{RoutingFacts, Snapshot};
use crate::sip::core::{Core, branch_owner};
use crate::sip::decision::Destination;
use crate::sip::flow::{Flow, Loss};
use crate::sip::place::Place;
use crate::sip::time::Time;
use crate::transport::udp;

/// Batches that wait for a worker. When they are this many, it is overloaded: the newest are dropped and counted.
const DEPTH: usize = 1024;

/// A message to a worker.
#[derive(Debug)]
pub enum Mail {
    /// Messages of its calls that another worker's socket or a connection received, in their order.
    Datagrams(Vec<(Flow, Bytes)>),
    /// The request with this branch, one of its own, could not be delivered.
    Unreachable(Vec<u8>, Loss),
    /// Where a name leads that a call has met, and for how long that holds; `None` where that was not found out.
    Located(Place, Option<(Box<[Destination]>, Duration)>),
    /// Route new calls by this.
    Reload(Arc<Snapshot>),
    /// Refuse new calls.
    Drain,
    /// Say so when no call is in progress.
    TellIdle(oneshot::Sender<()>),
    /// Close every record and stop.
    Stop,
}

/// A worker's end: its own mail, and the way to all.
#[derive(Debug)]
pub struct Mailbox {
    me: usize,
    mail: mpsc::Receiver<Mail>,
    all: Vec<mpsc::Sender<Mail>>,
}

/// As many as there are workers, and the way to each.
pub fn mailboxes(workers: usize) -> (Vec<Mailbox>, Vec<mpsc::Sender<Mail>>) {
    let (all, mail): (Vec<_>, Vec<_>) = (0..workers).map(|_| mpsc::channel(DEPTH)).unzip();
    let boxes = mail.into_iter().enumerate().map(|(me, mail)| Mailbox { me, mail, all: all.clone() }).collect();
    (boxes, all)
}

impl Mailbox {
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Mail>> {
        self.mail.poll_recv(cx)
    }

    /// The way into it.
    pub(super) fn address(&self) -> mpsc::Sender<Mail> {
        self.all[self.me].clone()
    }

    /// How full it is, in per cent.
    pub(super) fn filled(&self) -> u32 {
        (self.mail.len() * 100 / DEPTH) as u32
    }
}

/// Datagrams on their way to other workers: a batch of each per round.
pub(super) struct Outbox {
    me: usize,
    all: Vec<mpsc::Sender<Mail>>,
    batches: Vec<Vec<(Flow, Bytes)>>,
    waiting: bool,
}

impl Outbox {
    pub(super) fn new(mailbox: &Mailbox) -> Self {
        let batches = mailbox.all.iter().map(|_| Vec::new()).collect();
        Self { me: mailbox.me, all: mailbox.all.clone(), batches, waiting: false }
    }

    /// The worker that owns the calls with this Call-ID, where it is another.
    pub(super) fn owner(&self, call_id: &[u8]) -> Option<usize> {
        let owner = udp::owner(call_id, self.all.len());
        (owner != self.me).then_some(owner)
    }

    /// Which worker this is, and of how many.
    pub(super) fn place(&self) -> (usize, usize) {
        (self.me, self.all.len())
    }

    pub(super) fn push(&mut self, owner: usize, flow: Flow, bytes: Bytes) {
        self.batches[owner].push((flow, bytes));
        self.waiting = true;
    }

    /// Hand the batches over.
    pub(super) fn post(&mut self, stats: &Stats) {
        if !std::mem::take(&mut self.waiting) {
            return;
        }
        for (batch, worker) in self.batches.iter_mut().zip(&self.all) {
            let count = batch.len() as u64;
            if count > 0 && worker.try_send(Mail::Datagrams(std::mem::take(batch))).is_err() {
                stats.overrun(count);
            }
        }
    }

    /// A request of ours came back: tell the core that sent it.
    pub(super) fn unreachable(&self, core: &mut Core<RoutingFacts>, now: Time, datagram: &[u8]) {
        let Some((owner, branch)) = branch_owner(datagram) else { return };
        if usize::from(owner) == self.me {
            core.unreachable(now, branch, Loss::Other);
        } else if let Some(worker) = self.all.get(usize::from(owner)) {
            // Lost when that worker is overloaded: its timer will find out.
            let _ = worker.try_send(Mail::Unreachable(branch.to_vec(), Loss::Other));
        }
    }
}
