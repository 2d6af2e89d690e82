//! The whole state of a log: its policy and its incidents. It is the fold of the entries; live
//! operation, start-up and the offline check all call [`State::apply`] (rule 2).

use std::collections::{BTreeMap, BTreeSet};

use azir_ledger::event::PublicKey;
use azir_ledger::roster::Roster;
use azir_ledger::{CanonError, Digest, Entry, MachinePublic, SeenFinal, SignedEvent, Timestamp};
use azir_model::IncidentId;
use azir_model::approval::act_digest;
use azir_model::policy::Policy;
use azir_model::refusal::Unmet;
use azir_model::restart::{RestartFile, SignedText};
use azir_model::vocab::NodeRole;
use serde::Serialize;

use crate::body::{
    Body, BoundRunbook, GovernanceObserved, Mandate, MandatesObserved, NetworkObserved,
    ReleaseBuilt, Restriction, RestrictionsObserved, RunbookReleased, StatusPublished,
};
use crate::fold;
use crate::parsed::Parsed;
use crate::view::{ApprovalRecord, GateRecord, IncidentView, Mark};

/// Tag of the hash of the log view: what entries without an incident change.
pub const LOG_VIEW_TAG: &str = "AZ:LOG:VIEW:";

/// Why an entry cannot be applied. Never happens to an entry that was admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// The body is none of this version.
    #[error("{}", .0.what)]
    Body(Unmet),
    /// The entry is about an incident that was never opened.
    #[error("entry {index} is about an incident that this log never opened")]
    UnknownIncident {
        /// Index of the entry.
        index: u64,
    },
    /// The view has no canonical form.
    #[error(transparent)]
    Canon(#[from] CanonError),
    /// The entry's index is not the next one.
    #[error("entry {found} where {expected} is due")]
    Index {
        /// Index that is due.
        expected: u64,
        /// Index of the entry.
        found: u64,
    },
    /// The entry is recorded before its predecessor: the log's clock never goes back.
    #[error("entry {index} is recorded before its predecessor")]
    Clock {
        /// Index of the entry.
        index: u64,
    },
    /// The entry carries another view hash than its events give.
    #[error("entry {index} carries view {found}, its events give {computed}")]
    View {
        /// Index of the entry.
        index: u64,
        /// Hash in the entry.
        found: Digest,
        /// Recomputed hash.
        computed: Digest,
    },
}

/// A newest observation, and where it stands in the log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Seen<T> {
    /// What was observed.
    pub newest: T,
    /// Who and when.
    pub mark: Mark,
}

/// Restrictions of the network as own nodes list them (annex G). [`State::in_force`] reads them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Restrictions {
    /// The newest list of each node.
    pub lists: BTreeMap<String, Seen<RestrictionsObserved>>,
    /// Restrictions that no node lists any more, by object.
    pub ended: BTreeMap<Digest, Ended>,
    /// Hash of the event of the newest list.
    pub event: Digest,
    /// Who and when.
    pub mark: Mark,
}

/// A restriction that is listed no more.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ended {
    /// The restriction as it was.
    pub restriction: Restriction,
    /// Position of the list that lacked it first.
    pub index: u64,
}

/// A released version of a runbook (D-117). Implements R-35.2-2.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Release {
    /// What was released.
    pub released: RunbookReleased,
    /// Who approved it before, and where.
    pub approvals: Vec<Mark>,
    /// The author, and where.
    pub mark: Mark,
}

/// Where a key was listed as compromised (D-108).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ListedKey {
    /// The incident.
    pub incident: IncidentId,
    /// Who and when.
    pub mark: Mark,
}

/// A status as it was published.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PublishedStatus {
    /// What was said.
    pub said: StatusPublished,
    /// Who and when.
    pub mark: Mark,
}

