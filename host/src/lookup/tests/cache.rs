//! What is kept, for how long, and who loads it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::server::{Behaviour, Server};
use super::{HOUR, LookupError, PATIENT, Probe, SECOND, Trouble, lrn, rig, unavailable};
use crate::config::model::Config;
use crate::lookup::Origin;

fn open_gate() -> Behaviour {
    Behaviour::Echo(Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)))
}

#[tokio::test]
async fn a_row_is_asked_for_once_and_then_read_from_memory() {
    let server = Server::start(Behaviour::Answer(200, "12125550000\n")).await;
    let rig = rig(&server.url, PATIENT, "ttl = \"24h\"");
    assert_eq!(rig.table.explain("12125551234"), Some(Origin::Loaded));
    assert_eq!(lrn(rig.look("12125551234").await).as_deref(), Some("12125550000"));
    rig.clock.advance(23 * HOUR);
    assert_eq!(lrn(rig.at_once("12125551234")).as_deref(), Some("12125550000"));
    assert!(matches!(rig.table.explain("12125551234"), Some(Origin::Fresh { age, .. }) if age >= 23 * HOUR));
    assert_eq!(server.requests(), 1);
    let stats = rig.table.stats();
    assert_eq!((stats.hits, stats.misses, stats.loads), (1, 1, 1));
}

#[tokio::test]
async fn after_its_ttl_a_row_is_asked_for_again() {
    let server = Server::start(Behaviour::Answer(200, "1")).await;
    let rig = rig(&server.url, PATIENT, "ttl = \"1h\"");
    rig.look("5").await.unwrap();
    server.now_does(Behaviour::Answer(200, "2"));
    rig.clock.advance(2 * HOUR);
    assert_eq!(rig.table.explain("5"), Some(Origin::Loaded));
    assert_eq!(lrn(rig.look("5").await).as_deref(), Some("2"));
}

#[tokio::test]
async fn that_there_is_no_row_is_kept_for_the_negative_ttl() {
    for none in [Behaviour::Answer(404, "not found"), Behaviour::Answer(204, ""), Behaviour::Answer(200, "\n")] {
        let server = Server::start(none).await;
        let rig = rig(&server.url, PATIENT, "ttl = \"24h\"\nnegative-ttl = \"60s\"");
        assert_eq!(rig.look("5").await, Ok(None));
        rig.clock.advance(59 * SECOND);
        assert_eq!(rig.at_once("5"), Ok(None));
        assert_eq!(rig.table.stats().negative, 1);
        rig.clock.advance(2 * SECOND);
        server.now_does(Behaviour::Answer(200, "1"));
        assert_eq!(lrn(rig.look("5").await).as_deref(), Some("1"), "the number has been ported since");
        assert_eq!(server.requests(), 2);
    }
}

#[tokio::test]
async fn a_stale_row_is_served_at_once_while_a_new_one_is_fetched() {
    let server = Server::start(Behaviour::Answer(200, "old")).await;
    let rig = rig(&server.url, PATIENT, "ttl = \"1h\"\nstale = \"7d\"");
    rig.look("5").await.unwrap();
    rig.clock.advance(2 * HOUR);
    let gate = Arc::new(Semaphore::new(0));
    server.now_does(Behaviour::Echo(Arc::clone(&gate)));
    for _ in 0..100 {
        assert_eq!(lrn(rig.at_once("5")).as_deref(), Some("old"));
    }
    assert!(matches!(rig.table.explain("5"), Some(Origin::Stale { age, .. }) if age >= 2 * HOUR));
    gate.add_permits(1);
    rig.table.landed("5").await;
    assert_eq!(lrn(rig.at_once("5")).as_deref(), Some("5"));
    assert_eq!(server.requests(), 2, "a hundred stale answers asked once");
    assert_eq!(rig.table.stats().stale, 100);
}

#[tokio::test]
async fn a_stale_row_is_served_while_the_source_is_down_and_no_longer_than_that() {
    let server = Server::start(Behaviour::Answer(200, "old")).await;
    let rig = rig(&server.url, PATIENT, "ttl = \"1h\"\nstale = \"7d\"");
    rig.look("5").await.unwrap();
    server.now_does(Behaviour::Answer(500, ""));
    rig.clock.advance(2 * HOUR);
    for _ in 0..10 {
        assert_eq!(lrn(rig.at_once("5")).as_deref(), Some("old"));
        rig.table.landed("5").await;
        // A key whose refresh failed is asked for again after a tenth of a second.
        rig.clock.advance(SECOND / 8);
    }
    assert_eq!(server.requests(), 1 + 5, "then the breaker is open, and stale answers ask nobody");
    assert!(rig.services.stats("api").unwrap().open);
    rig.clock.advance(7 * 24 * HOUR);
    assert_eq!(unavailable(rig.look("5").await), "service `api`: status 500");
}

#[tokio::test]
async fn a_failure_is_not_kept() {
    let server = Server::start(Behaviour::Answer(503, "busy")).await;
    let rig = rig(&server.url, PATIENT, "");
    assert_eq!(unavailable(rig.look("5").await), "service `api`: status 503");
    server.now_does(Behaviour::Answer(200, "1"));
    assert_eq!(lrn(rig.look("5").await).as_deref(), Some("1"));
}

