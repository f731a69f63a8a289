//! The hunt: attempts one after the other, or several at once where the routes say so, until one answers (RFC 3261
//! sections 16.6 to 16.8).
//!
//! | file | what |
//! |---|---|
//! | `hunt` | which attempts are made |
//! | `outcome` | what their responses mean |
//! | `redirect` | attempts that a 3xx leads to |
//! | `best` | the failure that the caller is told |
//! | `late` | answers that nobody waits for any more |
//! | `told` | what is told of it at once |

mod best;
mod late;
mod outcome;
mod redirect;
mod told;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use self::best::Best;
pub(super) use self::outcome::{on_response, on_timeout, on_unreachable};
pub(super) use self::told::all_over;
use super::call::Call;
use super::client::{Client, Patience};
use super::cx::Cx;
use super::dialog;
use super::forward::{self, Onward};
use super::report::AttemptReport;
use super::settings::Listener;
use super::size::{Outgoing, TOO_LARGE};
use super::transaction::Branch;
use crate::decision::{Destination, Target};
use crate::edit::{edited, withheld};
use crate::end::AttemptOutcome;
use crate::gate::{Closed, Pass};
use crate::message::{Message, Name};
use crate::place::Place;
use crate::time::Time;
use crate::uri::Uri;

#[derive(Debug)]
pub(super) struct Hunt {
    /// The INVITE as the stages left it.
    message: Arc<Message>,
    targets: Vec<Target>,
    /// Whose call it is.
    customer: Arc<str>,
    /// The attempts still to be made.
    ahead: VecDeque<Step>,
    /// Targets that were passed over because they are not well: tried at last, where nothing else could be.
    unwell: Vec<usize>,
    /// Attempts made, those that could not be sent too.
    made: usize,
    /// An INVITE has left.
    sent: bool,
    /// The next attempt leads to a name that is being asked for: when it is given up.
    pub(super) waits_until: Option<Time>,
    /// The caller has cancelled: no further attempt.
    pub(super) cancelled: bool,
    /// An answer came that ends the hunt: what still rings is waited for.
    decided: bool,
    best: Best,
}

/// One attempt to be made.
#[derive(Debug)]
struct Step {
    /// Index into the targets.
    target: usize,
    /// Made together with the one before it.
    parallel: bool,
    /// Whatever the gateway's health.
    resort: bool,
    /// To where a gateway has redirected us.
    redirect: Option<Redirect>,
}

#[derive(Debug)]
struct Redirect {
    /// The Request-URI.
    uri: Bytes,
    to: To,
    /// The gateway itself has led us there, and not whom it had led us to before.
    by_gateway: bool,
}

/// Where a redirection leads.
#[derive(Debug, Clone)]
enum To {
    At(Destination),
    /// To a name that is not looked up yet.
    Named(Place),
    /// To one that leads nowhere.
    Nowhere,
}

impl Redirect {
    fn destination(&self) -> Option<Destination> {
        match self.to {
            To::At(destination) => Some(destination),
            To::Named(_) | To::Nowhere => None,
        }
    }
}

impl Step {
    const fn to(target: usize) -> Self {
        Self { target, parallel: false, resort: false, redirect: None }
    }
}

impl Hunt {
    pub(super) fn new(message: Arc<Message>, targets: Vec<Target>, customer: Arc<str>) -> Self {
        let steps = targets.iter().enumerate();
        let ahead = steps.map(|(index, target)| Step { parallel: target.parallel, ..Step::to(index) }).collect();
        Self {
            message,
            targets,
            customer,
            ahead,
            unwell: Vec::new(),
            made: 0,
            sent: false,
            waits_until: None,
            cancelled: false,
            decided: false,
            best: Best::default(),
        }
    }

    /// The addresses of a target's gateway, as far as this call has them as routes.
    fn addresses_of(&self, target: &Target) -> impl Iterator<Item = Destination> {
        let same = move |other: &&Target| Arc::ptr_eq(&other.hop, &target.hop);
        self.targets.iter().filter(same).filter_map(|other| other.destination)
    }

    /// Whether an attempt is at its gateway itself. A redirection leads there where the gateway names an address of its own:
    /// anybody else who could would make calls of his choice with our login.
    fn is_at_gateway(&self, step: &Step, target: &Target) -> bool {
        step.redirect.as_ref().is_none_or(|redirect| {
            redirect.by_gateway && self.addresses_of(target).any(|own| redirect.destination() == Some(own))
        })
    }

    /// Whether the stages made another From of `party`.
    pub(super) fn changes_from(&self, party: &[u8]) -> bool {
        self.message.get(Name::From) != Some(party) || self.targets.iter().any(|target| !target.edits.is_empty())
    }

    /// The next attempts that are made together.
    fn group(&mut self) -> SmallVec<[Step; 2]> {
        let mut group: SmallVec<[Step; 2]> = self.ahead.pop_front().into_iter().collect();
        while !group.is_empty() && self.ahead.front().is_some_and(|step| step.parallel) {
            group.extend(self.ahead.pop_front());
        }
        group
    }

