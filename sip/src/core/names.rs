//! Names of those whom calls talk to: asked for as soon as a side of a call gives one in its Contact or Record-Route, so
//! that the answer is there when a request wants it. No request waits for one: until it is there, and where there is none,
//! a request goes to where that side's messages come from.

use std::collections::HashMap;
use std::time::Duration;

use crate::decision::Destination;
use crate::place::{Place, Whither};
use crate::time::Time;
use crate::uri::Uri;

/// Names that are known at once. Beyond, those whose time is over give way; where there are none, a name is not asked for.
const MOST: usize = 4096;
/// No name of the DNS is longer (RFC 1035 section 2.3.4).
const LONGEST: usize = 253;
/// An answer that may be kept for longer is asked for again after this, so that names do not hold their places for hours.
const KEPT: Duration = Duration::from_mins(1);
/// When a name that led nowhere is asked for again, by a call that wants it.
const AGAIN: Duration = Duration::from_secs(30);

/// What is known of each.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<Place, Known>);

#[derive(Debug, Clone)]
struct Known {
    /// The last answer, best first: it serves until there is another.
    destinations: Box<[Destination]>,
    /// Until when it is not asked for again.
    fresh_until: Time,
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
        if place.host.len() > LONGEST {
            return Wish::None;
        }
        if let Some(known) = self.0.get_mut(&place) {
            if known.fresh_until > now {
                return Wish::None;
            }
            known.fresh_until = now + AGAIN;
            return Wish::Ask(place);
        }
        if self.0.len() >= MOST {
            self.0.retain(|_, known| known.fresh_until > now);
        }
        if self.0.len() >= MOST {
            return Wish::Full;
        }
        self.0.insert(place.clone(), Known { destinations: Box::default(), fresh_until: now + AGAIN });
        Wish::Ask(place)
    }

    /// What came of a question: where the name leads, and for how long.
    pub(super) fn learn(&mut self, now: Time, place: &Place, found: Option<(Box<[Destination]>, Duration)>) {
        if let (Some(known), Some((destinations, fresh_for))) = (self.0.get_mut(place), found) {
            *known = Known { destinations, fresh_until: now + fresh_for.min(KEPT) };
        }
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
