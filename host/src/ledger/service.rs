//! A running ledger: stands by, works, stands by again.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use sqlx::postgres::PgConnection;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::consumer::{Consumer, Ended, Shared};
use super::counters::{Counters, Counts};
use super::endpoint;
use super::queue::Queue;
use super::rating::{Clerk, Rules};
use super::store;
use super::store::lease::Lease;
use crate::cdr::Backoff;
use crate::config::{self, Loaded, model};
use crate::postgres::Database;

/// How long a stop waits for batches that are being written.
const DRAIN: Duration = Duration::from_secs(10);
/// How long a ledger that was replaced waits for its consumers to let go of their messages.
const LET_GO: Duration = Duration::from_secs(2);
/// How often a ledger that works says how much.
const REPORT: Duration = Duration::from_secs(30);

/// Runs a ledger until SIGTERM or SIGINT; SIGHUP reads the decks again.
///
/// # Errors
///
/// The configuration has no ledger, a deck is wrong, or the system gives no threads.
pub fn serve(loaded: &Loaded) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("ledger")
        .enable_all()
        .build()
        .context("the ledger did not start")?;
    let ended = runtime.block_on(async { Service::new(loaded).await?.run().await });
    runtime.shutdown_timeout(Duration::from_millis(200));
    ended
}

struct Service {
    file: PathBuf,
    name: String,
    /// This process, for people: `host/pid`.
    holder: String,
    consumers: usize,
    /// Where it can be looked at.
    admin: Option<SocketAddr>,
    shared: Shared,
    signals: Signals,
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

/// What a signal asks for.
enum Heard {
    Stop,
    Reload,
}

/// Why the work ended.
enum Over {
    Stopped,
    Lost,
}

impl Service {
    async fn new(loaded: &Loaded) -> anyhow::Result<Self> {
        let ledger = of(loaded)?;
        let shared = Shared {
            queue: Queue::new(&ledger.amqp).context("ledger.amqp.url")?,
            database: Database::new(&ledger.sql.url).context("ledger.sql.url")?,
            rules: Arc::new(ArcSwap::new(rules_of(loaded).await?)),
            counters: Arc::new(Counters::default()),
            batch: ledger.batch,
            linger: ledger.linger.get(),
            lease: ledger.lease.get(),
        };
        let host = nix::unistd::gethostname().map_or_else(|_| "?".into(), |name| name.to_string_lossy().into_owned());
        Ok(Self {
            file: loaded.file.clone(),
            name: ledger.name.clone(),
            holder: format!("{host}/{}", std::process::id()),
            consumers: ledger.consumers,
            admin: ledger.admin,
            shared,
            signals: Signals::new()?,
        })
    }

    async fn run(mut self) -> anyhow::Result<()> {
        let endpoint = match self.admin {
            // What cannot be looked at works all the same.
            Some(bind) => endpoint::open(bind, Arc::clone(&self.shared.counters))
                .await
                .inspect_err(|error| tracing::error!(%error, "`ledger.admin`: the metrics cannot be read"))
                .ok(),
            None => None,
        };
        let ended = self.take_turns().await;
        if let Some(endpoint) = endpoint {
            endpoint.close().await;
        }
        ended
    }

    async fn take_turns(&mut self) -> anyhow::Result<()> {
        loop {
            let Some((lease, connection)) = self.stand_by().await else { return Ok(()) };
            self.reload().await;
            tracing::info!(ledger = self.name, epoch = lease.epoch, "primary: this process writes now");
            self.shared.counters.works(true);
            let over = self.work(&lease, connection).await;
            self.shared.counters.works(false);
            match over {
                Over::Stopped => return Ok(()),
                Over::Lost => tracing::warn!(ledger = self.name, epoch = lease.epoch, "no longer primary: standing by"),
            }
        }
    }

    /// Waits for the lease. `None`: it is time to stop.
    async fn stand_by(&mut self) -> Option<(Lease, PgConnection)> {
        let mut backoff = Backoff::new();
        let mut told = false;
        loop {
            let attempt = self.attempt(&mut told);
            let taken = tokio::select! {
                taken = attempt => taken,
                () = self.signals.stop() => return None,
            };
            match taken {
                Ok(taken) => return Some(taken),
                Err(error) => {
                    tracing::error!(error = format!("{error:#}"), "the ledger's database does not answer");
                    self.shared.counters.database_failed();
                }
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.pause()) => {}
                () = self.signals.stop() => return None,
            }
        }
    }

    /// Asks for the lease, again and again, until it is ours.
    fn attempt(&self, told: &mut bool) -> impl Future<Output = anyhow::Result<(Lease, PgConnection)>> + use<> {
        let (shared, name, holder) = (self.shared.clone(), self.name.clone(), self.holder.clone());
        let first = !std::mem::replace(told, true);
        async move {
            let mut connection = shared.database.connect("trunkline-ledger-standby", shared.lease).await?;
            store::prepare(&mut connection).await?;
            let mut ask = interval(shared.lease / 3);
            let mut waits = false;
            loop {
                ask.tick().await;
                // A takeover waits for the last holder's commit, never for long.
                let taken = timeout(shared.lease * 3, Lease::take(&mut connection, &name, &holder, shared.lease));
                if let Some(lease) = taken.await.context("no answer about the lease")?? {
                    return Ok((lease, connection));
                }
                if first && !std::mem::replace(&mut waits, true) {
                    tracing::info!(ledger = name, "standby: another process writes");
                }
            }
        }
    }

