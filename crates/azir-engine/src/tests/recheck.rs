//! The offline check of a whole log: an admitted log passes, and each kind of tampering is found.

use azir_ledger::{Digest, Entry, SignedEvent};
use azir_model::{IncidentState as S, RefusalKind as K, Role};
use serde_json::json;

use proptest::prelude::*;

use crate::recheck::{Counts, Fault, Recheck};
use crate::state::FoldError;
use crate::testing::walk::whole;
use crate::testing::{Stage, at};

fn check(stage: &Stage, entries: &[Entry]) -> Result<Counts, (u64, Fault)> {
    let mut recheck = Recheck::default();
    for (index, entry) in (0..).zip(entries) {
        recheck.next(entry, &stage.vault).map_err(|fault| (index, fault))?;
    }
    Ok(recheck.counts())
}

/// R-24.2-6, R-7.2-2: every event is admitted again, every decision decided again, every view hash
/// computed again.
#[test]
fn an_admitted_log_passes() {
    let stage = at(S::PostmortemPublished);
    let counts = check(&stage, &stage.entries).unwrap();
    let size = stage.entries.len() as u64;
    assert_eq!((counts.events, counts.views), (size, size));
    assert_eq!((counts.decisions, counts.restarts), (1, 6));
    assert_eq!(counts.transitions, 9);
}

fn position(stage: &Stage, kind: &str) -> usize {
    stage.entries.iter().position(|e| e.signed.event().kind == kind).unwrap()
}

#[track_caller]
fn fault(stage: &Stage, entries: &[Entry], at: usize) -> Fault {
    let (index, fault) = check(stage, entries).unwrap_err();
    assert_eq!(index, at as u64, "{fault}");
    fault
}

/// R-32.2-2, R-7.3-1: what is changed, dropped, doubled, swapped or re-timed is found at its index.
#[test]
fn each_kind_of_tampering_is_found_at_its_index() {
    let stage = at(S::PostmortemPublished);
    let n = position(&stage, "decision.recorded");
    let change = |f: &dyn Fn(&mut Vec<Entry>)| {
        let mut entries = stage.entries.clone();
        f(&mut entries);
        entries
    };
    let view = change(&|e| e[n].meta.view = Digest::of(b"other"));
    assert!(matches!(fault(&stage, &view, n), Fault::Fold(FoldError::View { .. })));
    let dropped = change(&|e| {
        e.remove(n);
    });
    assert!(matches!(fault(&stage, &dropped, n), Fault::Fold(FoldError::Index { .. })));
    let swapped = change(&|e| e.swap(n, n + 1));
    assert!(matches!(fault(&stage, &swapped, n), Fault::Fold(FoldError::Index { .. })));
    let early = change(&|e| e[n].meta.recorded = e[n].meta.recorded.plus_ms(-3_600_000));
    assert!(matches!(fault(&stage, &early, n), Fault::Fold(FoldError::Clock { .. })));
    let late = change(&|e| e[n].meta.recorded = e[n].meta.recorded.plus_ms(1));
    assert!(matches!(fault(&stage, &late, n), Fault::Fold(FoldError::View { .. })));
    let forged = change(&|e| {
        let mut event = e[n].signed.event().clone();
        event.body["profile"] = json!("RP_OBSERVE_ONLY");
        let bytes = Stage::sign(&event).bytes().to_vec();
        let sig = e[n].signed.signature().clone();
        e[n].signed = SignedEvent::from_bytes(bytes, sig).unwrap();
    });
    assert!(matches!(fault(&stage, &forged, n), Fault::Fold(FoldError::View { .. })));
    let unknown = change(&|e| {
        let mut event = e[n].signed.event().clone();
        event.kind = "decision.wished".to_owned();
        e[n].signed = Stage::sign(&event);
    });
    assert!(matches!(fault(&stage, &unknown, n), Fault::Fold(FoldError::Body(_))));
    let homeless = change(&|e| {
        let mut event = e[n].signed.event().clone();
        event.subject = Some(Digest::of(b"nowhere"));
        e[n].signed = Stage::sign(&event);
    });
    let found = fault(&stage, &homeless, n);
    assert!(matches!(found, Fault::Fold(FoldError::UnknownIncident { .. })));
}

