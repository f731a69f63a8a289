//! A call's way through the stages of its customer.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::call::NewCall;
use super::customer::Customer;
use super::digest::DigestRealm;
use super::entry::Entry;
use super::facts::{Packed, Routed, RoutingFacts, TargetFacts};
use super::failures::{Failures, Noted};
use super::judge::{self, Bench, Judged, Ruling};
use super::seat::Seat;
use super::snapshot::Snapshot;
use super::view::{self, Parties, Reading};
use crate::cdr::record::{Sides, StageOutcome, StageRecord};
use crate::config::model::OnFailure;
use crate::plugin::recorded::{Answered, Asking, Recording};
use crate::plugin::shadow::Job;
use crate::plugin::trial::{Ran, Trial};
use crate::plugin::{Cancel, Failure, Headers, Permit, Run, Runner, Stage, Visit, contract};
use crate::sip::decision::Decision;
use crate::sip::message::Message;

/// One stage of a pipeline.
#[derive(Debug, Clone)]
pub struct Step {
    /// The customer's own, or the one that all share.
    pub seat: Arc<Seat>,
    /// What its failure does to the call.
    pub on_failure: OnFailure,
}

/// A step on one worker.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) seat: Arc<Seat>,
    /// `None` while the component is being compiled.
    pub(super) runner: Option<Rc<Runner>>,
    /// The version on trial.
    pub(super) candidate: Option<Rc<Runner>>,
    pub(super) on_failure: OnFailure,
}

/// Another version of a stage, to be asked for its opinion once the call is decided.
struct Compared<'a> {
    trial: &'a Arc<Trial>,
    other: &'a Arc<Stage>,
}

/// What the stages decided, and what the record wants of each target.
pub(super) struct Decided(Decision, Vec<TargetFacts>);

/// What came of one version of a stage.
struct Flown {
    result: Result<Judged, StageOutcome>,
    /// `None` where it was not run.
    ran: Option<Ran>,
}

/// A call on its way.
pub(super) struct Passage<'a> {
    snapshot: &'a Snapshot,
    failures: &'a Failures,
    customer: &'a Customer,
    call: NewCall,
    cancel: Cancel,
    /// With the edits so far.
    message: Arc<Message>,
    /// What it says.
    reading: Reading,
    view: contract::Call,
    call_id: Arc<str>,
    received: Parties,
    believed: bool,
    stages: Vec<StageRecord>,
    /// Stages run, their fuel and microseconds: for the bill.
    spent: (u64, u64, u64),
    permits: Vec<Permit>,
    began: Instant,
    /// The end of the last stage is the start of the next: one look at the clock for both.
    now: Instant,
}

impl<'a> Passage<'a> {
    pub(super) fn new(
        (snapshot, failures): (&'a Snapshot, &'a Failures),
        customer: &'a Customer,
        Entry { call, received, reading, believed }: Entry,
        digest: contract::Digest,
        cancel: Cancel,
    ) -> Self {
        let message = Arc::clone(&call.message);
        let id = view::text(message.call_id());
        let mut view = contract::Call {
            id: id.clone(),
            customer: customer.name.to_string(),
            source: view::address(call.source.ip()),
            source_port: call.source.port(),
            transport: view::transport(call.transport),
            caller: String::new(),
            callee: String::new(),
            request_uri: String::new(),
            from_uri: String::new(),
            to_uri: String::new(),
            attributes: customer.attributes.clone(),
            digest,
        };
        reading.tell(&mut view, &message);
        let began = Instant::now();
        Self {
            snapshot,
            failures,
            customer,
            received,
            reading,
            believed,
            message,
            view,
            call_id: id.into(),
            cancel,
            call,
            stages: Vec::with_capacity(customer.pipeline.len()),
            spent: (0, 0, 0),
            permits: Vec::new(),
            began,
            now: began,
        }
    }

