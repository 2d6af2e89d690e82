//! One consensus incident of SEV_4, step by step, from opening to the published postmortem.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use azir_ledger::{Digest, SeenFinal, canon};
use azir_model::decision::{
    self, Action, ActionSet, ChainFacts, Channel, Grade, IncidentFacts, Input, LocalFacts, Origin,
    Path, Paths, Tolerance,
};
use azir_model::evidence::{Descriptor, Item, evidence_list_hash, scopes_hash};
use azir_model::restart::{
    Criterion, CriterionBody, CriterionState, RestartDecisionBody, Subsystem, criteria_digest,
};
use azir_model::vocab::NodeRole;
use azir_model::{
    BlastRank, Choice, IncidentClass, IncidentState, OpeningRecord, Profile, RecoveryMode, Role,
    RunbookId, Severity,
};

use super::{EPOCH_MS, NODES, SIGNING, Stage, machine_key, person};
use crate::body::{
    Adversarial, Blast, BlastBasis, CauseStated, CheckpointPinned, ConfirmationVerified,
    ConformanceAnswer, DecisionRecorded, EvidenceItems, EvidencePreserved, Excluded,
    IncidentDeclared, IncidentOpened, MeasureCommanded, MeasureReleased, PhaseCarried,
    PostmortemPublished, Question, RecoveryApproved, RecoveryPlanned, RecoveryProduced,
    RecoveryRecorded, ReplayReported, ReplayVerdict, Restriction, RestrictionsObserved,
    ReviewSigned, RoleAccepted, RoleAssigned, Verified, applied_of, requested_of, residual_lines,
};
use crate::postmortem::{self, Fix, FixState, Postmortem};
use crate::{Body, evidence};

const HOUR_MS: i64 = 3_600_000;
/// A timeline of a key: first and last suspicious use.
pub(crate) const KEY_TIMELINE: &str = "{\"uses\":[\
    {\"at\":\"2026-01-02T03:04:05.678Z\",\"what\":\"a vote nobody asked for\"},\
    {\"at\":\"2026-01-02T03:06:05.678Z\",\"what\":\"a second vote\"}]}";

/// The body and id of an opening.
pub(crate) fn opening(class: IncidentClass, severity: Severity) -> (IncidentOpened, Digest) {
    let scopes = vec!["node:n1".to_owned(), "node:n2".to_owned()];
    let record = OpeningRecord {
        affected_scopes_hash: scopes_hash(scopes.iter().map(String::as_str)).unwrap(),
        current_response_profile: Profile::ObserveOnly,
        detected_by: "detector:conflicting-certificates".to_owned(),
        detection_time: azir_ledger::Timestamp::from_ms(1_700_000_000_000),
        incident_class: class,
        initial_evidence_hash: evidence_list_hash(&[]).unwrap(),
        metadata_hash: None,
        related_object_refs: vec![],
        related_runbook_id: azir_model::class::row(class).runbook,
        severity,
        status: IncidentState::Detected,
    };
    let id = record.id().unwrap().0;
    (IncidentOpened { record, scopes, evidence: vec![], continues: None }, id)
}

/// A decision on own notary and proposer, with its input and output in the vault.
pub(crate) fn decision(stage: &mut Stage, change: impl FnOnce(&mut Input)) -> DecisionRecorded {
    let mut input = input(stage);
    change(&mut input);
    let output = decision::decide(&input);
    let recommended = output.recommended_profile.map_or(Profile::ObserveOnly, |p| p.profile);
    DecisionRecorded {
        input: stage.keep(canon::encode(&input).unwrap()),
        output: stage.keep(canon::encode(&output).unwrap()),
        profile: recommended,
        recommended,
        residual: residual_lines(&output),
        apply: applied_of(&output),
        requested: requested_of(&output),
        observe_only: output.apply_now.is_empty() && output.request.is_empty(),
        residual_accepted: true,
        override_reason: None,
    }
}

