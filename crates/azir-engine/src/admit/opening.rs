//! Opening, declaring, classifying and moving an incident (7, 5, annex B).

use azir_model::evidence::{Item, evidence_list_hash, scopes_hash};
use azir_model::lifecycle::{self, Request};
use azir_model::refusal::{RefusalKind, Unmet};
use azir_model::scope::{Scope, ScopeKind};
use azir_model::{BlastRank, IncidentClass, IncidentId, Severity, class};
use azir_runbook::{FactValue, Runbook};

use super::{Context, evidence};
use crate::body::{
    Blast, BoundRunbook, IncidentDeclared, IncidentOpened, SeverityChanged, StateMoved,
};
use crate::facts;
use crate::view::{CLOCK_SUSPECT_MS, IncidentView};

/// `incident.opened`: id, members, preimages and runbook fit. Implements R-7.1-1, R-7.1-2, R-7.1-5,
/// R-7.1-7, R-7.1-8 and R-7.1-11.
pub(super) fn open(
    cx: &Context<'_>,
    id: IncidentId,
    opened: &IncidentOpened,
    unmet: &mut Vec<Unmet>,
) {
    let record = &opened.record;
    let mut refuse = |kind, what: String, remedy: &str| {
        unmet.push(Unmet::new(kind, what, "7.1, 7.2, D-012 to D-019", remedy));
    };
    match record.id() {
        Ok(computed) if computed == id => {}
        Ok(computed) => refuse(
            RefusalKind::IdMismatch,
            format!("incident is {id}, the record's hash is {computed}"),
            "name the hash of the record",
        ),
        Err(error) => refuse(RefusalKind::NotCanonical, error.to_string(), "send JCS"),
    }
    let scopes_hash = scopes_hash(opened.scopes.iter().map(String::as_str));
    if scopes_hash != Ok(record.affected_scopes_hash) {
        refuse(
            RefusalKind::HashMismatch,
            "affected_scopes_hash is not the hash of scopes".into(),
            "hash the sorted unique list with tag AZ:SCOPES:",
        );
    }
    if evidence_list_hash(&opened.evidence) != Ok(record.initial_evidence_hash) {
        refuse(
            RefusalKind::HashMismatch,
            "initial_evidence_hash is not the hash of evidence".into(),
            "hash the sorted list of descriptors with tag AZ:EVIDENCE:",
        );
    }
    let runbook = class::row(record.incident_class).runbook;
    if record.related_runbook_id != runbook {
        refuse(
            RefusalKind::GuardUnmet,
            format!("runbook: {} is not of {}", record.related_runbook_id, record.incident_class),
            &format!("name {runbook}"),
        );
    }
    if !registered(cx, &record.detected_by) {
        refuse(
            RefusalKind::UnknownActor,
            format!("detected_by {} is not registered", record.detected_by),
            "let the policy name it",
        );
    }
    unmet.extend(record.problems());
    scopes(cx, &opened.scopes, unmet);
    in_future(cx, record.detection_time, "detection_time", "7.1, D-016", unmet);
    if let Some(before) = &opened.continues {
        continues(cx, before, unmet);
    }
    for item in &opened.evidence {
        if let Some(bytes) = cx.held(&item.hash, item.item.as_str(), unmet) {
            evidence::no_private_key(item.item.as_str(), &bytes, unmet);
            if item.item == Item::KeyTimeline {
                evidence::timeline(&bytes, unmet);
            }
        }
    }
}

fn registered(cx: &Context<'_>, who: &str) -> bool {
    cx.policy.key_of(who).is_some()
        || who.starts_with("external:")
        || (who == cx.actor && cx.policy.key_of(cx.actor).is_some())
}

/// Only what is over can be gone on from (D-038); what is open is worked on, or a duplicate.
fn continues(cx: &Context<'_>, before: &IncidentId, unmet: &mut Vec<Unmet>) {
    let why = match cx.state.incidents.get(before) {
        None => format!("incident {before} was never opened in this log"),
        Some(view) if view.is_open() => format!("incident {before} is {}", view.state),
        Some(_) => return,
    };
    unmet.push(Unmet::new(
        RefusalKind::IdMismatch,
        format!("continues: {why}"),
        "5.1, D-038",
        "name an incident of this log that is closed, or leave it out",
    ));
}

/// `invalid_schema` for a time that the log's clock has not reached. The author's own clock is
/// never a reason to refuse (D-016), so the tolerance of a suspect clock applies.
pub(super) fn in_future(
    cx: &Context<'_>,
    at: azir_ledger::Timestamp,
    name: &str,
    rule: &str,
    unmet: &mut Vec<Unmet>,
) {
    let ahead = at.ms_since(cx.now);
    if ahead > CLOCK_SUSPECT_MS {
        unmet.push(Unmet::new(
            RefusalKind::InvalidSchema,
            format!("{name} {at} lies {ahead} ms in the future of the log's clock {}", cx.now),
            rule,
            "give the time at which it happened, or set the clock",
        ));
    }
}

