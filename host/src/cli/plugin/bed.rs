//! A stage on its own: no call, no table, no service; under the limits that the person names.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, io};

use anyhow::Context as _;
use clap::Args;

use crate::config::model::{Breaker, Config, Isolation};
use crate::plugin::versions::digest;
use crate::plugin::{Component, ComponentFinder, Components, Engine, EngineOptions, Lent, Limits, LoadError};
use crate::plugin::{Stage, StageSettings};

/// How the stage is configured and bounded.
#[derive(Debug, Args)]
pub(super) struct Settings {
    /// What the plugin gets as its configuration.
    #[arg(long, value_name = "JSON", default_value = "{}", value_parser = json)]
    config: String,
    /// Instructions per call.
    #[arg(long, default_value_t = 20_000_000)]
    fuel: u64,
    /// MiB of memory per instance.
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    memory: u64,
}

/// Off the call path nobody waits: a stage that computes is stopped by its fuel.
const DEADLINE: Duration = Duration::from_secs(10);

fn json(text: &str) -> Result<String, String> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if value.is_object() { Ok(text.to_owned()) } else { Err("not an object, such as {\"table\": \"vips\"}".to_owned()) }
}

/// A component, compiled, and what it takes to run it.
pub(super) struct Bed {
    components: Components,
    runtime: tokio::runtime::Runtime,
    /// The component.
    pub(super) component: Component,
    /// Whether it had been compiled before.
    pub(super) known: bool,
    /// How long it took to compile, or to read what was compiled before.
    pub(super) took: Duration,
}

impl Bed {
    /// Compiles the component, or takes it from the cache of this user.
    pub(super) fn new(file: &Path) -> anyhow::Result<Self> {
        if !file.is_file() {
            // A name without a slash would be looked for among the built-in components.
            return Err(io::Error::from(io::ErrorKind::NotFound)).with_context(|| file.display().to_string());
        }
        let engine = Engine::new(EngineOptions { instances: 16 })?;
        let components = Components::new(engine, ComponentFinder::new(Vec::new()), cache());
        let path = file.canonicalize().with_context(|| file.display().to_string())?;
        let (path, bytes) = components.bytes(&path.to_string_lossy(), Path::new("/"))?;
        let known = components.is_compiled(&digest(&bytes));
        let began = Instant::now();
        let component = components.admit(path, &bytes)?;
        let took = began.elapsed();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { components, runtime, component, known, took })
    }

    /// Starts it once, as a node does when it loads it.
    pub(super) fn stage(&self, settings: &Settings) -> Result<Stage, LoadError> {
        let nothing: Config = toml::from_str("").map_err(|error| LoadError::Settings(error.to_string()))?;
        let (tables, services) = crate::lookup::build(&nothing, Path::new("/"), self.runtime.handle(), Arc::default())
            .map_err(|problems| LoadError::Settings(format!("{problems:?}")))?;
        let lent = Lent { tables, services, limits: Arc::new(Limits::default()) };
        let settings = StageSettings {
            fuel: settings.fuel,
            deadline: DEADLINE,
            memory: settings.memory << 20,
            isolation: Isolation::Warm,
            max_concurrent: 1,
            breaker: Breaker::default(),
            config: settings.config.clone(),
        };
        let name = self.component.path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        self.block_on(Stage::load(self.components.engine(), &name, &self.component, settings, lent, None))
    }

    pub(super) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }
}

/// Compiling a component made from Python or JavaScript takes ten seconds.
fn cache() -> Option<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let cache = cache.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))?;
    Some(cache.join("trunkline/compiled"))
}
