//! Every shipped runbook out and in again, and what happens when a tool changes it in between.

use std::collections::BTreeSet;
use std::path::Path;

use azir_ledger::Timestamp;
use serde_json::{Value, json};

use super::ids::{EXTENSION, is_identifier};
use super::*;
use crate::model::{Runbook, Target, Work};
use crate::shipped_tests::shipped;
use crate::testing::consensus;

pub(super) fn stamp() -> Stamp {
    let created = Timestamp::from_ms(1_700_000_000_000);
    Stamp { created, modified: created.plus_ms(1) }
}

pub(super) fn exported(book: &Runbook) -> Value {
    export(book, &stamp()).unwrap()
}

pub(super) fn import_value(playbook: &Value) -> Imported {
    import(&serde_json::to_vec(playbook).unwrap()).unwrap()
}

fn books() -> Vec<Runbook> {
    let all: Vec<_> = shipped().into_iter().map(|s| s.runbook).collect();
    let ids: BTreeSet<_> = all.iter().map(Runbook::id).collect();
    assert!(ids.len() >= 11, "{}", ids.len());
    all
}

#[test]
fn import_of_every_export_gives_the_same_runbook_with_the_same_hash_and_loses_nothing() {
    for book in books() {
        let got = import_value(&exported(&book));
        assert_eq!(got.findings, [], "{}", book.id());
        assert_eq!(got.book.as_ref(), Some(&book), "{}", book.id());
        assert_eq!(got.runbook_hash, Some(book.hash()));
        assert_eq!(got.lost, []);
        assert!(got.draft.steps.len() > book.steps().len());
    }
}

#[test]
fn an_export_depends_on_runbook_and_times_alone_and_names_every_object_once() {
    for book in books() {
        let playbook = exported(&book);
        assert_eq!(playbook, exported(&book));
        assert_eq!(findings(&playbook), []);
        // It has a canonical form, so it can be signed.
        azir_ledger::canon::encode_value(&playbook).unwrap();
        assert_eq!(playbook["created"], "2023-11-14T22:13:20.000Z");
        let mut uuids = BTreeSet::new();
        let lists = ["workflow", "agent_definitions", "extension_definitions"];
        let keys = lists.iter().flat_map(|l| playbook[l].as_object().unwrap().keys());
        for id in keys.map(String::as_str).chain(playbook["id"].as_str()) {
            assert!(is_identifier(id), "{id}");
            assert!(uuids.insert(id.split_once("--").unwrap().1.to_owned()), "{id}");
        }
        assert!(playbook["id"].as_str().unwrap().chars().nth(24) == Some('5'));
    }
}

#[test]
fn times_in_the_wrong_order_are_refused() {
    let Stamp { created, modified } = stamp();
    let stamp = Stamp { created: modified, modified: created };
    let refused = export(&consensus(), &stamp).unwrap_err();
    assert!(matches!(refused, ExportError::TimesReversed { .. }), "{refused}");
}

/// The chain of gates stands in the order of the file, and each block names every target of its
/// step. As edges lead forward only, one pass along the chain follows every path.
#[test]
fn one_pass_along_the_chain_meets_every_step_in_order_and_every_edge_in_its_block() {
    for book in books() {
        let playbook = exported(&book);
        let workflow = &playbook["workflow"];
        let start = playbook["workflow_start"].as_str().unwrap();
        let mut gate = workflow[start]["on_completion"].as_str().unwrap();
        for step in book.steps() {
            let condition = format!("__at__:value = '{}'", step.id);
            assert_eq!(workflow[gate]["condition"], json!(condition));
            let mut open = vec![workflow[gate]["on_true"].as_str().unwrap()];
            let mut said = BTreeSet::new();
            while let Some(id) = open.pop() {
                let command = workflow[id]["commands"][0]["command"].as_str().unwrap_or_default();
                let named = command.to_lowercase();
                let parts = named.split("set __at__ to '").skip(1);
                said.extend(parts.map(|p| p.split('\'').next().unwrap().to_owned()));
                open.extend(graph::edges(&workflow[id]).into_iter().map(|e| e.to));
            }
            let want = step.work.edges().into_iter().chain([&step.on_deadline]);
            assert_eq!(said, want.map(Target::to_string).collect(), "{} {}", book.id(), step.id);
            gate = workflow[gate]["on_completion"].as_str().unwrap();
        }
        assert_eq!(workflow[gate]["type"], "end");
        let first = &playbook["playbook_variables"]["__at__"]["value"];
        assert_eq!(first, book.steps()[0].id.as_str());
    }
}

