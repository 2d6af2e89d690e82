//! Evidence events: what is held, settled, preserved, and what confirms the incident.

use azir_model::Role;
use azir_model::approval::act_digest;
use azir_model::class::{self, ConfirmationKind};
use azir_model::evidence::{Descriptor, Item, KEY_SCAN_BYTES_MAX, KeyTimeline, private_key_format};
use azir_model::keep;
use azir_model::refusal::{RefusalKind, Unmet};
use azir_model::role::DECIDING;

use super::{Context, opening};
use crate::body::{
    ConfirmationVerified, EvidenceDropped, EvidenceHanded, EvidenceItems, EvidencePreserved,
    EvidenceRemoved, EvidenceSealed, EvidenceSettled, SettledState,
};
use crate::view::{ApprovalRecord, IncidentView};
use crate::{evidence, facts};

/// Items: every byte is in the vault, and each descriptor is complete.
pub(super) fn items(cx: &Context<'_>, b: &EvidenceItems, unmet: &mut Vec<Unmet>) {
    if b.items.is_empty() || b.scope.is_empty() {
        unmet.push(Unmet::new(
            RefusalKind::EvidenceMissing,
            "no item or no scope",
            "10.1, D-054",
            "name the scope and what is held of it",
        ));
    }
    if !b.scope.is_empty() {
        opening::scope(cx, &b.scope, unmet);
    }
    for item in &b.items {
        unmet.extend(item.problems());
        let name = format!("obtained_at of {}", item.item);
        opening::in_future(cx, item.obtained_at, &name, "10, D-058", unmet);
        let Some((size, head)) = looked_at(cx, item, unmet) else { continue };
        if size != item.size {
            unmet.push(Unmet::new(
                RefusalKind::HashMismatch,
                format!("{}: {size} bytes held, {} described", item.item, item.size),
                "10, D-015",
                "describe what is held",
            ));
        }
        no_private_key(item.item.as_str(), &head, unmet);
        if item.item == Item::KeyTimeline {
            timeline(&head, unmet);
        }
    }
}

/// The timeline of a key tells first and last suspicious use. Implements R-21.2-1.
pub(super) fn timeline(bytes: &[u8], unmet: &mut Vec<Unmet>) {
    if let Err(why) = KeyTimeline::read(bytes) {
        unmet.push(Unmet::new(
            RefusalKind::InvalidSchema,
            format!("key_timeline: {why}"),
            "21.2, annex N.3",
            "write {\"uses\":[{\"at\":TIME,\"what\":TEXT}]} in canonical form, the first use first",
        ));
    }
}

/// Size of a held piece and as much of its beginning as the search for keys reads. A piece may be
/// larger than memory.
fn looked_at(
    cx: &Context<'_>,
    item: &Descriptor,
    unmet: &mut Vec<Unmet>,
) -> Option<(u64, Vec<u8>)> {
    let mut head = Vec::new();
    let mut see = |part: &[u8]| {
        let room = KEY_SCAN_BYTES_MAX.saturating_sub(head.len()).min(part.len());
        head.extend_from_slice(&part[..room]);
    };
    let size = cx.objects.visit(&item.hash, &mut see);
    if size.is_none() {
        unmet.push(cx.missing(&item.hash, item.item.as_str()));
    }
    Some((size?, head))
}

/// `forbidden_power` for content that is a private key in a known format (D-025).
/// Implements R-10.1-11.
pub(super) fn no_private_key(name: &str, bytes: &[u8], unmet: &mut Vec<Unmet>) {
    if let Some(format) = private_key_format(bytes) {
        unmet.push(Unmet::new(
            RefusalKind::ForbiddenPower,
            format!("{name} holds an {format}"),
            "10.1, D-025",
            "store a proof of exposure instead: a challenge signature or a redacted copy",
        ));
    }
}