/// R-24.2-6: who keeps the log and all its keys but breaks a rule is found too: the views follow,
/// and admission does not.
#[test]
fn an_event_that_the_rules_refuse_is_found_whoever_appended_it() {
    let stage = at(S::Confirmed);
    let mut forged = stage.fork();
    let body = forged.moves(S::Stabilized);
    let signed = forged.by(Role::IncidentCommander, &body);
    let mut state = forged.state().clone();
    let index = state.size;
    let view = state.apply_body(&signed, forged.now, &body).unwrap();
    let meta = azir_ledger::entry::EntryMeta { index, recorded: forged.now, view };
    forged.entries.push(Entry { meta, signed });
    let (at, fault) = check(&forged, &forged.entries).unwrap_err();
    assert_eq!(at, index);
    match fault {
        Fault::Inadmissible { index: found, kind, refusal } => {
            assert_eq!((found, kind.as_str()), (index, "state.moved"));
            assert!(refusal.has(K::IllegalTransition));
        }
        Fault::Fold(error) => panic!("{error}"),
    }
}

/// R-7.1-7: content that is gone is missed.
#[test]
fn content_that_is_gone_is_missed() {
    let mut stage = at(S::PostmortemPublished);
    let n = position(&stage, "decision.recorded");
    let output = stage.view().decision.as_ref().unwrap().output;
    stage.vault.insert(output, b"other bytes".to_vec());
    match fault(&stage, &stage.entries.clone(), n) {
        Fault::Inadmissible { refusal, .. } => assert!(refusal.has(K::EvidenceMissing)),
        Fault::Fold(error) => panic!("{error}"),
    }
}

/// Values that no member of a body expects.
fn odd(n: usize) -> serde_json::Value {
    let long = "x".repeat(5_000);
    [
        json!(""),
        json!(0),
        json!(-1),
        json!(9_007_199_254_740_991_u64),
        json!([]),
        json!({}),
        json!(true),
        json!(long),
        json!("RP_HALT_SCOPED"),
        json!("SEV_5_SYSTEMIC"),
        json!(["node:n2", "node:n1"]),
        json!("0".repeat(64)),
    ][n % 12]
        .clone()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever a signed body says, admission answers without a panic; what it accepts can be
    /// loaded and checked again.
    #[test]
    fn whatever_a_body_says_admission_answers(
        entry in any::<prop::sample::Index>(),
        member in any::<prop::sample::Index>(),
        value in 0_usize..12,
    ) {
        let whole = whole();
        let n = 1 + entry.index(whole.entries.len() - 1);
        let mut stage = whole.prefix(n);
        stage.now = whole.entries[n].meta.recorded;
        let mut event = whole.entries[n].signed.event().clone();
        let members = event.body.as_object_mut().unwrap();
        let at = member.index(members.len().max(1));
        if let Some((_, slot)) = members.iter_mut().nth(at) {
            *slot = odd(value);
        }
        let before = stage.state().incidents.clone();
        match stage.submit(Stage::sign(&event)) {
            Ok(_) => {
                let again = stage.fork();
                prop_assert_eq!(again.state(), stage.state());
                check(&stage, &stage.entries).unwrap();
            }
            Err(refusal) => {
                prop_assert!(!refusal.unmet().is_empty());
                for (id, view) in before {
                    let mut then = stage.state().incidents[&id].clone();
                    then.attempts.clone_from(&view.attempts);
                    then.entries.clone_from(&view.entries);
                    prop_assert_eq!(then, view);
                }
            }
        }
    }
}
