//! Stop-gaps (annex D.7 step 5), residual harm and the merge over channels (D-075).

use super::action::{ActionSet, RoleSet};
use super::candidate::{Cand, field};
use super::input::{Channel, Input, Origin};
use super::output::{Authority, DraftKind, Measure, Order, Residual, Step};
use super::select::{Clock, Selected, nearest_reasons};
use crate::scope::{Scope, ScopeKind};
use crate::vocab::Choice;

/// The merged result.
pub(super) struct Merged {
    pub(super) apply_now: Vec<Order>,
    pub(super) request: Vec<Order>,
    pub(super) residual: Vec<Residual>,
}

pub(super) struct Merger<'a> {
    input: &'a Input,
    orders: Vec<Order>,
    residual: Vec<Residual>,
}

impl<'a> Merger<'a> {
    pub(super) fn new(input: &'a Input) -> Self {
        Self { input, orders: Vec::with_capacity(input.channels.len()), residual: Vec::new() }
    }

    /// Adds what one channel came to.
    pub(super) fn add(
        &mut self,
        position: usize,
        channel: &Channel,
        selected: &Selected,
        network: &Scope,
    ) {
        let number = position as u64;
        let decision = &selected.decision;
        if let Some(measure) = &decision.chosen
            && measure.choice != Choice::ObserveOnly
        {
            self.order(number, measure.clone(), selected.time_s, false);
        }
        if selected.pick.step == Step::InTime {
            return;
        }
        self.stop_gaps(number, channel, network);
        if selected.pick.index.is_none() || selected.pick.late {
            let beyond_s = selected.time_s.map(|t| t.saturating_sub(decision.limit_s));
            let reasons = if beyond_s.is_some() { Vec::new() } else { nearest_reasons(decision) };
            let scope = channel.scope.clone();
            self.residual.push(Residual { channel: number, scope, beyond_s, reasons });
        }
    }

    /// Local measures on the operator's own share, which pass filters 1 to 6. Implements R-24.2-7.
    fn stop_gaps(&mut self, number: u64, channel: &Channel, network: &Scope) {
        for scope in &channel.own_share {
            let Some(role) = scope.role() else { continue };
            let of_role = ActionSet::of_roles(RoleSet::one(role));
            let shared = channel.actions.intersect(of_role);
            let actions = if shared.is_empty() { of_role } else { shared };
            let own = Channel {
                scope: scope.clone(),
                origin: Origin::Own,
                actions,
                min_capability: 0,
                own_share: Vec::new(),
                ..channel.clone()
            };
            let local = field(self.input, &own, network);
            let acts = |c: &&Cand| c.passes() && c.authority == Authority::None;
            if let Some(cand) = local.cands.iter().find(acts) {
                let time = Clock::new(self.input, &own).time(cand);
                self.order(number, local.measure(cand), time, true);
            }
        }
    }

    /// Adds a measure, merging where the union of the scopes adds no subject (D-075).
    fn order(&mut self, number: u64, measure: Measure, time_s: Option<u64>, stop_gap: bool) {
        for order in &mut self.orders {
            let Some(scope) = self.input.union(&order.measure, &measure) else { continue };
            order.measure.scope = scope;
            if !order.channels.contains(&number) {
                order.channels.push(number);
            }
            order.time_s = order.time_s.max(time_s);
            order.stop_gap &= stop_gap;
            return;
        }
        let draft = draft(&measure);
        self.orders.push(Order { measure, channels: vec![number], time_s, stop_gap, draft });
    }

    pub(super) fn finish(self) -> Merged {
        let local = |o: &Order| o.measure.authority == Authority::None;
        let (apply_now, request) = self.orders.into_iter().partition(local);
        Merged { apply_now, request, residual: self.residual }
    }
}

impl Input {
    /// The scope that covers exactly what both measures cover, when they may merge.
    fn union(&self, a: &Measure, b: &Measure) -> Option<Scope> {
        let alike = a.choice == b.choice
            && a.authority == b.authority
            && a.capability == b.capability
            && a.ends == b.ends
            && a.duration_s == b.duration_s;
        if !alike {
            return None;
        }
        if a.scope == b.scope && a.roles == b.roles {
            return Some(a.scope.clone());
        }
        if a.scope.kind() == ScopeKind::Seat {
            return a.scope.seat_union(&b.scope);
        }
        let (of_a, of_b) = (self.chain.subjects.get(&a.scope)?, self.chain.subjects.get(&b.scope)?);
        if of_b.is_subset(of_a) {
            return Some(a.scope.clone());
        }
        if of_a.is_subset(of_b) {
            return Some(b.scope.clone());
        }
        let count = of_a.union(of_b).count();
        let exact = self.chain.subjects.iter().find(|(scope, subjects)| {
            scope.kind() == a.scope.kind().max_with(b.scope.kind())
                && subjects.len() == count
                && of_a.is_subset(subjects)
                && of_b.is_subset(subjects)
        });
        exact.map(|(scope, _)| scope.clone())
    }
}

impl ScopeKind {
    /// The wider of two kinds by breadth.
    fn max_with(self, other: Self) -> Self {
        if other.breadth() > self.breadth() { other } else { self }
    }
}

fn draft(measure: &Measure) -> Option<DraftKind> {
    let kind = measure.scope.kind();
    match measure.authority {
        Authority::None => None,
        Authority::Owner => Some(match kind {
            ScopeKind::Key => DraftKind::KeyRevocation,
            ScopeKind::GovPath => DraftKind::Challenge,
            ScopeKind::Seat => DraftKind::FraudProof,
            _ => DraftKind::MandateMode,
        }),
        Authority::Emergency => Some(DraftKind::EmergencyRestriction),
        Authority::Restart => Some(DraftKind::RestartManifest),
        Authority::Ordinary | Authority::Expedited => Some(match measure.choice {
            Choice::Quarantine => DraftKind::Quarantine,
            _ => DraftKind::Restriction,
        }),
    }
}
