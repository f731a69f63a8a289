//! A running node: the workers that carry calls, and the back office that talks to everything else.
//!
//! | file | what |
//! |---|---|
//! | `mod` | start, signals, stop |
//! | `plant` | what outlives a reload, and the routing snapshots made with it |
//! | `heap` | what the memory of ended calls becomes |
//! | `listeners` | sockets and the names they go by |
//! | `crew` | the worker threads |
//! | `streams` | what bounds connections, and whom to expect at their ends |
//! | `fixed` | what of the configuration no reload changes |
//! | `control` | what the admin API sees and does |
//! | `sample` | what the metrics show of all that |
//! | `pulse` | what the process uses, and how full its queues are |
//! | `room` | how many calls its memory has room for |
//! | `sharing` | limits that nodes share |
//! | `swap` | versions of stages, put in and taken back |

mod control;
mod crew;
mod fixed;
mod heap;
mod listeners;
mod plant;
mod pulse;
mod room;
mod sample;
mod sharing;
mod streams;
mod swap;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Semaphore;

use self::control::Desk;
use self::crew::Crew;
use self::listeners::Listeners;
pub use self::plant::Plant;
use crate::admin::{self, Admin, Control as _, Token};
use crate::cdr::Cdr;
use crate::config::Loaded;
use crate::events::Publisher;
use crate::guard::{Guard, Rules};
use crate::spans::Tracer;
use crate::transport::stream::tls::{Certificates, Tls};
use crate::transport::stream::{Carrier, Post};
use crate::worker::Clock;

/// How long the stores have, after the last call, to confirm what the journal holds.
const SHIP: Duration = Duration::from_secs(10);
/// How often ended trials are made to last.
const SETTLE: Duration = Duration::from_millis(250);
/// How often it is looked whether the host name of a gateway is to be asked for again.
const RESOLVE: Duration = Duration::from_secs(1);
/// Reloads by signal: the one that goes on, and one that waits for it.
const RELOADS: usize = 2;

/// Threads for everything that is not a call.
///
/// # Errors
///
/// The system gives no threads.
pub fn back_office() -> anyhow::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("back-office")
        .enable_all()
        .build()
        .context("the back office did not start")
}

/// Read everything that a node with this configuration would read (tables, components), and start nothing.
///
/// # Errors
///
/// Everything that is wrong, a line each.
pub fn rehearse(loaded: &Loaded) -> Result<(), Vec<String>> {
    Certificates::load(&loaded.config, &loaded.folder)?;
    let office = back_office().map_err(|error| vec![format!("{error:#}")])?;
    let plant = Plant::new(loaded, office.handle().clone()).map_err(|error| vec![format!("{error:#}")])?;
    let built = office.block_on(plant.build(loaded, None)).map(drop);
    office.shutdown_background();
    built
}

/// Run a node until a signal ends it: SIGTERM and SIGINT drain it, a second one stops it at once; SIGHUP reloads.
///
/// # Errors
///
/// The node could not start; what it could not is named.
pub fn serve(loaded: &Loaded) -> anyhow::Result<()> {
    heap::keep();
    let office = back_office()?;
    let ended = office.block_on(run(loaded, &office));
    // Loads and requests that still hang in the back office do not hold the end.
    office.shutdown_timeout(Duration::from_millis(200));
    ended
}

