//! The way of a log line out of the process: a bounded queue and a thread of its own. Whoever reads standard error may
//! stop to read; then lines are dropped and counted, and no call waits.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

/// Lines that wait to be written.
const QUEUE: usize = 8192;
/// How long the end of the process waits for the last of them.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Takes whole lines and waits for nothing.
#[derive(Debug)]
pub(super) struct Writer {
    lines: SyncSender<Vec<u8>>,
    dropped: &'static AtomicU64,
}

/// Dropped when the process ends, it waits a little for the lines that are still to be written.
#[derive(Debug)]
#[must_use = "the last lines are lost without it"]
pub struct Guard {
    lines: SyncSender<Vec<u8>>,
    closing: Arc<AtomicBool>,
    /// Carries nothing: it is cut when the thread ends.
    ended: Receiver<()>,
    patience: Duration,
}

/// A thread that writes to `out` what the writer is given; `dropped` counts what it had no room for.
pub(super) fn start(out: impl Write + Send + 'static, dropped: &'static AtomicU64) -> io::Result<(Arc<Writer>, Guard)> {
    start_with(out, dropped, QUEUE, LAST_LINES)
}

fn start_with(
    out: impl Write + Send + 'static,
    dropped: &'static AtomicU64,
    queue: usize,
    patience: Duration,
) -> io::Result<(Arc<Writer>, Guard)> {
    let (lines, waiting) = sync_channel(queue);
    let (running, ended) = sync_channel(0);
    let closing = Arc::new(AtomicBool::new(false));
    let close = Arc::clone(&closing);
    thread::Builder::new().name("log".to_owned()).spawn(move || {
        let _running: SyncSender<()> = running;
        write_out(&waiting, &close, out);
    })?;
    let writer = Arc::new(Writer { lines: lines.clone(), dropped });
    Ok((writer, Guard { lines, closing, ended, patience }))
}

fn write_out(lines: &Receiver<Vec<u8>>, closing: &AtomicBool, mut out: impl Write) {
    loop {
        let line = match lines.try_recv() {
            Ok(line) => line,
            Err(TryRecvError::Empty) if !closing.load(Ordering::Acquire) => match lines.recv() {
                Ok(line) => line,
                Err(_) => return,
            },
            Err(_) => return,
        };
        // Nobody is left to be told that the log cannot be written.
        let _ = out.write_all(&line);
    }
}

impl Write for &Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.lines.try_send(line.to_vec()).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Release);
        // Wakes a thread that waits; in a full queue there are lines that do.
        let _ = self.lines.try_send(Vec::new());
        // A reader that does not read holds the end no longer than this.
        let _ = self.ended.recv_timeout(self.patience);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    use super::start_with;

    const LONG: Duration = Duration::from_mins(1);

    /// A pipe whose reader reads as often as it is told to.
    struct Pipe {
        begun: Sender<()>,
        reads: Receiver<()>,
        read: Sender<Vec<u8>>,
    }

    impl Write for Pipe {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let _ = self.begun.send(());
            // Cut: from now on everything is read.
            let _ = self.reads.recv();
            let _ = self.read.send(line.to_vec());
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stops_costs_lines_and_no_time() {
        static DROPPED: AtomicU64 = AtomicU64::new(0);
        let (begun, first) = channel();
        let (reader, reads) = channel();
        let (read, text) = channel();
        let (writer, guard) = start_with(Pipe { begun, reads, read }, &DROPPED, 2, LONG).expect("a thread");
        writer.as_ref().write_all(b"1").expect("taken");
        first.recv().expect("the first line is on its way, and stands");
        for line in [b"2", b"3", b"4", b"5"] {
            writer.as_ref().write_all(line).expect("taken");
        }
        assert_eq!(DROPPED.load(Ordering::Relaxed), 2, "two had room");
        drop(reader);
        drop(guard);
        assert_eq!(text.iter().collect::<Vec<_>>(), [b"1", b"2", b"3"]);
    }

    #[test]
    fn the_last_lines_get_out_before_the_end() {
        static DROPPED: AtomicU64 = AtomicU64::new(0);
        let (begun, _first) = channel();
        let (_, reads) = channel();
        let (read, text) = channel();
        let (writer, guard) = start_with(Pipe { begun, reads, read }, &DROPPED, 100, LONG).expect("a thread");
        for line in 0..100_u8 {
            writer.as_ref().write_all(&[line]).expect("taken");
        }
        drop(guard);
        assert_eq!(text.try_iter().flatten().collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
        assert_eq!(DROPPED.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_reader_that_reads_no_more_does_not_hold_the_end() {
        static DROPPED: AtomicU64 = AtomicU64::new(0);
        let (begun, first) = channel();
        let (_reader, reads) = channel();
        let (read, text) = channel();
        let pipe = Pipe { begun, reads, read };
        let (writer, guard) = start_with(pipe, &DROPPED, 1, Duration::from_millis(1)).expect("a thread");
        writer.as_ref().write_all(b"1").expect("taken");
        first.recv().expect("the line is on its way, and stands");
        drop(guard);
        assert!(text.try_recv().is_err(), "it still stands");
    }
}
