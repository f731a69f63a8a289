//! What two phones do in most calls.

use anyhow::Result;

use crate::phone::{Dialog, Message, Phone};

/// The callee answers an INVITE that it got; its side of the call comes second.
///
/// # Errors
/// When one does not hear what it should.
pub fn answered(caller: &mut Phone, callee: &mut Phone, got: &Message) -> Result<(Dialog, Dialog)> {
    let answer = callee.answer(got, "200 OK", "");
    callee.say(&answer)?;
    let near = Dialog::of_caller(&caller.hear("200")?);
    caller.say(&near.ack(caller, near.sequence()))?;
    callee.hear("ACK")?;
    Ok((near, Dialog::of_callee(got, &answer)))
}

/// One side hangs up, by its end of the call.
///
/// # Errors
/// When one does not hear what it should.
pub fn hang_up(phone: &mut Phone, end: &mut Dialog, other: &mut Phone) -> Result<()> {
    phone.say(&end.request(phone, "BYE", ""))?;
    let bye = other.hear("BYE")?;
    other.say(&other.answer(&bye, "200 OK", ""))?;
    phone.hear("200").map(drop)
}
