//! Roles, evidence, and what becomes of measures: the part of the fold that only keeps records.

use azir_ledger::Event;

use super::{Mark, second};
use crate::body::{Body, EvidenceItems, EvidenceSettled};
use crate::view::{
    Custody, Dropped, HandedOver, IncidentView, Reading, ResolutionRecord, RoleHolder, Settled,
    Tombstone,
};

/// Applies such an event.
pub(super) fn keep(view: &mut IncidentView, event: &Event, body: &Body, mark: Mark) {
    match body {
        Body::RoleAssigned(b) => {
            let holder = RoleHolder { person: b.person.clone(), accepted: false };
            view.roles.insert(b.role, holder);
        }
        Body::RoleAccepted(b) => {
            if let Some(holder) = view.roles.get_mut(&b.role) {
                holder.accepted = true;
            }
        }
        Body::IncidentResolved(b) => {
            view.resolution = Some(ResolutionRecord {
                resolution: b.resolution,
                reason: b.reason.clone(),
                proof: b.proof,
                twin: b.twin,
                mark,
            });
        }
        Body::EvidencePinned(b) => hold(view, b, false),
        Body::EvidenceCollected(b) => hold(view, b, true),
        Body::EvidenceSettled(b) => settle(view, event, b, mark),
        Body::EvidencePreserved(b) => {
            view.preserved.insert(b.scope.clone(), mark);
        }
        Body::EvidenceSealed(b) => view.sealed.extend(&b.pieces),
        Body::EvidenceHanded(b) => {
            let (from, to) = (b.from.clone(), b.to.clone());
            let custody = Custody { from, to, reason: b.reason.clone(), mark };
            view.custody.entry(b.piece).or_default().push(custody);
        }
        Body::EvidenceDropped(b) => view.dropped.push(Dropped {
            scope: b.scope.clone(),
            budget: b.budget,
            pieces: b.dropped.clone(),
            mark,
        }),
        Body::EvidenceRemoved(b) => {
            for piece in &b.pieces {
                let grave = Tombstone { size: piece.size, policy: b.policy, mark: mark.clone() };
                view.removed.insert(piece.hash, grave);
            }
        }
        Body::MeasureAcknowledged(b) => {
            if let Some(measure) = view.measures.get_mut(&b.measure) {
                measure.carried = Some(mark);
            }
        }
        Body::MeasureHandedOver(b) => {
            let (object, owner) = (b.object, b.owner.clone());
            let handed = HandedOver { object, owner, text: b.text.clone(), mark };
            view.handed.insert(b.measure.clone(), handed);
        }
        Body::ReadingStated(b) => {
            view.readings.retain(|fact, _| !b.withdrawn.contains(fact));
            for (fact, value) in &b.facts {
                let reading = Reading { value: value.clone(), basis: b.basis, mark: mark.clone() };
                view.readings.insert(fact.clone(), reading);
            }
        }
        Body::MeasureReleased(b) => match view.measures.get_mut(&b.measure) {
            Some(measure) => measure.released = Some(mark),
            None => {
                view.withdrawn.insert(b.measure.clone(), mark);
            }
        },
        _ => {}
    }
}

fn hold(view: &mut IncidentView, b: &EvidenceItems, collected: bool) {
    for item in &b.items {
        let slot = view.evidence.entry(item.item).or_default();
        slot.pinned |= !collected;
        slot.collected |= collected;
        slot.verified_by = b.verified_by.clone().or(slot.verified_by.take());
        if !slot.held.contains(item) {
            slot.held.push(item.clone());
        }
    }
}

fn settle(view: &mut IncidentView, event: &Event, b: &EvidenceSettled, mark: Mark) {
    let settled = Settled {
        state: b.state,
        reason: b.reason.clone(),
        tried: b.tried.clone().unwrap_or_default(),
        second: second(view, event).cloned(),
        mark,
    };
    view.evidence.entry(b.item).or_default().settled = Some(settled);
}
