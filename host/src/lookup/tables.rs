//! All tables, by name.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::error::Problem;
use super::services::Services;
use super::table::Table;
use crate::config::model::{self, Named};

/// Between two looks at whether rows have come.
const LOOK: Duration = Duration::from_millis(20);
/// What a table may take beyond its own time until it says that it has failed.
const SLACK: Duration = Duration::from_secs(1);

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

    /// Begins what the tables do when nobody calls: only in a node that runs. `state` is the folder where something is
    /// kept for the next run.
    pub fn begin(&self, state: &Path) {
        self.iter().for_each(|table| table.begin(state));
    }

    /// Reads the tables that are held whole from a database, and waits for them for so long at most: for a dry run,
    /// which warms up nothing.
    pub async fn read_whole(&self, patience: Duration) {
        self.iter().for_each(|table| table.begin_whole());
        let whole = || self.iter().filter(|table| table.is_whole());
        let read = async {
            while !whole().all(|table| table.is_loaded()) {
                tokio::time::sleep(LOOK).await;
            }
        };
        let _ = tokio::time::timeout(patience, read).await;
    }

    /// Waits until every table has rows but those that had none `before` either, no longer than the configuration gives
    /// them and not for one whose source has failed: calls must not meet a table that is still empty. Those that are, and why
    /// where that is known.
    pub async fn become_ready(&self, before: &Self) -> Vec<(String, Option<String>)> {
        let patience = self.patience(before);
        let empty = || self.empty(before);
        let ready = async {
            while empty().any(|(_, table)| table.trouble().is_none()) {
                tokio::time::sleep(LOOK).await;
            }
        };
        let _ = tokio::time::timeout(patience, ready).await;
        empty().map(|(name, table)| (name.clone(), table.trouble())).collect()
    }

    /// As long as the slowest of those may take.
    pub(super) fn patience(&self, before: &Self) -> Duration {
        self.empty(before).map(|(_, table)| table.patience()).max().unwrap_or_default() + SLACK
    }

    /// Those without rows that were not without `before` as well.
    fn empty(&self, before: &Self) -> impl Iterator<Item = (&String, &Arc<Table>)> {
        let was_empty = |name: &str| before.get(name).is_some_and(|known| !known.is_loaded());
        self.named.iter().filter(move |(name, table)| !table.is_loaded() && !was_empty(name))
    }

    /// Writes down what the next run begins with.
    pub fn save(&self, state: &Path) {
        self.iter().for_each(|table| table.save(state));
    }

    /// Whether the node may take calls as far as tables go: all that are loaded beforehand are.
    pub fn are_loaded(&self) -> bool {
        self.iter().all(|table| table.is_loaded())
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.named.values()
    }
}
