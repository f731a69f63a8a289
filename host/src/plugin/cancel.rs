//! The caller's wish that the pipeline stop: set by the worker when a CANCEL comes, seen by the stage that waits.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;

/// A handle to stop one call's pipeline. Clones share the wish; it stays on one thread, as the call does.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Rc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    set: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Cancel {
    /// Stops the stage that runs and those after it: the pipeline ends at once with 487.
    pub fn cancel(&self) {
        self.0.set.set(true);
        if let Some(waker) = self.0.waker.take() {
            waker.wake();
        }
    }

    /// Whether the call was cancelled.
    pub fn is_set(&self) -> bool {
        self.0.set.get()
    }

    /// Whom to wake when it is.
    pub(crate) fn register(&self, waker: &Waker) {
        let mut held = self.0.waker.borrow_mut();
        match &mut *held {
            Some(held) => held.clone_from(waker),
            None => *held = Some(waker.clone()),
        }
    }
}
