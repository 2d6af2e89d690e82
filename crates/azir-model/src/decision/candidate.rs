//! Candidates of a channel (annex D.4) and filters 1 to 7 (annex D.5).

use super::action::{ActionSet, RoleSet};
use super::input::{Channel, Flag, Input, Origin, Path};
use super::output::{Authority, Ends, Measure, Numbers, Reason};
use crate::scope::{Scope, ScopeKind};
use crate::vocab::{BlastRank, Choice, IncidentClass, Severity};

/// Subjects of a scope that covers everything and has no entry of its own.
const EVERYTHING: u64 = azir_ledger::canon::INTEGER_MAX;

/// A candidate in compact form; `scope` points into [`Field::scopes`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Cand {
    pub(super) choice: Choice,
    pub(super) scope: usize,
    pub(super) roles: RoleSet,
    pub(super) capability: u8,
    pub(super) authority: Authority,
    pub(super) ends: Ends,
    /// Seconds, `EVERYTHING` = until lifted.
    pub(super) duration: u64,
    pub(super) breadth: u8,
    pub(super) subjects: u64,
    pub(super) seats_after: Option<u64>,
    /// First failing reason of filters 1 to 6.
    pub(super) early: Option<Reason>,
    /// Failing reason of filter 7, the emergency predicate apart.
    pub(super) grounds: Option<Reason>,
}

impl Cand {
    pub(super) fn passes(&self) -> bool {
        self.early.is_none() && self.grounds.is_none()
    }

    pub(super) fn is_emergency(&self) -> bool {
        self.choice == Choice::EmergencyRestriction
    }

    /// The tuple of annex D.6 but for the scope string: what is narrow comes before what is wide,
    /// so one module, machine or key before its family, operator or domain. Implements R-16.2-2 and
    /// R-21.3-1.
    pub(super) fn tuple(&self) -> (u8, u64, u8, u8, Ends, u64, Choice) {
        let level = self.authority.level();
        let (b, n, c) = (self.breadth, self.subjects, self.capability);
        (b, n, c, level, self.ends, self.duration, self.choice)
    }
}

/// A scope that candidates of one channel may have.
struct Place {
    scope: Scope,
    subjects: u64,
    resolved: bool,
}

/// The candidates of one channel, in the order of annex D.6.
pub(super) struct Field {
    places: Vec<Place>,
    pub(super) cands: Vec<Cand>,
    /// Positions of the candidates that pass filters 1 to 7, the emergency predicate apart.
    pub(super) open: Vec<usize>,
}

impl Field {
    pub(super) fn scope(&self, cand: &Cand) -> &Scope {
        &self.places[cand.scope].scope
    }

    pub(super) fn measure(&self, cand: &Cand) -> Measure {
        Measure {
            choice: cand.choice,
            scope: self.scope(cand).clone(),
            roles: cand.roles,
            capability: cand.capability,
            authority: cand.authority,
            ends: cand.ends,
            duration_s: (cand.duration < EVERYTHING).then_some(cand.duration),
        }
    }

    pub(super) fn numbers(cand: &Cand, time_s: Option<u64>) -> Numbers {
        let (breadth, subjects, seats_after) = (cand.breadth, cand.subjects, cand.seats_after);
        Numbers { breadth, subjects, time_s, seats_after }
    }

    /// Whether the channel's own scope resolves at the finalized height.
    pub(super) fn resolved(&self) -> bool {
        self.places.first().is_some_and(|p| p.resolved)
    }
}

/// Lists and judges every candidate of `channel`. `network` is the scope of everything.
pub(super) fn field(input: &Input, channel: &Channel, network: &Scope) -> Field {
    let mut builder = Builder {
        input,
        channel,
        checker: checker(input, channel),
        places: places(input, channel, network),
        cands: Vec::with_capacity(48),
    };
    builder.list();
    builder.systemic();
    let Builder { places, mut cands, .. } = builder;
    cands.sort_by(|a, b| {
        a.tuple().cmp(&b.tuple()).then_with(|| places[a.scope].scope.cmp(&places[b.scope].scope))
    });
    let passing = cands.iter().enumerate().filter(|(_, c)| c.passes());
    let open = passing.map(|(i, _)| i).collect();
    Field { places, cands, open }
}

