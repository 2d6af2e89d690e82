//! Input that is too much, too deep, doubled, wrong or hostile. Nothing panics, nothing passes.

use serde_json::{Map, Value, json};

use super::export_tests::{exported, import_value};
use super::*;
use crate::testing::consensus;

fn uuid(name: &str) -> String {
    ids::uuid(4, name)
}

/// A small playbook without findings.
fn small() -> Value {
    let [start, act, end] = [("start", "s"), ("action", "a"), ("end", "e")]
        .map(|(kind, name)| format!("{kind}--{}", uuid(name)));
    let group = format!("group--{}", uuid("g"));
    json!({
        "type": "playbook", "spec_version": "cacao-2.0", "id": format!("playbook--{}", uuid("p")),
        "name": "Small", "created_by": ids::identity(), "created": "2024-01-01T00:00:00.000Z",
        "modified": "2024-01-01T00:00:00.000Z", "workflow_start": start,
        "workflow": {
            start.clone(): { "type": "start", "on_completion": act },
            act.clone(): {
                "type": "action", "on_completion": end, "agent": group,
                "commands": [{ "type": "bash", "command": "echo \u{1b}[2J\u{202e}x" }],
            },
            end.clone(): { "type": "end" },
        },
        "agent_definitions": { group.clone(): { "type": "group", "name": "us" } },
    })
}

fn key(kind: &str, name: &str) -> String {
    format!("{kind}--{}", uuid(name))
}

fn kinds(playbook: &Value) -> Vec<FindingKind> {
    let mut kinds: Vec<_> = import_value(playbook).findings.iter().map(|f| f.kind).collect();
    kinds.sort();
    kinds.dedup();
    kinds
}

#[test]
fn a_hundred_megabytes_are_refused_by_their_size_alone() {
    // No JSON at all: whoever parsed it would complain about that instead.
    let size = 100 * 1024 * 1024;
    assert_eq!(import(&vec![0; size]), Err(ImportError::TooLarge { size }));
    assert!(matches!(import(&vec![b' '; BYTES_MAX]), Err(ImportError::Syntax { .. })));
}

#[test]
fn ten_thousand_levels_are_refused_without_a_deep_stack() {
    for open in ["[", "{\"a\":"] {
        let text = open.repeat(10_000);
        let at = open.len() * DEPTH_MAX;
        assert_eq!(import(text.as_bytes()), Err(ImportError::TooDeep { at }));
    }
    // Brackets in texts are no levels.
    let mut playbook = small();
    playbook["name"] = json!("[".repeat(200) + "\\\"{");
    assert_eq!(kinds(&playbook), []);
    // As deep as allowed is read and judged, not refused.
    let deep = "[".repeat(DEPTH_MAX - 1) + &"]".repeat(DEPTH_MAX - 1);
    playbook["labels"] = serde_json::from_str(&deep).unwrap();
    assert_eq!(kinds(&playbook), []);
}

#[test]
fn doubled_members_and_what_is_no_object_are_refused_with_their_place() {
    let text = serde_json::to_string(&small()).unwrap();
    let doubled = text.replacen("{\"type\":\"end\"", "{\"type\":\"end\",\"type\":\"end\"", 1);
    assert_ne!(doubled, text);
    let error = import(doubled.as_bytes()).unwrap_err();
    assert!(matches!(error, ImportError::Duplicate { .. }), "{error}");
    assert!(error.to_string().contains("\"type\" stands twice at line 1 column"), "{error}");
    for bad in ["", "nul", "{", "{}x", "{\"a\":1e999}", "{\"a\":\"\u{1}\"}"] {
        assert!(matches!(import(bad.as_bytes()), Err(ImportError::Syntax { .. })), "{bad}");
    }
    assert!(matches!(import(b"{\"a\":\"\xff\"}"), Err(ImportError::Syntax { .. })));
    for bad in ["[]", "1", "\"x\"", "null", "true"] {
        assert!(matches!(import(bad.as_bytes()), Err(ImportError::NotAnObject { .. })), "{bad}");
    }
}

