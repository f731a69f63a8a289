//! Refresh ahead, stale on error, purging, and who decides over a breaker.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::server::{Behaviour, Server};
use super::{Answer, HOUR, LookupError, PATIENT, Probe, SECOND, Trouble, lrn, rig, unavailable};
use crate::lookup::Origin;
use crate::lookup::{Hold, Purge};

#[tokio::test]
async fn a_key_in_use_is_loaded_again_before_it_expires_and_no_call_waits_for_it() {
    let server = Server::start(Behaviour::Answer(200, "old")).await;
    let rig = rig(&server.url, PATIENT, "ttl = \"1h\"\nrefresh-ahead = \"10m\"");
    rig.look("5").await.unwrap();
    rig.clock.advance(HOUR / 2);
    assert_eq!(lrn(rig.at_once("5")).as_deref(), Some("old"));
    assert_eq!(server.requests(), 1, "too early");
    server.now_does(Behaviour::Answer(200, "new"));
    rig.clock.advance(HOUR / 60 * 25);
    assert_eq!(lrn(rig.at_once("5")).as_deref(), Some("old"));
    rig.table.landed("5").await;
    assert_eq!(lrn(rig.at_once("5")).as_deref(), Some("new"));
    assert_eq!(server.requests(), 2);
    rig.clock.advance(HOUR / 2);
    assert_eq!(lrn(rig.at_once("5")).as_deref(), Some("new"), "its hour begins with the new answer");
    assert_eq!(rig.table.stats().stale, 0);
}

#[tokio::test]
async fn through_the_night_only_the_keys_that_were_used_are_kept_fresh() {
    let server = Server::start(Behaviour::Answer(200, "1")).await;
    let rig = rig(&server.url, PATIENT, "ttl = \"4h\"\nrefresh-ahead = \"10m\"\nrefresh-used = \"5h\"");
    rig.look("used").await.unwrap();
    rig.look("once").await.unwrap();
    rig.clock.advance(2 * HOUR);
    rig.at_once("used").unwrap();
    assert_eq!(rig.table.due(), 0, "nothing expires soon");
    rig.clock.advance((HOUR * 2).checked_sub(HOUR / 10).unwrap());
    assert_eq!(rig.table.due(), 1, "`once` was loaded for a call and never asked for again");
}

#[tokio::test]
async fn past_stale_a_source_is_asked_first_and_the_old_row_serves_where_it_fails() {
    let server = Server::start(Behaviour::Answer(200, "old")).await;
    let table = "ttl = \"1h\"\nstale = \"10m\"\nstale-if-error = \"7d\"";
    let rig = rig(&server.url, PATIENT, table);
    rig.look("5").await.unwrap();
    rig.clock.advance(2 * HOUR);
    server.now_does(Behaviour::Answer(500, ""));
    let Probe::Pending(load) = rig.table.probe("5") else { panic!("served without asking") };
    assert_eq!(lrn(load.await).as_deref(), Some("old"));
    rig.services.set_breaker("api", Hold::Open);
    assert_eq!(lrn(rig.at_once("5")).as_deref(), Some("old"), "at once while the breaker is open");
    rig.services.set_breaker("api", Hold::Auto);
    server.now_does(Behaviour::Answer(200, "new"));
    assert_eq!(lrn(rig.look("5").await).as_deref(), Some("new"));
    server.now_does(Behaviour::Answer(500, ""));
    rig.clock.advance(8 * 24 * HOUR);
    assert_eq!(unavailable(rig.look("5").await), "service `api`: status 500");
}

#[tokio::test]
async fn a_purged_key_is_asked_for_again_and_what_was_under_way_is_not_kept() {
    let gate = Arc::new(Semaphore::new(0));
    let server = Server::start(Behaviour::Answer(200, "old")).await;
    let rig = rig(&server.url, PATIENT, "");
    rig.look("1212").await.unwrap();
    rig.look("1213").await.unwrap();
    rig.look("44").await.unwrap();
    assert_eq!(rig.table.purge(&Purge::Key("1212".into())), Some(1));
    assert_eq!(rig.table.explain("1212"), Some(Origin::Loaded));
    assert_eq!(rig.table.purge(&Purge::Prefix("12".into())), Some(1));
    assert_eq!(rig.table.stats().entries, 1);

    server.now_does(Behaviour::Echo(Arc::clone(&gate)));
    let Probe::Pending(load) = rig.table.probe("5") else { panic!("answered before the source was") };
    rig.table.purge(&Purge::Prefix(String::new())).unwrap();
    gate.add_permits(1);
    assert_eq!(lrn(load.await).as_deref(), Some("5"), "who waits still gets it");
    assert_eq!(rig.table.stats().entries, 0, "it may be what the purge was about");
}

