//! Header field names.

macro_rules! names {
    ($($variant:ident = $long:literal $($compact:literal)?,)*) => {
        /// A well-known header field, whichever form its name was written in.
        #[allow(missing_docs, reason = "each is the field of that name")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Name {
            $($variant,)*
            /// Any other; its name is in the message.
            Other,
        }

        impl Name {
            /// How many well-known names there are.
            pub(super) const KNOWN: usize = Self::Other as usize;

            /// The field that these bytes name, without regard to case, long or compact (RFC 3261 section 7.3.3).
            pub fn of(word: &[u8]) -> Self {
                if let [letter] = word {
                    return match letter.to_ascii_lowercase() {
                        $($($compact => Self::$variant,)?)*
                        _ => Self::Other,
                    };
                }
                let mut at = INDEX.heads[slot(word)];
                while let Some(long) = LONG.get(usize::from(at)) {
                    // Nearly everybody writes them as the RFC does.
                    if word == long.as_bytes() || word.eq_ignore_ascii_case(long.as_bytes()) {
                        return ALL[usize::from(at)];
                    }
                    at = INDEX.next[usize::from(at)];
                }
                Self::Other
            }

            /// Its long form; empty for [`Name::Other`].
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $long,)*
                    Self::Other => "",
                }
            }
        }

        const ALL: [Name; Name::KNOWN] = [$(Name::$variant,)*];
        static LONG: [&str; Name::KNOWN] = [$($long,)*];
        static INDEX: Index = Index::of(&[$($long,)*]);
    };
}

/// Finds the names that a word can be: this runs for every field of every message.
struct Index {
    /// The first name of each slot.
    heads: [u8; SLOTS],
    /// The next name of the same slot, behind each.
    next: [u8; Name::KNOWN],
}

const SLOTS: usize = 128;
const NONE: u8 = u8::MAX;

impl Index {
    const fn of(names: &[&str; Name::KNOWN]) -> Self {
        let mut index = Self { heads: [NONE; SLOTS], next: [NONE; Name::KNOWN] };
        // From the last to the first, so that the first of a slot is found first.
        let mut name = Name::KNOWN;
        while name > 0 {
            name -= 1;
            let slot = slot(names[name].as_bytes());
            index.next[name] = index.heads[slot];
            index.heads[slot] = name as u8;
        }
        index
    }
}

/// By length and the letters at both ends.
const fn slot(word: &[u8]) -> usize {
    let [first, .., last] = word else { return 0 };
    let (first, last) = (first.to_ascii_lowercase() as usize, last.to_ascii_lowercase() as usize);
    (word.len().wrapping_mul(5) ^ first.wrapping_mul(3) ^ last.wrapping_mul(11)) % SLOTS
}

// The fields of an ordinary INVITE come first: of those that share a slot, the first is found first.
names! {
    Via = "Via" b'v',
    From = "From" b'f',
    To = "To" b't',
    CallId = "Call-ID" b'i',
    CSeq = "CSeq",
    Contact = "Contact" b'm',
    MaxForwards = "Max-Forwards",
    Route = "Route",
    RecordRoute = "Record-Route",
    ContentType = "Content-Type" b'c',
    ContentLength = "Content-Length" b'l',
    UserAgent = "User-Agent",
    Allow = "Allow",
    Supported = "Supported" b'k',
    PAssertedIdentity = "P-Asserted-Identity",
    PPreferredIdentity = "P-Preferred-Identity",
    Privacy = "Privacy",
    RemotePartyId = "Remote-Party-ID",
    Diversion = "Diversion",
    HistoryInfo = "History-Info",
    Identity = "Identity" b'y',
    IdentityInfo = "Identity-Info" b'n',
    ProxyAuthorization = "Proxy-Authorization",
    ProxyAuthenticate = "Proxy-Authenticate",
    Authorization = "Authorization",
    WwwAuthenticate = "WWW-Authenticate",
    Require = "Require",
    ProxyRequire = "Proxy-Require",
    Unsupported = "Unsupported",
    SessionExpires = "Session-Expires" b'x',
    MinSe = "Min-SE",
    Expires = "Expires",
    Date = "Date",
    Accept = "Accept",
    ContentEncoding = "Content-Encoding" b'e',
    ContentDisposition = "Content-Disposition",
    Subject = "Subject" b's',
    Server = "Server",
    Reason = "Reason",
    RetryAfter = "Retry-After",
    Timestamp = "Timestamp",
    Warning = "Warning",
    Event = "Event" b'o',
    AllowEvents = "Allow-Events" b'u',
    SubscriptionState = "Subscription-State",
    ReferTo = "Refer-To" b'r',
    ReferredBy = "Referred-By" b'b',
    Replaces = "Replaces",
    RAck = "RAck",
    RSeq = "RSeq",
    Path = "Path",
    AcceptContact = "Accept-Contact" b'a',
    RejectContact = "Reject-Contact" b'j',
    RequestDisposition = "Request-Disposition" b'd',
}
