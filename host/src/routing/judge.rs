//! Judges a stage's outcome as a whole: all of it can be applied, or none of it is.

use std::sync::Arc;
use std::time::Duration;

use super::customer::Customer;
use super::facts::{Rate, TargetFacts};
use super::gateway::{Gateway, Gateways};
use super::money;
use super::text;
use super::view::{Parties, Reading};
use crate::cdr::record::StageOutcome;
use crate::plugin::contract::{self, Attribute, Outcome, Rejection, Route, Verdict};
use crate::sip::decision::Target;
use crate::sip::edit::{Edit, edited};
use crate::sip::message::Message;
use crate::sip::uri::Uri;

/// Attributes of one call.
pub(super) const MAX_ATTRIBUTES: usize = 64;
const MAX_ATTRIBUTE_NAME: usize = 64;
const MAX_ATTRIBUTE_VALUE: usize = 1_024;

/// Edits of one outcome or one route, header fields of one answer.
const MAX_EDITS: usize = 64;

/// Gateways of one hunt, and Contacts of one redirection.
const MAX_ROUTES: usize = 32;

/// Characters of a gateway's name that are shown where there is no such gateway, and bytes of all of them.
const MAX_GATEWAY_SHOWN: usize = 64;
const MAX_GATEWAYS_SHOWN: usize = 1_000;

/// Bytes of a reason phrase or a Contact.
const MAX_TEXT: usize = 256;

/// The longest wait that a route can ask for, in ms.
const MAX_WAIT: u32 = 600_000;

/// An outcome that holds.
#[derive(Debug)]
pub(super) struct Judged {
    /// The request with the edits; `None` where there were none.
    pub(super) message: Option<Arc<Message>>,
    /// What it says now; `None` where that is what it said before.
    pub(super) reading: Option<Reading>,
    /// To be merged into the call's.
    pub(super) attributes: Vec<Attribute>,
    /// What happens next.
    pub(super) ruling: Ruling,
    /// For the record: what of the outcome could not be done, where the rest holds.
    pub(super) left_out: Option<String>,
}

/// What a verdict means for the call.
#[derive(Debug)]
pub(super) enum Ruling {
    /// The next stage.
    Proceed,
    /// A final response.
    Answer { code: u16, reason: String, headers: Vec<(String, String)> },
    /// 407, with the challenge that the host makes.
    Challenge,
    /// Targets, and beside each what the record wants of it.
    Hunt { targets: Vec<Target>, facts: Vec<TargetFacts> },
}

/// What an outcome is judged by.
pub(super) struct Bench<'a> {
    pub(super) gateways: &'a Gateways,
    pub(super) customer: &'a Customer,
    /// The request as the stage found it.
    pub(super) message: &'a Arc<Message>,
    /// Whom it names.
    pub(super) parties: &'a Parties,
    /// The attributes as the stage found them.
    pub(super) attributes: &'a [Attribute],
}

