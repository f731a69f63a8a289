//! What is kept of a stage's visit while the call lasts: when it began, and when it asked for what. No keys, which are
//! numbers of people, no rows, and nothing that a source says, which may quote them.

use crate::cdr::record::UnixMicros;
use crate::plugin::Trace;
use crate::plugin::trace::story::{Answer, Asked, Question};

/// One stage that was entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// When.
    pub began: UnixMicros,
    /// What it asked outside of the call, in order.
    pub heard: Vec<Heard>,
}

/// A question to a table or a service, and how it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// `lookup TABLE`, `lookup-prefix TABLE` or `call SERVICE`.
    pub name: String,
    /// Where a table's answer came from: see [`crate::plugin::trace::story::Lookup::origin`].
    pub origin: Option<&'static str>,
    /// When it was asked.
    pub began: UnixMicros,
    /// How long the answer took; `None` where the stage was cut before.
    pub micros: Option<u64>,
    /// Why there was no answer: see [`crate::lookup::Trouble::word`].
    pub error: Option<&'static str>,
}

impl Visit {
    /// Of every stage that was entered, as far as this trace goes. Nothing is left in it.
    pub fn all(trace: &Trace) -> Box<[Self]> {
        let stories = trace.take_stories().into_iter();
        let heard = |asked: Vec<Asked>| asked.into_iter().filter_map(Heard::of).collect();
        stories.map(|story| Self { began: story.began, heard: heard(story.asked) }).collect()
    }
}

impl Heard {
    /// What is answered from the call itself and from counters has no span.
    fn of(asked: Asked) -> Option<Self> {
        let (name, origin) = match asked.question {
            Question::Lookup(lookup) => (format!("lookup {}", lookup.table), lookup.origin),
            Question::LookupPrefix(lookup) => (format!("lookup-prefix {}", lookup.table), lookup.origin),
            Question::Call { service, .. } => (format!("call {service}"), None),
            Question::Header { .. } | Question::TakeRate { .. } | Question::TakePermit { .. } => return None,
        };
        let error = match asked.answer {
            Some(Answer::Error(failure)) => Some(failure.word),
            _ => None,
        };
        Some(Self { name, origin, began: asked.began, micros: asked.micros, error })
    }
}
