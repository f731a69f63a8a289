//! Everything that one configuration says about routing, resolved and checked as a whole.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::customer::{Customer, DigestRealm, Sources};
use super::gateway::{Gateway, Gateways};
use super::judge::MAX_ATTRIBUTES;
use super::pipeline::Step;
use crate::config::model::{self, Config};
use crate::locate::Locator;
use crate::lookup::{Problem, Services, Tables};
use crate::plugin::contract::Attribute;
use crate::plugin::{Components, Lent, Limits, LoadError, Stage, StageSettings};
use crate::sip::digest::Secret;

/// What a snapshot is made with and does not own. `components`, `limits` and `digest_secret` outlive reloads: counts
/// go on, nonces stay good, unchanged components are not compiled again.
#[derive(Clone)]
pub struct Parts {
    /// Compiles and keeps components.
    pub components: Arc<Components>,
    /// Lent to stages.
    pub tables: Tables,
    /// Lent to stages.
    pub services: Services,
    /// Lent to stages.
    pub limits: Arc<Limits>,
    /// Finds gateways by their names; none: only those with an address can be reached.
    pub locator: Option<Arc<Locator>>,
    /// Signs nonces; random, the node's own.
    pub digest_secret: Secret,
}

/// The routing part of a configuration. Never changes; a reload builds another.
pub struct Snapshot {
    pub(super) customers: Vec<Customer>,
    sources: Sources,
    /// Names in certificates, in lower case, and whose they are.
    identities: HashMap<Box<str>, usize>,
    /// All gateways.
    pub gateways: Arc<Gateways>,
    /// All stages together.
    pub setup_budget: Duration,
    pub(super) digest_secret: Secret,
    stages: Vec<Arc<Stage>>,
}

/// A component in the place of a stage: the stage's name, and the component as configured.
type Choice = (String, String);

impl Snapshot {
    /// Builds it, or says everything that is wrong. Compiles components (on blocking threads) and asks for the
    /// gateways' addresses: seconds, within a tokio runtime, not for a thread that carries calls.
    pub async fn build(config: &Config, folder: &Path, parts: &Parts) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let gateways = gateways(config, parts, &mut problems);
        let loaded = load_stages(config, folder, parts, &mut problems).await;
        let mut customers = Vec::with_capacity(config.customers.len());
        let mut sources = Sources::default();
        let mut identities = HashMap::new();
        for (name, customer) in &config.customers {
            let index = customers.len();
            identities.extend(customer.tls_identities.iter().map(|name| (name.to_ascii_lowercase().into(), index)));
            add_sources(&mut sources, name, customer, index, &customers, &mut problems);
            let pipeline = pipeline(config, name, customer, &loaded, &mut problems);
            customers.push(resolve(name, customer, pipeline, index, &mut problems));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        gateways.resolve().await;
        Ok(Self {
            customers,
            sources,
            identities,
            gateways: Arc::new(gateways),
            setup_budget: config.call.setup_budget.get(),
            digest_secret: parts.digest_secret.clone(),
            stages: loaded.into_values().flatten().collect(),
        })
    }

    /// Whose calls come with a certificate that names these, or else from this address.
    pub fn customer_of(&self, source: IpAddr, identities: Option<&[Box<str>]>) -> Option<&Customer> {
        let named = identities.unwrap_or_default().iter().find_map(|identity| self.identities.get(identity));
        self.customers.get(named.copied().or_else(|| self.sources.find(source))?)
    }

    /// Every loaded stage, for metrics.
    pub fn stages(&self) -> &[Arc<Stage>] {
        &self.stages
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (customers, stages) = (self.customers.len(), self.stages.len());
        f.debug_struct("Snapshot").field("customers", &customers).field("stages", &stages).finish_non_exhaustive()
    }
}

fn gateways(config: &Config, parts: &Parts, problems: &mut Vec<Problem>) -> Gateways {
    let mut gateways = Gateways::new(parts.locator.clone());
    for (name, gateway) in &config.gateways {
        match Gateway::of(name, gateway, &config.call) {
            Ok(gateway) => gateways.insert(gateway),
            Err(message) => problems.push(Problem { place: format!("gateways.{name}.uri"), message }),
        }
    }
    gateways
}

/// Every stage that the configuration names, loaded once; `None` where it could not be, which has been said.
async fn load_stages(
    config: &Config,
    folder: &Path,
    parts: &Parts,
    problems: &mut Vec<Problem>,
) -> BTreeMap<Choice, Option<Arc<Stage>>> {
    // All at once: a component that takes seconds to compile does not hold up the others.
    let loads = choices(config).into_iter().map(|(choice, place)| async move {
        let loaded = load_stage(config, folder, parts, &choice).await;
        (choice, place, loaded)
    });
    let mut stages = BTreeMap::new();
    for (choice, place, loaded) in join_all(loads).await {
        let stage = match loaded {
            Ok(stage) => Some(Arc::new(stage)),
            Err(error) => {
                problems.push(Problem { place, message: format!("`{}` {error}", choice.1) });
                None
            }
        };
        stages.insert(choice, stage);
    }
    stages
}

