//! What a customer takes of the node is metered whole, and bounded.

use super::trials::{ONE, build, call};
use super::*;

/// A `configure` of some six million instructions.
const COSTLY: &str = "(local $n i32)
    (loop $next
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $next (i32.lt_u (local.get $n) (i32.const 1000000))))
    i32.const 16";

#[tokio::test]
async fn a_customer_that_has_used_up_its_fuel_is_skipped_as_such_and_another_is_not() {
    let bed = Bed::new();
    bed.put("a.wasm", &Guest::answering(&reject(486)).build());
    let config = format!(
        "{ONE}\n[customers.acme.limits]\nfuel-per-second = 1\n[customers.bravo]\nsources = ['198.51.100.0/24']"
    );
    let snapshot = Arc::new(build(&bed, &config, &parts(&bed), None).await);
    let router = Router::new(Arc::clone(&snapshot));
    router.warm_up().await;
    assert_eq!(outcomes(&call(&router).await), [StageOutcome::Reject]);
    let starved = call(&router).await;
    assert_eq!((code(&starved), outcomes(&starved)), (503, vec![StageOutcome::Share]));
    assert!(starved.facts.stages[0].detail.as_ref().unwrap().contains("fuel-per-second"));
    let other = router.route(call_from("198.51.100.1:5060"), Cancel::default()).await;
    assert_eq!(outcomes(&other), [StageOutcome::Reject]);
    let usage = snapshot.customers().map(|customer| customer.account.usage()).collect::<Vec<_>>();
    assert_eq!((usage[0].calls, usage[0].stages, usage[0].refused), (2, 1, 1));
    assert_eq!((usage[1].calls, usage[1].refused), (1, 0));
    assert!(usage[0].fuel > 0 && usage[0].fuel == usage[1].fuel);
}

#[tokio::test]
async fn a_customers_memory_bounds_its_own_components_under_its_own_reason() {
    let bed = Bed::new();
    bed.put("a.wasm", &Guest::answering(&reject(486)).build());
    let grow = "(drop (memory.grow (i32.const 40)))";
    bed.put("own.wasm", &Guest::answering(&reject(603)).after(grow).build());
    let config = format!("{ONE}\nplugins = {{ a = 'own.wasm' }}\n[customers.acme.limits]\nmemory = '1MiB'");
    let routed = call(&Router::new(Arc::new(build(&bed, &config, &parts(&bed), None).await))).await;
    assert_eq!((code(&routed), outcomes(&routed)), (503, vec![StageOutcome::Share]));
}

#[tokio::test]
async fn the_starts_of_instances_are_in_the_record_on_the_bill_and_run_into_the_share() {
    let (traps, answers) = (Guest::new("unreachable"), Guest::answering(&reject(486)));
    for (guest, isolation, outcome) in [(traps, "warm", StageOutcome::Trap), (answers, "fresh", StageOutcome::Reject)] {
        let bed = Bed::new();
        bed.put("a.wasm", &guest.configured_by(COSTLY).build());
        let config = format!(
            "{ONE}\n[plugins.a]\ncomponent = 'a.wasm'\nisolation = '{isolation}'\n\
             [customers.acme.limits]\nfuel-per-second = 1_000_000"
        )
        .replace("    plugins.a.component", "    #");
        let snapshot = Arc::new(build(&bed, &config, &parts(&bed), None).await);
        let router = Router::new(Arc::clone(&snapshot));
        let first = call(&router).await;
        assert_eq!(outcomes(&first), [outcome]);
        let fuel = first.facts.stages[0].fuel;
        assert!(fuel > 2_000_000, "{isolation}: {fuel}");
        let customer = snapshot.customers().next().unwrap();
        assert_eq!(customer.account.usage().fuel, fuel);
        // Six seconds' worth is used up, and one may be.
        assert_eq!(outcomes(&call(&router).await), [StageOutcome::Share], "{isolation}");
    }
}

/// The component, made of so many core instances more.
fn of_many_instances(mut component: Vec<u8>, many: u8) -> Vec<u8> {
    assert!(many < 64, "lengths of one byte");
    let modules = (0..component.len()).filter(|at| component[*at..].starts_with(b"\0asm\x01\0\0\0")).count();
    let modules = u8::try_from(modules).unwrap();
    // A core module without content, and a section of core instances: of that module, with no arguments.
    component.extend([1, 8]);
    component.extend(b"\0asm\x01\0\0\0");
    component.extend([2, 1 + 3 * many, many]);
    component.extend([0, modules, 0].repeat(many.into()));
    component
}

#[tokio::test]
async fn idle_instances_that_take_most_of_the_pool_give_way_to_another_customers_stage() {
    // A pool of 64 instances has 512 core instances.
    let bed = Bed::new();
    bed.put("a.wasm", &of_many_instances(Guest::answering(&reject(486)).build(), 40));
    bed.put("own.wasm", &of_many_instances(Guest::answering(&reject(603)).build(), 40));
    let config = format!("{ONE}\n[customers.bravo]\nsources = ['198.51.100.0/24']\nplugins = {{ a = 'own.wasm' }}");
    let snapshot = Arc::new(build(&bed, &config, &parts(&bed), None).await);
    // The workers make an instance of each ready, until no more fits.
    let workers: Vec<Router> = (0..13).map(|_| Router::new(Arc::clone(&snapshot))).collect();
    let (late, full) = workers.split_last().unwrap();
    for worker in full {
        worker.warm_up().await;
    }
    assert_eq!(outcomes(&call(late).await), [StageOutcome::Saturated]);
    for worker in full {
        let other = worker.route(call_from("198.51.100.1:5060"), Cancel::default()).await;
        assert_eq!(code(&other), 603, "{:?}", other.facts.stages);
    }
    assert_eq!(outcomes(&call(late).await), [StageOutcome::Reject]);
}
