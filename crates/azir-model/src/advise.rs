//! Advice for a situation (`docs/advise.md`): a short form or a full decision input in, a decision
//! with reasons and the next questions out.
//!
//! The short form answers a fixed questionnaire: which class the signals support (3.1), which
//! severity the shown effects suggest (annex E.1), which harm channels run through what. The full
//! input made from it goes through the same [`crate::decision::decide`] as every other decision.
//! Unknown facts stay unknown: they are assumed as in annex D.9 for the first answer, and asked
//! for. Rules read codes only; no rule looks at texts, names or dates.

mod channels;
mod classify;
mod grade;
mod questions;
mod reading;
mod situation;

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

pub use questions::{NextQuestion, OpenFact, WhatIf};
pub use situation::{
    DetectedBy, Evidence, Fact, Precision, Quality, Radius, SeenSignal, Signal, Situation, Tempo,
    When,
};

use crate::decision::{self, Input, Output};
use crate::refusal::{Refusal, RefusalKind};
use crate::severity::{self, Suggestion};
use crate::vocab::{Choice, IncidentClass, Profile, RunbookId, Severity};

/// Advice. Implements the JSON object of `azir advise --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Advice {
    /// Primary class.
    pub class: IncidentClass,
    /// Other classes that the same facts support, best first.
    pub class_alternatives: Vec<IncidentClass>,
    /// Suggested severity; a person declares.
    pub severity: Severity,
    /// Recommended profile (annex E.2).
    pub profile: Profile,
    /// Measures, local ones first; `observe_only` alone when there is none.
    pub containment: Vec<Choice>,
    /// `yes` when the emergency path is open and needed for some channel (annex F), else `no`.
    pub emergency_escalation: Fact,
    /// Runbook of the class (annex N.1).
    pub runbook: RunbookId,
    /// Why, in words.
    pub explanation: String,
    /// Unknown facts whose answers would change the decision, the weightiest first.
    pub next_questions: Vec<NextQuestion>,
}

/// What `azir advise` reads.
#[derive(Clone, Debug)]
pub enum Request {
    /// The short form.
    Situation(Box<Situation>),
    /// A decision input of annex D.2.
    Input(Box<Input>),
}

impl Request {
    /// Takes a parsed file: an object with `detection` (of which only that table is read), a bare
    /// situation, or a decision input (recognised by `channels`).
    ///
    /// # Errors
    /// `unknown_enum` for a code that is no member of its list, `scope_invalid` for a text that is
    /// no scope, `invalid_schema` for everything else; each names the place.
    pub fn from_value(value: &serde_json::Value) -> Result<Self, Refusal> {
        if let Some(table) = value.get("detection") {
            return parse(table).map(|s| Self::Situation(Box::new(s)));
        }
        if value.get("channels").is_some() {
            let input: Input = parse(value)?;
            input.check()?;
            return Ok(Self::Input(Box::new(input)));
        }
        parse(value).map(|s| Self::Situation(Box::new(s)))
    }

    /// The advice.
    #[must_use]
    pub fn advice(&self) -> Advice {
        match self {
            Self::Situation(situation) => advise(situation),
            Self::Input(input) => advise_input(input),
        }
    }
}

fn parse<'de, T: Deserialize<'de>>(value: &'de serde_json::Value) -> Result<T, Refusal> {
    T::deserialize(value).map_err(|error| {
        let text = error.to_string();
        // serde carries our own errors as text only; both phrases are ours.
        let kind = if text.contains("is no member of") {
            RefusalKind::UnknownEnum
        } else if text.contains("kind:id[/part]") || text.contains("is no scope kind") {
            RefusalKind::ScopeInvalid
        } else {
            RefusalKind::InvalidSchema
        };
        Refusal::one(kind, text, "D-009, annex D.2", "see docs/advise.md for keys and codes")
    })
}

/// The full decision input that a situation stands for, with the suggested severity.
#[must_use]
pub fn decision_input(situation: &Situation) -> (Input, Suggestion) {
    let (input, suggestion, _) = derive(situation);
    (input, suggestion)
}

