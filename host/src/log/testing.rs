//! A log in memory: what this thread writes, as an operator would read it.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::EnvFilter;

/// Hears this thread until it is dropped.
pub(crate) struct Heard {
    written: Arc<Written>,
    _default: DefaultGuard,
}

#[derive(Default)]
struct Written(Mutex<Vec<u8>>);

impl Heard {
    /// What passes this filter.
    pub(crate) fn on_this_thread(filter: &str) -> Self {
        let written = Arc::<Written>::default();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(filter))
            .without_time()
            .with_target(false)
            .with_ansi(false)
            .with_writer(Arc::clone(&written))
            .finish();
        Self { written, _default: tracing::subscriber::set_default(subscriber) }
    }

    /// The lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        let written = self.written.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&written).lines().map(|line| line.trim_start().to_owned()).collect()
    }
}

impl io::Write for &Written {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
