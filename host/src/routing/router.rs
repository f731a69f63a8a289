//! A worker's way through a snapshot: its own warm instances, no lock.

use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::call::NewCall;
use super::digest::DigestRealm;
use super::entry::{Entry, dialled};
use super::facts::{Packed, Routed, RoutingFacts};
use super::failures::Failures;
use super::owners::is_before_number;
use super::pipeline::{Lane, Passage};
use super::snapshot::Snapshot;
use super::view::{Parties, Reading};
use crate::cdr::record::Sides;
use crate::plugin::{Cancel, Runners, Stage, contract};
use crate::sip::decision::Decision;
use crate::sip::door::Dismissal;
use crate::sip::edit::without_claims;

/// Routes the calls of one worker. Stays on its thread.
#[derive(Debug, Clone)]
pub struct Router(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    snapshot: Arc<Snapshot>,
    /// By the customer's place in the snapshot.
    lanes: Vec<Vec<Lane>>,
    runners: Runners,
    failures: Rc<Failures>,
    nobody: Arc<str>,
}

impl Router {
    /// With cold stages; see [`Router::warm_up`].
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        Self::with(snapshot, &Runners::default(), Rc::default())
    }

    /// With the warm instances of the stages that are the same as before.
    #[must_use]
    pub fn after(&self, snapshot: Arc<Snapshot>) -> Self {
        Self::with(snapshot, &self.0.runners, Rc::clone(&self.0.failures))
    }

    fn with(snapshot: Arc<Snapshot>, before: &Runners, failures: Rc<Failures>) -> Self {
        let mut runners = Runners::default();
        let mut runner_of = |stage: &Arc<Stage>| runners.taken_over(stage, before);
        let lanes = snapshot.customers.iter().map(|customer| {
            let steps = customer.pipeline.iter().map(|step| Lane {
                seat: Arc::clone(&step.seat),
                runner: step.seat.stage.as_ref().map(&mut runner_of),
                candidate: step.seat.trial.as_ref().map(|trial| runner_of(&trial.stage)),
                on_failure: step.on_failure,
            });
            steps.collect()
        });
        let lanes = lanes.collect();
        Self(Rc::new(Inner { snapshot, lanes, runners, failures, nobody: "".into() }))
    }

    /// What it routes by.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.0.snapshot
    }

    /// Starts one instance of every stage, so that no call has to. A stage that fails to start now is left cold: its
    /// calls will try again, within their deadline.
    pub async fn warm_up(&self) {
        for runner in self.0.runners.iter() {
            if let Err(failure) = runner.warm_up().await {
                let detail = failure.detail.unwrap_or_default();
                tracing::warn!(plugin = &*runner.stage().name, reason = ?failure.reason, detail, "stage not warmed up");
            }
        }
    }

    /// Lets the log catch up with the stages that have failed too often for a line each. To be called about once a second.
    pub fn log_failures(&self, now: Instant) {
        self.0.failures.say_rest(now);
    }

    /// Decides about a call. Where every lookup is answered from memory, the future is ready at its first poll.
    /// Within a tokio runtime with time. Dropping it stops the stage that runs; [`Cancel`] does so with a record.
    pub fn route(&self, call: NewCall, cancel: Cancel) -> impl Future<Output = Routed> + use<> {
        let inner = Rc::clone(&self.0);
        async move {
            let snapshot = &inner.snapshot;
            let dialled = dialled(&call.message);
            let found = snapshot.customer_of(call.source.ip(), call.identities.as_deref(), &dialled);
            let (customer, prefix, digest) = match found {
                Some((customer, prefix)) => {
                    let verify = |realm: &DigestRealm| realm.verify(&snapshot.nonces, &call);
                    (customer, prefix, customer.digest.as_ref().map_or(contract::Digest::Absent, verify))
                }
                None => match snapshot.customer_by_login(&call) {
                    Ok((customer, user)) => {
                        // From elsewhere it may dial as from home.
                        let prefix =
                            if is_before_number(&customer.tech_prefix, &dialled) { &*customer.tech_prefix } else { "" };
                        (customer, prefix.len(), contract::Digest::Verified(user))
                    }
                    Err(dismissal) => return inner.refuse_stranger(&call, dismissal),
                },
            };
            inner.runners.give_way();
            let lanes = inner.lanes.get(customer.index).map_or(&[][..], Vec::as_slice);
            let entry = Entry::of(customer, call, prefix);
            let mut passage = Passage::new((&inner.snapshot, &inner.failures), customer, entry, digest, cancel);
            let decided = pin!(passage.run(lanes)).await;
            passage.end(decided)
        }
    }
}

impl Inner {
    /// What is no customer's runs no stage.
    fn refuse_stranger(&self, call: &NewCall, dismissal: Dismissal) -> Routed {
        let bare = without_claims(&call.message);
        let Parties { caller, callee } = Reading::of(bare.as_ref().unwrap_or(&call.message)).parties;
        let side = |received: String| Sides { received, sent: String::new() };
        Routed {
            decision: Decision::Dismiss(dismissal),
            facts: RoutingFacts {
                customer: Arc::clone(&self.nobody),
                stages: Vec::new(),
                attributes: Vec::new(),
                targets: Vec::new(),
                caller: side(caller),
                callee: side(callee),
                permits: Vec::new(),
                visits: None,
                packed: Packed::default(),
            },
        }
    }
}
