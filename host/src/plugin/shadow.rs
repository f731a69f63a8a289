//! Runs the other version of a stage on calls that are decided already: on a thread of the lowest priority, so that it
//! has what time the calls leave over, from a bounded queue that is dropped first under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use super::contract::Call;
use super::failure::Failure;
use super::instance::Instance;
use super::recorded::{Answered, Asking, Outcome, Recording};
use super::stage::Stage;
use super::state::{Headers, OnCall};
use super::trial::{Kind, Ran, Trial};
use crate::cdr::record::StageOutcome;

/// Calls that wait. One more is dropped and counted.
const QUEUE: usize = 256;
/// A call that has waited so long is dropped and counted: the thread gets no time.
const PATIENCE: Duration = Duration::from_secs(2);
/// Warm instances of different versions; the oldest makes room.
const WARM: usize = 8;
/// The lowest priority of a thread that is still run.
const NICE: i32 = 19;

/// A decided call, for the other version.
pub struct Job {
    /// Where it is counted.
    pub trial: Arc<Trial>,
    /// The version to run: a shadow's own, or the one before a canary.
    pub stage: Arc<Stage>,
    /// As the live stage found it.
    pub call: Call,
    /// As the live stage found them.
    pub headers: Arc<dyn Headers>,
    /// What `clock.now` said.
    pub now: u64,
    /// What the live stage asked and was told.
    pub recording: Arc<Recording>,
    /// What the live stage answered.
    pub live: Answered,
    /// When it was put into the queue.
    pub queued: Instant,
}

/// The way to the thread. Clones share it; the thread ends with the last.
#[derive(Debug, Clone)]
pub struct Shadows {
    queue: SyncSender<Job>,
    dropped: Arc<AtomicU64>,
}

impl Shadows {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// The system gives no thread.
    pub fn start() -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel(QUEUE);
        std::thread::Builder::new().name("shadows".to_owned()).spawn(move || serve(&jobs))?;
        Ok(Self { queue, dropped: Arc::default() })
    }

    /// Never waits.
    pub fn offer(&self, job: Job) {
        if let Err(refused) = self.queue.try_send(job) {
            let (std::sync::mpsc::TrySendError::Full(job) | std::sync::mpsc::TrySendError::Disconnected(job)) = refused;
            job.trial.count_dropped();
            self.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Jobs that found the queue full.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}

fn serve(jobs: &Receiver<Job>) {
    if let Err(error) = lower_priority() {
        tracing::warn!(%error, "shadows run at the priority of calls");
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_time().build() {
        Ok(runtime) => runtime,
        Err(error) => return tracing::error!(%error, "shadows do not run"),
    };
    let mut warm: Vec<(Arc<Stage>, Instance)> = Vec::new();
    while let Ok(job) = jobs.recv() {
        if job.queued.elapsed() > PATIENCE {
            job.trial.count_dropped();
            continue;
        }
        // What is idle here belongs to versions that may be gone by now.
        warm.retain(|(stage, _)| Arc::strong_count(stage) > 1);
        runtime.block_on(run(job, &mut warm));
    }
}

async fn run(job: Job, warm: &mut Vec<(Arc<Stage>, Instance)>) {
    let Job { trial, stage, call, headers, now, recording, live, .. } = job;
    let held = warm.iter().position(|(held, _)| Arc::ptr_eq(held, &stage)).map(|place| warm.remove(place).1);
    let started = Instant::now();
    let deadline = started + stage.settings.deadline;
    let on = OnCall {
        headers,
        customer: call.customer.as_str().into(),
        call_id: call.id.as_str().into(),
        now,
        started,
        wait_until: deadline,
        permits: Vec::new(),
        log_lines: 0,
        outage: false,
        remarks: String::new(),
        trace: None,
        asking: Some(Asking::Tell { recording: Arc::clone(&recording), memory: true }),
    };
    let mut taken = None;
    let work = async {
        let instance = match held {
            Some(instance) => instance,
            // In nobody's account, as the call itself: the operator tries a version out, in time that was left over.
            None => Instance::start(&stage, &mut 0).await?,
        };
        taken.insert(instance).handle(stage.settings.fuel, &call, on).await
    };
    let late = || Err(Failure::new(StageOutcome::Deadline, "not ended in time"));
    let ran = tokio::time::timeout_at(deadline.into(), work).await.unwrap_or_else(|_| late());
    let micros = started.elapsed().as_micros() as u64;
    let fuel = taken.as_ref().map_or(0, Instance::fuel_used);
    let outage = taken.as_ref().is_some_and(Instance::met_outage);
    let failed = ran.as_ref().err().is_some_and(|failure| failure.is_the_plugins(outage));
    if let Some(mut instance) = taken
        && ran.as_ref().err().is_none_or(|failure| failure.reason == StageOutcome::Error)
    {
        drop(instance.leave());
        if warm.len() == WARM {
            warm.remove(0);
        }
        warm.push((Arc::clone(&stage), instance));
    }
    if trial.kind == Kind::Shadow {
        trial.count_own(Ran { failed, micros, fuel });
    }
    if !recording.withheld().is_empty() {
        trial.count_withheld();
        return;
    }
    let answered = match &ran {
        Ok(outcome) => Answered::Outcome(Outcome::from(outcome)),
        Err(failure) => Answered::Error { error: failure.to_string() },
    };
    trial.compare(&call.id, &call.customer, live, answered);
}

/// Runs the other version now and compares it, as for a call of a node: in a dry run, which nobody waits for.
pub async fn try_out(job: Job) {
    run(job, &mut Vec::new()).await;
}

/// Of this thread alone: on Linux a priority is a thread's.
fn lower_priority() -> rustix::io::Result<()> {
    rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE)
}
