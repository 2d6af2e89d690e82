//! The drill's postmortem: drafted from the log by production code, completed by its people.

use azir_engine::body::{ConformanceAnswer, Question};
use azir_engine::postmortem::{self, Fix, FixState, Postmortem};
use azir_model::Role;

use super::DrillError;
use super::stage::Stage;

/// Days until the permanent fix is due.
const FIX_DUE_MS: i64 = 30 * 24 * 3_600_000;

/// The complete document.
pub(super) fn written(stage: &Stage<'_>) -> Result<Postmortem, DrillError> {
    let view = stage.view()?;
    let trusted = super::truth::pinned(stage)?;
    let mut doc = postmortem::draft(stage.plane.engine().state(), view);
    let mut say = |name: &str, text: &str| {
        doc.contents.insert(name.to_owned(), text.to_owned());
    };
    say("triggering_condition", "Two certificates for one slot, with three common signers.");
    say("blast_radius", &format!("Rank 4, measured: finality above height {}.", trusted.height));
    say(
        "why_controls_did_or_did_not_work",
        "Gates shut by local rule before any server or person acted. No own seat signed twice. \
         Nothing on the network side can stop three equivocating seats of seven; that is the limit \
         of the protocol.",
    );
    say("long_term_fix", "Replace the three seats; require gates in front of every seat.");
    say("changes_required", "none, because the replay matched in both implementations");
    say("governance_change_needed", "Seat replacement, proposed as a draft.");
    say("conformance_vectors", "The pair of certificates of this incident.");
    doc.every_control_held = true;
    doc.fixes = vec![Fix {
        what: "gates in front of every seat".to_owned(),
        owner: stage.person(Role::ConsensusLead)?.id.clone(),
        due: stage.now().plus_ms(FIX_DUE_MS),
        state: FixState::Open,
        reference: "seat replacement draft of this incident".to_owned(),
    }];
    let pair = view.confirmations.values().next().copied();
    let report = view.replay.as_ref().map(|r| r.report);
    let answer = |question, answer, reason: &str, fixture, report| ConformanceAnswer {
        question,
        answer,
        reason: reason.to_owned(),
        fixture,
        report,
    };
    doc.conformance = vec![
        answer(Question::NewVector, true, "the pair of certificates", pair, None),
        answer(Question::VectorInsufficient, false, "none covered forks", None, None),
        answer(
            Question::ImplementationsDiffer,
            false,
            "both replayed the branches of this incident to equal roots",
            None,
            report,
        ),
    ];
    Ok(doc)
}
