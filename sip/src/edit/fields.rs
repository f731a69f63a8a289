//! Edits of whole header fields.

use smallvec::{SmallVec, smallvec};

use super::{EditFault, Splices, Text};
use crate::message::{Header, Message, Name};
use crate::scan;

/// What becomes of the fields of one name.
#[derive(Debug)]
pub(super) struct FieldPlan<'a> {
    name: &'a str,
    pub(super) known: Name,
    /// Whether those of the message go.
    pub(super) replaced: bool,
    /// Those that come.
    values: SmallVec<[&'a str; 2]>,
}

type Plans<'a> = SmallVec<[FieldPlan<'a>; 4]>;

pub(super) fn set<'a>(plans: &mut Plans<'a>, name: &'a str, value: &'a str) -> Result<(), EditFault> {
    check_value(value)?;
    let plan = plan_of(plans, name)?;
    plan.name = name;
    plan.replaced = true;
    plan.values = smallvec![value];
    Ok(())
}

pub(super) fn add<'a>(plans: &mut Plans<'a>, name: &'a str, value: &'a str) -> Result<(), EditFault> {
    check_value(value)?;
    plan_of(plans, name)?.values.push(value);
    Ok(())
}

pub(super) fn remove<'a>(plans: &mut Plans<'a>, name: &'a str) -> Result<(), EditFault> {
    let plan = plan_of(plans, name)?;
    plan.replaced = true;
    plan.values.clear();
    Ok(())
}

fn plan_of<'p, 'a>(plans: &'p mut Plans<'a>, name: &'a str) -> Result<&'p mut FieldPlan<'a>, EditFault> {
    if !scan::is_token(name.as_bytes()) {
        return Err(EditFault::FieldName);
    }
    let known = Name::of(name.as_bytes());
    if is_owned(known) {
        return Err(EditFault::Owned(known));
    }
    let same = |plan: &FieldPlan<'_>| plan.is_of(known, name.as_bytes());
    let index = plans.iter().position(same).unwrap_or_else(|| {
        plans.push(FieldPlan { name, known, replaced: false, values: SmallVec::new() });
        plans.len() - 1
    });
    Ok(&mut plans[index])
}

fn check_value(value: &str) -> Result<(), EditFault> {
    if value.contains(['\r', '\n', '\0']) { Err(EditFault::FieldValue) } else { Ok(()) }
}

/// Fields that route the call, frame the message or hold credentials.
const fn is_owned(name: Name) -> bool {
    matches!(
        name,
        Name::Via
            | Name::Route
            | Name::RecordRoute
            | Name::CallId
            | Name::CSeq
            | Name::MaxForwards
            | Name::Contact
            | Name::From
            | Name::To
            | Name::ContentLength
            | Name::ProxyAuthorization
    )
}

impl FieldPlan<'_> {
    fn is_of(&self, known: Name, name: &[u8]) -> bool {
        self.known == known && (known != Name::Other || self.name.as_bytes().eq_ignore_ascii_case(name))
    }

    /// A field that replaces others stands where the first of them stood; one that is added stands behind the last of
    /// its name, or behind all fields.
    pub(super) fn splice(&self, message: &Message, splices: &mut Splices) {
        let same = |header: &&Header| self.is_of(header.name, header.name_span.of(message.raw()));
        let lines = |text: &mut Text| {
            for value in &self.values {
                for part in [self.name, ": ", value, "\r\n"] {
                    text.push(part.as_bytes());
                }
            }
        };
        if self.replaced {
            let mut present = message.headers().iter().filter(same);
            match present.next() {
                Some(first) => splices.replace_with(first.line, lines),
                None if self.values.is_empty() => {}
                None => splices.insert_with(message.headers_end(), lines),
            }
            present.for_each(|header| splices.remove(header.line));
        } else {
            let last = message.headers().iter().rev().find(same);
            splices.insert_with(last.map_or(message.headers_end(), |header| header.line.to()), lines);
        }
    }
}
