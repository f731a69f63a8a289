//! Where a call's pipeline runs.
//!
//! A pipeline as a future is some kilobytes large. One such place serves one call after the other: allocated anew for each,
//! that memory would be the largest and the coldest of all that a call takes.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::plugin::Cancel;
use crate::routing::{NewCall, Routed, Router};
use crate::sip::decision::CallRef;

/// A call to be routed.
pub(super) struct Job {
    pub(super) router: Router,
    pub(super) call: CallRef,
    pub(super) new: NewCall,
    pub(super) cancel: Cancel,
}

/// Runs one job at a time.
pub(super) trait Berth {
    /// Puts a job in the place of the one before, which is dropped.
    fn begin(&mut self, job: Job);

    /// Pending for ever where no job was begun.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(CallRef, Routed)>;
}

/// An empty one.
pub(super) fn new() -> Box<dyn Berth> {
    Box::new(Place {
        make: |Job { router, call, new, cancel }| async move { (call, router.route(new, cancel).await) },
        running: Box::pin(None),
    })
}

struct Place<M, R> {
    make: M,
    running: Pin<Box<Option<R>>>,
}

impl<M, R> Berth for Place<M, R>
where
    M: Fn(Job) -> R,
    R: Future<Output = (CallRef, Routed)>,
{
    fn begin(&mut self, job: Job) {
        self.running.set(Some((self.make)(job)));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(CallRef, Routed)> {
        let Some(running) = self.running.as_mut().as_pin_mut() else { return Poll::Pending };
        let decided = ready!(running.poll(cx));
        self.running.set(None);
        Poll::Ready(decided)
    }
}

/// A job that waits for a lookup; gives its berth back with the decision.
pub(super) struct Running(Option<Box<dyn Berth>>);

impl Running {
    pub(super) fn new(berth: Box<dyn Berth>) -> Self {
        Self(Some(berth))
    }
}

impl Future for Running {
    type Output = (Box<dyn Berth>, (CallRef, Routed));

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(mut berth) = self.0.take() else { return Poll::Pending };
        match berth.poll(cx) {
            Poll::Ready(decided) => Poll::Ready((berth, decided)),
            Poll::Pending => {
                self.0 = Some(berth);
                Poll::Pending
            }
        }
    }
}