fn input(stage: &Stage) -> Input {
    let view = stage.view();
    let own = |text: &str, action: Action| Channel {
        scope: text.parse().unwrap(),
        origin: Origin::Own,
        actions: ActionSet::of(&[action]),
        t_harm: 0,
        min_capability: 0,
        open_exposure: Some(0),
        exit_possible: None,
        pinned: true,
        checker: None,
        own_share: vec![],
    };
    let seats = Channel {
        scope: "seat:0+1+2".parse().unwrap(),
        origin: Origin::Network,
        ..own("node:n1/notary", Action::SeatSign)
    };
    let path = |delay_s: u64| Path { delay_s, ..Path::default() };
    Input {
        version: decision::VERSION,
        incident: IncidentFacts {
            id: Some(view.id.to_string()),
            classes: vec![view.class],
            severity: view.severity,
            declarers: 1,
            blast_rank: BlastRank::NETWORK,
            flags: BTreeSet::new(),
            grade: Grade::Proven,
        },
        channels: vec![
            own("node:n1/notary", Action::Notarize),
            own("node:n1/proposer", Action::Propose),
            seats,
        ],
        chain: ChainFacts {
            height: 100,
            block: Some(Digest::of(b"tip").to_string()),
            finalizing: true,
            finality_s: 6,
            seats: 7,
            quorum: 5,
            counting: 7,
            disputed: None,
            subjects: BTreeMap::new(),
        },
        paths: Paths {
            owner: Some(path(0)),
            ordinary: Some(path(80)),
            expedited: Some(path(16)),
            emergency: Some(Path { expiry_max_s: Some(1_200), ..path(4) }),
            restart: Some(path(3_600)),
        },
        local: LocalFacts { gates_reachable: true, close_s: 1, automatic: true, decision_s: 120 },
        tolerance: Tolerance::default(),
        sources: BTreeMap::from([("chain".to_owned(), "agent:n1 at hard-final".to_owned())]),
    }
}

static WALK: LazyLock<Vec<(IncidentState, Stage)>> = LazyLock::new(|| {
    let mut stage = Stage::begun();
    let mut kept = Vec::new();
    let mut keep = |stage: &Stage| kept.push((stage.view().state, stage.fork()));
    stage.open();
    keep(&stage);
    stage.triage();
    keep(&stage);
    stage.confirm();
    keep(&stage);
    stage.contain();
    keep(&stage);
    stage.stabilise();
    keep(&stage);
    stage.establish();
    stage.begin_recovery();
    keep(&stage);
    stage.reopen_all();
    stage.end_recovery();
    keep(&stage);
    stage.close();
    keep(&stage);
    stage.publish();
    keep(&stage);
    kept
});

/// The walk, stopped when the incident had just reached this state. RECOVERING has its plan under
/// way and every gate closed.
pub(crate) fn at(state: IncidentState) -> Stage {
    WALK.iter().find(|(s, _)| *s == state).unwrap().1.fork()
}

/// The whole walk.
pub(crate) fn whole() -> &'static Stage {
    &WALK.last().unwrap().1
}

impl Stage {
    /// A detector opens the incident; gates and network are known.
    pub(crate) fn open(&mut self) {
        let (opened, id) = opening(IncidentClass::Consensus, Severity::Sev4Critical);
        self.incident = Some(id);
        self.machine("detector:conflicting-certificates", &Body::IncidentOpened(opened));
        for node in NODES {
            for role in super::ROLES {
                self.gate(node, role, true);
            }
        }
        self.observe(1);
        self.restrict(vec![]);
    }

    /// What is in force at the present height, as the first node verified it.
    pub(crate) fn restrict(&mut self, in_force: Vec<Restriction>) {
        let hard_final = SeenFinal { height: self.height, block: Digest::of(b"tip") };
        let (node, verified) = ("n1".to_owned(), Verified::Cryptographic);
        let seen = RestrictionsObserved { node, hard_final, verified, in_force };
        self.machine("agent:n1", &Body::RestrictionsObserved(seen));
    }

    /// The commander gives a role, and the person takes it.
    pub(crate) fn assign(&mut self, by: Role, role: Role) {
        let person = person(role);
        self.act(by, &Body::RoleAssigned(RoleAssigned { person, role }));
        self.act(role, &Body::RoleAccepted(RoleAccepted { role }));
    }

    pub(crate) fn declared(&self) -> IncidentDeclared {
        IncidentDeclared {
            class: IncidentClass::Consensus,
            secondary: vec![],
            severity: Severity::Sev4Critical,
            scopes: vec!["node:n1".to_owned(), "node:n2".to_owned()],
            blast: Blast { rank: BlastRank::NETWORK, basis: BlastBasis::Measured },
            reason: None,
        }
    }

