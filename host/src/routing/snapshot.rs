//! Everything that one configuration says about routing, resolved and checked as a whole.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::call::{NewCall, unix_micros};
use super::customer::{Customer, Sources};
use super::digest::{DigestRealm, Roaming};
use super::entry;
use super::gateway::{Gateway, Gateways};
use super::judge::MAX_ATTRIBUTES;
use super::known::Known;
use super::maker::{Maker, plugin_of};
use super::owners::Owner;
use super::pipeline::Step;
use super::seat::{Seat, Seats};
use crate::config::model::{self, Config, Overload};
use crate::locate::Locator;
use crate::lookup::{Problem, Services, Tables};
use crate::plugin::account::{Account, Accounts};
use crate::plugin::contract::Attribute;
use crate::plugin::shadow::Shadows;
use crate::plugin::versions::{SeatName, Versions};
use crate::plugin::{Components, Limits, PluginCounters};
use crate::sip::digest::Nonces;
use crate::sip::door::Dismissal;
use crate::sip::message::Message;

/// What a snapshot is made with and does not own. `components`, `limits` and `nonces` outlive reloads: counts go on,
/// challenges stay good, unchanged components are not compiled again.
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
    /// Challenges of callers.
    pub nonces: Arc<Nonces>,
    /// What was swapped in since the configuration was written.
    pub versions: Arc<Versions>,
    /// What customers take of the node.
    pub accounts: Arc<Accounts>,
    /// What the plugins count of their own.
    pub counters: Arc<PluginCounters>,
    /// Bounds how many components are compiled at once.
    pub compiling: Arc<Semaphore>,
    /// Runs versions that are compared only; none in a dry run.
    pub shadows: Option<Shadows>,
}

impl Parts {
    /// Whether no calls will go by what is made with them.
    pub(super) fn is_dry_run(&self) -> bool {
        self.shadows.is_none()
    }
}

/// The routing part of a configuration. Never changes; a reload or a swap makes another.
#[derive(Clone)]
pub struct Snapshot {
    pub(super) customers: Vec<Customer>,
    sources: Arc<Sources>,
    /// Customers who call from anywhere.
    roaming: Option<Roaming>,
    /// All gateways.
    pub gateways: Arc<Gateways>,
    /// All stages together.
    pub setup_budget: Duration,
    /// When a worker refuses new calls.
    pub overload: Overload,
    pub(super) nonces: Arc<Nonces>,
    seats: Seats,
    /// Where decided calls go for a second opinion; none in a dry run.
    pub(super) shadows: Option<Shadows>,
}