#[tokio::test]
async fn a_thousand_who_wait_for_one_key_cause_one_request() {
    let gate = Arc::new(Semaphore::new(0));
    let server = Server::start(Behaviour::Echo(Arc::clone(&gate))).await;
    let rig = rig(&server.url, PATIENT, "");
    let waiting: Vec<_> = (0..1000).map(|_| rig.table.probe("5551234")).collect();
    gate.add_permits(1);
    for probe in waiting {
        let Probe::Pending(load) = probe else { panic!("answered before the source was") };
        assert_eq!(lrn(load.await).as_deref(), Some("5551234"));
    }
    assert_eq!(server.requests(), 1);
    assert_eq!(rig.table.stats().loads, 1);
}

#[tokio::test]
async fn who_stops_waiting_stops_nobody_else_and_not_the_load() {
    let gate = Arc::new(Semaphore::new(0));
    let server = Server::start(Behaviour::Echo(Arc::clone(&gate))).await;
    let rig = rig(&server.url, PATIENT, "");
    let (Probe::Pending(impatient), Probe::Pending(patient)) = (rig.table.probe("5"), rig.table.probe("5")) else {
        panic!("answered before the source was")
    };
    assert!(tokio::time::timeout(Duration::ZERO, impatient).await.is_err());
    gate.add_permits(1);
    assert_eq!(lrn(patient.await).as_deref(), Some("5"));

    drop(rig.table.probe("6"));
    gate.add_permits(1);
    rig.table.landed("6").await;
    assert_eq!(lrn(rig.at_once("6")).as_deref(), Some("6"), "nobody waited, the next call has it");
    assert_eq!(server.requests(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_worker_waits_in_a_runtime_of_its_own() {
    let server = Server::start(open_gate()).await;
    let rig = rig(&server.url, PATIENT, "");
    let table = Arc::clone(&rig.table);
    let worker = std::thread::spawn(move || {
        // No drivers: nothing but the load's own wake-up can end the waiting.
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let Probe::Pending(load) = table.probe("5") else { panic!("answered before the source was") };
        runtime.block_on(load)
    });
    let answer = tokio::task::spawn_blocking(|| worker.join().unwrap()).await.unwrap();
    assert_eq!(lrn(answer).as_deref(), Some("5"));
}

#[tokio::test]
async fn a_table_holds_no_more_than_its_capacity() {
    let server = Server::start(open_gate()).await;
    let rig = rig(&server.url, PATIENT, "capacity = 10");
    for key in 0..100 {
        rig.look(&key.to_string()).await.unwrap();
    }
    assert!((1..=10).contains(&rig.table.stats().entries), "{:?}", rig.table.stats());
}

#[tokio::test]
async fn a_key_reaches_the_service_as_one_path_segment_or_not_at_all() {
    let server = Server::start(Behaviour::Answer(200, "1")).await;
    let rig = rig(&server.url, PATIENT, "");
    rig.look("a/b ?é").await.unwrap();
    assert!(server.last_request().starts_with("GET /lrn/a%2Fb%20%3F%C3%A9 HTTP/1.1\r\n"), "{}", server.last_request());
    for key in ["", "..", "1\r\nx: y", &"5".repeat(257)] {
        assert_eq!(rig.at_once(key), Err(LookupError::BadKey), "{key:?}");
    }
    assert_eq!((server.requests(), rig.table.stats().errors_of(Trouble::BadKey)), (1, 4));
}

#[tokio::test]
async fn a_rebuild_keeps_what_is_cached_until_the_table_or_its_service_is_another() {
    let server = Server::start(Behaviour::Answer(200, "12125550000")).await;
    let text = |service: &str, table: &str| {
        let url = &server.url;
        let text = format!(
            "[services.api]\nurl = \"{url}\"\n{PATIENT}\n{service}\n[services.other]\nurl = \"{url}\"\n\
             [tables.lrn]\nsource = {{ http = {{ service = \"api\", path = \"/lrn/{{key}}\", field = \"lrn\" }} }}\n{table}"
        );
        toml::from_str::<Config>(&text).unwrap()
    };
    let folder = Path::new(".");
    let (tables, services) = crate::lookup::build(&text("", ""), folder, &Handle::current(), Arc::default()).unwrap();
    let rebuilt = |service: &str, table: &str| {
        let (tables, _) = crate::lookup::rebuild(&text(service, table), folder, (&tables, &services)).unwrap();
        Arc::clone(tables.get("lrn").unwrap())
    };
    let Probe::Pending(load) = tables.get("lrn").unwrap().probe("5") else { panic!("nothing is cached yet") };
    load.await.unwrap();

    assert!(matches!(rebuilt("", "").explain("5"), Some(Origin::Fresh { .. })));
    assert_eq!(rebuilt("", "ttl = \"2h\"").explain("5"), Some(Origin::Loaded), "another table");
    assert_eq!(rebuilt("max-concurrent = 7", "").explain("5"), Some(Origin::Loaded), "another service");
}
