//! Credentials for a gateway that asks for them (RFC 3261 section 22.3).
//!
//! The caller cannot answer for us: the request is sent again on a branch of its own, with the next CSeq number. From then
//! on all that the caller sends to this callee counts ahead, and what comes back is counted back, so that each side sees
//! numbers without holes.

use super::call::Call;
use super::client::Client;
use super::cx::Cx;
use super::forward;
use super::size::Outgoing;
use super::transaction::{Branch, Role, Side};
use super::within::callee_tag;
use crate::message::{Message, Method};

/// Once, and once more when only the nonce was too old.
const MAX_LOGINS: u8 = 2;

/// Whether the request on this branch, `sent`, was sent again with credentials that answer `response`.
pub(super) fn answered<F>(
    call: &mut Call<F>,
    cx: &mut Cx<'_, F>,
    (transaction, branch): (usize, usize),
    sent: &bytes::Bytes,
    response: &Message,
) -> bool {
    again(call, cx, (transaction, branch), sent, response).is_some()
}

fn again<F>(
    call: &mut Call<F>,
    cx: &mut Cx<'_, F>,
    (transaction, branch): (usize, usize),
    sent: &bytes::Bytes,
    response: &Message,
) -> Option<()> {
    let cancelled = call.hunt.as_ref().is_some_and(|hunt| hunt.cancelled);
    let id = call.id;
    let loop_hash = call.loop_hash;
    let caller_cseq = call.caller.cseq;
    let current = &mut call.transactions[transaction];
    let (role, method) = (current.role, current.method);
    let from = &mut current.branches[branch];
    let wanted = !from.abandoned && !from.client.is_cancelled() && from.logins < MAX_LOGINS;
    if !wanted || (cancelled && role == Role::Setup) || (role != Role::Own && current.server.as_ref()?.is_final()) {
        return None;
    }
    let from = &mut current.branches[branch];
    let login = from.login.clone()?;
    let request = Message::parse(sent.clone()).ok()?;
    let cnonce = format!("{:016x}", cx.rng.u64(..));
    let (lines, stale) = login.answer(response, request.method_bytes(), request.uri(), &cnonce)?;
    if from.logins > 0 && !stale {
        return None;
    }
    let number = request.cseq()?.number;
    let original = number.saturating_sub(from.shift);
    let tag = callee_tag(response, Side::Caller);
    let (flow, patience, attempt, logins) = (from.client.flow, from.patience, from.attempt, from.logins + 1);
    let (pass, hop) = (from.pass.take(), from.hop.clone());
    let tcp_above = hop.as_ref().map_or(call.tcp_above, |hop| hop.tcp_above);
    // Higher than any that was sent: the caller may have sent others meanwhile.
    let next = match call.leg_mut(Side::Callee, tag) {
        Some(leg) if role == Role::Within(Side::Caller) => {
            leg.shift = leg.shift.saturating_add(1);
            let next = caller_cseq.saturating_add(leg.shift);
            if method == Method::Invite {
                leg.invite_shift = next.saturating_sub(original);
            }
            next
        }
        _ => number.saturating_add(1),
    };
    let name = cx.branch(id, loop_hash);
    let bytes = forward::again(sent, &name, next, &lines, &login.user)?;
    let outgoing = Outgoing::of(cx, flow, bytes, tcp_above)?;
    let client = Client::start(cx, name, outgoing, method == Method::Invite, patience);
    call.transactions[transaction].branches.push(Branch {
        attempt,
        shift: next.saturating_sub(original),
        login: Some(login),
        logins,
        credentials: Some(lines.into()),
        hop,
        pass,
        ..Branch::new(client, patience)
    });
    Some(())
}