    /// Roles, runbook, declaration.
    pub(crate) fn prepare_triage(&mut self) {
        self.assign(Role::OnCallOperator, Role::IncidentCommander);
        for role in [
            Role::ConsensusLead,
            Role::SecurityLead,
            Role::ExecutionLead,
            Role::GovernanceLiaison,
            Role::RecoveryOperator,
            Role::AuditScribe,
        ] {
            self.assign(Role::IncidentCommander, role);
        }
        let bound = self.state().runbooks[0].clone();
        assert_eq!(bound.id, RunbookId::Consensus);
        self.act(Role::OnCallOperator, &Body::RunbookBound(bound));
        let declared = Body::IncidentDeclared(self.declared());
        self.act(Role::OnCallOperator, &declared);
    }

    pub(crate) fn triage(&mut self) {
        self.prepare_triage();
        self.go(Role::IncidentCommander, IncidentState::Triaged);
    }

    pub(crate) fn go(&mut self, who: Role, to: IncidentState) {
        let body = self.moves(to);
        self.act(who, &body);
    }

    /// One item of evidence, held.
    pub(crate) fn item(&mut self, item: Item) -> Descriptor {
        let text = match item {
            Item::KeyTimeline => KEY_TIMELINE.to_owned(),
            _ => format!("content of {item}"),
        };
        Descriptor {
            item,
            hash: self.keep(&text),
            size: text.len() as u64,
            media: "text/plain".to_owned(),
            source: "node:n1".to_owned(),
            obtained_at: self.now,
            collector: "agent:n1".to_owned(),
        }
    }

    pub(crate) fn items(&mut self, wanted: &[Item]) -> EvidenceItems {
        let items = wanted.iter().map(|i| self.item(*i)).collect();
        EvidenceItems { scope: "node:n1".to_owned(), items, verified_by: None }
    }

    pub(crate) fn pin_all(&mut self) {
        let pins: Vec<_> = evidence::checklist(self.view()).pins().collect();
        let body = Body::EvidencePinned(self.items(&pins));
        self.machine("agent:n1", &body);
    }

    pub(crate) fn collect_rest(&mut self) {
        let list = evidence::checklist(self.view());
        let rest: Vec<_> = list
            .items()
            .iter()
            .copied()
            .filter(|i| !i.row().from_log && !self.view().evidence.contains_key(i))
            .collect();
        let body = Body::EvidenceCollected(self.items(&rest));
        self.machine("agent:n1", &body);
    }

    pub(crate) fn confirmation(&mut self, kind: &str) -> Body {
        let object = self.keep("two certificates");
        Body::ConfirmationVerified(ConfirmationVerified { kind: kind.to_owned(), object })
    }

    pub(crate) fn confirm(&mut self) {
        self.pin_all();
        let body = self.confirmation("conflicting_certificates");
        self.machine("detector:conflicting-certificates", &body);
        self.go(Role::ConsensusLead, IncidentState::Confirmed);
    }

    pub(crate) fn measure(&self, node: &str) -> MeasureCommanded {
        MeasureCommanded {
            measure: format!("halt-{node}"),
            choice: Choice::LocalServiceHalt,
            node: node.to_owned(),
            roles: SIGNING.to_vec(),
            peers: vec![],
            reason: "own votes would add to the fault".to_owned(),
        }
    }

    pub(crate) fn contain(&mut self) {
        let decided = decision(self, |_| {});
        self.act(Role::IncidentCommander, &Body::DecisionRecorded(decided));
        self.go(Role::IncidentCommander, IncidentState::Containing);
        for node in NODES {
            let body = Body::MeasureCommanded(self.measure(node));
            self.act(Role::OnCallOperator, &body);
        }
    }

    pub(crate) fn stabilise(&mut self) {
        self.wait(HOUR_MS);
        self.observe(0);
        self.go(Role::IncidentCommander, IncidentState::Stabilized);
    }

    pub(crate) fn replay(&mut self) -> ReplayReported {
        ReplayReported {
            report: self.keep("replay report"),
            verdict: ReplayVerdict::Match,
            families: vec!["azref".to_owned(), "second".to_owned()],
            checkpoint: SeenFinal { height: 100, block: Digest::of(b"trusted") },
            branches: 2,
            restrictions: Some(vec![]),
        }
    }

    pub(crate) fn pin(&mut self) -> CheckpointPinned {
        let replay = self.replay();
        CheckpointPinned { checkpoint: replay.checkpoint, report: replay.report }
    }

