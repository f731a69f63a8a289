use super::hash::{Algorithm, hex, hmac};
use super::{DigestStatus, NONCE_LIFETIME, Secret, challenge, nonce, verify};
use crate::message::Message;

const SECRET: Secret = Secret::new([7; 32]);
const NOW: u64 = 1_750_000_000;

// Computed with another implementation.
const SHA512_256: &str = "430d05014cecc49cab6fbe03176d41a1da86cbfe24a16580e22aaad928d960d0";
const MD5_SESSION: &str = "ab1ab52559e45f1f552d53040e60f874";
const HMAC: &str = "40d284aa2ebb77cb81fcd66c2f6e84f0";

fn request(uri: &str, credentials: &str) -> Message {
    let text = format!("INVITE {uri} SIP/2.0\r\nCSeq: 1 INVITE\r\n{credentials}\r\n\r\n");
    Message::parse(text.into()).expect("a message")
}

fn password_of(user: &str) -> Option<String> {
    (user == "alice").then(|| "secret".to_owned())
}

/// What a client answers to a challenge with this nonce.
fn answer(algorithm: Algorithm, nonce: &str, user: &str, password: &str) -> String {
    let secret = algorithm.hex(&[user.as_bytes(), b":example.net:", password.as_bytes()]);
    let target = algorithm.hex(&[b"INVITE:sip:+1212@example.net"]);
    let response = algorithm.hex(&[format!("{secret}:{nonce}:00000001:xyz:auth:{target}").as_bytes()]);
    format!(
        "Proxy-Authorization: Digest username=\"{user}\", realm=\"example.net\", nonce=\"{nonce}\", \
         uri=\"sip:+1212@example.net\", response=\"{response}\", algorithm={}, cnonce=\"xyz\", qop=auth, nc=00000001",
        algorithm.name()
    )
}

fn status(credentials: &str) -> DigestStatus {
    verify(&request("sip:+1212@example.net", credentials), "example.net", password_of, &SECRET, NOW)
}

/// The published examples are of HTTP, and of a nonce that is not ours: right, but stale.
fn published(credentials: &str, realm: &str, password: &str) -> DigestStatus {
    let text = format!("GET /dir/index.html SIP/2.0\r\nAuthorization: {credentials}\r\n\r\n");
    let message = Message::parse(text.into()).expect("a message");
    verify(&message, realm, |_| Some(password.to_owned()), &SECRET, NOW)
}

#[test]
fn the_examples_of_the_rfcs_are_right() {
    let rfc7616 = |algorithm: &str, response: &str| {
        format!(
            "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", \
             algorithm={algorithm}, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
             cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, response=\"{response}\", opaque=\"x\""
        )
    };
    let sha256 = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";
    for (algorithm, response) in
        [("MD5", "8ca523f5e9506fed4657c9700eebdbec"), ("SHA-256", sha256), ("SHA-512-256", SHA512_256)]
    {
        let credentials = rfc7616(algorithm, response);
        let status = |password| published(&credentials, "http-auth@example.org", password);
        assert_eq!(status("Circle of Life"), DigestStatus::Stale, "{algorithm}");
        assert_eq!(status("Circle of Lies"), DigestStatus::Failed, "{algorithm}");
    }
    let rfc2069 = "Digest username=\"Mufasa\",realm=\"testrealm@host.com\",uri=\"/dir/index.html\",\
        nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\",response=\"670fd8c2df070c60b045671b8b24ff02\"";
    assert_eq!(published(rfc2069, "testrealm@host.com", "Circle Of Life"), DigestStatus::Stale);
}

#[test]
fn right_credentials_are_verified_with_every_algorithm() {
    for algorithm in [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512_256] {
        let credentials = answer(algorithm, &nonce(&SECRET, NOW), "alice", "secret");
        assert_eq!(status(&credentials), DigestStatus::Verified("alice".into()), "{algorithm:?}");
    }
}

