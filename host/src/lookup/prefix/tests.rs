use proptest::prelude::*;

use super::*;
use crate::lookup::dictionary::DictionaryBuilder;
use crate::lookup::packed;
use crate::lookup::row::Value;

/// Each row holds its line.
fn index_of(prefixes: &[String]) -> (Dictionary, PrefixIndex) {
    let (mut dictionary, mut packed, mut keys) = (DictionaryBuilder::default(), Vec::new(), Vec::new());
    for (line, prefix) in prefixes.iter().enumerate() {
        dictionary.pack(0, Some(Value::Integer(line as i64)), &mut packed);
        keys.push((digits::pack(prefix).unwrap(), packed.len() as u32));
    }
    (dictionary.finish(["n".into()].into()), PrefixIndex::build(&keys, &packed))
}

fn line(row: &Row) -> usize {
    match row.get("n") {
        Some(Value::Integer(line)) => *line as usize,
        other => panic!("{other:?}"),
    }
}

fn matches((dictionary, index): &(Dictionary, PrefixIndex), number: &str) -> Vec<usize> {
    index.matches(dictionary, number).iter().map(line).collect()
}

/// What the definition says, row by row.
fn naive(prefixes: &[String], number: &str) -> Vec<usize> {
    let mut lines: Vec<usize> = (0..prefixes.len()).filter(|&at| number.starts_with(&prefixes[at])).collect();
    lines.sort_by_key(|&at| std::cmp::Reverse(prefixes[at].len()));
    lines.truncate(MOST_ROWS);
    lines
}

#[test]
fn the_longest_prefix_comes_first_and_shared_prefixes_keep_the_files_order() {
    let index = index_of(&["1", "1212", "1", "121", "44", "1213"].map(str::to_owned));
    assert_eq!(matches(&index, "+12125551234"), [1, 3, 0, 2]);
    assert_eq!(matches(&index, "1219"), [3, 0, 2]);
    assert_eq!(matches(&index, "33"), [0; 0]);
    let get = |prefix| index.1.get(&index.0, prefix).map(|row| line(&row));
    assert_eq!((get("1"), get("+1213"), get("12"), get("9")), (Some(0), Some(5), None, None));
}

#[test]
fn a_look_up_gives_at_most_64_rows() {
    let index = index_of(&vec!["1".to_owned(); 100]);
    assert_eq!(matches(&index, "12"), (0..64).collect::<Vec<_>>());
}

#[test]
fn rows_may_be_longer_than_any_deck_has_them() {
    let (mut packed, mut keys) = (Vec::new(), Vec::new());
    for prefix in ["1", "1212", "1213"] {
        for row in 0..40 {
            packed::pack_number(0, &mut packed);
            packed::pack(Some(&Value::Text(format!("{prefix}-{row}-{}", "x".repeat(5_000)).into())), &mut packed);
            keys.push((digits::pack(prefix).unwrap(), packed.len() as u32));
        }
    }
    let (dictionary, index) =
        (DictionaryBuilder::default().finish(["n".into()].into()), PrefixIndex::build(&keys, &packed));
    let rows = index.matches(&dictionary, "12135551234");
    let starts: Vec<String> = rows.iter().map(|row| row.get("n").unwrap().to_string()[..6].to_owned()).collect();
    assert_eq!(starts.len(), MOST_ROWS);
    assert_eq!((&*starts[0], &*starts[39], &*starts[40], &*starts[63]), ("1213-0", "1213-3", "1-0-xx", "1-23-x"));
}

#[test]
fn an_empty_table_matches_nothing() {
    assert!(PrefixIndex::build(&[], &[]).matches(&Dictionary::default(), "1212").is_empty());
}

/// Several twigs, and matches whose keys are far from the number's own leaf.
#[test]
fn a_deck_of_many_leaves_finds_what_a_scan_of_all_rows_finds() {
    let mut prefixes: Vec<String> = (0..20_000).map(|at| format!("{}", 30_000 + at * 3)).collect();
    prefixes.extend(["3", "35", "35000", "8", "89999", "3000000000000000", "*67", "#"].map(str::to_owned));
    prefixes.extend((0..2_000).map(|at| format!("{}", 3_500_000 + at)));
    let index = index_of(&prefixes);
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..2_000 {
        let number = format!("{}", random.u64(25_000..95_000) * 1_000_000 + random.u64(0..2_000_000));
        assert_eq!(matches(&index, &number), naive(&prefixes, &number), "{number}");
    }
    for number in ["350000", "3500999", "3000000000000000", "30000000000000001", "*671", "#", "0", "9"] {
        assert_eq!(matches(&index, number), naive(&prefixes, number), "{number}");
    }
    for (line, prefix) in prefixes.iter().enumerate() {
        assert_eq!(index.1.get(&index.0, prefix).map(|row| super::tests::line(&row)), Some(line), "{prefix}");
    }
}

proptest! {
    #[test]
    fn it_finds_what_a_scan_of_all_rows_finds(
        prefixes in prop::collection::vec("[1-3]{1,6}", 0..400),
        number in "[1-3]{0,8}",
    ) {
        prop_assert_eq!(matches(&index_of(&prefixes), &number), naive(&prefixes, &number));
    }

    #[test]
    fn it_does_so_with_every_symbol_and_every_length(
        prefixes in prop::collection::vec("[19*#]{1,16}", 0..60),
        number in "[19*#]{0,20}",
        cut in 0..16_usize,
    ) {
        // The deck's own prefixes and what is shorter, longer and beside them.
        let mut numbers = vec![number];
        for prefix in &prefixes {
            numbers.push(format!("{prefix}19*"));
            numbers.push(prefix[..cut.min(prefix.len())].to_owned());
        }
        let index = index_of(&prefixes);
        for number in numbers {
            prop_assert_eq!(matches(&index, &number), naive(&prefixes, &number), "{}", number);
        }
    }
}