fn derive(situation: &Situation) -> (Input, Suggestion, classify::Classes) {
    let reading = reading::Reading::new(situation);
    let classes = classify::classify(&reading);
    let mut suggestion = severity::suggest(&grade::questionnaire(&reading, classes.best));
    // Annex E.2 rule 1: observability only stands at SEV_1 at most.
    if classes.best == IncidentClass::ObservabilityOnly {
        suggestion.severity = suggestion.severity.min(Severity::Sev1Low);
    }
    let all = std::iter::once(classes.best).chain(classes.others.iter().copied()).collect();
    let input = channels::input(&reading, all, suggestion.severity);
    (input, suggestion, classes)
}

/// Advice on a short form.
#[must_use]
pub fn advise(situation: &Situation) -> Advice {
    let (input, suggestion, classes) = derive(situation);
    let output = decision::decide(&input);
    let finality = situation.finality_affected;
    let next = questions::next_questions(&input, &output, finality, situation.funds_at_risk);
    let mut explanation = String::new();
    // Writing to a String cannot fail.
    let _ = explain_short(&mut explanation, situation, &classes, &suggestion);
    explanation.push_str(&decision::explain(&output));
    advice(&input, &output, explanation, next)
}

/// Advice on a full decision input. Every fact is stated there, so nothing is asked.
#[must_use]
pub fn advise_input(input: &Input) -> Advice {
    let output = decision::decide(input);
    advice(input, &output, decision::explain(&output), Vec::new())
}

fn advice(
    input: &Input,
    output: &Output,
    explanation: String,
    next_questions: Vec<NextQuestion>,
) -> Advice {
    let class = input.incident.class();
    Advice {
        class,
        class_alternatives: input.incident.classes.iter().skip(1).copied().collect(),
        severity: input.incident.severity,
        profile: output.recommended_profile.map_or(Profile::ObserveOnly, |p| p.profile),
        containment: output.choices(),
        emergency_escalation: if output.escalates() { Fact::Yes } else { Fact::No },
        runbook: runbook(class),
        explanation,
        next_questions,
    }
}

fn explain_short(
    out: &mut String,
    situation: &Situation,
    classes: &classify::Classes,
    suggestion: &Suggestion,
) -> std::fmt::Result {
    let because: Vec<_> = classes.because.iter().map(|s| s.as_str()).collect();
    let because = if because.is_empty() { "no signal".to_owned() } else { because.join(", ") };
    writeln!(out, "Class {} from: {because}.", classes.best)?;
    if let Some(proposed) = situation.class.filter(|c| *c != classes.best) {
        writeln!(out, "The reporter proposed {proposed}; the signals support another class more.")?;
    }
    write!(out, "Severity {}", suggestion.severity)?;
    for (i, question) in suggestion.because.iter().enumerate() {
        let lead = if i == 0 { ": " } else { "; " };
        let counted = suggestion.counted_as_yes.contains(question);
        let note =
            if counted { " (unknown, counts as yes: the symptom is corroborated)" } else { "" };
        write!(out, "{lead}{}{note}", question.text())?;
    }
    out.push_str(".\n");
    if let Some(proposed) = situation.severity.filter(|s| *s != suggestion.severity) {
        writeln!(
            out,
            "The reporter proposed {proposed}; a declaration that differs needs a reason."
        )?;
    }
    for question in &suggestion.open {
        writeln!(out, "Open, counted as no: {}.", question.text())?;
    }
    Ok(())
}

