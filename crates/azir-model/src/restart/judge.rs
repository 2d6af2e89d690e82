//! Judging a restart file. Strict and total: what cannot be read is a refusal.

use std::collections::{BTreeMap, BTreeSet};

use azir_ledger::event::EventError;
use azir_ledger::{CanonError, Digest, MachinePublic, SignedEvent, Timestamp};
use serde::de::DeserializeOwned;

use super::{
    CLOCK_AHEAD_MS, CRITERION_SIGNED, Criterion, CriterionBody, CriterionState, REASON_BYTES_MAX,
    RESTART_DECIDED, RESTART_FILE_LIST_MAX, RESTART_VALID_MS, RestartDecisionBody, RestartFile,
    SetAside, SignedText, Subsystem, cosigners, criteria_digest,
};
use crate::approval::{APPROVAL_GIVEN, ApprovalBody, GivenApproval, act_digest, check_second_in};
use crate::policy::{Deployment, Policy};
use crate::refusal::{Refusal, RefusalKind, Unmet};
use crate::vocab::Role;

const RULE: &str = "29.1, D-104, annex J.2";

/// A restart whose file holds in every point that the file itself can show. Made only by
/// [`authorize`]; computed again after every start, never stored.
#[derive(Debug)]
pub struct Authorized {
    body: RestartDecisionBody,
    subject: Digest,
    decision: Digest,
    decided_by: String,
    self_reviewed: bool,
}

impl Authorized {
    /// What may be opened.
    #[must_use]
    pub fn subsystem(&self) -> &Subsystem {
        &self.body.subsystem
    }

    /// Re-enable phase, 1 to 7.
    #[must_use]
    pub fn phase(&self) -> u8 {
        self.body.phase
    }

    /// The key that may be used again.
    #[must_use]
    pub fn key(&self) -> MachinePublic {
        self.body.key
    }

    /// Hash of the decision event, which a lease quotes (annex I).
    #[must_use]
    pub fn decision(&self) -> Digest {
        self.decision
    }

    /// The incident.
    #[must_use]
    pub fn subject(&self) -> Digest {
        self.subject
    }

    /// Restart manifest, if the decision names one.
    #[must_use]
    pub fn manifest(&self) -> Option<Digest> {
        self.body.manifest
    }

    /// Who decided.
    #[must_use]
    pub fn decided_by(&self) -> &str {
        &self.decided_by
    }

    /// Criteria that were set aside with a reason; shown wherever the restart is shown.
    #[must_use]
    pub fn set_aside(&self) -> Option<&SetAside> {
        self.body.set_aside.as_ref()
    }

    /// True when a small deployment let one person act twice (D-048); shown likewise.
    #[must_use]
    pub fn self_reviewed(&self) -> bool {
        self.self_reviewed
    }

    /// The last moment at which the decision may open the gate.
    #[must_use]
    pub fn valid_until(&self) -> Timestamp {
        self.body.decided_at.plus_ms(RESTART_VALID_MS)
    }
}

