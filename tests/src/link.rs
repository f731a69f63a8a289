//! A way between two programs that a test can cut, loudly or without a word.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Result;

/// Passes TCP connections on. It ends when dropped, with all that go through it.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    target: SocketAddr,
    /// New connections are closed at once.
    cut: AtomicBool,
    /// What comes is thrown away, and a connection that lost something so never works again.
    silent: AtomicBool,
    over: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Link {
    /// A way to this address, from a loopback port of its own.
    pub fn to(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            target,
            cut: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            over: AtomicBool::new(false),
            open: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.over.load(Relaxed) {
                    return;
                }
                // Where the target is not there, the stream is closed by being dropped.
                let _passed = shared.pass(stream);
            }
        });
        Ok(Self { address, state })
    }

    /// Where it begins.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes all connections, and new ones as they come.
    pub fn cut(&self) {
        self.state.cut.store(true, Relaxed);
        self.state.close();
    }

    /// From now on nothing comes through, and nobody is told: as behind a firewall that forgot its connections.
    pub fn fall_silent(&self) {
        self.state.silent.store(true, Relaxed);
    }

    /// New connections come through again; those that lost something do not.
    pub fn mend(&self) {
        self.state.cut.store(false, Relaxed);
        self.state.silent.store(false, Relaxed);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.state.over.store(true, Relaxed);
        self.state.close();
        // Wakes the thread that accepts.
        let _woken = TcpStream::connect(self.address);
    }
}

impl State {
    fn pass(self: &Arc<Self>, near: TcpStream) -> Result<()> {
        if self.cut.load(Relaxed) {
            return Ok(());
        }
        let far = TcpStream::connect(self.target)?;
        let dead = Arc::new(AtomicBool::new(false));
        self.open().extend([near.try_clone()?, far.try_clone()?]);
        for (from, to) in [(near.try_clone()?, far.try_clone()?), (far, near)] {
            let (state, dead) = (Arc::clone(self), Arc::clone(&dead));
            thread::spawn(move || state.pump(from, to, &dead));
        }
        Ok(())
    }

    fn pump(&self, mut from: TcpStream, mut to: TcpStream, dead: &AtomicBool) {
        let mut chunk = [0; 16 << 10];
        while let Ok(length @ 1..) = from.read(&mut chunk) {
            if self.silent.load(Relaxed) {
                dead.store(true, Relaxed);
            }
            if !dead.load(Relaxed) && to.write_all(&chunk[..length]).is_err() {
                break;
            }
        }
        if !dead.load(Relaxed) {
            let _closed = to.shutdown(Shutdown::Both);
        }
    }

    fn close(&self) {
        for stream in self.open().drain(..) {
            let _closed = stream.shutdown(Shutdown::Both);
        }
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Vec<TcpStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
