//! Makes the stages that a configuration asks for, and those that were swapped in since.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::join_all;

use super::seat::{Seat, Seats};
use super::snapshot::{Parts, Snapshot};
use crate::config::model::{Compile, Config, Plugin, RollBack, Share};
use crate::lookup::Problem;
use crate::plugin::recorded::{self, Answered};
use crate::plugin::trial::{Kind, Standing, Trial};
use crate::plugin::versions::{SeatName, digest};
use crate::plugin::{Component, Lent, LoadError, Stage, StageSettings};

/// Recorded calls that are told where a version fails them.
const TOLD: usize = 5;

/// Makes stages with what a node lends.
#[derive(Clone)]
pub struct Maker {
    parts: Parts,
    /// Relative paths count from here.
    folder: PathBuf,
}

/// A component as the configuration names it.
struct Found {
    path: PathBuf,
    bytes: Vec<u8>,
    digest: String,
}

/// The plugin that sits in this place, with the customer's overrides; `None` where the configuration has none such.
pub fn plugin_of(config: &Config, seat: &SeatName) -> Option<Plugin> {
    let plugin = config.plugins.get(&*seat.plugin)?;
    let Some(customer) = &seat.customer else { return Some(plugin.clone()) };
    let customer = config.customers.get(&**customer)?;
    let its = config.pipelines.get(&customer.pipeline)?;
    if !its.iter().any(|stage| **stage == *seat.plugin) {
        return None;
    }
    let own = customer.plugins.get(&*seat.plugin).cloned().unwrap_or_default();
    Some(own.over(&seat.plugin, plugin))
}

impl Maker {
    /// For a configuration in this folder.
    pub fn new(parts: Parts, folder: PathBuf) -> Self {
        Self { parts, folder }
    }

    /// Every place of the configuration with its stage. What cannot be loaded is told and left out.
    pub(super) async fn seats(&self, config: &Config, before: Option<&Snapshot>, problems: &mut Vec<Problem>) -> Seats {
        // All at once: a component that takes seconds to compile does not hold up the others.
        let loads = self.wanted(config).into_iter().map(|(name, place)| async move {
            let Some(plugin) = plugin_of(config, &name) else { return (name, place, None) };
            let loaded = self.seat(&name, &plugin, before).await;
            let reference = reference(&name, &plugin);
            (name, place, Some(loaded.map_err(|error| format!("`{reference}` {error}"))))
        });
        let mut seats = Seats::new();
        for (name, place, loaded) in join_all(loads).await {
            match loaded {
                Some(Ok(seat)) => drop(seats.insert(name, Arc::new(seat))),
                Some(Err(message)) => problems.push(Problem { place, message }),
                None => {}
            }
        }
        seats
    }

    /// The places, each with the key that names it.
    fn wanted(&self, config: &Config) -> Vec<(SeatName, String)> {
        let shared = config.plugins.keys().map(|name| (SeatName::new(name, None), format!("plugins.{name}.component")));
        let mut wanted: Vec<_> = shared.collect();
        for (customer, its) in &config.customers {
            for plugin in its.plugins.keys().filter(|plugin| config.plugins.contains_key(*plugin)) {
                wanted.push((SeatName::new(plugin, Some(customer)), format!("customers.{customer}.plugins.{plugin}")));
            }
        }
        for seat in self.parts.versions.own_seats() {
            if !wanted.iter().any(|(name, _)| *name == seat) {
                let place = format!("plugins.{}.component", seat.plugin);
                wanted.push((seat, place));
            }
        }
        wanted
    }

    async fn seat(&self, name: &SeatName, plugin: &Plugin, before: Option<&Snapshot>) -> Result<Seat, LoadError> {
        let found = self.find(reference(name, plugin)).await?;
        let configured: Arc<str> = found.digest.as_str().into();
        let known = self.parts.versions.of(name);
        let seat =
            |stage, trial, shadow| Seat { name: name.clone(), configured: configured.clone(), stage, trial, shadow };
        let old = before.and_then(|before| before.seat(name));
        let mut trial = None;
        let stage = match known {
            Some(version) if version.running != found.digest && version.configured == found.digest => {
                // Swapped in since: it lives on.
                match self.kept(&version.running, name, plugin).await {
                    Ok(stage) => stage,
                    Err(error) => {
                        tracing::error!(plugin = %name, digest = version.running, "the version that was swapped in cannot run, the configured one does: {error}");
                        self.stage(name, plugin, &self.admit(found).await?).await?
                    }
                }
            }
            Some(version) if version.running != found.digest && old.is_some() && plugin.probation.calls > 0 => {
                // The file has changed under a running node: the new version comes on probation.
                let running = self.kept(&version.running, name, plugin).await;
                let candidate = self.stage(name, plugin, &self.admit(found).await?).await?;
                self.rehearse(plugin, &candidate).await?;
                match running {
                    Ok(stage) => {
                        trial = Some(Arc::new(probation(plugin, candidate)));
                        stage
                    }
                    Err(_) => candidate,
                }
            }
            _ => {
                let starting = old.is_none() && before.is_none();
                if starting && !self.parts.components.is_compiled(&found.digest) && !self.waits(name, plugin, &found) {
                    return Ok(seat(None, None, None));
                }
                self.stage(name, plugin, &self.admit(found).await?).await?
            }
        };
        let stage = Arc::new(stage);
        if trial.is_none() {
            trial = self.canary(name, plugin, &stage).await?;
        }
        let mut shadow = self.shadow(name, plugin, &stage).await?;
        if let Some(old) = old {
            trial = self.inherit(name, plugin, trial, old.trial.as_ref(), &stage).await;
            shadow = self.inherit(name, plugin, shadow, old.shadow.as_ref(), &stage).await;
        }
        Ok(seat(Some(stage), trial, shadow))
    }

