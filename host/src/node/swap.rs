//! Versions of stages on a running node: put in, promoted, taken back. Each change makes another snapshot and hands it
//! to the workers; calls in progress end on the one that they began with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::control::Desk;
use super::crew::hand_out;
use super::plant::Layout;
use super::sample::{breaker, word};
use crate::admin::plugins::{Plugins, Refusal, SeatStatus, Swap};
use crate::config::model::{Plugin, RollBack, Share};
use crate::events::{self, Event};
use crate::plugin::Stage;
use crate::plugin::account::Usage;
use crate::plugin::trial::{Difference, Kind, Standing, Trial, TrialStatus};
use crate::plugin::versions::SeatName;
use crate::routing::{Maker, Seat, Snapshot, plugin_of, probation};

/// Of a canary that says none.
const SHARE: Share = Share::from_percent(5);
const PROMOTE_AFTER: u64 = 10_000;

/// How often a version came in, was promoted or was taken back: by place and word.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns(Arc<Mutex<BTreeMap<(String, &'static str), u64>>>);

impl Turns {
    fn count(&self, seat: &SeatName, event: &'static str) {
        *self.lock().entry((seat.to_string(), event)).or_default() += 1;
        events::publish(Event::PluginTurned { plugin: seat.to_string(), turn: event });
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<(String, &'static str, u64)> {
        self.lock().iter().map(|((seat, event), count)| (seat.clone(), *event, *count)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, &'static str), u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    /// Whether a trial has come to its end: cheap, for every turn of the clock.
    pub(super) fn has_ended_trials(&self) -> bool {
        let snapshot = self.snapshot();
        snapshot.seats().any(|seat| seat.trials().any(|trial| trial.standing() != Standing::Running))
    }

    /// Makes the ends of trials last: the workers act on them already, so it can wait while a reload goes on. Blocks.
    pub(super) fn settle_trials(&self) {
        let Ok(_one) = self.reloading.try_lock() else { return };
        for seat in self.snapshot().seats() {
            let Some(trial) = seat.trial.as_ref().filter(|trial| trial.standing() != Standing::Running) else {
                continue;
            };
            if let Err(error) = self.settle(seat, trial) {
                tracing::error!(plugin = %seat.name, "the end of its trial is not settled yet: {}", error.why);
            }
        }
    }

    fn settle(&self, seat: &Seat, trial: &Trial) -> Result<(), Refusal> {
        let status = trial.status();
        let (why, digest) = (status.why.clone().unwrap_or_default(), &*status.digest);
        let promoted = status.standing == Standing::Promoted;
        let stage = if promoted { Some(Arc::clone(&trial.stage)) } else { seat.stage.clone() };
        let settled = Seat { stage, trial: None, ..seat.clone() };
        self.put(settled)?;
        let versions = self.plant.versions();
        if promoted {
            versions.run(&seat.name, &seat.configured, &trial.stage.version);
            self.turns.count(&seat.name, "promoted");
            tracing::info!(plugin = %seat.name, digest, why, "version promoted");
        } else {
            let running = seat.stage.as_ref().map_or(&seat.configured, |stage| &stage.version);
            versions.run(&seat.name, &seat.configured, running);
            versions.take_back(&seat.name, &trial.stage.version);
            self.turns.count(&seat.name, "rolled-back");
            tracing::warn!(plugin = %seat.name, digest, why, "version rolled back: the one before has all calls again");
        }
        Ok(())
    }

    /// Compiles what the start did not wait for. Blocks for as long as that takes.
    pub(super) fn compile_rest(&self) {
        let snapshot = self.snapshot();
        let rest: Vec<SeatName> =
            snapshot.seats().filter(|seat| seat.stage.is_none()).map(|seat| seat.name.clone()).collect();
        for name in rest {
            let made = self.made(&name).and_then(|(maker, plugin)| {
                self.office
                    .block_on(maker.configured(&name, &plugin))
                    .map_err(|error| Refusal::unfit(error.to_string()))
            });
            let _one = self.lock();
            let snapshot = self.snapshot();
            // A swap or a reload may have been quicker.
            if snapshot.seat(&name).is_none_or(|seat| seat.stage.is_some()) {
                continue;
            }
            match made.and_then(|seat| self.put(seat)) {
                Ok(()) => {
                    self.write_down(&self.snapshot());
                    tracing::info!(plugin = %name, "its stage runs");
                }
                Err(error) => tracing::error!(plugin = %name, "its stage goes on failing as loading: {}", error.why),
            }
        }
    }

    /// What runs now is what a restart shall run.
    pub(super) fn write_down(&self, snapshot: &Snapshot) {
        let on_probation = |seat: &Seat| seat.trial.as_ref().is_some_and(|trial| trial.kind == Kind::Probation);
        let settled = snapshot.seats().filter(|seat| !on_probation(seat));
        let running = settled.filter_map(|seat| {
            let stage = seat.stage.as_ref()?;
            Some((seat.name.clone(), seat.configured.to_string(), stage.version.to_string()))
        });
        self.guard(snapshot);
        self.plant.versions().run_all(running.collect());
    }

    /// What is on trial is neither cleared away nor forgotten.
    fn guard(&self, snapshot: &Snapshot) {
        let used: BTreeSet<String> = snapshot
            .seats()
            .flat_map(|seat| seat.stages().map(|stage| stage.version.to_string()).collect::<Vec<_>>())
            .collect();
        self.plant.components().forget_all_but(&used);
        self.plant.versions().guard(used);
    }

    /// Hands the workers a snapshot with this place changed.
    fn put(&self, seat: Seat) -> Result<(), Refusal> {
        let before = self.layout.load_full();
        let snapshot = Arc::new(before.snapshot.with_seat(seat));
        let mail = self.mail.get().ok_or_else(|| Refusal::conflict("the node is still starting: try again"))?;
        hand_out(mail, &snapshot).map_err(Refusal::conflict)?;
        self.guard(&snapshot);
        self.layout.store(Arc::new(Layout { snapshot, ..Layout::clone(&before) }));
        Ok(())
    }

    /// Who makes stages for this place, and the plugin with the customer's overrides.
    fn made(&self, name: &SeatName) -> Result<(Maker, Plugin), Refusal> {
        let loaded = self.loaded.load_full();
        let config = &loaded.config;
        if !config.plugins.contains_key(&*name.plugin) {
            return Err(Refusal::unknown(format!("there is no [plugins.{}]", name.plugin)));
        }
        if let Some(customer) = name.customer.as_deref().filter(|customer| !config.customers.contains_key(*customer)) {
            return Err(Refusal::unknown(format!("there is no customer `{customer}`")));
        }
        let plugin = plugin_of(config, name)
            .ok_or_else(|| Refusal::unknown(format!("{} is no stage of that customer's pipeline", name.plugin)))?;
        Ok((self.plant.maker(&self.layout.load(), loaded.folder.clone()), plugin))
    }

    /// The place; for a customer that has had none of its own so far, one with the shared version.
    fn seat(&self, name: &SeatName, maker: &Maker, plugin: &Plugin) -> Result<Seat, Refusal> {
        let snapshot = self.snapshot();
        if let Some(seat) = snapshot.seat(name) {
            return Ok((**seat).clone());
        }
        let shared = snapshot.seat(&SeatName::new(&name.plugin, None));
        let shared = shared.ok_or_else(|| Refusal::unknown(format!("there is no stage {}", name.plugin)))?;
        let own = shared.stage.as_ref().map(|stage| self.office.block_on(maker.kept(&stage.version, name, plugin)));
        let own = own.transpose().map_err(|error| Refusal::unfit(format!("the shared version: {error}")))?;
        let stage = own.map(Arc::new);
        Ok(Seat { name: name.clone(), configured: Arc::clone(&shared.configured), stage, trial: None, shadow: None })
    }

    fn status_of(&self, name: &SeatName) -> Result<SeatStatus, Refusal> {
        let snapshot = self.snapshot();
        let seat = snapshot.seat(name).ok_or_else(|| Refusal::unknown(format!("{name} has no version of its own")))?;
        Ok(self.told(seat))
    }

    fn told(&self, seat: &Seat) -> SeatStatus {
        let short = |digest: &str| digest.get(..16).unwrap_or_default().to_owned();
        let before = self.plant.versions().of(&seat.name).map(|known| known.before).unwrap_or_default();
        SeatStatus {
            plugin: seat.name.plugin.to_string(),
            customer: seat.name.customer.as_ref().map(ToString::to_string),
            digest: seat.stage.as_ref().map(|stage| stage.digest.to_string()).unwrap_or_default(),
            configured: short(&seat.configured),
            breaker: seat.stage.as_ref().map_or("loading", |stage| word(breaker(stage.breaker_state()))).to_owned(),
            before: before.iter().map(|digest| short(digest)).collect(),
            trial: seat.trial.as_ref().map(|trial| trial.status()),
            shadow: seat.shadow.as_ref().map(|trial| trial.status()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.reloading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A trial of this kind, by the plugin's rules.
fn trial(kind: Kind, plugin: &Plugin, share: Option<Share>, candidate: Stage) -> Trial {
    let canary = plugin.canary.as_ref();
    match kind {
        Kind::Probation => probation(plugin, candidate),
        Kind::Canary => {
            let share = share.or(canary.map(|canary| canary.share)).unwrap_or(SHARE);
            let promote_after = canary.map_or(PROMOTE_AFTER, |canary| canary.promote_after);
            let rule = canary.map(|canary| canary.roll_back).unwrap_or_default();
            Trial::new(Arc::new(candidate), kind, share, promote_after, rule)
        }
        Kind::Shadow => {
            let share = share.or(plugin.shadow.as_ref().map(|shadow| shadow.share)).unwrap_or(Share::ALL);
            Trial::new(Arc::new(candidate), kind, share, u64::MAX, RollBack::default())
        }
    }
}

impl Plugins for Desk {
    fn seats(&self) -> Vec<SeatStatus> {
        self.snapshot().seats().map(|seat| self.told(seat)).collect()
    }

    fn swap(&self, swap: Swap) -> Result<SeatStatus, Refusal> {
        let Swap { seat: name, kind, share, bytes } = swap;
        let _one = self.lock();
        let (maker, plugin) = self.made(&name)?;
        let unfit = |error: crate::plugin::LoadError| Refusal::unfit(format!("the component {error}"));
        let candidate = self.office.block_on(maker.handed_over(&name, &plugin, bytes)).map_err(unfit)?;
        self.office.block_on(maker.rehearse(&plugin, &candidate)).map_err(unfit)?;
        let seat = self.seat(&name, &maker, &plugin)?;
        if seat.stage.as_ref().is_some_and(|stage| stage.version == candidate.version) {
            return Err(Refusal::conflict(format!("{name} runs this component already: {}", candidate.digest)));
        }
        let version = Arc::clone(&candidate.version);
        let at_once = kind == Kind::Probation && (plugin.probation.calls == 0 || seat.stage.is_none());
        let changed = match kind {
            _ if at_once => Seat { stage: Some(Arc::new(candidate)), trial: None, ..seat.clone() },
            Kind::Shadow => Seat { shadow: Some(Arc::new(trial(kind, &plugin, share, candidate))), ..seat.clone() },
            _ => Seat { trial: Some(Arc::new(trial(kind, &plugin, share, candidate))), ..seat.clone() },
        };
        self.put(changed)?;
        if at_once {
            self.plant.versions().run(&name, &seat.configured, &version);
        }
        let event = match kind {
            Kind::Probation => "swapped",
            Kind::Canary => "canary",
            Kind::Shadow => "shadow",
        };
        self.turns.count(&name, event);
        tracing::info!(plugin = %name, digest = version.get(..16), event, "version put in");
        self.status_of(&name)
    }

    fn promote(&self, name: &SeatName) -> Result<SeatStatus, Refusal> {
        let _one = self.lock();
        self.made(name)?;
        let snapshot = self.snapshot();
        let seat = snapshot.seat(name).ok_or_else(|| Refusal::conflict(format!("{name} has nothing on trial")))?;
        let Some(trial) = seat.trials().next() else {
            return Err(Refusal::conflict(format!("{name} has nothing on trial")));
        };
        trial.end(Standing::Promoted, "by hand".to_owned());
        let is_shadow = seat.trial.is_none();
        self.settle(&Seat { shadow: seat.shadow.clone().filter(|_| !is_shadow), ..(**seat).clone() }, trial)?;
        self.status_of(name)
    }

    fn roll_back(&self, name: &SeatName) -> Result<SeatStatus, Refusal> {
        let _one = self.lock();
        let (maker, plugin) = self.made(name)?;
        let snapshot = self.snapshot();
        let nothing = || Refusal::conflict(format!("there is no version of {name} to go back to"));
        let seat = snapshot.seat(name).ok_or_else(nothing)?;
        if let Some(trial) = &seat.trial {
            trial.end(Standing::RolledBack, "by hand".to_owned());
            self.settle(seat, trial)?;
            return self.status_of(name);
        }
        let known = self.plant.versions().of(name).ok_or_else(nothing)?;
        let before = known.before.last().ok_or_else(nothing)?;
        let stage = self.office.block_on(maker.kept(before, name, &plugin));
        let stage = stage.map_err(|error| Refusal::unfit(format!("the version before {error}")))?;
        self.put(Seat { stage: Some(Arc::new(stage)), ..(**seat).clone() })?;
        self.plant.versions().back(name);
        self.turns.count(name, "rolled-back");
        tracing::warn!(plugin = %name, digest = before.get(..16), "rolled back by hand");
        self.status_of(name)
    }

    fn end_shadow(&self, name: &SeatName) -> Result<SeatStatus, Refusal> {
        let _one = self.lock();
        let snapshot = self.snapshot();
        let seat = snapshot.seat(name).filter(|seat| seat.shadow.is_some());
        let seat = seat.ok_or_else(|| Refusal::conflict(format!("{name} has no shadow")))?;
        self.put(Seat { shadow: None, ..(**seat).clone() })?;
        self.status_of(name)
    }

    fn comparison(&self, name: &SeatName) -> Option<(TrialStatus, Vec<Difference>)> {
        let snapshot = self.snapshot();
        let seat = snapshot.seat(name)?;
        let trial = seat.shadow.as_ref().or(seat.trial.as_ref())?;
        Some((trial.status(), trial.differences()))
    }

    fn usage(&self, customer: &str) -> Option<Usage> {
        let snapshot = self.snapshot();
        snapshot.customers().find(|found| &*found.name == customer).map(|found| found.account.usage())
    }
}