    /// Runs the stages in order until one decides.
    ///
    /// Here and below it a future is pinned where it is made: one that is awaited as a value is copied there first, whole,
    /// and those of the stages are kilobytes large.
    pub(super) async fn run(&mut self, lanes: &[Lane]) -> Decided {
        for (place, lane) in lanes.iter().enumerate() {
            if self.cancel.is_set() {
                self.skip_all(&lanes[place..]);
                return self.answer(487, String::new(), Vec::new());
            }
            let passed = pin!(self.pass(lane)).await;
            let ruling = match passed {
                Ok(judged) => self.apply(judged),
                Err(StageOutcome::Cancelled) => continue,
                Err(_) => match lane.on_failure {
                    OnFailure::Skip => Ruling::Proceed,
                    OnFailure::Reject(code) => Ruling::Answer { code, reason: String::new(), headers: Vec::new() },
                },
            };
            match ruling {
                Ruling::Proceed => {}
                Ruling::Answer { code, reason, headers } => return self.answer(code, reason, headers),
                Ruling::Challenge => {
                    let stale = matches!(self.view.digest, contract::Digest::Stale);
                    let realm = self.customer.digest.as_ref();
                    let challenge =
                        |realm: &DigestRealm| realm.challenge(&self.snapshot.nonces, self.call.received, stale);
                    let headers = realm.map(challenge).unwrap_or_default();
                    return self.answer(407, String::new(), headers);
                }
                Ruling::Hunt { targets, facts } => {
                    let message = Arc::clone(&self.message);
                    let realm = self.customer.digest.as_ref().map(|digest| Arc::clone(&digest.realm));
                    let customer = Arc::clone(&self.customer.name);
                    let decision = Decision::Hunt { message, targets, customer, believed: self.believed, realm };
                    return Decided(decision, facts);
                }
            }
        }
        // Cancelled in the last stage, or nobody knew where it should go.
        let code = if self.cancel.is_set() { 487 } else { 404 };
        self.answer(code, String::new(), Vec::new())
    }

    /// One stage: its outcome whole, or the reason why there is none. A version on trial that fails costs the call
    /// nothing but time: the version before decides. The record has both.
    async fn pass(&mut self, lane: &Lane) -> Result<Judged, StageOutcome> {
        let Some(runner) = &lane.runner else {
            if let Some(trace) = &self.call.trace {
                trace.enter(&self.view);
            }
            let detail = Some("its component is still being compiled".to_owned());
            self.record(&lane.seat.name.plugin, "", StageOutcome::Loading, 0, 0, detail);
            return Err(StageOutcome::Loading);
        };
        let trial = lane.seat.trial.as_deref();
        if let (Some(trial), Some(candidate)) = (trial.filter(|trial| trial.takes(&self.call_id)), &lane.candidate) {
            let compared = lane.seat.trial.as_ref().filter(|trial| trial.compares(&self.call_id));
            let compared = compared.map(|trial| Compared { trial, other: runner.stage() });
            let flown = pin!(self.fly(lane, candidate, compared)).await;
            if let Some(ran) = flown.ran {
                trial.count_own(ran);
            }
            match flown.result {
                Err(StageOutcome::Breaker | StageOutcome::Saturated) => {}
                Err(_) if flown.ran.is_some_and(|ran| ran.failed) => {}
                result => return result,
            }
        }
        let shadow = lane.seat.shadow.as_ref().filter(|shadow| shadow.compares(&self.call_id));
        let compared = shadow.map(|trial| Compared { trial, other: &trial.stage });
        let flown = pin!(self.fly(lane, runner, compared)).await;
        if let (Some(trial), Some(ran)) = (trial, flown.ran) {
            trial.count_other(ran);
        }
        flown.result
    }

