//! After the call: records taken from the broker, rated, written to PostgreSQL and summed up.
//!
//! A process of its own, `trunkline ledger`. The [`service`] takes the [`store::lease`] or stands by; its [`consumer`]s
//! take messages from the [`queue`], have them rated by the [`rating::RateBook`], and write each batch as one
//! transaction ([`store::batch`]) together with its [`usage`]. Only what is committed is acknowledged, and what is there
//! already changes nothing: so a record counts once, however often it is delivered.

pub mod consumer;
pub mod counters;
mod endpoint;
pub mod histogram;
mod loan;
pub mod money;
pub mod queue;
pub mod rating;
pub mod service;
pub mod status;
pub mod store;
pub mod usage;