#[test]
fn too_many_steps_or_edges_are_refused_before_they_are_followed() {
    let mut playbook = small();
    let steps: Map<_, _> = (0..=STEPS_MAX).map(|i| (format!("x{i}"), json!({}))).collect();
    playbook["workflow"] = Value::Object(steps);
    let text = serde_json::to_vec(&playbook).unwrap();
    let error = import(&text).unwrap_err();
    assert!(matches!(error, ImportError::TooMany { what: "steps", .. }), "{error}");
    let many: Vec<_> = (0..=EDGES_MAX).map(|i| i.to_string()).collect();
    playbook["workflow"] = json!({ "x": { "next_steps": many } });
    let error = import(&serde_json::to_vec(&playbook).unwrap()).unwrap_err();
    assert!(matches!(error, ImportError::TooMany { what: "edges", .. }), "{error}");
}

#[test]
fn a_long_chain_and_a_wide_fan_are_followed_without_recursion_in_bounded_time() {
    let mut playbook = small();
    let id = |i: usize| format!("start--{}", uuid(&i.to_string()));
    let last = STEPS_MAX - 1;
    let chain = (0..last).map(|i| (id(i), json!({ "type": "start", "on_completion": id(i + 1) })));
    let mut steps: Map<_, _> = chain.collect();
    steps.insert(id(last), json!({ "type": "start", "on_completion": id(0) }));
    playbook["workflow_start"] = json!(id(0));
    playbook["workflow"] = Value::Object(steps);
    assert_eq!(kinds(&playbook), [FindingKind::Cycle]);

    let act = key("parallel", "wide");
    let ends: Vec<_> = (0..STEPS_MAX - 3).map(|i| key("end", &i.to_string())).collect();
    let mut playbook = small();
    for end in &ends {
        playbook["workflow"][end] = json!({ "type": "end" });
    }
    let after = key("end", "e");
    playbook["workflow"][&act] =
        json!({ "type": "parallel", "next_steps": ends, "on_completion": after });
    playbook["workflow"].as_object_mut().unwrap().remove(&key("action", "a"));
    playbook["workflow"][&key("start", "s")]["on_completion"] = json!(act);
    assert_eq!(kinds(&playbook), []);
}

/// One change: place, member, value, and exactly the findings that it must give.
type Case<'a> = (String, &'a str, Value, &'a [FindingKind]);

fn each_gives_its_findings(cases: Vec<Case<'_>>) {
    assert_eq!(kinds(&small()), []);
    for (at, member, value, want) in cases {
        let mut playbook = small();
        playbook.pointer_mut(&at).unwrap()[member] = value.clone();
        let mut want = want.to_vec();
        want.sort();
        assert_eq!(kinds(&playbook), want, "{at}/{member} = {value}");
    }
}

#[test]
fn every_fault_of_the_metadata_is_found_by_its_name() {
    use FindingKind::*;
    let act = key("action", "a");
    each_gives_its_findings(vec![
        (String::new(), "type", json!("bundle"), &[NotAPlaybook]),
        (String::new(), "spec_version", json!("cacao-1.0"), &[SpecVersionUnknown]),
        (String::new(), "name", Value::Null, &[WrongType]),
        (String::new(), "id", json!("playbook-1"), &[IdMalformed]),
        (String::new(), "created", json!("2024-02-31T00:00:00.000Z"), &[TimeMalformed]),
        (String::new(), "created", json!("2024-01-01T00:00:00Z"), &[TimePrecision]),
        (String::new(), "modified", json!("2024-01-01T00:00:00.0001Z"), &[TimePrecision]),
        (String::new(), "valid_from", json!("2024-01-01T00:00:00.0001Z"), &[]),
        (String::new(), "valid_from", json!("2024-01-01T00:00:00+01:00"), &[TimeMalformed]),
        (String::new(), "severity", json!(101), &[NumberOutOfRange]),
        (String::new(), "severity", json!(-1), &[NumberOutOfRange]),
        (String::new(), "severity", json!(1.5), &[WrongType]),
        (String::new(), "revoked", json!(true), &[Revoked]),
        (String::new(), "workflow", json!([]), &[WorkflowNotAnObject]),
        (String::new(), "workflow_start", json!("start--x"), &[StartDangling]),
        (String::new(), "workflow_exception", json!("end--x"), &[ExceptionDangling]),
        (String::new(), "workflow_start", json!(act), &[StartIsNoStart, UnreachableStep]),
        (String::new(), "playbook_extensions", json!({ "x": {} }), &[ExtensionUndeclared]),
    ]);
    for name in ["type", "name", "created_by", "workflow_start", "workflow"] {
        let mut playbook = small();
        playbook.as_object_mut().unwrap().remove(name);
        assert!(kinds(&playbook).contains(&MemberMissing), "{name}");
    }
}

