//! Evidence events: what is held, settled, preserved, and what confirms the incident.

use azir_model::class::{self, ConfirmationKind};
use azir_model::evidence::private_key_format;
use azir_model::refusal::{RefusalKind, Unmet};
use azir_model::scope::Scope;

use super::Context;
use crate::body::{
    ConfirmationVerified, EvidenceItems, EvidencePreserved, EvidenceSettled, SettledState,
};
use crate::evidence;
use crate::view::IncidentView;

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
    if !b.scope.is_empty()
        && let Err(error) = b.scope.parse::<Scope>()
    {
        unmet.push(Unmet::new(
            RefusalKind::ScopeInvalid,
            format!("{:?}: {error}", b.scope),
            "12.4, D-024, annex D.1",
            "write kind:id as annex D.1 says",
        ));
    }
    for item in &b.items {
        unmet.extend(item.problems());
        let Some(bytes) = cx.held(&item.hash, item.item.as_str(), unmet) else { continue };
        if bytes.len() as u64 != item.size {
            unmet.push(Unmet::new(
                RefusalKind::HashMismatch,
                format!("{}: {} bytes held, {} described", item.item, bytes.len(), item.size),
                "10, D-015",
                "describe what is held",
            ));
        }
        no_private_key(item.item.as_str(), &bytes, unmet);
    }
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
pub(super) fn preserve(view: &IncidentView, b: &EvidencePreserved, unmet: &mut Vec<Unmet>) {
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
        unmet.push(Unmet::new(
            RefusalKind::EvidenceUnverified,
            "a person's word is no verification of objects",
            "2.2, D-042, D-096",
            "let a detector or agent verify it",
        ));
    }
}
