//! CSV and JSON files that change while they are used.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use tempfile::TempDir;
use trunkline::lookup;
use trunkline_tests::until;

use super::Node;

#[test]
fn a_file_that_changes_is_swapped_whole_and_a_bad_one_changes_nothing() -> Result<()> {
    let folder = TempDir::new()?;
    let put = |folder: &Path, name: &str, text: &str| -> Result<()> {
        let aside = folder.join("aside");
        std::fs::write(&aside, text)?;
        Ok(std::fs::rename(aside, folder.join(name))?)
    };
    put(folder.path(), "b.csv", "number,why\n1,fraud\n")?;
    put(folder.path(), "c.json", r#"{"1": {"n": "old"}}"#)?;
    let node = Node::in_folder(
        folder,
        r#"
        [tables.b]
        source.csv = { path = "b.csv", key = "number", fields = { why = "text" }, watch = "20ms" }
        [tables.c]
        source.json = { path = "c.json", fields = { n = { pointer = "/n" } }, watch = "20ms" }
        "#,
    )?;
    assert_eq!((node.row("b", "1")?, node.row("c", "1")?), ("why=fraud".to_owned(), "n=old".to_owned()));
    put(node.folder.path(), "b.csv", "number,why\n2,robocalls\n")?;
    put(node.folder.path(), "c.json", r#"{"1": {"n": "newer"}}"#)?;
    node.wait_for("b", "2", "why=robocalls")?;
    node.wait_for("c", "1", "n=newer")?;
    assert_eq!(node.row("b", "1")?, "none");

    put(node.folder.path(), "b.csv", "number,why\n3\n")?;
    until("the bad file to be refused", Duration::from_secs(5), || {
        let stats = node.table("b")?.stats();
        Ok((stats.errors_of(lookup::Trouble::Nonsense) > 0).then_some(()))
    })?;
    assert_eq!(node.row("b", "2")?, "why=robocalls", "the rows stay as they were");
    Ok(())
}
