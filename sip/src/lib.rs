//! SIP as a pure state machine: no socket, no clock, no runtime.

pub mod codes;
pub mod core;
#[cfg(test)]
mod corpus_tests;
pub mod decision;
pub mod digest;
pub mod door;
pub mod edit;
pub mod end;
pub mod flow;
pub mod framer;
pub mod gate;
pub mod header;
pub mod message;
mod method;
mod name;
#[cfg(test)]
mod oracle_tests;
pub mod place;
pub mod reply;
mod scan;
mod span;
pub mod time;
pub mod uri;
