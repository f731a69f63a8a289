//! A telephone that says word by word what a test tells it to, for what SIPp scenarios cannot say.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::pki::{Certificate, Pki};
use crate::wire::Wire;

/// How long the other side may take. Longer than T1, so that a retransmission is seen where one is due.
const PATIENCE: Duration = Duration::from_secs(5);

/// One SIP message as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message(pub String);

impl Message {
    /// The values of all header fields of this name, in order.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        let head = self.0.split("\r\n\r\n").next().unwrap_or_default();
        let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.filter(|(field, _)| field.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }

    /// The first header field of this name.
    ///
    /// # Panics
    /// When there is none: the test shows the message.
    pub fn header(&self, name: &str) -> &str {
        self.headers(name).first().copied().unwrap_or_else(|| panic!("no {name} in:\n{}", self.0))
    }

    /// The first line.
    pub fn first_line(&self) -> &str {
        self.0.lines().next().unwrap_or_default()
    }

    /// The status code as text, or else the method.
    pub fn kind(&self) -> &str {
        let mut words = self.first_line().split(' ');
        match words.next() {
            Some("SIP/2.0") => words.next().unwrap_or_default(),
            Some(method) => method,
            None => "",
        }
    }

    /// What follows the empty line.
    pub fn body(&self) -> &str {
        self.0.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    /// The same, with another header field behind the first line.
    pub fn with(&self, field: &str) -> Self {
        Self(self.0.replacen("\r\n", &format!("\r\n{field}\r\n"), 1))
    }
}

/// A wire and a place to send to.
#[derive(Debug)]
pub struct Phone {
    wire: Wire,
    local: SocketAddr,
    peer: SocketAddr,
}

impl Phone {
    /// A phone on 127.0.0.1 that calls by this router.
    pub fn calling(router: SocketAddr) -> Result<Self> {
        Self::on(IpAddr::V4(Ipv4Addr::LOCALHOST), router)
    }

    /// A phone on this address that calls by this router.
    pub fn on(ip: IpAddr, router: SocketAddr) -> Result<Self> {
        let socket = UdpSocket::bind((ip, 0)).with_context(|| format!("no socket on {ip}"))?;
        Self::by(Wire::Udp(socket), router)
    }

    /// A phone that calls by a TCP connection to this router.
    pub fn over_tcp(router: SocketAddr) -> Result<Self> {
        Self::by(Wire::connect(router)?, router)
    }

    /// A phone that waits for TCP connections on this address.
    pub fn waiting_on_tcp(ip: IpAddr) -> Result<Self> {
        Self::by(Wire::listen((ip, 0).into())?, SocketAddr::from((Ipv4Addr::LOCALHOST, 9)))
    }

    /// A phone that calls by TLS: the router's certificate must be of `pki` and hold `name`; its own is shown when the
    /// router asks.
    ///
    /// # Errors
    /// When the handshake fails on this side. That the router refuses our certificate shows at the first message.
    pub fn over_tls(router: SocketAddr, name: &str, pki: &Pki, own: Option<&Certificate>) -> Result<Self> {
        Self::by(Wire::secure(router, name, pki, own)?, router)
    }

    fn by(wire: Wire, router: SocketAddr) -> Result<Self> {
        Ok(Self { local: wire.local()?, wire, peer: router })
    }

    /// Its connection ends as by a crash.
    pub fn cut(&mut self) {
        self.wire.cut();
    }

    /// Bytes as they are.
    pub fn say_bytes(&self, bytes: &[u8]) -> Result<()> {
        self.wire.send(bytes, self.peer)
    }

    /// Its own URI.
    fn uri(&self, user: &str) -> String {
        let transport = match self.wire.name() {
            "UDP" => String::new(),
            name => format!(";transport={}", name.to_ascii_lowercase()),
        };
        format!("sip:{user}@{}{transport}", self.local)
    }

