//! Atoms that judge what a request brings.

use super::{Guard, Met, given, need, need_kind};
use crate::lifecycle::{ContainingCause, Request};
use crate::refusal::RefusalKind;

pub(super) fn reason(request: &Request) -> Met {
    need_kind(
        given(request.reason.as_deref()),
        RefusalKind::ReasonRequired,
        Guard::Reason,
        || "no reason given".into(),
        "state the reason",
    )
}

pub(super) fn cause_event(request: &Request, wider: bool) -> Met {
    let met = match request.cause {
        Some((ContainingCause::Relapse | ContainingCause::LostMeasure, _)) => true,
        Some((ContainingCause::WiderDecision, _)) => wider,
        None => false,
    };
    let guard = if wider { Guard::CauseEvent } else { Guard::RelapseEvent };
    let what = || "no event that calls for containment".into();
    need(met, guard, what, "name the relapse or the lost measure by its event")
}

pub(super) fn report(request: &Request) -> Met {
    let what = || "no report on the attempt".into();
    need(request.report.is_some(), Guard::Report, what, "attach the report")
}

pub(super) fn new_evidence(request: &Request) -> Met {
    need_kind(
        !request.new_evidence.is_empty(),
        RefusalKind::EvidenceMissing,
        Guard::NewEvidence,
        || "nothing new".into(),
        "attach the new evidence",
    )
}

pub(super) fn due_date(request: &Request) -> Met {
    need(request.due.is_some(), Guard::DueDate, || "no due date".into(), "name the due date")
}
