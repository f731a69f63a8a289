//! One stage on one worker: admits a call, runs it on a warm instance within its limits, and says what came of it.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::breaker::Admission;
use super::cancel::Cancel;
use super::contract::{Call, Outcome};
use super::failure::Failure;
use super::instance::Instance;
use super::limits::Permit;
use super::recorded::Asking;
use super::stage::Stage;
use super::state::{Headers, OnCall};
use super::trace::Trace;
use super::within::{Cut, within};
use crate::cdr::record::StageOutcome;
use crate::config::model::Isolation;
use crate::events::{self, Event};

/// Idle instances kept on one worker: beyond a burst's share they only hold memory.
const MAX_IDLE: usize = 32;

/// A stage on one worker. Not shared between threads: nothing here is locked.
pub struct Runner {
    stage: Arc<Stage>,
    idle: RefCell<Vec<Instance>>,
    busy: Cell<usize>,
}

/// What a stage is told of the call beside the call itself.
pub struct Visit<'a> {
    /// The request as the stage finds it.
    pub headers: Arc<dyn Headers>,
    /// By its name in the configuration.
    pub customer: Arc<str>,
    /// For the log.
    pub call_id: Arc<str>,
    /// Microseconds since 1970, for `clock.now`.
    pub now: u64,
    /// When the stage was entered.
    pub started: Instant,
    /// When it is cut …
    pub deadline: Instant,
    /// … and what that is called: `Deadline`, or `Budget` where the call's budget ends before the stage's own time.
    pub cut: StageOutcome,
    /// Until when its imports may wait; before `deadline`, so that the guest hears that its wait was in vain.
    pub wait_until: Instant,
    /// Cuts it earlier.
    pub cancel: &'a Cancel,
    /// Whether what it asks is written down, or told as it was to another; `None` for most calls.
    pub asking: Option<Asking>,
    /// Who wants to hear what it asks.
    pub trace: Option<Arc<Trace>>,
}

/// What came of one call of a stage.
#[derive(Debug)]
pub struct Run<T> {
    /// What the judge made of the outcome, or why there is none.
    pub result: Result<T, Failure>,
    /// Permits that the stage took; empty after a failure.
    pub permits: Vec<Permit>,
    /// Which tables' answers were old, or came by the second tier; empty: none.
    pub remarks: String,
    /// Wasm instructions, roughly: the call's, and those of the start of an instance that was made for it.
    pub fuel: u64,
    /// Of these, the start's.
    pub start_fuel: u64,
    /// When it ended.
    pub ended: Instant,
    /// Whether it failed by the plugin's own fault.
    pub failed: bool,
}

impl Runner {
    /// Without instances: they are made as calls come, or by [`Runner::warm_up`].
    pub fn new(stage: Arc<Stage>) -> Self {
        Self { stage, idle: RefCell::default(), busy: Cell::new(0) }
    }

    /// The stage that it runs.
    pub fn stage(&self) -> &Arc<Stage> {
        &self.stage
    }

    /// Makes one instance ready, so that the first call need not. Its start is in no call's fuel: there is one for each
    /// worker and load, and it is the operator who loads.
    pub async fn warm_up(&self) -> Result<(), Failure> {
        if self.stage.settings.isolation == Isolation::Warm && self.idle.borrow().is_empty() {
            let instance = Instance::start(&self.stage, &mut 0).await?;
            self.stage.stats.count_instance();
            self.idle.borrow_mut().push(instance);
        }
        Ok(())
    }

    /// Runs one call. `judge` says what the outcome is worth (with its name for the statistics), or why it is refused
    /// whole: a refusal counts against the plugin as a trap does, and undoes what the stage took.
    pub async fn run<T>(
        &self,
        call: &Call,
        visit: Visit<'_>,
        judge: impl FnOnce(Outcome) -> Result<(T, StageOutcome), String>,
    ) -> Run<T> {
        let started = visit.started;
        let admission = self.stage.breaker.admit(started);
        if admission == Admission::Refused {
            return self.not_run(started, StageOutcome::Breaker, "its breaker is open: it failed too often lately");
        }
        let Some(_busy) = Busy::enter(&self.busy, self.stage.settings.max_concurrent) else {
            return self.not_run(started, StageOutcome::Saturated, "all its instances on this worker are busy");
        };
        let (mut taken, mut start_fuel) = (None, 0);
        let result = pin!(self.call(call, visit, &mut taken, &mut start_fuel)).await;
        let fuel = start_fuel + taken.as_ref().map_or(0, Instance::fuel_used);
        let outage = taken.as_ref().is_some_and(Instance::met_outage);
        let remarks = taken.as_mut().map_or_else(String::new, Instance::remarks);
        let judged =
            result.and_then(|outcome| judge(outcome).map_err(|refusal| Failure::new(StageOutcome::Invalid, refusal)));
        let permits = self.give_back(taken, judged.as_ref().err());
        let permits = if judged.is_ok() { permits } else { Vec::new() };
        let ended = Instant::now();
        let failed = judged.as_ref().err().is_some_and(|failure| failure.is_the_plugins(outage));
        self.report(admission, started, ended, fuel, failed, &judged);
        Run { result: judged.map(|(value, _)| value), permits, remarks, fuel, start_fuel, ended, failed }
    }

