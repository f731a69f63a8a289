use std::net::UdpSocket;
use std::time::Duration;

use super::*;
use crate::transport::udp::bind;

const WORKERS: usize = 3;

/// Sockets of as many workers on one address, steered.
fn steered() -> Vec<UdpSocket> {
    let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = first.local_addr().unwrap();
    let mut sockets = vec![first];
    sockets.extend((1..WORKERS).map(|_| bind(address).unwrap()));
    steer(&sockets[0], WORKERS).unwrap();
    for socket in &sockets {
        socket.set_nonblocking(false).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    }
    sockets
}

fn request(before: &str, call_id: &str) -> String {
    format!("INVITE sip:1@x SIP/2.0\r\n{before}Call-ID: {call_id}\r\nCSeq: 1 INVITE\r\n\r\n")
}

#[test]
fn the_kernel_gives_a_datagram_to_the_worker_that_owns_its_call() {
    let sockets = steered();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut of_worker = [0; WORKERS];
    for number in 0..200 {
        // Every alignment, and Call-IDs that end before and behind what is hashed.
        let before = format!("Subject: Call-me {}\r\n", "x".repeat(number));
        let call_id = format!("{number}-{}@host", "y".repeat(number % 60));
        let wanted = owner(call_id.as_bytes(), WORKERS);
        of_worker[wanted] += 1;
        let before = if number % 2 == 0 { String::new() } else { before.replace("Call-me", "me") };
        let text = request(&before, &call_id);
        peer.send_to(text.as_bytes(), sockets[wanted].local_addr().unwrap()).unwrap();
        let mut buffer = [0; 2048];
        let length = sockets[wanted].recv(&mut buffer).expect("it came to its owner's socket");
        assert_eq!(&buffer[..length], text.as_bytes());
    }
    assert!(of_worker.iter().all(|count| *count > 40), "spread over the workers: {of_worker:?}");
}

#[test]
fn a_datagram_whose_call_id_the_kernel_does_not_find_still_comes_to_a_worker() {
    let sockets = steered();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let far = format!("Subject: {}\r\n", "x".repeat(4_000));
    for text in ["\r\n\r\n".to_owned(), request("Subject: Call-ID\r\n", "1"), request(&far, "2"), "x".repeat(60_000)] {
        peer.send_to(text.as_bytes(), sockets[0].local_addr().unwrap()).unwrap();
        let mut buffer = vec![0; 65_535];
        let length = sockets.iter().cycle().take(20_000).find_map(|socket| {
            socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
            socket.recv(&mut buffer).ok()
        });
        assert_eq!(length, Some(text.len()));
    }
}

#[test]
fn a_program_fits_the_kernels_bound() {
    for reach in REACHES {
        assert!(program(reach, 255).len() <= 4_096, "{reach}");
    }
}
