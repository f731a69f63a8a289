//! A stand-in caller: places one call and tells what it heard, and when.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::text;

/// How long the two parties talk.
const TALK: Duration = Duration::from_millis(200);
/// RFC 3261 section 17.1.1.2: the first retransmission over UDP.
const T1: Duration = Duration::from_millis(500);
/// The demo gives up long before a real telephone would (64×T1).
const PATIENCE: Duration = Duration::from_secs(8);

/// A call to place.
pub(super) struct Dial {
    /// Which customer it is: the address that the call comes from.
    pub(super) source: IpAddr,
    /// The calling number.
    pub(super) caller: String,
    /// The called number.
    pub(super) callee: String,
}

/// What the caller heard.
pub(super) struct Heard {
    /// Names the call in the records.
    pub(super) call_id: String,
    /// Every response to the INVITE, with the time from the INVITE to it.
    pub(super) responses: Vec<(u16, Duration)>,
    /// How often the INVITE had to be sent again.
    pub(super) retransmissions: u32,
    /// Whether BYE was answered with 200.
    pub(super) hung_up: bool,
}

impl Heard {
    /// The final response's code; 0 where none came.
    pub(super) fn code(&self) -> u16 {
        self.responses.iter().map(|(code, _)| *code).find(|code| *code >= 200).unwrap_or(0)
    }
}

/// Calls, talks a moment when answered, hangs up.
pub(super) async fn place(router: SocketAddr, dial: &Dial) -> Result<Heard> {
    let socket = UdpSocket::bind((dial.source, 0)).await.with_context(|| format!("no socket on {}", dial.source))?;
    socket.connect(router).await?;
    let mut phone = Phone { local: socket.local_addr()?, socket, router, dial, id: fastrand::u64(..) };
    phone.call().await
}

struct Phone<'a> {
    socket: UdpSocket,
    local: SocketAddr,
    router: SocketAddr,
    dial: &'a Dial,
    id: u64,
}

