//! An attestation is computed: what is taken out of a log or altered in it changes the verdicts.

use std::collections::BTreeMap;

use azir_ledger::{Digest, Entry};
use azir_model::{IncidentState as S, RefusalKind as K, Role};
use serde_json::{Value, json};

use super::{Attestation, BEYOND, Verdict, attest, table};
use crate::body::RecoveryPlanned;
use crate::testing::walk::whole;
use crate::testing::{Stage, at};
use crate::{Body, evidence};

fn of(stage: &Stage, entries: &[Entry]) -> Attestation {
    attest(entries, &stage.vault, stage.now)
}

fn verdict(found: &Attestation, section: &str) -> Vec<Verdict> {
    found.lines.iter().filter(|l| l.section == section).map(|l| l.verdict).collect()
}

#[track_caller]
fn contradicted(found: &Attestation, section: &str, why: &str) {
    let said = found.lines.iter().filter(|l| l.section == section).flat_map(|l| &l.against);
    let said: Vec<_> = said.map(|a| a.why.as_str()).collect();
    assert!(said.iter().any(|w| w.contains(why)), "{section}: {why:?} not in {said:?}");
}

fn without(stage: &Stage, kind: &str) -> Vec<Entry> {
    stage.entries.iter().filter(|e| e.signed.event().kind != kind).cloned().collect()
}

/// The log with one member of the first event of a kind changed, signed again by its author.
fn altered(stage: &Stage, kind: &str, change: impl FnOnce(&mut Value)) -> Vec<Entry> {
    let mut entries = stage.entries.clone();
    let entry = entries.iter_mut().find(|e| e.signed.event().kind == kind).unwrap();
    let mut event = entry.signed.event().clone();
    change(&mut event.body);
    entry.signed = Stage::sign(&event);
    entries
}

#[test]
fn a_whole_incident_shows_its_controls_and_contradicts_none() {
    let stage = whole();
    let found = of(stage, &stage.entries);
    for line in &found.lines {
        assert_ne!(line.verdict, Verdict::Contradicted, "{line:#?}");
    }
    for section in [
        "2.1", "2.2", "2.3", "3", "5.1", "5.2", "6.1", "6.2", "6.3", "7.2", "7.3", "8", "9.1",
        "12", "24", "26", "27", "29", "30", "32.1", "33", "33.1", "34", "39", "41.2", "41.3",
    ] {
        assert!(verdict(&found, section).contains(&Verdict::Shown), "{section}");
    }
    for section in ["13", "15", "25", "28", "31", "36", "37", "38", "40.1", "40.7"] {
        assert_eq!(verdict(&found, section), [Verdict::NotExercised], "{section}");
    }
    let closing = found.lines.iter().find(|l| l.section == "10.1").unwrap();
    let at = closing.entries[0];
    let entry = &stage.entries[usize::try_from(at.index).unwrap()];
    assert_eq!((entry.signed.hash(), &*entry.signed.event().kind), (at.event, "state.moved"));
}

#[test]
fn an_empty_log_shows_nothing() {
    let found = attest(&[], &BTreeMap::<Digest, Vec<u8>>::new(), whole().now);
    assert_eq!(found.count(Verdict::NotExercised), found.lines.len());
}

#[test]
fn what_is_taken_out_is_no_longer_shown() {
    let stage = whole();
    for (kind, section) in [
        ("decision.recorded", "24"),
        ("decision.recorded", "41.3"),
        ("measure.commanded", "2.2"),
        ("checkpoint.pinned", "27"),
        ("restart.decided", "29"),
        ("runbook.bound", "34"),
        ("recovery.approved", "26"),
        ("confirmation.verified", "3"),
        ("postmortem.published", "39"),
    ] {
        let found = of(stage, &without(stage, kind));
        assert!(!verdict(&found, section).contains(&Verdict::Shown), "{section} without {kind}");
        contradicted(&found, "41.2", "is due");
    }
}

#[test]
fn what_others_rest_on_and_is_missing_speaks_against_them() {
    let stage = whole();
    for (kind, section, why) in [
        ("evidence.collected", "10.1", "without end state"),
        ("evidence.pinned", "9.1", "not pinned"),
        ("replay.reported", "27", "no matching replay"),
        ("criterion.signed", "29", "another digest"),
        ("restart.decided", "30", "no such decision"),
        ("phase.carried", "2.3", "nobody carried"),
        ("gate.stated", "12", "no gate says so"),
        ("recovery.planned", "26", "no plan"),
        ("incident.declared", "32.1", "who declared severity"),
        ("postmortem.published", "33.1", "without a document"),
    ] {
        contradicted(&of(stage, &without(stage, kind)), section, why);
    }
}

