//! From the view to the facts that guards, criteria and runbook predicates ask for. Nothing here
//! is taken from a request.

use std::collections::BTreeMap;

use azir_ledger::{Digest, Timestamp};
use azir_model::class::ConfirmationKind;
use azir_model::lifecycle::{
    Cause, Confirmed, Decided, Declared, Facts, Measure, MeasureState, Plan, RecoveryState, Review,
    Watch,
};
use azir_model::policy::{Deployment, OwnNode};
use azir_model::scope::{Scope, ScopeKind};
use azir_model::vocab::NodeRole;
use azir_model::{Choice, IncidentClass, IncidentState, RecoveryMode, Role, Severity};
use azir_runbook::FactValue;

use crate::body::{Adversarial, ReplayVerdict, Restriction};
use crate::evidence;
use crate::fold::subsystem;
use crate::state::State;
use crate::status::is_disputed;
use crate::view::{IncidentView, MeasureRecord, PlanRecord};

mod derived;
mod protocol;

pub use protocol::{held_measures, owns, protocol_measures, protocol_name};

/// Questions of 39.1 that a critical incident answers (D-122).
pub const CONFORMANCE_QUESTIONS: usize = 3;

/// Facts for the guards of annex B.
#[must_use]
pub fn of(state: &State, view: &IncidentView, now: Timestamp) -> Facts {
    let policy = state.policy.as_ref();
    let deployment = policy.map_or(Deployment::Serious, |p| p.deployment());
    let mut facts = Facts::opened(view.class, view.record.severity, deployment);
    facts.state = view.state;
    facts.secondary = view.secondary.iter().copied().collect();
    if let Some(policy) = policy {
        facts.windows = policy.windows;
    }
    facts.peak = view.peak();
    protocol::resolution(state, view, &mut facts);
    facts.declared = declared(view);
    facts.scopes = view.declared.as_ref().map(|_| view.scopes.len());
    facts.blast = view.blast.as_ref().map(|b| b.rank);
    facts.commander = view.holder(Role::IncidentCommander).map(str::to_owned);
    let operator = view.holder(Role::RecoveryOperator).map(str::to_owned);
    facts.recovery_operators = operator.into_iter().collect();
    let lead = azir_model::class::runbook(view.class);
    facts.runbook_bound = view.runbook.as_ref().is_some_and(|r| r.id == lead);
    facts.confirmations = confirmations(view);
    facts.pins_missing = evidence::pins_missing(view);
    facts.decision = decision(view);
    facts.measures = view.measures.iter().map(|(name, m)| measure(view, name, m)).collect();
    facts.measures.extend(not_commanded(state, view));
    facts.measures.extend(protocol::measures(state, view));
    network(view, now, &mut facts);
    facts.checkpoint = view.checkpoint.map(|c| c.block);
    recovery(state, view, &mut facts);
    facts.cause = cause(view);
    facts.evidence_missing = evidence::missing(view);
    facts.audit_missing = audit_missing(view);
    facts.review =
        view.review.as_ref().and_then(|m| m.role.map(|role| Review { by: m.by.clone(), role }));
    facts.postmortem_missing = postmortem_missing(view);
    facts.postmortem_signed =
        view.postmortem.iter().flat_map(|p| p.signed_by.iter().copied()).collect();
    facts
}

fn declared(view: &IncidentView) -> Option<Declared> {
    let mark = view.declared.as_ref()?;
    Some(Declared {
        class: view.class,
        severity: view.peak?,
        by: mark.by.clone(),
        role: mark.role?,
        reason: view.declared_reason.clone(),
    })
}

fn confirmations(view: &IncidentView) -> Vec<Confirmed> {
    let kind = |name: &String| name.parse::<ConfirmationKind>().ok();
    view.confirmations
        .keys()
        .filter_map(kind)
        .map(|kind| Confirmed { kind, verified: true })
        .collect()
}

fn decision(view: &IncidentView) -> Option<Decided> {
    view.decision.as_ref().map(|d| Decided {
        profile: d.profile,
        observe_only: d.observe_only,
        by: d.mark.by.clone(),
        input: d.input,
        output: d.output,
        seconded: d.seconded,
        // Admission demanded reason and signature of an override.
        override_incomplete: false,
    })
}

