//! Bad files: each is refused with place and remedy.

use crate::error::LoadError;
use crate::testing::{CONSENSUS, consensus, load_ok};

fn fails(from: &str, to: &str) -> LoadError {
    assert!(CONSENSUS.contains(from), "{from}");
    crate::load(&CONSENSUS.replacen(from, to, 1), "bad.toml").unwrap_err()
}

#[track_caller]
fn says(error: &LoadError, part: &str) {
    assert!(error.to_string().contains(part), "{error}");
}

fn line_of(needle: &str) -> usize {
    CONSENSUS.lines().position(|l| l.starts_with(needle)).unwrap() + 1
}

/// R-34.1-1: remove each of the ten members in turn.
#[test]
fn a_document_without_one_of_the_ten_members_is_refused_naming_it() {
    let members = [
        ("id = \"RB-CONSENSUS-001\"\n", "id"),
        ("title = \"Consensus incident\"\n", "title"),
        ("classes = [\"INC_CONSENSUS\"]\n", "classes"),
    ];
    for (line, name) in members {
        says(&fails(line, ""), &format!("missing field `{name}`"));
    }
    for list in ["trigger", "precondition", "evidence", "escalation", "exit"] {
        let start = CONSENSUS.find(&format!("\n{list} = [\n")).unwrap() + 1;
        let end = start + CONSENSUS[start..].find("\n]\n").unwrap() + 3;
        let without = format!("{}{}", &CONSENSUS[..start], &CONSENSUS[end..]);
        says(&crate::load(&without, "bad.toml").unwrap_err(), &format!("missing field `{list}`"));
        let empty = format!("{}{list} = []\n{}", &CONSENSUS[..start], &CONSENSUS[end..]);
        says(&crate::load(&empty, "bad.toml").unwrap_err(), &format!("{list} is empty"));
    }
    let steps = CONSENSUS.find("[[step]]").unwrap();
    says(&crate::load(&CONSENSUS[..steps], "bad.toml").unwrap_err(), "missing field `step`");
    let one_part = CONSENSUS.replace("part = \"recovery\"", "part = \"immediate\"");
    says(&crate::load(&one_part, "bad.toml").unwrap_err(), "no step of part recovery");
}

#[test]
fn unknown_keys_and_words_are_refused_with_line_and_column() {
    let error = fails("owner = \"CL\"\n", "owner = \"CL\"\ncolour = \"red\"\n");
    assert!(matches!(error, LoadError::Syntax { .. }));
    says(&error, "unknown field `colour`");
    assert_eq!(error.place().unwrap().line, line_of("owner = ") + 1);
    says(&error, "bad.toml:");
    says(&fails("op = \"gate.close\"", "op = \"shell.exec\""), "shell.exec");
    says(&fails("[\"INC_CONSENSUS\"]", "[\"INC_OTHER\"]"), "INC_OTHER");
    says(&fails("deadline_s = 5 }", "deadline_s = 5.0 }"), "floating point");
    says(&fails("title = \"Consensus incident\"", "title = \"x\"\ntitle = \"y\""), "duplicate key");
    says(&fails("azir.runbook/1", "azir.runbook/2"), "must be \"azir.runbook/1\"");
    assert!(matches!(
        crate::load(&" ".repeat(300_000), "bad.toml"),
        Err(LoadError::TooLarge { size: 300_000, .. })
    ));
    for text in ["", "\u{0}", "[[step]]\n[[step]", "a = [[[[["] {
        assert!(crate::load(text, "bad.toml").is_err(), "{text:?}");
    }
    let deep = format!("x = {}1{}", "[".repeat(5000), "]".repeat(5000));
    assert!(crate::load(&deep, "bad.toml").is_err());
}

#[test]
fn duplicate_ids_name_the_second_place() {
    let error = fails("id = \"close-gates\"", "id = \"pin-evidence\"");
    assert!(matches!(error, LoadError::Duplicate { what: "step", .. }), "{error}");
    let place = error.place().unwrap();
    assert_eq!((place.line, place.column), (line_of("id = \"close-gates\""), 6));
    let error = fails("id = \"no-finality\"", "id = \"front-divergence\"");
    assert!(matches!(error, LoadError::Duplicate { what: "trigger", .. }), "{error}");
    let error = fails("id = \"logs\"", "id = \"parameters\"");
    assert!(matches!(error, LoadError::Duplicate { what: "evidence", .. }), "{error}");
}

