//! Several edits folded into one pass over the message.

use smallvec::SmallVec;

use super::fields::FieldPlan;
use super::{Edit, EditFault, Splices, callee, caller, fields};
use crate::message::{Message, Name};

/// What the edits so far come to.
#[derive(Debug, Default)]
pub(super) struct Plan<'a> {
    pub(super) caller_name: Option<&'a str>,
    pub(super) caller_number: Option<&'a str>,
    pub(super) callee_number: Option<&'a str>,
    /// Name and value; a later value of the same name comes later.
    pub(super) user_params: SmallVec<[(&'a str, &'a str); 4]>,
    pub(super) fields: SmallVec<[FieldPlan<'a>; 4]>,
}

impl<'a> Plan<'a> {
    /// Whether this edit changes what an earlier one sets: then the earlier ones must be applied first.
    /// P-Asserted-Identity alone can be changed in two ways.
    pub(super) fn hides_from(&self, edit: &Edit) -> bool {
        matches!(edit, Edit::CallerName(_) | Edit::CallerNumber(_)) && self.identity().is_some()
    }

    /// What becomes of P-Asserted-Identity as a field.
    pub(super) fn identity(&self) -> Option<&FieldPlan<'a>> {
        self.fields.iter().find(|field| field.known == Name::PAssertedIdentity)
    }

    /// Checks the edit's texts and takes it in.
    pub(super) fn add(&mut self, edit: &'a Edit) -> Result<(), EditFault> {
        match edit {
            Edit::CallerName(name) => {
                caller::check_name(name)?;
                self.caller_name = Some(name);
            }
            Edit::CallerNumber(number) => {
                caller::check_number(number)?;
                self.caller_number = Some(number);
            }
            Edit::CalleeNumber(number) => {
                callee::check_number(number)?;
                self.callee_number = Some(number);
            }
            Edit::UserParameter { name, value } => {
                callee::check_param(name, value)?;
                self.user_params.push((name, value));
            }
            Edit::SetHeader { name, value } => fields::set(&mut self.fields, name, value)?,
            Edit::AddHeader { name, value } => fields::add(&mut self.fields, name, value)?,
            Edit::RemoveHeader(name) => fields::remove(&mut self.fields, name)?,
        }
        Ok(())
    }

    /// Whether the message has the place that this edit, the latest, changes.
    pub(super) fn fits(&self, edit: &Edit, message: &Message) -> Result<(), EditFault> {
        match edit {
            Edit::CallerName(_) | Edit::CallerNumber(_) => caller::place(message).map(drop),
            Edit::CalleeNumber(_) | Edit::UserParameter { .. } => callee::place(self, message).map(drop),
            Edit::SetHeader { .. } | Edit::AddHeader { .. } | Edit::RemoveHeader(_) => Ok(()),
        }
    }

    /// As replacements in this message.
    pub(super) fn splices(&self, message: &Message) -> Result<Splices, EditFault> {
        let mut splices = Splices::new();
        callee::splice(self, message, &mut splices)?;
        caller::splice(self, message, &mut splices)?;
        for field in &self.fields {
            field.splice(message, &mut splices);
        }
        Ok(splices)
    }
}
