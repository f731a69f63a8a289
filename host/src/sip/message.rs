//! A SIP message: its bytes and an index of where the header fields are.

/// A SIP message.
#[derive(Debug)]
pub struct Message {}
