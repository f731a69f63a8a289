//! A router's pipeline within this process: without sockets, so that what it costs is all that is measured.

use std::sync::Arc;

use anyhow::{Result, anyhow};
use tokio::sync::Semaphore;
use trunkline::lookup;
use trunkline::plugin::versions::Versions;
use trunkline::plugin::{ComponentFinder, Components, Engine, EngineOptions, Limits};
use trunkline::routing::{Parts, Router, Snapshot};
use trunkline::sip::digest::Nonces;
use trunkline_tests::{LrnServer, Setup, plugins_folder};

/// Compiles components once for all routers that are made with it.
pub struct Inside {
    engine: Engine,
}

impl Inside {
    /// With room for so many instances; each takes 4 GiB of addresses.
    ///
    /// # Errors
    /// When the system gives no address space.
    pub fn new(instances: u32) -> Result<Self> {
        Ok(Self { engine: Engine::new(EngineOptions { instances })? })
    }

    /// A router as this configuration has it, warm. Within a tokio runtime, which is its back office.
    ///
    /// # Errors
    /// When the configuration is none.
    pub async fn router(&self, setup: &Setup) -> Result<Router> {
        let loaded = trunkline::config::load(&setup.write()?).map_err(|errors| anyhow!("{errors}"))?;
        let wrong = |problems: Vec<lookup::Problem>| anyhow!("{problems:?}");
        let back_office = tokio::runtime::Handle::current();
        let (tables, services) =
            lookup::build(&loaded.config, &loaded.folder, &back_office, Arc::default()).map_err(wrong)?;
        let finder = ComponentFinder::new(vec![plugins_folder()?]);
        // Where the setup has put what others have compiled.
        let compiled = setup.folder().join("var/components");
        let parts = Parts {
            locator: None,
            components: Arc::new(Components::new(self.engine.clone(), finder, Some(compiled))),
            tables,
            services,
            limits: Arc::new(Limits::default()),
            nonces: Arc::new(Nonces::new([7; 32])),
            versions: Arc::new(Versions::open(setup.folder().join("versions"), false)),
            accounts: Arc::default(),
            counters: Arc::default(),
            compiling: Arc::new(Semaphore::new(1)),
            shadows: None,
        };
        let snapshot = Snapshot::build(&loaded.config, &loaded.folder, &parts, None).await.map_err(wrong)?;
        let router = Router::new(Arc::new(snapshot));
        router.warm_up().await;
        Ok(router)
    }
}

/// LRN and CNAM by HTTP, cached for a day.
pub fn over_http(setup: Setup, directory: &LrnServer) -> Setup {
    let http = |field: &str| {
        format!(
            "ttl = \"24h\"\nsource = {{ http = {{ service = \"lrn-api\", path = \"/{field}/{{key}}\", field = \"{field}\" }} }}"
        )
    };
    setup.lrn(directory, 500).table("lrn", &http("lrn")).table("cnam", &http("name"))
}
