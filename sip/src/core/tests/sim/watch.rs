//! Sees all that the core does, and holds it against what RFC 3261 and the record promise.

use std::collections::HashMap;

use super::super::super::CallReport;
use super::super::ua::text;
use crate::end::End;
use crate::message::{Message, Method};

/// What the sender of one INVITE was told.
#[derive(Default)]
struct Told {
    code: Option<u16>,
    tag: Vec<u8>,
}

#[derive(Default)]
pub(super) struct Watch {
    /// By Call-ID and branch of the Via that is on top behind ours.
    told: HashMap<String, Told>,
    /// By Call-ID: what the caller was told of its first INVITE.
    finals: HashMap<String, u16>,
    pub(super) routes: HashMap<String, usize>,
    pub(super) records: HashMap<String, usize>,
    /// By Call-ID: how often it was told that the caller hears something, and that an attempt has ended.
    live: HashMap<String, (usize, usize)>,
}

impl Watch {
    /// A response leaves the core.
    pub(super) fn on_response(&mut self, response: &Message) {
        if response.method() != Method::Invite {
            return;
        }
        let branch = text(response.top_via().and_then(|via| via.branch).expect("a branch"));
        let call_id = text(response.call_id()).to_owned();
        let told = self.told.entry(format!("{call_id}|{branch}")).or_default();
        let (code, tag) = (response.code(), response.to_tag().unwrap_or_default());
        match told.code {
            None if code >= 200 => {
                told.code = Some(code);
                told.tag = tag.to_vec();
                if response.cseq().is_some_and(|cseq| cseq.number == 1) {
                    self.finals.insert(call_id, code);
                }
            }
            None => {}
            // Refused without state while its callee was not heard of; a copy that comes later is a transaction.
            Some(481) if response.cseq().is_some_and(|cseq| cseq.number != 1) => {
                told.code = (code >= 200).then_some(code);
                told.tag = tag.to_vec();
            }
            Some(before) if before < 300 => assert!((200..300).contains(&code), "{code} after {before}"),
            Some(before) => assert!(code == before && told.tag == tag, "{code} after {before}"),
        }
    }

    pub(super) fn on_route(&mut self, call_id: &[u8]) {
        *self.routes.entry(text(call_id).into()).or_default() += 1;
    }

    pub(super) fn on_heard(&mut self, call_id: &str) {
        self.live.entry(call_id.into()).or_default().0 += 1;
    }

    pub(super) fn on_attempted(&mut self, call_id: &str) {
        self.live.entry(call_id.into()).or_default().1 += 1;
    }

    pub(super) fn on_record(&mut self, record: &CallReport<u32>) {
        let call_id = text(&record.call_id);
        *self.records.entry(call_id.into()).or_default() += 1;
        let told = self.finals.get(call_id).copied().expect("a call that is over was told so");
        assert_eq!(record.code, told, "the record has the code that the caller got");
        assert_eq!(record.answered.is_some(), (200..300).contains(&told));
        assert!(record.received <= record.routed && record.routed <= record.ended);
        let ringing = record.ringing.unwrap_or(record.routed);
        let answered = record.answered.unwrap_or(record.ended);
        assert!(record.routed <= ringing && ringing <= record.ended && answered <= record.ended);
        let hung_up = matches!(record.end, End::CallerHungUp | End::CalleeHungUp | End::MaxDuration);
        assert_eq!(hung_up, record.answered.is_some(), "{:?}", record.end);
        let heard = usize::from(record.ringing.or(record.answered).is_some());
        let live = self.live.get(call_id).copied().unwrap_or_default();
        assert_eq!(live, (heard, record.attempts.len()), "what is in the record was told while the call went on");
        for attempt in &record.attempts {
            let ended = attempt.ended.expect("an attempt has an end").0;
            assert!(record.routed <= attempt.started && attempt.started <= ended);
        }
    }

    /// One record for each call that wanted routes.
    pub(super) fn must_match(&self) {
        assert_eq!(self.routes.len(), self.records.len());
        for (call_id, count) in self.routes.iter().chain(&self.records) {
            assert_eq!(*count, 1, "{call_id}");
        }
    }
}