/// Judges a restart file against the policy: every signature, roles, log and mode, the criteria
/// and their signers, the digest, the co-signature of annex C row 25, the 60 minutes, and the
/// separations of D-048 that the file can show. `subject` is the incident if the caller knows it;
/// otherwise all events must be about the decision's incident.
///
/// Implements R-29.1-2, R-29.1-4, R-29.1-5, R-29.1-6, R-29.1-7, R-29.1-8, R-29.1-9, R-27.2-8,
/// R-41.4-1, R-6.1-8.
///
/// # Errors
/// A [`Refusal`] with every unmet condition that could be judged.
pub fn authorize(
    file: &RestartFile,
    policy: &Policy,
    subject: Option<Digest>,
    log: &str,
    mode: &str,
    now: Timestamp,
) -> Result<Authorized, Refusal> {
    if file.criteria.len().max(file.approvals.len()) > RESTART_FILE_LIST_MAX {
        return Err(Refusal::one(
            RefusalKind::InvalidSchema,
            format!("more than {RESTART_FILE_LIST_MAX} criteria or approvals"),
            RULE,
            "give each criterion once",
        ));
    }
    let mut judge =
        Judge { policy, subject, log, mode, unmet: Vec::new(), people: BTreeSet::new() };
    let decision = judge.read::<RestartDecisionBody>("decision", &file.decision, RESTART_DECIDED);
    if judge.subject.is_none() {
        judge.subject = decision.as_ref().and_then(|d| d.signed.event().subject);
    }
    let criteria = judge.criteria(file, decision.as_ref().map(|d| &d.body));
    let approvals = judge.approvals(file);
    let self_reviewed = decision.as_ref().is_some_and(|decision| {
        judge.decision(decision, &criteria, now);
        judge.seconded(decision, &approvals)
    });
    let subject = judge.subject;
    Refusal::unless_met(judge.unmet)?;
    match (decision, subject) {
        (Some(decision), Some(subject)) => Ok(Authorized {
            decision: decision.signed.hash(),
            decided_by: decision.actor,
            body: decision.body,
            subject,
            self_reviewed,
        }),
        (None, _) | (_, None) => Err(Refusal::one(
            RefusalKind::InvalidSchema,
            "the decision names no incident",
            "3, D-011",
            "decide a restart inside its incident",
        )),
    }
}

/// One event whose form, signature, author, role, log, mode and subject hold.
struct Read<T> {
    signed: SignedEvent,
    actor: String,
    role: Role,
    body: T,
}

struct Judge<'a> {
    policy: &'a Policy,
    subject: Option<Digest>,
    log: &'a str,
    mode: &'a str,
    unmet: Vec<Unmet>,
    /// People whose signatures the file holds.
    people: BTreeSet<String>,
}