/// State of a log.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct State {
    /// Number of entries applied.
    pub size: u64,
    /// Policy and machines, from `log.created`.
    pub policy: Option<Policy>,
    /// Actor id of the machine that keeps the log.
    pub server: Option<String>,
    /// Released runbooks.
    pub runbooks: Vec<BoundRunbook>,
    /// Versions released after the log began, with who wrote and who approved them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub releases: Vec<Release>,
    /// What builders got, by scope `impl:NAME/VERSION` and by builder (D-109).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub builds: BTreeMap<String, BTreeMap<String, ReleaseBuilt>>,
    /// Revoked actors and the position from which their key is void (D-051).
    pub revoked: BTreeMap<String, u64>,
    /// Keys with which no gate may open, and where they were listed (D-108).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub listed_keys: BTreeMap<MachinePublic, ListedKey>,
    /// Newest statement of each gate, by `node/role`.
    pub gates: BTreeMap<String, GateRecord>,
    /// Second signatures for acts about no incident (annex C row 34).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<ApprovalRecord>,
    /// Newest observation of each node.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub network: BTreeMap<String, Seen<NetworkObserved>>,
    /// Restrictions in finalized state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restrictions: Option<Restrictions>,
    /// Newest list of mandates of each node.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub mandates: BTreeMap<String, Seen<MandatesObserved>>,
    /// Newest verdict on each governance path.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub governance: BTreeMap<String, Seen<GovernanceObserved>>,
    /// Published statuses, the newest last. Follows from the log, so no hash covers it.
    #[serde(skip)]
    pub statuses: Vec<PublishedStatus>,
    /// Runbooks parsed so far.
    #[serde(skip)]
    pub parsed: Parsed,
    /// Incidents.
    #[serde(skip)]
    pub incidents: BTreeMap<IncidentId, IncidentView>,
    /// Position of every accepted event, by hash: a repeat returns the first result.
    #[serde(skip)]
    pub accepted: BTreeMap<Digest, u64>,
    /// Criteria, restart decisions and approvals as signed: what a restart file is made of.
    #[serde(skip)]
    pub signatures: BTreeMap<Digest, SignedEvent>,
    /// Log time of the newest entry.
    #[serde(skip)]
    pub clock: Option<Timestamp>,
}

impl State {
    /// Applies an admitted body at the next position and gives the hash of the view it produces.
    ///
    /// # Errors
    /// [`FoldError`]; then nothing is changed.
    pub fn apply_body(
        &mut self,
        signed: &SignedEvent,
        recorded: Timestamp,
        body: &Body,
    ) -> Result<Digest, FoldError> {
        let at = fold::Position { index: self.size, recorded };
        let event = signed.event();
        let hash = if let (Body::IncidentOpened(opened), Some(subject)) = (body, event.subject) {
            let view = fold::open(IncidentId(subject), opened, signed, at);
            let hash = view.hash()?;
            self.incidents.insert(IncidentId(subject), view);
            hash
        } else if let Some(subject) = event.subject {
            let known = self.incidents.get_mut(&IncidentId(subject));
            let view = known.ok_or(FoldError::UnknownIncident { index: at.index })?;
            fold::advance(view, signed, body, at);
            let hash = view.hash()?;
            self.observe(signed, body, at);
            hash
        } else {
            self.apply_to_log(signed, body, at);
            Digest::of_canonical(LOG_VIEW_TAG, self)?
        };
        match body {
            Body::CriterionSigned(_) | Body::RestartDecided(_) | Body::ApprovalGiven(_) => {
                self.signatures.insert(signed.hash(), signed.clone());
            }
            _ => {}
        }
        self.accepted.insert(signed.hash(), at.index);
        self.clock = Some(recorded);
        self.size += 1;
        Ok(hash)
    }

