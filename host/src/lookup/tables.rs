//! All tables, by name.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::error::Problem;
use super::services::Services;
use super::table::Table;
use crate::config::model::{self, Named};

/// The configured tables. A clone is the same tables.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    named: Arc<HashMap<String, Arc<Table>>>,
}

impl Tables {
    /// Builds the tables that can be built, and says what is wrong with the others. Files are read now; their relative
    /// paths count from `folder`. Loads run on the services' back office.
    pub fn new(config: &Named<model::Table>, folder: &Path, services: &Services) -> (Self, Vec<Problem>) {
        Self::default().renewed(config, folder, services)
    }

    /// The tables of another configuration: beside these, which stay as they are. Files are read anew; a cached table
    /// that has not changed is in both.
    pub(super) fn renewed(
        &self,
        config: &Named<model::Table>,
        folder: &Path,
        services: &Services,
    ) -> (Self, Vec<Problem>) {
        let (mut named, mut problems) = (HashMap::new(), Vec::new());
        for (name, table) in config {
            match Table::new(name, table, folder, services, self.get(name)) {
                Ok(table) => drop(named.insert(name.clone(), table)),
                Err(found) => problems.extend(found),
            }
        }
        (Self { named: Arc::new(named) }, problems)
    }

    /// The table of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Table>> {
        self.named.get(name)
    }

    /// Begins what the tables do when nobody calls: only in a node that runs.
    pub fn begin(&self) {
        self.iter().for_each(|table| table.begin());
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.named.values()
    }
}