    /// Whether the start waits for this component to be compiled. A dry run does for all: it has to tell what is wrong.
    fn waits(&self, name: &SeatName, plugin: &Plugin, found: &Found) -> bool {
        let (path, bytes) = (found.path.display(), found.bytes.len());
        let waits = self.parts.is_dry_run() || plugin.compile(&name.plugin, bytes) == Compile::Wait;
        if waits {
            tracing::info!(plugin = %name, %path, bytes, "the start waits for this component to be compiled");
        } else {
            tracing::info!(plugin = %name, %path, bytes, "the start does not wait for this component to be compiled: its stage fails as loading until then");
        }
        waits
    }

    /// The trial goes on with what it has counted. One that was begun by hand has no place in the file: it goes on too.
    async fn inherit(
        &self,
        name: &SeatName,
        plugin: &Plugin,
        trial: Option<Arc<Trial>>,
        before: Option<&Arc<Trial>>,
        stage: &Stage,
    ) -> Option<Arc<Trial>> {
        let Some(before) = before.filter(|before| before.standing() == Standing::Running) else { return trial };
        match &trial {
            Some(trial) if trial.stage.version == before.stage.version && trial.kind == before.kind => {
                trial.carry(before);
            }
            None if before.stage.version != stage.version => match self.kept(&before.stage.version, name, plugin).await
            {
                Ok(again) => {
                    let again = before.again(Arc::new(again));
                    return Some(Arc::new(again));
                }
                Err(error) => tracing::warn!(plugin = %name, "its trial ends with the reload: {error}"),
            },
            _ => {}
        }
        trial
    }

    async fn canary(&self, name: &SeatName, plugin: &Plugin, stage: &Stage) -> Result<Option<Arc<Trial>>, LoadError> {
        let Some(canary) = &plugin.canary else { return Ok(None) };
        let found = self.find(canary.component.clone()).await?;
        let taken_back = self.parts.versions.of(name).is_some_and(|known| known.taken_back.contains(&found.digest));
        if taken_back {
            tracing::warn!(plugin = %name, digest = found.digest, "this canary was taken back: it is not tried again");
        }
        if taken_back || found.digest == *stage.version {
            return Ok(None);
        }
        let candidate = Arc::new(self.stage(name, plugin, &self.admit(found).await?).await?);
        let trial = Trial::new(candidate, Kind::Canary, canary.share, canary.promote_after, canary.roll_back);
        Ok(Some(Arc::new(trial)))
    }

    async fn shadow(&self, name: &SeatName, plugin: &Plugin, stage: &Stage) -> Result<Option<Arc<Trial>>, LoadError> {
        let Some(shadow) = &plugin.shadow else { return Ok(None) };
        let found = self.find(shadow.component.clone()).await?;
        if found.digest == *stage.version {
            return Ok(None);
        }
        let candidate = Arc::new(self.stage(name, plugin, &self.admit(found).await?).await?);
        Ok(Some(Arc::new(Trial::new(candidate, Kind::Shadow, shadow.share, u64::MAX, RollBack::default()))))
    }

    /// A place that was left empty at the start: the configured component, compiled now, and the versions that are on
    /// trial beside it. One of these that cannot run is told, and the stage runs without it.
    pub async fn configured(&self, name: &SeatName, plugin: &Plugin) -> Result<Seat, LoadError> {
        let found = self.find(reference(name, plugin)).await?;
        let configured = found.digest.as_str().into();
        let stage = Arc::new(self.stage(name, plugin, &self.admit(found).await?).await?);
        let trial = self.canary(name, plugin, &stage).await.unwrap_or_else(|error| {
            tracing::error!(plugin = %name, "its canary cannot run: {error}");
            None
        });
        let shadow = self.shadow(name, plugin, &stage).await.unwrap_or_else(|error| {
            tracing::error!(plugin = %name, "its shadow cannot run: {error}");
            None
        });
        Ok(Seat { name: name.clone(), configured, stage: Some(stage), trial, shadow })
    }

