//! Changes to a message, made as splices: every byte that no edit names stays.

mod splices;

pub use self::splices::Splices;

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
