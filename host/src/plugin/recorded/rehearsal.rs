//! Runs a stage on recorded calls, off the call path: what it answers now, beside what it is expected to answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Answered, Asked, Asking, Outcome, RecordedCall, RecordedHeaders, Recording};
use crate::cdr::record::StageOutcome;
use crate::plugin::failure::Failure;
use crate::plugin::instance::Instance;
use crate::plugin::stage::Stage;
use crate::plugin::state::OnCall;

/// What came of one recorded call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsed {
    /// What the stage answered. The text of a failure other than the stage's own error begins with its reason, such
    /// as `trap: `.
    pub answered: Answered,
    /// Whether that is what the recording expects.
    pub met: bool,
    /// Wasm instructions, without those of an instance's start.
    pub fuel: u64,
    /// Wall clock.
    pub time: Duration,
    /// Questions that the recording had no answer to, each once.
    pub withheld: Vec<Asked>,
}

/// Runs every call in turn on a warm instance, under the stage's own limits. Within a tokio runtime; counts nothing for
/// the stage, and asks no table and no service.
///
/// # Errors
///
/// No instance could be made.
pub async fn rehearse(stage: &Stage, calls: &[RecordedCall]) -> Result<Vec<Rehearsed>, Failure> {
    let mut done = Vec::with_capacity(calls.len());
    let mut idle = None;
    for call in calls {
        let mut instance = match idle.take() {
            Some(instance) => instance,
            None => Instance::start(stage, &mut 0).await?,
        };
        let recording = Arc::new(Recording::of(call.asked.clone()));
        let started = Instant::now();
        let deadline = started + stage.settings.deadline;
        let on = OnCall {
            headers: Arc::new(RecordedHeaders::new(Arc::clone(&recording))),
            customer: call.call.customer.as_str().into(),
            call_id: call.call.id.as_str().into(),
            now: call.now,
            started,
            wait_until: deadline,
            permits: Vec::new(),
            log_lines: 0,
            outage: false,
            remarks: String::new(),
            trace: None,
            asking: Some(Asking::Tell { recording: Arc::clone(&recording), memory: false }),
        };
        let given = (&call.call).into();
        let ran = tokio::time::timeout_at(deadline.into(), instance.handle(stage.settings.fuel, &given, on)).await;
        let late = || Failure::new(StageOutcome::Deadline, format!("not ended after {:?}", stage.settings.deadline));
        let ran = ran.unwrap_or_else(|_| Err(late()));
        let time = started.elapsed();
        let fuel = instance.fuel_used();
        if ran.as_ref().err().is_none_or(|failure| failure.reason == StageOutcome::Error) {
            drop(instance.leave());
            idle = Some(instance);
        }
        let answered = match &ran {
            Ok(outcome) => Answered::Outcome(Outcome::from(outcome)),
            Err(failure) => Answered::Error { error: failure.to_string() },
        };
        let met = call.expect.is_met_by(&answered);
        done.push(Rehearsed { answered, met, fuel, time, withheld: recording.withheld() });
    }
    Ok(done)
}