    /// One version of a stage, within the limits of the stage, the call and the customer.
    async fn fly(&mut self, lane: &Lane, runner: &Runner, compared: Option<Compared<'_>>) -> Flown {
        let trace = self.call.trace.clone();
        if let Some(trace) = &trace {
            trace.enter(&self.view);
        }
        let stage = Arc::clone(runner.stage());
        let Some((deadline, cut, wait_until)) = self.allowance(lane, &stage) else {
            let budget = self.snapshot.setup_budget;
            let detail = format!("the call's set-up budget of {} ms was used up", budget.as_millis());
            return self.not_flown(&stage, StageOutcome::Budget, detail);
        };
        let started = self.now;
        let customer = self.customer;
        let _busy = match customer.account.enter(started) {
            Ok(busy) => busy,
            Err(exhausted) => return self.not_flown(&stage, StageOutcome::Share, exhausted.to_string()),
        };
        let now = self.call.received + (started - self.began).as_micros() as u64;
        // A dry run asks nobody for a second opinion.
        let is_dry = trace.as_ref().is_some_and(|trace| trace.is_whole());
        let compared = compared.filter(|_| !is_dry && self.snapshot.shadows.is_some());
        let recording = (is_dry || compared.is_some()).then(Arc::<Recording>::default);
        if let (Some(trace), Some(recording)) = (&trace, &recording) {
            trace.record(&self.view, Arc::clone(&self.message) as Arc<dyn Headers>, now, recording);
        }
        let second = compared.zip(recording.clone());
        let second = second.map(|(compared, recording)| (compared, recording, self.view.clone()));
        let visit = Visit {
            headers: Arc::clone(&self.message) as Arc<dyn Headers>,
            customer: Arc::clone(&customer.name),
            call_id: Arc::clone(&self.call_id),
            now,
            started,
            deadline,
            cut,
            wait_until,
            cancel: &self.cancel,
            asking: recording.map(Asking::Write),
            trace: trace.clone(),
        };
        let bench = Bench {
            gateways: &self.snapshot.gateways,
            customer,
            message: &self.message,
            parties: &self.reading.parties,
            attributes: &self.view.attributes,
        };
        let mut live = None;
        let run = runner.run(&self.view, visit, |outcome| {
            if let Some(trace) = &trace {
                trace.returned(&outcome);
            }
            if second.is_some() {
                live = Some(Answered::Outcome((&outcome).into()));
            }
            bench.judge(outcome).map(|(judged, name)| ((judged, name), name))
        });
        let Run { result, permits, remarks, fuel, start_fuel, ended, failed } = pin!(run).await;
        self.now = ended;
        let micros = (ended - started).as_micros() as u64;
        customer.account.spend(fuel, ended);
        if let (Some(trace), Err(failure)) = (&trace, &result) {
            trace.failed(failure);
        }
        if let Some((compared, recording, call)) = second {
            let live = match &result {
                Ok(_) => live,
                Err(failure) => Some(Answered::Error { error: failure.to_string() }),
            };
            let headers = Arc::clone(&self.message) as Arc<dyn Headers>;
            let Compared { trial, other } = compared;
            let (trial, other) = (Arc::clone(trial), Arc::clone(other));
            if let (Some(live), Some(shadows)) = (live, &self.snapshot.shadows) {
                shadows.offer(Job { trial, stage: other, call, headers, now, recording, live, queued: ended });
            }
        }
        // Which version's call needed another instance is chance: their starts are not compared.
        let ran = Some(Ran { failed, micros, fuel: fuel - start_fuel });
        let result = match result {
            Ok((judged, name)) => {
                self.permits.extend(permits);
                let detail = with_remarks(judged.left_out.clone(), remarks);
                self.record(&stage.name, Arc::clone(&stage.digest), name, micros, fuel, detail);
                Ok(judged)
            }
            Err(Failure { reason, detail }) => {
                let detail = with_remarks(detail, remarks);
                self.record(&stage.name, Arc::clone(&stage.digest), reason, micros, fuel, detail);
                Err(reason)
            }
        };
        // A stage that was not run says nothing about its version.
        let counts = !matches!(result, Err(StageOutcome::Breaker | StageOutcome::Saturated | StageOutcome::Cancelled));
        Flown { result, ran: ran.filter(|_| counts) }
    }

    fn not_flown(&mut self, stage: &Stage, reason: StageOutcome, detail: String) -> Flown {
        self.record(&stage.name, Arc::clone(&stage.digest), reason, 0, 0, Some(detail));
        Flown { result: Err(reason), ran: None }
    }

