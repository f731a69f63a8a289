//! Measures what a call costs in Trunkline and in its peers, in the same run, on the same messages.

pub mod awake;
pub mod broker;
pub mod cpu;
pub mod figures;
pub mod heap;
pub mod inside;
pub mod instructions;
pub mod load;
pub mod outage;
pub mod peer;
pub mod record;
pub mod report;
pub mod scale;
