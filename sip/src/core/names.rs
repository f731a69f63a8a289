//! Names of those whom calls talk to: asked for as soon as a side of a call gives one in its Contact or Record-Route, so
//! that the answer is there when a request wants it. No request within a call waits for one: until it is there, and where
//! there is none, a request goes to where that side's messages come from. A call that is redirected to a name does wait for
//! it, no longer than for any gateway.

use std::collections::HashMap;
use std::time::Duration;

use crate::decision::{CallRef, Destination};
use crate::place::{Place, Whither};
use crate::time::Time;
use crate::uri::Uri;

/// Names that are known at once. Beyond, those whose time is over give way; where there are none, a name is not asked for.
const MOST: usize = 4096;
/// No name of the DNS is longer (RFC 1035 section 2.3.4).
const LONGEST: usize = 253;
/// An answer that may be kept for longer is asked for again after this, so that names do not hold their places for hours.
const KEPT: Duration = Duration::from_mins(1);
/// Calls that are told when one name is found; those beyond look again when their time is over.
const MOST_WAITING: usize = 256;
/// When a name that led nowhere is asked for again, by a call that wants it; and for how long beyond its time an answer serves
/// calls that would wait for another.
const AGAIN: Duration = Duration::from_secs(30);
/// When a name that a call waits for, and that could not be asked for, is tried again.
const SHORTLY: Duration = Duration::from_secs(1);

/// What is known of each.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<Place, Known>);

#[derive(Debug, Default)]
struct Known {
    /// The last answer, best first: it serves until there is another.
    destinations: Box<[Destination]>,
    /// Until when it is not asked for again.
    fresh_until: Time,
    /// Until when a call that is sent there takes the last answer and does not wait for the next.
    serves_until: Time,
    /// An answer is on the way, to these calls too.
    asked: bool,
    waiting: Vec<CallRef>,
}

/// Where a name leads, for a call that cannot go on without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// Here, best first.
    At(Box<[Destination]>),
    /// Nowhere that is known, nor will be soon.
    Nowhere,
    /// The call is told as soon as it is known. Until then it was here, long ago.
    Soon(Box<[Destination]>),
}

/// Whether to ask for a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// An address, an answer that holds, or a question under way.
    None,
    Ask(Place),
    /// Too many are known.
    Full,
}

impl Names {
    /// Whether to ask for the host of this URI. One that is to be asked for counts as asked from then on.
    pub(super) fn wish(&mut self, now: Time, uri: &[u8]) -> Wish {
        let Some(Whither::Named(place)) = Uri::parse(uri).ok().and_then(|uri| Whither::of(&uri)) else {
            return Wish::None;
        };
        self.ask(now, place)
    }

    fn ask(&mut self, now: Time, place: Place) -> Wish {
        if place.host.len() > LONGEST {
            return Wish::None;
        }
        if let Some(known) = self.0.get_mut(&place) {
            if known.fresh_until > now {
                return Wish::None;
            }
            (known.fresh_until, known.asked) = (now + AGAIN, true);
            return Wish::Ask(place);
        }
        if self.0.len() >= MOST {
            self.0.retain(|_, known| known.fresh_until > now);
        }
        if self.0.len() >= MOST {
            return Wish::Full;
        }
        self.0.insert(place.clone(), Known { fresh_until: now + AGAIN, asked: true, ..Known::default() });
        Wish::Ask(place)
    }

    /// Where a name leads, and whether to ask for that; `call` waits for it where it is not known.
    pub(super) fn find(&mut self, now: Time, place: &Place, call: CallRef) -> (Found, Wish) {
        let wish = self.ask(now, place.clone());
        let found = match self.0.get_mut(place) {
            Some(known) if known.asked && known.serves_until < now => {
                if known.waiting.len() < MOST_WAITING && !known.waiting.contains(&call) {
                    known.waiting.push(call);
                }
                Found::Soon(known.destinations.clone())
            }
            Some(known) if !known.destinations.is_empty() => Found::At(known.destinations.clone()),
            _ => Found::Nowhere,
        };
        (found, wish)
    }

