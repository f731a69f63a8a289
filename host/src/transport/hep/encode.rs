//! The HEPv3 packet: `HEP3`, a length, and chunks of vendor, type, length and value.

use std::net::{IpAddr, SocketAddr};

use super::Copied;

/// What a datagram can carry, less the chunks before the message.
const LONGEST: usize = 65_507;
/// The chunks' protocol type for SIP.
const SIP: u8 = 1;

/// One message as a packet of capture agent `id`; `here` is the listener's address. `None` where it is too long.
pub fn encode(copied: &Copied, here: SocketAddr, id: u32) -> Option<Vec<u8>> {
    let there = copied.flow.remote;
    let (source, destination) = if copied.received { (there, here) } else { (here, there) };
    let mut packet = Vec::with_capacity(copied.message.len() + 128);
    packet.extend_from_slice(b"HEP3\0\0");
    let (family, kinds) = if there.ip().to_canonical().is_ipv4() { (2_u8, (3, 4)) } else { (10, (5, 6)) };
    let protocol: u8 = if copied.flow.transport.is_reliable() { 6 } else { 17 };
    chunk(&mut packet, 1, &[family]);
    chunk(&mut packet, 2, &[protocol]);
    chunk(&mut packet, kinds.0, &octets(source.ip(), family));
    chunk(&mut packet, kinds.1, &octets(destination.ip(), family));
    chunk(&mut packet, 7, &source.port().to_be_bytes());
    chunk(&mut packet, 8, &destination.port().to_be_bytes());
    chunk(&mut packet, 9, &u32::try_from(copied.at / 1_000_000).unwrap_or(u32::MAX).to_be_bytes());
    chunk(&mut packet, 10, &((copied.at % 1_000_000) as u32).to_be_bytes());
    chunk(&mut packet, 11, &[SIP]);
    chunk(&mut packet, 12, &id.to_be_bytes());
    if packet.len() + 6 + copied.message.len() > LONGEST {
        return None;
    }
    chunk(&mut packet, 15, &copied.message);
    let length = u16::try_from(packet.len()).ok()?;
    packet[4..6].copy_from_slice(&length.to_be_bytes());
    Some(packet)
}

fn chunk(packet: &mut Vec<u8>, kind: u16, value: &[u8]) {
    packet.extend_from_slice(&0_u16.to_be_bytes());
    packet.extend_from_slice(&kind.to_be_bytes());
    packet.extend_from_slice(&((value.len() + 6) as u16).to_be_bytes());
    packet.extend_from_slice(value);
}

/// An address in the family of the packet: a wildcard listener of the other one has none there.
fn octets(address: IpAddr, family: u8) -> Vec<u8> {
    match (address.to_canonical(), family) {
        (IpAddr::V4(address), 2) => address.octets().to_vec(),
        (IpAddr::V6(address), 10) => address.octets().to_vec(),
        (_, 2) => vec![0; 4],
        _ => vec![0; 16],
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::sip::flow::{Flow, Transport};

    fn copied(received: bool, transport: Transport, remote: &str, length: usize) -> Copied {
        let flow = Flow::to(0, transport, remote.parse().expect("an address"));
        Copied { at: 1_700_000_000_000_042, received, flow, message: Bytes::from(vec![b'x'; length]) }
    }

    /// The chunks by type.
    fn chunks(packet: &[u8]) -> std::collections::BTreeMap<u16, Vec<u8>> {
        assert_eq!(&packet[..4], b"HEP3");
        assert_eq!(usize::from(u16::from_be_bytes([packet[4], packet[5]])), packet.len());
        let (mut rest, mut found) = (&packet[6..], std::collections::BTreeMap::new());
        while !rest.is_empty() {
            let length = usize::from(u16::from_be_bytes([rest[4], rest[5]]));
            found.insert(u16::from_be_bytes([rest[2], rest[3]]), rest[6..length].to_vec());
            rest = &rest[length..];
        }
        found
    }

    #[test]
    fn a_received_datagram_comes_from_the_peer_and_a_sent_one_goes_to_it() {
        let here = "192.0.2.1:5060".parse().expect("an address");
        let packet = encode(&copied(true, Transport::Udp, "192.0.2.9:5070", 3), here, 2001).expect("a packet");
        let found = chunks(&packet);
        assert_eq!(found[&1], [2]);
        assert_eq!(found[&2], [17]);
        assert_eq!((&found[&3], &found[&4]), (&vec![192, 0, 2, 9], &vec![192, 0, 2, 1]));
        assert_eq!((&found[&7], &found[&8]), (&5070_u16.to_be_bytes().to_vec(), &5060_u16.to_be_bytes().to_vec()));
        assert_eq!(found[&9], 1_700_000_000_u32.to_be_bytes());
        assert_eq!(found[&10], 42_u32.to_be_bytes());
        assert_eq!((&found[&11], &found[&12]), (&vec![1], &2001_u32.to_be_bytes().to_vec()));
        assert_eq!(found[&15], b"xxx");
        let packet = encode(&copied(false, Transport::Udp, "192.0.2.9:5070", 3), here, 2001).expect("a packet");
        assert_eq!(chunks(&packet)[&3], [192, 0, 2, 1]);
    }

    #[test]
    fn ipv6_over_a_stream_has_its_own_chunks() {
        let here = "[2001:db8::1]:5061".parse().expect("an address");
        let packet = encode(&copied(true, Transport::Tls, "[2001:db8::9]:40000", 3), here, 1).expect("a packet");
        let found = chunks(&packet);
        assert_eq!((&found[&1], &found[&2]), (&vec![10], &vec![6]));
        assert_eq!(found[&5].len(), 16);
        assert!(!found.contains_key(&3));
    }

    #[test]
    fn what_no_datagram_can_carry_is_no_packet() {
        let here = "192.0.2.1:5060".parse().expect("an address");
        assert!(encode(&copied(true, Transport::Tcp, "192.0.2.9:5070", 65_535), here, 1).is_none());
    }
}
