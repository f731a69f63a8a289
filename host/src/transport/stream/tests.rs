//! Real sockets on loopback; the workers are a mailbox that the test reads.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::counts::Event;
use super::tls::{Certificates, Tls};
use super::{Carrier, Limits, Listening, Post, Running, Streams, bind};
use crate::guard::{Guard, Rules};
use crate::routing::Known;
use crate::sip::flow::{Flow, Loss, Transport};
use crate::worker::Clock;
use crate::worker::Mail;

/// Longer than anything here may take on a machine that stalls.
const PATIENCE: Duration = Duration::from_secs(10);

const LIMITS: Limits = Limits {
    handshakes_per_source: 8,
    connections: 16,
    per_source: 8,
    handshakes: 4,
    handshake_timeout: Duration::from_millis(200),
    connect_timeout: Duration::from_millis(500),
    idle: Duration::from_mins(1),
    stall: Duration::from_millis(200),
    queue: 128 << 10,
};

/// A node with one TCP listener and one worker.
struct Node {
    streams: Streams,
    address: SocketAddr,
    mail: mpsc::Receiver<Mail>,
    _running: Running,
}

impl Node {
    fn new(limits: Limits) -> Self {
        let abuse = toml::from_str("rate = 1_000_000\nburst = 1_000_000").expect("a section");
        let guard = Guard::new(Clock::start(), Rules::new(&abuse, Known::default()));
        let carrier = Carrier::new(1, limits, Tls::new(Certificates::default()), guard).expect("threads");
        let streams = carrier.streams();
        let socket = bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a socket");
        let address = socket.local_addr().expect("its address");
        let (sender, mail) = mpsc::channel(64);
        let sockets = vec![Listening { listener: 0, tls: None, socket }];
        let running = carrier.start(sockets, vec![address], Post::new(vec![sender])).expect("a start");
        Self { streams, address, mail, _running: running }
    }

    async fn peer(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }

    /// The next message that comes.
    async fn hear(&mut self) -> (Flow, Bytes) {
        match timeout(PATIENCE, self.mail.recv()).await.expect("mail in time").expect("a node") {
            Mail::Datagrams(mut messages) => messages.remove(0),
            other => panic!("{other:?}"),
        }
    }

    /// The branch of the next request that is told to have got nowhere, and why.
    async fn hear_of_loss(&mut self) -> (String, Loss) {
        match timeout(PATIENCE, self.mail.recv()).await.expect("mail in time").expect("a node") {
            Mail::Unreachable(branch, why) => (String::from_utf8(branch).expect("text"), why),
            other => panic!("{other:?}"),
        }
    }

    async fn closed_for(&self, reason: &str) {
        let count = || self.streams.sample().events.iter().any(|(_, why, count)| *why == reason && *count > 0);
        let waiting = async {
            while !count() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("no {reason}: {:?}", self.streams.sample()));
    }
}

