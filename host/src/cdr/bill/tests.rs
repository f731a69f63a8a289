use super::*;
use crate::cdr::testing::call;

const TOLERANCE: Tolerance = Tolerance { time: 60_000_000, duration: 1_000_000, amount: Money::ZERO };

/// Calls a minute apart, to one number, 30 s each, at 0.0031 a minute.
fn calls(count: u64) -> Vec<Ours> {
    let book = RateBook { currency: "USD".into(), places: 6, ..RateBook::default() };
    let numbered = (0..count).map(|number| {
        let mut record = *call(number);
        record.key.sequence = number + 1;
        let times = &mut record.times;
        for moment in [&mut times.received, &mut times.ended] {
            *moment += number * 60_000_000;
        }
        times.answered = times.answered.map(|moment| moment + number * 60_000_000);
        of(&record, "carrier-b", &(0..u64::MAX), &book).unwrap()
    });
    numbered.collect()
}

fn line(call: &Ours) -> Line {
    Line {
        number: 2,
        callee: "+1 (212) 555-0123".to_owned(),
        time: call.answered + 3_000_000,
        duration: call.duration,
        rate: call.rate,
        amount: call.amount,
        call_id: None,
    }
}

#[test]
fn a_bill_of_what_we_recorded_agrees_though_the_carriers_clock_is_off() {
    let ours = calls(5);
    let bill: Vec<Line> = ours.iter().rev().map(line).collect();
    let comparison = compare(&ours, &bill, TOLERANCE);
    assert!(comparison.is_equal(), "{comparison}");
    assert_eq!((comparison.agree, comparison.bill.amount.to_string().as_str()), (5, "0.00775"));
    assert_eq!(comparison.bill, comparison.ours);
}

#[test]
fn what_one_side_lacks_and_what_differs_is_told_with_what_it_costs() {
    let ours = calls(5);
    let mut bill: Vec<Line> = ours[1..].iter().map(line).collect();
    bill[0].duration += 6_000_000;
    bill[1].rate = Some("0.0050".parse().unwrap());
    bill.push(Line { callee: "4930123456".to_owned(), number: 7, ..line(&ours[0]) });
    let comparison = compare(&ours, &bill, TOLERANCE);
    assert!(!comparison.is_equal());
    assert_eq!(comparison.agree, 2);
    assert_eq!(comparison.durations, ["line 2 and /0/2: billed 36.000 s, ours 30.000 s"]);
    assert!(comparison.rates[0].ends_with("billed at 0.0050 a minute, ours 0.0031"), "{:?}", comparison.rates);
    assert_eq!(comparison.only_billed, ["line 7: 30.000 s to 4930123456, 0.00155"]);
    assert_eq!((comparison.only_ours.len(), comparison.ours_alone.amount.to_string().as_str()), (1, "0.00155"));
}

#[test]
fn a_call_id_on_the_bill_decides_before_numbers_and_times() {
    let ours = calls(2);
    let bill =
        vec![Line { call_id: Some("call-1@192.0.2.1".to_owned()), time: 0, callee: String::new(), ..line(&ours[0]) }];
    let comparison = compare(&ours, &bill, TOLERANCE);
    assert_eq!(comparison.agree, 1);
    assert!(comparison.only_ours[0].starts_with("/0/1:"), "{comparison}");
}