fn measure(view: &IncidentView, name: &str, m: &MeasureRecord) -> Measure {
    let state = if m.released.is_some() {
        MeasureState::Ended
    } else if m.in_force() {
        MeasureState::InForce
    } else if m.is_lost() {
        MeasureState::Lost
    } else {
        MeasureState::Requested
    };
    Measure {
        name: name.to_owned(),
        protocol: false,
        state,
        observes: false,
        residual_accepted: false,
        handed_over: view.handed.contains_key(name),
    }
}

/// Measures of own nodes that the decision applies and that nobody has commanded: the guard
/// `inforce` asks for every measure of the decision. A scope that names no node of the policy, as
/// `node:own`, stands for every own node that holds the role. Implements R-5.1-5.
fn not_commanded(state: &State, view: &IncidentView) -> Vec<Measure> {
    let covers = |node: &str, role: Option<NodeRole>| {
        let fits = |m: &MeasureRecord| role.is_none_or(|role| m.roles.contains(&role));
        view.measures.values().any(|m| m.node == node && fits(m))
    };
    let nodes = || state.policy.iter().flat_map(|p| &p.nodes);
    let missing = |scope: &Scope| {
        let role = scope.role();
        let known = nodes().any(|n| n.node == scope.id());
        let concerned = nodes().filter(|n| !known || n.node == scope.id());
        let holds = |n: &&OwnNode| role.is_none_or(|role| n.roles.contains(&role));
        concerned.filter(holds).any(|n| !covers(&n.node, role))
    };
    let asked = view.decision.iter().flat_map(|d| &d.apply);
    let open = asked.filter(|asked| {
        let scope = asked.scope.parse::<Scope>().ok();
        scope.filter(|s| s.kind() == ScopeKind::Node).is_some_and(|s| missing(&s))
    });
    open.map(|asked| Measure {
        name: format!("{} on {}, which nobody commanded", asked.choice, asked.scope),
        protocol: false,
        state: MeasureState::Requested,
        observes: false,
        residual_accepted: false,
        handed_over: false,
    })
    .collect()
}

/// When the duty to keep evidence begins to run out: at the published postmortem, or at closing
/// where none is owed (D-026).
#[must_use]
pub fn ended(view: &IncidentView) -> Option<Timestamp> {
    let at = |to: IncidentState| view.moves.iter().rev().find(|m| m.to == to).map(|m| m.mark.at);
    match view.state {
        IncidentState::PostmortemPublished | IncidentState::Closed => at(view.state),
        IncidentState::Detected
        | IncidentState::Triaged
        | IncidentState::Confirmed
        | IncidentState::Containing
        | IncidentState::Stabilized
        | IncidentState::Recovering
        | IncidentState::Monitoring
        | IncidentState::PostmortemPending => None,
    }
}

fn network(view: &IncidentView, now: Timestamp, facts: &mut Facts) {
    let Some(network) = &view.network else {
        facts.finalizing = false;
        return;
    };
    facts.finalizing = network.newest.finalizing;
    let since = network.damaged.unwrap_or(view.opened.at);
    let quiet = u64::try_from(now.ms_since(since)).ok();
    facts.quiet_for_ms = quiet.filter(|_| network.newest.damage == 0);
    let height = network.newest.hard_final.height;
    facts.hard_final_blocks_since = height.saturating_sub(network.damaged_height);
    if view.state == IncidentState::Monitoring {
        let entered = view.moves.last().map_or(view.opened.at, |m| m.mark.at);
        facts.watch = Watch {
            elapsed_ms: u64::try_from(now.ms_since(entered)).unwrap_or(0),
            blocks: height.saturating_sub(view.entered_height),
            outside: Vec::new(),
        };
        if !network.newest.finalizing {
            facts.watch.outside.push("hard_final does not rise".to_owned());
        }
    }
}

fn recovery(state: &State, view: &IncidentView, facts: &mut Facts) {
    facts.plan = view.plan.as_ref().map(|p| Plan {
        missing_parts: missing_parts(p),
        entry_holds: entry_holds(state, view, p.mode, &p.scope),
        prepared_by: p.prepared.by.clone(),
        approved_by: p.approved.as_ref().map(|m| m.by.clone()),
    });
    facts.store_evidence_missing = view
        .plan
        .iter()
        .flat_map(|p| &p.destroys)
        .filter(|scope| !view.preserved.contains_key(*scope))
        .cloned()
        .collect();
    facts.recovery = match &view.recovery {
        None => RecoveryState::Unrecorded,
        Some(r) => match (r.done, r.report) {
            (true, Some(report)) => RecoveryState::Done { report },
            (true, None) => RecoveryState::Unrecorded,
            (false, proof) => RecoveryState::NoneRequired { reason: r.statement.clone(), proof },
        },
    };
    facts.exit_missing = exit_missing(state, view);
}

