//! The next questions: unknown facts, ordered by how much their answers would change the decision.
//!
//! Each fact has a few possible answers. Every answer is put into the input, the decision is made
//! again, and what changes is counted: another set of measures weighs most, then the emergency
//! path, then the profile. A question whose answers change nothing is not asked.

use serde::{Deserialize, Serialize};

use super::situation::Fact;
use crate::decision::{self, Action, ActionSet, Input, Origin, Output, Path, Paths};
use crate::scope::ScopeKind;
use crate::vocab::{BlastRank, Choice, IncidentClass, Profile, Severity};

const WEEK_S: u64 = 7 * 24 * 3_600;
/// An ordinary path within the tolerance of `SEV_4` (D-076).
const FAST_S: u64 = 240;

wire_enum! {
    /// Facts that the short form leaves open.
    pub enum OpenFact {
        /// Who am I?
        WhoAmI = "who_am_i",
        /// Is the chain finalizing?
        Finalizing = "finalizing",
        /// Which authority path exists, and how slow is it?
        AuthorityPath = "authority_path",
        /// Which share of the seats is affected?
        SeatShare = "seat_share",
        /// How much is exposed?
        Exposure = "exposure",
        /// Which action does the harm?
        HarmfulAction = "harmful_action",
    }
}

impl OpenFact {
    /// The question in words.
    #[must_use]
    pub const fn question(self) -> &'static str {
        match self {
            Self::WhoAmI => {
                "Who are you: operator of own nodes, owner of the affected scope, or neither?"
            }
            Self::Finalizing => "Is the chain finalizing, by certificates you verified?",
            Self::AuthorityPath => {
                "Which authority path exists for the affected scope, and how slow is it?"
            }
            Self::SeatShare => "Which share of the seats is affected?",
            Self::Exposure => {
                "How much is exposed: within the caps of one mandate or machine, or beyond?"
            }
            Self::HarmfulAction => {
                "Which action does the harm: opening and increasing only, or any?"
            }
        }
    }
}

/// What one answer would lead to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhatIf {
    /// The answer.
    pub answer: String,
    /// Measures then.
    pub containment: Vec<Choice>,
    /// Emergency path then, `yes` or `no`.
    pub emergency_escalation: Fact,
    /// Profile then; absent = reclassify.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// True when this differs from the advice.
    pub changes: bool,
}

/// One open question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NextQuestion {
    /// The fact.
    pub fact: OpenFact,
    /// The question.
    pub question: String,
    /// Its possible answers and where they lead.
    pub answers: Vec<WhatIf>,
}

/// The questions worth asking, the weightiest first.
pub(super) fn next_questions(
    input: &Input,
    output: &Output,
    finality: Fact,
    funds: Fact,
) -> Vec<NextQuestion> {
    let open = OpenFact::ALL.iter().copied().filter(|fact| match fact {
        OpenFact::Finalizing => matches!(finality, Fact::Unknown | Fact::Suspected),
        OpenFact::Exposure => funds != Fact::No,
        OpenFact::SeatShare => touches_seats(input.incident.class()),
        OpenFact::WhoAmI | OpenFact::AuthorityPath | OpenFact::HarmfulAction => true,
    });
    let mut asked: Vec<(u32, NextQuestion)> = open
        .map(|fact| {
            let mut weight = 0;
            let answers = answers(fact, input).into_iter().map(|(answer, changed)| {
                let then = decision::evaluate(&changed);
                let change = difference(output, &then);
                weight += change;
                WhatIf {
                    answer: answer.to_owned(),
                    containment: then.choices(),
                    emergency_escalation: if then.escalates() { Fact::Yes } else { Fact::No },
                    profile: then.recommended_profile.map(|p| p.profile),
                    changes: change > 0,
                }
            });
            let answers: Vec<WhatIf> = answers.collect();
            // The mean over the answers, so that many answers do not count for more.
            let mean = weight * 12 / u32::try_from(answers.len().max(1)).unwrap_or(1);
            (mean, NextQuestion { fact, question: fact.question().to_owned(), answers })
        })
        .filter(|(weight, _)| *weight > 0)
        .collect();
    asked.sort_by_key(|(weight, question)| (std::cmp::Reverse(*weight), question.fact));
    asked.into_iter().map(|(_, question)| question).collect()
}

