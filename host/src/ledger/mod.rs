//! After the call: records taken from the broker, rated, written to PostgreSQL and summed up.

pub mod histogram;
pub mod money;
pub mod rating;
pub mod usage;
