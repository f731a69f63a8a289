//! Whom a certificate names (RFC 5922 section 7.1): the hosts of its SIP URIs, its DNS names, and where it has neither,
//! its Common Name.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

use super::der;
use crate::sip::uri::Uri;

/// The names of the peer's own certificate, in lower case; `None` where it showed none. Only for a chain that was
/// verified.
pub(super) fn of(chain: Option<&[CertificateDer<'_>]>) -> Option<Arc<[Box<str>]>> {
    let certificate = EndEntityCert::try_from(chain?.first()?).ok()?;
    let hosts = certificate.valid_uri_names().filter_map(|uri| {
        let uri = Uri::parse(uri.as_bytes()).ok()?;
        // RFC 5922 section 7.1: a URI with a user part names a person, not a domain.
        if uri.user().is_some() { None } else { std::str::from_utf8(uri.host()).ok() }
    });
    let mut names: Vec<Box<str>> =
        hosts.chain(certificate.valid_dns_names()).map(|name| name.to_ascii_lowercase().into()).collect();
    if names.is_empty() {
        names.extend(der::common_name(certificate.subject()).map(|name| name.to_ascii_lowercase().into()));
    }
    Some(names.into())
}
