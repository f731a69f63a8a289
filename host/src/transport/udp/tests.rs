//! Real sockets on loopback.

use std::future::poll_fn;
use std::net::UdpSocket as Peer;

use super::*;

fn ours() -> (Socket, SocketAddr) {
    let socket = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (Socket::new(socket).unwrap(), address)
}

fn peer() -> (Peer, SocketAddr) {
    let peer = Peer::bind("127.0.0.1:0").unwrap();
    let address = peer.local_addr().unwrap();
    (peer, address)
}

/// Sends all that is queued; what came back as undeliverable.
async fn flushed(socket: &mut Socket) -> Vec<Vec<u8>> {
    let mut lost = Vec::new();
    poll_fn(|cx| {
        socket.flush(cx, |datagram| lost.push(datagram.to_vec()));
        if socket.queue.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    lost
}

#[tokio::test]
async fn a_datagram_that_is_too_large_is_given_back_and_holds_no_other() {
    let (mut socket, _) = ours();
    let (peer, to) = peer();
    // More than IP can carry, and a little less, which the kernel finds out later and puts into the error queue.
    for size in [65_535, 65_520, 65_508] {
        socket.queue(to, vec![b'x'; size].into());
        socket.queue(to, Bytes::from_static(b"next"));
        let lost = flushed(&mut socket).await;
        assert!(lost.iter().any(|datagram| datagram.len() == size), "{size}: {:?}", lost.len());
        let mut buffer = [0; 64];
        let length = peer.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"next");
    }
    assert_eq!(socket.unsent, 3);
}

#[tokio::test]
async fn a_closed_port_comes_back_and_costs_no_other_datagram_its_way() {
    let (mut socket, _) = ours();
    let (peer, open) = peer();
    let (gone, closed) = self::peer();
    drop(gone);
    socket.queue(closed, Bytes::from_static(b"to nobody"));
    let mut lost = flushed(&mut socket).await;
    for _ in 0..3 {
        socket.queue(open, Bytes::from_static(b"to the peer"));
    }
    lost.extend(flushed(&mut socket).await);
    peer.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
    for _ in 0..3 {
        peer.recv(&mut [0; 64]).unwrap();
    }
    if lost.is_empty() {
        let came = poll_fn(|cx| socket.poll_receive(cx, |_, _| {}, |datagram| lost.push(datagram.to_vec())));
        assert_eq!(came.await.unwrap(), 1);
    }
    assert_eq!(lost, [b"to nobody".to_vec()]);
    assert_eq!(socket.unsent, 0);
}

#[tokio::test]
async fn a_closed_port_comes_back_though_other_datagrams_of_its_batch_went_out_after_it() {
    let (mut socket, _) = ours();
    let (_peer, open) = peer();
    let (gone, closed) = self::peer();
    drop(gone);
    for (to, bytes) in [(open, "before"), (closed, "to nobody"), (open, "after"), (open, "and after")] {
        socket.queue(to, Bytes::from_static(bytes.as_bytes()));
    }
    let mut lost = flushed(&mut socket).await;
    while lost.is_empty() {
        // Nothing comes in and nothing else is sent: the error alone must wake.
        let came = poll_fn(|cx| socket.poll_receive(cx, |_, _| {}, |datagram| lost.push(datagram.to_vec())));
        tokio::time::timeout(std::time::Duration::from_secs(10), came).await.expect("an error that wakes").unwrap();
    }
    assert_eq!(lost, [b"to nobody".to_vec()]);
    assert_eq!(socket.carried, (0, 4));
}

#[tokio::test]
async fn an_empty_socket_wakes_for_the_next_datagram() {
    let (mut socket, address) = ours();
    let (peer, _) = peer();
    for _ in 0..3 {
        let mut received = Vec::new();
        let mut asked = 0;
        poll_fn(|cx| {
            asked += 1;
            let polled = socket.poll_receive(cx, |_, bytes| received.push(bytes.to_vec()), |_| {});
            if asked == 1 {
                assert!(polled.is_pending());
                peer.send_to(b"hello", address).unwrap();
            }
            polled
        })
        .await
        .unwrap();
        assert_eq!(received, [b"hello".to_vec()]);
    }
}

#[test]
fn an_address_that_another_node_has_is_not_free() {
    let socket = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    assert!(bind(address).is_ok(), "bind shares it");
    assert_eq!(is_free(address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    drop(socket);
    is_free(address).unwrap();
}