#[test]
fn every_kind_of_step_takes_the_form_that_cacao_has_for_it() {
    let playbook = exported(&consensus());
    let workflow = playbook["workflow"].as_object().unwrap();
    for step in consensus().steps() {
        let (_, action) = workflow
            .iter()
            .find(|(_, s)| {
                s["step_extensions"][EXTENSION]["runbook_step"]["id"] == step.id.as_str()
            })
            .unwrap();
        assert_eq!(action["commands"][0]["type"], "manual");
        assert_eq!(action["timeout"], json!(u64::from(step.deadline_s) * 1000));
        let after = graph::kind(&workflow[action["on_success"].as_str().unwrap()]);
        let want = match step.work.kind() {
            "decision" | "check" => "switch-condition",
            "approval" | "wait" => "if-condition",
            _ => "end",
        };
        assert_eq!(after, want, "{}", step.id);
    }
}

/// What a command tells the person to set `__at__` to, in its order.
fn told(workflow: &Value, id: &str) -> Vec<String> {
    let command = workflow[id]["commands"][0]["command"].as_str().unwrap().to_lowercase();
    let parts = command.split("set __at__ to '").skip(1);
    parts.map(|p| p.split('\'').next().unwrap().to_owned()).collect()
}

#[test]
fn every_answer_success_failure_and_deadline_leads_where_the_runbook_says() {
    let all: Vec<_> = books().into_iter().map(|b| (exported(&b), b)).collect();
    let steps = all.iter().flat_map(|(p, b)| b.steps().iter().map(move |s| (p, b, s)));
    for (playbook, book, step) in steps {
        let workflow = &playbook["workflow"];
        let id = |kind: &str, part: &str| {
            format!("{kind}--{}", ids::uuid(4, &format!("{}/{}/{part}", book.id(), step.id)))
        };
        let (act, late) = (id("action", "act"), id("action", "late"));
        let deadline = &step.on_deadline;
        let branch = |kind: &str, member: &str| {
            told(workflow, workflow[&id(kind, "answer")].pointer(member).unwrap().as_str().unwrap())
        };
        let fork = |member: &str| branch("if-condition", member);
        let case = |name: &str| branch("switch-condition", &format!("/cases/{name}"));
        let is = |to: &Target| vec![to.to_string()];
        match &step.work {
            Work::Auto { next, on_fail, .. } | Work::Manual { next, on_fail, .. } => {
                assert_eq!(told(workflow, &act), is(next), "{}", step.id);
                assert_eq!(told(workflow, &late), [is(on_fail), is(deadline)].concat());
                continue;
            }
            Work::Decision { answers, .. } => {
                answers.iter().for_each(|a| assert_eq!(case(&a.id), is(&a.goto), "{}", step.id));
            }
            Work::Approval { next, on_reject, .. } => {
                assert_eq!((fork("/on_true"), fork("/on_false")), (is(next), is(on_reject)));
            }
            Work::Check { next, on_fail, on_unknown, .. } => {
                assert_eq!((case("true"), case("false")), (is(next), is(on_fail)), "{}", step.id);
                assert_eq!(case("unknown"), is(on_unknown), "{}", step.id);
            }
            Work::Wait { next, .. } => {
                assert_eq!((fork("/on_true"), fork("/on_false")), (is(next), is(deadline)));
            }
        }
        assert_eq!(told(workflow, &act), [""; 0]);
        assert_eq!(told(workflow, &late), is(deadline), "{}", step.id);
    }
}

