//! A small HTTP server with faults.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// What the server does with a request.
#[derive(Debug, Clone)]
pub(super) enum Behaviour {
    /// This status and body.
    Answer(u16, &'static str),
    /// 200 and the last segment of the path, once a permit is there.
    Echo(Arc<Semaphore>),
    /// Nothing, ever.
    Hang,
    /// The connection is reset.
    Reset,
    /// A good head, then one byte a second.
    Drip,
    /// 100 MB, with their number in the head or in chunks.
    Flood { announced: bool },
    /// Bytes that are no HTTP.
    Garbage,
    /// To another address.
    Redirect(String),
}

/// Stops with its value.
pub(super) struct Server {
    pub(super) url: String,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    behaviour: Mutex<Behaviour>,
    requests: AtomicUsize,
    last: Mutex<String>,
}

impl Server {
    pub(super) async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state =
            Arc::new(State { behaviour: Mutex::new(behaviour), requests: AtomicUsize::new(0), last: Mutex::default() });
        let accepting = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&accepting)));
            }
        });
        Self { url, state, task }
    }

    pub(super) fn now_does(&self, behaviour: Behaviour) {
        *self.state.behaviour.lock().unwrap() = behaviour;
    }

    /// Requests received so far.
    pub(super) fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }

    /// The last request, whole.
    pub(super) fn last_request(&self) -> String {
        self.state.last.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection; an error means that the client went away, as clients with a deadline do.
async fn serve(mut stream: TcpStream, state: Arc<State>) -> std::io::Result<()> {
    while let Some(request) = read_request(&mut stream).await? {
        let key = request.split(' ').nth(1).and_then(|path| path.rsplit('/').next()).unwrap_or_default().to_owned();
        *state.last.lock().unwrap() = request;
        state.requests.fetch_add(1, Ordering::SeqCst);
        let behaviour = state.behaviour.lock().unwrap().clone();
        match behaviour {
            Behaviour::Answer(status, body) => answer(&mut stream, status, body).await?,
            Behaviour::Echo(gate) => {
                gate.acquire().await.unwrap().forget();
                answer(&mut stream, 200, &key).await?;
            }
            Behaviour::Hang => std::future::pending().await,
            Behaviour::Reset => {
                stream.set_zero_linger()?;
                return Ok(());
            }
            Behaviour::Drip => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n").await?;
                loop {
                    stream.write_all(b"1").await?;
                    tokio::time::sleep(super::SECOND).await;
                }
            }
            Behaviour::Flood { announced } => return flood(&mut stream, announced).await,
            Behaviour::Garbage => {
                stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await?;
                return stream.shutdown().await;
            }
            Behaviour::Redirect(to) => {
                let head = format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(head.as_bytes()).await?;
            }
        }
    }
    Ok(())
}

async fn answer(stream: &mut TcpStream, status: u16, body: &str) -> std::io::Result<()> {
    let length = if status == 204 { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    stream.write_all(format!("HTTP/1.1 {status} x\r\n{length}\r\n{body}").as_bytes()).await
}

async fn flood(stream: &mut TcpStream, announced: bool) -> std::io::Result<()> {
    let chunk = vec![b'7'; 1_000_000];
    let head = if announced { "content-length: 100000000" } else { "transfer-encoding: chunked" };
    stream.write_all(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n").as_bytes()).await?;
    for _ in 0..100 {
        if !announced {
            stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).await?;
        }
        stream.write_all(&chunk).await?;
        if !announced {
            stream.write_all(b"\r\n").await?;
        }
    }
    Ok(())
}

/// Head and body; none at the end of the connection.
async fn read_request(stream: &mut TcpStream) -> std::io::Result<Option<String>> {
    let mut request = Vec::new();
    loop {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let announced = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= announced.map_or(0, |length| length.parse().unwrap()) {
            return Ok(Some(text.into_owned()));
        }
    }
}