fn missing_parts(plan: &PlanRecord) -> Vec<String> {
    let parts = [
        ("target", plan.scope.is_empty()),
        ("entry", plan.entry.is_empty()),
        ("outputs", plan.outputs.is_empty()),
        ("exit", plan.exits.is_empty()),
    ];
    parts.iter().filter(|(_, empty)| *empty).map(|(name, _)| (*name).to_owned()).collect()
}

/// Entry conditions of annex J.1, on observed facts. A rebuild of one node asks for the gates of
/// that node, a replay for all own gates.
#[must_use]
pub fn entry_holds(state: &State, view: &IncidentView, mode: RecoveryMode, scope: &str) -> bool {
    let replayed = view.replay.is_some() && view.checkpoint.is_some();
    let hard_conflict = view.network.as_ref().is_some_and(|n| n.newest.conflicting_hard_final);
    match mode {
        RecoveryMode::SpeculativeBranchReset => replayed && !hard_conflict,
        RecoveryMode::ProtocolSafeRestart => replayed && hard_conflict,
        RecoveryMode::FinalizedReplay => not_frozen(state, view).is_empty(),
        RecoveryMode::LocalRebuild => {
            let node = scope.strip_prefix("node:").map(|n| format!("{n}/"));
            let open = not_frozen(state, view);
            !open.iter().any(|gate| node.as_ref().is_none_or(|n| gate.starts_with(n.as_str())))
        }
        RecoveryMode::DomainReenable => {
            view.cause.is_some() && protocol::restricted(state, scope, |_| true)
        }
        RecoveryMode::PostEmergencyNormalization => {
            let emergency = |r: &Restriction| r.choice == Choice::EmergencyRestriction;
            protocol::restricted(state, scope, emergency)
        }
    }
}

/// True when every gate that this incident knows and that signs is closed (27.2 step 2).
#[must_use]
pub fn outputs_closed(view: &IncidentView) -> bool {
    open_outputs(view).is_empty()
}

/// Gates of signing roles that are open, by name.
#[must_use]
pub fn open_outputs(view: &IncidentView) -> Vec<String> {
    let signs = |name: &str| {
        let role = name.rsplit('/').next().and_then(|r| r.parse::<NodeRole>().ok());
        role.is_some_and(NodeRole::signs)
    };
    view.gates.iter().filter(|(name, g)| g.open && signs(name)).map(|(n, _)| n.clone()).collect()
}

/// Outputs, exit criteria and subsystems of the plan that are still missing, and restrictions that
/// should have ended. Implements R-26.1-5 and R-26.1-6.
#[must_use]
pub fn exit_missing(state: &State, view: &IncidentView) -> Vec<String> {
    let Some(plan) = &view.plan else { return vec!["a recovery plan".to_owned()] };
    let items = plan.outputs.iter().chain(&plan.exits);
    let mut missing: Vec<_> =
        items.filter(|item| !plan.produced.contains_key(*item)).cloned().collect();
    let closed =
        plan.subsystems.iter().filter(|name| !view.gates.get(*name).is_some_and(|g| g.open));
    missing.extend(closed.map(|name| format!("{name} is not open")));
    missing.extend(protocol::still_restricted(state, plan));
    missing
}

/// What is known of the cause: what nobody stated is unknown, however quiet it is. Implements
/// R-40.0-10.
fn cause(view: &IncidentView) -> Cause {
    match &view.cause {
        None => Cause::Unknown,
        Some(c) if c.kind.is_some() || c.adversarial == Some(Adversarial::Proven) => {
            Cause::KindIdentified
        }
        Some(_) => Cause::Bounded,
    }
}