    /// When the stage is cut, what that is called, and until when its lookups may wait; `None` where the call's budget
    /// leaves it no time.
    ///
    /// A stage whose failure refuses the call is not skipped for want of budget: it runs, and waits for nothing. Its
    /// lookups answer from memory or not at all, so that the call is not delayed and a slow stage before it does not
    /// turn every call away.
    fn allowance(&self, lane: &Lane, stage: &Stage) -> Option<(Instant, StageOutcome, Instant)> {
        let budget_end = self.began + self.snapshot.setup_budget;
        let own_end = self.now + stage.settings.deadline;
        if lane.on_failure != OnFailure::Skip {
            let wait_until = (self.now + waitable(own_end - self.now)).min(budget_end);
            return Some((own_end, StageOutcome::Deadline, wait_until));
        }
        if self.now >= budget_end {
            return None;
        }
        let (end, cut) =
            if budget_end < own_end { (budget_end, StageOutcome::Budget) } else { (own_end, StageOutcome::Deadline) };
        Some((end, cut, self.now + waitable(end - self.now)))
    }

    fn apply(&mut self, judged: Judged) -> Ruling {
        if let Some(message) = judged.message {
            self.message = message;
        }
        if let Some(reading) = judged.reading {
            reading.tell(&mut self.view, &self.message);
            self.reading = reading;
        }
        judge::merge(&mut self.view.attributes, judged.attributes);
        judged.ruling
    }

    fn record(
        &mut self,
        stage: &Arc<str>,
        digest: impl Into<Arc<str>>,
        outcome: StageOutcome,
        micros: u64,
        fuel: u64,
        detail: Option<String>,
    ) {
        let digest = digest.into();
        if !outcome.is_verdict() || detail.is_some() {
            let (digest, detail) = (&*digest, detail.as_deref());
            let (customer, call_id) = (&*self.customer.name, &*self.call_id);
            self.failures.note(self.now, &Noted { plugin: stage, digest, outcome, detail, customer, call_id });
        }
        if micros > 0 || fuel > 0 {
            self.spent = (self.spent.0 + 1, self.spent.1 + fuel, self.spent.2 + micros);
        }
        self.stages.push(StageRecord { stage: Arc::clone(stage), digest, outcome, micros, fuel, detail });
    }

    fn skip_all(&mut self, lanes: &[Lane]) {
        for lane in lanes {
            let digest = lane.seat.stage.as_ref().map_or_else(|| "".into(), |stage| Arc::clone(&stage.digest));
            self.record(&lane.seat.name.plugin, digest, StageOutcome::Cancelled, 0, 0, None);
        }
    }

    fn answer(&mut self, code: u16, reason: String, headers: Vec<(String, String)>) -> Decided {
        // A refused call holds nothing.
        self.permits.clear();
        Decided(Decision::Respond { code, reason, headers }, Vec::new())
    }

    /// The decision, with what is to be recorded.
    pub(super) fn end(self, Decided(decision, targets): Decided) -> Routed {
        let (stages, fuel, micros) = self.spent;
        self.customer.account.count(stages, fuel, micros);
        let (received, sent) = (self.received, self.reading.parties);
        let facts = RoutingFacts {
            customer: Arc::clone(&self.customer.name),
            stages: self.stages,
            attributes: self.view.attributes.into_iter().map(|held| (held.name, held.value)).collect(),
            targets,
            caller: Sides { received: received.caller, sent: sent.caller },
            callee: Sides { received: received.callee, sent: sent.callee },
            permits: self.permits,
            visits: None,
            packed: Packed::default(),
        };
        Routed { decision, facts }
    }
}

/// What there is to tell of a stage, with what there is of its look-ups.
fn with_remarks(detail: Option<String>, remarks: String) -> Option<String> {
    match detail {
        _ if remarks.is_empty() => detail,
        None => Some(remarks),
        Some(detail) => Some(format!("{detail}; {remarks}")),
    }
}

/// How long of a stage's time its imports may wait. The rest is for the guest to act on a wait that was in vain: a
/// tenth, 1 to 3 ms (the timer's grain is 1 ms), and never more than half.
fn waitable(time: Duration) -> Duration {
    let reserve = (time / 10).clamp(Duration::from_millis(1), Duration::from_millis(3)).min(time / 2);
    time.saturating_sub(reserve)
}
