//! Tells what happened: the report's data, from the log, the gates and the network.

use std::collections::{BTreeMap, BTreeSet};

use azir_atlas::{BlockId, Certificate, ChainView, Seat};
use azir_engine::Body;
use azir_engine::evidence as checklist;
use azir_ledger::{Digest, Signature, Timestamp, canon};
use azir_model::decision::{self, Input, Output, Verdict};
use azir_model::restart::CriterionState;

use super::stage::Stage;
use super::{DrillError, DrillOutcome, DrillPlan, RunPlan, Way};
use crate::report::{
    BlockNode, Branch, CertificateNode, CriterionLine, DecisionSummary, DrillReport, EvidenceLine,
    Fork, GateLane, GateSpan, PersonLine, RejectedMeasure, Score, VerifyLine,
};

mod timeline;

/// Rejected measures listed per channel.
const REJECTED_MAX: usize = 12;

/// Ends the run: signs a last checkpoint and fills the report.
pub(super) fn outcome(
    mut stage: Stage<'_>,
    plan: &DrillPlan,
    run: &RunPlan,
) -> Result<DrillOutcome, DrillError> {
    let now = stage.now();
    final_checks(&mut stage)?;
    stage.plane.checkpoint(now).map_err(DrillError::because)?;
    let view = stage.view()?.clone();
    let record = canon::encode(&view.record).map_err(DrillError::because)?;
    let report = DrillReport {
        schema: "azir.drill-report/1".to_owned(),
        drill: plan.name.clone(),
        title: plan.title.clone(),
        run: run.name.clone(),
        seed: stage.seed,
        incident: view.id,
        passed: stage.checks.iter().all(|c| c.passed),
        summary: summary(&stage, run)?,
        checks: stage.checks.clone(),
        scores: scores(&stage)?,
        timeline: timeline::items(&stage),
        span: (plan.start, now),
        gates: lanes(&stage, now),
        fork: match stage.fork.take() {
            Some(fork) => restored(&stage, fork),
            None => fork(&stage, run)?,
        },
        decision: decision(&stage)?,
        evidence: evidence(&stage)?,
        criteria: criteria(&stage),
        refusals: stage.refusals.clone(),
        people: people(&stage),
        verify: verify_lines(&stage)?,
        notes: notes(&stage, run),
    };
    let roster = stage.plane.engine().state().roster(stage.plane.engine().log());
    let quorum = stage.policy.witnesses.quorum;
    Ok(DrillOutcome { report, plane: stage.plane, roster, record, quorum })
}

fn final_checks(stage: &mut Stage<'_>) -> Result<(), DrillError> {
    let own: Vec<Seat> = stage.own_seats().iter().map(|(s, _)| *s).collect();
    let mut late = 0_u64;
    for detection in &stage.detections {
        let name = &detection.node;
        let reopened = stage
            .gates
            .borrow()
            .changes()
            .iter()
            .filter(|c| c.gate.0 == *name && c.open && c.at.ms_since(stage.start) > 0)
            .filter(|c| {
                u64::try_from(c.at.ms_since(stage.start)).unwrap_or(0) > detection.closed_ms
            })
            .map(|c| u64::try_from(c.at.ms_since(stage.start)).unwrap_or(0))
            .min();
        let seat = super::detect::seat_of(stage, name)?;
        late += stage
            .world
            .released()
            .iter()
            .filter(|r| r.seat == seat && r.at_ms > detection.closed_ms)
            .filter(|r| reopened.is_none_or(|at| r.at_ms < at))
            .count() as u64;
    }
    stage.check(
        "refused",
        "not one signature left a closed gate",
        late == 0,
        format!("{late} signatures between closing and the first restart decision"),
    );
    let mut votes: BTreeMap<(u8, u64, u64), BlockId> = BTreeMap::new();
    let mut double = 0_u64;
    let votes_of_own = stage.world.released().iter().filter(|r| own.contains(&r.seat));
    for vote in votes_of_own.filter(|r| r.kind == crate::world::SignKind::Vote) {
        let place = (vote.seat.0, vote.restart, vote.slot);
        let first = votes.entry(place).or_insert(vote.block);
        double += u64::from(*first != vote.block);
    }
    stage.check(
        "way_back",
        "no own seat ever signed two votes for one slot",
        double == 0,
        format!("{} votes, {double} double", votes.len()),
    );
    Ok(())
}