/// The stages that are to be loaded, each with the first place that names it.
fn choices(config: &Config) -> BTreeMap<Choice, String> {
    let mut choices = BTreeMap::new();
    for (name, plugin) in &config.plugins {
        choices.insert((name.clone(), reference(name, plugin)), format!("plugins.{name}.component"));
    }
    for (customer, its) in &config.customers {
        for (stage, reference) in its.plugins.iter().filter(|(stage, _)| config.plugins.contains_key(*stage)) {
            let place = format!("customers.{customer}.plugins.{stage}");
            choices.entry((stage.clone(), reference.clone())).or_insert(place);
        }
    }
    choices
}

async fn load_stage(config: &Config, folder: &Path, parts: &Parts, choice: &Choice) -> Result<Stage, LoadError> {
    let (name, reference) = choice;
    let plugin = config.plugins.get(name).ok_or_else(|| LoadError::Settings("has no settings".to_owned()))?;
    let settings = StageSettings::of(plugin)?;
    let (components, named, base) = (Arc::clone(&parts.components), reference.clone(), folder.to_owned());
    let component = tokio::task::spawn_blocking(move || components.load(&named, &base))
        .await
        .map_err(|error| LoadError::Settings(format!("was not compiled: {error}")))??;
    let lent =
        Lent { tables: parts.tables.clone(), services: parts.services.clone(), limits: Arc::clone(&parts.limits) };
    Stage::load(parts.components.engine(), name, &component, settings, lent).await
}

fn reference(name: &str, plugin: &model::Plugin) -> String {
    plugin.component.clone().unwrap_or_else(|| name.to_owned())
}

/// The stages of a customer: its pipeline's, with its own components in their places.
fn pipeline(
    config: &Config,
    name: &str,
    customer: &model::Customer,
    loaded: &BTreeMap<Choice, Option<Arc<Stage>>>,
    problems: &mut Vec<Problem>,
) -> Vec<Step> {
    let Some(stages) = config.pipelines.get(&customer.pipeline) else {
        let message = format!("there is no pipeline `{}`: add it to [pipelines]", customer.pipeline);
        problems.push(Problem { place: format!("customers.{name}.pipeline"), message });
        return Vec::new();
    };
    for stage in customer.plugins.keys().filter(|stage| !stages.contains(stage)) {
        let message = format!("`{stage}` is no stage of the pipeline `{}`", customer.pipeline);
        problems.push(Problem { place: format!("customers.{name}.plugins.{stage}"), message });
    }
    let mut steps = Vec::with_capacity(stages.len());
    for stage in stages {
        let Some(plugin) = config.plugins.get(stage) else {
            let place = format!("pipelines.{}", customer.pipeline);
            let message = format!("`{stage}` is no plugin: add [plugins.{stage}]");
            if !problems.iter().any(|known| known.place == place && known.message == message) {
                problems.push(Problem { place, message });
            }
            continue;
        };
        let reference = customer.plugins.get(stage).cloned().unwrap_or_else(|| reference(stage, plugin));
        if let Some(Some(loaded)) = loaded.get(&(stage.clone(), reference)) {
            steps.push(Step { stage: Arc::clone(loaded), on_failure: plugin.on_failure(stage) });
        }
    }
    steps
}

fn add_sources(
    sources: &mut Sources,
    name: &str,
    customer: &model::Customer,
    index: usize,
    before: &[Customer],
    problems: &mut Vec<Problem>,
) {
    for network in &customer.sources {
        if let Err(first) = sources.add(*network, index) {
            let owner = before.get(first).map_or("another customer", |customer| &*customer.name);
            let message = format!("{network} is {owner}'s already: a network belongs to one customer");
            problems.push(Problem { place: format!("customers.{name}.sources"), message });
        }
    }
}

fn resolve(
    name: &str,
    customer: &model::Customer,
    pipeline: Vec<Step>,
    index: usize,
    problems: &mut Vec<Problem>,
) -> Customer {
    if customer.attributes.len() > MAX_ATTRIBUTES {
        let message = format!("{} attributes; a call has at most {MAX_ATTRIBUTES}", customer.attributes.len());
        problems.push(Problem { place: format!("customers.{name}.attributes"), message });
    }
    let attributes = customer.attributes.iter();
    Customer {
        name: name.into(),
        pipeline,
        attributes: attributes.map(|(name, value)| Attribute { name: name.clone(), value: value.clone() }).collect(),
        digest: customer
            .digest
            .as_ref()
            .map(|digest| DigestRealm { realm: digest.realm.clone(), users: digest.users.clone() }),
        index,
    }
}