    /// What came of a question: where the name leads, and for how long. The calls that wait for it.
    pub(super) fn learn(
        &mut self,
        now: Time,
        place: &Place,
        found: Option<(Box<[Destination]>, Duration)>,
    ) -> Vec<CallRef> {
        let Some(known) = self.0.get_mut(place) else { return Vec::new() };
        known.asked = false;
        if let Some((destinations, fresh_for)) = found {
            known.destinations = destinations;
            known.fresh_until = now + fresh_for.min(KEPT);
            known.serves_until = known.fresh_until + AGAIN;
        }
        std::mem::take(&mut known.waiting)
    }

    /// A question could not be asked; `awaited`: one that a call waits for. Whoever wants the name next asks again: the calls
    /// that waited go on without it, but not for a question that was nobody's.
    pub(super) fn unasked(&mut self, now: Time, place: &Place, awaited: bool) -> (Vec<CallRef>, Wish) {
        let Some(known) = self.0.get_mut(place) else { return (Vec::new(), Wish::None) };
        if !awaited && !known.waiting.is_empty() {
            return (Vec::new(), Wish::Ask(place.clone()));
        }
        known.asked = false;
        known.fresh_until = if awaited { now + SHORTLY } else { now };
        (std::mem::take(&mut known.waiting), Wish::None)
    }

    /// Where else a name leads than to these; what has failed is tried last until the name is asked for again (RFC 3263
    /// section 4.3).
    ///
    /// `None` for an address, which has no other.
    pub(super) fn others(&mut self, uri: &[u8], failed: &[Destination]) -> Option<Vec<Destination>> {
        let Whither::Named(place) = Whither::of(&Uri::parse(uri).ok()?)? else { return None };
        let known = self.0.get_mut(&place)?;
        known.destinations.sort_by_key(|destination| failed.contains(destination));
        Some(known.destinations.iter().copied().filter(|destination| !failed.contains(destination)).collect())
    }