#[test]
fn every_fault_of_a_step_or_definition_is_found_by_its_name() {
    use FindingKind::*;
    let [start, act, end] = [key("start", "s"), key("action", "a"), key("end", "e")];
    let group = key("group", "g");
    let step = |id: &str| format!("/workflow/{id}");
    let command = format!("/workflow/{act}/commands/0");
    each_gives_its_findings(vec![
        (step(&act), "type", json!("action2"), &[StepTypeUnknown]),
        (step(&act), "type", json!("parallel"), &[MemberMissing, StepPrefixDiffers]),
        (step(&act), "on_completion", json!("end--x"), &[EdgeDangling, UnreachableStep]),
        (step(&act), "on_completion", json!(act), &[Cycle, UnreachableStep]),
        (step(&act), "on_completion", json!(start), &[Cycle, UnreachableStep]),
        (step(&act), "on_completion", json!(3), &[WrongType, NoSuccessor, UnreachableStep]),
        (step(&act), "on_failure", json!(end), &[EdgesExclude]),
        (step(&act), "timeout", json!(-5), &[NumberOutOfRange]),
        (step(&act), "agent", json!("group--x"), &[AgentDangling]),
        (step(&act), "targets", json!(["ssh--x"]), &[TargetDangling]),
        (step(&act), "targets", json!([1]), &[WrongType]),
        (step(&act), "commands", json!([]), &[ActionWithoutCommand]),
        (step(&act), "commands", json!([7]), &[WrongType]),
        (step(&act), "step_extensions", json!({ "x": {} }), &[ExtensionUndeclared]),
        (step(&end), "on_completion", json!(end), &[EndLeadsOn, Cycle]),
        (command.clone(), "type", json!("perl"), &[CommandTypeUnknown]),
        (command.clone(), "command", json!(""), &[CommandWithoutText]),
        (command.clone(), "command_b64", json!("=="), &[Base64Malformed]),
        (
            format!("/agent_definitions/{group}"),
            "type",
            json!("robot"),
            &[AgentTypeUnknown, AgentPrefixDiffers],
        ),
        (
            String::new(),
            "target_definitions",
            json!({ "ssh--x": { "type": "linux", "name": "n" } }),
            &[TargetPrefixDiffers],
        ),
        (
            String::new(),
            "target_definitions",
            json!({ "x": { "type": "x", "name": "n" } }),
            &[TargetTypeUnknown],
        ),
    ]);
    let mut playbook = small();
    playbook["workflow"][&act].as_object_mut().unwrap().remove("agent");
    assert_eq!(kinds(&playbook), [ActionWithoutAgent]);
    let mut playbook = small();
    playbook["workflow"].as_object_mut().unwrap().remove(&start);
    assert_eq!(kinds(&playbook), [NoStartStep, StartDangling]);
}

