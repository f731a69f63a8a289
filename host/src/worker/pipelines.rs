//! The pipelines that run on a worker: most end where they began, in one poll; those that wait for a lookup are kept.

mod berth;

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use futures_util::task::AtomicWaker;

use self::berth::{Berth, Job, Running};
use crate::plugin::{Cancel, Trace};
use crate::routing::{NewCall, Routed, Router, Snapshot};
use crate::sip::decision::{CallRef, RouteRequest};
use crate::spans::{Tracer, Visit};

/// Berths that are kept for the next calls: what one wake-up brings.
const SPARE: usize = 64;

pub(super) struct Pipelines {
    router: Router,
    /// The router of a new configuration, getting warm.
    next: Option<Pin<Box<dyn Future<Output = Router>>>>,
    /// It has become warm, and nobody knows of it yet.
    turned: bool,
    waiting: FuturesUnordered<Running>,
    spare: Vec<Box<dyn Berth>>,
    /// Of those that wait: how they are stopped, and their traces.
    cancels: HashMap<CallRef, (Cancel, Option<Arc<Trace>>)>,
    tracer: Option<Tracer>,
    nudge: Arc<Nudge>,
    /// Of the nudge.
    waker: Waker,
}

/// Wakes the worker, and remembers that it was.
#[derive(Default)]
struct Nudge {
    given: AtomicBool,
    worker: AtomicWaker,
}

impl Wake for Nudge {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.given.store(true, Relaxed);
        self.worker.wake();
    }
}

impl Pipelines {
    pub(super) fn new(router: Router, tracer: Option<Tracer>) -> Self {
        let nudge = Arc::<Nudge>::default();
        let waker = Waker::from(Arc::clone(&nudge));
        let (waiting, spare, cancels) = Default::default();
        Self { router, next: None, turned: false, waiting, spare, cancels, tracer, nudge, waker }
    }

    /// Whether a stage computes and gave the thread back for others' sake alone: the worker must not rest.
    pub(super) fn want_more(&self) -> bool {
        self.nudge.given.load(Relaxed)
    }

    pub(super) fn router(&self) -> &Router {
        &self.router
    }

    /// Calls whose stages wait for a lookup.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Route new calls by this as soon as its stages are warm.
    pub(super) fn reload(&mut self, snapshot: Arc<Snapshot>) {
        let before = self.router.clone();
        self.next = Some(Box::pin(async move {
            let router = before.after(snapshot);
            router.warm_up().await;
            router
        }));
    }

    /// The new configuration, once, as soon as calls are routed by it.
    pub(super) fn turned(&mut self) -> Option<Arc<Snapshot>> {
        std::mem::take(&mut self.turned).then(|| Arc::clone(self.router.snapshot()))
    }

    /// Run a call's pipeline. The decision comes at once, or by `poll_next`.
    /// `identities` are those of the caller's certificate.
    pub(super) fn start(
        &mut self,
        request: &RouteRequest,
        identities: Option<Arc<[Box<str>]>>,
        cx: &mut Context<'_>,
    ) -> Option<(CallRef, Routed)> {
        let cancel = Cancel::default();
        let call = request.call;
        let received = NewCall::received_now(Arc::clone(&request.message), request.flow);
        let trace = self.tracer.as_ref().filter(|tracer| tracer.chooses()).map(|_| Arc::new(Trace::of_times()));
        let new = NewCall { identities, trace: trace.clone(), ..received };
        let mut berth = self.spare.pop().unwrap_or_else(berth::new);
        berth.begin(Job { router: self.router.clone(), call, new, cancel: cancel.clone() });
        if let Poll::Ready((call, routed)) = berth.poll(cx) {
            self.spare.push(berth);
            return Some((call, visited(routed, trace.as_deref())));
        }
        self.cancels.insert(call, (cancel, trace));
        self.waiting.push(Running::new(berth));
        // It must be polled by its new owner once to be woken through it.
        cx.waker().wake_by_ref();
        None
    }

    /// The caller no longer waits for this decision.
    pub(super) fn cancel(&mut self, call: CallRef) {
        if let Some((cancel, _)) = self.cancels.get(&call) {
            cancel.cancel();
        }
    }

    /// Nobody waits for any decision.
    pub(super) fn cancel_all(&mut self) {
        self.cancels.values().for_each(|(cancel, _)| cancel.cancel());
    }

    /// The next decision.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<(CallRef, Routed)> {
        if let Some(next) = &mut self.next
            && let Poll::Ready(router) = next.as_mut().poll(cx)
        {
            (self.router, self.next, self.turned) = (router, None, true);
        }
        self.nudge.given.store(false, Relaxed);
        self.nudge.worker.register(cx.waker());
        match self.waiting.poll_next_unpin(&mut Context::from_waker(&self.waker)) {
            Poll::Ready(Some((berth, (call, routed)))) => {
                let trace = self.cancels.remove(&call).and_then(|(_, trace)| trace);
                if self.spare.len() < SPARE {
                    self.spare.push(berth);
                }
                Poll::Ready((call, visited(routed, trace.as_deref())))
            }
            _ => Poll::Pending,
        }
    }
}

/// With what its trace has, where the call has one.
fn visited(mut routed: Routed, trace: Option<&Trace>) -> Routed {
    routed.facts.visits = trace.map(Visit::all);
    routed
}
