//! Steering: the kernel gives each datagram to the socket of the worker that owns its call.
//!
//! Workers share an address by `SO_REUSEPORT`, and the kernel would choose among their sockets by the peer's address
//! and port. All calls of a carrier that sends from one port would then reach one worker, which hands those of the
//! others over: a wake-up for one datagram more. A classic BPF program (`SO_ATTACH_REUSEPORT_CBPF`) finds the Call-ID and
//! hashes it as [`owner`] does. Where it finds none, because the field is written in another way or stands too far
//! behind, the kernel chooses as before, and workers hand over what is not theirs.

use std::io;

use nix::libc::{sock_filter, sock_fprog};
use nix::sys::socket::{setsockopt, sockopt};

/// Bytes of a Call-ID that decide. Each is some twenty instructions of the program.
const HASHED: usize = 32;
/// How far into the datagram the program looks for the field, in bytes: as far as a program may be long. Older kernels
/// have less room for one (`net.core.optmem_max`).
const REACHES: [usize; 3] = [960, 480, 240];
/// No request or status line is shorter.
const FIRST: usize = 12;

/// FNV-1a (RFC 9923), 32 bits.
const BASIS: u32 = 0x811c_9dc5;
const PRIME: u32 = 0x0100_0193;

/// The worker, of `workers`, that owns the calls with this Call-ID.
pub fn owner(call_id: &[u8], workers: usize) -> usize {
    let hash = call_id.iter().take(HASHED).fold(BASIS, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(PRIME));
    // The low bits of the product alone are poor.
    (hash ^ (hash >> 15)) as usize % workers.max(1)
}

/// Have the kernel choose among the sockets of one address, bound in the order of their workers. `socket` is any of them.
///
/// # Errors
/// Where the kernel takes no such program; everything works without it.
pub fn steer(socket: &std::net::UdpSocket, workers: usize) -> io::Result<()> {
    let mut last = Ok(());
    for reach in REACHES {
        let mut program = program(reach, workers as u32);
        let program = sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
        last = setsockopt(socket, sockopt::AttachReusePortCbpf, &program).map_err(io::Error::from);
        if last.is_ok() {
            break;
        }
    }
    last
}

// Instructions of classic BPF, by the names of linux/filter.h. A is the accumulator, X the index register. A load
// behind the datagram's end stops the program with 0: the first worker gets what is no SIP message.
const LD_W_ABS: u16 = 0x20;
const LD_W_IND: u16 = 0x40;
const LD_B_IND: u16 = 0x50;
const LD_IMM: u16 = 0x00;
const LD_MEM: u16 = 0x60;
const LDX_IMM: u16 = 0x01;
const LDX_MEM: u16 = 0x61;
const ST: u16 = 0x02;
const STX: u16 = 0x03;
const MUL_K: u16 = 0x24;
const RSH_K: u16 = 0x74;
const MOD_K: u16 = 0x94;
const XOR_X: u16 = 0xac;
const JA: u16 = 0x05;
const JEQ_K: u16 = 0x15;
const JGT_K: u16 = 0x25;
const RET_K: u16 = 0x06;
const RET_A: u16 = 0x16;
const TAX: u16 = 0x07;

/// No socket has this index: the kernel chooses by address and port.
const NO_CHOICE: u32 = u32::MAX;

/// Scratch memory: the hash so far, and where the Call-ID begins.
const HASH: u32 = 0;
const START: u32 = 1;

/// The instructions of one byte of the hash.
const PER_BYTE: usize = 9;

fn program(reach: usize, workers: u32) -> Vec<sock_filter> {
    let mut code = Vec::new();
    let found = find(reach, &mut code);
    // To here: X is before where "Call-ID" may begin. It does if a line begins with it and a colon and a space follow.
    for jump in found {
        let to = code.len();
        code[jump].k = (to - jump - 1) as u32;
    }
    for (load, offset, wanted) in [
        (LD_B_IND, 0, u32::from(b'\n')),
        (LD_W_IND, 1, word(*b"Call")),
        (LD_W_IND, 5, word(*b"-ID:")),
        (LD_B_IND, 9, u32::from(b' ')),
    ] {
        code.push(op(load, offset));
        code.push(jump(JEQ_K, wanted, 1, 0));
        code.push(op(RET_K, NO_CHOICE));
    }
    code.push(op(STX, START));
    code.push(op(LD_IMM, BASIS));
    code.push(op(ST, HASH));
    for byte in 0..HASHED {
        let left = (HASHED - byte) * PER_BYTE;
        code.push(op(LDX_MEM, START));
        code.push(op(LD_B_IND, 10 + byte as u32));
        code.push(jump(JGT_K, u32::from(b' '), 1, 0));
        code.push(op(JA, (left - 4) as u32));
        code.push(op(TAX, 0));
        code.push(op(LD_MEM, HASH));
        code.push(op(XOR_X, 0));
        code.push(op(MUL_K, PRIME));
        code.push(op(ST, HASH));
    }
    code.push(op(LD_MEM, HASH));
    code.push(op(TAX, 0));
    code.push(op(RSH_K, 15));
    code.push(op(XOR_X, 0));
    code.push(op(MOD_K, workers));
    code.push(op(RET_A, 0));
    code
}

/// Looks at every fourth byte for a part of "Call-ID", of which one must stand there. Returns the jumps that are to
/// leave for where the find is looked at, with X one before its beginning.
fn find(reach: usize, code: &mut Vec<sock_filter>) -> Vec<usize> {
    let mut found = Vec::new();
    for at in (FIRST..reach).step_by(4) {
        code.push(op(LD_W_ABS, at as u32));
        for (place, part) in [*b"Call", *b"all-", *b"ll-I", *b"l-ID"].into_iter().enumerate() {
            code.push(jump(JEQ_K, word(part), 4 + place as u8, 0));
        }
        code.push(op(JA, 8));
        for ahead in 0..4 {
            code.push(op(LDX_IMM, (at - ahead - 1) as u32));
            found.push(code.len());
            code.push(op(JA, 0));
        }
    }
    code.push(op(RET_K, NO_CHOICE));
    found
}

fn word(bytes: [u8; 4]) -> u32 {
    u32::from_be_bytes(bytes)
}

fn op(code: u16, k: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k }
}

fn jump(code: u16, k: u32, yes: u8, no: u8) -> sock_filter {
    sock_filter { code, jt: yes, jf: no, k }
}

#[cfg(test)]
mod tests;
