//! A DNS server of the test's own, on loopback: it answers from a list, and can fall silent.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, NAPTR, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::net::UdpSocket;

use super::{DnsCounts, LocateError, Located, Locator, Names, Place};
use crate::config::model::{Dns, Listen};
use crate::config::units::TimeSpan;

type Zone = HashMap<(String, RecordType), Vec<RData>>;

struct Server {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    silent: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

impl Server {
    async fn new(records: &[(&str, RData)]) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
        let address = socket.local_addr().expect("its address");
        let mut zone = Zone::new();
        for (name, data) in records {
            zone.entry(((*name).to_owned(), data.record_type())).or_default().push(data.clone());
        }
        let (zone, silent) = (Arc::new(Mutex::new(zone)), Arc::new(AtomicBool::new(false)));
        let (known, quiet) = (Arc::clone(&zone), Arc::clone(&silent));
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        drop(tokio::spawn(async move {
            let mut buffer = [0; 2048];
            while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
                counted.fetch_add(1, Relaxed);
                if quiet.load(Relaxed) {
                    continue;
                }
                let answer = answer(&buffer[..length], &known.lock().expect("the zone"));
                let _ = socket.send_to(&answer, peer).await;
            }
        }));
        Self { address, zone, silent, asked }
    }

    /// Questions so far.
    fn asked(&self) -> usize {
        self.asked.load(Relaxed)
    }

    fn locator(&self, listen: &str, deadline: Duration) -> Locator {
        let listen: Listen = toml::from_str(listen).expect("listeners");
        let deadline = TimeSpan::from_millis(deadline.as_millis() as u64);
        let dns = Dns { servers: vec![self.address], deadline };
        Locator::new(&dns, &listen, Arc::new(DnsCounts::default())).expect("a locator")
    }
}

fn answer(query: &[u8], zone: &Zone) -> Vec<u8> {
    let query = Message::from_vec(query).expect("a DNS message");
    let question = query.queries.first().expect("a question").clone();
    let name = question.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
    let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
    answer.metadata.message_type = MessageType::Response;
    answer.metadata.recursion_available = true;
    let known = zone.keys().any(|(host, _)| *host == name);
    answer.metadata.response_code = if known { ResponseCode::NoError } else { ResponseCode::NXDomain };
    answer.add_query(question.clone());
    for data in zone.get(&(name, question.query_type())).into_iter().flatten() {
        answer.add_answer(Record::from_rdata(question.name().clone(), 1, data.clone()));
    }
    answer.to_vec().expect("bytes")
}

fn a(last: u8) -> RData {
    RData::A(A(Ipv4Addr::new(192, 0, 2, last)))
}

fn srv(priority: u16, port: u16, target: &str) -> RData {
    RData::SRV(SRV::new(priority, 10, port, Name::from_ascii(target).expect("a name")))
}

fn naptr(order: u16, service: &str, replacement: &str) -> RData {
    let replacement = Name::from_ascii(replacement).expect("a name");
    RData::NAPTR(NAPTR::new(order, 0, b"s".as_slice().into(), service.as_bytes().into(), Box::default(), replacement))
}

fn place(host: &str) -> Place {
    Place { host: host.to_owned(), port: None, transport: None, secure: false }
}

fn addresses(located: &Located) -> Vec<String> {
    located.targets.all().map(|target| format!("{}:{}", target.transport, target.address)).collect()
}

const ALL: &str = "udp = ['0.0.0.0:5060', '[::]:5060']\ntcp = ['0.0.0.0:5060']\n\
    tls = [{ bind = '0.0.0.0:5061', certificate = 'a', key = 'b' }]";
const UDP: &str = "udp = ['0.0.0.0:5060']";
const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn naptr_chooses_the_transport_and_srv_the_servers_by_priority() {
    let server = Server::new(&[
        ("c.test", naptr(20, "SIP+D2U", "_sip._udp.c.test.")),
        ("c.test", naptr(10, "SIP+D2T", "_sip._tcp.c.test.")),
        ("c.test", naptr(5, "E2U+sip", "_sip._udp.c.test.")),
        ("_sip._tcp.c.test", srv(20, 5072, "b.c.test.")),
        ("_sip._tcp.c.test", srv(10, 5071, "a.c.test.")),
        ("a.c.test", a(1)),
        ("b.c.test", a(2)),
    ])
    .await;
    let locator = server.locator(ALL, PATIENCE);
    let located = locator.locate(&place("c.test")).await.expect("found");
    assert_eq!(addresses(&located), ["tcp:192.0.2.1:5071", "tcp:192.0.2.2:5072"]);
    // A node without TCP goes by the next offer, and finds no such service: then by the host itself.
    let located = server.locator(UDP, PATIENCE).locate(&place("c.test")).await;
    assert_eq!(located.unwrap_err(), LocateError::Nowhere);
}

#[tokio::test]
async fn without_naptr_the_services_are_tried_in_turn_and_without_those_the_host() {
    let server =
        Server::new(&[("_sip._tcp.s.test", srv(1, 5080, "h.test.")), ("h.test", a(3)), ("s.test", a(4))]).await;
    let locator = server.locator(ALL, PATIENCE);
    assert_eq!(addresses(&locator.locate(&place("s.test")).await.expect("found")), ["tcp:192.0.2.3:5080"]);
    assert_eq!(addresses(&locator.locate(&place("h.test")).await.expect("found")), ["udp:192.0.2.3:5060"]);
    let with_port = Place { port: Some(5090), ..place("s.test") };
    assert_eq!(addresses(&locator.locate(&with_port).await.expect("found")), ["udp:192.0.2.4:5090"], "no SRV");
    let secure = Place { secure: true, ..place("h.test") };
    assert_eq!(addresses(&locator.locate(&secure).await.expect("found")), ["tls:192.0.2.3:5061"]);
}

