//! Cause and postmortem (29, 33; D-034, D-044, D-115).

use std::collections::BTreeSet;

use azir_ledger::canon;
use azir_model::approval::act_digest;
use azir_model::cause as words;
use azir_model::keep;
use azir_model::refusal::{RefusalKind, Unmet};
use azir_model::{IncidentClass, IncidentState, Role};

use super::Context;
use crate::body::{CauseStated, PostmortemPublished, ReplayVerdict};
use crate::postmortem::{self, Postmortem};
use crate::view::IncidentView;

/// The four classifications of 14.2. Implements R-14.2-5, R-14.2-9, R-14.2-10, R-14.2-11,
/// R-14.2-12.
const DIVERGENCE: &str = "local_implementation_divergence";
const PROTOCOL_FAULT: &str = "genuine_protocol_fault";
const EQUIVOCATION: &str = "adversarial_equivocation";

/// `cause.stated` (D-044): every excluded candidate names its evidence, and something remains that
/// the statement covers.
pub(super) fn cause(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &CauseStated,
    unmet: &mut Vec<Unmet>,
) {
    let mut refuse = |kind, what: String, remedy: &str| {
        unmet.push(Unmet::new(kind, what, "29.1, D-034, D-044", remedy));
    };
    for excluded in b.excluded.iter().filter(|e| !b.candidates.contains(&e.candidate)) {
        refuse(
            RefusalKind::InvalidSchema,
            format!("excluded {:?} is no candidate", excluded.candidate),
            "list it as a candidate first",
        );
    }
    let excluded = |c: &String| b.excluded.iter().any(|e| e.candidate == *c);
    if !b.candidates.is_empty() && b.candidates.iter().all(excluded) {
        refuse(
            RefusalKind::GuardUnmet,
            "cause: every candidate is excluded, so the cause is none of them".into(),
            "add the candidate that remains and say how it is covered",
        );
    }
    if b.candidates.is_empty() || b.statement.is_empty() {
        refuse(
            RefusalKind::GuardUnmet,
            "cause: no candidate or no statement".into(),
            "list candidate causes, what excludes them, and how the rest is covered",
        );
    }
    if view.class == IncidentClass::Consensus {
        finding(view, b, &mut refuse);
    }
    // The finding is a word of the runbook of a class of this incident (D-034).
    let worded = |class: &&IncidentClass| words::finding(**class, &b.finding).is_some();
    let class = view.duties.iter().find(worded).unwrap_or(&view.class);
    unmet.extend(words::problems(*class, &b.finding, b.kind, b.adversarial));
    for excluded in &b.excluded {
        cx.held(&excluded.evidence, "excluding evidence", unmet);
    }
}

/// What each classification of 14.2 rests on.
fn finding(
    view: &IncidentView,
    b: &CauseStated,
    refuse: &mut impl FnMut(RefusalKind, String, &str),
) {
    let word = b.finding.as_str();
    let verdict = view.replay.as_ref().map(|r| r.verdict);
    let differs = verdict == Some(ReplayVerdict::Diverged);
    let pair = view.confirmations.contains_key("conflicting_certificates");
    match word {
        EQUIVOCATION if !pair => refuse(
            RefusalKind::EvidenceMissing,
            format!("{word} without a verified pair of signed messages"),
            "let a detector verify two messages of one key for one slot",
        ),
        DIVERGENCE if !differs => refuse(
            RefusalKind::EvidenceMissing,
            format!("{word} without a replay in which two implementations differ"),
            "replay with two implementations and report the difference",
        ),
        PROTOCOL_FAULT if verdict != Some(ReplayVerdict::Match) => refuse(
            RefusalKind::EvidenceUnverified,
            format!("{word} needs a replay in which all implementations agree"),
            "find the implementation that differs, or report equal results",
        ),
        // An invalid object rests on no more; a word of another class was judged above.
        _ => {}
    }
}

/// `postmortem.published` (33.1, T-20): the document is this incident's, whole, and says what the
/// body says. Implements R-33.1-1, R-33.1-2, R-33.1-5, R-33.1-6, R-33.1-8, R-33.1-9, R-33.1-10 and
/// R-33.1-11.
pub(super) fn postmortem(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &PostmortemPublished,
    unmet: &mut Vec<Unmet>,
) {
    document(cx, view, b, unmet);
    let reports = b.conformance.iter().filter_map(|a| a.report);
    for object in b.conformance.iter().filter_map(|a| a.fixture).chain(reports) {
        cx.held(&object, "fixture or replay report", unmet);
    }
    if view.holder(Role::AuditScribe).is_none() {
        unmet.push(Unmet::new(
            RefusalKind::PostmortemIncomplete,
            "no Audit Scribe",
            "33.1, D-115",
            "assign one: the scribe signs the postmortem",
        ));
    }
    if let Some(embargo) = &b.embargo {
        let event = cx.signed.event();
        let act = act_digest(&event.kind, event.subject, &event.body);
        let by_person = |a: &&crate::view::ApprovalRecord| a.act == act && a.mark.role.is_some();
        let approved = view.approvals.iter().filter(by_person).map(|a| a.mark.by.clone());
        let people: BTreeSet<_> = approved.chain([cx.actor.to_owned()]).collect();
        // A second publication does not begin a second term.
        let first = view.postmortem.as_ref().map_or(cx.now, |p| p.first);
        let judged = keep::check_embargo_act(first, embargo.until, &people);
        unmet.extend(judged.err().map(|r| r.unmet().to_vec()).unwrap_or_default());
        if embargo.reason.trim().is_empty() {
            unmet.push(Unmet::new(
                RefusalKind::ReasonRequired,
                "an embargo without reason",
                "33.1, D-025",
                "say why the text must stay sealed",
            ));
        }
    }
    let closed = [IncidentState::Closed, IncidentState::PostmortemPending];
    if !closed.contains(&view.state) {
        unmet.push(Unmet::new(
            RefusalKind::GuardUnmet,
            format!("closed: the incident is {}", view.state),
            "5.1, 33.1, D-035",
            "publish the postmortem after the incident is closed",
        ));
    }
}

fn document(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &PostmortemPublished,
    unmet: &mut Vec<Unmet>,
) {
    let Some(bytes) = cx.held(&b.document, "postmortem", unmet) else { return };
    let doc: Postmortem = match canon::decode(&bytes) {
        Ok(doc) => doc,
        Err(error) => {
            unmet.push(Unmet::new(
                RefusalKind::PostmortemIncomplete,
                format!("the document is no postmortem: {error}"),
                "33.1, D-010, D-115",
                "draft it with azir postmortem, complete it, and publish that file",
            ));
            return;
        }
    };
    unmet.extend(postmortem::problems(&doc, cx.state, view));
    if doc.kinds != b.kinds || doc.conformance != b.conformance {
        unmet.push(Unmet::new(
            RefusalKind::HashMismatch,
            "kinds or conformance answers differ from the document",
            "33.1, D-115",
            "copy them from the document",
        ));
    }
}
