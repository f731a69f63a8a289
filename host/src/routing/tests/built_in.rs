//! The built-in stages, as `cargo xtask plugins` builds them: these tests need it to have run.

use super::*;
use crate::plugin::Trace;
use crate::plugin::trace::story::{Answer, Question};
use crate::plugin::{ComponentFinder, Components, LoadError};

const TABLES: [(&str, &str); 4] = [
    ("accounts", "key,account,status\n192.0.2.1,acme-7,active\n192.0.2.9,acme-9,suspended\n"),
    ("blocked", "key\n13105550666\n"),
    ("lrn", "key,lrn\n3105550123,3105550000\n"),
    ("cnam", "key,name\n2125550100,ALICE EXAMPLE\n"),
];

async fn built_in() -> (Bed, Router) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = String::from(
        "pipelines.default = ['auth', 'blocklist', 'lrn', 'cnam']\n\
         [plugins.auth]\n[plugins.blocklist]\n[plugins.lrn]\n[plugins.cnam]\n\
         [customers.acme]\nsources = ['192.0.2.0/24']\n",
    );
    for (name, rows) in TABLES {
        let path = folder.path().join(format!("{name}.csv"));
        std::fs::write(&path, rows).unwrap();
        let source = format!("{{ csv = {{ path = '{}', key = 'key' }} }}", path.display());
        config.extend(["[tables.", name, "]\nsource = ", &source, "\n"]);
    }
    let mut bed = Bed::with_tables(&config);
    let finder = ComponentFinder::from_environment();
    match finder.find("lrn", bed.folder()) {
        Err(error @ LoadError::NotFound { .. }) => panic!("run `cargo xtask plugins` first: {error}"),
        found => found.unwrap(),
    };
    bed.components = Arc::new(Components::new(bed.components.engine().clone(), finder, None));
    let router = Router::new(Arc::new(snapshot(&bed, &config).await.unwrap()));
    (bed, router)
}

fn left<'a>(routed: &'a Routed, name: &str) -> Option<&'a str> {
    routed.facts.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

#[tokio::test]
async fn a_call_is_admitted_dipped_and_named_by_the_real_components() {
    let (_bed, router) = built_in().await;
    let routed = router.route(call_from("192.0.2.1:5060"), Cancel::default()).await;
    assert_eq!(outcomes(&routed), [StageOutcome::Proceed; 4], "{:?}", routed.facts.stages);
    assert_eq!(left(&routed, "account"), Some("acme-7"));
    assert_eq!(left(&routed, "lrn"), Some("3105550000"));
    assert_eq!(left(&routed, "cnam"), Some("found"));
    assert!(routed.facts.stages.iter().all(|stage| stage.fuel > 0 && stage.digest.len() == 16));
    assert_eq!(code(&routed), 404, "no stage here routes");
}

#[tokio::test]
async fn an_account_that_is_not_active_is_refused_by_the_real_auth() {
    let (_bed, router) = built_in().await;
    let routed = router.route(call_from("192.0.2.9:5060"), Cancel::default()).await;
    assert_eq!((code(&routed), outcomes(&routed)), (403, vec![StageOutcome::Reject]));
}

#[tokio::test]
async fn a_trace_tells_what_the_real_stages_found_asked_and_gave() {
    let (_bed, router) = built_in().await;
    let trace = Arc::new(Trace::default());
    let call = NewCall { trace: Some(Arc::clone(&trace)), ..call_from("192.0.2.1:5060") };
    let routed = router.route(call, Cancel::default()).await;

    let stories = trace.stories();
    assert_eq!(stories.len(), routed.facts.stages.len(), "a story for each stage of the record");
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let lookup = |stage: usize, table: &str| {
        let asked = stories[stage].asked.iter();
        let found = asked.clone().find_map(|asked| match &asked.question {
            Question::Lookup(lookup) if lookup.table == table => Some((lookup.clone(), asked.answer.clone())),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("stage {stage} did not look into {table}: {asked:?}"))
    };
    let (key, row) = lookup(0, "accounts");
    assert_eq!((&*key.key, key.origin), ("192.0.2.1", Some("file")));
    assert!(key.age_ms.is_some_and(|age| age < 60_000), "the file was written just now: {key:?}");
    let row_of = vec![pair("key", "192.0.2.1"), pair("account", "acme-7"), pair("status", "active")];
    assert_eq!(row, Some(Answer::Rows(vec![row_of])));
    assert!(stories[0].returned.as_ref().unwrap().attributes.contains(&pair("account", "acme-7")));
    assert!(stories[1].input.attributes.contains(&pair("account", "acme-7")), "the next stage finds it");
    assert_eq!(lookup(1, "blocked").1, Some(Answer::Rows(Vec::new())));
    assert!(stories[2].returned.as_ref().unwrap().verdict == "proceed");
    assert!(stories[3].returned.as_ref().unwrap().edits.iter().any(|edit| edit.edit == "caller-name"));
}