/// Channel scope, its widenings that contain it, and the network.
fn places(input: &Input, channel: &Channel, network: &Scope) -> Vec<Place> {
    let scope = &channel.scope;
    let kind = scope.kind();
    let subjects = &input.chain.subjects;
    let own = subjects.get(scope);
    let count = match (kind, own) {
        (ScopeKind::Seat, _) => scope.members().count() as u64,
        (ScopeKind::Node | ScopeKind::Peers, _) => 1,
        (ScopeKind::Network, None) => EVERYTHING,
        (_, own) => own.map_or(0, |s| s.len() as u64),
    };
    let mut places =
        vec![Place { scope: scope.clone(), subjects: count, resolved: input.resolves(scope) }];
    if let (ScopeKind::Node, Some(_)) = (kind, scope.part())
        && let Ok(node) = format!("node:{}", scope.id()).parse()
    {
        places.push(Place { scope: node, subjects: 1, resolved: true });
    }
    if let Some(own) = own.filter(|o| !o.is_empty()) {
        let wider = subjects.iter().filter(|(s, _)| kind.widens_to(s.kind()));
        for (wide, members) in wider.filter(|(_, members)| own.is_subset(members)) {
            let subjects = members.len() as u64;
            places.push(Place { scope: wide.clone(), subjects, resolved: true });
        }
    }
    if kind != ScopeKind::Network {
        let subjects = subjects.get(network).map_or(EVERYTHING, |s| s.len() as u64);
        places.push(Place { scope: network.clone(), subjects, resolved: true });
    }
    places
}

/// Whether a second issuer or an approver exists (annex D.3, capability 1). Without a statement, an
/// issuer class that covers the scope answers; without one, the checked action kind itself says
/// that a checked kind exists.
fn checker(input: &Input, channel: &Channel) -> bool {
    channel.checker.unwrap_or_else(|| {
        let Some(own) = input.chain.subjects.get(&channel.scope) else { return true };
        let mut classes = input
            .chain
            .subjects
            .iter()
            .filter(|(s, members)| s.kind() == ScopeKind::IssuerClass && own.is_subset(members))
            .peekable();
        classes.peek().is_none() || classes.any(|(_, members)| members.len() > own.len())
    })
}

struct Builder<'a> {
    input: &'a Input,
    channel: &'a Channel,
    checker: bool,
    places: Vec<Place>,
    cands: Vec<Cand>,
}