    pub(crate) fn cause(&mut self) -> CauseStated {
        let candidates = vec!["three keys signed twice".to_owned(), "own bug".to_owned()];
        let excluded = Excluded { candidate: "own bug".to_owned(), evidence: self.keep("replay") };
        CauseStated {
            candidates,
            excluded: vec![excluded],
            finding: "adversarial_equivocation".to_owned(),
            kind: None,
            adversarial: Some(Adversarial::Proven),
            statement: "the keys stay distrusted".to_owned(),
            objects: Vec::new(),
            fix: None,
        }
    }

    /// Replay, checkpoint, cause, preservation.
    pub(crate) fn establish(&mut self) {
        let replay = Body::ReplayReported(self.replay());
        self.act(Role::RecoveryOperator, &replay);
        let pin = Body::CheckpointPinned(self.pin());
        self.approve(Role::ConsensusLead, &pin);
        self.act(Role::IncidentCommander, &pin);
        let cause = Body::CauseStated(self.cause());
        self.act(Role::ConsensusLead, &cause);
        self.preserve();
    }

    pub(crate) fn receipt(&self) -> EvidencePreserved {
        let held = self.view().evidence.values().flat_map(|r| &r.held).cloned();
        let held: Vec<_> = held.filter(|d| d.source == "node:n1").collect();
        let items = evidence_list_hash(&held).unwrap();
        EvidencePreserved { scope: "node:n1".to_owned(), items }
    }

    pub(crate) fn preserve(&mut self) {
        let body = Body::EvidencePreserved(self.receipt());
        self.machine("agent:n1", &body);
    }

    pub(crate) fn plan(&self) -> RecoveryPlanned {
        let names = NODES.iter().flat_map(|n| SIGNING.map(|r| format!("{n}/{r}")));
        RecoveryPlanned {
            mode: RecoveryMode::SpeculativeBranchReset,
            scope: "network:all".to_owned(),
            entry: "candidates above the checkpoint are doubtful".to_owned(),
            outputs: vec!["dropped_candidates_listed".to_owned()],
            exits: vec!["roots_equal".to_owned()],
            destroys: vec!["node:n1".to_owned()],
            subsystems: names.collect(),
        }
    }

    pub(crate) fn begin_recovery(&mut self) {
        let plan = Body::RecoveryPlanned(self.plan());
        let plan = self.act(Role::RecoveryOperator, &plan);
        self.act(Role::IncidentCommander, &Body::RecoveryApproved(RecoveryApproved { plan }));
        self.go(Role::IncidentCommander, IncidentState::Recovering);
    }

    /// A criterion with its proof.
    pub(crate) fn criterion(&mut self, of: &Subsystem, criterion: Criterion) -> CriterionBody {
        let proof = match criterion {
            Criterion::Restrictions => {
                let list = canon::encode(&self.state().in_force()).unwrap();
                self.keep(list)
            }
            _ => self.keep(format!("proof of {criterion}")),
        };
        let state = CriterionState::Satisfied { proof, summary: "shown".to_owned() };
        CriterionBody { subsystem: of.clone(), criterion, state }
    }

    /// Signs all criteria; gives their digest.
    pub(crate) fn sign_criteria(&mut self, of: &Subsystem) -> Digest {
        self.restate();
        let mut signed = Vec::new();
        for criterion in Criterion::ALL {
            let body = Body::CriterionSigned(self.criterion(of, *criterion));
            let hash = match signer(*criterion) {
                Role::Automatic => self.machine("server:a", &body),
                role => self.act(role, &body),
            };
            signed.push((*criterion, hash));
        }
        criteria_digest(&signed)
    }

    pub(crate) fn restart(&self, of: &Subsystem, criteria: Digest) -> RestartDecisionBody {
        RestartDecisionBody {
            subsystem: of.clone(),
            key: machine_key(&format!("key:{of}")).public(),
            phase: of.role.phase(),
            criteria,
            decided_at: self.now,
            manifest: None,
            set_aside: None,
        }
    }

    /// Criteria, co-signature and decision; gives the decision's hash.
    pub(crate) fn decide_restart(&mut self, of: &Subsystem) -> Digest {
        let criteria = self.sign_criteria(of);
        let body = Body::RestartDecided(self.restart(of, criteria));
        if of.role == NodeRole::Notary {
            self.approve(Role::ConsensusLead, &body);
        }
        self.act(Role::IncidentCommander, &body)
    }

    pub(crate) fn carry(&mut self, of: &Subsystem) {
        let decision = self.decide_restart(of);
        let body = Body::PhaseCarried(PhaseCarried { subsystem: of.clone(), decision });
        self.act(Role::RecoveryOperator, &body);
    }

