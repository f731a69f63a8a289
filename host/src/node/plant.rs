//! What outlives a reload (compiled components, counters, secrets), and the layouts made with it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::config::Loaded;
use crate::config::model::Config;
use crate::locate::{DnsCounts, Locator};
use crate::lookup::{self, Problem, Services, Tables};
use crate::plugin::account::Accounts;
use crate::plugin::shadow::Shadows;
use crate::plugin::versions::Versions;
use crate::plugin::{ComponentFinder, Components, Engine, EngineOptions, Limits, PluginCounters};
use crate::routing::{Maker, Parts, Snapshot};
use crate::sip::digest::Nonces;

use super::sharing::Sharing;

/// Components that are compiled at once: the compiler itself uses all cores, and holds the whole of each in memory.
const COMPILING: usize = 4;

/// Builds what calls are routed by.
#[derive(Debug)]
pub struct Plant {
    components: Arc<Components>,
    /// Counters of the stages.
    pub(super) limits: Arc<Limits>,
    sharing: Sharing,
    nonces: Arc<Nonces>,
    /// What was asked of the DNS since the start.
    pub(super) dns: Arc<DnsCounts>,
    versions: Arc<Versions>,
    accounts: Arc<Accounts>,
    counters: Arc<PluginCounters>,
    compiling: Arc<Semaphore>,
    shadows: Option<Shadows>,
    office: Handle,
}

/// What calls are routed by: one configuration's.
#[derive(Clone)]
pub struct Layout {
    /// Customers, pipelines, gateways.
    pub snapshot: Arc<Snapshot>,
    /// Cached lookups.
    pub tables: Tables,
    /// Named HTTP services.
    pub services: Services,
}

impl Layout {
    /// Calls go by it from now on: until then it can be dropped, and nothing has changed.
    pub(super) fn begin(&self) {
        self.services.begin();
        self.snapshot.gateways.begin();
    }
}

impl Plant {
    /// Reserves the plugins' address space. Compiled components are kept beside the journal.
    ///
    /// # Errors
    ///
    /// The system gives no address space, or no randomness.
    pub fn new(loaded: &Loaded, office: Handle) -> anyhow::Result<Self> {
        let engine = Engine::new(EngineOptions::default()).context("the plugin engine did not start")?;
        let cache = cache_folder(loaded);
        let versions = Versions::open(cache.clone(), false);
        let components = Components::new(engine, ComponentFinder::from_environment(), Some(cache));
        Ok(Self {
            components: Arc::new(components),
            limits: Arc::new(Limits::default()),
            sharing: Sharing::default(),
            nonces: Arc::new(Nonces::new(random()?)),
            dns: Arc::default(),
            versions: Arc::new(versions),
            accounts: Arc::default(),
            counters: Arc::default(),
            compiling: Arc::new(Semaphore::new(COMPILING)),
            shadows: None,
            office,
        })
    }

    /// As [`Plant::new`], for calls: what is swapped in is written down, and shadows run.
    ///
    /// # Errors
    ///
    /// As [`Plant::new`], or the system gives no thread.
    pub fn for_calls(loaded: &Loaded, office: Handle) -> anyhow::Result<Self> {
        let versions = Arc::new(Versions::open(cache_folder(loaded), true));
        let shadows = Some(Shadows::start().context("no thread for shadows")?);
        Ok(Self { versions, shadows, ..Self::new(loaded, office)? })
    }

    /// Which versions run.
    pub(super) fn versions(&self) -> &Versions {
        &self.versions
    }

    /// The compiled components.
    pub(super) fn components(&self) -> &Components {
        &self.components
    }

    /// Shares limits with other nodes where the configuration says so.
    pub(super) fn share_limits(&self, node: &str, config: &Config, services: &Services) {
        self.sharing.begin(node, &config.limits, services, (&self.limits, &self.office));
    }

    /// Makes stages that go with this layout.
    pub(super) fn maker(&self, layout: &Layout, folder: PathBuf) -> Maker {
        Maker::new(self.parts(&layout.tables, &layout.services), folder)
    }

    fn parts(&self, tables: &Tables, services: &Services) -> Parts {
        Parts {
            components: Arc::clone(&self.components),
            tables: tables.clone(),
            services: services.clone(),
            locator: None,
            limits: Arc::clone(&self.limits),
            nonces: Arc::clone(&self.nonces),
            versions: Arc::clone(&self.versions),
            accounts: Arc::clone(&self.accounts),
            counters: Arc::clone(&self.counters),
            compiling: Arc::clone(&self.compiling),
            shadows: self.shadows.clone(),
        }
    }

    /// Reads tables, compiles components, asks for the gateways' addresses: seconds.
    ///
    /// With the layout `before`, cached tables and services whose configuration is the same live on with all that they
    /// hold; files are read anew. The layout before is not touched, whatever comes of it: who routes by it keeps its rows.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, a line each.
    pub async fn build(&self, loaded: &Loaded, before: Option<&Layout>) -> Result<Layout, Vec<String>> {
        let told = |problems: Vec<Problem>| problems.iter().map(ToString::to_string).collect::<Vec<_>>();
        let tables_before = before.map(|before| (before.tables.clone(), before.services.clone()));
        let (config, folder, office) = (loaded.config.clone(), loaded.folder.clone(), self.office.clone());
        let counts = Arc::clone(&self.dns);
        let read = move || match tables_before {
            Some((tables, services)) => lookup::rebuild(&config, &folder, (&tables, &services)),
            None => lookup::build(&config, &folder, &office, counts),
        };
        let read = tokio::task::spawn_blocking(read).await;
        let (tables, services) = read.map_err(|error| vec![error.to_string()])?.map_err(told)?;
        let dns = Arc::clone(&self.dns);
        let locator = Locator::new(&loaded.config.dns, &loaded.config.listen, dns);
        let locator = locator.map_err(|error| vec![format!("dns: {error}")])?;
        let parts = Parts { locator: Some(Arc::new(locator)), ..self.parts(&tables, &services) };
        let snapshot_before = before.map(|before| &*before.snapshot);
        let snapshot = Snapshot::build(&loaded.config, &loaded.folder, &parts, snapshot_before).await.map_err(told)?;
        if let Some(before) = before {
            snapshot.gateways.remember(&before.snapshot.gateways);
        }
        Ok(Layout { snapshot: Arc::new(snapshot), tables, services })
    }
}

/// `node.name`, else the host's.
pub(super) fn node_name(config: &Config) -> Arc<str> {
    let host = || nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    config.node.name.clone().or_else(host).unwrap_or_else(|| "trunkline".to_owned()).into()
}

/// Beside the journal: the one folder that is the host's own.
fn own_folder(loaded: &Loaded) -> PathBuf {
    let journal = loaded.resolve(&loaded.config.cdr.journal);
    journal.parent().map_or_else(|| journal.clone(), PathBuf::from)
}

/// Where compiled components are kept.
fn cache_folder(loaded: &Loaded) -> PathBuf {
    own_folder(loaded).join("components")
}

/// Where tables keep what the next run begins with.
pub(super) fn table_folder(loaded: &Loaded) -> PathBuf {
    own_folder(loaded).join("tables")
}

fn random() -> anyhow::Result<[u8; 32]> {
    use std::io::Read as _;
    let mut bytes = [0; 32];
    let mut source = std::fs::File::open("/dev/urandom").context("no randomness for digest nonces")?;
    source.read_exact(&mut bytes).context("no randomness for digest nonces")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
