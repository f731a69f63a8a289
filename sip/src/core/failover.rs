//! A request within a call, or a BYE of our own, whose next hop is a name: where one of the name's addresses cannot be reached,
//! it goes to the next (RFC 3263 section 4.3), on a branch of its own; at last to where that side's messages come from.

use super::call::Call;
use super::client::Client;
use super::cx::Cx;
use super::forward;
use super::size::Outgoing;
use super::transaction::{Branch, Side};
use crate::decision::Destination;
use crate::message::{Message, Method};

/// Whether the request on this branch, which did not arrive, has left to another address.
pub(super) fn goes_on<F>(call: &mut Call<F>, cx: &mut Cx<'_, F>, (transaction, branch): (usize, usize)) -> bool {
    again(call, cx, (transaction, branch)).is_some()
}

fn again<F>(call: &mut Call<F>, cx: &mut Cx<'_, F>, (transaction, branch): (usize, usize)) -> Option<()> {
    let (id, loop_hash) = (call.id, call.loop_hash);
    let current = call.transactions.get(transaction)?;
    let from = current.branches.get(branch)?;
    if !from.client.is_unheard() || from.client.is_cancelled() {
        return None;
    }
    let tried: Vec<Destination> = current.branches.iter().map(|branch| Destination::from(branch.client.flow)).collect();
    let sent = from.client.request().clone();
    let message = Message::parse(sent.clone()).ok()?;
    let side = if message.to_tag() == Some(call.caller.party.tag()) { Side::Caller } else { Side::Callee };
    let leg = call.leg_mut(side, message.to_tag())?;
    let known = leg.flow;
    let mut others = cx.names.others(leg.next_uri(), &tried)?;
    others.push(Destination::from(known));
    let next = others.into_iter().find(|other| !tried.contains(other))?;
    let flow = if next == Destination::from(known) { known } else { cx.settings.flow_to(next, known)? };
    let name = cx.branch(id, loop_hash);
    let bytes = forward::by_listener(&message, cx.settings.listener(flow)?, &name)?;
    let outgoing = Outgoing::of(cx, flow, bytes, None)?;
    let current = call.transactions.get_mut(transaction)?;
    let invite = current.method == Method::Invite;
    let from = current.branches.get_mut(branch)?;
    from.client.give_up();
    let (patience, shift, logins) = (from.patience, from.shift, from.logins);
    let (login, credentials) = (from.login.clone(), from.credentials.clone());
    let client = Client::start(cx, name, outgoing, invite, patience);
    current.branches.push(Branch { shift, login, logins, credentials, ..Branch::new(client, patience) });
    Some(())
}
