//! SIP as a pure state machine: no socket, no clock, no runtime.

pub mod decision;
pub mod edit;
pub mod flow;
pub mod message;
