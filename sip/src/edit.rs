//! Changes to a message, made as splices: every byte that no edit names stays.

mod callee;
mod caller;
mod claims;
mod fields;
mod plan;
mod splices;
#[cfg(test)]
mod tests;
mod text;

pub use self::callee::is_callee_number;
pub use self::claims::{withheld, without_claims};
pub use self::splices::Splices;
pub use self::text::Text;

use bytes::Bytes;

use self::plan::Plan;
use super::message::{Message, Name, ParseError};

/// One change to a request. The texts are checked when it is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// The display name in From and P-Asserted-Identity; quoted here.
    CallerName(String),
    /// The number in From and P-Asserted-Identity.
    CallerNumber(String),
    /// The number in the Request-URI.
    CalleeNumber(String),
    /// A parameter in the user part of the Request-URI (RFC 4694); an empty value makes one without.
    UserParameter {
        /// Such as `rn`.
        name: String,
        /// Such as `+12125550000`.
        value: String,
    },
    /// Replace every header field of this name by one, or add it.
    SetHeader {
        /// A token.
        name: String,
        /// Without CR, LF, NUL.
        value: String,
    },
    /// Add a header field after those of the same name.
    AddHeader {
        /// A token.
        name: String,
        /// Without CR, LF, NUL.
        value: String,
    },
    /// Remove every header field of this name.
    RemoveHeader(String),
}

impl Edit {
    /// Its name in the contract, `types.edit`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::CallerName(_) => "caller-name",
            Self::CallerNumber(_) => "caller-number",
            Self::CalleeNumber(_) => "callee-number",
            Self::UserParameter { .. } => "user-parameter",
            Self::SetHeader { .. } => "set-header",
            Self::AddHeader { .. } => "add-header",
            Self::RemoveHeader(_) => "remove-header",
        }
    }
}

/// The edit that cannot be made; none of the others is made either.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("edit {index} ({kind}): {why}")]
pub struct EditError {
    /// Which one: 0 is the first.
    pub index: usize,
    /// Its name in the contract.
    pub kind: &'static str,
    /// What is wrong.
    pub why: EditFault,
}

/// Why an edit cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EditFault {
    /// A caller's name with a control character.
    #[error("a display name holds no control characters")]
    DisplayName,
    /// A caller's number with anything but digits.
    #[error("a caller's number is 1 to 32 digits and may begin with `+`")]
    CallerNumber,
    /// A called number with anything but digits, `*` and `#`.
    #[error("a called number is 1 to 32 digits, `*` or `#` and may begin with `+`")]
    CalleeNumber,
    /// A name that no parameter can have, or a value with control characters.
    #[error("a user parameter's name is letters, digits and `-`, its value holds no control characters")]
    UserParameter,
    /// A header field's name that is no token.
    #[error("a header field's name is a token (RFC 3261 section 25.1)")]
    FieldName,
    /// A header field's value with CR, LF or NUL.
    #[error("a header field's value holds no CR, LF or NUL")]
    FieldValue,
    /// A header field that belongs to the proxy.
    #[error("{} belongs to the proxy", .0.as_str())]
    Owned(Name),
    /// A From without a SIP, SIPS or tel URI.
    #[error("the request's From holds no SIP or tel URI")]
    From,
    /// A response, or a Request-URI that is no SIP, SIPS or tel URI, or has no user part to put a parameter into.
    #[error("the Request-URI has no number")]
    RequestUri,
    /// The message with the edits is none any more; it grew too long.
    #[error("the edited message: {0}")]
    Outcome(ParseError),
}

/// The request with all edits made in order, or none. Every byte that no edit names stays.
///
/// The request must have passed [`Message::check`]. The cost is one copy of the message and one index of it, however
/// many edits there are, save where one edit builds on a header field that an earlier one set.
pub fn edited(message: &Message, edits: &[Edit]) -> Result<Message, EditError> {
    let mut done: Option<Message> = None;
    let mut plan = Plan::default();
    for (index, edit) in edits.iter().enumerate() {
        let error = |why| EditError { index, kind: edit.kind(), why };
        if plan.hides_from(edit) {
            done = Some(applied(&plan, done.as_ref().unwrap_or(message)).map_err(error)?);
            plan = Plan::default();
        }
        plan.add(edit).map_err(error)?;
        plan.fits(edit, done.as_ref().unwrap_or(message)).map_err(error)?;
    }
    let last = edits.len().saturating_sub(1);
    let kind = edits.last().map_or("", Edit::kind);
    let message = done.as_ref().unwrap_or(message);
    applied(&plan, message).map_err(|why| EditError { index: last, kind, why })
}

fn applied(plan: &Plan<'_>, message: &Message) -> Result<Message, EditFault> {
    let splices = plan.splices(message)?;
    if splices.is_empty() {
        return Ok(message.clone());
    }
    Message::parse(Bytes::from(splices.apply(message.raw()))).map_err(EditFault::Outcome)
}
