//! A hundred thousand calls on the wire: real datagrams through a real router, all of them answered and none over.
//!
//! The callers and the carrier are threads of this program and not SIPp, which keeps some 10 kB for a call and works on
//! each while it waits: it would take the machine from the router that is measured.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use serde::Serialize;
use socket2::SockRef;
use trunkline::sip::message::{Message, Method};
use trunkline_tests::script::{self, Caller};

use super::carrier::Carrier;
use crate::cpu;
use crate::peer::Peer;

/// Transactions are gone after 64 × T1; some more.
const SETTLED: Duration = Duration::from_secs(36);
/// How long the router is watched at rest.
const REST: Duration = Duration::from_secs(20);
/// A request that was not answered is sent again after this.
const AGAIN: Duration = Duration::from_millis(500);
/// So long nothing of what is awaited comes: it never will.
const PATIENCE: Duration = Duration::from_secs(15);
/// What the kernel may keep for a socket that is not read at once; it grants as much as it may.
const ROOM: usize = 16 << 20;

/// What was seen of one system.
#[derive(Debug, Clone, Serialize)]
pub struct Stood {
    /// The system.
    pub peer: &'static str,
    /// Calls that were begun.
    pub calls: u32,
    /// Of these, those that were answered and stood.
    pub stood: u32,
    /// Of these, those that were hung up well at the end.
    pub ended: u32,
    /// Requests that had to be sent again.
    pub sent_again: u32,
    /// What the kernel keeps for a socket of callers or carrier, in KiB: what finds no room there is lost on this side.
    pub room_kib: u64,
    /// Set up each second.
    pub rate: u32,
    /// Memory before the first call, in KiB.
    pub before_kib: u64,
    /// While all stand, in KiB.
    pub standing_kib: u64,
    /// What that is for a call, in bytes.
    pub bytes_per_call: u64,
    /// Processor time at rest: before the first call, in a thousandth of a core.
    pub idle_per_mille: f64,
    /// The same while all stand.
    pub rest_per_mille: f64,
}

/// Sets up so many calls through a system that was just started, watches it, and hangs all of them up.
///
/// # Errors
/// When the system is gone.
pub fn stand(peer: &Peer, carrier: &Carrier, calls: u32, rate: u32) -> Result<Stood> {
    let socket = socket()?;
    socket.set_nonblocking(true)?;
    let room_kib = SockRef::from(&socket).recv_buffer_size()? as u64 / 1024;
    eprintln!("{}: sockets of callers and carrier have room for {room_kib} KiB", peer.name);
    let caller = Caller { address: socket.local_addr()?, router: peer.sip, carrier: carrier.address() };
    let mut callers = Callers { socket, caller, routes: vec![None; calls as usize], sent_again: 0 };
    let idle = at_rest(peer)?;
    let before = cpu::pss_kib(peer.id);
    eprintln!("{}: setting up {calls} calls, {rate} a second …", peer.name);
    callers.all(rate, "INVITE")?;
    let stood = callers.routes.iter().flatten().count();
    ensure!(stood > 0, "{} answered no call", peer.name);
    eprintln!("{}: {stood} calls stand; their transactions end …", peer.name);
    std::thread::sleep(SETTLED);
    let rest = at_rest(peer)?;
    let standing = cpu::pss_kib(peer.id);
    eprintln!("{}: hanging up …", peer.name);
    let ended = callers.all(rate, "BYE")?;
    Ok(Stood {
        peer: peer.name,
        calls,
        stood: stood as u32,
        ended,
        sent_again: callers.sent_again,
        room_kib,
        rate,
        before_kib: before,
        standing_kib: standing,
        bytes_per_call: standing.saturating_sub(before) * 1024 / stood as u64,
        idle_per_mille: idle,
        rest_per_mille: rest,
    })
}

/// Processor time of a system that nobody asks for anything, in a thousandth of a core.
fn at_rest(peer: &Peer) -> Result<f64> {
    let (begin, before) = (Instant::now(), cpu::micros(peer.id)?);
    std::thread::sleep(REST);
    Ok((cpu::micros(peer.id)? - before) as f64 / begin.elapsed().as_micros() as f64 * 1e3)
}

struct Callers {
    socket: UdpSocket,
    caller: Caller,
    /// Of each call that was answered, the Record-Route of its answer.
    routes: Vec<Option<Box<str>>>,
    sent_again: u32,
}

impl Callers {
    /// One such request in each call, so many a second; how many were answered with 200.
    fn all(&mut self, rate: u32, method: &str) -> Result<u32> {
        let waits = |route: &Option<Box<str>>| route.is_some() == (method == "BYE");
        let mut waiting: Vec<bool> = self.routes.iter().map(waits).collect();
        let asked: Vec<u32> = (0..).zip(&waiting).filter(|(_, waits)| **waits).map(|(call, _)| call).collect();
        let (begin, mut sent, mut answered) = (Instant::now(), 0, 0);
        let mut heard = Instant::now();
        let mut round = Instant::now();
        while answered < asked.len() && heard.elapsed() < PATIENCE {
            let due = (begin.elapsed().as_secs_f64() * f64::from(rate)) as usize;
            for call in asked.iter().take(due).skip(sent) {
                self.send(method, *call)?;
                round = Instant::now();
                heard = round;
            }
            sent = sent.max(due.min(asked.len()));
            let fresh = self.receive(method, &mut waiting)?;
            if fresh > 0 {
                answered += fresh;
                heard = Instant::now();
            } else if sent == asked.len() && round.elapsed() > AGAIN {
                round = Instant::now();
                let left: Vec<u32> = asked.iter().copied().filter(|call| waiting[*call as usize]).collect();
                for call in left.into_iter().take(rate as usize / 2) {
                    self.send(method, call)?;
                    self.sent_again += 1;
                }
            } else {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(answered as u32)
    }

    fn send(&self, method: &str, call: u32) -> Result<()> {
        let route = self.routes[call as usize].as_deref();
        let text = if method == "INVITE" {
            self.caller.invite(call)
        } else {
            self.caller.within(method, call, route.unwrap_or_default())
        };
        match self.socket.send_to(text.as_bytes(), self.caller.router) {
            // It is sent again, as one that was lost on the way.
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            sent => sent.map(drop).context("cannot send"),
        }
    }

    /// Takes all that has come; how many calls have their 200 now that had none before.
    fn receive(&mut self, method: &str, waiting: &mut [bool]) -> Result<usize> {
        let mut buffer = vec![0; 65_535];
        let mut fresh = 0;
        loop {
            let length = match self.socket.recv_from(&mut buffer) {
                Ok((length, _)) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(fresh),
                Err(error) => return Err(error).context("cannot receive"),
            };
            let Ok(message) = Message::parse(Bytes::copy_from_slice(&buffer[..length])) else { continue };
            let Some(call) = script::call_of(&message).filter(|call| (*call as usize) < waiting.len()) else {
                continue;
            };
            let asked = if method == "INVITE" { Method::Invite } else { Method::Bye };
            if message.code() != 200 || message.method() != asked {
                continue;
            }
            if method == "INVITE" {
                self.routes[call as usize].get_or_insert_with(|| script::route_of(&message).into());
                self.send("ACK", call)?;
            }
            fresh += usize::from(std::mem::take(&mut waiting[call as usize]));
        }
    }
}

/// On a free port of loopback, with room.
pub(super) fn socket() -> Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    SockRef::from(&socket).set_recv_buffer_size(ROOM)?;
    Ok(socket)
}