fn summary(stage: &Stage<'_>, run: &RunPlan) -> Result<Vec<String>, DrillError> {
    let view = stage.view()?;
    let (slot, _) = stage.pair()?;
    let slowest = stage.detections.iter().map(|d| d.closed_ms - d.seen_ms).max().unwrap_or(0);
    let trusted = super::truth::pinned(stage)?;
    let back = match run.way {
        Way::BranchReset => "Doubtful candidates above it were dropped and kept as evidence.",
        Way::SafeRestart => {
            "The restart authority signed a manifest with three new seat keys; the operator accepted it."
        }
    };
    let refused = stage.gates.borrow().refused().len();
    Ok(vec![
        run.text.clone(),
        format!("Two certificates verify for slot {slot}; seats 0, 1 and 2 signed both."),
        format!("Every own node shut its verifier, proposer and notary within {slowest} ms, without a server."),
        format!("{refused} requests to sign were refused by the gates; no own seat signed twice."),
        "Two people declared SEV_5_SYSTEMIC; the evidence was pinned before anybody acted.".to_owned(),
        "The decision: stop own notary and proposer, nothing wider; a quarantine of the culprits would stop finality for good.".to_owned(),
        format!("Two independent implementations replayed everything; trusted checkpoint: height {}.", trusted.height),
        back.to_owned(),
        "Verifier, proposer and notary came back in this order on signed criteria, the notary last.".to_owned(),
        format!("Closed after review and published: {}; {} attempts to cut corners were refused.", view.state, stage.refusals.len()),
    ])
}

fn score(name: &str, value: impl Into<String>, bar: &str) -> Score {
    Score { name: name.to_owned(), value: value.into(), bar: bar.to_owned() }
}

fn scores(stage: &Stage<'_>) -> Result<Vec<Score>, DrillError> {
    let view = stage.view()?;
    let first = stage.detections.iter().map(|d| d.seen_ms).min().unwrap_or(0);
    let slowest = stage.detections.iter().map(|d| d.closed_ms - d.seen_ms).max().unwrap_or(0);
    let seen = stage.start.plus_ms(i64::try_from(first).unwrap_or(0));
    let since = |at: Timestamp| format!("{} s", at.ms_since(seen) / 1_000);
    let entered = |to| view.moves.iter().find(|m| m.to == to).map(|m| m.mark.at);
    use azir_model::IncidentState as S;
    let reached = |to| entered(to).map_or("never".to_owned(), since);
    let items = checklist::checklist(view).items().len();
    let missing = checklist::missing(view).len();
    Ok(vec![
        score("first provable symptom to incident open", since(view.opened.at), "4 s (two slots)"),
        score("second certificate seen to gates shut", format!("{slowest} ms"), "1000 ms"),
        score("symptom to all measures decided", reached(S::Containing), "30 min"),
        score("symptom to stabilized", reached(S::Stabilized), ""),
        score("symptom to service restored", reached(S::Monitoring), ""),
        score("evidence items with an end state", format!("{} of {items}", items - missing), "all"),
        score("attempts refused", stage.refusals.len().to_string(), "every attempt"),
        score("signatures refused by gates", stage.gates.borrow().refused().len().to_string(), ""),
        score(
            "signatures checked once in the network",
            stage.world.signatures_checked().to_string(),
            "",
        ),
    ])
}