    /// Where no gateway could be asked, those that seem unwell are, in order: what looks like all of them failing may
    /// be a fault of ours, and a call that is tried can only win.
    fn resort(&mut self) -> bool {
        if self.sent || self.unwell.is_empty() {
            return false;
        }
        self.ahead = self.unwell.drain(..).map(|target| Step { resort: true, ..Step::to(target) }).collect();
        true
    }
}

/// Make the next attempts, or end the call with the best failure when none is left.
pub(super) fn next<F>(call: &mut Call<F>, cx: &mut Cx<'_, F>) {
    loop {
        let Some(hunt) = &mut call.hunt else { return };
        if hunt.cancelled || hunt.decided || hunt.made >= cx.settings.max_attempts {
            break;
        }
        if redirect::waits(hunt, cx, call.id) {
            return;
        }
        let group = hunt.group();
        if group.is_empty() && !hunt.resort() {
            break;
        }
        let mut left = false;
        for step in group {
            left |= attempt(call, cx, &step);
        }
        if left {
            return;
        }
    }
    outcome::give_up(call, cx);
}

/// The name that the next attempt leads to has been found, or nobody waits for it any longer.
pub(super) fn resume<F>(call: &mut Call<F>, cx: &mut Cx<'_, F>) {
    if call.hunt.as_ref().is_some_and(|hunt| hunt.waits_until.is_some()) {
        next(call, cx);
    }
}

/// Send the INVITE of one attempt. False when it cannot be sent.
fn attempt<F>(call: &mut Call<F>, cx: &mut Cx<'_, F>, step: &Step) -> bool {
    let Some(hunt) = &mut call.hunt else { return false };
    let Some(target) = hunt.targets.get(step.target) else { return false };
    let destination = match &step.redirect {
        Some(redirect) => redirect.destination(),
        None => target.destination,
    };
    let report = AttemptReport {
        target: step.target,
        destination: destination.map(|destination| destination.address),
        redirected: step.redirect.as_ref().map(|redirect| user_part(&redirect.uri)),
        started: cx.now,
        ringing: None,
        ended: None,
        released: None,
    };
    if hunt.made >= cx.settings.max_attempts {
        return false;
    }
    let hop = if hunt.is_at_gateway(step, target) { Arc::clone(&target.hop) } else { target.hop.elsewhere() };
    let gate = hop.gate.as_ref();
    let pass = match gate.map(|gate| Pass::through(gate, cx.now, step.resort)).transpose() {
        Ok(pass) => pass,
        Err(closed) => {
            if closed == Closed::Down {
                hunt.unwell.push(step.target);
            }
            let outcome = if closed == Closed::Full { AttemptOutcome::Full } else { AttemptOutcome::Down };
            return told::unsent(call, cx, report, 503, outcome);
        }
    };
    hunt.made += 1;
    // Until one has answered, all that were asked may hear what comes next.
    call.confides &= hop.trusted;
    let flow = destination.and_then(|destination| cx.settings.flow_to(destination, call.flow));
    let ways = flow.and_then(|flow| Some((flow, cx.settings.listener(flow)?, cx.settings.listener(call.flow)?)));
    // The routing side has tried the edits before; one that fails here makes this attempt unreachable, no more.
    let own = (!target.edits.is_empty()).then(|| edited(&hunt.message, &target.edits).ok().map(Arc::new));
    let message = own.unwrap_or_else(|| Some(hunt.message.clone()));
    let private = message.as_ref().filter(|_| !hop.trusted).and_then(|message| withheld(message));
    let message = private.map(Arc::new).or(message);
    let (Some((flow, out, inward)), Some(message)) = (ways, message) else {
        return told::unsent(call, cx, report, 503, AttemptOutcome::Unreachable);
    };
    let request_uri = step.redirect.as_ref().map(|redirect| &redirect.uri[..]);
    let branch = cx.branch(call.id, call.loop_hash);
    let listeners: [&Listener; 2] = [out, inward];
    let record = if flow.listener == call.flow.listener { &listeners[..1] } else { &listeners[..] };
    let request = forward::request(
        &message,
        &Onward {
            request_host: target.request_host.as_deref(),
            request_uri,
            top_routes: own_routes(&message, cx.settings),
            record: Some((record, call.cookie)),
            ..Onward::by(out, &branch)
        },
    );
    let Some(outgoing) = Outgoing::of(cx, flow, request, hop.tcp_above) else {
        return told::unsent(call, cx, report, TOO_LARGE.code, AttemptOutcome::Unreachable);
    };
    let patience = Patience { first: target.attempt_timeout, last: target.ring_timeout, renewed: false };
    hunt.sent = true;
    let login = hop.login.clone();
    let client = Client::start(cx, branch, outgoing, true, patience);
    let attempt = call.attempts.len();
    call.attempts.push(report);
    if let Some(setup) = call.setup() {
        setup.branches.push(Branch { attempt, pass, login, hop: Some(hop), ..Branch::new(client, patience) });
    }
    true
}

fn user_part(uri: &[u8]) -> Box<str> {
    let user = Uri::parse(uri).ok().and_then(|uri| uri.user_name()).unwrap_or_default();
    String::from_utf8_lossy(user.of(uri)).into()
}

/// How many Route values at the top are this node: a preloaded route.
fn own_routes(message: &Message, settings: &super::Settings) -> usize {
    message.routes().take_while(|route| dialog::names_us(route, settings)).count()
}
