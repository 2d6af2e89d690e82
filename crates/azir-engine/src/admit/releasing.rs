//! `runbook.released`: a new version of a runbook, reviewed before any incident may bind it.

use std::collections::BTreeSet;

use azir_model::approval::act_digest;
use azir_model::refusal::{RefusalKind, Unmet};
use azir_model::role::{Act, Ctx, permit};
use azir_model::{IncidentClass, Role, Severity};
use azir_runbook::{Part, Runbook};

use super::{Context, opening};
use crate::body::{BoundRunbook, RunbookReleased};

/// People other than the author who approve a critical change (D-117).
const APPROVALS_MIN: usize = 2;

/// Most findings of the path linter that one refusal names.
const FINDINGS_MAX: usize = 8;

/// Refuses everything but the next version of its runbook, free of findings, reviewed where it has
/// to be. Implements R-35.2-3 and R-35.2-4.
pub(super) fn release(cx: &Context<'_>, b: &RunbookReleased, unmet: &mut Vec<Unmet>) {
    let ctx = Ctx::new(IncidentClass::ObservabilityOnly, Severity::Sev0Info);
    unmet.extend(
        permit(Act::WriteRunbook, cx.role, &ctx)
            .or_else(|refused| permit(Act::ApproveRunbook, cx.role, &ctx).map_err(|_| refused))
            .err(),
    );
    if b.reason.trim().is_empty() {
        unmet.push(Unmet::new(
            RefusalKind::ReasonRequired,
            "no reason",
            "35.2, D-117",
            "say what changed and why",
        ));
    }
    let newest = cx.state.runbooks.iter().rev().find(|r| r.id == b.runbook.id);
    follows(b, newest, unmet);
    let text = cx.held(&b.runbook.object, "runbook", unmet);
    let Some(book) = text.and_then(|text| opening::same_runbook(&b.runbook, &text, unmet)) else {
        return;
    };
    if book.previous().map(|h| h.0) != b.previous {
        unmet.push(Unmet::new(
            RefusalKind::VersionConflict,
            "`previous` in the text is not the version that it follows",
            "35.2, D-117",
            "write the hash of the newest version into the text",
        ));
    }
    for finding in azir_runbook::lint(&book, None).into_iter().take(FINDINGS_MAX) {
        unmet.push(Unmet::new(
            RefusalKind::GuardUnmet,
            format!("lint: {finding}"),
            "34.1, D-117",
            "mend the path that is shown; `azir runbook lint` shows all",
        ));
    }
    let before = newest.and_then(|r| {
        let text = cx.objects.get(&r.object)?;
        cx.state.parsed.runbook(r.object, &text).ok()
    });
    let critical = Part::ALL.iter().filter(|part| part.is_critical());
    let changed: Vec<_> =
        critical.filter(|part| differs(&book, before.as_deref(), **part)).collect();
    if !changed.is_empty() {
        reviewed(cx, &changed, unmet);
    }
}

fn differs(book: &Runbook, before: Option<&Runbook>, part: Part) -> bool {
    before.is_none_or(|before| before.header().part(part) != book.header().part(part))
}

/// A version is the next one after the newest, and names it.
fn follows(b: &RunbookReleased, newest: Option<&BoundRunbook>, unmet: &mut Vec<Unmet>) {
    let (number, hash) = newest.map_or((0, None), |r| (r.version, Some(r.hash)));
    if b.previous != hash || b.runbook.version != number.saturating_add(1) {
        let newest = hash.map_or("none".to_owned(), |h| format!("version {number}, {h}"));
        unmet.push(Unmet::new(
            RefusalKind::VersionConflict,
            format!("version {} does not follow the newest ({newest})", b.runbook.version),
            "35.2, D-117",
            "take the newest version as previous, and count one up",
        ));
    }
}

/// Two people of roles that approve runbooks, none of them the author.
fn reviewed(cx: &Context<'_>, changed: &[&Part], unmet: &mut Vec<Unmet>) {
    let event = cx.signed.event();
    let act = act_digest(&event.kind, event.subject, &event.body);
    let ctx = Ctx::new(IncidentClass::ObservabilityOnly, Severity::Sev0Info);
    let lead = |role: &Role| permit(Act::ApproveRunbook, *role, &ctx).is_ok();
    let given = cx.state.approvals.iter().filter(|a| a.act == act && a.mark.by != cx.actor);
    let people: BTreeSet<_> =
        given.filter(|a| a.mark.role.as_ref().is_some_and(lead)).map(|a| &a.mark.by).collect();
    if people.len() < APPROVALS_MIN {
        let parts: Vec<_> = changed.iter().map(|p| p.as_str()).collect();
        unmet.push(Unmet::new(
            RefusalKind::ReviewRequired,
            format!(
                "{} changed, and {} of {APPROVALS_MIN} approved",
                parts.join(", "),
                people.len()
            ),
            "35.2, D-117",
            "let two leads other than the author approve this very act",
        ));
    }
}
