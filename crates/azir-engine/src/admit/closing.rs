//! Cause and postmortem (29, 33; D-034, D-044, D-115).

use std::collections::BTreeSet;

use azir_ledger::{Digest, canon};
use azir_model::approval::act_digest;
use azir_model::cause as words;
use azir_model::evidence::Item;
use azir_model::keep;
use azir_model::refusal::{RefusalKind, Unmet};
use azir_model::role::Permission;
use azir_model::{IncidentClass, IncidentState, Role};
use azir_runbook::{FactValue, Truth};

use super::{Context, authority};
use crate::body::{CauseStated, DraftKind, PostmortemPublished, ReplayVerdict};
use crate::facts;
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
    let class = *view.duties.iter().find(worded).unwrap_or(&view.class);
    unmet.extend(words::problems(class, &b.finding, b.kind, b.adversarial));
    if class != IncidentClass::Consensus {
        proven(cx, view, b, unmet);
    }
    objects(cx, view, class, b, unmet);
    fix(cx, view, b, unmet);
    if b.finding == ABUSE {
        let second = Permission::WithSecond(vec![ABUSE_SECONDS.to_vec()]);
        authority::seconded(cx, &second, &view.approvals, unmet);
    }
    for excluded in &b.excluded {
        cx.held(&excluded.evidence, "excluding evidence", unmet);
    }
}

/// A lawful act is called abuse by two people (20.2).
const ABUSE: &str = "procedural_abuse";
const ABUSE_SECONDS: [Role; 3] = [Role::IncidentCommander, Role::ConsensusLead, Role::SecurityLead];
/// Implementations answer differently: shown by the answers of two (17.2).
const PARSER_BUG: &str = "parser_bug_dependent";
/// Nodes hold different features: shown with the state of the features at the height (15.2).
const FEATURES: &str = "feature_activation_mismatch";
/// An input that breaks a rule, the fact that some node let it in, and the fault of that node,
/// which is recorded beside the input (15.2, 16.2).
const LET_IN: [(&str, &str, &str); 2] = [
    ("malformed_object", "decode_mismatch_verified", "node_bug"),
    ("malformed_bytecode", "static_rule_broken", "verifier_bug"),
];
/// A program is wrong: roles come back with a release.
const PATCHED: [&str; 4] = ["node_bug", FEATURES, "verifier_bug", "runtime_bug"];
/// A rule is missing: roles come back with a clarification.
const CLARIFIED: [&str; 2] = ["spec_ambiguity", "spec_gap"];

/// The bound runbook says what a word rests on, and that is true on the facts of this incident, or
/// was when the word was recorded first: a fix makes results equal again. An input that was let in
/// has the fault beside it. Implements R-15.2-3, R-15.2-9, R-16.2-5, R-20.2-3
/// and R-20.2-9.
fn proven(cx: &Context<'_>, view: &IncidentView, b: &CauseStated, unmet: &mut Vec<Unmet>) {
    let facts = view.run.facts(&facts::for_runbook(cx.state, view, cx.now));
    let words: BTreeSet<&str> = b.words().collect();
    let recorded: BTreeSet<&str> = view.cause.iter().flat_map(CauseStated::words).collect();
    let bound = view.runbook.as_ref().and_then(|bound| {
        cx.state.parsed.runbook(bound.object, &cx.objects.get(&bound.object)?).ok()
    });
    let answered = |word: &str| {
        facts.iter().any(|(n, v)| n.starts_with("answer.") && *v == FactValue::Text(word.into()))
    };
    for word in words.iter().filter(|w| !recorded.contains(**w) && !answered(w)) {
        let Some(when) = bound.as_ref().and_then(|book| book.proof_of(word)) else { continue };
        let told = when.eval(&facts);
        if told.truth != Truth::True {
            unmet.push(Unmet::new(
                RefusalKind::EvidenceUnverified,
                format!("{word} is {told}"),
                "34.1, D-034",
                "state what shows it (reading.stated), or choose the word that is shown",
            ));
        }
    }
    let features = view.evidence.get(&Item::ActiveFeatures);
    if b.finding == FEATURES && features.is_none_or(|r| r.held.is_empty()) {
        unmet.push(Unmet::new(
            RefusalKind::EvidenceMissing,
            format!("{FEATURES} without active_features"),
            "15.2, D-034",
            "keep the feature state of the nodes at the height",
        ));
    }
    for (input, let_in, fault) in LET_IN {
        let refused = facts.get(let_in) == Some(&FactValue::Bool(false));
        if b.finding == input && !refused && !words.contains(fault) {
            unmet.push(Unmet::new(
                RefusalKind::GuardUnmet,
                format!("cause: {input} and no {fault} beside it, with {let_in} not false"),
                "15.2, 16.2, D-034",
                format!("name the object with {fault} and its proof, or show that none let it in"),
            ));
        }
    }
}

