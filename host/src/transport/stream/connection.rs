//! The task of one connection: reads messages and posts them, writes what is queued, and closes in time.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use memchr::memmem;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::dial::Order;
use super::outstanding::Outstanding;
use super::slots::Line;
use super::{Peer, Post, Streams};
use crate::guard::Refusal;
use crate::sip::flow::{Flow, Loss};
use crate::sip::framer::{Fault, Frame, Framer};
use crate::sip::message::{Message, Method};
use crate::sip::reply::reply;

/// What one read takes at most.
const READ: usize = 8 << 10;
/// What is written at once: as many queued messages as fit.
const BATCH: usize = 64 << 10;
/// How often a connection of ours says that it is there (RFC 5626 section 4.4.1).
const PING: Duration = Duration::from_secs(100);
/// How long the last words of a connection that ends may take.
const FAREWELL: Duration = Duration::from_millis(200);
/// A peer has one address to be called at; more than this is play.
const MOST_NAMES: usize = 4;
/// Who sends more than it may is looked at again after this.
const TURN: Duration = Duration::from_millis(50);

/// One connection.
pub(super) struct Connection {
    streams: Streams,
    post: Post,
    line: Arc<Line>,
    flow: Flow,
    queue: mpsc::Receiver<Bytes>,
    shared: Shared,
}

/// What its reader and its writer both touch.
struct Shared {
    began: Instant,
    /// When a message last came or went, in milliseconds after `began`.
    active: AtomicU64,
    outstanding: Mutex<Outstanding>,
    /// The addresses under which the dialer finds this connection.
    names: Mutex<Vec<Peer>>,
}

/// Why it ended, as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// By the peer, between two messages.
    Peer,
    /// By the peer or the network, in the midst of something.
    Broken,
    Idle,
    /// A message began and did not end.
    Unfinished,
    /// The peer does not read.
    SlowReader,
    /// What came is no SIP, or has no end.
    Unframed,
    /// The peer is banned for what it sent.
    Banned,
    /// A worker had no room for what came.
    Overrun,
    /// The node ends.
    Stopped,
}

impl End {
    const fn word(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Broken => "broken",
            Self::Idle => "idle",
            Self::Unfinished => "unfinished-message",
            Self::SlowReader => "slow-reader",
            Self::Unframed => "unframed",
            Self::Banned => "banned",
            Self::Overrun => "worker-overrun",
            Self::Stopped => "stopped",
        }
    }
}

impl Connection {
    /// Of this flow; `line` and `queue` are its place's.
    pub(super) fn new(
        streams: Streams,
        post: Post,
        (line, queue): (Arc<Line>, mpsc::Receiver<Bytes>),
        flow: Flow,
    ) -> Self {
        let flow = Flow { connection: Some(line.id), ..flow };
        let shared = Shared {
            began: Instant::now(),
            active: AtomicU64::new(0),
            outstanding: Mutex::default(),
            names: Mutex::new(vec![(flow.transport, flow.remote)]),
        };
        Self { streams, post, line, flow, queue, shared }
    }

    pub(super) fn line(&self) -> &Line {
        &self.line
    }

    pub(super) fn streams(&self) -> &Streams {
        &self.streams
    }

    /// Messages to the address that a peer's connection comes from can go by it.
    pub(super) async fn introduce(&self) {
        let _ = self.streams.0.orders.send(Order::Name((self.flow.transport, self.flow.remote), self.line.id)).await;
    }

