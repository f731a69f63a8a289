//! The socket of the API.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::connections::Connections;

/// Requests that go on when the API closes get this long to end.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

/// Why the API could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("admin.bind: cannot listen on {bind}: {source}")]
pub struct AdminError {
    /// `admin.bind`.
    pub bind: SocketAddr,
    /// What the system says.
    #[source]
    pub source: std::io::Error,
}

/// The open API. Dropping it closes the socket; [`Admin::close`] lets requests end first.
#[derive(Debug)]
pub struct Admin {
    address: SocketAddr,
    close: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Admin {
    /// Opens the API on `bind` (port 0: any free one). Call it within the back-office runtime.
    pub async fn open(bind: SocketAddr, router: Router) -> Result<Self, AdminError> {
        let failed = |source| AdminError { bind, source };
        let listener = TcpListener::bind(bind).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (close, mut closed) = watch::channel(false);
        let task = tokio::spawn(async move {
            let shutdown = async move {
                let _ = closed.wait_for(|closed| *closed).await;
            };
            if let Err(error) = axum::serve(Connections::new(listener), router).with_graceful_shutdown(shutdown).await {
                tracing::error!(%error, "the admin API ended");
            }
        });
        Ok(Self { address, close, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests and waits for those that go on, at most two seconds.
    pub async fn close(mut self) {
        let _ = self.close.send(true);
        if tokio::time::timeout(CLOSE_DEADLINE, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.task.abort();
    }
}
