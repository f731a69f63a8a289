//! What comes back: the responses to what a call has sent, and what of a message the other side may have.

use super::call::Call;
use super::challenge;
use super::client::Received;
use super::cx::Cx;
use super::hunt;
use super::transaction::{Role, Side};
use super::within::callee_tag;
use crate::digest::without_credentials;
use crate::edit::{withheld, without_claims};
use crate::flow::Flow;
use crate::message::{Message, Method, Name};

impl<F> Call<F> {
    /// A response on `branch` of `transaction`.
    pub(super) fn on_response(
        &mut self,
        cx: &mut Cx<'_, F>,
        transaction: usize,
        branch: usize,
        flow: Flow,
        response: &Message,
    ) {
        let current = &mut self.transactions[transaction];
        let client = &mut current.branches[branch].client;
        if response.method() == Method::Cancel && current.method != Method::Cancel {
            client.on_cancel_response(response.code());
            return;
        }
        // RFC 3261 section 17.1.3: the branch alone does not make it an answer to this request.
        if response.method() != current.method {
            cx.counters.malformed += 1;
            return;
        }
        // RFC 3261 section 16.7 item 3: one that names nobody behind us goes nowhere.
        if current.role != Role::Own && response.items(Name::Via).nth(1).is_none() {
            cx.counters.malformed += 1;
            return;
        }
        // Taken before the transaction is done with it.
        let challenged = matches!(response.code(), 401 | 407) && current.branches[branch].login.is_some();
        let client = &mut current.branches[branch].client;
        let sent = challenged.then(|| client.request().clone());
        if client.on_response(cx, response) == Received::Repeated {
            return;
        }
        let role = current.role;
        if let Some(sent) = sent
            && challenge::answered(self, cx, (transaction, branch), &sent, response)
        {
            return;
        }
        match role {
            Role::Setup => hunt::on_response(self, cx, branch, flow, response),
            Role::Within(side) => self.on_response_within(cx, (transaction, branch), side, response),
            Role::Own => {}
        }
    }

    fn on_response_within(
        &mut self,
        cx: &mut Cx<'_, F>,
        (transaction, branch): (usize, usize),
        side: Side,
        response: &Message,
    ) {
        let code = response.code();
        if code == 100 {
            return;
        }
        let bare = self.bare(response, side.other());
        let current = &mut self.transactions[transaction];
        let method = current.method;
        // RFC 4320 section 4.2: whoever sent it has given it up by itself.
        if code == 408 && method != Method::Invite {
            current.keep_silent();
        } else {
            let shift = current.branches[branch].shift;
            current.relay(cx, bare.as_ref().unwrap_or(response), shift);
        }
        if matches!(method, Method::Invite | Method::Update) && (200..300).contains(&code) {
            self.session.answered(cx.now, response);
            let asked = self.transactions[transaction].refresh.take();
            let tag = callee_tag(response, side);
            if let (Some(contact), Some(leg)) = (asked, self.leg_mut(side, tag)) {
                leg.party.move_to(&contact);
                leg.seek(cx);
            }
            if let (Some(contact), Some(leg)) = (response.contact(), self.leg_mut(side.other(), tag)) {
                leg.party.move_to(contact.uri);
                leg.seek(cx);
            }
        }
        match (method, code) {
            // A challenged BYE comes again with credentials; any other answer means that the dialog is gone
            // (RFC 3261 section 15.1.1, RFC 5057).
            (Method::Bye, 401 | 407) => self.hung_up = None,
            (Method::Bye, 200..) => self.on_bye_over(cx, response, side),
            _ => {}
        }
    }

    /// What `side` sends, as the other may have it: without credentials for this node, and without what it claims to be where
    /// it is not believed, or where that is private and the other is not trusted (RFC 3325 section 5). `None`: as it is.
    pub(super) fn bare(&self, message: &Message, side: Side) -> Option<Message> {
        let realm = self.realm.as_deref().filter(|_| side == Side::Caller);
        let own = realm.and_then(|realm| without_credentials(message, realm));
        let message = own.as_ref().unwrap_or(message);
        let unclaimed = match side {
            Side::Caller if !self.believed => without_claims(message),
            Side::Caller if !self.confides => withheld(message),
            Side::Callee if !self.believed => withheld(message),
            _ => None,
        };
        unclaimed.or(own)
    }
}