    /// Role by role, node by node, with dwell.
    pub(crate) fn reopen_all(&mut self) {
        for role in SIGNING {
            for node in NODES {
                self.carry(&subsystem(node, role));
                self.wait(EPOCH_MS + 1_000);
            }
            self.wait(2 * EPOCH_MS);
        }
    }

    pub(crate) fn produce(&mut self, item: &str) {
        let proof = self.keep(format!("proof of {item}"));
        let body = Body::RecoveryProduced(RecoveryProduced { item: item.to_owned(), proof });
        self.act(Role::RecoveryOperator, &body);
    }

    pub(crate) fn recorded(&mut self) -> RecoveryRecorded {
        let report = Some(self.keep("recovery report"));
        RecoveryRecorded { done: true, statement: "roles are back".to_owned(), report }
    }

    pub(crate) fn end_recovery(&mut self) {
        self.produce("dropped_candidates_listed");
        self.produce("roots_equal");
        for node in NODES {
            let (measure, reason) = (format!("halt-{node}"), "its gates are back".to_owned());
            let body = Body::MeasureReleased(MeasureReleased { measure, reason });
            self.act(Role::IncidentCommander, &body);
        }
        let recorded = Body::RecoveryRecorded(self.recorded());
        self.act(Role::IncidentCommander, &recorded);
        self.go(Role::IncidentCommander, IncidentState::Monitoring);
    }

    /// Everything that closing needs but the closing itself.
    pub(crate) fn prepare_closing(&mut self) {
        self.wait(25 * HOUR_MS);
        self.observe(0);
        self.collect_rest();
        let review = Body::ReviewSigned(ReviewSigned { finding: "complete".to_owned() });
        self.act(Role::ConsensusLead, &review);
    }

    pub(crate) fn close(&mut self) {
        self.prepare_closing();
        let body = self.moves(IncidentState::Closed);
        self.approve(Role::ConsensusLead, &body);
        self.act(Role::IncidentCommander, &body);
    }

    /// A complete postmortem, drafted from the log.
    pub(crate) fn written(&mut self) -> Postmortem {
        let mut doc = postmortem::draft(self.state(), self.view());
        for text in doc.contents.values_mut().filter(|t| t.is_empty()) {
            "none, because the fault was outside".clone_into(text);
        }
        doc.every_control_held = true;
        doc.fixes.push(Fix {
            what: "replace three seats".to_owned(),
            owner: person(Role::ConsensusLead),
            due: self.now.plus_ms(HOUR_MS),
            state: FixState::Open,
            reference: "follow-up 7".to_owned(),
        });
        doc.conformance = Question::ALL
            .iter()
            .map(|question| ConformanceAnswer {
                question: *question,
                answer: false,
                reason: "none covered it".to_owned(),
                fixture: None,
                report: None,
            })
            .collect();
        doc
    }

    /// The publication of a document.
    pub(crate) fn publication(&mut self, doc: &Postmortem) -> PostmortemPublished {
        PostmortemPublished {
            document: self.keep(canon::encode(doc).unwrap()),
            kinds: doc.kinds.clone(),
            conformance: doc.conformance.clone(),
            embargo: None,
        }
    }

    pub(crate) fn postmortem(&mut self) -> PostmortemPublished {
        let doc = self.written();
        self.publication(&doc)
    }

    pub(crate) fn publish(&mut self) {
        let body = Body::PostmortemPublished(self.postmortem());
        self.approve(Role::AuditScribe, &body);
        self.approve(Role::ConsensusLead, &body);
        self.act(Role::IncidentCommander, &body);
        self.go(Role::IncidentCommander, IncidentState::PostmortemPublished);
    }
}

/// One role of one node.
pub(crate) fn subsystem(node: &str, role: NodeRole) -> Subsystem {
    Subsystem { node: node.to_owned(), role }
}

/// Who signs a criterion in a consensus incident.
pub(crate) const fn signer(criterion: Criterion) -> Role {
    match criterion {
        Criterion::RootCause | Criterion::Replay => Role::ConsensusLead,
        Criterion::Containment | Criterion::Reviews => Role::IncidentCommander,
        Criterion::Restrictions => Role::GovernanceLiaison,
        Criterion::Keys => Role::SecurityLead,
        Criterion::Telemetry => Role::Automatic,
    }
}