    /// The bounded part: makes an instance where none is idle, and runs it. `taken` holds the instance, and `start_fuel`
    /// what its start used, also when the work is cut.
    async fn call(
        &self,
        call: &Call,
        visit: Visit<'_>,
        taken: &mut Option<Instance>,
        start_fuel: &mut u64,
    ) -> Result<Outcome, Failure> {
        let Visit { headers, customer, call_id, now, started, deadline, cut, wait_until, cancel, asking, trace } =
            visit;
        let on = OnCall {
            headers,
            customer,
            call_id,
            now,
            started,
            wait_until,
            permits: Vec::new(),
            log_lines: 0,
            outage: false,
            remarks: String::new(),
            asking,
            trace,
        };
        let work = async {
            let instance = taken.insert(self.instance(start_fuel).await?);
            pin!(instance.handle(self.stage.settings.fuel, call, on)).await
        };
        match within(deadline, cancel, pin!(work)).await {
            Ok(result) => result,
            Err(Cut::Cancelled) => Err(Failure { reason: StageOutcome::Cancelled, detail: None }),
            Err(Cut::Deadline) => {
                let allowed = deadline.saturating_duration_since(started);
                let detail = format!("not ended after {:.1} ms", allowed.as_secs_f64() * 1e3);
                Err(Failure::new(cut, detail))
            }
        }
    }

    async fn instance(&self, start_fuel: &mut u64) -> Result<Instance, Failure> {
        let idle = self.idle.borrow_mut().pop();
        if let Some(instance) = idle {
            return Ok(instance);
        }
        self.stage.stats.count_instance();
        Instance::start(&self.stage, start_fuel).await
    }

    /// Keeps the instance for the next call where it is sound: any trap or cut has left it in the middle of something.
    fn give_back(&self, taken: Option<Instance>, failure: Option<&Failure>) -> Vec<Permit> {
        let Some(mut instance) = taken else { return Vec::new() };
        let permits = instance.leave();
        let sound = failure.is_none_or(|failure| failure.reason == StageOutcome::Error);
        let wanted = self.stage.settings.isolation == Isolation::Warm
            && !self.stage.engine.is_crowded()
            && !self.stage.owner.as_ref().is_some_and(|owner| owner.is_crowded());
        let mut idle = self.idle.borrow_mut();
        if sound && wanted && idle.len() < MAX_IDLE {
            idle.push(instance);
        }
        permits
    }

    fn report<T>(
        &self,
        admission: Admission,
        started: Instant,
        ended: Instant,
        fuel: u64,
        failed: bool,
        judged: &Result<(T, StageOutcome), Failure>,
    ) {
        let micros = (ended - started).as_micros() as u64;
        let (outcome, breaker) = match judged {
            Ok((_, outcome)) => {
                if self.stage.breaker.succeeded(admission) {
                    tracing::info!(plugin = &*self.stage.name, "breaker closed: the plugin works again");
                    events::publish(Event::BreakerClosed { kind: "plugin", name: Arc::clone(&self.stage.name) });
                }
                (*outcome, false)
            }
            Err(failure) => {
                let opened = failed && self.stage.breaker.failed(admission, ended);
                (failure.reason, opened)
            }
        };
        if breaker {
            tracing::warn!(plugin = &*self.stage.name, last = ?outcome, "breaker opened: the plugin is flown past");
            events::publish(Event::BreakerOpen { kind: "plugin", name: Arc::clone(&self.stage.name) });
        }
        self.stage.stats.count(outcome, micros, fuel);
    }

    fn not_run<T>(&self, started: Instant, reason: StageOutcome, why: &str) -> Run<T> {
        self.stage.stats.count(reason, 0, 0);
        Run {
            result: Err(Failure::new(reason, why)),
            permits: Vec::new(),
            remarks: String::new(),
            fuel: 0,
            start_fuel: 0,
            ended: started,
            failed: false,
        }
    }
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let idle = self.idle.borrow().len();
        f.debug_struct("Runner")
            .field("stage", &self.stage.name)
            .field("idle", &idle)
            .field("busy", &self.busy)
            .finish()
    }
}

/// One of the stage's places on this worker.
struct Busy<'a>(&'a Cell<usize>);

impl<'a> Busy<'a> {
    fn enter(busy: &'a Cell<usize>, max: usize) -> Option<Self> {
        (busy.get() < max).then(|| {
            busy.set(busy.get() + 1);
            Self(busy)
        })
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// The runners of one worker, one per loaded stage: stages that pipelines share are warm once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Runners(Vec<Rc<Runner>>);

impl Runners {
    /// The runner of this stage: its own, else the one of `before`, else a new one.
    pub(crate) fn taken_over(&mut self, stage: &Arc<Stage>, before: &Self) -> Rc<Runner> {
        if let Some(runner) = self.0.iter().find(|runner| Arc::ptr_eq(&runner.stage, stage)) {
            return Rc::clone(runner);
        }
        let held = before.0.iter().find(|runner| Arc::ptr_eq(&runner.stage, stage));
        let runner = held.map_or_else(|| Rc::new(Runner::new(Arc::clone(stage))), Rc::clone);
        self.0.push(Rc::clone(&runner));
        runner
    }

    /// Lets go of all idle instances where most of the node's pool is taken, whosever stages hold it: what is idle for
    /// one customer shall not refuse another's call.
    pub(crate) fn give_way(&self) {
        if self.0.first().is_some_and(|runner| runner.stage.engine.is_crowded()) {
            self.0.iter().for_each(|runner| runner.idle.borrow_mut().clear());
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Rc<Runner>> {
        self.0.iter()
    }
}
