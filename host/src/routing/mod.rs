//! What becomes of a call: whose it is, which stages it runs through, and where it goes.
//!
//! [`Snapshot`] is everything that one configuration says about it, built and checked as a whole and never changed;
//! a [`Router`] is a worker's way through it. A reload builds another snapshot and gives the workers new routers; the
//! calls in progress end on what they began with.

mod call;
mod customer;
mod digest;
mod entry;
mod facts;
mod failures;
mod gateway;
mod judge;
mod known;
mod maker;
mod money;
mod owners;
mod pipeline;
mod router;
mod seat;
mod snapshot;
mod text;
mod view;

#[cfg(test)]
mod tests;

pub use call::NewCall;
pub use customer::Customer;
pub use digest::DigestRealm;
pub use facts::{Packed, Rate, Routed, RoutingFacts, TargetFacts};
pub use gateway::{Condition, Gateway, Gateways, Health};
pub use known::Known;
pub use maker::{Maker, plugin_of, probation};
pub use pipeline::Step;
pub use router::Router;
pub use seat::{Seat, Seats};
pub use snapshot::{Parts, Snapshot};

pub use crate::plugin::{Cancel, Trace};
