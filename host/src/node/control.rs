//! What the admin API and the signals see of the node, and do to it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::crew::{Crew, hand_out};
use super::fixed::Fixed;
use super::listeners::Listeners;
use super::plant::{self, Layout, Plant};
use super::pulse::Pulse;
use super::sample::{Sampler, breaker, gateway_status, service, word};
use super::streams::names;
use super::swap::Turns;
use crate::admin::{Control, Metrics, PluginStatus, Plugins, ServiceStatus, Status, StoreStatus, TableStatus};
use crate::cdr::{Cdr, Observer};
use crate::config::model::Config;
use crate::config::{self, Loaded};
use crate::events::{self, Event};
use crate::guard::{Guard, Rules};
use crate::log;
use crate::lookup::{Hold, Services, Tables};
use crate::routing::Snapshot;
use crate::sip::core::Listener;
use crate::spans::Tracer;
use crate::transport::hep::Mirror;
use crate::transport::stream::Streams;
use crate::transport::stream::tls::Certificates;
use crate::worker::{Clock, Mail};

/// The node's own view of itself.
pub(super) struct Desk {
    pub(super) node: Arc<str>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) streams: Streams,
    pub(super) guard: Guard,
    pub(super) mirror: Option<Mirror>,
    pub(super) tracer: Option<Tracer>,
    /// What the node started with: a reload reads the certificates of its listeners again.
    started_with: Config,
    file: PathBuf,
    fixed: Fixed,
    pub(super) plant: Plant,
    /// Where tables keep what the next run begins with.
    state: PathBuf,
    pub(super) layout: Arc<ArcSwap<Layout>>,
    /// The configuration in use.
    pub(super) loaded: ArcSwap<Loaded>,
    pub(super) turns: Turns,
    records: Observer,
    listeners: Vec<String>,
    workers: usize,
    started: Instant,
    /// The workers' clock.
    clock: Clock,
    configured_at: AtomicU64,
    ready: Arc<AtomicBool>,
    pub(super) mail: Arc<OnceLock<Vec<mpsc::Sender<Mail>>>>,
    /// One reload at a time.
    pub(super) reloading: Mutex<()>,
    pub(super) office: Handle,
}

impl Desk {
    /// Within the back office.
    pub(super) fn new(
        node: Arc<str>,
        loaded: &Loaded,
        plant: Plant,
        layout: Layout,
        cdr: &Cdr,
        listeners: &Listeners,
        (streams, guard, clock, tracer): (Streams, Guard, Clock, Option<Tracer>),
    ) -> Self {
        let state = plant::table_folder(loaded);
        layout.begin();
        streams.tls().expect(names(&layout.snapshot.gateways));
        layout.tables.begin(&state);
        plant.share_limits(&node, &loaded.config, &layout.services);
        let mirror = loaded.config.hep.as_ref().map(|hep| {
            let collector = hep.collector.trim_start_matches("udp:").to_owned();
            Mirror::start(collector, hep.id, listeners.named.iter().map(seen_at).collect())
        });
        let layout = Arc::new(ArcSwap::from_pointee(layout));
        let records = cdr.observer();
        let turns = Turns::default();
        let pulse = Pulse::new();
        let (ready, mail) = (Arc::clone(&pulse.ready), Arc::clone(&pulse.mail));
        let sampler = Sampler {
            layout: Arc::clone(&layout),
            records: records.clone(),
            streams: streams.clone(),
            dns: Arc::clone(&plant.dns),
            turns: turns.clone(),
            mirror: mirror.clone(),
            tracer: tracer.clone(),
            limits: Arc::clone(&plant.limits),
            guard: guard.clone(),
            pulse,
            clock,
        };
        Self {
            node,
            metrics: Arc::new(Metrics::new(move || sampler.take())),
            streams,
            guard,
            mirror,
            tracer,
            started_with: loaded.config.clone(),
            file: loaded.file.clone(),
            fixed: Fixed::of(&loaded.config),
            plant,
            state,
            layout,
            loaded: ArcSwap::from_pointee(loaded.clone()),
            turns,
            records,
            listeners: listeners.named.iter().map(|known| format!("{}:{}", known.transport, known.bound)).collect(),
            workers: listeners.sets.len(),
            started: Instant::now(),
            clock,
            configured_at: AtomicU64::new(unix_seconds()),
            ready,
            mail,
            reloading: Mutex::new(()),
            office: Handle::current(),
        }
    }

    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.layout.load().snapshot)
    }

    /// The workers take calls.
    pub(super) fn open(&self, crew: &Crew) {
        self.write_down(&self.snapshot());
        let _ = self.mail.set(crew.mail());
        self.ready.store(true, Relaxed);
    }

    /// The node ends: what the next run begins with is written down.
    pub(super) fn save_tables(&self) {
        self.layout.load().tables.save(&self.state);
    }

    /// New calls are no longer taken.
    pub(super) fn drain(&self) {
        self.ready.store(false, Relaxed);
    }

    /// Calls that have not ended, as of the last second.
    pub(super) fn calls(&self) -> u64 {
        u64::try_from(self.metrics.active_calls.get()).unwrap_or_default()
    }

    /// Ask for the addresses of the gateways again, in the background.
    pub(super) fn resolve_gateways(&self) {
        // Where they were found a moment ago.
        self.brief_guard();
        let gateways = Arc::clone(&self.layout.load().snapshot.gateways);
        let streams = self.streams.clone();
        drop(self.office.spawn(async move {
            gateways.resolve().await;
            streams.tls().expect(names(&gateways));
        }));
    }

    /// The guard goes by the configuration in use, and knows the gateways where they were found last.
    fn brief_guard(&self) {
        self.guard.change(Rules::new(&self.loaded.load().config.abuse, self.snapshot().known()));
    }

    /// Those of the listeners that the node has, whatever `loaded` says of listeners, and of connections of ours.
    fn certificates(&self, loaded: &Loaded) -> Result<Certificates, Vec<String>> {
        let mut config = self.started_with.clone();
        config.tls = loaded.config.tls.clone();
        Certificates::load(&config, &loaded.folder)
    }

    fn try_reload(&self) -> Result<Vec<String>, Vec<String>> {
        let loaded = config::load(&self.file).map_err(|errors| vec![errors.to_string()])?;
        let before = self.layout.load_full();
        let layout = self.office.block_on(self.plant.build(&loaded, Some(&before)))?;
        let certificates = self.certificates(&loaded)?;
        let mail = self.mail.get().ok_or_else(|| vec!["the node is still starting: try again".to_owned()])?;
        // What tables do by themselves ends with them, so with a reload that is refused here.
        layout.tables.begin(&self.state);
        let empty = self.office.block_on(layout.tables.become_ready(&before.tables));
        if !empty.is_empty() {
            let why = |(name, trouble): &(String, Option<String>)| {
                let trouble = trouble.as_deref().unwrap_or("it is still being read");
                format!("tables.{name}: has no rows yet, and calls would meet it without: {trouble}")
            };
            return Err(empty.iter().map(why).collect());
        }
        hand_out(mail, &layout.snapshot).map_err(|error| vec![error.to_owned()])?;
        layout.begin();
        self.streams.tls().expect(names(&layout.snapshot.gateways));
        self.streams.tls().renew(certificates);
        self.plant.share_limits(&self.node, &loaded.config, &layout.services);
        self.write_down(&layout.snapshot);
        self.layout.store(Arc::new(layout));
        self.configured_at.store(unix_seconds(), Relaxed);
        log::show_full_numbers(loaded.config.log.full_numbers);
        let unheeded = self.fixed.unheeded(&loaded.config);
        let warnings = loaded.warnings.iter().map(ToString::to_string).chain(unheeded).collect();
        self.loaded.store(Arc::new(loaded));
        self.brief_guard();
        Ok(warnings)
    }
}

