//! Severity questionnaire of annex E.1 and the meaning of "may affect" (D-027).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::vocab::Severity;

wire_enum! {
    /// A three-valued answer (D-027).
    pub enum Answer {
        /// A path to the effect is shown on given objects.
        Yes = "yes",
        /// Refuted.
        No = "no",
        /// Neither shown nor refuted.
        Unknown = "unknown",
    }
}

macro_rules! questions {
    ($($level:ident { $($member:ident = $wire:literal, $text:literal;)+ })+) => {
        wire_enum! {
            /// Questions of annex E.1, from the highest severity down. Implements R-4.2-2, R-4.2-3,
            /// R-4.2-4, R-4.2-5, R-4.2-6, R-4.2-7, R-4.2-8, R-4.2-9, R-4.2-10, R-4.2-11, R-4.2-12,
            /// R-4.2-13, R-4.2-14, R-4.2-15, R-4.2-16.
            #[allow(missing_docs)]
            pub enum Question { $($($member = $wire,)+)+ }
        }

        impl Question {
            /// The severity that a yes suggests.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $($(Self::$member)|+ => Severity::$level,)+ }
            }

            /// The question as annex E.1 puts it.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $($(Self::$member => $text,)+)+ }
            }
        }
    };
}

questions! {
    Sev5Systemic {
        ConflictingFinality = "conflicting_finality", "two certificates for one slot or two hard-final histories both verify";
        ThirdDisagrees = "third_disagrees", "two implementations, each on at least a third of the seats, give different results for one input";
        ExploitReachesAll = "exploit_reaches_all", "an exploitable validation or VM fault reaches every node";
        ActivationOutsideConstitution = "activation_outside_constitution", "a finalized activation lies outside the constitution";
        KeysReachThreshold = "keys_reach_threshold", "stolen keys reach a third of the seats or the threshold of a governance body";
        FinalizedInvalid = "finalized_invalid", "an invalid object is finalized";
    }
    Sev4Critical {
        FinalityLagL2 = "finality_lag_l2", "the hard-final lag is at least L2 (four epochs)";
        ImplementationsDisagree = "implementations_disagree", "production implementations disagree on one input below a third";
        BoundsExceeded = "bounds_exceeded", "bounded execution was exceeded";
        FundsBeyondCap = "funds_beyond_cap", "funds moved beyond a cap or across mandates or machines";
        KeyStolen = "key_stolen", "a consensus or governance key is stolen";
    }
    Sev3High {
        FinalityLagL1 = "finality_lag_l1", "the hard-final lag is at least L1 (one epoch)";
        JournalMissing = "journal_missing", "a mandatory journal is missing";
        OracleWrong = "oracle_wrong", "an oracle value in use is wrong";
        AgentOutside = "agent_outside", "an agent acted outside its mandate within caps";
        FundsWithinCap = "funds_within_cap", "funds moved without authority inside the caps of one mandate or machine";
        RoleUntrusted = "role_untrusted", "a consensus role of an own node is untrusted";
    }
    Sev2Medium {
        LocalEffect = "local_effect", "there is an effect on one node or one service, or a temporary one";
    }
    Sev1Low {
        MinorDegradation = "minor_degradation", "there is minor degradation without effect on finality or funds";
    }
}

/// Answers; a question that is absent is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Questionnaire {
    /// Answers by question.
    pub answers: BTreeMap<Question, Answer>,
    /// True when two independent observers or verified objects show the symptom itself (D-027).
    pub corroborated: bool,
}

impl Questionnaire {
    /// The answer to one question.
    #[must_use]
    pub fn answer(&self, question: Question) -> Answer {
        self.answers.get(&question).copied().unwrap_or(Answer::Unknown)
    }

    /// Sets one answer.
    pub fn set(&mut self, question: Question, answer: Answer) {
        self.answers.insert(question, answer);
    }
}

/// A suggested severity; a person declares (4.1, D-027).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suggestion {
    /// The highest row with a yes; `SEV_0_INFO` when there is none.
    pub severity: Severity,
    /// Questions of that row that count as yes.
    pub because: Vec<Question>,
    /// Unknown answers that counted as yes because the symptom is corroborated.
    pub counted_as_yes: Vec<Question>,
    /// Unknown answers that counted as no and should be settled.
    pub open: Vec<Question>,
}