/// Runbook of a class (annex N.1, D-019).
const fn runbook(class: IncidentClass) -> RunbookId {
    match class {
        IncidentClass::Consensus => RunbookId::Consensus,
        IncidentClass::Validation => RunbookId::Validation,
        IncidentClass::Bvm => RunbookId::Bvm,
        IncidentClass::WitnessProof => RunbookId::Witness,
        IncidentClass::Economic => RunbookId::Econ,
        IncidentClass::AgentControl => RunbookId::Agent,
        IncidentClass::Governance => RunbookId::Gov,
        IncidentClass::KeyCompromise => RunbookId::Key,
        IncidentClass::Infrastructure => RunbookId::Infra,
        IncidentClass::SupplyChain => RunbookId::Supply,
        IncidentClass::ObservabilityOnly => RunbookId::Observe,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn advice(value: &serde_json::Value) -> Advice {
        Request::from_value(value).unwrap().advice()
    }

    #[test]
    fn nothing_known_gives_observe_only() {
        let found = advice(&json!({}));
        assert_eq!(found.class, IncidentClass::ObservabilityOnly);
        assert_eq!(found.severity, Severity::Sev0Info);
        assert_eq!(found.containment, [Choice::ObserveOnly]);
        assert_eq!(found.emergency_escalation, Fact::No);
    }

    #[test]
    fn unknown_keys_and_codes_are_refused_by_name() {
        let refusal = Request::from_value(&json!({"detection": {"mood": "bad"}})).unwrap_err();
        assert_eq!(refusal.kind(), RefusalKind::InvalidSchema);
        assert!(refusal.to_string().contains("`mood`"));
        let refusal = Request::from_value(&json!({"exploit_active": "maybe"})).unwrap_err();
        assert_eq!(refusal.kind(), RefusalKind::UnknownEnum);
        assert!(refusal.to_string().contains("maybe"));
        let signal = json!({"signals": [{"code": "sunspots", "when": "at_detection"}]});
        assert_eq!(Request::from_value(&signal).unwrap_err().kind(), RefusalKind::UnknownEnum);
    }

    #[test]
    fn other_tables_of_a_record_and_later_signals_are_not_read() {
        let signals = |when: &str| {
            json!({"detection": {"signals": [{"code": "key_leak_report", "text": "x", "when": when}]},
                   "final": {"class": "INC_CONSENSUS"}, "nonsense": 3})
        };
        assert_eq!(advice(&signals("at_detection")).class, IncidentClass::KeyCompromise);
        assert_eq!(advice(&signals("later")).class, IncidentClass::ObservabilityOnly);
    }

    #[test]
    fn a_proposal_stays_among_the_alternatives() {
        let found = advice(&json!({
            "class": "INC_BVM", "signals": [{"code": "key_leak_report", "when": "at_detection"}]
        }));
        assert_eq!(found.class, IncidentClass::KeyCompromise);
        assert!(found.class_alternatives.contains(&IncidentClass::Bvm));
        assert!(found.explanation.contains("proposed INC_BVM"));
    }

    #[test]
    fn questions_are_asked_only_when_an_answer_would_change_the_decision() {
        let found = advice(&json!({
            "blast_radius": "domain", "exploit_active": "yes", "funds_at_risk": "yes",
            "harm_tempo": "minutes", "evidence_quality": "strong",
            "signals": [{"code": "abnormal_outflow", "when": "at_detection"}]
        }));
        assert_eq!(found.emergency_escalation, Fact::Yes);
        assert!(!found.next_questions.is_empty());
        for question in &found.next_questions {
            assert!(question.answers.iter().any(|a| a.changes), "{}", question.question);
            for answer in question.answers.iter().filter(|a| !a.changes) {
                assert_eq!(answer.containment, found.containment);
            }
        }
        let facts: Vec<_> = found.next_questions.iter().map(|q| q.fact).collect();
        assert!(facts.contains(&OpenFact::Finalizing), "{facts:?}");
        assert!(facts.contains(&OpenFact::AuthorityPath), "{facts:?}");
        let known = json!({"finality_affected": "no"});
        assert!(advice(&known).next_questions.iter().all(|q| q.fact != OpenFact::Finalizing));
    }

    #[test]
    fn a_full_input_is_decided_as_it_is_and_checked_first() {
        let situation: Situation = parse(&json!({
            "blast_radius": "machine_or_contract", "exploit_active": "yes",
            "finality_affected": "no", "funds_at_risk": "yes", "harm_tempo": "minutes",
            "evidence_quality": "strong",
            "signals": [{"code": "abnormal_outflow", "when": "at_detection"}]
        }))
        .unwrap();
        let (input, _) = decision_input(&situation);
        let full = serde_json::to_value(&input).unwrap();
        let from_full = advice(&full);
        assert_eq!(from_full.containment, advise(&situation).containment);
        assert!(from_full.next_questions.is_empty());
        let mut ghost = full;
        ghost["channels"][0]["scope"] = json!("machine:ghost");
        assert_eq!(Request::from_value(&ghost).unwrap_err().kind(), RefusalKind::ScopeInvalid);
        ghost["channels"][0]["scope"] = json!("planet:x");
        assert_eq!(Request::from_value(&ghost).unwrap_err().kind(), RefusalKind::ScopeInvalid);
    }
}