#[test]
fn edges_lead_to_later_steps_and_all_of_them_are_there() {
    says(&fails("next = \"validation-safe\"", "next = \"nowhere\""), "\"nowhere\" is no step");
    let error = fails("next = \"validation-safe\"", "next = \"pin-evidence\"");
    says(&error, "edges lead forward only");
    let line = CONSENSUS.lines().nth(error.place().unwrap().line - 1).unwrap();
    assert!(line.contains("next = \"validation-safe\""), "{line}");
    let edges = "edges = { next = \"validation-safe\", on_fail = \"hold\"";
    let error = fails(edges, "edges = { next = \"validation-safe\"");
    assert!(matches!(error, LoadError::MissingEdge { edge: "on_fail", .. }), "{error}");
    let error = fails(edges, "edges = { on_fail = \"hold\"");
    assert!(matches!(error, LoadError::MissingEdge { edge: "next", .. }), "{error}");
    let error = fails("on_unknown = \"hold\", ", "");
    assert!(matches!(error, LoadError::MissingEdge { edge: "on_unknown", .. }), "{error}");
    let error = fails("on_reject = \"hold\", ", "");
    assert!(matches!(error, LoadError::MissingEdge { edge: "on_reject", .. }), "{error}");
    let error = fails("on_deadline = \"hold\", deadline_s = 5 }", "deadline_s = 5 }");
    assert!(matches!(error, LoadError::MissingEdge { edge: "on_deadline", .. }), "{error}");
}

#[test]
fn kinds_have_their_own_keys_and_call_and_parallel_are_refused_by_name() {
    for kind in ["call", "parallel"] {
        let error = fails("does = { kind = \"auto\"", &format!("does = {{ kind = \"{kind}\""));
        says(&error, &format!("\"{kind}\" is not supported"));
    }
    says(&fails("does = { kind = \"auto\"", "does = { kind = \"shell\""), "is none of auto");
    says(&fails("quorum = 2", "quorum = 2, op = \"gate.close\""), "op does not belong");
    says(&fails("quorum = 2", "quorum = 0"), "quorum must be");
    says(&fails(", op = \"gate.close\", args", ", args"), "op is missing");
    says(&fails("attempts_max = 2", "attempts_max = 6"), "attempts_max must be 1 to 5");
    says(&fails("\nundo = ", "\nirreversible_because = \"x\"\nundo = "), "exclude each other");
    says(
        &fails("undo = \"Delete the draft; nothing was submitted.\"\n", ""),
        "undo or irreversible",
    );
    says(&fails("why = [\"14.2\", \"10.2\", \"9.2\"]", "why = []"), "why is empty");
    says(&fails("why = [\"14.2\", \"10.2\", \"9.2\"]", "why = [\"99.1\"]"), "clause of AZ-015");
    says(&fails("text = \"Only finalized", "text = \"\\u0000Only finalized"), "control character");
    says(&fails("text = \"Only finalized", "text = \"e\\u0301Only finalized"), "combining mark");
    says(&fails("title = \"Close again\"", "title = \" \""), "title is blank");
}

/// R-34.1-6: a recovery step that names no mode is refused.
#[test]
fn a_recovery_step_without_its_mode_is_refused() {
    says(&fails(", mode = \"RM_SPECULATIVE_BRANCH_RESET\"", ""), "mode is missing");
}

#[test]
fn facts_are_declared_typed_and_only_about_earlier_steps() {
    says(&fails("fact = \"replay_match\"", "fact = \"replay_matches\""), "is not declared");
    says(
        &fails("fact = \"replay_match\", is = true", "fact = \"replay_match\", at_least = 1"),
        "is bool",
    );
    says(
        &fails("fact = \"replay_match\", is = true", "fact = \"replay_match\""),
        "exactly one of `is`",
    );
    says(
        &fails(
            "{ all = [{ fact = \"replay_match\"",
            "{ any = [], all = [{ fact = \"replay_match\"",
        ),
        "exactly one of",
    );
    let before = "guard = { all = [{ fact = \"conflicting_hard_final\", is = false }";
    let asks =
        |step: &str| format!("guard = {{ all = [{{ fact = \"{step}\", is = \"safe_restart\" }}");
    load_ok(&CONSENSUS.replacen(before, &asks("answer.choose-way"), 1));
    says(&fails(before, &asks("answer.approve-restart")), "comes later");
    let deep = format!(
        "{}{{ fact = \"replay_match\", is = true }}{}",
        "{ not = ".repeat(10),
        " }".repeat(10)
    );
    says(&fails("{ fact = \"fronts_equal\", is = true }", &deep), "nested deeper");
    says(&fails("at_least = 21", "at_least = 9007199254740993"), "2^53-1");
}