    /// Carry messages until either side closes.
    pub(super) async fn carry<S: AsyncRead + AsyncWrite + Send>(mut self, io: S) {
        self.shared.touch();
        self.line.opened();
        let (mut read, mut write) = tokio::io::split(io);
        let mut batch = BytesMut::new();
        let mut queue = std::mem::replace(&mut self.queue, mpsc::channel(1).1);
        let end = tokio::select! {
            end = self.read(&mut read) => end,
            end = self.write(&mut write, &mut queue, &mut batch) => end,
        };
        self.queue = queue;
        if !matches!(end, End::Broken | End::SlowReader) {
            // Answers to what came before the end, and the refusal of what could not be read.
            while let Ok(message) = self.queue.try_recv() {
                self.take(&message, &mut batch);
            }
            let _ = timeout(FAREWELL, async {
                write.write_all_buf(&mut batch).await?;
                write.shutdown().await
            })
            .await;
        }
        self.streams.0.counts.closed(end.word());
        tracing::debug!(peer = %self.flow.remote, transport = %self.flow.transport, why = end.word(), "connection ended");
        self.end("connection-lost", Loss::Other).await;
    }

    /// It did not come about.
    pub(super) async fn fail(self, reason: &'static str) {
        self.streams.0.counts.closed(reason);
        self.line.failed(reason);
        self.end(reason, Loss::NoConnection).await;
    }

    async fn end(mut self, reason: &'static str, why: Loss) {
        self.streams.0.slots.close(self.line.id);
        self.queue.close();
        while let Ok(message) = self.queue.try_recv() {
            self.streams.undelivered(&self.post, &message, reason, why);
        }
        for lost in self.shared.outstanding().lost() {
            self.post.unreachable(&lost, why);
        }
        let names = std::mem::take(&mut *self.shared.names.lock().unwrap_or_else(PoisonError::into_inner));
        let _ = self.streams.0.orders.send(Order::Gone(names, self.line.id)).await;
    }

    async fn read<R: AsyncRead + Unpin>(&self, read: &mut R) -> End {
        let limits = &self.streams.0.limits;
        let (mut framer, mut buffer) = (Framer::default(), vec![0; READ]);
        let mut begun = None;
        loop {
            loop {
                match framer.next() {
                    Ok(None) => break,
                    Ok(Some(Frame::Ping)) => {
                        self.shared.touch();
                        // A full queue has more to say than a pong.
                        let _ = self.line.push(Bytes::from_static(b"\r\n"));
                    }
                    Ok(Some(Frame::Message(message))) => {
                        begun = None;
                        self.shared.touch();
                        match self.admit_in_turn(&message).await {
                            Ok(()) => {}
                            Err(Refusal::Banned | Refusal::Rate) => return End::Banned,
                            Err(_) => continue,
                        }
                        if !self.deliver(message).await {
                            return End::Overrun;
                        }
                    }
                    Err(fault) => {
                        self.refuse(&fault);
                        self.streams.malformed(self.streams.0.guard.now(), self.flow);
                        return End::Unframed;
                    }
                }
            }
            let within = framer.is_within();
            let deadline = if within {
                *begun.get_or_insert_with(Instant::now) + limits.stall
            } else {
                self.shared.last_active() + limits.idle
            };
            match timeout_at(deadline, read.read(&mut buffer)).await {
                Ok(Ok(0)) if within => return End::Broken,
                Ok(Ok(0)) => return End::Peer,
                Ok(Ok(count)) => framer.push(&buffer[..count]),
                Ok(Err(error)) => return lost(&error),
                Err(_) if within => return End::Unfinished,
                Err(_) if self.shared.last_active() + limits.idle <= Instant::now() => return End::Idle,
                // Something was written meanwhile.
                Err(_) => {}
            }
        }
    }

    /// As [`Self::admit`]; but a customer who sends more than it may is held back, since nobody sends a message a second
    /// time by a connection.
    async fn admit_in_turn(&self, message: &Bytes) -> Result<(), Refusal> {
        let until = Instant::now() + self.streams.0.limits.stall;
        loop {
            match self.admit(message) {
                Err(Refusal::Customer) if Instant::now() < until => sleep(TURN).await,
                admitted => return admitted,
            }
        }
    }