fn lanes(stage: &Stage<'_>, end: Timestamp) -> Vec<GateLane> {
    let gates = stage.gates.borrow();
    gates
        .names()
        .map(|name| {
            let mut spans = vec![GateSpan {
                from: stage.start,
                to: end,
                open: false,
                why: "closed at boot".to_owned(),
            }];
            for change in gates.changes().iter().filter(|c| c.gate == *name) {
                if let Some(last) = spans.last_mut() {
                    last.to = change.at;
                }
                spans.push(GateSpan {
                    from: change.at,
                    to: end,
                    open: change.open,
                    why: change.why.clone(),
                });
            }
            spans.retain(|s| s.from < s.to);
            GateLane { node: name.0.clone(), role: name.1.to_string(), spans }
        })
        .collect()
}

pub(super) fn fork(stage: &Stage<'_>, run: &RunPlan) -> Result<Fork, DrillError> {
    let (slot, pair) = stage.pair()?;
    let trusted = super::truth::pinned(stage)?;
    let old = stage.detected_views();
    let view = old.first().ok_or_else(|| DrillError::script("no own node"))?;
    let base = view.blocks().find(|b| b.id().0 == trusted.block);
    let base = base.ok_or_else(|| DrillError::script("the checkpoint is not held"))?;
    let fate = match run.way {
        Way::BranchReset => "dropped, kept as evidence",
        Way::SafeRestart => "left behind by the restart, kept as evidence",
    };
    let tips = branch_tips(&old, &pair, trusted.height);
    let names = ["A", "B"];
    // A branch grows until the split heals; what follows belongs to the restored path.
    let branches: Vec<_> = tips
        .iter()
        .zip(names)
        .map(|((view, tip), name)| Branch {
            name: name.to_owned(),
            blocks: view
                .path(tip)
                .iter()
                .filter(|b| b.header.body().height > trusted.height)
                .filter(|b| b.header.body().slot <= run.heals_at)
                .map(|b| node(view, b.header.body(), b.id(), "disputed", fate))
                .collect(),
        })
        .collect();
    let certificates = pair
        .iter()
        .zip(names)
        .map(|(c, name)| CertificateNode {
            block: c.block.0,
            branch: name.to_owned(),
            voters: c.signers().iter().map(|s| u64::from(s.0)).collect(),
        })
        .collect();
    let common = pair[0].common_signers(&pair[1]).iter().map(|s| u64::from(s.0)).collect();
    let trusted = node(view, base.header.body(), base.id(), "hard_final", "trusted checkpoint");
    Ok(Fork { slot, trusted, branches, certificates, common_signers: common })
}

/// Marks dropped blocks that the restored path took up again.
fn restored(stage: &Stage<'_>, mut fork: Fork) -> Fork {
    let own = stage.own_seats().into_iter().find_map(|(seat, _)| stage.world.node(seat));
    let path = own.map(|n| n.view().path(&n.view().hard_final().block)).unwrap_or_default();
    let now: BTreeSet<Digest> = path.iter().map(|b| b.id().0).collect();
    for block in fork.branches.iter_mut().flat_map(|b| &mut b.blocks) {
        if now.contains(&block.id) {
            block.fate = "dropped, then final on the restored path".to_owned();
        }
    }
    fork
}

fn node(
    view: &ChainView,
    b: &azir_atlas::Block,
    id: BlockId,
    label: &str,
    fate: &str,
) -> BlockNode {
    BlockNode {
        id: id.0,
        height: b.height,
        slot: b.slot,
        proposer: u64::from(b.proposer.0),
        notarized: view.is_notarized(&id),
        label: label.to_owned(),
        fate: fate.to_owned(),
    }
}

/// For each certificate of the pair, the highest block above it that any own node holds.
fn branch_tips<'v>(
    views: &[&'v ChainView],
    pair: &[Certificate; 2],
    floor: u64,
) -> Vec<(&'v ChainView, BlockId)> {
    pair.iter()
        .filter_map(|certificate| {
            let through = |view: &'v ChainView, tip: &BlockId| {
                view.path(tip).iter().any(|b| b.id() == certificate.block)
            };
            views
                .iter()
                .flat_map(|v| v.blocks().map(move |b| (*v, b)))
                .filter(|(_, b)| b.header.body().height > floor)
                .filter(|(v, b)| through(v, &b.id()))
                .max_by_key(|(_, b)| b.header.body().height)
                .map(|(v, b)| (v, b.id()))
        })
        .collect()
}