/// `evidence.settled`: not applicable only with a qualifier; unavailable with what was tried.
pub(super) fn settle(view: &IncidentView, b: &EvidenceSettled, unmet: &mut Vec<Unmet>) {
    let mut refuse = |kind, what: String, remedy: &str| {
        unmet.push(Unmet::new(kind, what, "10, D-054", remedy));
    };
    if !evidence::checklist(view).items().contains(&b.item) {
        refuse(
            RefusalKind::InvalidSchema,
            format!("{} is not on the checklist of this incident", b.item),
            "name an item of the checklist",
        );
    }
    if b.reason.trim().is_empty() {
        refuse(RefusalKind::ReasonRequired, format!("{}: no reason", b.item), "say why");
    }
    match b.state {
        SettledState::NotApplicable if !b.item.row().qualified => refuse(
            RefusalKind::EvidenceMissing,
            format!("{} has no qualifier and always applies", b.item),
            "store it, or let commander and scribe waive it as unavailable",
        ),
        SettledState::Unavailable if b.tried.as_deref().is_none_or(str::is_empty) => refuse(
            RefusalKind::ReasonRequired,
            format!("{}: it is not said what was tried", b.item),
            "say what was tried",
        ),
        SettledState::NotApplicable | SettledState::Unavailable => {}
    }
}

/// `evidence.preserved`: a receipt only over content that is held of this scope.
pub(super) fn preserve(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &EvidencePreserved,
    unmet: &mut Vec<Unmet>,
) {
    if cx.role == Role::IncidentReporter {
        unmet.push(Unmet::new(
            RefusalKind::NotAuthorized,
            "a reporter makes no preservation receipt",
            "9.2, D-041 O1",
            "let the node's agent or a role of the response make it",
        ));
    }
    let open = evidence::pins_missing(view);
    if !open.is_empty() {
        unmet.push(Unmet::new(
            RefusalKind::EvidenceMissing,
            format!("not pinned yet: {}", open.join(", ")),
            "9.2, 10, D-041 O1",
            "pin or settle each item that is marked to be pinned, then make the receipt",
        ));
    }
    let held: Vec<_> = view
        .evidence
        .values()
        .flat_map(|r| &r.held)
        .filter(|d| d.source == b.scope)
        .cloned()
        .collect();
    let hash = azir_model::evidence::evidence_list_hash(&held);
    if held.is_empty() || hash.ok() != Some(b.items) {
        unmet.push(Unmet::new(
            RefusalKind::HashMismatch,
            format!("the receipt is not over the {} items held of {}", held.len(), b.scope),
            "9.2, D-041 O1",
            "make the receipt from the descriptors in the log",
        ));
    }
}

/// What no machine verified is confirmed by two independent observers: the author and somebody
/// who signed for this very confirmation (D-042).
fn observed_by_two(cx: &Context<'_>, view: &IncidentView, unmet: &mut Vec<Unmet>) {
    let event = cx.signed.event();
    let act = act_digest(&event.kind, event.subject, &event.body);
    let other = |a: &&ApprovalRecord| a.act == act && a.mark.by != cx.actor;
    if view.approvals.iter().find(other).is_none() {
        unmet.push(Unmet::new(
            RefusalKind::EvidenceUnverified,
            "one person's word is no verification of objects",
            "2.2, D-042, D-096",
            format!(
                "let a detector or agent verify it, or a second observer sign approval.given for \
                 act {act}"
            ),
        ));
    }
}

/// `confirmation.verified` (D-042): a kind of annex N.2 that confirms a class of this incident.
pub(super) fn confirm(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &ConfirmationVerified,
    unmet: &mut Vec<Unmet>,
) {
    cx.held(&b.object, "confirming object", unmet);
    match b.kind.parse::<ConfirmationKind>() {
        Err(error) => unmet.push(Unmet::new(
            RefusalKind::UnknownEnum,
            error.to_string(),
            "2.2, annex N.2",
            "use a kind of annex N.2",
        )),
        Ok(kind) if !view.duties.iter().any(|c| class::confirms(*c, kind)) => {
            unmet.push(Unmet::new(
                RefusalKind::EvidenceUnverified,
                format!("{kind} confirms no class of this incident"),
                "2.2, annex N.2",
                "reclassify, or confirm by a kind of its class",
            ));
        }
        Ok(_) => {}
    }
    if !cx.is_machine() {
        observed_by_two(cx, view, unmet);
    }
}

/// `evidence_missing` for a piece that this incident does not hold.
pub(super) fn held_here(view: &IncidentView, piece: &azir_ledger::Digest, unmet: &mut Vec<Unmet>) {
    if !facts::held(view).contains(piece) {
        unmet.push(Unmet::new(
            RefusalKind::EvidenceMissing,
            format!("{piece} is no evidence of this incident"),
            "10, D-058",
            "name a piece by the content hash under which it was pinned or collected",
        ));
    }
}