impl Control for Desk {
    fn status(&self) -> Status {
        let layout = self.layout.load();
        let plugins = layout.snapshot.seats().map(|seat| PluginStatus {
            stage: seat.name.to_string(),
            digest: seat.stage.as_ref().map(|stage| stage.digest.to_string()).unwrap_or_default(),
            breaker: seat.stage.as_ref().map_or("loading", |stage| word(breaker(stage.breaker_state()))).to_owned(),
        });
        let tables = layout.tables.iter();
        let tables = tables.map(|table| TableStatus { name: table.name().to_owned(), entries: table.stats().entries });
        let services = layout.services.names().filter_map(|name| {
            let stats = layout.services.stats(name)?;
            let breaker = word(service(stats)).to_owned();
            Some(ServiceStatus { name: name.to_owned(), breaker, held: stats.hold != Hold::Auto })
        });
        let now = self.clock.now();
        let gateways = layout.snapshot.gateways.iter().map(|gateway| gateway_status(gateway, now));
        let stores = self.records.lag().into_iter();
        let stores = stores.map(|lag| StoreStatus {
            name: lag.store,
            behind: lag.behind,
            lag_seconds: lag.age.as_secs(),
            error: lag.error,
        });
        Status {
            node: Arc::clone(&self.node),
            version: env!("CARGO_PKG_VERSION"),
            ready: self.is_ready(),
            uptime_seconds: self.started.elapsed().as_secs(),
            configured_at: self.configured_at.load(Relaxed),
            workers: self.workers,
            calls: self.calls(),
            listeners: self.listeners.clone(),
            plugins: plugins.collect(),
            tables: tables.collect(),
            gateways: gateways.collect(),
            services: services.collect(),
            stores: stores.collect(),
        }
    }

    fn is_ready(&self) -> bool {
        self.ready.load(Relaxed) && self.layout.load().tables.are_loaded()
    }

    fn lookups(&self) -> Option<(Tables, Services)> {
        let layout = self.layout.load();
        Some((layout.tables.clone(), layout.services.clone()))
    }

    fn plugins(&self) -> Option<&dyn Plugins> {
        Some(self)
    }

    fn guard(&self) -> Option<&Guard> {
        Some(&self.guard)
    }

    fn switch_gateway(&self, name: &str, on: bool) -> bool {
        let layout = self.layout.load();
        let gateway = layout.snapshot.gateways.get(name);
        gateway.map(|gateway| gateway.health.switch(on)).is_some()
    }

    fn reload(&self) -> Result<Vec<String>, Vec<String>> {
        let _one = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let result = self.try_reload();
        self.metrics.reloaded(result.is_ok());
        match &result {
            Ok(warnings) => {
                for warning in warnings {
                    tracing::warn!("{warning}");
                }
                tracing::info!("configuration reloaded");
                events::publish(Event::Reloaded {});
            }
            Err(errors) => tracing::error!("configuration not reloaded, nothing has changed:\n{}", errors.join("\n")),
        }
        result
    }
}

/// The address that a trace shows for a listener: of a wildcard, the one that is advertised, where that is one.
fn seen_at(listener: &Listener) -> SocketAddr {
    let advertised = listener.host.trim_start_matches('[').trim_end_matches(']').parse();
    let wildcard = listener.bound.ip().is_unspecified();
    let ip = advertised.ok().filter(|_| wildcard).unwrap_or(listener.bound.ip());
    (ip, listener.bound.port()).into()
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