/// What a tool may do to an export, and the place that the import must name.
#[test]
fn a_workflow_that_disagrees_with_the_extension_is_a_finding_and_has_no_hash() {
    let whole = exported(&consensus());
    let ids = |kind: &str| {
        let keys = whole["workflow"].as_object().unwrap().keys();
        keys.filter(|k| k.starts_with(kind)).cloned().collect::<Vec<_>>()
    };
    let carrier = ids("action--")
        .into_iter()
        .find(|id| whole["workflow"][id].get("step_extensions").is_some())
        .unwrap();
    let gate = &ids("if-condition--")[0];
    let group = whole["agent_definitions"].as_object().unwrap().keys().next().unwrap();
    let ext = format!("/playbook_extensions/{EXTENSION}");
    let own = format!("/workflow/{carrier}/step_extensions/{EXTENSION}/runbook_step");
    use FindingKind::{ExtensionMalformed, ExtensionRefused, HashDiffers, WorkflowDisagrees};
    for (at, value, kind) in [
        (format!("/workflow/{carrier}/commands/0/command"), json!("rm -rf /"), WorkflowDisagrees),
        (format!("/workflow/{carrier}/timeout"), json!(1), WorkflowDisagrees),
        (format!("/workflow/{gate}/condition"), json!("__at__:value = 'x'"), WorkflowDisagrees),
        (format!("/agent_definitions/{group}/name"), json!("anybody"), WorkflowDisagrees),
        ("/playbook_variables/__at__/value".into(), json!("end"), WorkflowDisagrees),
        ("/name".into(), json!("Other"), WorkflowDisagrees),
        (format!("/extension_definitions/{EXTENSION}/version"), json!("2.0.0"), WorkflowDisagrees),
        (format!("{ext}/header/title"), json!("Other"), WorkflowDisagrees),
        (format!("{ext}/runbook/title"), json!("Other"), HashDiffers),
        (format!("{own}/edges/deadline_s"), json!(77), HashDiffers),
        (format!("{ext}/runbook_hash"), json!("00"), HashDiffers),
        (format!("{own}/edges/deadline_s"), json!(0), ExtensionRefused),
        (format!("{own}/does/op"), json!("shell.exec"), ExtensionRefused),
        (format!("{ext}/runbook/trigger"), json!([]), ExtensionRefused),
        (format!("{ext}/runbook"), json!(7), ExtensionMalformed),
        (format!("{ext}/step_order/0"), json!("x"), ExtensionMalformed),
        (format!("{ext}/step_order"), json!([]), ExtensionMalformed),
        (format!("{own}/id"), json!("other"), ExtensionMalformed),
    ] {
        let mut playbook = whole.clone();
        *playbook.pointer_mut(&at).unwrap_or_else(|| panic!("{at}")) = value;
        let got = import_value(&playbook);
        assert!(got.findings.iter().any(|f| f.kind == kind), "{at}: {:?}", got.findings);
        assert_eq!((got.book, got.runbook_hash), (None, None), "{at}");
        assert!(got.lost.iter().any(|l| l.kind == LostKind::Extension), "{at}");
    }
    let mut fewer = whole.clone();
    fewer["workflow"].as_object_mut().unwrap().remove(&carrier);
    assert_eq!(import_value(&fewer).runbook_hash, None);
    let mut more = whole.clone();
    more["workflow"][&format!("end--{}", ids::uuid(4, "more"))] = json!({ "type": "end" });
    let place = format!("workflow/end--{}", ids::uuid(4, "more"));
    assert!(import_value(&more).findings.iter().any(|f| f.place == place));
}

/// R-34.1-1: each of the ten members taken out in turn; the finding names it.
#[test]
fn a_playbook_whose_runbook_lacks_one_of_the_ten_members_is_refused_naming_it() {
    let whole = exported(&consensus());
    let refused = |playbook: &Value, name: &str| {
        let got = import_value(playbook);
        assert_eq!(got.runbook_hash, None, "{name}");
        let named =
            |f: &Finding| f.kind == FindingKind::ExtensionRefused && f.detail.contains(name);
        assert!(got.findings.iter().any(named), "{name}: {:?}", got.findings);
    };
    let lists = ["trigger", "precondition", "escalation", "exit", "evidence"];
    for name in ["id", "title", "classes"].into_iter().chain(lists) {
        let mut playbook = whole.clone();
        let runbook = &mut playbook["playbook_extensions"][EXTENSION]["runbook"];
        runbook.as_object_mut().unwrap().remove(name).unwrap();
        refused(&playbook, name);
    }
    for part in ["immediate", "recovery"] {
        let mut playbook = whole.clone();
        let mut gone = BTreeSet::new();
        for step in playbook["workflow"].as_object_mut().unwrap().values_mut() {
            let at = format!("/step_extensions/{EXTENSION}/runbook_step");
            if step.pointer(&format!("{at}/by/part")) == Some(&json!(part)) {
                gone.insert(
                    step.pointer(&format!("{at}/id")).unwrap().as_str().unwrap().to_owned(),
                );
                step.as_object_mut().unwrap().remove("step_extensions");
            }
        }
        let order =
            playbook["playbook_extensions"][EXTENSION]["step_order"].as_array_mut().unwrap();
        order.retain(|id| !gone.contains(id.as_str().unwrap()));
        refused(&playbook, part);
    }
}