#[test]
fn machines_and_timeouts_neither_approve_nor_release() {
    let human = "by = { roles = [\"RO\"], part = \"recovery\", mode = \"RM_FINALIZED_REPLAY\", why = [\"30.1\"";
    says(&fails(human, &human.replace("\"RO\"", "\"AUT\"")), "AUT may not start role.reopen");
    let consent = "by = { roles = [\"IC\", \"CL\"], part = \"recovery\", mode = \"RM_FINALIZED_REPLAY\", why = [\"29.1\"";
    says(&fails(consent, &consent.replace("\"IC\"", "\"AUT\"")), "is a person's");
    let edges = "edges = { next = \"reopen-reading\", on_reject = \"hold\", on_deadline = \"hold\"";
    let lenient = edges.replace("on_deadline = \"hold\"", "on_deadline = \"reopen-reading\"");
    says(&fails(edges, &lenient), "a timeout never leads to a step that mutates or releases");
    let consent = edges.replace("on_reject = \"hold\"", "on_reject = \"reopen-reading\"");
    says(&fails(edges, &consent), "a rejection must not lead where consent leads");
    let check = "edges = { next = \"approve-restart\", on_fail = \"hold\", on_unknown = \"hold\", on_deadline = \"hold\"";
    for edge in ["on_fail", "on_unknown", "on_deadline"] {
        let bad =
            check.replace(&format!("{edge} = \"hold\""), &format!("{edge} = \"approve-restart\""));
        assert!(matches!(fails(check, &bad), LoadError::Rule { .. }), "{edge}");
        let ends = check.replace("on_deadline = \"hold\"", "on_deadline = \"end\"");
        says(&fails(check, &ends), "a timeout never ends a run");
    }
    says(
        &fails("kind = \"auto\", effect = \"release\"", "kind = \"auto\", effect = \"observe\""),
        "effect must be release",
    );
}

#[test]
fn unreached_steps_and_uncollected_evidence_are_refused() {
    let error = fails("on_fail = \"isolate-difference\"", "on_fail = \"hold\"");
    says(&error, "\"isolate-difference\" is reached by no edge");
    says(
        &fails("evidence = [\"replay_traces\"]\n", ""),
        "\"replay_traces\" is collected by no step",
    );
    says(
        &fails("evidence = [\"replay_traces\"]", "evidence = [\"replay_trace\"]"),
        "not on the checklist",
    );
}

#[test]
fn the_shipped_runbook_stays_readable() {
    assert!(CONSENSUS.lines().count() < 400);
    for step in consensus().steps() {
        assert!(step.title.len() <= 70 && step.text.len() <= 260, "{}", step.id);
    }
}

/// R-34.1-8: the checklist holds at least the lists of the class, as annex N.3 marks them.
#[test]
fn a_checklist_that_lacks_a_line_of_the_class_is_refused() {
    for item in ["candidate_graph", "vote_messages", "state_roots", "versions"] {
        let line =
            CONSENSUS.lines().find(|l| l.starts_with(&format!("  {{ id = \"{item}\""))).unwrap();
        let without = CONSENSUS.replacen(&format!("{line}\n"), "", 1);
        let error = crate::load(&without, "bad.toml").unwrap_err();
        says(&error, &format!("evidence_missing: the checklist lacks {item}"));
    }
    let from = "title = \"Graph of candidate blocks.\", from = \"SEV_3_HIGH\", pin = true";
    says(&fails(from, &from.replace("true", "false")), "candidate_graph must have pin = true");
    says(&fails("id = \"logs\"", "id = \"log_files\""), "log_files");
}
