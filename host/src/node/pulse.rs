//! What the process uses of the machine, and how full its queues are: read at every scrape.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use tokio::sync::mpsc;

use crate::admin::metrics::{NodeSample, QueueSample};
use crate::worker::Mail;

/// The node as a process.
#[derive(Clone)]
pub(super) struct Pulse {
    started: f64,
    /// New calls are taken.
    pub(super) ready: Arc<AtomicBool>,
    /// The way to each worker, once they run.
    pub(super) mail: Arc<OnceLock<Vec<mpsc::Sender<Mail>>>>,
}

impl Pulse {
    /// Of a process that begins now.
    pub(super) fn new() -> Self {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        Self { started, ready: Arc::default(), mail: Arc::default() }
    }

    /// `queues`: those of other parts.
    pub(super) fn sample(&self, queues: Vec<QueueSample>) -> NodeSample {
        let workers = self.mail.get().map(Vec::as_slice).unwrap_or_default();
        let mailboxes = workers.iter().enumerate().map(|(worker, mail)| queue(&format!("worker-{worker}"), mail));
        NodeSample {
            version: env!("CARGO_PKG_VERSION"),
            ready: self.ready.load(Relaxed),
            started: self.started,
            memory: resident().unwrap_or_default(),
            files: std::fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64),
            cpu: processor_seconds(),
            worker_cpu: worker_seconds(),
            queues: mailboxes.chain(queues).collect(),
        }
    }
}

/// How full a channel is.
pub(super) fn queue<T>(name: &str, channel: &mpsc::Sender<T>) -> QueueSample {
    let limit = channel.max_capacity();
    QueueSample { name: name.to_owned(), depth: (limit - channel.capacity()) as u64, limit: limit as u64 }
}

/// proc(5): `VmRSS` in KiB.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kib << 10)
}

fn processor_seconds() -> f64 {
    getrusage(UsageWho::RUSAGE_SELF).map_or(0.0, |usage| {
        (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1e6
    })
}

/// Of the threads named `worker-N`, by N; the kernel's own accounts have nanoseconds.
fn worker_seconds() -> Vec<(String, f64)> {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let mut workers: Vec<(usize, f64)> = threads
        .filter_map(|thread| {
            let name = std::fs::read_to_string(thread.path().join("comm")).ok()?;
            let worker = name.trim().strip_prefix("worker-")?.parse().ok()?;
            let accounts = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
            let nanos: u64 = accounts.split(' ').next()?.parse().ok()?;
            Some((worker, nanos as f64 / 1e9))
        })
        .collect();
    workers.sort_by_key(|(worker, _)| *worker);
    workers.into_iter().map(|(worker, seconds)| (worker.to_string(), seconds)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_memory_files_and_processor_time() {
        let pulse = Pulse::new();
        let (sender, _receiver) = mpsc::channel::<Mail>(4);
        sender.try_send(Mail::Drain).expect("there is room");
        assert!(pulse.mail.set(vec![sender]).is_ok());
        let sample = pulse.sample(Vec::new());
        assert!(sample.memory > 1 << 20 && sample.files > 2 && sample.cpu > 0.0, "{sample:?}");
        let queue = &sample.queues[0];
        assert_eq!((queue.name.as_str(), queue.depth, queue.limit), ("worker-0", 1, 4));
    }
}
