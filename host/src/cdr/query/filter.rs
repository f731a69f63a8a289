//! Which records are wanted.

use crate::cdr::record::{CallRecord, End, RecordKey, UnixMicros};

/// The outcomes of a stage that gave a verdict, as records write them: see [`StageOutcome::is_verdict`].
///
/// [`StageOutcome::is_verdict`]: crate::cdr::record::StageOutcome::is_verdict
pub(super) const VERDICTS: [&str; 5] = ["proceed", "reject", "challenge", "redirect", "route"];

/// What a record must be to pass; `None` lets all pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Received at this moment or later.
    pub since: Option<UnixMicros>,
    /// Received before this moment.
    pub until: Option<UnixMicros>,
    /// Of this customer.
    pub customer: Option<String>,
    /// These digits stand anywhere in the caller or the callee, received or sent.
    pub number: Option<String>,
    /// This Call-ID, whole.
    pub call_id: Option<String>,
    /// This final code.
    pub code: Option<u16>,
    /// Ended in this way.
    pub end: Option<End>,
    /// An attempt went to this gateway.
    pub gateway: Option<String>,
    /// Answered, or not.
    pub answered: Option<bool>,
    /// This stage gave no verdict: it failed or was not run.
    pub skipped: Option<String>,
    /// This one record.
    pub key: Option<RecordKey>,
}

impl Filter {
    /// Whether a record passes.
    pub fn passes(&self, record: &CallRecord) -> bool {
        let has_number = |number: &String| {
            [&record.caller, &record.callee].iter().any(|s| s.received.contains(number) || s.sent.contains(number))
        };
        self.since.is_none_or(|since| record.times.received >= since)
            && self.until.is_none_or(|until| record.times.received < until)
            && self.customer.as_ref().is_none_or(|customer| record.customer == *customer)
            && self.number.as_ref().is_none_or(has_number)
            && self.call_id.as_ref().is_none_or(|id| record.call_id == *id)
            && self.code.is_none_or(|code| record.code == code)
            && self.end.is_none_or(|end| record.end == end)
            && self.gateway.as_ref().is_none_or(|name| record.attempts.iter().any(|attempt| *attempt.gateway == **name))
            && self.answered.is_none_or(|answered| record.times.answered.is_some() == answered)
            && self.skipped.as_ref().is_none_or(|name| {
                record.stages.iter().any(|stage| *stage.stage == **name && !stage.outcome.is_verdict())
            })
            && self.key.as_ref().is_none_or(|key| record.key == *key)
    }
}
