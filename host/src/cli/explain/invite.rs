//! The INVITE that is explained.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

/// What the operator gave.
#[derive(Debug, Clone, Copy)]
pub(super) struct Invite<'a> {
    pub(super) source: SocketAddr,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) headers: &'a [(String, String)],
}

impl Invite<'_> {
    /// A request as the source would send it (RFC 3261 section 13.2.1), without a body.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let Self { source, from, to, headers } = self;
        let mut text = format!(
            "INVITE sip:{to}@trunkline.invalid SIP/2.0\r\n\
             Via: SIP/2.0/UDP {source};branch=z9hG4bK-explain;rport\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:{from}@{source}>;tag=explain\r\n\
             To: <sip:{number}@trunkline.invalid>\r\n\
             Call-ID: explain@trunkline.invalid\r\n\
             CSeq: 1 INVITE\r\n\
             Contact: <sip:{from}@{source}>\r\n",
            number = to.split(';').next().unwrap_or_default(),
        );
        for (name, value) in *headers {
            // Writing to a string does not fail.
            let _ = write!(text, "{name}: {value}\r\n");
        }
        text.push_str("Content-Length: 0\r\n\r\n");
        text.into_bytes()
    }
}

/// `192.0.2.1`, `192.0.2.1:5060`, `2001:db8::1` or `[2001:db8::1]:5060`.
pub(super) fn source(text: &str) -> Result<SocketAddr, String> {
    let address = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let address = address.map(|address| SocketAddr::new(address, 5060));
    address
        .or_else(|_| text.parse())
        .map_err(|_| "not an IP address, such as 192.0.2.10 or [2001:db8::1]:5060".to_owned())
}

/// The user part of a URI: nothing that could end it.
pub(super) fn user(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+-_.!~*'()&=$,;?/%#".contains(&byte);
    if !text.is_empty() && text.len() <= 256 && text.bytes().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("not a number or the user part of a SIP URI".to_owned())
    }
}

/// `Name: value`.
pub(super) fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write it as 'Name: value'")?;
    let (name, value) = (name.trim(), value.trim());
    // RFC 3261 section 25.1, token.
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(format!("`{name}` is not a header's name"));
    }
    if value.contains(['\r', '\n', '\0']) {
        return Err("a header's value is one line".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{Invite, header, source, user};

    #[test]
    fn the_invite_carries_what_was_given() {
        let headers = [header("Privacy: id").expect("a header")];
        let invite = Invite {
            source: source("2001:db8::1").expect("an address"),
            from: "12125550100",
            to: "13105550199;npdi",
            headers: &headers,
        };
        let text = String::from_utf8(invite.bytes()).expect("ASCII");
        assert!(text.starts_with("INVITE sip:13105550199;npdi@trunkline.invalid SIP/2.0\r\n"), "{text}");
        assert!(text.contains("\r\nFrom: <sip:12125550100@[2001:db8::1]:5060>;tag=explain\r\n"), "{text}");
        assert!(text.contains("\r\nTo: <sip:13105550199@trunkline.invalid>\r\n"), "{text}");
        assert!(text.ends_with("\r\nPrivacy: id\r\nContent-Length: 0\r\n\r\n"), "{text}");
    }

    #[test]
    fn nothing_given_can_break_out_of_its_place() {
        assert!(user("1212@evil").is_err());
        assert!(user("1212>\r\nX: y").is_err());
        assert!(user("").is_err());
        assert!(header("X: a\r\nY: b").is_err());
        assert!(header("X Y: a").is_err());
        assert!(header("no colon").is_err());
    }

    #[test]
    fn a_source_may_have_a_port() {
        assert_eq!(source("192.0.2.1").map(|source| source.to_string()).as_deref(), Ok("192.0.2.1:5060"));
        assert_eq!(source("[2001:db8::1]:5070").map(|source| source.to_string()).as_deref(), Ok("[2001:db8::1]:5070"));
        assert!(source("sip.example.net").is_err());
    }
}
