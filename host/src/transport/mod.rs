//! Bytes in and out (RFC 3261 section 18).

pub mod hep;
pub mod stream;
pub mod udp;