fn decision(stage: &Stage<'_>) -> Result<DecisionSummary, DrillError> {
    let view = stage.view()?;
    let record = view.decision.as_ref().ok_or_else(|| DrillError::script("no decision"))?;
    let bytes = |d: &Digest| stage.plane.vault().get(d).cloned().unwrap_or_default();
    let error = |e: azir_ledger::CanonError| DrillError::script(&e.to_string());
    let input: Input = canon::decode(&bytes(&record.input)).map_err(error)?;
    let output: Output = decision::decide(&input);
    let order = |o: &decision::Order| {
        let time = o.time_s.map_or(String::new(), |s| format!(", in {s} s"));
        format!("{} on {}{time}", o.measure.choice, o.measure.scope)
    };
    let rejected = output.per_channel.iter().flat_map(|channel| {
        let failed = channel.candidates.iter().filter(|c| c.verdict != Verdict::Passes);
        failed.take(REJECTED_MAX).map(|c| RejectedMeasure {
            channel: channel.scope.to_string(),
            measure: format!(
                "{} on {}, capability {}, {} authority",
                c.measure.choice, c.measure.scope, c.measure.capability, c.measure.authority
            ),
            verdict: c.verdict.to_string(),
            reason: c
                .numbers
                .seats_after
                .map_or(c.reason.to_string(), |s| format!("{}: {s} seats would count", c.reason)),
        })
    });
    let flips = output.per_channel.iter().flat_map(|c| {
        c.flips.iter().map(|f| {
            let to = f.choice.as_ref().map_or("no measure".to_owned(), |m| m.choice.to_string());
            format!("{}: if {} were {} instead of {}: {to}", c.scope, f.input, f.to, f.from)
        })
    });
    Ok(DecisionSummary {
        recommended: record.recommended.to_string(),
        declared: format!("{} by {}", record.profile, record.mark.by),
        applied: output.apply_now.iter().map(order).collect(),
        requested: output.request.iter().map(order).collect(),
        residual: record.residual.clone(),
        rejected: rejected.collect(),
        flips: flips.collect(),
        explanation: decision::explain(&output),
    })
}

fn evidence(stage: &Stage<'_>) -> Result<Vec<EvidenceLine>, DrillError> {
    let view = stage.view()?;
    let states = checklist::states(view);
    let line = |item: &azir_model::evidence::Item| {
        let record = view.evidence.get(item);
        let held = record.map(|r| r.held.clone()).unwrap_or_default();
        let row = item.row();
        let state = match states.get(item) {
            Some(azir_model::evidence::ItemState::Present { .. }) => "present",
            Some(azir_model::evidence::ItemState::NotApplicable { .. }) => "not_applicable",
            Some(azir_model::evidence::ItemState::Unavailable { .. }) => "unavailable",
            None if row.from_log => "present",
            None => "missing",
        };
        let verified = record.and_then(|r| r.verified_by.clone());
        // Several nodes may hold the same bytes.
        let unique: BTreeMap<_, _> = held.iter().map(|d| (d.hash, d.size)).collect();
        EvidenceLine {
            item: item.to_string(),
            text: row.text.to_owned(),
            state: state.to_owned(),
            hashes: unique.keys().copied().collect(),
            bytes: unique.values().sum(),
            verified: verified.unwrap_or_else(|| {
                if row.from_log { "the log itself".to_owned() } else { "kept".to_owned() }
            }),
        }
    };
    Ok(checklist::checklist(view).items().iter().map(line).collect())
}