impl Bench<'_> {
    pub(super) fn judge(&self, outcome: Outcome) -> Result<(Judged, StageOutcome), String> {
        let Outcome { verdict, edits, attributes } = outcome;
        self.check_attributes(&attributes)?;
        let (message, reading) = self.edit(edits)?;
        let current = message.as_ref().unwrap_or(self.message);
        let parties = reading.as_ref().map_or(self.parties, |reading| &reading.parties);
        let mut left_out = None;
        let (ruling, name) = match verdict {
            Verdict::Proceed => (Ruling::Proceed, StageOutcome::Proceed),
            Verdict::Reject(rejection) => (reject(rejection)?, StageOutcome::Reject),
            Verdict::Challenge(realm) => (self.challenge(&realm)?, StageOutcome::Challenge),
            Verdict::Redirect(contacts) => (redirect(contacts)?, StageOutcome::Redirect),
            Verdict::Route(routes) => {
                let (ruling, unknown) = self.hunt(routes, current, parties)?;
                left_out = unknown;
                (ruling, StageOutcome::Route)
            }
        };
        Ok((Judged { message, reading, attributes, ruling, left_out }, name))
    }

    fn check_attributes(&self, added: &[Attribute]) -> Result<(), String> {
        for Attribute { name, value } in added {
            if name.is_empty() || name.len() > MAX_ATTRIBUTE_NAME || !text::is_line(name) {
                let shown: String = name.chars().take(MAX_ATTRIBUTE_NAME).collect();
                return Err(format!("attribute name `{}`: 1 to {MAX_ATTRIBUTE_NAME} bytes", shown.escape_debug()));
            }
            if value.len() > MAX_ATTRIBUTE_VALUE {
                return Err(format!("attribute {name} has {} bytes; at most {MAX_ATTRIBUTE_VALUE}", value.len()));
            }
        }
        // Counted as if all were new first: the exact count is quadratic, and almost never needed.
        if self.attributes.len() + added.len() > MAX_ATTRIBUTES {
            let mut merged = self.attributes.to_vec();
            merge(&mut merged, added.iter().take(MAX_ATTRIBUTES * 2).cloned().collect());
            if merged.len() > MAX_ATTRIBUTES || added.len() > MAX_ATTRIBUTES * 2 {
                return Err(format!("more than {MAX_ATTRIBUTES} attributes on one call"));
            }
        }
        Ok(())
    }

    fn edit(&self, edits: Vec<contract::Edit>) -> Result<(Option<Arc<Message>>, Option<Reading>), String> {
        if edits.is_empty() {
            return Ok((None, None));
        }
        if edits.len() > MAX_EDITS {
            return Err(format!("{} edits; at most {MAX_EDITS}", edits.len()));
        }
        let edits: Vec<Edit> = edits.into_iter().map(of_edit).collect();
        let message = edited(self.message, &edits).map_err(|error| error.to_string())?;
        let reading = edits.iter().any(Reading::is_changed_by).then(|| Reading::of(&message));
        Ok((Some(Arc::new(message)), reading))
    }

    fn challenge(&self, realm: &str) -> Result<Ruling, String> {
        match &self.customer.digest {
            Some(digest) if *digest.realm == *realm => Ok(Ruling::Challenge),
            // Credentials of another realm could never be verified: the caller would be challenged for ever.
            Some(digest) => {
                Err(format!("challenge for the realm `{}`; the customer's is `{}`", realm.escape_debug(), digest.realm))
            }
            None => Err("a challenge, and the customer has no digest users".to_owned()),
        }
    }

    /// The targets in order, and which routes are left out because the node has no such gateway: a deck may name a
    /// carrier before its gateway is there or after it is gone, and that must not stop the calls that others can carry.
    fn hunt(
        &self,
        routes: Vec<Route>,
        message: &Message,
        parties: &Parties,
    ) -> Result<(Ruling, Option<String>), String> {
        if routes.is_empty() {
            return Err("a route verdict without a route".to_owned());
        }
        if routes.len() > MAX_ROUTES {
            return Err(format!("{} routes; at most {MAX_ROUTES}", routes.len()));
        }
        let (mut targets, mut facts) = (Vec::with_capacity(routes.len()), Vec::with_capacity(routes.len()));
        let mut unknown: Vec<String> = Vec::new();
        let mut routes = routes.into_iter().peekable();
        while let Some(route) = routes.next() {
            let rings_along = route.parallel || routes.peek().is_some_and(|next| next.parallel);
            let Some(gateway) = self.gateways.get(&route.gateway) else {
                let shown: String = route.gateway.chars().take(MAX_GATEWAY_SHOWN).collect();
                unknown.push(format!("`{}`", shown.escape_debug()));
                continue;
            };
            let (first, fact) = target(route, gateway, message, parties)?;
            // RFC 3263 section 4.3: each address of a gateway is an attempt of its own.
            let mut order = gateway.order().into_iter();
            targets.push(Target { destination: order.next(), ..first });
            facts.push(fact);
            // What rings together with others has one address: the next would ring when they have all failed.
            for destination in order.take_while(|_| !rings_along) {
                let (Some(last), Some(fact)) = (targets.last().cloned(), facts.last().cloned()) else { break };
                targets.push(Target { destination: Some(destination), ..last });
                facts.push(fact);
            }
        }
        if unknown.is_empty() {
            return Ok((Ruling::Hunt { targets, facts }, None));
        }
        unknown.sort_unstable();
        unknown.dedup();
        let mut names = unknown.join(", ");
        names.truncate(names.floor_char_boundary(MAX_GATEWAYS_SHOWN));
        if targets.is_empty() {
            return Err(format!("no route is left: unknown gateways: {names}"));
        }
        Ok((Ruling::Hunt { targets, facts }, Some(format!("left out, unknown gateways: {names}"))))
    }
}

