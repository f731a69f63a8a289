//! Why a handshake failed, in the few words that a metric can have.

use std::io;

use rustls::Error;

/// Whether TLS failed, and not what carries it.
pub(in super::super) fn is_tls(error: &io::Error) -> bool {
    of(error).is_some()
}

/// `no-certificate`, `bad-certificate` (theirs, to us), `refused` (by an alert of theirs), `not-tls`, `incompatible`,
/// `protocol`, or `closed` where the connection ended.
pub(in super::super) fn reason(error: &io::Error) -> &'static str {
    match of(error) {
        None => "closed",
        Some(Error::NoCertificatesPresented) => "no-certificate",
        Some(Error::InvalidCertificate(_) | Error::InvalidCertRevocationList(_)) => "bad-certificate",
        Some(Error::AlertReceived(_)) => "refused",
        Some(Error::InvalidMessage(_)) => "not-tls",
        Some(Error::PeerIncompatible(_) | Error::NoApplicationProtocol) => "incompatible",
        Some(_) => "protocol",
    }
}

fn of(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}
