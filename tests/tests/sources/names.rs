//! ENUM, and plain records of the DNS.

use anyhow::Result;
use trunkline::lookup::LookupError;
use trunkline_tests::Dns;

use super::Node;

#[test]
fn enum_makes_a_uri_of_a_number_and_plain_records_become_rows() -> Result<()> {
    let records = [
        "naptr-record=0.0.1.0.5.5.5.2.1.2.1.e164.test,20,10,u,E2U+sip,!^.*$!sip:second@example.com!",
        r"naptr-record=0.0.1.0.5.5.5.2.1.2.1.e164.test,10,10,u,E2U+sip,!^\+1(.*)$!sip:\1@first.example.com!",
        "naptr-record=0.0.1.0.5.5.5.2.1.2.1.e164.test,1,1,u,E2U+mailto,!^.*$!mailto:x@example.com!",
        "txt-record=1212.lists.test,blocked",
        "host-record=1212.hosts.test,192.0.2.7",
    ];
    let dns = Dns::start(&records.map(str::to_owned))?;
    let node = Node::start(&format!(
        r#"
        [services.dns]
        url = "dns://{}"
        deadline = "5s"
        [tables.enum]
        source.enum = {{ service = "dns", suffix = "e164.test" }}
        [tables.lists]
        source.dns = {{ service = "dns", name = "{{key}}.lists.test", field = "why" }}
        [tables.hosts]
        source.dns = {{ service = "dns", name = "{{key}}.hosts.test", record = "a" }}
        "#,
        dns.address
    ))?;
    assert_eq!(node.row("enum", "+12125550100")?, "uri=sip:2125550100@first.example.com service=E2U+sip");
    assert_eq!(node.row("enum", "12125550199")?, "none");
    assert_eq!(node.ask("enum", "alice")?, Err(LookupError::BadKey));
    assert_eq!(node.row("lists", "1212")?, "why=blocked");
    assert_eq!(node.row("lists", "1213")?, "none");
    assert_eq!(node.row("hosts", "1212")?, "value=192.0.2.7");
    Ok(())
}
