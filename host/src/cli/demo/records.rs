//! Reads call records back from the file store, where the router's shipper put them.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time::Instant;

use crate::cdr::record::CallRecord;

/// A record leaves the journal within milliseconds of the call's end.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(20);

/// The record of this call, waited for.
pub(super) async fn of_call(folder: &Path, call_id: &str) -> Result<CallRecord> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(record) = find(folder, call_id)? {
            return Ok(record);
        }
        if Instant::now() > deadline {
            bail!("no record of call {call_id} in {} after {PATIENCE:?}", folder.display());
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn find(folder: &Path, call_id: &str) -> Result<Option<CallRecord>> {
    let Ok(files) = fs::read_dir(folder) else { return Ok(None) };
    for file in files {
        let path = file?.path();
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        let text = fs::read_to_string(&path)?;
        // The last line may be half written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in whole.lines().filter(|line| line.contains(call_id)) {
            let record: CallRecord = serde_json::from_str(line)
                .with_context(|| format!("{} holds a line that is no record", path.display()))?;
            if record.call_id == call_id {
                return Ok(Some(record));
            }
        }
    }
    Ok(None)
}
