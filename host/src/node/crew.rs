//! The worker threads.

use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::Context as _;
use tokio::sync::{mpsc, oneshot};

use super::control::Desk;
use super::heap;
use super::listeners::Listeners;
use super::room;
use crate::cdr::JournalHandle;
use crate::cdr::journal::Noted;
use crate::cdr::record::UnixMicros;
use crate::config::model::{Config, OnJournalFailure, SessionExpired};
use crate::routing::Snapshot;
use crate::sip::core::Settings;
use crate::transport::udp;
use crate::worker::{Clock, LeftOpen, Mail, Worker, mailboxes};

pub(super) struct Crew {
    mail: Vec<mpsc::Sender<Mail>>,
    threads: Vec<JoinHandle<()>>,
}

impl Crew {
    /// Starts every worker, and returns when all of them take calls.
    pub(super) fn start(
        config: &Config,
        listeners: Listeners,
        desk: &Desk,
        journal: &JournalHandle,
        clock: Clock,
        (noted, died): (Vec<Noted>, UnixMicros),
    ) -> anyhow::Result<Self> {
        let Listeners { named, sets, .. } = listeners;
        let (boxes, mail) = mailboxes(sets.len());
        let max_calls = room::calls(config.call.max_calls).div_ceil(sets.len().max(1));
        let (ready, started) = std::sync::mpsc::channel();
        let count = sets.len();
        let mut left_open = by_owner(&noted, sets.len());
        let mut threads = Vec::new();
        for (index, (sockets, mailbox)) in sets.into_iter().zip(boxes).enumerate() {
            let worker = Worker {
                settings: Settings {
                    worker: index as u8,
                    listeners: named.clone(),
                    t1: config.timers.t1.get(),
                    t2: config.timers.t2.get(),
                    t4: config.timers.t4.get(),
                    max_duration: config.call.max_duration.get(),
                    late_answers: config.call.late_answers.get(),
                    hang_up_expired: config.call.session_expired == SessionExpired::HangUp,
                    max_attempts: config.call.max_attempts,
                    max_calls,
                },
                sockets,
                streams: desk.streams.clone(),
                guard: desk.guard.clone(),
                mirror: desk.mirror.clone(),
                tracer: desk.tracer.clone(),
                mailbox,
                office: tokio::runtime::Handle::current(),
                snapshot: desk.snapshot(),
                journal: journal.for_worker(),
                clock,
                metrics: Arc::clone(&desk.metrics),
                left_open: (std::mem::take(&mut left_open[index]), died),
                gather: config.node.gather.get(),
                stranger_records: config.cdr.stranger_records.div_ceil(count as u32),
                refuse_unrecorded: config.cdr.on_journal_failure == OnJournalFailure::Refuse,
            };
            let ready = ready.clone();
            let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
                heap::reserve();
                if let Err(error) = worker.run(move || {
                    let _ = ready.send(());
                }) {
                    tracing::error!(worker = index, %error, "worker did not start");
                }
            });
            threads.push(thread.context("a worker thread did not start")?);
        }
        drop(ready);
        let ready = started.iter().take(threads.len()).count();
        anyhow::ensure!(ready == threads.len(), "a worker did not start; the log says why");
        Ok(Self { mail, threads })
    }

    pub(super) fn len(&self) -> usize {
        self.threads.len()
    }

    pub(super) fn mail(&self) -> Vec<mpsc::Sender<Mail>> {
        self.mail.clone()
    }

    /// Returns when a worker's thread has ended without having been told to: it panicked.
    pub(super) async fn fallen(&self) {
        let ends = self.mail.iter().map(|worker| Box::pin(worker.closed()));
        futures_util::future::select_all(ends).await;
    }

    /// Refuse new calls from now on.
    pub(super) async fn drain(&self) {
        for worker in &self.mail {
            let _ = worker.send(Mail::Drain).await;
        }
    }

    /// Returns when no worker has a call in progress.
    pub(super) async fn idle(&self) {
        for worker in &self.mail {
            let (told, idle) = oneshot::channel();
            if worker.send(Mail::TellIdle(told)).await.is_ok() {
                let _ = idle.await;
            }
        }
    }

    /// Close the record of every call, and end the threads.
    pub(super) async fn stop(self) {
        for worker in &self.mail {
            let _ = worker.send(Mail::Stop).await;
        }
        let joining = move || self.threads.into_iter().filter_map(|thread| thread.join().err()).count();
        if tokio::task::spawn_blocking(joining).await.unwrap_or_default() > 0 {
            tracing::error!("a worker thread had panicked: its calls have no record");
        }
    }
}

/// The calls that an earlier process has left open, for each worker those that it owns.
fn by_owner(noted: &[Noted], workers: usize) -> Vec<Vec<LeftOpen>> {
    let mut owned: Vec<Vec<LeftOpen>> = (0..workers).map(|_| Vec::new()).collect();
    let mut unreadable = 0;
    for noted in noted {
        match LeftOpen::decode(&noted.payload) {
            Some(left) => owned[udp::owner(left.call_id(), workers)].push(left),
            None => unreadable += 1,
        }
    }
    if unreadable > 0 {
        tracing::error!(calls = unreadable, "calls in progress were written by another version: they have no record");
    }
    owned
}

/// Hand a new configuration to the workers. May block: not for a thread of a runtime.
pub(super) fn hand_out(mail: &[mpsc::Sender<Mail>], snapshot: &Arc<Snapshot>) -> Result<(), &'static str> {
    for worker in mail {
        let sent = worker.blocking_send(Mail::Reload(Arc::clone(snapshot)));
        sent.map_err(|_| "a worker has stopped: restart the node")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_worker_that_falls_is_noticed() {
        let (mut boxes, mail) = mailboxes(2);
        let crew = Crew { mail, threads: Vec::new() };
        let mut fallen = Box::pin(crew.fallen());
        assert!(fallen.as_mut().now_or_never().is_none(), "all stand");
        drop(boxes.pop());
        fallen.await;
    }
}
