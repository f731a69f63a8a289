//! What an operator watches a node by: the alerts of `docs/operations`, checked by Prometheus' own tool.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

#[test]
fn promtool_accepts_the_rules_and_sees_them_fire_when_they_should() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations/prometheus");
    for words in [["check", "rules", "trunkline.rules.yml"], ["test", "rules", "trunkline.rules.test.yml"]] {
        let output = Command::new("promtool").args(words).current_dir(&folder).output()?;
        let told = [output.stdout, output.stderr].concat();
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&told));
    }
    Ok(())
}