/// The attempt over this gateway; a route that asks what cannot be is the plugin's fault and refuses the outcome.
fn target(
    route: Route,
    gateway: &Gateway,
    message: &Message,
    parties: &Parties,
) -> Result<(Target, TargetFacts), String> {
    let Route { gateway: name, callee, caller, rate, attempt_timeout, ring_timeout, headers, parallel } = route;
    let rate = rate.map(read_rate).transpose()?;
    let fact = TargetFacts {
        gateway: Arc::clone(&gateway.name),
        callee: callee.clone().unwrap_or_else(|| parties.callee.clone()),
        caller: caller.clone().unwrap_or_else(|| parties.caller.clone()),
        rate,
    };
    let edits: Vec<Edit> = callee
        .map(Edit::CalleeNumber)
        .into_iter()
        .chain(caller.map(Edit::CallerNumber))
        .chain(headers.into_iter().map(|header| Edit::SetHeader { name: header.name, value: header.value }))
        .collect();
    if edits.len() > MAX_EDITS {
        return Err(format!("{} edits on the route over {name}; at most {MAX_EDITS}", edits.len()));
    }
    if !edits.is_empty() {
        edited(message, &edits).map_err(|error| format!("the route over {name}: {error}"))?;
    }
    let target = Target {
        destination: None,
        request_host: gateway.request_host.clone(),
        edits,
        attempt_timeout: wait(attempt_timeout, gateway.attempt_timeout, "attempt-timeout")?,
        ring_timeout: wait(ring_timeout, gateway.ring_timeout, "ring-timeout")?,
        parallel,
        hop: Arc::clone(&gateway.hop),
    };
    Ok((target, fact))
}

/// A later value of the same name replaces the earlier one, in its place.
pub(super) fn merge(attributes: &mut Vec<Attribute>, added: Vec<Attribute>) {
    for attribute in added {
        match attributes.iter_mut().find(|held| held.name == attribute.name) {
            Some(held) => held.value = attribute.value,
            None => attributes.push(attribute),
        }
    }
}

fn reject(rejection: Rejection) -> Result<Ruling, String> {
    let Rejection { code, reason, headers } = rejection;
    if !(300..=699).contains(&code) {
        return Err(format!("a rejection with {code}: 300 to 699"));
    }
    if reason.len() > MAX_TEXT || !text::is_line(&reason) {
        return Err(format!("a reason phrase with a control character or of more than {MAX_TEXT} bytes"));
    }
    if headers.len() > MAX_EDITS {
        return Err(format!("{} header fields on a rejection; at most {MAX_EDITS}", headers.len()));
    }
    for header in &headers {
        text::check_response_header(&header.name, &header.value)?;
    }
    let headers = headers.into_iter().map(|header| (header.name, header.value)).collect();
    Ok(Ruling::Answer { code, reason, headers })
}

fn redirect(contacts: Vec<String>) -> Result<Ruling, String> {
    if contacts.is_empty() || contacts.len() > MAX_ROUTES {
        return Err(format!("a redirection to {} contacts: 1 to {MAX_ROUTES}", contacts.len()));
    }
    let mut headers = Vec::with_capacity(contacts.len());
    for uri in contacts {
        if uri.len() > MAX_TEXT || !text::is_line(&uri) {
            return Err(format!("a contact with a control character or of more than {MAX_TEXT} bytes"));
        }
        Uri::parse(uri.as_bytes()).map_err(|error| format!("the contact `{}`: {error}", uri.escape_debug()))?;
        headers.push(("Contact".to_owned(), format!("<{uri}>")));
    }
    Ok(Ruling::Answer { code: 302, reason: String::new(), headers })
}

fn read_rate(rate: contract::Rate) -> Result<Rate, String> {
    let contract::Rate { cost, price, currency } = rate;
    if [Some(cost), price].into_iter().flatten().any(|amount| amount.scale > money::MAX_SCALE) {
        return Err(format!("a rate with more than {} decimal places", money::MAX_SCALE));
    }
    if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err("a currency that is no ISO 4217 code".to_owned());
    }
    Ok(Rate { cost: money::text(cost), price: price.map(money::text), currency })
}

fn wait(asked: Option<u32>, otherwise: Duration, name: &str) -> Result<Duration, String> {
    match asked {
        None => Ok(otherwise),
        Some(millis @ 1..=MAX_WAIT) => Ok(Duration::from_millis(millis.into())),
        Some(millis) => Err(format!("{name} of {millis} ms: 1 to {MAX_WAIT}")),
    }
}

fn of_edit(edit: contract::Edit) -> Edit {
    use contract::Edit as From;
    match edit {
        From::CallerName(name) => Edit::CallerName(name),
        From::CallerNumber(number) => Edit::CallerNumber(number),
        From::CalleeNumber(number) => Edit::CalleeNumber(number),
        From::UserParameter(header) => Edit::UserParameter { name: header.name, value: header.value },
        From::SetHeader(header) => Edit::SetHeader { name: header.name, value: header.value },
        From::AddHeader(header) => Edit::AddHeader { name: header.name, value: header.value },
        From::RemoveHeader(name) => Edit::RemoveHeader(name),
    }
}