    /// Writes as long as the lease holds.
    async fn work(&mut self, lease: &Lease, mut connection: PgConnection) -> Over {
        let (stop, stopped) = watch::channel(false);
        let mut consumers = JoinSet::new();
        for _ in 0..self.consumers {
            consumers.spawn(Consumer::new(self.shared.clone(), lease.clone(), stopped.clone()).run());
        }
        let over = self.watch(lease, &mut connection, &mut consumers).await;
        // Nobody has to hear it: then all have ended.
        let _ = stop.send(true);
        let patience = if matches!(over, Over::Stopped) { DRAIN } else { LET_GO };
        let _ended = timeout(patience, async { while consumers.join_next().await.is_some() {} }).await;
        consumers.shutdown().await;
        // Where it is ours no more, this changes nothing.
        let released = timeout(LET_GO, lease.release(&mut connection)).await;
        if !matches!(released, Ok(Ok(()))) && matches!(over, Over::Stopped) {
            tracing::warn!("the lease could not be given back: another process takes over when it has run out");
        }
        over
    }

    async fn watch(&mut self, lease: &Lease, connection: &mut PgConnection, consumers: &mut JoinSet<Ended>) -> Over {
        let length = self.shared.lease;
        let mut renew = interval(length / 3);
        renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut report = interval(REPORT);
        let mut before = self.shared.counters.read();
        // When the last sign of life that arrived was sent.
        let mut alive = Instant::now();
        loop {
            tokio::select! {
                heard = self.signals.hear() => match heard {
                    Heard::Stop => return Over::Stopped,
                    Heard::Reload => self.reload().await,
                },
                _ = report.tick() => before = self.report(before),
                ended = consumers.join_next() => {
                    if !matches!(ended, Some(Ok(Ended::Stopped))) {
                        return Over::Lost;
                    }
                }
                _ = renew.tick() => {
                    let sent = Instant::now();
                    match timeout(length / 2, lease.renew(connection)).await {
                        Ok(Ok(true)) => alive = sent,
                        Ok(Ok(false)) => return Over::Lost,
                        Ok(Err(error)) => {
                            tracing::error!(%error, "the lease could not be renewed");
                            self.shared.counters.database_failed();
                            let session = lease.session();
                            let opened = self.shared.database.connect(&session, length);
                            if let Ok(Ok(opened)) = timeout(length / 2, opened).await {
                                *connection = opened;
                            }
                        }
                        Err(_) => tracing::error!("the lease could not be renewed in time"),
                    }
                    if alive.elapsed() > length {
                        return Over::Lost;
                    }
                }
            }
        }
    }

    fn report(&self, before: Counts) -> Counts {
        let now = self.shared.counters.read();
        if now != before {
            tracing::info!(
                ledger = self.name,
                records = now.records - before.records,
                duplicates = now.duplicates - before.duplicates,
                unrated = now.unrated - before.unrated,
                rejects = now.rejects - before.rejects,
                batches = now.batches - before.batches,
                database_failures = now.database_failures - before.database_failures,
                broker_failures = now.broker_failures - before.broker_failures,
                "written within the last half minute"
            );
        }
        now
    }

    /// Reads the decks again; a wrong one changes nothing.
    async fn reload(&self) {
        let rules = async { rules_of(&config::load(&self.file)?).await };
        match rules.await {
            Ok(rules) => {
                self.shared.rules.store(rules);
                tracing::info!("rate decks read again");
            }
            Err(error) => tracing::error!(error = format!("{error:#}"), "the decks are as they were"),
        }
    }
}

/// The rules of a configuration, its components tried. Within a tokio runtime.
///
/// # Errors
///
/// There is no `[ledger]`, or a deck or a component is wrong.
pub async fn rules_of(loaded: &Loaded) -> anyhow::Result<Arc<Rules>> {
    let (ledger, folder) = (of(loaded)?.clone(), loaded.folder.clone());
    // Compiling takes seconds, and the lease is renewed meanwhile.
    let rules = Arc::new(tokio::task::spawn_blocking(move || Rules::load(&ledger, &folder)).await??);
    Clerk::new(Arc::clone(&rules)).await.check()?;
    Ok(rules)
}

/// `[ledger]` of a configuration.
///
/// # Errors
///
/// There is none.
pub fn of(loaded: &Loaded) -> anyhow::Result<&model::Ledger> {
    loaded.config.ledger.as_ref().with_context(|| {
        format!(
            "{}: there is no `[ledger]`: write `amqp = {{ url = …, queue = … }}` and `sql = {{ url = … }}` there",
            loaded.file.display()
        )
    })
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn hear(&mut self) -> Heard {
        tokio::select! {
            _ = self.terminate.recv() => Heard::Stop,
            _ = self.interrupt.recv() => Heard::Stop,
            _ = self.hangup.recv() => Heard::Reload,
        }
    }

    /// While nothing is rated, there is nothing to reload: whoever takes over reads the decks as they are then.
    async fn stop(&mut self) {
        while !matches!(self.hear().await, Heard::Stop) {}
    }
}