/// The ten contents of 32.1 that are still missing; id and timeline are there by construction, the
/// postmortem may be due (D-114). Implements R-32.1-1, R-32.1-3, R-32.1-4, R-32.1-6, R-32.1-8,
/// R-32.1-9 and R-32.1-10.
#[must_use]
pub fn audit_missing(view: &IncidentView) -> Vec<String> {
    let restarted = view.plan.iter().flat_map(|p| &p.subsystems);
    let unsigned =
        restarted.filter(|name| view.restarts.get(*name).is_none_or(|r| r.decided.is_none()));
    // A refuted incident in which nothing was ever contained kept the profile of its opening.
    let refuted = view.resolution.as_ref().is_some_and(|r| r.resolution.is_refuted());
    let untouched = refuted && view.measures.is_empty();
    let items = [
        ("who declared severity", view.declared.is_some()),
        ("who declared the containment profile", view.decision.is_some() || untouched),
        ("affected scopes", view.declared.is_some()),
        ("evidence references", !view.evidence.is_empty()),
        ("replay or rebuild results", view.replay.is_some() || view.recovery.is_some()),
        ("restart criteria and sign-off", unsigned.count() == 0),
    ];
    let mut missing: Vec<_> =
        items.iter().filter(|(_, there)| !there).map(|(name, _)| (*name).to_owned()).collect();
    // What was done otherwise than written is taken up or dismissed, so that nobody learns nothing.
    if view.peak() >= Severity::Sev3High {
        let open = view.run.open_deviations();
        missing.extend(
            open.iter().map(|(n, d)| format!("what becomes of deviation {n} at {}", d.step)),
        );
    }
    missing
}

/// Contents, kinds and answers that the postmortem lacks. Implements R-33.2-6 and R-39.1-1.
fn postmortem_missing(view: &IncidentView) -> Vec<String> {
    let Some(postmortem) = &view.postmortem else {
        return vec!["the postmortem".to_owned()];
    };
    // Admission has compared the ten contents of the document (33.1).
    let mut missing: Vec<String> = Vec::new();
    let proven = view.cause.as_ref().is_some_and(|c| c.adversarial == Some(Adversarial::Proven));
    if postmortem.kinds.is_empty() && !proven {
        missing.push("root cause kinds (33.2)".to_owned());
    }
    if view.peak() >= Severity::Sev4Critical && postmortem.conformance.len() < CONFORMANCE_QUESTIONS
    {
        missing.push("conformance answers (39.1)".to_owned());
    }
    missing
}

/// What a verified confirmation of annex N.2 shows, whatever anybody states. Implements R-15.2-4.
/// Two verifying certificates of one slot share at least 2q - n signers (D-069).
const SHOWN_BY_CONFIRMATION: [(&str, &[&str]); 4] = [
    (
        "conflicting_certificates",
        &["conflicting_notarization_verified", "double_sign_pair_verified", "candidates_doubtful"],
    ),
    ("committee_differs", &["committee_mismatch_verified"]),
    ("two_results", &["same_bytes_disagree", "implementations_differ"]),
    ("static_rule_broken", &["static_rule_broken"]),
];

/// Facts that runbook predicates may name. What is not known is absent, never false.
#[must_use]
pub fn for_runbook(
    state: &State,
    view: &IncidentView,
    now: Timestamp,
) -> BTreeMap<String, FactValue> {
    let lifecycle = of(state, view, now);
    // What the log knows itself comes later and wins.
    let mut facts: BTreeMap<_, _> =
        view.readings.iter().map(|(name, r)| (name.clone(), r.value.clone())).collect();
    let mut yes = |name: &str, value: bool| {
        facts.insert(name.to_owned(), FactValue::Bool(value));
    };
    yes("incident_open", view.is_open());
    yes("disputed_label_shown", is_disputed(view) || view.recovery.is_some());
    if !view.gates.is_empty() {
        yes("own_outputs_closed", outputs_closed(view));
    }
    if view.class == IncidentClass::SupplyChain {
        yes("affected_versions_known", crate::software::unlisted(state, view).is_empty());
    }
    if view.assessed.is_some() {
        yes("blast_assessment_published", true);
    }
    yes("measures_verified", view.measures.values().all(MeasureRecord::in_force));
    yes("checkpoint_computed", view.checkpoint.is_some() || view.replay.is_some());
    let validation = [IncidentClass::Validation, IncidentClass::Bvm];
    yes("validation_fault_unbounded", view.duties.iter().any(|c| validation.contains(c)));
    if let Some(network) = &view.network {
        yes("store_checksum_ok", network.newest.store_ok);
        yes("conflicting_hard_final", network.newest.conflicting_hard_final);
        yes("protocol_measure_effective", network.newest.finalizing);
        let window = lifecycle.windows.stab_ms.at(view.peak());
        yes("damage_quiet", lifecycle.quiet_for_ms.is_some_and(|q| q >= window));
        let window = lifecycle.windows.mon_ms.at(view.peak());
        yes("monitor_quiet", lifecycle.quiet_for_ms.is_some_and(|q| q >= window));
    }
    if let Some(replay) = &view.replay {
        yes("replay_match", replay.verdict == ReplayVerdict::Match);
        yes("implementations_differ", replay.verdict == ReplayVerdict::Diverged);
        yes("restrictions_revalidated", replay.verdict == ReplayVerdict::Match);
    }
    // A detector verified one input, one state before and two results, or a broken static rule.
    for (kind, names) in SHOWN_BY_CONFIRMATION {
        if view.confirmations.contains_key(kind) {
            names.iter().for_each(|name| yes(name, true));
        }
    }
    if !view.accepted.is_empty() {
        yes("restart_accepted", true);
        // Acceptance is admitted only for a manifest whose signatures the adapter verified.
        yes("restart_manifest_signed", true);
    }
    for item in view.plan.iter().flat_map(|p| p.produced.keys()) {
        if azir_runbook::fact::known(item)
            .is_some_and(|k| k.kind == azir_runbook::fact::FactType::Bool)
        {
            yes(item, true);
        }
    }
    let decided = view.restarts.values().any(|r| r.decision.is_some());
    yes("restart_decision_valid", decided);
    yes("restart_criteria_met", decided);
    derived::gates(state, view, &mut facts);
    derived::requests(state, view, &mut facts);
    derived::silence(state, now, &mut facts);
    counts(state, view, now, &mut facts);
    facts
}