    /// Applies an entry of the log and compares its view hash.
    ///
    /// # Errors
    /// [`FoldError`]; the state must not be used any further.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), FoldError> {
        let index = entry.meta.index;
        if index != self.size {
            return Err(FoldError::Index { expected: self.size, found: index });
        }
        if self.clock.is_some_and(|clock| entry.meta.recorded < clock) {
            return Err(FoldError::Clock { index });
        }
        let event = entry.signed.event();
        let body = Body::parse(&event.kind, &event.body).map_err(FoldError::Body)?;
        let computed = self.apply_body(&entry.signed, entry.meta.recorded, &body)?;
        if computed == entry.meta.view {
            Ok(())
        } else {
            Err(FoldError::View { index, found: entry.meta.view, computed })
        }
    }

    /// The roster that the log's own entries give: people and machines of its policy from the first
    /// entry on, revoked ones until their revocation (D-051).
    #[must_use]
    pub fn roster(&self, log: &str) -> Roster {
        let mut roster = Roster::new(log);
        let Some(policy) = &self.policy else { return roster };
        for person in &policy.people {
            roster.add(&person.id, PublicKey::Person(person.key.clone()), 0);
        }
        for machine in &policy.machines {
            roster.add(&machine.id, PublicKey::Machine(machine.key), 0);
        }
        for (actor, position) in &self.revoked {
            roster.revoke(actor, None, *position);
        }
        roster
    }

    /// The restart file of one subsystem: its decision, the criteria that the view holds, and all
    /// approvals of that decision.
    #[must_use]
    pub fn restart_file(
        &self,
        view: &IncidentView,
        subsystem: &str,
        decision: Digest,
    ) -> Option<RestartFile> {
        let decision = self.signatures.get(&decision)?;
        self.restart_file_of(view, subsystem, decision)
    }

    /// As [`State::restart_file`], for a decision that is only proposed yet.
    #[must_use]
    pub fn restart_file_of(
        &self,
        view: &IncidentView,
        subsystem: &str,
        decision: &SignedEvent,
    ) -> Option<RestartFile> {
        let event = decision.event();
        let act = act_digest(&event.kind, event.subject, &event.body);
        let text = |hash: &Digest| self.signatures.get(hash).map(SignedText::of);
        let criteria = view.restarts.get(subsystem).map(|r| &r.criteria);
        Some(RestartFile {
            decision: SignedText::of(decision),
            criteria: criteria?.values().filter_map(text).collect(),
            approvals: view
                .approvals
                .iter()
                .filter(|a| a.act == act)
                .filter_map(|a| text(&a.event))
                .collect(),
        })
    }

    /// True when this node's agent still speaks for it (D-051).
    fn heard(&self, node: &str) -> bool {
        !self.revoked.contains_key(&format!("agent:{node}"))
    }

    /// Newest observations of nodes whose agent's key is not revoked.
    pub fn observations(&self) -> impl Iterator<Item = &Seen<NetworkObserved>> {
        self.network.iter().filter(|(node, _)| self.heard(node)).map(|(_, seen)| seen)
    }

    /// The newest hard-final block that an own node has verified.
    #[must_use]
    pub fn hard_final(&self) -> Option<SeenFinal> {
        let lists = self.restrictions.iter().flat_map(|r| &r.lists);
        let listed = lists.filter(|(node, _)| self.heard(node)).map(|(_, l)| l.newest.hard_final);
        let seen = self.observations().map(|seen| seen.newest.hard_final);
        seen.chain(listed).max_by_key(|tip| tip.height)
    }

    /// Mandates of own agents as nodes that are heard list them.
    pub fn mandates_listed(&self) -> impl Iterator<Item = &Mandate> {
        let heard = self.mandates.iter().filter(|(node, _)| self.heard(node));
        heard.flat_map(|(_, seen)| &seen.newest.mandates)
    }

    /// True when an own node has told which restrictions are in force, be it none.
    #[must_use]
    pub fn restrictions_known(&self) -> bool {
        let mut nodes = self.restrictions.iter().flat_map(|r| r.lists.keys());
        nodes.any(|node| self.heard(node))
    }

    /// Every restriction that an own node lists, by object: no node can make one vanish that
    /// another still sees.
    fn listed(&self) -> BTreeMap<Digest, &Restriction> {
        let lists = self.restrictions.iter().flat_map(|r| &r.lists);
        let heard = lists.filter(|(node, _)| self.heard(node));
        heard.flat_map(|(_, l)| &l.newest.in_force).map(|r| (r.object, r)).collect()
    }

    /// Restrictions in force now, sorted by object: listed, and not past their expiry at the newest
    /// hard-final height (annex G).
    #[must_use]
    pub fn in_force(&self) -> Vec<&Restriction> {
        let height = self.hard_final().map_or(0, |tip| tip.height);
        let listed = self.listed().into_values();
        listed.filter(|r| r.expiry.is_none_or(|end| end > height)).collect()
    }

    /// Restrictions that were in force and are not, each with the position at which that was known.
    #[must_use]
    pub fn ended(&self) -> Vec<(&Restriction, u64)> {
        let Some(known) = &self.restrictions else { return Vec::new() };
        let height = self.hard_final().map_or(0, |tip| tip.height);
        let expired = self.listed().into_values();
        let expired = expired.filter(|r| r.expiry.is_some_and(|end| end <= height));
        let gone = known.ended.values().map(|e| (&e.restriction, e.index));
        gone.chain(expired.map(|r| (r, known.mark.index))).collect()
    }

    /// Own gates, by node, whose newest statement names a key that fits.
    pub fn guarding<'s>(
        &'s self,
        fits: impl Fn(&MachinePublic) -> bool + 's,
    ) -> impl Iterator<Item = (String, Vec<NodeRole>)> + 's {
        let nodes = self.policy.iter().flat_map(|p| &p.nodes);
        nodes.filter_map(move |n| {
            let guards = |role: &&NodeRole| {
                let gate = self.gates.get(&fold::subsystem(&n.node, **role));
                gate.is_some_and(|g| fits(&g.key))
            };
            let roles: Vec<_> = n.roles.iter().filter(guards).copied().collect();
            (!roles.is_empty()).then(|| (n.node.clone(), roles))
        })
    }

    /// The listed key that this gate guards, by its newest statement (D-108).
    #[must_use]
    pub fn listed_key(&self, gate: &str) -> Option<MachinePublic> {
        let key = self.gates.get(gate)?.key;
        self.listed_keys.contains_key(&key).then_some(key)
    }

    fn apply_to_log(&mut self, signed: &SignedEvent, body: &Body, at: fold::Position) {
        match body {
            Body::LogCreated(created) => {
                self.policy = Some(created.policy.clone());
                self.server = Some(created.server.clone());
                self.runbooks = created.runbooks.clone();
            }
            Body::KeyRevoked(revoked) => {
                self.revoked.insert(revoked.actor.clone(), at.index + 1);
            }
            Body::RunbookReleased(released) => {
                let event = signed.event();
                let act = act_digest(&event.kind, event.subject, &event.body);
                let given = self.approvals.iter().filter(|a| a.act == act);
                self.releases.push(Release {
                    released: released.clone(),
                    approvals: given.map(|a| a.mark.clone()).collect(),
                    mark: fold::mark(event, at),
                });
                self.runbooks.push(released.runbook.clone());
            }
            Body::ApprovalGiven(given) => self.approvals.push(ApprovalRecord {
                act: given.act,
                event: signed.hash(),
                mark: fold::mark(signed.event(), at),
            }),
            Body::ReleaseBuilt(built) => {
                let of = self.builds.entry(built.scope()).or_default();
                of.insert(signed.event().actor.clone(), built.clone());
            }
            // Every other kind needs an incident, which admission has checked.
            _ => self.observe(signed, body, at),
        }
    }

    /// What holds for the whole log, whether it was said about an incident or not.
    fn observe(&mut self, signed: &SignedEvent, body: &Body, at: fold::Position) {
        let mark = fold::mark(signed.event(), at);
        match body {
            Body::GateStated(stated) => {
                let (name, mut record) = fold::gate_record(&stated.statement.body, at, &self.gates);
                // What changes while nothing is responded to is no change during response (2.3).
                if !self.incidents.values().any(IncidentView::is_open) {
                    record.ran.drain(..record.ran.len().saturating_sub(1));
                }
                self.gates.insert(name, record);
            }
            Body::NetworkObserved(seen) => {
                self.network.insert(seen.node.clone(), Seen { newest: seen.clone(), mark });
            }
            Body::GovernanceObserved(seen) => {
                self.governance.insert(seen.path.clone(), Seen { newest: seen.clone(), mark });
            }
            Body::MandatesObserved(seen) => {
                self.mandates.insert(seen.node.clone(), Seen { newest: seen.clone(), mark });
            }
            Body::RestrictionsObserved(seen) => self.restrict(seen, signed.hash(), mark),
            Body::KeyListed(said) => {
                let Some(incident) = signed.event().subject.map(IncidentId) else { return };
                for key in &said.keys {
                    let listed = ListedKey { incident, mark: mark.clone() };
                    self.listed_keys.entry(*key).or_insert(listed);
                }
            }
            Body::StatusPublished(said) => {
                self.statuses.push(PublishedStatus { said: said.clone(), mark });
            }
            _ => {}
        }
    }

    fn restrict(&mut self, seen: &RestrictionsObserved, event: Digest, mark: Mark) {
        let before: Vec<Restriction> = self.listed().into_values().cloned().collect();
        let (mut lists, mut ended) = match self.restrictions.take() {
            Some(known) => (known.lists, known.ended),
            None => (BTreeMap::new(), BTreeMap::new()),
        };
        lists.insert(seen.node.clone(), Seen { newest: seen.clone(), mark: mark.clone() });
        let index = mark.index;
        ended.extend(before.into_iter().map(|r| (r.object, Ended { restriction: r, index })));
        self.restrictions = Some(Restrictions { lists, ended: BTreeMap::new(), event, mark });
        let listed: BTreeSet<Digest> = self.listed().into_keys().collect();
        ended.retain(|object, _| !listed.contains(object));
        if let Some(known) = &mut self.restrictions {
            known.ended = ended;
        }
    }
}
