//! Bounds a wait by a deadline and by the caller's patience, at no cost for work that does not wait.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Instant;

use tokio::time::Sleep;

use super::cancel::Cancel;

/// Why the work was dropped before it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// The deadline passed.
    Deadline,
    /// The caller cancelled.
    Cancelled,
}

/// Runs `work` until it ends, the deadline passes or the call is cancelled. A timer is armed only where the first poll
/// leaves something to wait for: a stage that reads only cached lookups never touches the clock's wheel.
pub(super) async fn within<F: Future>(
    deadline: Instant,
    cancel: &Cancel,
    mut work: Pin<&mut F>,
) -> Result<F::Output, Cut> {
    let mut timer: Option<Pin<Box<Sleep>>> = None;
    poll_fn(|context| {
        if cancel.is_set() {
            return Poll::Ready(Err(Cut::Cancelled));
        }
        // The work before the timer: an answer that came in the same turn as the deadline counts.
        if let Poll::Ready(output) = work.as_mut().poll(context) {
            return Poll::Ready(Ok(output));
        }
        cancel.register(context.waker());
        let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline.into())));
        timer.as_mut().poll(context).map(|()| Err(Cut::Deadline))
    })
    .await
}
