//! A second opinion: where rsip accepts a message of the corpus, both readers read the same from it.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use rsip::prelude::{HeadersExt as _, UntypedHeader as _};

use super::message::Message;

#[test]
fn reads_the_same_as_rsip_where_rsip_reads_at_all() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus");
    let mut agreed = 0;
    for folder in ["rfc4475", "rfc5118"] {
        for entry in fs::read_dir(corpus.join(folder)).expect("the corpus").flatten() {
            let bytes = fs::read(entry.path()).expect("readable");
            let Ok(message) = Message::parse(Bytes::from(bytes.clone())) else { continue };
            let Ok(other) = rsip::SipMessage::try_from(bytes) else { continue };
            if message.check().is_err() {
                continue;
            }
            let name = entry.file_name();
            assert_eq!(message.is_request(), other.is_request(), "{name:?}");
            if let (Ok(id), Ok(cseq)) = (other.call_id_header(), other.cseq_header()) {
                assert_eq!(message.call_id(), id.value().trim().as_bytes(), "Call-ID of {name:?}");
                let ours = message.cseq().expect("checked");
                assert_eq!(cseq.seq().ok(), Some(ours.number), "CSeq of {name:?}");
                agreed += 1;
            }
            if let Ok(from) = other.from_header().and_then(rsip::headers::From::tag) {
                let tag = from.map(|tag| tag.value().as_bytes().to_vec());
                assert_eq!(message.from_tag().map(<[u8]>::to_vec), tag, "From tag of {name:?}");
            }
        }
    }
    assert!(agreed >= 5, "rsip read {agreed} messages of the corpus: the comparison has lost its sense");
}