/// Scopes are sorted, unique, parse, and name own nodes that exist.
pub(super) fn scopes(cx: &Context<'_>, list: &[String], unmet: &mut Vec<Unmet>) {
    if !list.is_sorted_by(|a, b| a < b) {
        unmet.push(Unmet::new(
            RefusalKind::NotCanonical,
            "scopes are not sorted and unique",
            "7.1, D-015",
            "sort them, without repeats",
        ));
    }
    for text in list {
        scope(cx, text, unmet);
    }
}

/// `scope_invalid` for a scope that does not parse or names no node of this operator; what lives
/// on the network is the adapter's to resolve.
pub(super) fn scope(cx: &Context<'_>, text: &str, unmet: &mut Vec<Unmet>) {
    let mut refuse = |what: String, remedy: &str| {
        let rule = "12.4, D-024, annex D.1";
        unmet.push(Unmet::new(RefusalKind::ScopeInvalid, what, rule, remedy));
    };
    match text.parse::<Scope>() {
        Err(error) => refuse(format!("{text:?}: {error}"), "write kind:id as annex D.1 says"),
        Ok(scope) if scope.kind() == ScopeKind::Node && cx.policy.node(scope.id()).is_none() => {
            let known: Vec<_> = cx.policy.nodes.iter().map(|n| n.node.as_str()).collect();
            let remedy = format!("name one of this operator's nodes: {}", known.join(", "));
            refuse(format!("{text:?}: {} is no own node", scope.id()), &remedy);
        }
        Ok(_) => {}
    }
}

/// A radius beyond own nodes names what it covers (D-032).
pub(super) fn blast(blast: &Blast, scopes: &[String], unmet: &mut Vec<Unmet>) {
    if blast.rank > BlastRank::OWN && scopes.is_empty() {
        unmet.push(Unmet::new(
            RefusalKind::ScopeRequired,
            format!("blast rank {} without scopes", blast.rank.value()),
            "8.3, D-032",
            "name the affected scopes",
        ));
    }
}

/// Facts that show, with a fixture, that a fault of validation is not systemic (D-033).
const NOT_SYSTEMIC: [&str; 2] = ["wrong_implementation_named", "wrong_share_below_third"];

/// An ambiguity of validation counts for the whole network until a minimal fixture is held and the
/// wrong implementation is named and held by less than a third of the seats (D-033). Implements
/// R-15.3-1.
pub(super) fn systemic(
    view: &IncidentView,
    declared: &[IncidentClass],
    blast: &Blast,
    unmet: &mut Vec<Unmet>,
) {
    let validation = IncidentClass::Validation;
    let concerned = view.duties.contains(&validation) || declared.contains(&validation);
    if !concerned || blast.rank >= BlastRank::NETWORK {
        return;
    }
    let mut missing = Vec::new();
    if view.evidence.get(&Item::StateFixture).is_none_or(|r| r.held.is_empty()) {
        missing.push("a minimal fixture as state_fixture".to_owned());
    }
    let shown =
        |name: &str| view.readings.get(name).is_some_and(|r| r.value == FactValue::Bool(true));
    let unread = NOT_SYSTEMIC.iter().filter(|name| !shown(name));
    missing.extend(unread.map(|name| format!("the reading {name}")));
    unmet.extend(missing.into_iter().map(|what| {
        Unmet::new(
            RefusalKind::EvidenceMissing,
            format!("blast rank {} without {what}", blast.rank.value()),
            "15.3, D-033",
            "declare rank 4 until it is shown otherwise, or collect and state it",
        )
    }));
}

/// `incident.declared`: the act that TRIAGED records (D-020). Implements R-8.3-3, R-9.1-3 and
/// R-9.1-5. A person declares, and says why it is less than proposed: R-4.1-2.
pub(super) fn declare(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &IncidentDeclared,
    unmet: &mut Vec<Unmet>,
) {
    scopes(cx, &b.scopes, unmet);
    blast(&b.blast, &b.scopes, unmet);
    let classes: Vec<_> = b.secondary.iter().copied().chain([b.class]).collect();
    systemic(view, &classes, &b.blast, unmet);
    if b.severity < view.record.severity && b.reason.as_deref().is_none_or(str::is_empty) {
        unmet.push(Unmet::new(
            RefusalKind::ReasonRequired,
            format!("{} is lower than the proposed {}", b.severity, view.record.severity),
            "4.2, D-020, D-027",
            "say why",
        ));
    }
    if b.class == IncidentClass::ObservabilityOnly && b.severity >= Severity::Sev2Medium {
        unmet.push(Unmet::new(
            RefusalKind::GuardUnmet,
            format!("class: {} cannot be {}", b.class, b.severity),
            "3.1, annex E.2",
            "reclassify, or declare at most SEV_1_LOW",
        ));
    }
    if view.peak.is_some_and(|peak| b.severity < peak) {
        unmet.push(Unmet::new(
            RefusalKind::GuardUnmet,
            format!("severity: a new declaration cannot lower {}", view.severity),
            "4, D-030",
            "lower it by severity.changed, with its signatures",
        ));
    }
}