impl Builder<'_> {
    /// Every choice on every place it may have (annex D.4).
    fn list(&mut self) {
        self.push(Choice::ObserveOnly, 0, 0, Authority::None);
        for place in 0..self.places.len() {
            match self.places[place].scope.kind() {
                ScopeKind::Node => self.node(place),
                ScopeKind::Peers => {
                    self.push(Choice::Quarantine, place, 1, Authority::None);
                    self.push(Choice::Quarantine, place, 4, Authority::None);
                }
                kind => self.protocol(place, kind),
            }
        }
    }

    fn node(&mut self, place: usize) {
        if self.places[place].scope.part().is_some() {
            self.push(Choice::LocalDegraded, place, 2, Authority::None);
        } else {
            self.push(Choice::RecoveryMode, place, 4, Authority::None);
        }
        self.push(Choice::LocalServiceHalt, place, 4, Authority::None);
    }

    /// Measures of the protocol. Implements R-12.2-1, R-12.2-2, R-12.2-3, R-12.2-4, R-12.2-5,
    /// R-12.2-6.
    fn protocol(&mut self, place: usize, kind: ScopeKind) {
        use ScopeKind as K;
        match kind {
            K::Mandate => {
                for capability in 1..=3 {
                    self.push(Choice::ProtocolSafeMode, place, capability, Authority::Owner);
                    self.governed(Choice::ProtocolSafeMode, place, capability);
                }
            }
            K::AgentClass | K::Feature | K::Machine | K::MachineFamily | K::Domain => {
                let top = if matches!(kind, K::AgentClass | K::Feature) { 4 } else { 3 };
                for capability in 1..=top {
                    self.governed(Choice::ProtocolSafeMode, place, capability);
                }
            }
            _ => {}
        }
        match kind {
            K::Mandate | K::GovPath => {
                self.push(Choice::ScopedProtocolHalt, place, 4, Authority::Owner);
                self.governed(Choice::ScopedProtocolHalt, place, 4);
            }
            K::Machine | K::IssuerClass | K::Feature | K::Econ | K::Domain => {
                self.governed(Choice::ScopedProtocolHalt, place, 4);
            }
            K::Key | K::Seat => {
                self.push(Choice::Quarantine, place, 4, Authority::Owner);
                self.quarantine(place);
            }
            K::Issuer | K::OracleSource | K::MachineFamily | K::ModuleFamily => {
                self.quarantine(place);
            }
            K::AgentOperator | K::GovActor => self.quarantine(place),
            K::Network => self.push(Choice::RecoveryMode, place, 4, Authority::Restart),
            _ => {}
        }
        if kind.is_protocol() {
            for capability in 1..=4 {
                self.push(Choice::EmergencyRestriction, place, capability, Authority::Emergency);
            }
        }
    }

    /// By governance, with corroboration or as a freeze; and by configuration of the nodes, which
    /// is listed to be refused (13.4). Implements R-13.2-1, R-13.2-2, R-13.2-3, R-13.2-4, R-13.2-5,
    /// R-13.2-6, R-13.2-7, R-13.4-1 and R-17.2-3.
    fn quarantine(&mut self, place: usize) {
        self.push(Choice::Quarantine, place, 4, Authority::None);
        self.governed(Choice::Quarantine, place, 1);
        self.governed(Choice::Quarantine, place, 4);
    }

    /// Authority 2: expedited where it exists and only a limit is tightened (D-087), else ordinary.
    /// Implements R-18.2-4 in part.
    fn governed(&mut self, choice: Choice, place: usize, capability: u8) {
        let kind = self.places[place].scope.kind();
        let expedited = self.input.paths.expedited.as_ref();
        let fits = capability <= 2 && expedited.is_some_and(|p| p.offers(kind, capability));
        let authority = if fits { Authority::Expedited } else { Authority::Ordinary };
        self.push(choice, place, capability, authority);
    }

    fn push(&mut self, choice: Choice, place: usize, capability: u8, authority: Authority) {
        let scope = &self.places[place].scope;
        let path = path_of(self.input, authority);
        let local_roles = match choice {
            Choice::LocalDegraded | Choice::LocalServiceHalt => match scope.role() {
                Some(role) => RoleSet::one(role),
                None if self.channel.scope.part().is_some() => RoleSet::ALL,
                None => RoleSet::of_actions(self.channel.actions),
            },
            Choice::RecoveryMode if scope.kind() == ScopeKind::Node => RoleSet::ALL,
            _ => RoleSet::NONE,
        };
        let (breadth, subjects) = match (choice, scope.kind()) {
            (Choice::ObserveOnly, _) => (0, 0),
            (_, ScopeKind::Node) => {
                (if local_roles.len() == 1 { 1 } else { 2 }, u64::from(local_roles.len()))
            }
            (_, kind) => (kind.breadth(), self.places[place].subjects),
        };
        let restart = choice == Choice::RecoveryMode && authority == Authority::Restart;
        let ends = match authority {
            Authority::None => Ends::AtWill,
            Authority::Owner | Authority::Ordinary => Ends::ExpiryOrLift,
            Authority::Expedited | Authority::Emergency => Ends::ExpiryOrLift,
            Authority::Restart => Ends::Never,
        };
        let mut cand = Cand {
            choice,
            scope: place,
            roles: local_roles,
            capability,
            authority,
            ends,
            duration: path.and_then(|p| p.expiry_max_s).unwrap_or(EVERYTHING),
            breadth,
            subjects,
            seats_after: if restart { None } else { self.seats_after(place, choice, capability) },
            early: None,
            grounds: None,
        };
        cand.early = self.early(&cand, path);
        cand.grounds = self.grounds(&cand, path);
        self.cands.push(cand);
    }

    /// Filters 1 to 6 but for the conditions of 12.3, which need the narrower verdicts.
    ///
    /// The floor of a channel holds for high-impact agents too: R-19.3-1.
    fn early(&self, cand: &Cand, path: Option<&Path>) -> Option<Reason> {
        let channel = self.channel;
        let place = &self.places[cand.scope];
        let local = cand.authority == Authority::None;
        let observes = cand.choice == Choice::ObserveOnly;
        if local && !observes && place.scope.kind().is_protocol() {
            return Some(Reason::NodesWouldDiffer);
        }
        if local && !observes && channel.origin == Origin::Network {
            return Some(Reason::OriginMismatch);
        }
        if !channel.actions.is_subset(self.blocked(cand)) {
            return Some(Reason::ActionsRemain);
        }
        if cand.capability < channel.min_capability {
            return Some(Reason::CapabilityBelowFloor);
        }
        if !local && cand.capability == 3 && self.exits_for_nothing() {
            return Some(Reason::ExitOnlyNotPreferred);
        }
        if !channel.pinned && self.destroys(cand) {
            return Some(Reason::NotPinned);
        }
        if !local {
            if !place.resolved {
                return Some(Reason::ScopeUnresolved);
            }
            if cand.authority != Authority::Restart {
                // Facts read below the dispute stand; without its height nothing final does.
                let disputed = match self.input.chain.disputed {
                    Some(from) => from <= self.input.chain.height,
                    None => self.input.has(Flag::ConflictingHardFinal),
                };
                if disputed {
                    return Some(Reason::HeightDisputed);
                }
                if path.is_some_and(|p| !p.offers(place.scope.kind(), cand.capability)) {
                    return Some(Reason::NotOffered);
                }
            }
        }
        if cand.seats_after.is_some_and(|s| s < self.input.chain.quorum) {
            return Some(Reason::SeatsBelowQuorum);
        }
        if !local && channel.origin == Origin::Own {
            return Some(Reason::OwnOrigin);
        }
        if !local && self.input.incident.class() == IncidentClass::ObservabilityOnly {
            return Some(Reason::ObservesOnly);
        }
        None
    }

    /// Filter 7 but for the emergency predicate, which needs the selection.
    fn grounds(&self, cand: &Cand, path: Option<&Path>) -> Option<Reason> {
        if cand.authority != Authority::None && path.is_none() {
            return Some(Reason::PathAbsent);
        }
        let grounds = [Flag::ConflictingHardFinal, Flag::QuorumLost, Flag::FinalizedInvalid];
        let restart = cand.authority == Authority::Restart;
        (restart && !grounds.iter().any(|f| self.input.has(*f))).then_some(Reason::RestartGrounds)
    }

    /// Filter 6 for the network: the three conditions of 12.3 (D-067).
    fn systemic(&mut self) {
        let narrower = self.cands.iter().any(|c| c.early.is_none() && c.breadth < 5);
        if widespread(self.input) && declared_systemic(self.input) && !narrower {
            return;
        }
        for cand in self.cands.iter_mut().filter(|c| c.is_emergency() && c.breadth == 5) {
            cand.early = cand.early.or(Some(Reason::SystemicConditions));
        }
    }

    fn blocked(&self, cand: &Cand) -> ActionSet {
        match cand.choice {
            Choice::ObserveOnly => ActionSet::NONE,
            Choice::LocalDegraded => ActionSet::blocked_degraded(cand.roles),
            Choice::LocalServiceHalt => ActionSet::of_roles(cand.roles),
            Choice::RecoveryMode => ActionSet::ALL,
            Choice::ProtocolSafeMode | Choice::ScopedProtocolHalt => {
                ActionSet::blocked_by(cand.capability, self.checker)
            }
            Choice::Quarantine | Choice::EmergencyRestriction => {
                ActionSet::blocked_by(cand.capability, self.checker)
            }
        }
    }

    /// Whether capability 3 would be taken for its exit-only part where annex H prefers a freeze.
    fn exits_for_nothing(&self) -> bool {
        let opens = !self.channel.actions.is_subset(ActionSet::blocked_by(2, self.checker));
        opens && !self.channel.prefers_exit_only()
    }

    /// O1: a restart and a rebuild overwrite state; without gates a stop is a process kill.
    fn destroys(&self, cand: &Cand) -> bool {
        match cand.choice {
            Choice::RecoveryMode => true,
            Choice::LocalDegraded | Choice::LocalServiceHalt => !self.input.local.gates_reachable,
            Choice::ObserveOnly | Choice::ProtocolSafeMode | Choice::ScopedProtocolHalt => false,
            Choice::Quarantine | Choice::EmergencyRestriction => false,
        }
    }

    /// Counting seats after a measure that silences seats (D-069).
    fn seats_after(&self, place: usize, choice: Choice, capability: u8) -> Option<u64> {
        let place = &self.places[place];
        let silences = capability >= 4 && choice != Choice::ObserveOnly;
        match place.scope.kind() {
            ScopeKind::Seat | ScopeKind::Committee if silences => {
                Some(self.input.chain.counting.saturating_sub(place.subjects))
            }
            _ => None,
        }
    }
}

/// Condition 1 of 12.3 (D-067): rank 4 with a flag that threatens validity or execution everywhere.
pub(super) fn widespread(input: &Input) -> bool {
    let integrity = [
        Flag::SameBytesDisagree,
        Flag::Boundedness,
        Flag::ImproperActivation,
        Flag::FinalizedInvalid,
    ];
    input.incident.blast_rank == BlastRank::NETWORK && integrity.iter().any(|f| input.has(*f))
}

/// Condition 2 of 12.3 (D-067): `SEV_5` declared by two people.
pub(super) fn declared_systemic(input: &Input) -> bool {
    input.incident.severity == Severity::Sev5Systemic && input.incident.declarers >= 2
}

/// The path of an authority, when it exists.
pub(super) fn path_of(input: &Input, authority: Authority) -> Option<&Path> {
    match authority {
        Authority::None => None,
        Authority::Owner => input.paths.owner.as_ref(),
        Authority::Ordinary => input.paths.ordinary.as_ref(),
        Authority::Expedited => input.paths.expedited.as_ref(),
        Authority::Emergency => input.paths.emergency.as_ref(),
        Authority::Restart => input.paths.restart.as_ref(),
    }
}
