//! Request methods.

use std::fmt;

macro_rules! methods {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)*) => {
        /// A request method. Methods are case-sensitive (RFC 3261 section 7.1): `invite` is [`Method::Other`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Method {
            $($(#[$doc])* $variant,)*
            /// Any other; its bytes are in the message.
            Other,
        }

        impl Method {
            /// The method that these bytes name.
            pub fn of(word: &[u8]) -> Self {
                match word {
                    $(word if word == $word.as_bytes() => Self::$variant,)*
                    _ => Self::Other,
                }
            }

            /// Its name; empty for [`Method::Other`].
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Other => "",
                }
            }
        }
    };
}

methods! {
    /// RFC 3261.
    Invite = "INVITE",
    /// RFC 3261.
    Ack = "ACK",
    /// RFC 3261.
    Bye = "BYE",
    /// RFC 3261.
    Cancel = "CANCEL",
    /// RFC 3261.
    Options = "OPTIONS",
    /// RFC 3261.
    Register = "REGISTER",
    /// RFC 3262.
    Prack = "PRACK",
    /// RFC 3311.
    Update = "UPDATE",
    /// RFC 6086.
    Info = "INFO",
    /// RFC 3515.
    Refer = "REFER",
    /// RFC 3428.
    Message = "MESSAGE",
    /// RFC 6665.
    Subscribe = "SUBSCRIBE",
    /// RFC 6665.
    Notify = "NOTIFY",
    /// RFC 3903.
    Publish = "PUBLISH",
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Other { "OTHER" } else { self.as_str() })
    }
}
