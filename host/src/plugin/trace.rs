//! What a call's stages were told, asked, heard and gave: for `trunkline explain`. Of real calls those carry one that are
//! [traced](crate::spans), of the times of what was asked; the others pay one look at an `Option` for it.

pub mod story;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use self::story::{Answer, Asked, Input, Question, Returned, StageStory};
use super::contract;
use super::failure::Failure;
use super::recorded::{Answered, RecordedCall, Recording};
use super::shadow::Job;
use super::state::Headers;
use super::trial::Trial;
use crate::cdr::record::UnixMicros;
use crate::lookup::Origin;

/// Questions told of one stage: a guest in a loop can ask thousands.
const MAX_QUESTIONS: usize = 256;

/// The story of one call, in the making. Stages run one after the other: what is asked belongs to the last entered.
#[derive(Debug, Default)]
pub struct Trace {
    stories: Mutex<Vec<StageStory>>,
    visits: Mutex<Vec<Visited>>,
    /// Only what was asked, and when: a real call pays for it.
    of_times: bool,
}

/// What it takes to run a stage on this call again.
struct Visited {
    /// Of its story.
    place: usize,
    call: contract::Call,
    headers: Arc<dyn Headers>,
    now: u64,
    recording: Arc<Recording>,
    answered: Option<Answered>,
}

impl fmt::Debug for Visited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visited").field("place", &self.place).field("answered", &self.answered).finish_non_exhaustive()
    }
}

/// A question without an answer yet. It stays so where the stage is cut before there is one.
#[derive(Debug)]
pub(super) struct Open {
    trace: Arc<Trace>,
    /// Where it stands: the stage, and the question.
    at: (usize, usize),
    began: Instant,
}

impl Trace {
    /// Of a real call: when stages began, what they asked and when. What they were told and gave is not written down.
    pub fn of_times() -> Self {
        Self { of_times: true, ..Self::default() }
    }

    /// Whether it takes down everything, as for a call that is only tried out.
    pub fn is_whole(&self) -> bool {
        !self.of_times
    }

    /// A stage finds the call so.
    pub fn enter(&self, call: &contract::Call) {
        let input = if self.of_times { Input::default() } else { Input::of(call) };
        self.lock().push(StageStory::entered(input, wall()));
    }

    /// The stage that was entered last gave this outcome, which the host has not judged yet.
    pub fn returned(&self, outcome: &contract::Outcome) {
        if self.of_times {
            return;
        }
        if let Some(stage) = self.lock().last_mut() {
            stage.returned = Some(Returned::of(outcome));
        }
        if let Some(visited) = self.visits().last_mut() {
            visited.answered = Some(Answered::Outcome(outcome.into()));
        }
    }

    /// The stage that was entered last gave no outcome.
    pub fn failed(&self, failure: &Failure) {
        if self.of_times {
            return;
        }
        if let Some(visited) = self.visits().last_mut() {
            visited.answered.get_or_insert_with(|| Answered::Error { error: failure.to_string() });
        }
    }

    /// The stage that was entered last runs at this time on a request with these header fields, and what it asks is
    /// written down there.
    pub fn record(&self, call: &contract::Call, headers: Arc<dyn Headers>, now: u64, recording: &Arc<Recording>) {
        if self.of_times {
            return;
        }
        let place = self.lock().len().saturating_sub(1);
        let recording = Arc::clone(recording);
        self.visits().push(Visited { place, call: call.clone(), headers, now, recording, answered: None });
    }

    /// The call of the stage whose story is at `place`, to be run again. `None` where it was not run.
    pub fn recorded(&self, place: usize) -> Option<RecordedCall> {
        let visits = self.visits();
        let visited = visits.iter().find(|visited| visited.place == place)?;
        Some(RecordedCall {
            name: String::new(),
            call: (&visited.call).into(),
            now: visited.now,
            asked: visited.recording.asked(),
            expect: visited.answered.clone()?,
        })
    }

    /// The same call for the version that is compared with the stage whose story is at `place`. `None` where it was not
    /// run.
    pub fn job(&self, place: usize, trial: &Arc<Trial>) -> Option<Job> {
        let visits = self.visits();
        let visited = visits.iter().find(|visited| visited.place == place)?;
        Some(Job {
            trial: Arc::clone(trial),
            stage: Arc::clone(&trial.stage),
            call: visited.call.clone(),
            headers: Arc::clone(&visited.headers),
            now: visited.now,
            recording: Arc::clone(&visited.recording),
            live: visited.answered.clone()?,
            queued: Instant::now(),
        })
    }

    /// Everything so far, a story for each stage that was entered, in order.
    pub fn stories(&self) -> Vec<StageStory> {
        self.lock().clone()
    }

    /// The same, and nothing is left.
    pub fn take_stories(&self) -> Vec<StageStory> {
        std::mem::take(&mut *self.lock())
    }

    /// The stage that was entered last asks this. `None` where its list is full.
    pub(super) fn ask(self: &Arc<Self>, question: Question) -> Option<Open> {
        let mut stages = self.lock();
        let place = stages.len().checked_sub(1)?;
        let stage = stages.last_mut()?;
        if stage.asked.len() >= MAX_QUESTIONS {
            stage.untold += 1;
            return None;
        }
        stage.asked.push(Asked { question, answer: None, micros: None, began: wall() });
        Some(Open { trace: Arc::clone(self), at: (place, stage.asked.len() - 1), began: Instant::now() })
    }

    fn visits(&self) -> MutexGuard<'_, Vec<Visited>> {
        self.visits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<StageStory>> {
        self.stories.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Microseconds since 1970.
fn wall() -> UnixMicros {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

impl Open {
    /// The answer was waited for, and memory has it from there now.
    pub(super) fn was_loaded(&self, origin: Origin) {
        let (stage, question) = self.at;
        if let Some(asked) = self.trace.lock().get_mut(stage).and_then(|stage| stage.asked.get_mut(question)) {
            asked.question.was_loaded(origin);
        }
    }

    /// The host answers this.
    pub(super) fn hear(self, answer: Answer) {
        let micros = self.began.elapsed().as_micros() as u64;
        let (stage, question) = self.at;
        if let Some(asked) = self.trace.lock().get_mut(stage).and_then(|stage| stage.asked.get_mut(question)) {
            asked.answer = Some(answer);
            asked.micros = Some(micros);
        }
    }
}
