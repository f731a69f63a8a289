use super::deck::Version;
use super::*;
use crate::cdr::testing::call;

fn deck(name: &str, text: &str) -> Arc<Deck> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deck.csv");
    std::fs::write(&file, text).unwrap();
    Arc::new(Deck::new(name, vec![Version::load(&file, 0).unwrap()]))
}

fn book() -> RateBook {
    RateBook { currency: "USD".into(), places: 6, ..RateBook::default() }
}

fn amounts(charges: &Charges) -> (Option<String>, Option<String>) {
    let amount = |side: &Option<Charge>| side.as_ref().map(|charge| format!("{} {}", charge.amount, charge.currency));
    (amount(&charges.price), amount(&charges.cost))
}

#[test]
fn without_a_deck_the_rates_that_the_router_recorded_count() {
    // 30 s at 0.0059 and 0.0031 a minute.
    let charges = book().rate(&call(1));
    assert_eq!(amounts(&charges), (Some("0.00295 USD".to_owned()), Some("0.00155 USD".to_owned())));
    assert_eq!((charges.price.unwrap().origin.as_str(), charges.unrated), ("record", None));
}

#[test]
fn the_customers_deck_and_the_gateways_come_before_the_record() {
    let mut book = book();
    book.prices.insert("acme".to_owned(), deck("retail", "prefix,rate,increment\n1212555,0.0120,60/60\n"));
    book.costs.insert(EVERYBODY.to_owned(), deck("carriers", "prefix,rate,currency\n1,0.0060,EUR\n"));
    let charges = book.rate(&call(1));
    assert_eq!(amounts(&charges), (Some("0.012 USD".to_owned()), Some("0.003 EUR".to_owned())));
    let price = charges.price.unwrap();
    assert_eq!((price.seconds, price.origin.as_str()), (60, "retail/1212555"));
}

#[test]
fn a_call_that_was_not_answered_costs_nothing_and_lacks_nothing() {
    let mut record = *call(1);
    record.times.answered = None;
    assert_eq!(book().rate(&record), Charges::default());
}

#[test]
fn what_cannot_be_rated_says_why_and_is_not_free() {
    let mut book = book();
    book.prices.insert("acme".to_owned(), deck("retail", "prefix,rate\n44,0.0120\n"));
    let mut record = *call(1);
    record.attempts.last_mut().unwrap().cost = None;
    let charges = book.rate(&record);
    assert_eq!(amounts(&charges), (None, None));
    assert_eq!(
        charges.unrated.unwrap(),
        "price: the deck `retail` has no prefix of `12125559999`; cost: no deck, and no rate in the record"
    );
}

#[test]
fn the_number_that_was_rated_at_call_time_is_rated_again() {
    let mut record = *call(1);
    assert_eq!(rated_number(&record), "12125559999", "the routing number");
    record.attributes.push(("rated-number".to_owned(), "12125550001".to_owned()));
    assert_eq!(rated_number(&record), "12125550001");
    record.attributes.clear();
    record.callee.received = "+12125550123".to_owned();
    assert_eq!(rated_number(&record), "12125550123");
}
