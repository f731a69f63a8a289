//! An LRN service that fails in the ways in which real ones do.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use nix::sys::socket::{setsockopt, sockopt};

use crate::acceptor::Acceptor;

/// Where every number is ported to.
pub(crate) const ROUTING_NUMBER: &str = "9195550000";

/// What is wrong with the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: it answers at once.
    None,
    /// It takes requests and never answers.
    Hang,
    /// It accepts connections and resets them.
    Reset,
    /// It sends one byte a second.
    Drip,
    /// It answers 500.
    Error,
    /// It answers 200 with what is no number.
    Nonsense,
    /// It answers 200 with a body of 100 MB.
    Flood,
    /// It answers well, after 20 ms.
    Slow,
    /// It answers well and closes the connection, so that the next request needs another.
    Close,
}

/// Answers every request with one routing number, on a loopback port. It ends when dropped: then connections are refused,
/// and those that are open are reset with their next request.
#[derive(Debug)]
pub struct LrnServer {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<State>,
    _acceptor: Acceptor,
}

#[derive(Debug)]
struct State {
    fault: Mutex<Fault>,
    requests: AtomicUsize,
    /// Requests that are being answered, and the most there ever were.
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    /// The most bytes that the client took of one [`Fault::Flood`], buffers on the way included.
    most_taken: AtomicUsize,
}

impl LrnServer {
    /// Starts it, in good health.
    pub fn start() -> Result<Self> {
        let state = Arc::new(State {
            fault: Mutex::new(Fault::None),
            requests: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            most_taken: AtomicUsize::new(0),
        });
        let shared = Arc::clone(&state);
        let acceptor = Acceptor::start(move |stream| {
            let _ended = shared.converse(stream);
        })?;
        Ok(Self { address: acceptor.address, state, _acceptor: acceptor })
    }

    /// From now on it fails like this.
    pub fn fail(&self, fault: Fault) {
        *self.state.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// How many requests it got.
    pub fn requests(&self) -> usize {
        self.state.requests.load(Ordering::Relaxed)
    }

    /// How many requests it was answering at one time, at most.
    pub fn most_at_once(&self) -> usize {
        self.state.most_at_once.load(Ordering::Relaxed)
    }

    /// How many bytes of one [`Fault::Flood`] it got rid of, at most: what was read, and what fits into two sockets.
    pub fn most_taken(&self) -> usize {
        self.state.most_taken.load(Ordering::Relaxed)
    }
}

impl Drop for LrnServer {
    fn drop(&mut self) {
        self.fail(Fault::Reset);
    }
}

impl State {
    fn fault(&self) -> Fault {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn converse(&self, mut stream: TcpStream) -> Option<()> {
        let mut head = Vec::new();
        let mut chunk = [0; 1024];
        loop {
            let length = stream.read(&mut chunk).ok().filter(|length| *length > 0)?;
            head.extend_from_slice(&chunk[..length]);
            if !head.ends_with(b"\r\n\r\n") {
                continue;
            }
            self.requests.fetch_add(1, Ordering::Relaxed);
            head.clear();
            self.most_at_once.fetch_max(self.at_once.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            let answered = self.answer(&mut stream);
            self.at_once.fetch_sub(1, Ordering::Relaxed);
            answered?;
        }
    }

    /// `None` where the connection is over.
    fn answer(&self, stream: &mut TcpStream) -> Option<()> {
        match self.fault() {
            Fault::None => stream.write_all(ok(ROUTING_NUMBER).as_bytes()).ok(),
            Fault::Slow => {
                thread::sleep(Duration::from_millis(20));
                stream.write_all(ok(ROUTING_NUMBER).as_bytes()).ok()
            }
            Fault::Close => {
                let _last = stream.write_all(ok(ROUTING_NUMBER).as_bytes());
                None
            }
            Fault::Hang => Some(()),
            Fault::Reset => reset(stream),
            Fault::Drip => drip(stream, &ok(ROUTING_NUMBER)),
            Fault::Error => stream.write_all(b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n").ok(),
            Fault::Nonsense => stream.write_all(ok("<html>Welcome</html>").as_bytes()).ok(),
            Fault::Flood => {
                self.most_taken.fetch_max(flood(stream), Ordering::Relaxed);
                None
            }
        }
    }
}

/// Closing with a linger time of zero sends RST instead of FIN.
fn reset(stream: &TcpStream) -> Option<()> {
    setsockopt(stream, sockopt::Linger, &nix::libc::linger { l_onoff: 1, l_linger: 0 }).ok()?;
    None
}

fn drip(stream: &mut TcpStream, answer: &str) -> Option<()> {
    for byte in answer.bytes() {
        stream.write_all(&[byte]).ok()?;
        thread::sleep(Duration::from_secs(1));
    }
    Some(())
}

/// In chunks, so that the length is not known beforehand; how many bytes went until the client had enough.
fn flood(stream: &mut TcpStream) -> usize {
    const CHUNK: usize = 64 << 10;
    let chunk = format!("{CHUNK:x}\r\n{}\r\n", "7".repeat(CHUNK));
    if stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").is_err() {
        return 0;
    }
    let mut taken = 0;
    while taken < 100_000_000 && stream.write_all(chunk.as_bytes()).is_ok() {
        taken += CHUNK;
    }
    taken
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}