/// Every object has one word of the list, with what shows it; each claim in doubt has one.
/// Implements R-17.2-4.
fn objects(
    cx: &Context<'_>,
    view: &IncidentView,
    class: IncidentClass,
    b: &CauseStated,
    unmet: &mut Vec<Unmet>,
) {
    let mut seen = BTreeSet::new();
    for found in &b.objects {
        let (object, word) = (found.object, found.finding.as_str());
        cx.held(&object, "object", unmet);
        found.proofs.iter().for_each(|proof| _ = cx.held(proof, "proof of a finding", unmet));
        if words::finding(class, word).is_none() {
            unmet.extend(words::problems(class, word, None, None));
        }
        let mut refuse = |kind, what: String, remedy: &str| {
            unmet.push(Unmet::new(kind, what, "17.2, 15.2, D-034", remedy));
        };
        if !seen.insert(object) {
            refuse(RefusalKind::InvalidSchema, format!("{object} twice"), "one word each");
        }
        let least = if word == PARSER_BUG { 2 } else { 1 };
        if found.proofs.len() < least {
            let what = format!("{object} is {word} with {} of {least} proofs", found.proofs.len());
            let remedy = "keep what shows it; for a difference the answer of each implementation";
            refuse(RefusalKind::EvidenceMissing, what, remedy);
        }
    }
    if class != IncidentClass::WitnessProof {
        return;
    }
    let mut refuse = |kind, what: String, remedy: &str| {
        unmet.push(Unmet::new(kind, what, "17.2, D-034", remedy));
    };
    let claims = view.evidence.get(&Item::Claims).into_iter().flat_map(|r| &r.held);
    for claim in claims.map(|d| d.hash).filter(|hash| !seen.contains(hash)) {
        let remedy = "say of each claim what it is, with its proof";
        refuse(RefusalKind::EvidenceMissing, format!("no word for claim {claim}"), remedy);
    }
    if !b.objects.iter().any(|o| o.finding == b.finding) {
        let remedy = "name the objects that are, or another word for the family";
        refuse(RefusalKind::EvidenceMissing, format!("no object is {}", b.finding), remedy);
    }
}

/// A fix is a manifest that is kept, or a draft that was made here.
fn fix(cx: &Context<'_>, view: &IncidentView, b: &CauseStated, unmet: &mut Vec<Unmet>) {
    let Some(fix) = &b.fix else { return };
    let kept = [(&fix.release, "release manifest"), (&fix.vector, "conformance vector")];
    for (object, what) in kept {
        _ = object.as_ref().and_then(|object| cx.held(object, what, unmet));
    }
    let made = |object: &Digest| {
        view.drafts.iter().any(|d| d.draft == DraftKind::Clarification && d.object == *object)
    };
    if let Some(proposal) = fix.proposal.filter(|object| !made(object)) {
        unmet.push(Unmet::new(
            RefusalKind::EvidenceMissing,
            format!("no clarification {proposal} was drafted in this incident"),
            "15.2, 38.1, D-088",
            "draft it first (draft.made, clarification)",
        ));
    }
}

/// What must still be prepared before a role comes back: a release where a program is wrong, a
/// clarification with its vector where a rule is missing. Implements R-15.2-6, R-15.2-8 and
/// R-16.2-12.
pub(super) fn fix_due(view: &IncidentView) -> Option<&'static str> {
    let cause = view.cause.as_ref()?;
    let any = |list: &[&str]| cause.words().any(|word| list.contains(&word));
    let fix = cause.fix.as_ref();
    if any(&CLARIFIED) && fix.is_none_or(|f| f.proposal.is_none()) {
        return Some("the clarification of the rule is due, and no draft of it is named");
    }
    if any(&CLARIFIED) && fix.is_none_or(|f| f.vector.is_none()) {
        return Some("the vector that decides the input is due, and none is named");
    }
    if any(&PATCHED) && fix.is_none_or(|f| f.release.is_none()) {
        return Some("no release manifest is named for the program that is wrong");
    }
    None
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
