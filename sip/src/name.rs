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
                // The length and the first letter leave one or two candidates: this runs for every field of a message.
                let Some(first) = word.first().map(u8::to_ascii_lowercase) else { return Self::Other };
                $(
                    const { assert!($long.len() > 1) };
                    if word.len() == $long.len()
                        && first == const { $long.as_bytes()[0].to_ascii_lowercase() }
                        && word.eq_ignore_ascii_case($long.as_bytes())
                    {
                        return Self::$variant;
                    }
                )*
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
    };
}

// The fields of an ordinary INVITE come first: they are found first.
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