#[test]
fn branches_need_steps_and_ends_of_their_own() {
    use FindingKind::{BranchEndShared, BranchesNotDistinct, NumberOutOfRange};
    let [start, end, other] = [key("start", "s"), key("end", "e"), key("end", "o")];
    let fork = key("if-condition", "f");
    let with = |on_true: &str, on_false: &str| {
        let mut playbook = small();
        playbook["workflow"][&start]["on_completion"] = json!(fork);
        playbook["workflow"][&other] = json!({ "type": "end" });
        playbook["workflow"][&fork] = json!({
            "type": "if-condition", "condition": "x", "on_true": on_true, "on_false": on_false,
            "on_completion": end,
        });
        playbook
    };
    let act = key("action", "a");
    assert_eq!(kinds(&with(&other, &other)), [BranchesNotDistinct, FindingKind::UnreachableStep]);
    // The action ends in the same end step to which the condition leads on.
    assert_eq!(kinds(&with(&other, &act)), [BranchEndShared]);
    let mut good = with(&other, &act);
    let third = key("end", "third");
    good["workflow"][&act]["on_completion"] = json!(third);
    good["workflow"][&third] = json!({ "type": "end" });
    assert_eq!(kinds(&good), []);
    let mut one = with(&other, &act);
    let parallel = key("parallel", "p");
    one["workflow"][&start]["on_completion"] = json!(parallel);
    one["workflow"].as_object_mut().unwrap().remove(&fork);
    one["workflow"][&parallel] =
        json!({ "type": "parallel", "next_steps": [other], "on_completion": act });
    assert_eq!(kinds(&one), [NumberOutOfRange]);
}

#[test]
fn text_of_strangers_cannot_steer_a_terminal() {
    let got = import_value(&small());
    let shown = got.draft.to_string();
    assert!(shown.contains("quoted bash, not run:\n    | echo \u{fffd}[2J\u{fffd}x"), "{shown}");
    let mut playbook = small();
    playbook["spec_version"] = json!(format!("\u{1b}]0;{}", "x".repeat(500)));
    let finding = import_value(&playbook).findings.remove(0);
    assert!(!finding.detail.contains('\u{1b}') && finding.detail.len() < 300, "{finding}");
    playbook["description"] = json!("y".repeat(9_000));
    assert!(import_value(&playbook).lost.iter().any(|l| l.kind == LostKind::TextEnd));
}

/// A fixed sequence of numbers; the tests have no other randomness.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n.max(1) as u64).unwrap()
    }
}

/// Puts another type, or a text of another place, where a value was.
fn spoil(value: &mut Value, random: &mut Seeded, texts: &[String]) {
    let down = random.below(6) > 0;
    match value {
        Value::Object(members) if down && !members.is_empty() => {
            let at = random.below(members.len());
            spoil(members.values_mut().nth(at).unwrap(), random, texts);
        }
        Value::Array(items) if down && !items.is_empty() => {
            let at = random.below(items.len());
            spoil(&mut items[at], random, texts);
        }
        other => {
            *other = match random.below(8) {
                0 => Value::Null,
                1 => json!(true),
                2 => json!(-1),
                3 => json!(1.5),
                4 => json!([]),
                5 => json!({ "a": [null, {}] }),
                6 => json!("\u{0}\u{202e}\"\"\"\n"),
                _ => json!(texts[random.below(texts.len())]),
            };
        }
    }
}

#[test]
fn spoiled_exports_never_panic_and_never_keep_the_hash_of_another_content() {
    let book = consensus();
    let whole = exported(&book);
    let texts: Vec<String> = whole["workflow"].as_object().unwrap().keys().cloned().collect();
    let mut random = Seeded(0x5eed);
    for round in 0..250 {
        let mut playbook = whole.clone();
        for _ in 0..=random.below(3) {
            spoil(&mut playbook, &mut random, &texts);
        }
        let Ok(got) = import(&serde_json::to_vec(&playbook).unwrap()) else { continue };
        let _shown = (got.draft.to_string(), jss_verify(&playbook));
        if let Some(hash) = got.runbook_hash {
            // What is left are the members that may differ, and the times.
            let mut same = playbook.clone();
            for name in ["created", "modified"] {
                same[name] = whole[name].clone();
            }
            assert_eq!((hash, &same), (book.hash(), &whole), "round {round}");
        }
    }
}

#[test]
fn spoiled_bytes_never_panic() {
    let text = serde_json::to_vec(&small()).unwrap();
    let mut random = Seeded(7);
    for _ in 0..3_000 {
        let mut bytes = text.clone();
        let at = random.below(bytes.len());
        match random.below(3) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes.truncate(at),
            _ => bytes.insert(at, b"{}[]\",:\\0"[random.below(9)]),
        }
        let _judged = import(&bytes);
    }
}
