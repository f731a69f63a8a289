use super::hash::{Algorithm, hex, hmac};
use super::{DigestStatus, Md5, NONCE_LIFETIME, Nonces, Realm};
use crate::message::Message;

const NOW: u64 = 1_750_000_000;

// Computed with another implementation.
const SHA512_256: &str = "430d05014cecc49cab6fbe03176d41a1da86cbfe24a16580e22aaad928d960d0";
const MD5_SESSION: &str = "ab1ab52559e45f1f552d53040e60f874";
const HMAC: &str = "dff90c4345b7f4c9e27cb9dd88d8d2ea";

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

fn realm(nonces: &Nonces) -> Realm<'_> {
    Realm { name: "example.net", md5: Md5::Offered, nonces }
}

fn nonces() -> Nonces {
    Nonces::new([7; 32])
}

/// A nonce of [`nonces`], made at this time.
fn nonce(made: u64) -> String {
    nonces().make(made, 5)
}

/// What nonces of which none was used say to these credentials.
fn status(credentials: &str) -> DigestStatus {
    at(&nonces(), credentials)
}

fn at(nonces: &Nonces, credentials: &str) -> DigestStatus {
    realm(nonces).verify(&request("sip:+1212@example.net", credentials), password_of, NOW)
}

/// The published examples are of HTTP, and of a nonce that is not ours: right, but stale.
fn published(credentials: &str, realm: &str, password: &str) -> DigestStatus {
    let text = format!("GET /dir/index.html SIP/2.0\r\nAuthorization: {credentials}\r\n\r\n");
    let message = Message::parse(text.into()).expect("a message");
    Realm { name: realm, md5: Md5::Offered, nonces: &nonces() }.verify(&message, |_| Some(password.to_owned()), NOW)
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
        let credentials = answer(algorithm, &nonce(NOW), "alice", "secret");
        assert_eq!(status(&credentials), DigestStatus::Verified("alice".into()), "{algorithm:?}");
    }
}

#[test]
fn wrong_credentials_fail_and_those_of_another_realm_are_not_ours() {
    let nonce = nonce(NOW);
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
    let credentials = answer(Algorithm::Md5, &nonce(NOW), "alice", "secret");
    let status = |uri| realm(&nonces()).verify(&request(uri, &credentials), password_of, NOW);
    assert_eq!(status("sip:%2B1212@192.0.2.1;user=phone"), DigestStatus::Verified("alice".into()));
    assert_eq!(status("sip:+1900@example.net"), DigestStatus::Failed);
    assert_eq!(status("sip:example.net"), DigestStatus::Failed);
}

#[test]
fn a_nonce_that_is_old_or_not_ours_is_stale() {
    let status = |made, secret: [u8; 32]| {
        status(&answer(Algorithm::Sha256, &Nonces::new(secret).make(made, 5), "alice", "secret"))
    };
    assert_eq!(status(NOW - NONCE_LIFETIME, [7; 32]), DigestStatus::Verified("alice".into()));
    assert_eq!(status(NOW - NONCE_LIFETIME - 1, [7; 32]), DigestStatus::Stale);
    assert_eq!(status(NOW + 60, [7; 32]), DigestStatus::Stale);
    assert_eq!(status(NOW, [8; 32]), DigestStatus::Stale);
    assert_eq!(super::tests::status(&answer(Algorithm::Md5, "anything", "alice", "secret")), DigestStatus::Stale);
}

#[test]
fn credentials_are_read_as_clients_really_write_them() {
    let right = answer(Algorithm::Md5, &nonce(NOW), "alice", "secret");
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
    assert_eq!(realm(&nonces()).verify(&message, password_of, NOW), DigestStatus::Stale);
}

