//! The built-in stages, as `cargo xtask plugins` builds them: these tests need it to have run.

use super::*;
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
