//! Just enough SIP text handling for the stand-ins. It is not the router's SIP stack, so that a mistake in that one
//! cannot hide behind the same mistake here.

/// The value of the first header field of this name; names are compared without regard to case.
pub(super) fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    headers(message, name).next()
}

/// The values of all header fields of this name, in order.
pub(super) fn headers<'a>(message: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    head(message).lines().skip(1).filter_map(move |line| {
        let (field, value) = line.split_once(':')?;
        field.trim_end().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The status code, where the message is a response.
pub(super) fn status(message: &str) -> Option<u16> {
    message.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
}

/// The method, where the message is a request.
pub(super) fn method(message: &str) -> Option<&str> {
    let method = message.split(' ').next()?;
    (method != "SIP/2.0" && method.bytes().all(|byte| byte.is_ascii_uppercase())).then_some(method)
}

/// The method that a response answers.
pub(super) fn answered_method(message: &str) -> Option<&str> {
    header(message, "CSeq")?.split_ascii_whitespace().nth(1)
}

/// What stands between `<` and `>`, or else all before the first `;`.
pub(super) fn uri_of(value: &str) -> &str {
    match value.split_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or(rest),
        None => value.split(';').next().unwrap_or(value).trim(),
    }
}

/// A response to `request`: its Via, From, To, Call-ID, CSeq and Record-Route fields copied (RFC 3261 section 8.2.6.2
/// and 12.1.1), a tag added to To where it has none, then `more` (whole lines) and the body.
pub(super) fn response(request: &str, status: &str, tag: &str, more: &str, body: &str) -> String {
    let mut text = format!("SIP/2.0 {status}\r\n");
    for name in ["Via", "Record-Route", "From", "To", "Call-ID", "CSeq"] {
        for value in headers(request, name) {
            text.push_str(name);
            text.push_str(": ");
            text.push_str(value);
            if name == "To" && !value.contains(";tag=") && !status.starts_with("100") {
                text.push_str(";tag=");
                text.push_str(tag);
            }
            text.push_str("\r\n");
        }
    }
    text + more + &format!("Content-Length: {}\r\n\r\n{body}", body.len())
}

/// A session description that nobody will use: no media flows in the demo.
pub(super) fn session(address: std::net::IpAddr) -> String {
    let family = if address.is_ipv6() { "IP6" } else { "IP4" };
    format!(
        "v=0\r\no=- 1 1 IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt=0 0\r\n\
         m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
    )
}

fn head(message: &str) -> &str {
    message.split("\r\n\r\n").next().unwrap_or(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = "INVITE sip:1@b SIP/2.0\r\nVia: SIP/2.0/UDP p;branch=z9hG4bK1\r\nVia: SIP/2.0/UDP a\r\n\
        From: <sip:2@a>;tag=f\r\nto: <sip:1@b>\r\nCall-ID: c1\r\nCSeq: 7 INVITE\r\n\r\nVia: not a header";

    #[test]
    fn a_response_carries_every_via_in_order_and_a_tag() {
        let ringing = response(INVITE, "180 Ringing", "t9", "", "");
        assert_eq!(status(&ringing), Some(180));
        assert_eq!(headers(&ringing, "via").collect::<Vec<_>>(), ["SIP/2.0/UDP p;branch=z9hG4bK1", "SIP/2.0/UDP a"]);
        assert_eq!(header(&ringing, "To"), Some("<sip:1@b>;tag=t9"));
        assert_eq!(answered_method(&ringing), Some("INVITE"));
    }

    #[test]
    fn a_request_has_a_method_and_no_status() {
        assert_eq!(method(INVITE), Some("INVITE"));
        assert_eq!(status(INVITE), None);
        assert_eq!(method("SIP/2.0 200 OK\r\n\r\n"), None);
    }

    #[test]
    fn a_uri_is_read_with_and_without_brackets() {
        assert_eq!(uri_of("\"A\" <sip:1@b;lr>;x=y"), "sip:1@b;lr");
        assert_eq!(uri_of("sip:1@b;x=y"), "sip:1@b");
    }
}