impl Phone<'_> {
    async fn call(&mut self) -> Result<Heard> {
        let invite = self.invite();
        let mut heard = Heard { call_id: self.call_id(), responses: Vec::new(), retransmissions: 0, hung_up: false };
        let answer = self.hear_invite(&invite, &mut heard).await?;
        let Some(answer) = answer else { return Ok(heard) };
        if heard.code() >= 300 {
            self.send(&self.ack_of_failure(&answer)).await?;
            return Ok(heard);
        }
        self.send(&self.in_dialog("ACK", 1, &answer)).await?;
        tokio::time::sleep(TALK).await;
        heard.hung_up = self.hang_up(&answer).await?;
        Ok(heard)
    }

    /// Sends the INVITE, again until something is heard, and notes the responses; returns the final one.
    async fn hear_invite(&self, invite: &str, heard: &mut Heard) -> Result<Option<String>> {
        let begin = Instant::now();
        let mut wait = T1;
        self.send(invite).await?;
        while begin.elapsed() < PATIENCE {
            let left = PATIENCE.saturating_sub(begin.elapsed());
            match timeout(if heard.responses.is_empty() { wait } else { left }, self.receive("INVITE")).await {
                Ok(message) => {
                    let message = message?;
                    let code = text::status(&message).unwrap_or(0);
                    heard.responses.push((code, begin.elapsed()));
                    if code >= 200 {
                        return Ok(Some(message));
                    }
                }
                Err(_) if heard.responses.is_empty() => {
                    self.send(invite).await?;
                    heard.retransmissions += 1;
                    wait *= 2;
                }
                Err(_) => break,
            }
        }
        Ok(None)
    }

    async fn hang_up(&self, answer: &str) -> Result<bool> {
        let bye = self.in_dialog("BYE", 2, answer);
        let mut wait = T1;
        for _ in 0..4 {
            self.send(&bye).await?;
            if let Ok(message) = timeout(wait, self.receive("BYE")).await {
                return Ok(text::status(&message?) == Some(200));
            }
            wait *= 2;
        }
        Ok(false)
    }

    /// The next response to a request of this method within this call.
    async fn receive(&self, method: &str) -> Result<String> {
        let mut buffer = vec![0; 65_535];
        loop {
            let length = match self.socket.recv(&mut buffer).await {
                Ok(length) => length,
                Err(error) => bail!("the router at {} does not take calls: {error}", self.router),
            };
            let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let ours = text::header(&message, "Call-ID") == Some(self.call_id().as_str());
            if ours && text::status(&message).is_some() && text::answered_method(&message) == Some(method) {
                return Ok(message);
            }
        }
    }

    async fn send(&self, message: &str) -> Result<()> {
        self.socket.send(message.as_bytes()).await.context("the caller's socket failed")?;
        Ok(())
    }

    fn call_id(&self) -> String {
        format!("demo-{:016x}@{}", self.id, self.local.ip())
    }

    fn invite(&self) -> String {
        let Self { local, router, dial, id, .. } = self;
        let body = text::session(local.ip());
        format!(
            "INVITE sip:{callee}@{router} SIP/2.0\r\nVia: SIP/2.0/UDP {local};rport;branch=z9hG4bK{id:x}-1\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{caller}@{local}>;tag=caller-{id:x}\r\nTo: <sip:{callee}@{router}>\r\n\
             Call-ID: {call_id}\r\nCSeq: 1 INVITE\r\nContact: <sip:{caller}@{local}>\r\n\
             Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{body}",
            callee = dial.callee,
            caller = dial.caller,
            call_id = self.call_id(),
            length = body.len(),
        )
    }

    /// RFC 3261 section 17.1.1.3: same branch and Request-URI as the INVITE.
    fn ack_of_failure(&self, response: &str) -> String {
        let Self { local, router, dial, id, .. } = self;
        format!(
            "ACK sip:{callee}@{router} SIP/2.0\r\nVia: SIP/2.0/UDP {local};rport;branch=z9hG4bK{id:x}-1\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{caller}@{local}>;tag=caller-{id:x}\r\nTo: {to}\r\nCall-ID: {call_id}\r\n\
             CSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n",
            callee = dial.callee,
            caller = dial.caller,
            to = text::header(response, "To").unwrap_or_default(),
            call_id = self.call_id(),
        )
    }

    /// RFC 3261 section 12.2.1.1: to the Contact of the answer, by its Record-Route reversed.
    fn in_dialog(&self, method: &str, sequence: u32, answer: &str) -> String {
        let Self { local, dial, id, .. } = self;
        let target = text::header(answer, "Contact").map_or("sip:nobody@127.0.0.1", text::uri_of);
        let recorded: Vec<&str> = text::headers(answer, "Record-Route").collect();
        let routes = recorded.iter().rev().fold(String::new(), |text, route| text + "Route: " + route + "\r\n");
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {local};rport;branch=z9hG4bK{id:x}-{method}\r\n{routes}\
             Max-Forwards: 70\r\nFrom: <sip:{caller}@{local}>;tag=caller-{id:x}\r\nTo: {to}\r\nCall-ID: {call_id}\r\n\
             CSeq: {sequence} {method}\r\nContent-Length: 0\r\n\r\n",
            caller = dial.caller,
            to = text::header(answer, "To").unwrap_or_default(),
            call_id = self.call_id(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::carrier::Carrier;
    use super::*;

    #[tokio::test]
    async fn the_caller_reaches_the_carrier_and_hangs_up() {
        let carrier = Carrier::start().await.unwrap();
        let dial = Dial {
            source: "127.0.0.1".parse().unwrap(),
            caller: "12125550100".to_owned(),
            callee: "13105550101".to_owned(),
        };
        let heard = place(carrier.address, &dial).await.unwrap();
        assert_eq!(heard.responses.iter().map(|(code, _)| *code).collect::<Vec<_>>(), [100, 180, 200]);
        assert!(heard.hung_up);
        assert_eq!(heard.retransmissions, 0);
    }
}
