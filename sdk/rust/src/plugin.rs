//! What an author writes.

use serde::de::DeserializeOwned;

use crate::{Call, Error, Host, Outcome};

/// A routing stage. Its fields are its configuration.
pub trait Plugin: DeserializeOwned {
    /// Decide about one call.
    ///
    /// # Errors
    /// An error is a failure of the stage: nothing of it is applied, and its `on-failure` decides what becomes of the call.
    fn handle(&self, call: &Call, host: &dyn Host) -> Result<Outcome, Error>;

    /// Refuse a configuration that reads well but makes no sense. Its error refuses the load.
    ///
    /// # Errors
    /// The text names the key, the value and what would be right.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}