impl Judge<'_> {
    fn fail(&mut self, kind: RefusalKind, what: impl Into<String>, remedy: &str) {
        self.unmet.push(Unmet::new(kind, what, RULE, remedy));
    }

    fn criterion_fails(&mut self, name: &str, why: &str) {
        self.fail(
            RefusalKind::CriteriaUnmet,
            format!("{name}: {why}"),
            "sign every criterion of annex J.2 anew, then decide again",
        );
    }

    /// Reads one event; each fault is recorded, and any fault makes the event count for nothing.
    fn read<T: DeserializeOwned>(
        &mut self,
        name: &str,
        text: &SignedText,
        kind: &str,
    ) -> Option<Read<T>> {
        let before = self.unmet.len();
        let signed = match text.open() {
            Ok(signed) => signed,
            Err(error) => {
                let remedy = "give the event exactly as it was signed";
                self.fail(kind_of(&error), format!("{name}: {error}"), remedy);
                return None;
            }
        };
        let role = self.author(name, &signed);
        self.frame(name, &signed, kind);
        let event = signed.event();
        let body = match serde_json::from_value(event.body.clone()) {
            Ok(body) => Some(body),
            Err(error) => {
                let remedy = "use the members of this type of event";
                self.fail(RefusalKind::InvalidSchema, format!("{name}: {error}"), remedy);
                None
            }
        };
        let actor = event.actor.clone();
        match (role, body) {
            (Some(role), Some(body)) if self.unmet.len() == before => {
                if role != Role::Automatic {
                    self.people.insert(actor.clone());
                }
                Some(Read { signed, actor, role, body })
            }
            (Some(_) | None, Some(_) | None) => None,
        }
    }

    /// The role in which the author acted, if key, signature and eligibility hold.
    fn author(&mut self, name: &str, signed: &SignedEvent) -> Option<Role> {
        let event = signed.event();
        let actor = &event.actor;
        let Some(key) = self.policy.key_of(actor) else {
            let what = format!("{name}: {actor} is not in the policy");
            self.fail(RefusalKind::UnknownActor, what, "let somebody of the policy sign");
            return None;
        };
        if let Err(error) = signed.verify(&key) {
            let what = format!("{name}: {error}");
            self.fail(RefusalKind::SignatureInvalid, what, "sign the event again");
            return None;
        }
        let machine = self.policy.machine(actor).is_some();
        let role = match (event.role.as_deref().map(str::parse), machine) {
            (None | Some(Ok(Role::Automatic)), true) => Some(Role::Automatic),
            (Some(Ok(role)), false) if self.policy.eligible(actor, role) => Some(role),
            (None | Some(Ok(_) | Err(_)), true | false) => None,
        };
        if role.is_none() {
            let as_what = event.role.as_deref().unwrap_or("nobody");
            let what = format!("{name}: {actor} may not act as {as_what}");
            self.fail(RefusalKind::NotAuthorized, what, "act in a role that the policy gives");
        }
        role
    }

    /// Type, log, mode and subject.
    fn frame(&mut self, name: &str, signed: &SignedEvent, kind: &str) {
        let event = signed.event();
        if event.kind != kind {
            let what = format!("{name}: type {:?}, expected {kind}", event.kind);
            self.fail(RefusalKind::InvalidSchema, what, "put each event in its place");
        }
        if event.log != self.log {
            let what = format!("{name}: for log {:?}, this one is {:?}", event.log, self.log);
            self.fail(RefusalKind::IdMismatch, what, "sign it for this log");
        }
        if event.mode != self.mode {
            let what = format!("{name}: mode {:?}, this gate runs {:?}", event.mode, self.mode);
            self.fail(RefusalKind::DrillOnly, what, "sign it in this mode");
        }
        if event.subject.is_none() || self.subject.is_some_and(|s| event.subject != Some(s)) {
            let what = format!("{name}: about another incident");
            self.fail(RefusalKind::IdMismatch, what, "use the events of one incident");
        }
    }

    fn criteria(
        &mut self,
        file: &RestartFile,
        decision: Option<&RestartDecisionBody>,
    ) -> BTreeMap<Criterion, Digest> {
        let mut held = BTreeMap::new();
        for (i, text) in file.criteria.iter().enumerate() {
            let name = format!("criteria[{i}]");
            let Some(read) = self.read::<CriterionBody>(&name, text, CRITERION_SIGNED) else {
                continue;
            };
            let criterion = read.body.criterion;
            if !criterion.signers().contains(&read.role) {
                let roles = criterion.signers().iter().map(|r| r.as_str()).collect::<Vec<_>>();
                let what = format!("{criterion}: signed by {} as {}", read.actor, read.role);
                let remedy = format!("it is signed by {}", roles.join(" or "));
                self.fail(RefusalKind::NotAuthorized, what, &remedy);
            }
            if decision.is_some_and(|d| d.subsystem != read.body.subsystem) {
                let what = format!("it is about {}", read.body.subsystem);
                self.criterion_fails(criterion.as_str(), &what);
            }
            self.state(&read.body);
            if held.insert(criterion, read.signed.hash()).is_some() {
                self.criterion_fails(criterion.as_str(), "given twice");
            }
        }
        held
    }

    fn state(&mut self, body: &CriterionBody) {
        let (name, role) = (body.criterion, body.subsystem.role);
        match &body.state {
            CriterionState::Satisfied { summary, .. } => {
                if summary.len() > REASON_BYTES_MAX {
                    self.criterion_fails(name.as_str(), "the summary is too long");
                }
            }
            CriterionState::NotApplicable { reason } => {
                self.reason(name.as_str(), reason);
                if !name.may_be_not_applicable(role) {
                    self.criterion_fails(name.as_str(), &format!("applies to every {role}"));
                }
            }
        }
    }

    fn reason(&mut self, name: &str, reason: &str) {
        if reason.trim().is_empty() || reason.len() > REASON_BYTES_MAX {
            let what = format!("{name}: no reason of 1 to {REASON_BYTES_MAX} bytes");
            self.fail(RefusalKind::ReasonRequired, what, "state the reason");
        }
    }

    fn approvals(&mut self, file: &RestartFile) -> Vec<GivenApproval> {
        let mut given = Vec::new();
        for (i, text) in (0..).zip(&file.approvals) {
            let name = format!("approvals[{i}]");
            if let Some(read) = self.read::<ApprovalBody>(&name, text, APPROVAL_GIVEN) {
                given.push(GivenApproval {
                    person: read.actor,
                    role: read.role,
                    act: read.body.act,
                    index: i,
                });
            }
        }
        given
    }

    /// rc8: who decided, for which phase, when, and on which criteria.
    fn decision(
        &mut self,
        decision: &Read<RestartDecisionBody>,
        held: &BTreeMap<Criterion, Digest>,
        now: Timestamp,
    ) {
        let body = &decision.body;
        if decision.role != Role::IncidentCommander {
            let what = format!("rc8: decided by {} as {}", decision.actor, decision.role);
            let remedy = "the Incident Commander decides a restart (annex C row 24)";
            self.fail(RefusalKind::NotAuthorized, what, remedy);
        }
        let phase = body.subsystem.role.phase();
        if body.phase != phase {
            let what = format!("{} opens in phase {phase}, not {}", body.subsystem, body.phase);
            self.fail(RefusalKind::PhaseOrder, what, "name the phase of the role");
        }
        let age = now.ms_since(body.decided_at);
        if age > RESTART_VALID_MS {
            self.criterion_fails("rc8", &format!("decided {age} ms ago, valid 60 minutes"));
        } else if age < -CLOCK_AHEAD_MS {
            self.criterion_fails("rc8", &format!("decided {} ms in the future", -age));
        }
        let aside = self.set_aside(body);
        for criterion in Criterion::ALL {
            if !held.contains_key(criterion) && !aside.contains(criterion) {
                self.criterion_fails(criterion.as_str(), "missing");
            }
        }
        let held: Vec<_> = held.iter().map(|(c, d)| (*c, *d)).collect();
        if criteria_digest(&held) != body.criteria {
            self.criterion_fails("rc8", "the criteria are not those that were decided on");
        }
    }

    fn set_aside(&mut self, body: &RestartDecisionBody) -> Vec<Criterion> {
        let Some(aside) = &body.set_aside else { return Vec::new() };
        self.reason("set_aside", &aside.reason);
        if body.subsystem.role.signs() {
            let names = aside.criteria.iter().map(|c| c.as_str()).collect::<Vec<_>>().join(" ");
            self.criterion_fails(&names, "cannot be set aside for a role that signs");
            return Vec::new();
        }
        aside.criteria.clone()
    }

    /// The co-signature of annex C row 25, and two people in the file (rows 23 to 26). Returns
    /// whether one person did what two should do.
    fn seconded(&mut self, decision: &Read<RestartDecisionBody>, given: &[GivenApproval]) -> bool {
        let deployment = self.policy.deployment();
        let alone = self.people.len() < 2;
        if alone && deployment == Deployment::Serious {
            let what = format!("{} signed everything alone", decision.actor);
            let remedy = "criteria and decision need two people (annex C rows 23 to 26)";
            self.fail(RefusalKind::SecondPersonRequired, what, remedy);
        }
        let needed = cosigners(decision.body.subsystem.role);
        if needed.is_empty() {
            return alone;
        }
        let event = decision.signed.event();
        let act = act_digest(&event.kind, event.subject, &event.body);
        match check_second_in(deployment, act, needed, given, &decision.actor) {
            Ok(second) => alone || second.self_reviewed,
            Err(unmet) => {
                self.unmet.push(unmet);
                alone
            }
        }
    }
}

fn kind_of(error: &EventError) -> RefusalKind {
    match error {
        EventError::Canon(CanonError::NotCanonical { .. } | CanonError::Unencodable { .. }) => {
            RefusalKind::NotCanonical
        }
        EventError::Canon(CanonError::Schema { .. })
        | EventError::Schema { .. }
        | EventError::TooLarge { .. } => RefusalKind::InvalidSchema,
        EventError::Signature(_) => RefusalKind::SignatureInvalid,
    }
}
