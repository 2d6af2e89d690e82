//! The public status through the real binary: derived, published only as derived or worse, and
//! written as files that anyone can host.

use serde_json::{Value, json};

use super::people::Office;

fn status(office: &Office) -> Value {
    office.azir(&["status", "--json"], 0).json()
}

fn publish(office: &Office, more: &[&str], code: i32) -> super::run::Did {
    office.by("bogdan", "IC", &[&["status", "publish", "--text"], more].concat(), code)
}

/// R-31.1-1: without any feed nothing is called healthy. R-31.1-7: a better class is refused, the
/// derived ones are the default, and every further fact stays visible.
#[test]
fn a_status_is_derived_and_never_better_than_its_facts() {
    let Some(office) = Office::open("status", "") else { return };
    office.staffed();
    let shown = status(&office);
    assert_eq!((&shown["operator"], &shown["network"]), (&json!("degraded"), &json!("degraded")));
    let kinds: Vec<_> = shown["facts"].as_array().unwrap().iter().map(|f| &f["kind"]).collect();
    assert_eq!(kinds, ["status_stale", "incident"]);

    let better = publish(&office, &["fine", "--operator", "healthy", "--network", "healthy"], 3);
    assert_eq!(better.err.matches("status_unproven").count() - 1, 2, "{}", better.err);
    let bare = publish(&office, &["worse", "--operator", "scoped-halt"], 3);
    assert!(bare.err.contains("reason_required"), "{}", bare.err);
    publish(&office, &["We look into it & more <soon>"], 0);
    let reason = ["--operator", "scoped_halt", "--reason", "n1 is switched off by hand"];
    publish(&office, &[&["Own reads are off"], &reason[..]].concat(), 0);
    let words = publish(&office, &["x", "--operator", "splendid"], 2);
    assert!(words.err.contains("safe_mode"), "{}", words.err);

    let said = status(&office);
    let said = said["published"].as_array().unwrap();
    assert_eq!(said.len(), 2);
    assert_eq!(
        (&said[0]["operator"], &said[0]["reason"]),
        (&json!("scoped_halt"), &json!("n1 is switched off by hand"))
    );
    assert_eq!(
        (&said[1]["operator"], &said[1]["network"]),
        (&json!("degraded"), &json!("degraded"))
    );
}

#[test]
fn the_files_are_whole_and_keep_every_published_status_with_its_signature() {
    let Some(office) = Office::open("status-files", "") else { return };
    publish(&office, &["We look into it & more <soon>"], 0);
    office.azir(&["status", "--out", "web", "--url", "https://status.example/"], 0);
    let read = |name: &str| std::fs::read_to_string(office.at("web").join(name)).unwrap();

    let page = read("index.html");
    assert!(page.contains("We look into it &amp; more &lt;soon&gt;"), "{page}");
    assert!(!page.contains("<script") && page.contains("prefers-color-scheme: dark"));
    assert!(page.contains("@media print") && page.contains("class=\"skip\""));
    let data: Value = serde_json::from_str(&read("status.json")).unwrap();
    assert_eq!(data["schema"], "azir.status/1");
    assert_eq!(data["incidents"][0]["state"], "DETECTED");
    let feed = read("feed.xml");
    assert!(feed.starts_with("<?xml") && feed.matches("<item>").count() == 2, "{feed}");
    let entry = data["published"][0]["entry"].as_u64().unwrap();
    assert!(feed.contains(&format!("<link>https://status.example/#p{entry}</link>")), "{feed}");

    let signed: Value = serde_json::from_str(&read(&format!("published/{entry:06}.json"))).unwrap();
    assert_eq!(signed["event"]["body"]["operator"], "degraded");
    assert!(signed["sig"].as_str().unwrap().contains("SSH SIGNATURE"));

    publish(&office, &["Still looking"], 0);
    office.azir(&["status", "--out", "web"], 0);
    assert!(read("index.html").contains("Still looking"), "an earlier output is replaced");
    assert!(read("index.html").contains("We look into it"), "old ones stay retrievable");
    std::fs::create_dir(office.at("mine")).unwrap();
    std::fs::write(office.at("mine/diary.txt"), "x").unwrap();
    let other = office.azir(&["status", "--out", "mine"], 2);
    assert!(other.err.contains("something else"), "{}", other.err);
    assert_eq!(super::live::count(&office.at("mine")), 1);
}
