//! A stand-in carrier: it rings, answers, and lets the caller hang up.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::text;

/// How long the callee's telephone rings.
const RINGING: Duration = Duration::from_millis(50);
/// RFC 3261 section 13.3.1.4: a 200 is sent again after T1, then twice as long each time up to T2, …
const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// … until the ACK comes or 64×T1 are over.
const GIVE_UP: Duration = Duration::from_secs(32);

/// A user agent server on a loopback port. It ends when dropped.
pub(super) struct Carrier {
    /// Where it listens.
    pub(super) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Carrier {
    /// Listens on a free port of 127.0.0.1.
    pub(super) async fn start() -> std::io::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        let address = socket.local_addr()?;
        let switch = Arc::new(Switch { socket, address, legs: Mutex::default() });
        Ok(Self { address, task: tokio::spawn(serve(switch)) })
    }
}

struct Switch {
    socket: UdpSocket,
    address: SocketAddr,
    legs: Mutex<HashMap<String, Arc<Leg>>>,
}

/// One call by its Call-ID.
struct Leg {
    invite: String,
    tag: String,
    /// Told when the caller sent ACK, CANCEL or BYE.
    settled: Notify,
    last: Mutex<String>,
}

async fn serve(switch: Arc<Switch>) {
    let mut buffer = vec![0; 65_535];
    loop {
        let Ok((length, peer)) = switch.socket.recv_from(&mut buffer).await else { continue };
        let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
        switch.on_request(&message, peer).await;
    }
}

impl Switch {
    async fn on_request(self: &Arc<Self>, message: &str, peer: SocketAddr) {
        let (Some(method), Some(id)) = (text::method(message), text::header(message, "Call-ID")) else { return };
        let leg = self.legs.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        match (method, leg) {
            ("INVITE", None) => self.on_invite(message, id, peer).await,
            ("INVITE", Some(leg)) if text::header(message, "CSeq") == text::header(&leg.invite, "CSeq") => {
                let last = leg.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
                self.send(&last, peer).await;
            }
            ("INVITE", Some(leg)) => {
                let answer = self.answer(message, &leg.tag);
                self.send(&answer, peer).await;
            }
            ("ACK", Some(leg)) => leg.settled.notify_one(),
            ("CANCEL", Some(leg)) => {
                leg.settled.notify_one();
                self.send(&text::response(message, "200 OK", &leg.tag, "", ""), peer).await;
                self.send(&text::response(&leg.invite, "487 Request Terminated", &leg.tag, "", ""), peer).await;
                self.forget(id);
            }
            ("BYE", Some(leg)) => {
                leg.settled.notify_one();
                self.send(&text::response(message, "200 OK", &leg.tag, "", ""), peer).await;
                self.forget(id);
            }
            ("OPTIONS", _) => self.send(&text::response(message, "200 OK", "options", "", ""), peer).await,
            ("ACK", None) => {}
            ("BYE" | "CANCEL", None) => {
                let gone = text::response(message, "481 Call/Transaction Does Not Exist", "none", "", "");
                self.send(&gone, peer).await;
            }
            (_, _) => self.send(&text::response(message, "501 Not Implemented", "none", "", ""), peer).await,
        }
    }

    async fn on_invite(self: &Arc<Self>, invite: &str, id: &str, peer: SocketAddr) {
        let tag = format!("carrier-{:08x}", fastrand::u32(..));
        let ringing = text::response(invite, "180 Ringing", &tag, "", "");
        let leg =
            Arc::new(Leg { invite: invite.to_owned(), tag, settled: Notify::new(), last: Mutex::new(ringing.clone()) });
        self.legs.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), Arc::clone(&leg));
        self.send(&text::response(invite, "100 Trying", "", "", ""), peer).await;
        self.send(&ringing, peer).await;
        tokio::spawn(Arc::clone(self).ring_and_answer(leg, peer));
    }

    async fn ring_and_answer(self: Arc<Self>, leg: Arc<Leg>, peer: SocketAddr) {
        if timeout(RINGING, leg.settled.notified()).await.is_ok() {
            return;
        }
        let answer = self.answer(&leg.invite, &leg.tag);
        leg.last.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&answer);
        let (mut wait, mut waited) = (T1, Duration::ZERO);
        while waited < GIVE_UP {
            self.send(&answer, peer).await;
            if timeout(wait, leg.settled.notified()).await.is_ok() {
                return;
            }
            waited += wait;
            wait = (wait * 2).min(T2);
        }
    }

    fn answer(&self, invite: &str, tag: &str) -> String {
        let more = format!("Contact: <sip:{}>\r\nContent-Type: application/sdp\r\n", self.address);
        text::response(invite, "200 OK", tag, &more, &text::session(self.address.ip()))
    }

    fn forget(&self, id: &str) {
        self.legs.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// A datagram that is lost is the client's business: it sends its request again.
    async fn send(&self, message: &str, peer: SocketAddr) {
        let _lost = self.socket.send_to(message.as_bytes(), peer).await;
    }
}
