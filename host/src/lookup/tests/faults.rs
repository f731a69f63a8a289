//! What a service can do to us, and how little of it a call notices.

use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use tokio::sync::Semaphore;

use super::server::{Behaviour, Server};
use super::{Answer, LookupError, PATIENT, Probe, SECOND, Trouble, lrn, rig, unavailable};

/// The default deadline of 50 ms, and what a loaded machine adds. A fault that is not cut lasts for ever.
const CUT: Duration = Duration::from_secs(5);

async fn against(url: &str) -> Answer {
    let asked = Instant::now();
    let answer = rig(url, "", "").look("5").await;
    assert!(asked.elapsed() < CUT, "{answer:?} took {:?}", asked.elapsed());
    answer
}

#[tokio::test]
async fn a_service_that_hangs_or_drips_is_cut_at_its_deadline() {
    for slow in [Behaviour::Hang, Behaviour::Drip] {
        let server = Server::start(slow.clone()).await;
        assert_eq!(against(&server.url).await, Err(LookupError::Deadline), "{slow:?}");
        assert_eq!(server.requests(), 1);
    }
}

#[tokio::test]
async fn a_host_that_drops_connection_attempts_is_cut_at_the_deadline() {
    let deaf = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    deaf.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    deaf.listen(0).unwrap();
    let address = deaf.local_addr().unwrap();
    // They fill the queue that nobody accepts from; the kernel drops the SYNs of all who come after.
    let _fill: Vec<_> = (0..8)
        .map(|_| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&address);
            socket
        })
        .collect();
    let url = format!("http://{}", address.as_socket().unwrap());
    assert_eq!(against(&url).await, Err(LookupError::Deadline));
}

#[tokio::test]
async fn a_service_that_refuses_or_resets_says_so_without_the_number() {
    let server = Server::start(Behaviour::Reset).await;
    assert!(unavailable(against(&server.url).await).starts_with("service `api`: "));

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let why = unavailable(against(&url).await);
    assert!(why.contains("refused"), "{why}");
    assert!(!why.contains("/lrn/"), "{why}");
}

#[tokio::test]
async fn a_body_of_100_megabytes_is_not_read() {
    for announced in [true, false] {
        let server = Server::start(Behaviour::Flood { announced }).await;
        let answer = rig(&server.url, PATIENT, "").look("5").await;
        assert_eq!(unavailable(answer), "service `api`: the answer is longer than 256 KiB");
    }
}

#[tokio::test]
async fn what_is_not_the_expected_content_never_becomes_a_row() {
    for wrong in [
        Behaviour::Garbage,
        Behaviour::Answer(200, "<html>\n<body>Log in to the hotel's network</body>"),
        Behaviour::Answer(200, "<html><body>Bad Gateway</body></html>"),
        Behaviour::Answer(200, "<!DOCTYPE html>"),
        Behaviour::Answer(200, "12125550000\r\nX-Injected: yes"),
    ] {
        let server = Server::start(wrong.clone()).await;
        let rig = rig(&server.url, PATIENT, "");
        unavailable(rig.look("5").await);
        assert_eq!(rig.table.stats().entries, 0, "{wrong:?}");
        for _ in 0..4 {
            unavailable(rig.look("5").await);
        }
        assert!(rig.services.stats("api").unwrap().open, "a service that talks nonsense is as good as down: {wrong:?}");
    }
}

#[tokio::test]
async fn a_redirect_leads_nowhere() {
    let other = Server::start(Behaviour::Answer(200, "1")).await;
    let server = Server::start(Behaviour::Redirect(format!("{}/lrn/5", other.url))).await;
    assert_eq!(unavailable(against(&server.url).await), "service `api`: status 302");
    assert_eq!(other.requests(), 0);
}

#[tokio::test]
async fn of_10_000_keys_at_once_as_many_load_as_may_and_the_others_take_their_turn() {
    let gate = Arc::new(Semaphore::new(0));
    let server = Server::start(Behaviour::Echo(Arc::clone(&gate))).await;
    let rig = rig(&server.url, &format!("{PATIENT}\nmax-concurrent = 100"), "capacity = 20_000");
    let mut loads = Vec::new();
    for key in 0..10_000 {
        let Probe::Pending(load) = rig.table.probe(&key.to_string()) else { panic!("{key} was refused") };
        loads.push((key, load));
    }
    while server.requests() < 100 {
        tokio::time::sleep(SECOND / 100).await;
    }
    tokio::time::sleep(SECOND / 10).await;
    assert_eq!(server.requests(), 100, "no more than may are out at once");
    gate.add_permits(10_000);
    for (key, load) in loads {
        assert_eq!(lrn(load.await), Some(key.to_string()));
    }
    assert_eq!(server.requests(), 10_000);
}

