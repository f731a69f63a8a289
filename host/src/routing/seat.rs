//! What sits in a stage's place: the version that decides, and the versions beside it that are on trial.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::plugin::Stage;
use crate::plugin::trial::Trial;
use crate::plugin::versions::SeatName;

/// The place of one stage, for one customer or for all who have none of their own.
#[derive(Debug, Clone)]
pub struct Seat {
    /// Whose it is.
    pub name: SeatName,
    /// The digest of the component that the configuration names: not always the one that runs.
    pub configured: Arc<str>,
    /// What decides; `None` while it is being compiled.
    pub stage: Option<Arc<Stage>>,
    /// A canary, or a version on probation.
    pub trial: Option<Arc<Trial>>,
    /// A version that is compared only.
    pub shadow: Option<Arc<Trial>>,
}

/// All places of a snapshot.
pub type Seats = BTreeMap<SeatName, Arc<Seat>>;

impl Seat {
    /// Every stage that is loaded here.
    pub fn stages(&self) -> impl Iterator<Item = &Arc<Stage>> {
        let trials = [&self.trial, &self.shadow].into_iter().flatten().map(|trial| &trial.stage);
        self.stage.iter().chain(trials)
    }

    /// The trials that go on here.
    pub fn trials(&self) -> impl Iterator<Item = &Arc<Trial>> {
        [&self.trial, &self.shadow].into_iter().flatten()
    }
}
