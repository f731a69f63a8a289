//! What outlives a reload (compiled components, counters, secrets), and the layouts made with it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::runtime::Handle;

use crate::config::Loaded;
use crate::config::model::Config;
use crate::locate::{DnsCounts, Locator};
use crate::lookup::{self, Problem, Services, Tables};
use crate::plugin::{ComponentFinder, Components, Engine, EngineOptions, Limits};
use crate::routing::{Parts, Snapshot};
use crate::sip::digest::Secret;

/// Builds what calls are routed by.
#[derive(Debug)]
pub struct Plant {
    components: Arc<Components>,
    limits: Arc<Limits>,
    digest_secret: Secret,
    /// What was asked of the DNS since the start.
    pub(super) dns: Arc<DnsCounts>,
    office: Handle,
}

/// What calls are routed by: one configuration's.
pub struct Layout {
    /// Customers, pipelines, gateways.
    pub snapshot: Arc<Snapshot>,
    /// Cached lookups.
    pub tables: Tables,
    /// Named HTTP services.
    pub services: Services,
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
        let components = Components::new(engine, ComponentFinder::from_environment(), Some(cache));
        Ok(Self {
            components: Arc::new(components),
            limits: Arc::new(Limits::default()),
            digest_secret: Secret::new(random()?),
            dns: Arc::default(),
            office,
        })
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
        let read = move || match tables_before {
            Some((tables, services)) => lookup::rebuild(&config, &folder, (&tables, &services)),
            None => lookup::build(&config, &folder, &office),
        };
        let read = tokio::task::spawn_blocking(read).await;
        let (tables, services) = read.map_err(|error| vec![error.to_string()])?.map_err(told)?;
        let dns = Arc::clone(&self.dns);
        let locator = Locator::new(&loaded.config.dns, &loaded.config.listen, dns);
        let locator = locator.map_err(|error| vec![format!("dns: {error}")])?;
        let parts = Parts {
            locator: Some(Arc::new(locator)),
            components: Arc::clone(&self.components),
            tables: tables.clone(),
            services: services.clone(),
            limits: Arc::clone(&self.limits),
            digest_secret: self.digest_secret.clone(),
        };
        let snapshot = Snapshot::build(&loaded.config, &loaded.folder, &parts).await.map_err(told)?;
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
