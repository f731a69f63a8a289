//! Call records: written to the journal first, and from there to every store.

pub mod record;