impl Snapshot {
    /// Builds it, or says everything that is wrong. Compiles components (on blocking threads) and asks for the
    /// gateways' addresses: seconds, within a tokio runtime, not for a thread that carries calls.
    ///
    /// With the snapshot `before`, a component whose file has changed comes on probation, and trials go on.
    pub async fn build(
        config: &Config,
        folder: &Path,
        parts: &Parts,
        before: Option<&Self>,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let gateways = gateways(config, parts, &mut problems);
        let seats = Maker::new(parts.clone(), folder.to_owned()).seats(config, before, &mut problems).await;
        let mut customers = Vec::with_capacity(config.customers.len());
        let mut sources = Sources::default();
        let mut roaming = None;
        for (name, customer) in &config.customers {
            let index = customers.len();
            let prefix = customer.tech_prefix.as_deref().unwrap_or_default();
            for identity in &customer.tls_identities {
                if sources.add_identity(identity, prefix, index).is_err() {
                    let message = format!("`{identity}` is another customer's already");
                    problems.push(Problem { place: format!("customers.{name}.tls-identities"), message });
                }
            }
            if let Some(digest) = customer.digest.as_ref().filter(|digest| digest.from_anywhere)
                && let Err(message) = Roaming::add(&mut roaming, digest, index)
            {
                problems.push(Problem { place: format!("customers.{name}.digest"), message });
            }
            add_sources(&mut sources, name, customer, index, &customers, &mut problems);
            let pipeline = pipeline(config, name, customer, &seats, &mut problems);
            let account = parts.accounts.of(name);
            account.limit(&customer.limits);
            customers.push(resolve(name, customer, pipeline, index, account, &mut problems));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        gateways.resolve().await;
        Ok(Self {
            customers,
            sources: Arc::new(sources),
            roaming,
            gateways: Arc::new(gateways),
            setup_budget: config.call.setup_budget.get(),
            overload: config.overload,
            nonces: Arc::clone(&parts.nonces),
            seats,
            shadows: parts.shadows.clone(),
        })
    }

    /// Whose call it is: by a name in the caller's certificate, or else by the address. Where several customers share
    /// that, the tech prefix tells them apart.
    pub(super) fn customer_of(
        &self,
        source: IpAddr,
        identities: Option<&[Box<str>]>,
        dialled: &str,
    ) -> Option<(&Customer, usize)> {
        let Owner { customer, prefix } = self.sources.owners(source, identities)?.of(dialled)?;
        Some((self.customers.get(customer)?, prefix))
    }

    /// Whose call it is by its credentials, where neither address nor certificate says so.
    pub(super) fn customer_by_login(&self, call: &NewCall) -> Result<(&Customer, String), Dismissal> {
        let roaming = self.roaming.as_ref().ok_or(Dismissal::with(403))?;
        let (customer, user) = roaming.verify(&self.nonces, call)?;
        self.customers.get(customer).map(|customer| (customer, user)).ok_or(Dismissal::with(403))
    }

    /// The answer to an INVITE of nobody's; `None` where it is a customer's, or shows credentials that must be looked at.
    pub fn turns_away(&self, source: IpAddr, identities: Option<&[Box<str>]>, invite: &Message) -> Option<Dismissal> {
        if self.customer_of(source, identities, &entry::dialled(invite)).is_some() {
            return None;
        }
        match &self.roaming {
            None => Some(Dismissal::with(403)),
            Some(roaming) if roaming.is_asked(invite) => None,
            Some(roaming) => Some(roaming.ask(&self.nonces, unix_micros())),
        }
    }

    /// Who is no stranger.
    pub fn known(&self) -> Known {
        let rates = self.customers.iter().map(|customer| customer.messages_per_second).collect();
        Known::new(Arc::clone(&self.sources), &self.gateways, rates)
    }

    /// Every stage's place.
    pub fn seats(&self) -> impl Iterator<Item = &Arc<Seat>> {
        self.seats.values()
    }

    /// One place.
    pub fn seat(&self, name: &SeatName) -> Option<&Arc<Seat>> {
        self.seats.get(name)
    }

    /// The customers' names.
    pub fn customers(&self) -> impl Iterator<Item = &Customer> {
        self.customers.iter()
    }

    /// The realm of a customer's credentials for this node.
    pub fn realm_of(&self, customer: &str) -> Option<Arc<str>> {
        let customer = self.customers.iter().find(|known| &*known.name == customer)?;
        customer.digest.as_ref().map(|digest| Arc::clone(&digest.realm))
    }

    /// The same with another in this place. A customer's own takes the place of the one that all share.
    #[must_use]
    pub fn with_seat(&self, seat: Seat) -> Self {
        let seat = Arc::new(seat);
        let mut changed = self.clone();
        for customer in &mut changed.customers {
            let own = seat.name.customer.as_ref() == Some(&customer.name);
            for step in &mut customer.pipeline {
                let same = step.seat.name == seat.name;
                if same || (own && step.seat.name.plugin == seat.name.plugin) {
                    step.seat = Arc::clone(&seat);
                }
            }
        }
        changed.seats.insert(seat.name.clone(), seat);
        changed
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (customers, seats) = (self.customers.len(), self.seats.len());
        f.debug_struct("Snapshot").field("customers", &customers).field("seats", &seats).finish_non_exhaustive()
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

/// The stages of a customer: its pipeline's, with its own components in their places.
fn pipeline(
    config: &Config,
    name: &str,
    customer: &model::Customer,
    seats: &Seats,
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
        let own = SeatName::new(stage, Some(name));
        let seat = seats.get(&own).or_else(|| seats.get(&SeatName::new(stage, None)));
        if let Some(seat) = seat {
            let on_failure = plugin_of(config, &own).unwrap_or_else(|| plugin.clone()).on_failure(stage);
            steps.push(Step { seat: Arc::clone(seat), on_failure });
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
    let prefix = customer.tech_prefix.as_deref().unwrap_or_default();
    for network in &customer.sources {
        if let Err(first) = sources.add(*network, prefix, index) {
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
    account: Arc<Account>,
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
        digest: customer.digest.as_ref().map(DigestRealm::of),
        tech_prefix: customer.tech_prefix.as_deref().unwrap_or_default().into(),
        trust: customer.trust_identity.clone(),
        messages_per_second: customer.limits.messages_per_second,
        index,
        account,
    }
}