fn criteria(stage: &Stage<'_>) -> Vec<CriterionLine> {
    let mut newest: BTreeMap<(String, String), CriterionLine> = BTreeMap::new();
    for entry in stage.plane.entries() {
        let event = entry.signed.event();
        let role = event.role.clone().unwrap_or_else(|| "AUT".to_owned());
        let (subsystem, criterion, summary) = match Body::parse(&event.kind, &event.body) {
            Ok(Body::CriterionSigned(b)) => {
                let summary = match b.state {
                    CriterionState::Satisfied { summary, .. } => summary,
                    CriterionState::NotApplicable { reason } => format!("not applicable: {reason}"),
                };
                (b.subsystem.to_string(), b.criterion.to_string(), summary)
            }
            Ok(Body::RestartDecided(b)) => {
                let summary = format!("restart in phase {}, valid 60 minutes", b.phase);
                (b.subsystem.to_string(), "rc8".to_owned(), summary)
            }
            _ => continue,
        };
        let line = CriterionLine {
            subsystem: subsystem.clone(),
            criterion: criterion.clone(),
            signer: event.actor.clone(),
            role,
            summary,
        };
        newest.insert((subsystem, criterion), line);
    }
    newest.into_values().collect()
}

fn people(stage: &Stage<'_>) -> Vec<PersonLine> {
    let name = |p: &crate::cast::DrillPerson| PersonLine {
        id: p.id.clone(),
        role: p.roles.iter().map(|r| azir_engine::words::role(*r)).collect::<Vec<_>>().join(", "),
    };
    stage.people.iter().map(name).collect()
}

fn verify_lines(stage: &Stage<'_>) -> Result<Vec<VerifyLine>, DrillError> {
    let id = stage.view()?.id;
    let signed = stage.plane.entries().iter().find(|e| {
        matches!(e.signed.signature(), Signature::Person(_))
            && e.signed.event().kind == "incident.declared"
    });
    let (index, who) =
        signed.map_or((0, String::new()), |e| (e.meta.index, e.signed.event().actor.clone()));
    let principal = azir_ledger::roster::principal(&who);
    Ok(vec![
        VerifyLine {
            shows: "everything, with every decision decided again".to_owned(),
            command: "azir verify bundle".to_owned(),
            expect: "OK: nothing is wrong".to_owned(),
        },
        VerifyLine {
            shows: "the incident id is the hash of its opening record".to_owned(),
            command: format!(
                "printf 'AZ:INCIDENT:' | cat - bundle/incidents/{id}/record.json | sha256sum"
            ),
            expect: id.to_string(),
        },
        VerifyLine {
            shows: format!("{who} declared the severity, with the own key"),
            command: format!(
                "ssh-keygen -Y verify -f bundle/roster/allowed_signers -I '{principal}' -n azir-event@v1 \
                 -s bundle/events/{index:06}.json.sig < bundle/events/{index:06}.json"
            ),
            expect: "Good \"azir-event@v1\" signature".to_owned(),
        },
    ])
}

fn notes(stage: &Stage<'_>, run: &RunPlan) -> Vec<String> {
    let windows = stage.policy.windows;
    let sev5 = azir_model::Severity::Sev5Systemic;
    let mut notes = vec![
        "Drill: people, keys and network were made for this run; nothing acted outside it.".to_owned(),
        format!(
            "The drill's policy shortens the windows for SEV_5: quiet {} s instead of 60 min, watch {} s instead of 72 h.",
            windows.stab_ms.at(sev5) / 1_000,
            windows.mon_ms.at(sev5) / 1_000
        ),
        "Virtual time: one act of a person takes one second.".to_owned(),
        "Seats 0, 1 and 2 belong to other operators without gates; seats 3 to 6 are the operator's own.".to_owned(),
    ];
    if run.way == Way::BranchReset {
        notes.push("After the split the culprits vote honestly again; replacing their seats is proposed, not done.".to_owned());
    } else {
        notes.push(
            "The replaced seats are run by honest operators outside this deployment.".to_owned(),
        );
    }
    notes
}
