//! Stand-in number directories: LRN as plain text, CNAM as JSON, over HTTP/1.1 with keep-alive, and able to hang.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A longer request head than this is not ours.
const MAX_HEAD: usize = 8 * 1024;

/// What a directory answers for a number: the content type and the body; none for 404.
pub(super) type Answer = fn(number: &str) -> Option<(&'static str, String)>;

/// An HTTP service on a loopback port. It ends when dropped.
pub(super) struct Directory {
    /// Where it listens.
    pub(super) address: SocketAddr,
    hanging: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Drop for Directory {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Directory {
    /// Listens on a free port of 127.0.0.1.
    pub(super) async fn start(answer: Answer) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (hanging, state) = watch::channel(false);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, answer, state.clone()));
            }
        });
        Ok(Self { address, hanging, task })
    }

    /// While it hangs, requests are taken and not answered.
    pub(super) fn hang(&self, hanging: bool) {
        self.hanging.send_replace(hanging);
    }
}

async fn converse(mut stream: TcpStream, answer: Answer, mut hanging: watch::Receiver<bool>) {
    let mut head = Vec::new();
    let mut chunk = [0; 1024];
    loop {
        while !head.windows(4).any(|window| window == b"\r\n\r\n") {
            match stream.read(&mut chunk).await {
                Ok(length) if length > 0 && head.len() + length <= MAX_HEAD => head.extend_from_slice(&chunk[..length]),
                _ => return,
            }
        }
        if hanging.wait_for(|hanging| !*hanging).await.is_err() {
            return;
        }
        let reply = reply(&String::from_utf8_lossy(&head), answer);
        head.clear();
        if stream.write_all(reply.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The number is the last segment of the path.
fn reply(head: &str, answer: Answer) -> String {
    let path = head.split(' ').nth(1).unwrap_or_default();
    let number = path.split('?').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    match answer(number) {
        Some((kind, body)) => {
            format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        }
        None => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
    }
}

/// Every number of area code 310 is ported to the switch 310 555; the rest stays where it is.
pub(super) fn ported(number: &str) -> Option<(&'static str, String)> {
    let national = number.get(number.len().checked_sub(10)?..)?;
    let lrn = if national.starts_with("310") { "3105550000" } else { national };
    Some(("text/plain", lrn.to_owned()))
}

/// The name of every caller of area code 212; nothing is known of the others.
pub(super) fn named(number: &str) -> Option<(&'static str, String)> {
    let national = number.get(number.len().checked_sub(10)?..)?;
    national
        .starts_with("212")
        .then(|| ("application/json", serde_json::json!({ "caller": { "name": "ACME WIDGETS" } }).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_segment_of_the_path_is_the_number() {
        let reply = reply("GET /lrn/13105550199?x=1 HTTP/1.1\r\n\r\n", ported);
        assert!(reply.ends_with("\r\n\r\n3105550000"), "{reply}");
    }

    #[test]
    fn an_unknown_caller_is_404() {
        assert!(reply("GET /cnam/14155550100 HTTP/1.1\r\n\r\n", named).starts_with("HTTP/1.1 404 "));
    }
}