fn reason(text: &str, rule: &str, unmet: &mut Vec<Unmet>) {
    if text.trim().is_empty() {
        unmet.push(Unmet::new(RefusalKind::ReasonRequired, "no reason", rule, "say why"));
    }
}

/// `evidence.sealed` (D-025): outsiders see hash, size and kind. Implements R-10.1-13 in part.
pub(super) fn seal(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &EvidenceSealed,
    unmet: &mut Vec<Unmet>,
) {
    if !DECIDING.contains(&cx.role) && cx.role != Role::AuditScribe {
        unmet.push(Unmet::new(
            RefusalKind::NotAuthorized,
            format!("{} may not seal evidence", cx.role),
            "10, D-025, annex C",
            "let a deciding role or the Audit Scribe seal it",
        ));
    }
    let record = facts::decisive(view);
    for piece in b.pieces.iter().filter(|p| record.contains(*p)) {
        unmet.push(Unmet::new(
            RefusalKind::AppendOnly,
            format!("{piece} is part of the record: a decision, a report or the postmortem"),
            "32.1, 33, D-025",
            "an embargo delays a postmortem; what was decided stays readable",
        ));
    }
    reason(&b.reason, "10, 33, D-025", unmet);
    if b.pieces.is_empty() {
        unmet.push(Unmet::new(
            RefusalKind::EvidenceMissing,
            "no piece is named",
            "10, D-025",
            "name the pieces to seal",
        ));
    }
    for piece in &b.pieces {
        held_here(view, piece, unmet);
    }
}

/// `evidence.handed` (D-058): from whoever keeps it now.
pub(super) fn hand(view: &IncidentView, b: &EvidenceHanded, unmet: &mut Vec<Unmet>) {
    reason(&b.reason, "10, D-058", unmet);
    held_here(view, &b.piece, unmet);
    let keeper = evidence::custodian(view, &b.piece);
    if keeper.as_deref().is_some_and(|keeper| keeper != b.from) || b.to.trim().is_empty() {
        unmet.push(Unmet::new(
            RefusalKind::HashMismatch,
            format!(
                "{} is kept by {}, not by {:?}",
                b.piece,
                keeper.as_deref().unwrap_or("nobody"),
                b.from
            ),
            "10, D-058",
            "name who keeps it now, and who shall keep it",
        ));
    }
}

/// `evidence.dropped` (D-059): a budget, and what it cost.
pub(super) fn drop_pieces(b: &EvidenceDropped, unmet: &mut Vec<Unmet>) {
    if b.budget == 0 || b.dropped.is_empty() || b.scope.is_empty() {
        unmet.push(Unmet::new(
            RefusalKind::InvalidSchema,
            "no scope, no budget or nothing dropped",
            "2.1, D-059",
            "name the scope, the budget in bytes and each piece that was not kept",
        ));
    }
}

/// `evidence.removed` (D-026): only after the term, and with what stays known. Implements
/// R-10.1-12.
pub(super) fn remove(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &EvidenceRemoved,
    unmet: &mut Vec<Unmet>,
) {
    if b.policy != cx.policy.version {
        unmet.push(Unmet::new(
            RefusalKind::VersionConflict,
            format!("policy version {} is quoted, {} holds", b.policy, cx.policy.version),
            "10, D-026",
            "quote the policy whose term has passed",
        ));
    }
    let ended = facts::ended(view);
    let due = keep::check_removal(view.peak(), ended, cx.now).err();
    unmet.extend(due.map(|r| r.unmet().to_vec()).unwrap_or_default());
    for piece in &b.pieces {
        held_here(view, &piece.hash, unmet);
        let sizes = view.evidence.values().flat_map(|r| &r.held);
        if sizes.filter(|d| d.hash == piece.hash).any(|d| d.size != piece.size) {
            unmet.push(Unmet::new(
                RefusalKind::HashMismatch,
                format!("{} has another size than {}", piece.hash, piece.size),
                "10, D-026",
                "copy the size from its descriptor",
            ));
        }
        let elsewhere = cx.state.incidents.values().filter(|v| v.id != view.id);
        for other in elsewhere.filter(|v| facts::held(v).contains(&piece.hash)) {
            let due = keep::check_removal(other.peak(), facts::ended(other), cx.now).err();
            unmet.extend(due.map(|r| r.unmet().to_vec()).unwrap_or_default());
        }
    }
}