/// R-34.1-8: a checklist without one of the lines that its class demands.
#[test]
fn a_playbook_whose_checklist_lacks_a_line_of_the_class_is_refused_as_evidence_missing() {
    let mut playbook = exported(&consensus());
    let runbook = &mut playbook["playbook_extensions"][EXTENSION]["runbook"];
    let lines = runbook["evidence"].as_array_mut().unwrap();
    lines.retain(|line| line["id"] != "vote_messages");
    let got = import_value(&playbook);
    assert_eq!(got.runbook_hash, None);
    let detail =
        &got.findings.iter().find(|f| f.kind == FindingKind::ExtensionRefused).unwrap().detail;
    assert!(detail.contains("evidence_missing") && detail.contains("vote_messages"), "{detail}");
}

#[test]
fn a_new_time_a_mark_or_a_signature_is_no_disagreement() {
    let mut playbook = exported(&consensus());
    playbook["modified"] = json!("2030-01-01T00:00:00.000Z");
    playbook["valid_until"] = json!("2031-01-01T00:00:00.000Z");
    playbook["revoked"] = json!(false);
    let got = import_value(&playbook);
    assert_eq!((got.findings, got.runbook_hash), (vec![], Some(consensus().hash())));
    playbook["revoked"] = json!(true);
    let got = import_value(&playbook);
    assert_eq!(got.findings.iter().map(|f| f.kind).collect::<Vec<_>>(), [FindingKind::Revoked]);
    assert_eq!(got.runbook_hash, None);
}

#[test]
fn without_the_extension_an_export_is_a_draft_that_says_what_is_lost() {
    for book in books() {
        let mut playbook = exported(&book);
        playbook.as_object_mut().unwrap().remove("playbook_extensions");
        let got = import_value(&playbook);
        assert_eq!((got.book, got.runbook_hash), (None, None));
        assert_eq!(got.findings, []);
        let lost: BTreeSet<_> = got.lost.iter().map(|l| l.kind).collect();
        for kind in [LostKind::Condition, LostKind::Timing, LostKind::Extension] {
            assert!(lost.contains(&kind), "{kind}");
        }
        assert!(got.draft.missing.contains(&"class"));
        let text = got.draft.to_string();
        assert!(book.steps().iter().all(|s| text.contains(s.title.as_str())));
        assert_eq!(import_value(&playbook).draft, got.draft);
    }
}

/// Reads schemas from files given beforehand, and nothing else.
fn published() -> Option<jsonschema::Validator> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/cacao-schemas");
    if !root.is_dir() {
        eprintln!("skipped: {} is absent", root.display());
        return None;
    }
    let mut registry = jsonschema::Registry::new();
    let mut main = None;
    let mut open = vec![root.join("schemas")];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let schema: Value =
                serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            let id = schema["$id"].as_str().unwrap().to_owned();
            if path.ends_with("schemas/playbook.json") {
                main = Some(schema.clone());
            }
            registry = registry.add(id, schema).unwrap();
        }
    }
    let registry = registry.prepare().unwrap();
    let options =
        jsonschema::options().with_draft(jsonschema::Draft::Draft7).with_registry(&registry);
    Some(options.build(&main.unwrap()).unwrap())
}

#[test]
fn every_export_is_valid_under_the_published_schemas_read_as_draft_07() {
    let Some(schema) = published() else { return };
    for book in books() {
        let playbook = exported(&book);
        let errors: Vec<_> = schema.iter_errors(&playbook).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", book.id());
    }
    // The gate itself can refuse, also below a reference.
    let mut broken = exported(&consensus());
    broken["modified"] = json!("yesterday");
    assert!(!schema.is_valid(&broken));
    let mut broken = exported(&consensus());
    let start = broken["workflow_start"].as_str().unwrap().to_owned();
    broken["workflow"][&start]["on_failure"] = json!(start);
    assert!(!schema.is_valid(&broken));
}

#[test]
fn what_the_extension_carries_is_valid_under_the_schema_that_it_names() {
    let schema: Value = serde_json::from_str(export::EXTENSION_SCHEMA).unwrap();
    let schema = jsonschema::draft7::new(&schema).unwrap();
    for book in books() {
        let playbook = exported(&book);
        let on_steps = playbook["workflow"].as_object().unwrap().values();
        let on_steps = on_steps.filter_map(|s| s.get("step_extensions"));
        let mut all: Vec<_> = on_steps.map(|e| &e[EXTENSION]).collect();
        assert_eq!(all.len(), book.steps().len());
        all.push(&playbook["playbook_extensions"][EXTENSION]);
        for carried in all {
            let errors: Vec<_> = schema.iter_errors(carried).map(|e| e.to_string()).collect();
            assert!(errors.is_empty(), "{}: {errors:#?}", book.id());
        }
    }
    assert!(!schema.is_valid(&json!({ "runbook_step": { "id": "x" } })));
}
