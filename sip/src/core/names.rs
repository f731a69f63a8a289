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
/// When a name that led nowhere is asked for again, by a call that wants it.
const AGAIN: Duration = Duration::from_secs(30);

/// What is known of each.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<Place, Known>);

#[derive(Debug, Clone, Copy)]
struct Known {
    /// The last answer: it serves until there is another.
    destination: Option<Destination>,
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
        self.0.insert(place.clone(), Known { destination: None, fresh_until: now + AGAIN });
        Wish::Ask(place)
    }

    /// What came of a question: where the name leads, and for how long.
    pub(super) fn learn(&mut self, now: Time, place: &Place, found: Option<(Destination, Duration)>) {
        if let (Some(known), Some((destination, fresh_for))) = (self.0.get_mut(place), found) {
            *known = Known { destination: Some(destination), fresh_until: now + fresh_for };
        }
    }

    /// Where a URI leads, as far as that is known.
    pub(super) fn destination(&self, uri: &[u8]) -> Option<Destination> {
        match Whither::of(&Uri::parse(uri).ok()?)? {
            Whither::At(destination) => Some(destination),
            Whither::Named(place) => self.0.get(&place)?.destination,
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
        assert_eq!(names.destination(b"sip:gw.example"), None);
        names.learn(now, &place, Some((at(1), Duration::from_mins(1))));
        assert_eq!(names.destination(b"sip:someone@GW.example"), Some(at(1)));
        assert_eq!(names.wish(now + Duration::from_secs(59), b"sip:gw.example"), Wish::None);
        let later = now + Duration::from_secs(61);
        assert_eq!(asked(&mut names, later, "sip:gw.example"), place);
        names.learn(later, &place, None);
        assert_eq!(names.destination(b"sip:gw.example"), Some(at(1)), "the last answer serves");
    }

    #[test]
    fn no_more_names_are_kept_than_there_is_room_for() {
        let (mut names, now) = (Names::default(), Time::from_micros(1));
        for number in 0..MOST {
            asked(&mut names, now, &format!("sip:gw{number}.example"));
        }
        assert_eq!(names.wish(now, b"sip:one.more.example"), Wish::Full);
        asked(&mut names, now + AGAIN + Duration::from_secs(1), "sip:one.more.example");
        assert_eq!(names.0.len(), 1);
    }
}
