//! The versions beside the one that decides: a canary that had the call, and what a shadow would have answered.

use std::sync::Arc;

use serde::Serialize;

use crate::cdr::record::StageRecord;
use crate::config::model::{RollBack, Share};
use crate::plugin::recorded::Answered;
use crate::plugin::shadow;
use crate::plugin::trial::{Kind, Trial};
use crate::routing::{RoutingFacts, Seat, Snapshot, Trace};

/// What is told of one stage that ran.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Beside {
    /// How this version is tried; `None` where it is the one in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial: Option<Kind>,
    /// The version that is compared with it, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Shadow>,
}

/// A version that was compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shadow {
    /// Of its component, 16 digits.
    pub digest: Arc<str>,
    /// Wall clock.
    pub micros: u64,
    /// Instructions.
    pub fuel: u64,
    /// What it would have answered; `None` where it asked what had no answer at hand, so that it cannot be compared.
    pub answered: Option<Answered>,
    /// What the stage answered.
    #[serde(skip)]
    pub live: Answered,
}

/// Of each stage of the record, in order. Shadows are run now, on what the stage heard, whatever share of the calls they
/// have.
pub(super) async fn of(snapshot: &Snapshot, facts: &RoutingFacts, trace: &Trace) -> Vec<Beside> {
    let mut all = Vec::with_capacity(facts.stages.len());
    for (place, record) in facts.stages.iter().enumerate() {
        let mut beside = Beside::default();
        if let Some(seat) = seat(snapshot, &facts.customer, record) {
            beside.trial =
                seat.trial.as_ref().filter(|trial| trial.stage.digest == record.digest).map(|trial| trial.kind);
            if let (None, Some(shadow)) = (beside.trial, &seat.shadow) {
                beside.shadow = compare(trace, place, shadow).await;
            }
        }
        all.push(beside);
    }
    all
}

fn seat<'a>(snapshot: &'a Snapshot, customer: &str, record: &StageRecord) -> Option<&'a Seat> {
    let customer = snapshot.customers().find(|known| &*known.name == customer)?;
    customer.pipeline.iter().map(|step| &*step.seat).find(|seat| seat.name.plugin == record.stage)
}

/// `None` where the stage itself was not run.
async fn compare(trace: &Trace, place: usize, shadow: &Trial) -> Option<Shadow> {
    // Counts of its own: one call.
    let stage = Arc::clone(&shadow.stage);
    let trial = Arc::new(Trial::new(stage, Kind::Shadow, Share::ALL, u64::MAX, RollBack::default()));
    let job = trace.job(place, &trial)?;
    let live = job.live.clone();
    shadow::try_out(job).await;
    let status = trial.status();
    let differs = trial.differences().pop().map(|difference| difference.other);
    let answered = differs.or_else(|| (status.same > 0).then(|| live.clone()));
    let digest = Arc::clone(&shadow.stage.digest);
    Some(Shadow { digest, micros: status.own.micros, fuel: status.own.fuel, answered, live })
}
