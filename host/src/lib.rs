//! Trunkline: a SIP router whose routing stages are fuel-limited WebAssembly components.
//!
//! The way of a call: [`transport`] reads a message and hands it to the [`worker`] that owns its Call-ID; [`sip`] (a pure
//! state machine) asks [`routing`] what to do; the stages of the customer's pipeline run in [`plugin`] and read
//! [`lookup`]; [`sip`] hunts the routes; [`cdr`] writes down what happened.
//! After the call the [`ledger`], a process of its own, rates the records and sums them up.

pub mod admin;
pub mod amqp;
pub mod cdr;
pub mod cli;
pub mod config;
pub mod events;
pub mod guard;
pub mod ledger;
pub mod locate;
pub mod log;
pub mod lookup;
pub mod node;
pub mod plugin;
pub mod postgres;
pub mod routing;
pub mod spans;
pub mod transport;
pub mod worker;

pub use trunkline_sip as sip;