    /// A phone that waits for calls on 127.0.0.1.
    pub fn waiting() -> Result<Self> {
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
        Self::calling(nowhere)
    }

    /// A phone that waits for datagrams on this address.
    pub fn waiting_at(address: SocketAddr) -> Result<Self> {
        let socket = UdpSocket::bind(address).with_context(|| format!("no socket on {address}"))?;
        Self::by(Wire::Udp(socket), SocketAddr::from((Ipv4Addr::LOCALHOST, 9)))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.local
    }

    /// Says this to the one who spoke last, or to the router.
    pub fn say(&self, message: &Message) -> Result<()> {
        self.wire.send(message.0.as_bytes(), self.peer)
    }

    /// The next message, `100 Trying` left out.
    ///
    /// # Errors
    /// When it is of another kind (a status code or a method), or none comes.
    pub fn hear(&mut self, kind: &str) -> Result<Message> {
        let message = self.next(PATIENCE)?.with_context(|| format!("waited for {kind}: heard nothing"))?;
        ensure!(message.kind() == kind, "waited for {kind}: heard\n{}", message.0);
        Ok(message)
    }

    /// The first message of this kind within so long, whatever comes before it.
    pub fn hear_within(&mut self, kind: &str, span: Duration) -> Result<Option<Message>> {
        let deadline = Instant::now() + span;
        while let Some(message) = self.read(deadline)? {
            if message.kind() == kind {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// The next final response.
    pub fn hear_final(&mut self) -> Result<Message> {
        loop {
            let message = self.next(PATIENCE)?.context("waited for a final response: heard nothing")?;
            if message.first_line().starts_with("SIP/2.0 ") && !message.kind().starts_with('1') {
                return Ok(message);
            }
        }
    }

    /// Nothing but `100 Trying` comes for so long.
    pub fn hear_nothing(&mut self, span: Duration) -> Result<()> {
        if let Some(message) = self.next(span)? {
            bail!("silence was due: heard\n{}", message.0);
        }
        Ok(())
    }

    /// The next message whatever it is, `100 Trying` included.
    pub fn hear_any(&mut self) -> Result<Message> {
        self.read(Instant::now() + PATIENCE)?.context("heard nothing at all")
    }

    fn next(&mut self, span: Duration) -> Result<Option<Message>> {
        let deadline = Instant::now() + span;
        while let Some(message) = self.read(deadline)? {
            if message.kind() != "100" {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    fn read(&mut self, deadline: Instant) -> Result<Option<Message>> {
        if deadline <= Instant::now() {
            return Ok(None);
        }
        Ok(self.wire.receive(deadline)?.map(|(bytes, peer)| {
            self.peer = peer.unwrap_or(self.peer);
            Message(String::from_utf8_lossy(&bytes).into_owned())
        }))
    }

    /// An INVITE with a session description.
    pub fn invite(&self, caller: &str, callee: &str) -> Message {
        let body =
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n";
        self.request(
            "INVITE",
            caller,
            callee,
            &format!("Contact: <{}>\r\nContent-Type: application/sdp\r\n", self.uri(caller)),
            body,
        )
    }

    /// A request outside of a dialog, with more header lines and a body.
    pub fn request(&self, method: &str, caller: &str, callee: &str, more: &str, body: &str) -> Message {
        let (local, router, id, via) = (self.local, self.peer, fastrand::u64(..), self.wire.name());
        Message(format!(
            "{method} sip:{callee}@{router} SIP/2.0\r\nVia: SIP/2.0/{via} {local};rport;branch=z9hG4bK{id:016x}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{caller}@{local}>;tag=f{id:x}\r\nTo: <sip:{callee}@{router}>\r\n\
             Call-ID: {id:016x}@{}\r\nCSeq: 1 {method}\r\n{more}Content-Length: {}\r\n\r\n{body}",
            local.ip(),
            body.len(),
        ))
    }

    /// The CANCEL of an INVITE (RFC 3261 section 9.1), or the ACK of a failure (section 17.1.1.3) when `to` is the To
    /// of the response.
    pub fn follow(&self, method: &str, invite: &Message, to: &str) -> Message {
        let uri = invite.first_line().split(' ').nth(1).unwrap_or_default();
        Message(format!(
            "{method} {uri} SIP/2.0\r\nVia: {}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {to}\r\nCall-ID: {}\r\n\
             CSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n",
            invite.header("Via"),
            invite.header("From"),
            invite.header("Call-ID"),
        ))
    }

    /// A response, with a To tag of our own where there is none, our Contact, and more header lines.
    pub fn answer(&self, request: &Message, status: &str, more: &str) -> Message {
        let tag = format!(";tag=t{:x}", self.local.port());
        let mut text = format!("SIP/2.0 {status}\r\n");
        for name in ["Via", "Record-Route", "From", "To", "Call-ID", "CSeq"] {
            for value in request.headers(name) {
                let tag = if name == "To" && !value.contains(";tag=") { &tag } else { "" };
                text = text + name + ": " + value + tag + "\r\n";
            }
        }
        let contact = format!("Contact: <{}>\r\n", self.uri("callee"));
        Message(text + &contact + more + "Content-Length: 0\r\n\r\n")
    }
}

/// One end of a dialog (RFC 3261 section 12).
#[derive(Debug, Clone)]
pub struct Dialog {
    target: String,
    routes: Vec<String>,
    local: String,
    remote: String,
    call_id: String,
    sequence: u32,
}

impl Dialog {
    /// The caller's end, from a response with a To tag.
    pub fn of_caller(response: &Message) -> Self {
        Self {
            target: uri_in(response.header("Contact")),
            routes: response.headers("Record-Route").into_iter().rev().map(str::to_owned).collect(),
            local: response.header("From").to_owned(),
            remote: response.header("To").to_owned(),
            call_id: response.header("Call-ID").to_owned(),
            sequence: response.header("CSeq").split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(1),
        }
    }

    /// The number of its last request, at first of the INVITE.
    pub const fn sequence(&self) -> u32 {
        self.sequence
    }

    /// The callee's end, from the INVITE that came and the response that it gave.
    pub fn of_callee(invite: &Message, response: &Message) -> Self {
        Self {
            target: uri_in(invite.header("Contact")),
            routes: invite.headers("Record-Route").into_iter().map(str::to_owned).collect(),
            local: response.header("To").to_owned(),
            remote: invite.header("From").to_owned(),
            call_id: invite.header("Call-ID").to_owned(),
            sequence: 0,
        }
    }

    /// The ACK of a 2xx to the INVITE with this sequence number.
    pub fn ack(&self, phone: &Phone, sequence: u32) -> Message {
        self.text(phone, "ACK", sequence, "")
    }

    /// The next request, with more header lines.
    pub fn request(&mut self, phone: &Phone, method: &str, more: &str) -> Message {
        self.sequence += 1;
        self.text(phone, method, self.sequence, more)
    }

    fn text(&self, phone: &Phone, method: &str, sequence: u32, more: &str) -> Message {
        let Self { target, local, remote, call_id, .. } = self;
        let routes = self.routes.iter().fold(String::new(), |text, route| text + "Route: " + route + "\r\n");
        Message(format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/{via} {address};rport;branch=z9hG4bK{branch:016x}\r\n{routes}\
             Max-Forwards: 70\r\nFrom: {local}\r\nTo: {remote}\r\nCall-ID: {call_id}\r\nCSeq: {sequence} {method}\r\n\
             Contact: <{contact}>\r\n{more}Content-Length: 0\r\n\r\n",
            address = phone.local,
            via = phone.wire.name(),
            contact = phone.uri("phone"),
            branch = fastrand::u64(..),
        ))
    }
}

fn uri_in(value: &str) -> String {
    value.split_once('<').map_or(value, |(_, rest)| rest).split('>').next().unwrap_or_default().to_owned()
}