/// `severity.changed` (D-030): up at once by any deciding role, down with evidence, never while
/// damage goes on. Implements R-4.1-3.
pub(super) fn severity(view: &IncidentView, b: &SeverityChanged, unmet: &mut Vec<Unmet>) {
    if b.reason.is_empty() {
        unmet.push(Unmet::new(
            RefusalKind::ReasonRequired,
            "no reason",
            "4, D-030",
            "say why the severity changes",
        ));
    }
    let damage = view.network.as_ref().is_some_and(|n| n.newest.damage > 0);
    if b.severity < view.severity && damage {
        unmet.push(Unmet::new(
            RefusalKind::GuardUnmet,
            "quiet: the damage indicator is positive",
            "4, D-030",
            "lower the severity when no damage is seen any more",
        ));
    }
    if view.declared.is_none() {
        unmet.push(Unmet::new(
            RefusalKind::GuardUnmet,
            "declared: no severity was declared yet",
            "4, D-020",
            "declare class and severity first",
        ));
    }
}

/// `runbook.bound`: only a released version of this log, for a class of the incident (D-018, D-019,
/// D-117).
pub(super) fn bind(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &BoundRunbook,
    unmet: &mut Vec<Unmet>,
) {
    let of_class = |c: &IncidentClass| class::row(*c).runbook == b.id;
    if !of_class(&view.class) && !view.duties.iter().any(of_class) {
        unmet.push(Unmet::new(
            RefusalKind::GuardUnmet,
            format!("runbook: {} is of no class of this incident", b.id),
            "7.1, 34.1, D-019",
            format!("bind {}", class::row(view.class).runbook),
        ));
    }
    if !cx.state.runbooks.contains(b) {
        unmet.push(Unmet::new(
            RefusalKind::VersionConflict,
            format!("{} version {} with hash {} is not released here", b.id, b.version, b.hash),
            "35.2, D-117",
            "bind a version that log.created lists or that was released since",
        ));
    }
    if let Some(text) = cx.held(&b.object, "runbook", unmet) {
        let _checked = same_runbook(b, &text, unmet);
    }
}

/// The text in the vault is the released version itself, not another under its name (35.1).
pub(super) fn same_runbook(
    b: &BoundRunbook,
    text: &[u8],
    unmet: &mut Vec<Unmet>,
) -> Option<Runbook> {
    let loaded = str::from_utf8(text)
        .map_err(|e| e.to_string())
        .and_then(|text| azir_runbook::load(text, "runbook").map_err(|e| e.to_string()));
    let wrong = match loaded {
        Err(error) => format!("the text is no runbook: {error}"),
        Ok(runbook) => {
            let hash = runbook.header().hash().map(|h| h.0);
            let same = runbook.id() == b.id
                && u64::from(runbook.version()) == b.version
                && hash.as_ref() == Ok(&b.hash);
            if same {
                return Some(runbook);
            }
            let (id, version) = (runbook.id(), runbook.version());
            format!("the text is {id} version {version}, or differs in a part")
        }
    };
    unmet.push(Unmet::new(
        RefusalKind::HashMismatch,
        wrong,
        "35.1, D-117",
        "name the text whose header has this hash",
    ));
    None
}

/// `state.moved`: the lifecycle judges, on facts of the view.
pub(super) fn moved(cx: &Context<'_>, view: &IncidentView, b: &StateMoved, unmet: &mut Vec<Unmet>) {
    let basis = cx.signed.event().basis;
    if !cx.is_machine() && basis.is_none_or(|basis| basis <= view.last_act) {
        unmet.push(Unmet::new(
            RefusalKind::StaleView,
            format!("entry {} is newer than what the author had seen", view.last_act),
            "5.1, annex B",
            "read the incident again and decide anew",
        ));
    }
    let by_system = cx.state.server.as_deref() == Some(cx.actor);
    let request = Request {
        from: b.from,
        to: b.to,
        roles: if by_system { vec![] } else { vec![cx.role] },
        by_system,
        detector_cleared: false,
        reason: b.reason.clone(),
        cause: b.cause.as_ref().map(|c| (c.kind, c.event)),
        report: b.report,
        new_evidence: b.new_evidence.clone(),
        due: b.due,
    };
    for content in b.report.iter().chain(&b.new_evidence) {
        cx.held(content, "attachment", unmet);
    }
    if let Some(cause) = b.cause.as_ref().filter(|c| !cx.state.accepted.contains_key(&c.event)) {
        unmet.push(Unmet::new(
            RefusalKind::GuardUnmet,
            format!("cause_event: {} is no entry of this log", cause.event),
            "5.1, D-038",
            "name the event that shows the relapse, the loss or the wider decision",
        ));
    }
    if let Err(refusal) = lifecycle::admit(&facts::of(cx.state, view, cx.now), &request) {
        unmet.extend(refusal.unmet().to_vec());
    }
}