async fn run(loaded: &Loaded, office: &Runtime) -> anyhow::Result<()> {
    let config = &loaded.config;
    let node = plant::node_name(config);
    let clock = Clock::start();
    let mut signals = Signals::new()?;
    let plant = Plant::for_calls(loaded, office.handle().clone())?;
    let layout = plant.build(loaded, None).await.map_err(|problems| anyhow::anyhow!(problems.join("\n")))?;
    let certificates = Certificates::load(config, &loaded.folder);
    let tls = Tls::new(certificates.map_err(|problems| anyhow::anyhow!(problems.join("\n")))?);
    let mut listeners = Listeners::bind(config)?;
    let sockets = std::mem::take(&mut listeners.streams);
    let local = listeners.named.iter().map(|listener| listener.bound).collect();
    let threads = if sockets.is_empty() { 1 } else { listeners.sets.len() };
    let guard = Guard::new(clock, Rules::new(&config.abuse, layout.snapshot.known()));
    let carrier =
        Carrier::new(threads, streams::limits(config), tls, guard.clone()).context("no threads for connections")?;
    let (mut cdr, journal) = Cdr::start(&config.cdr, &node, &loaded.folder, office.handle())?;
    let tracer = config.tracing.as_ref().map(|tracing| Tracer::start(tracing, &node, office.handle())).transpose()?;
    let shared = (carrier.streams(), guard, clock, tracer);
    let desk = Arc::new(Desk::new(node, loaded, plant, layout, &cdr, &listeners, shared));
    // Before the first call comes: nothing that can fail is left for the time when calls have records to be written.
    let admin = match config.admin.bind {
        Some(bind) => {
            let token = config.admin.token.as_deref().map(Token::new);
            Some(Admin::open(bind, admin::router(Arc::clone(&desk), Arc::clone(&desk.metrics), token)).await?)
        }
        None => None,
    };
    let events = match &config.events {
        Some(events) => Some(Publisher::start(events, &desk.node, &loaded.folder, office.handle())?),
        None => None,
    };
    let crew = Crew::start(config, listeners, &desk, &journal, clock, cdr.take_open())?;
    let connections = carrier.start(sockets, local, Post::new(crew.mail())).context("no connections")?;
    drop(journal);
    desk.open(&crew);
    let compiling = Arc::clone(&desk);
    drop(tokio::task::spawn_blocking(move || compiling.compile_rest()));
    tracing::info!(node = &*desk.node, workers = crew.len(), listening = desk.status().listeners.join(", "), "ready");
    let watched = watch(&desk, &crew, &mut signals, config.node.drain.get()).await;
    crew.stop().await;
    connections.close().await;
    desk.save_tables();
    let shipped = cdr.shutdown(SHIP).await;
    if let Some(admin) = admin {
        admin.close().await;
    }
    if let Some(events) = events {
        events.stop();
    }
    shipped.context("call records were lost")?;
    watched
}

/// What the node hears from outside.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

/// Serve until told to stop, then until the calls have ended, for as long as `drain`.
///
/// # Errors
///
/// A worker has fallen: a part of the calls would be lost for ever. The others' records are written; whoever runs the
/// node starts it again.
async fn watch(desk: &Arc<Desk>, crew: &Crew, signals: &mut Signals, drain: Duration) -> anyhow::Result<()> {
    let reloads = Arc::new(Semaphore::new(RELOADS));
    let mut resolve = tokio::time::interval(RESOLVE);
    let mut settle = tokio::time::interval(SETTLE);
    settle.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = signals.hangup.recv() => if let Ok(turn) = Arc::clone(&reloads).try_acquire_owned() {
                let desk = Arc::clone(desk);
                // Compiles and reads files: not for this thread.
                drop(tokio::task::spawn_blocking(move || {
                    let reloaded = desk.reload();
                    drop(turn);
                    reloaded
                }));
            } else {
                tracing::info!("a reload waits already, and will read the configuration as it is then");
            },
            _ = settle.tick() => if desk.has_ended_trials() {
                let desk = Arc::clone(desk);
                // Hands out mail: not for this thread.
                let _ = tokio::task::spawn_blocking(move || desk.settle_trials()).await;
            },
            _ = resolve.tick() => desk.resolve_gateways(),
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
            () = crew.fallen() => {
                desk.drain();
                anyhow::bail!("a worker thread has panicked: the node stops, so that it is started again whole");
            }
        }
    }
    // The workers first: who reads that the node is not ready must not get a call through any more.
    crew.drain().await;
    desk.drain();
    tracing::info!(calls = desk.calls(), "draining: new calls get 503; a second signal stops at once");
    tokio::select! {
        ended = tokio::time::timeout(drain, crew.idle()) => {
            if ended.is_err() {
                tracing::warn!(
                    calls = desk.calls(),
                    "calls still in progress: those that ring are cut, the answered ones go on at the next start"
                );
            }
        }
        _ = signals.terminate.recv() => {}
        _ = signals.interrupt.recv() => {}
    }
    Ok(())
}
