//! The configuration file.

pub mod model;
pub mod units;