#[tokio::test]
async fn a_purge_under_load_asks_for_each_key_once() {
    let gate = Arc::new(Semaphore::new(0));
    let server = Server::start(Behaviour::Answer(200, "1")).await;
    let rig = rig(&server.url, PATIENT, "");
    for key in 0..50 {
        rig.look(&key.to_string()).await.unwrap();
    }
    rig.table.purge(&Purge::Prefix(String::new())).unwrap();
    server.now_does(Behaviour::Echo(Arc::clone(&gate)));
    let before = server.requests();
    let loads: Vec<_> = (0..5_000).map(|call| rig.table.probe(&(call % 50).to_string())).collect();
    gate.add_permits(5_000);
    for load in loads {
        let Probe::Pending(load) = load else { panic!("from nowhere") };
        load.await.unwrap();
    }
    assert_eq!(server.requests() - before, 50);
}

#[tokio::test]
async fn a_capacity_in_bytes_bounds_what_is_held() {
    let server = Server::start(Behaviour::Echo(Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)))).await;
    let rig = rig(&server.url, PATIENT, "capacity = \"64KiB\"");
    for key in 0..1_000 {
        rig.look(&format!("{key:010}")).await.unwrap();
    }
    let stats = rig.table.stats();
    assert!((20 << 10..=64 << 10).contains(&stats.bytes), "{} bytes in {} entries", stats.bytes, stats.entries);
    assert!((100..400).contains(&stats.entries), "{} entries", stats.entries);
}

#[tokio::test]
async fn an_operator_s_open_breaker_asks_nobody_and_is_counted() {
    let server = Server::start(Behaviour::Answer(200, "1")).await;
    let rig = rig(&server.url, PATIENT, "");
    assert!(rig.services.set_breaker("api", Hold::Open));
    assert!(!rig.services.set_breaker("other", Hold::Open));
    rig.clock.advance(100 * SECOND);
    assert_eq!(unavailable(rig.at_once("5")), "service `api`: breaker open");
    assert_eq!((server.requests(), rig.table.stats().errors_of(Trouble::Breaker)), (0, 1));
}

#[tokio::test]
async fn the_webhook_of_a_service_hears_that_its_breaker_opened() {
    let (server, ops) = (Server::start(Behaviour::Reset).await, Server::start(Behaviour::Answer(204, "")).await);
    let more = format!(
        "{PATIENT}\nwebhook = {{ service = \"ops\", path = \"/alarm\" }}\n[services.ops]\nurl = \"{}\"\n{PATIENT}",
        ops.url
    );
    let rig = rig(&server.url, &more, "");
    rig.services.begin();
    for _ in 0..5 {
        unavailable(rig.look("5").await);
    }
    while ops.requests() == 0 {
        tokio::time::sleep(SECOND / 100).await;
    }
    let request = ops.last_request();
    assert!(request.starts_with("POST /alarm HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("\"service\":\"api\",\"state\":\"open\""), "{request}");
}

#[tokio::test]
async fn a_table_s_own_deadline_cuts_its_loads_where_its_service_has_all_the_time() {
    let server = Server::start(Behaviour::Hang).await;
    let rig = rig(&server.url, PATIENT, "deadline = \"50ms\"");
    let asked = tokio::time::timeout(10 * SECOND, rig.look("5")).await;
    assert_eq!(asked, Ok(Err(LookupError::Deadline)));
    assert_eq!(rig.table.stats().errors_of(Trouble::Deadline), 1);
}

#[tokio::test]
async fn a_table_may_wait_for_longer_than_its_service_lets_others() {
    let permits = Arc::new(Semaphore::new(0));
    let server = Server::start(Behaviour::Echo(Arc::clone(&permits))).await;
    let rig = rig(&server.url, "deadline = \"20ms\"", "deadline = \"30s\"");
    let Probe::Pending(mut load) = rig.table.probe("5") else { panic!("asked for nothing") };
    let early: Result<Answer, _> = tokio::time::timeout(SECOND / 5, &mut load).await;
    assert!(early.is_err(), "cut at the service's deadline");
    permits.add_permits(1);
    assert_eq!(lrn(load.await).as_deref(), Some("5"));
}
