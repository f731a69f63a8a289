//! The keys that a run leaves for the next one.

use std::path::Path;

use super::server::{Behaviour, Server};
use super::{PATIENT, Rig, SECOND, rig};

/// Where a table `lrn` keeps them.
const FILE: &str = "lrn.keys";

async fn used(server: &Server) -> Rig {
    let rig = rig(&server.url, PATIENT, "ttl = \"24h\"\nwarm = { last-run = true }");
    // By the number of seconds in which each was used.
    for key in ["never again", "now and then", "often"] {
        rig.look(key).await.unwrap();
    }
    for second in 0..10 {
        rig.clock.advance(2 * SECOND);
        rig.at_once("often").unwrap();
        if second % 5 == 0 {
            rig.at_once("now and then").unwrap();
        }
    }
    rig
}

fn kept(folder: &Path) -> Option<String> {
    std::fs::read_to_string(folder.join(FILE)).ok()
}

#[tokio::test]
async fn a_run_leaves_its_keys_the_most_used_first() {
    let server = Server::start(Behaviour::Answer(200, "1")).await;
    let (rig, folder) = (used(&server).await, tempfile::tempdir().unwrap());
    rig.table.save(folder.path());
    assert_eq!(kept(folder.path()).as_deref(), Some("often\nnow and then\nnever again\n"));
}

#[tokio::test]
async fn a_run_that_is_killed_has_left_its_keys_every_few_minutes() {
    let server = Server::start(Behaviour::Answer(200, "1")).await;
    let (rig, folder) = (used(&server).await, tempfile::tempdir().unwrap());
    rig.table.begin(folder.path());
    while kept(folder.path()).is_none() {
        tokio::time::sleep(SECOND / 100).await;
    }
    assert_eq!(kept(folder.path()).as_deref(), Some("often\nnow and then\nnever again\n"));
}