/// The highest row with a yes wins; unknown counts as yes for the `SEV_4` and `SEV_5` questions
/// once the symptom is corroborated, else as no and is listed as open. Implements R-4.2-17 (annex
/// E.1, D-027).
#[must_use]
pub fn suggest(questionnaire: &Questionnaire) -> Suggestion {
    let mut yes = Vec::new();
    let mut counted_as_yes = Vec::new();
    let mut open = Vec::new();
    for question in Question::ALL.iter().copied() {
        match questionnaire.answer(question) {
            Answer::Yes => yes.push(question),
            Answer::No => {}
            Answer::Unknown => {
                if questionnaire.corroborated && question.severity() >= Severity::Sev4Critical {
                    counted_as_yes.push(question);
                    yes.push(question);
                } else {
                    open.push(question);
                }
            }
        }
    }
    let severity = yes.iter().map(|q| q.severity()).max().unwrap_or(Severity::Sev0Info);
    yes.retain(|q| q.severity() == severity);
    Suggestion { severity, because: yes, counted_as_yes, open }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(answer: Answer, corroborated: bool) -> Questionnaire {
        let answers = Question::ALL.iter().map(|q| (*q, answer)).collect();
        Questionnaire { answers, corroborated }
    }

    #[test]
    fn each_single_yes_suggests_the_level_of_its_row() {
        for question in Question::ALL.iter().copied() {
            let mut answers = all(Answer::No, true);
            answers.set(question, Answer::Yes);
            let suggestion = suggest(&answers);
            assert_eq!(suggestion.severity, question.severity());
            assert_eq!(suggestion.because, [question]);
        }
    }

    /// R-4.2-2, R-4.2-3, R-4.2-4, R-4.2-5, R-4.2-6, R-4.2-7, R-4.2-8, R-4.2-9, R-4.2-10, R-4.2-11,
    /// R-4.2-12, R-4.2-13, R-4.2-14, R-4.2-15, R-4.2-16: annex E.1, written out again.
    #[test]
    fn the_effects_of_4_2_alone_suggest_their_severity() {
        use Question as Q;
        use Severity as S;
        for (question, severity) in [
            (Q::MinorDegradation, S::Sev1Low),
            (Q::LocalEffect, S::Sev2Medium),
            (Q::FinalityLagL1, S::Sev3High),
            (Q::JournalMissing, S::Sev3High),
            (Q::OracleWrong, S::Sev3High),
            (Q::AgentOutside, S::Sev3High),
            (Q::FinalityLagL2, S::Sev4Critical),
            (Q::ImplementationsDisagree, S::Sev4Critical),
            (Q::BoundsExceeded, S::Sev4Critical),
            (Q::FundsBeyondCap, S::Sev4Critical),
            (Q::ThirdDisagrees, S::Sev5Systemic),
            (Q::ConflictingFinality, S::Sev5Systemic),
            (Q::ExploitReachesAll, S::Sev5Systemic),
            (Q::ActivationOutsideConstitution, S::Sev5Systemic),
            (Q::KeysReachThreshold, S::Sev5Systemic),
        ] {
            let mut answers = all(Answer::No, true);
            answers.set(question, Answer::Yes);
            assert_eq!(suggest(&answers).severity, severity, "{question}");
        }
    }

    #[test]
    fn all_refuted_is_info_and_all_shown_is_systemic() {
        assert_eq!(suggest(&all(Answer::No, true)).severity, Severity::Sev0Info);
        assert_eq!(suggest(&all(Answer::Yes, false)).severity, Severity::Sev5Systemic);
        assert_eq!(suggest(&all(Answer::Unknown, true)).severity, Severity::Sev5Systemic);
        let unsure = suggest(&all(Answer::Unknown, false));
        assert_eq!((unsure.severity, unsure.open.len()), (Severity::Sev0Info, Question::ALL.len()));
    }

    /// R-4.2-17: unknown counts as yes for the two highest rows only when corroborated.
    #[test]
    fn unknown_leans_to_the_safe_side_only_when_the_symptom_is_corroborated() {
        let mut answers = all(Answer::No, true);
        answers.set(Question::FinalityLagL2, Answer::Unknown);
        answers.set(Question::OracleWrong, Answer::Unknown);
        let suggestion = suggest(&answers);
        assert_eq!(suggestion.severity, Severity::Sev4Critical);
        assert_eq!(suggestion.counted_as_yes, [Question::FinalityLagL2]);
        assert_eq!(suggestion.open, [Question::OracleWrong]);
        answers.corroborated = false;
        let suggestion = suggest(&answers);
        assert_eq!(suggestion.severity, Severity::Sev0Info);
        assert_eq!(suggestion.open, [Question::FinalityLagL2, Question::OracleWrong]);
    }
}
