//! One URI: each part lies within it, and what was read is what is written.

use trunkline_sip::uri::{Scheme, Uri, unescaped};

pub(crate) fn run(data: &[u8]) {
    let _ = unescaped(data);
    let Ok(uri) = Uri::parse(data) else { return };
    let _ = (uri.user_number(), uri.ip_addr(), uri.param("transport"), uri.user_param("rn"), uri.param(""));
    assert!(uri.host_port.of(data).starts_with(uri.host()));
    assert!(unescaped(data).len() <= data.len());
    if let Some(number) = uri.user_number() {
        assert!(number.as_str().bytes().all(|byte| byte.is_ascii_digit()), "{number:?}");
    }
    if matches!(uri.scheme, Scheme::Sip | Scheme::Sips) {
        assert!(!uri.host().is_empty());
        // The parts, put together again, are the URI.
        let user = uri.user().map_or(0, |user| user.len() + 1);
        let password = uri.password.map_or(0, |password| password.len() + 1);
        let scheme = if uri.scheme == Scheme::Sip { 4 } else { 5 };
        let headers = uri.headers.map_or(0, |headers| headers.len() + 1);
        let whole = scheme + user + password + uri.host_port.len() + uri.params.len() + headers;
        assert_eq!(whole, data.len(), "{:?}", String::from_utf8_lossy(data));
    }
}