#[tokio::test]
async fn both_families_are_asked_where_the_node_listens_by_both() {
    let six = RData::AAAA(AAAA("2001:db8::1".parse().expect("an address")));
    let server = Server::new(&[("h.test", a(5)), ("h.test", six)]).await;
    let found = server.locator(ALL, PATIENCE).locate(&place("h.test")).await.expect("found");
    assert_eq!(addresses(&found), ["udp:192.0.2.5:5060", "udp:[2001:db8::1]:5060"]);
    let found = server.locator(UDP, PATIENCE).locate(&place("h.test")).await.expect("found");
    assert_eq!(addresses(&found), ["udp:192.0.2.5:5060"]);
}

#[tokio::test]
async fn a_service_that_is_decidedly_not_there_leads_nowhere() {
    let server = Server::new(&[("_sip._udp.n.test", srv(0, 0, ".")), ("n.test", a(6))]).await;
    assert_eq!(server.locator(UDP, PATIENCE).locate(&place("n.test")).await.unwrap_err(), LocateError::Nowhere);
}

#[tokio::test]
async fn a_silent_server_costs_the_deadline_once_and_then_the_last_answer_serves() {
    let server = Server::new(&[("h.test", a(7))]).await;
    let deadline = Duration::from_millis(300);
    let locator = server.locator(UDP, deadline);
    let with_port = Place { port: Some(5060), ..place("h.test") };
    let located = locator.locate(&with_port).await.expect("found");
    assert!(located.fresh_for <= Duration::from_secs(1));

    server.silent.store(true, Relaxed);
    // Until its time to live is over, nobody is asked.
    tokio::time::sleep(located.fresh_for + Duration::from_millis(10)).await;
    let begin = Instant::now();
    let stale = locator.locate(&with_port).await.expect("the last answer");
    assert_eq!(addresses(&stale), addresses(&located));
    assert!(begin.elapsed() < deadline * 3, "{:?}", begin.elapsed());
    let begin = Instant::now();
    locator.locate(&with_port).await.expect("the last answer");
    assert!(begin.elapsed() < deadline / 3, "it is not asked at once again: {:?}", begin.elapsed());
    let unknown = Place { port: Some(5060), ..place("never.test") };
    assert_eq!(locator.locate(&unknown).await.unwrap_err(), LocateError::Timeout(deadline));
}

#[tokio::test]
async fn a_name_that_appears_is_found_when_its_absence_is_over() {
    let server = Server::new(&[("other.test", a(8))]).await;
    let locator = server.locator(UDP, PATIENCE);
    let with_port = Place { port: Some(5060), ..place("new.test") };
    assert_eq!(locator.locate(&with_port).await.unwrap_err(), LocateError::Nowhere);
    server.zone.lock().expect("the zone").insert(("new.test".to_owned(), RecordType::A), vec![a(9)]);
    // At most a minute is believed; the memory of another locator is empty.
    assert_eq!(locator.locate(&with_port).await.unwrap_err(), LocateError::Nowhere, "remembered");
    let located = server.locator(UDP, PATIENCE).locate(&with_port).await.expect("found");
    assert_eq!(addresses(&located), ["udp:192.0.2.9:5060"]);
}

fn names_of(server: &Server, deadline: Duration) -> Arc<Names> {
    let dns = Dns { servers: vec![server.address], deadline: TimeSpan::from_millis(deadline.as_millis() as u64) };
    Names::new(&dns, tokio::runtime::Handle::current(), Arc::default())
}

#[tokio::test]
async fn a_service_s_host_is_served_from_memory_while_no_server_answers() {
    let server = Server::new(&[("h.test", a(7))]).await;
    let names = names_of(&server, Duration::from_millis(300));
    let known = names.addresses("h.test").await.expect("found");
    assert_eq!(known.iter().map(ToString::to_string).collect::<Vec<_>>(), ["192.0.2.7"]);

    server.silent.store(true, Relaxed);
    tokio::time::sleep(Duration::from_millis(1_010)).await;
    let begin = Instant::now();
    assert_eq!(names.addresses("h.test").await, Ok(known), "its time is over, and it serves");
    assert!(begin.elapsed() < Duration::from_millis(100), "who asks waits for no server: {:?}", begin.elapsed());
    let why = names.addresses("never.test").await.unwrap_err();
    assert!(why.contains("no DNS server answered within 300ms"), "{why}");
}

#[tokio::test]
async fn a_service_s_host_that_moves_is_found_without_anybody_waiting() {
    let server = Server::new(&[("h.test", a(7))]).await;
    let names = names_of(&server, PATIENCE);
    let before = names.addresses("h.test").await.expect("found");
    server.zone.lock().expect("the zone").insert(("h.test".to_owned(), RecordType::A), vec![a(8)]);
    assert_eq!(names.addresses("h.test").await.as_ref(), Ok(&before), "within its time to live");
    let end = Instant::now() + PATIENCE;
    loop {
        let now = names.addresses("h.test").await.expect("never none");
        if *now != *before {
            assert_eq!(now.iter().map(ToString::to_string).collect::<Vec<_>>(), ["192.0.2.8"]);
            return;
        }
        assert!(Instant::now() < end, "the new address never came");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn who_stops_waiting_for_a_slow_server_leaves_the_answer_to_the_next() {
    let server = Server::new(&[("h.test", a(7))]).await;
    let names = names_of(&server, PATIENCE);
    assert!(names.addresses("h.test").now_or_never().is_none(), "the server has not answered yet");
    assert!(names.addresses("h.test").await.is_ok());
    assert_eq!(server.asked(), 2, "A and AAAA, once");
    assert_eq!(names.addresses("nowhere.test").await, Err("the name leads to no address".into()));
}