#[tokio::test]
async fn who_finds_the_queue_full_goes_on_at_once() {
    let gate = Arc::new(Semaphore::new(0));
    let server = Server::start(Behaviour::Echo(Arc::clone(&gate))).await;
    let rig = rig(&server.url, &format!("{PATIENT}\nmax-concurrent = 100\nmax-queued = 50"), "");
    let (mut loads, mut refused) = (Vec::new(), 0);
    for key in 0..1_000 {
        match rig.table.probe(&key.to_string()) {
            Probe::Pending(load) => loads.push((key, load)),
            Probe::Ready(answer) => {
                assert_eq!(unavailable(answer), "service `api`: 100 requests at once and 50 waiting already");
                refused += 1;
            }
        }
    }
    assert_eq!((loads.len(), refused), (150, 850));
    assert_eq!(rig.table.stats().errors_of(Trouble::Busy), 850);
    gate.add_permits(1_000);
    for (key, load) in loads {
        assert_eq!(lrn(load.await), Some(key.to_string()));
    }
    assert!(!rig.services.stats("api").unwrap().open, "being busy is not being down");
    assert_eq!(lrn(rig.look("999").await).as_deref(), Some("999"), "the places came back");
}

#[tokio::test]
async fn who_waits_in_the_queue_for_longer_than_the_deadline_is_told_that_it_is_busy_and_no_breaker_opens() {
    let server = Server::start(Behaviour::Hang).await;
    let service = "deadline = \"100ms\"\nmax-concurrent = 1\nbreaker = { failures = 3, slow-percent = 100 }";
    let rig = rig(&server.url, service, "");
    let loads: Vec<_> = (0..10).map(|key| rig.table.probe(&key.to_string())).collect();
    let mut busy = 0;
    for load in loads {
        let Probe::Pending(load) = load else { panic!("refused") };
        match load.await {
            Err(LookupError::Unavailable(Trouble::Busy, _)) => busy += 1,
            Err(LookupError::Deadline) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(busy >= 7, "{busy}");
    assert!(!rig.services.stats("api").unwrap().open);
}

#[tokio::test]
async fn a_hedged_request_wins_where_the_first_one_hangs() {
    let server = Server::start(Behaviour::Hang).await;
    let rig = rig(&server.url, &format!("{PATIENT}\nhedge = \"50ms\""), "");
    let Probe::Pending(load) = rig.table.probe("5") else { panic!("answered before the source was") };
    while server.requests() < 1 {
        tokio::time::sleep(SECOND / 100).await;
    }
    server.now_does(Behaviour::Answer(200, "1"));
    assert_eq!(lrn(load.await).as_deref(), Some("1"));
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn a_dead_service_is_asked_five_times_then_by_one_probe_at_a_time() {
    let server = Server::start(Behaviour::Reset).await;
    let rig = rig(&server.url, PATIENT, "");
    let before = server.requests();
    for _ in 0..5 {
        unavailable(rig.look("5").await);
    }
    let asked = server.requests();
    assert!(asked > before);
    assert_eq!(unavailable(rig.at_once("5")), "service `api`: breaker open");
    assert_eq!(server.requests(), asked, "an open breaker asks nobody");

    rig.clock.advance(6 * SECOND);
    let Probe::Pending(probe) = rig.table.probe("6") else { panic!("no probe went") };
    assert_eq!(unavailable(rig.at_once("7")), "service `api`: breaker open", "one probe at a time");
    unavailable(probe.await);
    assert_eq!(unavailable(rig.at_once("5")), "service `api`: breaker open", "the probe failed");

    server.now_does(Behaviour::Answer(200, "1"));
    rig.clock.advance(6 * SECOND);
    assert!(rig.services.stats("api").unwrap().half_open, "not closed: nothing has been asked yet");
    assert_eq!(lrn(rig.look("5").await).as_deref(), Some("1"));
    assert_eq!(lrn(rig.look("6").await).as_deref(), Some("1"), "the probe succeeded");
    let stats = rig.services.stats("api").unwrap();
    assert_eq!((stats.open, stats.half_open, stats.times_opened), (false, false, 1));
}

#[tokio::test]
async fn that_a_request_is_refused_opens_no_breaker() {
    let server = Server::start(Behaviour::Answer(400, "bad number")).await;
    let rig = rig(&server.url, PATIENT, "");
    for _ in 0..20 {
        assert_eq!(unavailable(rig.look("5").await), "service `api`: status 400");
    }
    assert!(!rig.services.stats("api").unwrap().open, "else one caller's garbage would cut off all");
}

#[tokio::test]
async fn the_wait_for_a_turn_and_the_source_together_take_no_longer_than_the_deadline() {
    let gate = Arc::new(Semaphore::new(0));
    let server = Server::start(Behaviour::Echo(Arc::clone(&gate))).await;
    let rig = rig(&server.url, "deadline = \"4s\"\nmax-concurrent = 1", "");
    let asked = Instant::now();
    let (Probe::Pending(first), Probe::Pending(second)) = (rig.table.probe("1"), rig.table.probe("2")) else {
        panic!("answered before the source was")
    };
    // The second gets its turn late, and then hangs.
    tokio::time::sleep(SECOND * 3 / 2).await;
    gate.add_permits(1);
    assert_eq!(lrn(first.await).as_deref(), Some("1"));
    assert_eq!(second.await, Err(LookupError::Deadline));
    assert!(asked.elapsed() < SECOND * 5, "{:?}: the deadline began anew with its turn", asked.elapsed());
    assert_eq!(server.requests(), 2);
}