    /// Where a URI leads, as far as that is known. Where a name leads to several, it is the one that the call knows: others
    /// of a cluster may know nothing of its dialog.
    pub(super) fn destination(&self, uri: &[u8], known: Destination) -> Option<Destination> {
        match Whither::of(&Uri::parse(uri).ok()?)? {
            Whither::At(destination) => Some(destination),
            Whither::Named(place) => {
                let found = &self.0.get(&place)?.destinations;
                found.iter().find(|found| **found == known).or(found.first()).copied()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Transport;

    fn at(last: u8) -> Destination {
        Destination { transport: Transport::Udp, address: ([192, 0, 2, last], 5060).into() }
    }

    fn asked(names: &mut Names, now: Time, uri: &str) -> Place {
        match names.wish(now, uri.as_bytes()) {
            Wish::Ask(place) => place,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_name_is_asked_for_once_and_again_when_its_time_is_over_and_serves_until_then_and_beyond() {
        let (mut names, now) = (Names::default(), Time::from_micros(1));
        let place = asked(&mut names, now, "sip:gw.example");
        assert_eq!(names.wish(now, b"sip:another@gw.example"), Wish::None, "it is under way");
        assert_eq!(names.destination(b"sip:gw.example", at(9)), None);
        names.learn(now, &place, Some(([at(1), at(2)].into(), Duration::from_hours(1))));
        assert_eq!(names.destination(b"sip:someone@GW.example", at(9)), Some(at(1)));
        assert_eq!(names.wish(now + Duration::from_secs(59), b"sip:gw.example"), Wish::None);
        let later = now + Duration::from_secs(61);
        assert_eq!(asked(&mut names, later, "sip:gw.example"), place);
        names.learn(later, &place, None);
        assert_eq!(names.destination(b"sip:gw.example", at(9)), Some(at(1)), "the last answer serves");
        assert_eq!(names.destination(b"sip:gw.example", at(2)), Some(at(2)), "the one that the call knows");
    }

    #[test]
    fn a_call_that_cannot_go_on_without_a_name_is_told_once_and_a_name_that_leads_nowhere_is_not_waited_for() {
        let (mut names, now) = (Names::default(), Time::from_micros(1));
        let call = CallRef { slot: 1, generation: 2 };
        let place = asked(&mut names, now, "sip:gw.example");
        let soon = || Found::Soon(Box::default());
        for _ in 0..2 {
            assert_eq!(names.find(now, &place, call), (soon(), Wish::None), "it is under way");
        }
        assert_eq!(names.learn(now, &place, None), [call]);
        assert_eq!(names.find(now, &place, call), (Found::Nowhere, Wish::None));
        let later = now + AGAIN + Duration::from_secs(1);
        assert_eq!(names.find(later, &place, call), (soon(), Wish::Ask(place.clone())));
        assert_eq!(names.learn(later, &place, Some(([at(1)].into(), KEPT))), [call]);
        assert_eq!(names.find(later, &place, call), (Found::At([at(1)].into()), Wish::None));
        assert_eq!(names.learn(later, &place, None), [], "nobody waits any more");
    }

    #[test]
    fn an_answer_of_long_ago_serves_a_call_only_where_none_comes_any_more() {
        let (mut names, now) = (Names::default(), Time::from_micros(1));
        let call = CallRef { slot: 1, generation: 2 };
        let place = asked(&mut names, now, "sip:gw.example");
        names.learn(now, &place, Some(([at(1)].into(), Duration::from_secs(5))));
        let stale = now + Duration::from_secs(35);
        assert_eq!(names.find(stale, &place, call), (Found::At([at(1)].into()), Wish::Ask(place.clone())), "not long");
        names.learn(stale, &place, None);
        let old = stale + Duration::from_secs(31);
        assert_eq!(names.find(old, &place, call), (Found::Soon([at(1)].into()), Wish::Ask(place.clone())));
        assert_eq!(names.learn(old, &place, None), [call]);
        assert_eq!(names.find(old, &place, call), (Found::At([at(1)].into()), Wish::None), "better than none");
    }

    #[test]
    fn a_question_that_could_not_be_asked_keeps_nobody_from_asking_and_costs_a_call_its_own_question_alone() {
        let (mut names, now) = (Names::default(), Time::from_micros(1));
        let call = CallRef { slot: 1, generation: 2 };
        let place = asked(&mut names, now, "sip:gw.example");
        assert_eq!(names.unasked(now, &place, false), (Vec::new(), Wish::None));
        let asks = (Found::Soon(Box::default()), Wish::Ask(place.clone()));
        assert_eq!(names.find(now, &place, call), asks);
        assert_eq!(names.unasked(now, &place, false), (Vec::new(), Wish::Ask(place.clone())), "of one before it");
        assert_eq!(names.unasked(now, &place, true), (vec![call], Wish::None));
        assert_eq!(names.find(now, &place, call), (Found::Nowhere, Wish::None), "it does not go round in circles");
        assert_eq!(names.find(now + SHORTLY, &place, call), asks);
    }

    #[test]
    fn what_has_failed_is_tried_last_until_the_next_answer() {
        let (mut names, now) = (Names::default(), Time::from_micros(1));
        let place = asked(&mut names, now, "sip:gw.example");
        names.learn(now, &place, Some(([at(1), at(2), at(3)].into(), KEPT)));
        assert_eq!(names.others(b"sip:gw.example", &[at(1)]), Some(vec![at(2), at(3)]));
        assert_eq!(names.destination(b"sip:gw.example", at(9)), Some(at(2)));
        assert_eq!(names.others(b"sip:gw.example", &[at(1), at(2), at(3)]), Some(Vec::new()));
        assert_eq!(names.others(b"sip:192.0.2.1", &[at(1)]), None);
    }

    #[test]
    fn no_more_names_are_kept_than_there_is_room_for() {
        let (mut names, now) = (Names::default(), Time::from_micros(1));
        for number in 0..MOST {
            asked(&mut names, now, &format!("sip:gw{number}.example"));
        }
        assert_eq!(names.wish(now, b"sip:one.more.example"), Wish::Full);
        assert_eq!(names.wish(now, format!("sip:{}", "a".repeat(300)).as_bytes()), Wish::None, "no name at all");
        asked(&mut names, now + AGAIN + Duration::from_secs(1), "sip:one.more.example");
        assert_eq!(names.0.len(), 1);
    }
}