fn counts(
    state: &State,
    view: &IncidentView,
    now: Timestamp,
    facts: &mut BTreeMap<String, FactValue>,
) {
    let mut count = |name: &str, value: usize| {
        facts.insert(name.to_owned(), FactValue::Int(i64::try_from(value).unwrap_or(i64::MAX)));
    };
    count("severity", view.severity.rank());
    if let Some(blast) = &view.blast {
        count("blast_rank", usize::from(blast.rank.value()));
    }
    if let Some(replay) = &view.replay {
        count("replay_implementations", replay.families.len());
    }
    count("phase_dwelt", usize::from(crate::phases::dwelt(state, view, now)));
    let produced = |p: &PlanRecord| p.produced.contains_key("hard_final_advanced_two_epochs");
    if view.plan.as_ref().is_some_and(produced) {
        count("hard_final_epochs_advanced", 2);
    }
}

/// Own gates that must be closed before anything is loaded for a replay: all signing roles whose
/// newest statement is not "closed" (27.2 step 2). Where recovery touches operations only and the
/// scopes name own nodes, the other nodes go on: their outputs are not what is in doubt.
#[must_use]
pub fn not_frozen(state: &State, view: &IncidentView) -> Vec<String> {
    // Re-labelling does not shrink what must be frozen (D-018): every class it ever had counts.
    let touches = |c: &IncidentClass| azir_model::class::row(*c).touches.only_operations();
    let operations = view.duties.iter().all(touches);
    let named: Vec<Scope> = view.scopes.iter().filter_map(|s| s.parse().ok()).collect();
    let local = !named.is_empty() && named.iter().all(|s| s.kind() == ScopeKind::Node);
    let concerned = |node: &str| !(operations && local) || named.iter().any(|s| s.id() == node);
    let nodes = state.policy.iter().flat_map(|p| &p.nodes).filter(|n| concerned(&n.node));
    let gates = nodes.flat_map(|n| n.roles.iter().map(|r| (subsystem(&n.node, *r), *r)));
    gates
        .filter(|(name, role)| {
            let known = state.gates.get(name);
            role.signs() && known.is_none_or(|g| g.open)
        })
        .map(|(name, _)| name)
        .collect()
}

/// Content that the record of the response itself rests on: never sealed (32.1, D-025).
#[must_use]
pub fn decisive(view: &IncidentView) -> Vec<Digest> {
    let decision = view.decision.iter().flat_map(|d| [d.input, d.output]);
    let replay = view.replay.iter().map(|r| r.report);
    let recovery = view.recovery.iter().filter_map(|r| r.report);
    let runbook = view.runbook.iter().map(|r| r.object);
    let postmortem = view.postmortem.iter().map(|p| p.document);
    decision.chain(replay).chain(recovery).chain(runbook).chain(postmortem).collect()
}

/// Content digests that the view refers to as held evidence.
#[must_use]
pub fn held(view: &IncidentView) -> Vec<Digest> {
    view.evidence.values().flat_map(|r| r.held.iter().map(|d| d.hash)).collect()
}