#[test]
fn wrong_credentials_fail_and_those_of_another_realm_are_not_ours() {
    let nonce = nonce(&SECRET, NOW);
    let right = answer(Algorithm::Md5, &nonce, "alice", "secret");
    assert_eq!(status(&answer(Algorithm::Md5, &nonce, "alice", "guess")), DigestStatus::Failed);
    assert_eq!(status(&answer(Algorithm::Md5, &nonce, "bob", "secret")), DigestStatus::Failed);
    assert_eq!(status(&answer(Algorithm::Md5, &nonce, "bob", "no such user")), DigestStatus::Failed);
    assert_eq!(status(&right.replace("qop=auth", "qop=auth-int")), DigestStatus::Failed);
    assert_eq!(status(&right.replace("algorithm=MD5", "algorithm=MD6")), DigestStatus::Failed);
    assert_eq!(status(&right.replace("cnonce=\"xyz\", ", "")), DigestStatus::Failed);
    assert_eq!(status(&right.replace("example.net\", nonce", "example.org\", nonce")), DigestStatus::Absent);
    assert_eq!(status("X-A: b"), DigestStatus::Absent);
    assert_eq!(status("Proxy-Authorization: Basic YTpi"), DigestStatus::Absent);
}

#[test]
fn an_answer_holds_for_its_called_user_alone() {
    let credentials = answer(Algorithm::Md5, &nonce(&SECRET, NOW), "alice", "secret");
    let status = |uri| verify(&request(uri, &credentials), "example.net", password_of, &SECRET, NOW);
    assert_eq!(status("sip:%2B1212@192.0.2.1;user=phone"), DigestStatus::Verified("alice".into()));
    assert_eq!(status("sip:+1900@example.net"), DigestStatus::Failed);
    assert_eq!(status("sip:example.net"), DigestStatus::Failed);
}

#[test]
fn a_nonce_that_is_old_or_not_ours_is_stale() {
    let status = |made, secret: [u8; 32]| {
        status(&answer(Algorithm::Sha256, &nonce(&Secret::new(secret), made), "alice", "secret"))
    };
    assert_eq!(status(NOW - NONCE_LIFETIME, [7; 32]), DigestStatus::Verified("alice".into()));
    assert_eq!(status(NOW - NONCE_LIFETIME - 1, [7; 32]), DigestStatus::Stale);
    assert_eq!(status(NOW + 60, [7; 32]), DigestStatus::Stale);
    assert_eq!(status(NOW, [8; 32]), DigestStatus::Stale);
    assert_eq!(super::tests::status(&answer(Algorithm::Md5, "anything", "alice", "secret")), DigestStatus::Stale);
}

#[test]
fn credentials_are_read_as_clients_really_write_them() {
    let right = answer(Algorithm::Md5, &nonce(&SECRET, NOW), "alice", "secret");
    let verified = DigestStatus::Verified("alice".into());
    let upper = right.split("response=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a response");
    for written in [
        right.replace(", ", ","),
        right.replace(", ", ",\r\n  "),
        right.replace("=auth", "=\"auth\"").replace("=MD5", "=\"md5\"").replace("Digest", "DIGEST"),
        right.replace(", algorithm=MD5", ""),
        right.replace("Proxy-Authorization", "Authorization").replace("realm=", "realm = "),
        right.replace(upper, &upper.to_uppercase()),
        format!(
            "Proxy-Authorization: Digest username=\"x\", realm=\"other\", nonce=\"n\", uri=\"sip:a\", response=\"r\"\r\n{right}"
        ),
    ] {
        assert_eq!(status(&written), verified, "{written}");
    }
}

#[test]
fn session_keys_bind_both_nonces() {
    let credentials = "Proxy-Authorization: Digest username=\"alice\", realm=\"example.net\", nonce=\"N\", cnonce=\"C\", \
        uri=\"sip:bob@example.net\", qop=auth, nc=00000001, algorithm=MD5-sess, response=\"RESPONSE\"";
    let credentials = credentials.replace("RESPONSE", MD5_SESSION);
    let message = request("sip:bob@example.net", &credentials);
    assert_eq!(verify(&message, "example.net", password_of, &SECRET, NOW), DigestStatus::Stale);
}

#[test]
fn a_challenge_offers_the_stronger_hash_first() {
    assert_eq!(
        challenge("a\"b", "n", true),
        [
            r#"Digest realm="a\"b", nonce="n", algorithm=SHA-256, qop="auth", stale=true"#,
            r#"Digest realm="a\"b", nonce="n", algorithm=MD5, qop="auth", stale=true"#,
        ]
    );
    assert!(!challenge("a", "n", false)[0].contains("stale"));
}

#[test]
fn the_keyed_hash_is_hmac() {
    assert_eq!(hex(&hmac(&[7; 32], b"0000000000000064"))[..32], *HMAC);
    assert_eq!(nonce(&SECRET, 100), format!("0000000000000064{HMAC}"));
}
