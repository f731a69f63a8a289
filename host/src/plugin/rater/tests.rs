//! Raters written by hand.

use super::*;
use crate::plugin::testing::{Bed, encode};

/// A rater whose `rate` leaves a pointer to its result; `image` lies at 1,024.
pub(crate) fn rater(rate: &str, image: &[u8]) -> Vec<u8> {
    let data: String = image.iter().fold(String::new(), |text, byte| text + &format!("\\{byte:02x}"));
    let text = format!(
        r#"(module
            (memory (export "memory") 2)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
            (func (export "configure") (param i32 i32) (result i32) (i32.const 16))
            (func (export "rate") (param i32) (result i32) {rate})
            (data (i32.const 1024) "{data}"))"#
    );
    encode(&text, "rater")
}

/// `ok` of this many charges, each of the customer: `usage`, 12.50 `currency`.
pub(crate) fn charging(count: u32, currency: [u8; 3]) -> Vec<u8> {
    const LIST: u32 = 1_100;
    let mut image = vec![0; (LIST - 1_024) as usize];
    image[4..8].copy_from_slice(&LIST.to_le_bytes());
    image[8..12].copy_from_slice(&count.to_le_bytes());
    image[20..25].copy_from_slice(b"usage");
    image[30..33].copy_from_slice(&currency);
    for _ in 0..count {
        let mut charge = [0_u8; 48];
        charge[4..8].copy_from_slice(&1_044_u32.to_le_bytes());
        charge[8..12].copy_from_slice(&5_u32.to_le_bytes());
        charge[16..24].copy_from_slice(&1_250_u64.to_le_bytes());
        charge[24] = 2;
        charge[32..36].copy_from_slice(&1_054_u32.to_le_bytes());
        charge[36..40].copy_from_slice(&3_u32.to_le_bytes());
        charge[40..48].copy_from_slice(&60_000_u64.to_le_bytes());
        image.extend(charge);
    }
    // The list must be aligned to 8.
    image.splice(76..76, [0; 4]);
    image[4..8].copy_from_slice(&(LIST + 4).to_le_bytes());
    image
}

fn call() -> EndedCall {
    EndedCall {
        node: "edge-1".to_owned(),
        epoch: 1,
        sequence: 7,
        call_id: "a@b".to_owned(),
        customer: "acme".to_owned(),
        gateway: "carrier".to_owned(),
        caller_received: "12125550100".to_owned(),
        caller_sent: "12125550100".to_owned(),
        callee_received: "13105550199".to_owned(),
        callee_sent: "13105550199".to_owned(),
        received: 1_000_000,
        answered: Some(2_000_000),
        ended: 62_000_000,
        duration: 60_000_000,
        code: 200,
        quoted: Quoted { cost: None, price: None, currency: String::new() },
        attributes: Vec::new(),
    }
}

async fn load(bed: &Bed, bytes: &[u8]) -> Result<Rater, LoadError> {
    let component = bed.component(bytes)?;
    let settings = RaterSettings { fuel: 1_000_000, ..RaterSettings::default() };
    Rater::load(bed.components.engine(), "own", &component, settings).await
}

#[tokio::test]
async fn a_rater_gives_its_charges() {
    let bed = Bed::new();
    let mut rater = load(&bed, &rater("i32.const 1024", &charging(2, *b"USD"))).await.unwrap();
    for _ in 0..2 {
        let charges = rater.rate(&call()).await.unwrap();
        assert_eq!(charges.len(), 2);
        let Charge { party, kind, amount, currency, billed } = &charges[1];
        assert_eq!((*party, &**kind, &**currency, *billed), (Party::Customer, "usage", "USD", 60_000));
        assert_eq!((amount.digits, amount.scale), (1_250, 2));
    }
}

#[tokio::test]
async fn charges_that_cannot_be_are_refused_whole() {
    let bed = Bed::new();
    for image in [charging(33, *b"USD"), charging(1, *b"usd")] {
        let mut rater = load(&bed, &rater("i32.const 1024", &image)).await.unwrap();
        assert_eq!(rater.rate(&call()).await.unwrap_err().reason, StageOutcome::Invalid);
    }
}

#[tokio::test]
async fn a_rater_that_traps_or_loops_is_made_anew_for_the_next_call() {
    let bed = Bed::new();
    for (rate, reason) in [("unreachable", StageOutcome::Trap), ("(loop $l (br $l)) unreachable", StageOutcome::Fuel)] {
        let mut rater = load(&bed, &rater(rate, &[])).await.unwrap();
        for _ in 0..2 {
            assert_eq!(rater.rate(&call()).await.unwrap_err().reason, reason);
        }
    }
}

#[tokio::test]
async fn a_stage_is_no_rater() {
    let bed = Bed::new();
    let stage = crate::plugin::testing::Guest::new("unreachable").build();
    let error = load(&bed, &stage).await.unwrap_err().to_string();
    assert!(error.contains("is no `rater` of trunkline:routing@0.1.0"), "{error}");
}