fn touches_seats(class: IncidentClass) -> bool {
    match class {
        IncidentClass::Consensus | IncidentClass::Validation | IncidentClass::Bvm => true,
        IncidentClass::KeyCompromise | IncidentClass::SupplyChain => true,
        IncidentClass::Infrastructure => true,
        IncidentClass::WitnessProof | IncidentClass::Economic => false,
        IncidentClass::AgentControl | IncidentClass::Governance => false,
        IncidentClass::ObservabilityOnly => false,
    }
}

fn difference(now: &Output, then: &Output) -> u32 {
    let profile = |o: &Output| o.recommended_profile.map(|p| p.profile);
    4 * u32::from(now.choices() != then.choices())
        + 2 * u32::from(now.escalates() != then.escalates())
        + u32::from(profile(now) != profile(then))
}

/// One possible answer and what it makes of the input.
type Answer = (&'static str, fn(&mut Input));

const WHO: &[Answer] = &[
    ("operator of own nodes only", |i| owner_kinds(&mut i.paths)),
    ("owner of the affected scope", own_nodes_apart),
    ("neither", |i| {
        own_nodes_apart(i);
        i.paths.owner = None;
    }),
];
const FINALIZING: &[Answer] =
    &[("yes", |i| i.chain.finalizing = true), ("no", |i| i.chain.finalizing = false)];
const AUTHORITY: &[Answer] = &[
    ("none", |i| {
        i.paths = Paths { restart: i.paths.restart.take(), ..Paths::default() };
    }),
    ("ordinary only, a week", |i| {
        i.paths.emergency = None;
        i.paths.ordinary = after(WEEK_S);
    }),
    ("ordinary in a week, emergency as assumed", |i| i.paths.ordinary = after(WEEK_S)),
    ("ordinary within four minutes", |i| i.paths.ordinary = after(FAST_S)),
];
const SEATS: &[Answer] = &[
    ("below a third", |_| ()),
    ("a third or more", |i| {
        i.incident.severity = Severity::Sev5Systemic;
        i.incident.blast_rank = BlastRank::NETWORK;
    }),
];
const EXPOSURE: &[Answer] = &[
    ("within the caps of one mandate or machine", |i| {
        i.incident.severity = i.incident.severity.min(Severity::Sev3High);
    }),
    ("beyond a cap, or several", |i| {
        i.incident.severity = i.incident.severity.max(Severity::Sev4Critical);
    }),
];
const HARMFUL: &[Answer] = &[
    ("opening and increasing only", |i| {
        let calls = [Action::CallOpen, Action::CallIncrease];
        let acts = [Action::ActOpen, Action::ActIncrease];
        network_actions(i, ActionSet::of(&calls).union(ActionSet::of(&acts)));
    }),
    ("any", |i| network_actions(i, ActionSet::of(&[Action::CallAny, Action::ActAny]))),
];

/// The input under each possible answer.
fn answers(fact: OpenFact, input: &Input) -> Vec<(&'static str, Input)> {
    let answers = match fact {
        OpenFact::WhoAmI => WHO,
        OpenFact::Finalizing => FINALIZING,
        OpenFact::AuthorityPath => AUTHORITY,
        OpenFact::SeatShare => SEATS,
        OpenFact::Exposure => EXPOSURE,
        OpenFact::HarmfulAction => HARMFUL,
    };
    let changed = |(answer, change): &Answer| {
        let mut changed = input.clone();
        change(&mut changed);
        (*answer, changed)
    };
    answers.iter().map(changed).collect()
}

fn after(delay_s: u64) -> Option<Path> {
    Some(Path { delay_s, ..Path::default() })
}

/// An operator of nodes is no principal and no key owner; anybody may challenge or prove fraud.
fn owner_kinds(paths: &mut Paths) {
    if let Some(owner) = &mut paths.owner {
        owner.kinds = Some([ScopeKind::Seat, ScopeKind::GovPath].into_iter().collect());
    }
}

/// Somebody without nodes has no gates to close.
fn own_nodes_apart(input: &mut Input) {
    input.channels.retain(|c| c.origin == Origin::Network);
}

/// Replaces what mandates, machines, modules and domains do; other channels keep their actions.
fn network_actions(input: &mut Input, actions: ActionSet) {
    for channel in input.channels.iter_mut().filter(|c| c.origin == Origin::Network) {
        let of_calls = matches!(
            channel.scope.kind(),
            ScopeKind::Machine
                | ScopeKind::MachineFamily
                | ScopeKind::Module
                | ScopeKind::ModuleFamily
                | ScopeKind::Mandate
                | ScopeKind::AgentClass
                | ScopeKind::Domain
        );
        if of_calls {
            channel.actions = actions;
        }
    }
}