    /// A component that was handed over, as a stage for this place; kept for a restart.
    pub async fn handed_over(&self, name: &SeatName, plugin: &Plugin, bytes: Vec<u8>) -> Result<Stage, LoadError> {
        let found = Found { path: PathBuf::from(format!("{}.wasm", name.plugin)), digest: digest(&bytes), bytes };
        self.stage(name, plugin, &self.admit(found).await?).await
    }

    /// A version that ran before.
    pub async fn kept(&self, digest: &str, name: &SeatName, plugin: &Plugin) -> Result<Stage, LoadError> {
        let path = self.parts.versions.kept(digest);
        let found = self.find(path.to_string_lossy().into_owned()).await?;
        if found.digest != digest {
            return Err(LoadError::Settings(format!("{} is not what it was", path.display())));
        }
        self.stage(name, plugin, &self.admit(found).await?).await
    }

    /// Runs the recorded calls of the plugin, where it has some, on this version.
    ///
    /// # Errors
    ///
    /// Which of them it does not answer as recorded.
    pub async fn rehearse(&self, plugin: &Plugin, stage: &Stage) -> Result<(), LoadError> {
        let Some(path) = &plugin.recorded_calls else { return Ok(()) };
        let path = self.folder.join(path);
        let calls = tokio::task::spawn_blocking(move || recorded::read(&path)).await;
        let calls = calls.map_err(|error| LoadError::Settings(error.to_string()))?.map_err(LoadError::Settings)?;
        let done =
            recorded::rehearse(stage, &calls).await.map_err(|failure| LoadError::Settings(failure.to_string()))?;
        let unmet: Vec<_> = calls.iter().zip(&done).enumerate().filter(|(_, (_, done))| !done.met).collect();
        if unmet.is_empty() {
            return Ok(());
        }
        let told = unmet.iter().take(TOLD).map(|(place, (call, done))| {
            let json = |answered: &Answered| serde_json::to_string(answered).unwrap_or_default();
            format!("call {} {}: expected {}, got {}", place + 1, call.name, json(&call.expect), json(&done.answered))
        });
        let told: Vec<String> = told.collect();
        Err(LoadError::Rehearsal { failed: unmet.len(), calls: calls.len(), told: told.join("; ") })
    }

    async fn find(&self, reference: String) -> Result<Found, LoadError> {
        let (components, folder) = (Arc::clone(&self.parts.components), self.folder.clone());
        blocking(move || {
            let (path, bytes) = components.bytes(&reference, &folder)?;
            Ok(Found { path, digest: digest(&bytes), bytes })
        })
        .await
    }

    /// Compiles it, a few at once: each takes all cores for a while, and the bytes of many lie in memory together.
    async fn admit(&self, found: Found) -> Result<Component, LoadError> {
        let parts = self.parts.clone();
        let turn = Arc::clone(&parts.compiling).acquire_owned().await;
        blocking(move || {
            let _turn = turn;
            if let Err(error) = parts.versions.keep(&found.digest, &found.bytes) {
                tracing::warn!(%error, path = %found.path.display(), "component not kept: a rollback to it needs the file");
            }
            parts.components.admit(found.path, &found.bytes)
        })
        .await
    }

    async fn stage(&self, name: &SeatName, plugin: &Plugin, component: &Component) -> Result<Stage, LoadError> {
        let parts = &self.parts;
        let lent =
            Lent { tables: parts.tables.clone(), services: parts.services.clone(), limits: Arc::clone(&parts.limits) };
        let owner = name.customer.as_ref().map(|customer| parts.accounts.of(customer));
        let settings = StageSettings::of(plugin)?;
        let mut stage = Stage::load(parts.components.engine(), &name.plugin, component, settings, lent, owner).await?;
        stage.counters = parts.counters.of(name);
        Ok(stage)
    }
}

/// A version that was swapped in, watched.
pub fn probation(plugin: &Plugin, candidate: Stage) -> Trial {
    let rule = &plugin.probation;
    Trial::new(Arc::new(candidate), Kind::Probation, Share::ALL, rule.calls, rule.roll_back)
}

fn reference(name: &SeatName, plugin: &Plugin) -> String {
    plugin.component.clone().unwrap_or_else(|| name.plugin.to_string())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LoadError> + Send + 'static,
) -> Result<T, LoadError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| LoadError::Settings(format!("was not compiled: {error}")))?
}