#[test]
fn what_is_altered_and_signed_again_speaks_against_its_control() {
    let stage = whole();
    let other = Digest::of(b"other").to_string();
    let changed =
        |kind: &str, member: &str, value: Value| altered(stage, kind, |body| body[member] = value);
    for (entries, section, why) in [
        (changed("state.moved", "to", json!("CLOSED")), "5.2", "stale_view"),
        (changed("state.moved", "from", json!("MONITORING")), "5.1", "the incident was DETECTED"),
        (changed("restart.decided", "criteria", json!(other)), "29", "another digest"),
        (changed("phase.carried", "decision", json!(other)), "30", "no such decision"),
        (
            changed("decision.recorded", "recommended", json!("RP_OBSERVE_ONLY")),
            "24",
            "hash_mismatch",
        ),
        (changed("runbook.bound", "version", json!(9)), "34", "not released"),
        (changed("confirmation.verified", "kind", json!("hope")), "3", "confirms no"),
        (changed("replay.reported", "verdict", json!("diverged")), "27", "no matching replay"),
        (changed("postmortem.published", "conformance", json!([])), "39", "q1"),
        (changed("approval.given", "act", json!(other)), "6.3", "second_person_required"),
        (changed("network.observed", "node", json!("n2")), "2.1", "speaks for n2"),
    ] {
        let found = of(stage, &entries);
        contradicted(&found, section, why);
    }
    let found = of(stage, &changed("decision.recorded", "recommended", json!("RP_OBSERVE_ONLY")));
    contradicted(&found, "41.2", "its events give");
}

#[test]
fn a_decision_whose_content_is_not_at_hand_is_not_called_shown() {
    let stage = whole();
    let found = attest(&stage.entries, &BTreeMap::<Digest, Vec<u8>>::new(), stage.now);
    assert_eq!(verdict(&found, "24"), [Verdict::NotExercised]);
    assert_eq!(verdict(&found, "5.2"), [Verdict::Shown], "nothing else rests on content");
}

#[test]
fn a_declaration_by_nobody_in_a_deciding_role_is_no_declaration() {
    let stage = whole();
    let mut entries = stage.entries.clone();
    let entry = entries.iter_mut().find(|e| e.signed.event().kind == "incident.declared").unwrap();
    let mut event = entry.signed.event().clone();
    event.actor = crate::testing::person(Role::AuditScribe);
    event.role = Some(Role::AuditScribe.to_string());
    entry.signed = Stage::sign(&event);
    let found = of(stage, &entries);
    contradicted(&found, "4", "as AS");
    contradicted(&found, "6.1", "not_authorized");
}

#[test]
fn a_postmortem_that_is_late_and_a_trail_that_has_a_gap_are_told() {
    let stage = at(S::PostmortemPending);
    let due = stage.view().due.unwrap();
    let before = attest(&stage.entries, &stage.vault, due);
    assert_eq!(verdict(&before, "33.1"), [Verdict::NotExercised]);
    let after = attest(&stage.entries, &stage.vault, due.plus_ms(1));
    contradicted(&after, "33.1", "it was due");
    let gap = of(&stage, &without(&stage, "decision.recorded"));
    contradicted(&gap, "32.1", "who declared the containment profile");
    assert!(verdict(&gap, "32.2").contains(&Verdict::Shown), "and the gap is a failure");
}

#[test]
fn attempts_of_the_anti_patterns_are_shown_by_their_refusals() {
    let mut stage = at(S::Stabilized);
    let destroys: Vec<_> = vec!["node:n2".to_owned()];
    let plan = Body::RecoveryPlanned(RecoveryPlanned { destroys, ..stage.plan() });
    let refusal = stage.refused(Role::RecoveryOperator, &plan);
    assert!(refusal.has(K::DestructiveBeforePreserve), "{refusal}");
    let found = of(&stage, &stage.entries);
    assert_eq!(verdict(&found, "40.1"), [Verdict::Shown]);
    assert_eq!(
        verdict(&of(&stage, &without(&stage, "attempt.refused")), "40.1"),
        [Verdict::NotExercised]
    );
}

#[test]
fn each_section_from_2_to_41_has_a_control_or_is_told_to_be_beyond() {
    let found = of(whole(), &[]);
    for section in 2..=41_u32 {
        let has = |s: &str| s.split('.').next() == Some(&section.to_string());
        let told = found.lines.iter().any(|l| has(l.section)) || BEYOND.iter().any(|b| has(b.0));
        assert!(told, "{section}");
    }
    assert!(table::CONTROLS.len() > 50);
    assert!(evidence::missing(whole().view()).is_empty());
}