#[test]
fn a_challenge_offers_the_strongest_hash_first_and_md5_where_it_is_allowed() {
    let nonces = nonces();
    let realm = Realm { name: "a\"b", md5: Md5::Offered, nonces: &nonces };
    let nonce = nonce(100);
    let offered =
        |algorithm| format!(r#"Digest realm="a\"b", nonce="{nonce}", algorithm={algorithm}, qop="auth", stale=true"#);
    assert_eq!(realm.challenge(100, 5, true), ["SHA-512-256", "SHA-256", "MD5"].map(offered));
    let old = Realm { md5: Md5::Alone, ..realm }.challenge(NOW, 1, false);
    assert!(old.len() == 1 && old[0].contains("algorithm=MD5,"), "{old:?}");
    let strict = Realm { md5: Md5::Refused, ..realm };
    assert_eq!(strict.challenge(100, 5, true), ["SHA-512-256", "SHA-256"].map(offered));
    assert!(!realm.challenge(100, 5, false)[0].contains("stale"));
}

#[test]
fn md5_is_refused_where_it_is_not_allowed() {
    let nonces = nonces();
    let realm = Realm { md5: Md5::Refused, ..realm(&nonces) };
    let verify = |algorithm| {
        let credentials = answer(algorithm, &nonce(NOW), "alice", "secret");
        realm.verify(&request("sip:+1212@example.net", &credentials), password_of, NOW)
    };
    assert_eq!(verify(Algorithm::Md5), DigestStatus::Failed);
    assert_eq!(verify(Algorithm::Sha256), DigestStatus::Verified("alice".into()));
}

#[test]
fn an_answer_is_good_once_and_the_next_count_of_its_nonce_once_too() {
    let nonces = nonces();
    let verified = DigestStatus::Verified("alice".into());
    let counted = |count: &str| {
        let secret = Algorithm::Sha256.hex(&[b"alice:example.net:secret"]);
        let target = Algorithm::Sha256.hex(&[b"INVITE:sip:+1212@example.net"]);
        let nonce = nonce(NOW);
        let text = format!("{secret}:{nonce}:{count}:xyz:auth:{target}");
        let response = Algorithm::Sha256.hex(&[text.as_bytes()]);
        format!(
            "Proxy-Authorization: Digest username=\"alice\", realm=\"example.net\", nonce=\"{nonce}\", \
             uri=\"sip:+1212@example.net\", response=\"{response}\", algorithm=SHA-256, cnonce=\"xyz\", qop=auth, nc={count}"
        )
    };
    for (count, expected) in [
        ("00000001", &verified),
        ("00000001", &DigestStatus::Stale),
        ("00000003", &verified),
        ("00000002", &verified),
        ("00000002", &DigestStatus::Stale),
        ("0000000a", &verified),
        ("00000000", &DigestStatus::Failed),
        ("1", &DigestStatus::Failed),
        ("+0000001", &DigestStatus::Failed),
    ] {
        assert_eq!(at(&nonces, &counted(count)), *expected, "{count}");
    }
    // Wrong credentials use nothing up.
    assert_eq!(at(&nonces, &counted("0000000b").replace("xyz", "xyy")), DigestStatus::Failed);
    assert_eq!(at(&nonces, &counted("0000000b")), verified);
}

#[test]
fn an_answer_without_a_count_is_good_once() {
    let nonces = nonces();
    let (secret, target) =
        (Algorithm::Md5.hex(&[b"alice:example.net:secret"]), Algorithm::Md5.hex(&[b"INVITE:sip:+1212@example.net"]));
    let nonce = nonce(NOW);
    let response = Algorithm::Md5.hex(&[format!("{secret}:{nonce}:{target}").as_bytes()]);
    let credentials = format!(
        "Proxy-Authorization: Digest username=\"alice\", realm=\"example.net\", nonce=\"{nonce}\", \
         uri=\"sip:+1212@example.net\", response=\"{response}\""
    );
    assert_eq!(at(&nonces, &credentials), DigestStatus::Verified("alice".into()));
    assert_eq!(at(&nonces, &credentials), DigestStatus::Stale);
}

#[test]
fn the_keyed_hash_is_hmac() {
    assert_eq!(hex(&hmac(&[7; 32], b"00000000000000640000000000000005"))[..32], *HMAC);
    assert_eq!(nonce(100), format!("00000000000000640000000000000005{HMAC}"));
}