fn request(call_id: &str, via: &str) -> String {
    format!(
        "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP {via};branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
         To: <sip:a@b>\r\nCall-ID: {call_id}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}

/// A branch of worker 0, as the core makes them.
const BRANCH: &str = "z9hG4bKt00000000010000000200000003.00000004";

fn ours() -> Bytes {
    format!("BYE sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP c:5060;rport;branch={BRANCH};alias\r\n\r\n").into()
}

async fn read(peer: &mut TcpStream) -> String {
    let mut buffer = vec![0; 4096];
    let count = timeout(PATIENCE, peer.read(&mut buffer)).await.expect("an answer in time").expect("bytes");
    String::from_utf8_lossy(&buffer[..count]).into_owned()
}

/// What comes until the node closes.
async fn read_all(peer: &mut TcpStream) -> String {
    let mut text = String::new();
    let _ = timeout(PATIENCE, peer.read_to_string(&mut text)).await.expect("an end in time");
    text
}

#[tokio::test]
async fn messages_of_one_connection_are_posted_in_their_order_and_answered_by_it() {
    let mut node = Node::new(LIMITS);
    let mut peer = node.peer().await;
    let text: String = (0..20).map(|number| request(&format!("call-{number}"), "c")).collect();
    peer.write_all(text.as_bytes()).await.expect("written");
    for number in 0..20 {
        let (flow, message) = node.hear().await;
        assert!(String::from_utf8_lossy(&message).contains(&format!("call-{number}\r\n")), "{number}");
        if number == 19 {
            node.streams.send(flow, Bytes::from_static(b"SIP/2.0 200 OK\r\n\r\n"), None).expect("sent");
        }
    }
    assert_eq!(read(&mut peer).await, "SIP/2.0 200 OK\r\n\r\n");
}

#[tokio::test]
async fn a_ping_gets_its_pong() {
    let node = Node::new(LIMITS);
    let mut peer = node.peer().await;
    peer.write_all(b"\r\n\r\n").await.expect("written");
    assert_eq!(read(&mut peer).await, "\r\n");
}

#[tokio::test]
async fn a_request_without_a_length_is_answered_400_and_the_connection_closed() {
    let node = Node::new(LIMITS);
    let mut peer = node.peer().await;
    peer.write_all(request("a", "c").replace("Content-Length: 0\r\n", "").as_bytes()).await.expect("written");
    let answer = read_all(&mut peer).await;
    assert!(answer.starts_with("SIP/2.0 400 "), "{answer}");
    node.closed_for("unframed").await;
}

#[tokio::test]
async fn garbage_closes_the_connection_without_an_answer() {
    let node = Node::new(LIMITS);
    let mut peer = node.peer().await;
    peer.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("written");
    assert_eq!(read_all(&mut peer).await, "");
    node.closed_for("unframed").await;
}

#[tokio::test]
async fn a_message_that_never_ends_is_waited_for_no_longer_than_the_stall_limit() {
    let node = Node::new(LIMITS);
    let mut peer = node.peer().await;
    peer.write_all(b"OPTIONS sip:a@b SIP/2.0\r\nVia: ").await.expect("written");
    assert_eq!(read_all(&mut peer).await, "");
    node.closed_for("unfinished-message").await;
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let node = Node::new(Limits { idle: Duration::from_millis(50), ..LIMITS });
    let mut peer = node.peer().await;
    assert_eq!(read_all(&mut peer).await, "");
    node.closed_for("idle").await;
}

#[tokio::test]
async fn a_peer_that_does_not_read_fills_its_queue_and_no_more_and_is_hung_up_on() {
    let mut node = Node::new(LIMITS);
    let mut peer = node.peer().await;
    peer.write_all(request("a", "c").as_bytes()).await.expect("written");
    let (flow, _) = node.hear().await;
    let big = Bytes::from(vec![b'x'; 60 << 10]);
    let mut refused = 0;
    // The kernel's buffers take some megabytes before anything waits here; the connection's end ends the loop.
    let deadline = std::time::Instant::now() + PATIENCE;
    while node.streams.sample().connections > 0 && std::time::Instant::now() < deadline {
        refused += u32::from(node.streams.send(flow, big.clone(), None).is_err());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(refused > 0, "the queue has a bound");
    node.closed_for("slow-reader").await;
}

#[tokio::test]
async fn more_connections_of_one_address_than_it_may_have_are_closed_at_once() {
    let node = Node::new(Limits { per_source: 1, ..LIMITS });
    let mut first = node.peer().await;
    first.write_all(b"\r\n\r\n").await.expect("written");
    assert_eq!(read(&mut first).await, "\r\n");
    let mut second = node.peer().await;
    assert_eq!(read_all(&mut second).await, "");
    node.closed_for("per-source").await;
    drop(first);
}

#[tokio::test]
async fn a_peer_is_dialled_once_and_its_requests_come_by_the_same_connection() {
    let mut node = Node::new(LIMITS);
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
    let to = Flow::to(0, Transport::Tcp, other.local_addr().expect("its address"));
    for _ in 0..3 {
        node.streams.send(to, ours(), None).expect("taken");
    }
    let (mut peer, _) = timeout(PATIENCE, other.accept()).await.expect("dialled").expect("accepted");
    let mut text = String::new();
    while text.matches("BYE").count() < 3 {
        text += &read(&mut peer).await;
    }
    peer.write_all(request("back", "c").as_bytes()).await.expect("written");
    let (flow, _) = node.hear().await;
    assert!(flow.connection.is_some());
    assert_eq!(flow.remote, to.remote);
    assert_eq!(node.streams.sample().connections, 1);
}

#[tokio::test]
async fn a_refused_connection_tells_the_owner_of_the_request_at_once() {
    let mut node = Node::new(LIMITS);
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket").local_addr().expect("address");
    node.streams.send(Flow::to(0, Transport::Tcp, nobody), ours(), None).expect("taken");
    assert_eq!(node.hear_of_loss().await, (BRANCH.to_owned(), Loss::NoConnection));
}

#[tokio::test]
async fn a_message_that_waited_for_a_connection_is_counted_by_why_there_is_none() {
    let mut node = Node::new(LIMITS);
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket").local_addr().expect("address");
    let (_listener, _open, deaf) = deaf().await;
    for (to, reason) in [(nobody, "connect-failed"), (deaf, "connect-timeout")] {
        node.streams.send(Flow::to(0, Transport::Tcp, to), ours(), Some(Duration::from_millis(500))).expect("taken");
        node.hear_of_loss().await;
        let unsent = node.streams.sample().events.into_iter().filter(|(event, ..)| *event == Event::Unsent);
        let counted: Vec<_> = unsent.filter(|(_, counted, _)| *counted == reason).collect();
        assert_eq!(counted, [(Event::Unsent, reason, 1)]);
    }
}

/// A port whose SYNs are dropped: its queue of connections that nobody accepts is full.
async fn deaf() -> (TcpListener, Vec<TcpStream>, SocketAddr) {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("bound");
    let listener = socket.listen(1).expect("listens");
    let address = listener.local_addr().expect("its address");
    let mut open = Vec::new();
    while let Ok(connected) = timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
        open.push(connected.expect("a connection"));
    }
    (listener, open, address)
}

#[tokio::test]
async fn who_waits_for_a_connection_a_short_time_alone_is_told_after_it_and_whoever_waits_longer_is_not() {
    let mut node = Node::new(Limits { connect_timeout: Duration::from_secs(5), ..LIMITS });
    let (listener, _open, address) = deaf().await;
    let to = Flow::to(0, Transport::Tcp, address);
    let other = BRANCH.replace("00000004", "00000005");
    let patient = Bytes::from(String::from_utf8_lossy(&ours()).replace(BRANCH, &other));
    node.streams.send(to, patient, None).expect("taken");
    node.streams.send(to, ours(), Some(Duration::from_millis(50))).expect("taken");
    assert_eq!(node.hear_of_loss().await, (BRANCH.to_owned(), Loss::NoConnection));
    assert!(timeout(Duration::from_millis(100), node.mail.recv()).await.is_err(), "the other one waits on");
    drop(listener);
    assert_eq!(node.hear_of_loss().await, (other, Loss::NoConnection), "refused at last");
}

#[tokio::test]
async fn what_waits_for_a_connection_leaves_by_it_as_soon_as_it_is_there() {
    let node = Node::new(LIMITS);
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
    let to = Flow::to(0, Transport::Tcp, other.local_addr().expect("its address"));
    for _ in 0..3 {
        node.streams.send(to, ours(), Some(PATIENCE)).expect("taken");
    }
    let (mut peer, _) = timeout(PATIENCE, other.accept()).await.expect("dialled").expect("accepted");
    let mut text = String::new();
    while text.matches("BYE").count() < 3 {
        text += &read(&mut peer).await;
    }
}

#[tokio::test]
async fn a_connection_that_breaks_tells_the_owners_of_what_was_not_answered() {
    let mut node = Node::new(LIMITS);
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
    let to = Flow::to(0, Transport::Tcp, other.local_addr().expect("its address"));
    node.streams.send(to, ours(), None).expect("taken");
    let (mut peer, _) = timeout(PATIENCE, other.accept()).await.expect("dialled").expect("accepted");
    assert!(read(&mut peer).await.starts_with("BYE"));
    drop(peer);
    assert_eq!(node.hear_of_loss().await, (BRANCH.to_owned(), Loss::Other));
}

#[tokio::test]
async fn an_alias_makes_the_peer_s_own_address_lead_to_its_connection() {
    let mut node = Node::new(LIMITS);
    let mut peer = node.peer().await;
    peer.write_all(request("a", "c:5999;alias").as_bytes()).await.expect("written");
    node.hear().await;
    let name = SocketAddr::from((Ipv4Addr::LOCALHOST, 5999));
    node.streams.send(Flow::to(0, Transport::Tcp, name), ours(), None).expect("taken");
    assert!(read(&mut peer).await.starts_with("BYE"));
}

#[tokio::test]
async fn a_response_whose_connection_is_gone_goes_by_a_new_one_to_where_its_request_said() {
    let mut node = Node::new(LIMITS);
    let mut peer = node.peer().await;
    peer.write_all(request("a", "c").as_bytes()).await.expect("written");
    let (flow, _) = node.hear().await;
    drop(peer);
    node.closed_for("peer").await;
    let sent_by = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
    let reply = Flow { remote: sent_by.local_addr().expect("its address"), ..flow };
    node.streams.send(reply, Bytes::from_static(b"SIP/2.0 200 OK\r\n\r\n"), None).expect("taken");
    let (mut peer, _) = timeout(PATIENCE, sent_by.accept()).await.expect("dialled").expect("accepted");
    assert_eq!(read(&mut peer).await, "SIP/2.0 200 OK\r\n\r\n");
}

#[tokio::test]
async fn a_fault_is_charged_to_a_peer_that_came_and_not_to_one_that_we_have_called() {
    let mut node = Node::new(LIMITS);
    let far = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
    let called = Flow::to(0, Transport::Tcp, far.local_addr().expect("its address"));
    node.streams.send(called, ours(), None).expect("queued");
    let (mut far, _) = far.accept().await.expect("a connection");
    let mut near = node.peer().await;
    let guard = node.streams.0.guard.clone();
    for (peer, charged) in [(&mut far, false), (&mut near, true)] {
        peer.write_all(request("call", "c").as_bytes()).await.expect("written");
        let (flow, _) = node.hear().await;
        (0..100).for_each(|_| node.streams.malformed(guard.now(), flow));
        assert_eq!(guard.is_banned(Ipv4Addr::LOCALHOST.into()), charged);
    }
}