    fn admit(&self, message: &Bytes) -> Result<(), Refusal> {
        let guard = &self.streams.0.guard;
        let source = self.flow.remote.ip();
        match self.line.identities() {
            _ if self.line.is_ours() => Ok(()),
            Some(identities) => guard.admit_identified(source, &identities, message),
            None => guard.admit(guard.now(), source, message),
        }
    }

    async fn deliver(&self, message: Bytes) -> bool {
        self.streams.0.counts.received(self.flow.transport, message.len());
        self.shared.outstanding().received(&message);
        if let Some(name) = self.alias(&message) {
            let _ = self.streams.0.orders.send(Order::Name(name, self.line.id)).await;
        }
        self.post.deliver(self.flow, message).await
    }

    /// Where a request says that its sender may be called by this connection (RFC 5923 section 8): at the address that
    /// it came from, and the port of its topmost Via. News only.
    fn alias(&self, message: &Bytes) -> Option<Peer> {
        if self.line.is_ours() || message.starts_with(b"SIP/") || memmem::find(message, b"alias").is_none() {
            return None;
        }
        let message = Message::parse(message.clone()).ok()?;
        let via = message.top_via()?;
        via.param("alias")?;
        let port = via.port.unwrap_or(self.flow.transport.default_port());
        let name = (self.flow.transport, (self.flow.remote.ip(), port).into());
        let mut names = self.shared.names.lock().unwrap_or_else(PoisonError::into_inner);
        let news = !names.contains(&name) && names.len() < MOST_NAMES;
        if news {
            names.push(name);
        }
        news.then_some(name)
    }

    /// Answer a request that has no end that can be found: with that, the stream is over.
    fn refuse(&self, fault: &Fault) {
        tracing::debug!(peer = %self.flow.remote, why = %fault.why, "stream cannot be read");
        let Some(head) = &fault.head else { return };
        if head.is_request() && head.method() != Method::Ack {
            let tag = format!("s{:08x}", crc32c::crc32c(head.raw()));
            let bytes = reply(head, fault.why.code(), "", Some(&tag), &[("Connection", "close")]);
            let _ = self.line.push(bytes.into());
        }
    }

    async fn write<W: AsyncWrite + Unpin>(
        &self,
        write: &mut W,
        queue: &mut mpsc::Receiver<Bytes>,
        batch: &mut BytesMut,
    ) -> End {
        let mut closing = self.streams.0.closing.subscribe();
        loop {
            let first = tokio::select! {
                biased;
                first = queue.recv() => first,
                () = super::closed(&mut closing) => return End::Stopped,
                () = tokio::time::sleep(PING), if self.line.is_ours() => {
                    batch.extend_from_slice(b"\r\n\r\n");
                    Some(Bytes::new())
                }
            };
            let Some(first) = first else { return End::Stopped };
            if !first.is_empty() {
                self.shared.touch();
                self.take(&first, batch);
            }
            while batch.len() < BATCH
                && let Ok(next) = queue.try_recv()
            {
                self.take(&next, batch);
            }
            let written = async {
                write.write_all_buf(batch).await?;
                write.flush().await
            };
            match timeout(self.streams.0.limits.stall, written).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return lost(&error),
                Err(_) => return End::SlowReader,
            }
        }
    }

    /// A queued message is on its way out.
    fn take(&self, message: &Bytes, batch: &mut BytesMut) {
        self.line.written(message.len());
        // A pong is no message.
        if message.len() > 2 {
            self.streams.0.counts.sent(self.flow.transport, message.len());
            self.shared.outstanding().sent(message);
        }
        batch.extend_from_slice(message);
    }
}

impl Shared {
    fn touch(&self) {
        self.active.store(self.began.elapsed().as_millis() as u64, Relaxed);
    }

    fn last_active(&self) -> Instant {
        self.began + Duration::from_millis(self.active.load(Relaxed))
    }

    fn outstanding(&self) -> std::sync::MutexGuard<'_, Outstanding> {
        self.outstanding.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lost(error: &io::Error) -> End {
    tracing::debug!(%error, "connection broken");
    End::Broken
}
