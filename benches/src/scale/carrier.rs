//! The carrier of the calls on the wire: answers every one, and says so again until it is heard, so that a datagram that
//! the kernel had no room for is not counted against the system that is measured.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use trunkline::sip::message::Message;
use trunkline_tests::script;

use super::standing::socket;

/// RFC 3261 section 17.1.1.1.
const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// 64 × T1: who has not acknowledged an answer by then never will.
const TIMEOUT: Duration = Duration::from_secs(32);
/// While nothing comes, it looks this often for what is to be sent again.
const LOOK: Duration = Duration::from_millis(100);

/// A carrier that answers every call.
pub struct Carrier {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Carrier {
    /// On a free port.
    ///
    /// # Errors
    /// When there is none.
    pub fn start() -> Result<Self> {
        let socket = socket()?;
        let address = socket.local_addr()?;
        socket.set_read_timeout(Some(LOOK))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("carrier".to_owned()).spawn(move || {
            let mut buffer = vec![0; 65_535];
            let mut answers = Answers::default();
            let send = |text: &str, to: SocketAddr| {
                let _lost = socket.send_to(text.as_bytes(), to);
            };
            while !stopped.load(Relaxed) {
                while let Some((text, to)) = answers.due(Instant::now()) {
                    send(text, to);
                }
                let Ok((length, peer)) = socket.recv_from(&mut buffer) else { continue };
                let Ok(request) = Message::parse(Bytes::copy_from_slice(&buffer[..length])) else { continue };
                match (request.method_bytes(), script::call_of(&request)) {
                    (b"INVITE", Some(call)) => {
                        send(&script::response(&request, 180, address), peer);
                        let answer = script::response(&request, 200, address);
                        send(&answer, peer);
                        answers.sent(call, answer, peer, Instant::now());
                    }
                    (b"ACK", Some(call)) => answers.acknowledged(call),
                    (b"BYE" | b"OPTIONS", _) => send(&script::response(&request, 200, address), peer),
                    _ => {}
                }
            }
        })?;
        Ok(Self { address, stop, thread: Some(thread) })
    }

    /// Where it takes calls.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

/// Answers that nobody has acknowledged yet (RFC 3261 section 13.3.1.4), by the number of their call.
#[derive(Default)]
struct Answers {
    waiting: HashMap<u32, Answer>,
    /// When which is sent again; one that was acknowledged or sent meanwhile means nothing.
    queue: BinaryHeap<Reverse<(Instant, u32)>>,
}

struct Answer {
    text: String,
    to: SocketAddr,
    since: Instant,
    interval: Duration,
    next: Instant,
}

impl Answers {
    fn sent(&mut self, call: u32, text: String, to: SocketAddr, now: Instant) {
        let next = now + T1;
        self.waiting.insert(call, Answer { text, to, since: now, interval: T1, next });
        self.queue.push(Reverse((next, call)));
    }

    fn acknowledged(&mut self, call: u32) {
        self.waiting.remove(&call);
    }

    /// One that is to be sent again now.
    fn due(&mut self, now: Instant) -> Option<(&str, SocketAddr)> {
        while self.queue.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            let Reverse((at, call)) = self.queue.pop()?;
            let Some(answer) = self.waiting.get_mut(&call).filter(|answer| answer.next == at) else { continue };
            if now.duration_since(answer.since) >= TIMEOUT {
                self.waiting.remove(&call);
                continue;
            }
            answer.interval = (answer.interval * 2).min(T2);
            answer.next = now + answer.interval;
            self.queue.push(Reverse((answer.next, call)));
            let answer = &self.waiting[&call];
            return Some((&answer.text, answer.to));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In tenths of a second after `begin`, when answers are sent again.
    fn again(answers: &mut Answers, begin: Instant, tenths: std::ops::Range<u32>) -> Vec<u32> {
        tenths.filter(|tenth| answers.due(begin + Duration::from_millis(100) * *tenth).is_some()).collect()
    }

    #[test]
    fn an_answer_is_sent_again_until_it_is_acknowledged() {
        let (mut answers, begin) = (Answers::default(), Instant::now());
        let peer = SocketAddr::from(([127, 0, 0, 1], 5060));
        answers.sent(1, "one".to_owned(), peer, begin);
        answers.sent(2, "two".to_owned(), peer, begin);
        answers.acknowledged(2);
        assert_eq!(again(&mut answers, begin, 0..60), [5, 15, 35]);
        answers.acknowledged(1);
        assert!(again(&mut answers, begin, 60..600).is_empty());
    }

    #[test]
    fn an_answer_that_nobody_ever_acknowledges_is_given_up_after_64_t1() {
        let (mut answers, begin) = (Answers::default(), Instant::now());
        answers.sent(1, "one".to_owned(), SocketAddr::from(([127, 0, 0, 1], 5060)), begin);
        let sent = again(&mut answers, begin, 0..600);
        assert_eq!((sent.len(), sent.last()), (10, Some(&315)));
        assert!(answers.waiting.is_empty() && answers.queue.is_empty());
    }
}
