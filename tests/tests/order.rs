//! Under load, on as many workers as there are: what belongs to one call leaves in the order in which it came.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use trunkline_tests::{Message, Phone, Setup};

const CALLS: usize = 1_000;
/// Begun and not yet answered, at once: what they are answered must find room in a socket's buffer, however seldom the
/// caller is let to look, since nothing here is sent again.
const AT_ONCE: usize = 10;
const PATIENCE: Duration = Duration::from_secs(30);
/// What the callee answers in one breath.
const ANSWERS: [&str; 4] = ["180 Ringing", "183 Session Progress", "180 Ringing", "200 OK"];

fn receive(socket: &UdpSocket) -> Result<Option<(Message, SocketAddr)>> {
    let mut bytes = vec![0; 65_535];
    match socket.recv_from(&mut bytes) {
        Ok((length, peer)) => Ok(Some((Message(String::from_utf8_lossy(&bytes[..length]).into_owned()), peer))),
        Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn socket() -> Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    Ok(socket)
}

/// Answers every INVITE with all of [`ANSWERS`] at once.
fn callee(socket: &UdpSocket, writer: &Phone, over: &AtomicBool) -> Result<()> {
    while !over.load(Relaxed) {
        let Some((request, router)) = receive(socket)? else { continue };
        if request.kind() == "INVITE" {
            for status in ANSWERS {
                socket.send_to(writer.answer(&request, status, "").0.as_bytes(), router)?;
            }
        }
    }
    Ok(())
}

#[test]
fn no_ringing_overtakes_the_answer_of_its_call() -> Result<()> {
    let (caller, answering) = (socket()?, socket()?);
    // Every call is to be answered, however slow this machine is.
    let setup = Setup::new()?.without_sqlite().section("[overload]\nbusy = 100\nbehind = \"20s\"");
    let router = setup.carrier(answering.local_addr()?).start()?;
    let (writer, answerer) = (Phone::calling(router.sip())?, Phone::waiting()?);
    let over = Arc::new(AtomicBool::new(false));
    let callee = std::thread::spawn({
        let over = Arc::clone(&over);
        move || callee(&answering, &answerer, &over)
    });

    let local = caller.local_addr()?.to_string();
    let mut heard: HashMap<String, Vec<String>> = HashMap::new();
    let (mut begun, mut answered, deadline) = (0, 0, Instant::now() + PATIENCE);
    while answered < CALLS && Instant::now() < deadline {
        while begun < CALLS && begun - answered < AT_ONCE {
            let invite = writer.invite("12125550100", "19195550101").0.replace(&writer.address().to_string(), &local);
            caller.send_to(invite.as_bytes(), router.sip())?;
            begun += 1;
        }
        let Some((response, _)) = receive(&caller)? else { continue };
        let codes = heard.entry(response.header("Call-ID").to_owned()).or_default();
        codes.push(response.kind().to_owned());
        answered += usize::from(response.kind() == "200" && codes.iter().filter(|code| *code == "200").count() == 1);
    }
    over.store(true, Relaxed);
    callee.join().ok().context("the callee")??;
    ensure!(answered == CALLS, "{answered} of {CALLS} calls were answered");
    for (call, codes) in &heard {
        let answer = codes.iter().position(|code| code == "200").context("an answer")?;
        ensure!(codes[answer..].iter().all(|code| code == "200"), "{call}: {codes:?}");
        let rung: Vec<&str> = codes[..answer].iter().map(String::as_str).filter(|code| *code != "100").collect();
        ensure!(rung == ["180", "183", "180"], "{call}: {codes:?}");
    }
    Ok(())
}
