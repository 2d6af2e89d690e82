//! The controls: section of AZ-015, words, and who judges them.

use azir_model::RunbookId;
use azir_model::refusal::RefusalKind as K;

use super::judges as j;
use super::{Moment, Vote};

/// One control and its judge.
pub(super) struct Control {
    /// Section.
    pub(super) section: &'static str,
    /// Words.
    pub(super) text: &'static str,
    /// What an entry says of it.
    pub(super) judge: fn(&Moment<'_>) -> Vote,
}

const fn control(
    section: &'static str,
    text: &'static str,
    judge: fn(&Moment<'_>) -> Vote,
) -> Control {
    Control { section, text, judge }
}

/// Sections of which a log can show nothing, and why.
pub const BEYOND: [(&str, &str); 4] = [
    ("1", "a statement of purpose"),
    ("40.2", "what runs on a machine is told by its gate, not by this log alone"),
    ("42", "the format of AZ-015 itself"),
    ("43", "the place of AZ-015 in its suite"),
];

/// Every control that is judged entry by entry.
pub(super) const CONTROLS: &[Control] = &[
    control("2.1", "finality and restrictions are stated by own nodes that verified them", j::seen),
    control("2.2", "measures are ordered before the cause is known", j::contained_first),
    control(
        "2.3",
        "no gate under a measure opens without a restart that was carried out",
        j::opens,
    ),
    control("3", "a proof of a kind of its class confirms the incident", j::confirmed),
    control("4", "people in a deciding role declare class and severity", j::declared),
    control("4", "a severity is changed or corrected only with a reason", j::severity),
    control("5.1", "the incident moves along the 22 edges only, from where it is", j::edges),
    control("5.2", "every guard of a transition holds", j::guards),
    control("6.1", "people act only in roles that annex C lets act", j::roles),
    control("6.2", "duties that belong apart stay with different people", j::apart),
    control("6.3", "a second person signs what needs two", j::second),
    control("7.2", "the id of an incident is the hash of its opening record", j::identity),
    control("7.3", "each entry is signed by a key of its author that is not revoked", j::signed),
    control("8", "measures stay within the declared profile", |m| {
        j::measure(m, |_| true, &[K::ProfileExceeded])
    }),
    control(
        "9.1",
        "what must be pinned at once is pinned before the incident is stabilised",
        j::pins,
    ),
    control("9.2", "nothing is destroyed before its preservation receipt", j::destroys),
    control("10.1", "the checklist is complete or waived when the incident closes", j::checklist),
    control("10.1", "an item without qualifier is waived by two people", j::waived),
    control("10.1", "a piece is removed only after its term, and leaves a tombstone", j::removed),
    control("10.2", "a preservation receipt is over what is held of its scope", j::receipt),
    control("11", "a local safe mode names its node and its roles", |m| {
        j::measure(m, j::is_safe_mode, &[K::ScopeRequired, K::ScopeInvalid, K::NotEffective])
    }),
    control(
        "11.3",
        "protocol active is said only of objects verified in finalized state",
        j::active,
    ),
    control("12", "a service halt is no broader than the harm", |m| {
        j::measure(m, j::is_halt, &[K::ScopeTooBroad, K::StopsFinality, K::ScopeRequired])
    }),
    control("12", "a measure counts as in force only when its gates say so", j::in_force),
    control(
        "13",
        "a quarantine names its peers, or its review where it needs an object",
        j::quarantine,
    ),
    control("14", "a consensus incident follows its bound runbook", |m| {
        j::run(m, RunbookId::Consensus)
    }),
    control("15", "a validation incident follows its bound runbook", |m| {
        j::run(m, RunbookId::Validation)
    }),
    control("16", "a BVM incident follows its bound runbook", |m| j::run(m, RunbookId::Bvm)),
    control("17", "a witness incident follows its bound runbook", |m| {
        j::run(m, RunbookId::Witness)
    }),
    control("18", "an economic incident follows its bound runbook", |m| j::run(m, RunbookId::Econ)),
    control("19", "an agent incident follows its bound runbook", |m| j::run(m, RunbookId::Agent)),
    control("20", "a governance incident follows its bound runbook", |m| j::run(m, RunbookId::Gov)),
    control("21", "a key incident follows its bound runbook", |m| j::run(m, RunbookId::Key)),
    control("22", "an infrastructure incident follows its bound runbook", |m| {
        j::run(m, RunbookId::Infra)
    }),
    control("23", "a supply chain incident follows its bound runbook", |m| {
        j::run(m, RunbookId::Supply)
    }),
    control(
        "24",
        "each containment decision, decided again, gives the same output",
        j::decided_again,
    ),
    control("25", "an emergency draft carries its four justifications and an end", j::emergency),
    control("26", "a recovery plan has its four parts and another person's approval", j::planned),
    control("27", "a matching replay stands before the trusted checkpoint", j::checkpoint),
    control("28", "an exit-only path stays within its limits", j::exit_only),
    control(
        "29",
        "a restart decision quotes the digest of the criteria that were signed",
        j::restarts,
    ),
    control("30", "phases open in order, each by a decision that is carried out", j::phases),
    control("31", "a published status is never better than the derived one", j::status),
    control(
        "33",
        "a postmortem is whole, says what the log says, and is signed by three roles",
        j::published,
    ),
    control("34", "an incident is bound to a released runbook by version and hash", j::bound),
    control("35", "a step of a runbook is taken as the runbook orders", j::steps),
    control("36", "a drill says that it is one, in every signature", j::drill),
    control("37", "a fraud proof follows the pin of its evidence", j::fraud_proof),
    control("38", "protocol objects are drafted and never signed here", j::drafts),
    control("39", "the three conformance questions are answered once each", j::questions),
    control("40.1", "reboot first: tried and refused", |m| {
        j::tried(m, &[K::DestructiveBeforePreserve])
    }),
    control("40.3", "panic halt: tried and refused", |m| {
        j::tried(
            m,
            &[K::ScopeTooBroad, K::EscalationNotJustified, K::ProfileExceeded, K::StopsFinality],
        )
    }),
    control("40.4", "waiting for the full cause: containment did not", j::contained_first),
    control("40.5", "notary before replay checks: tried and refused", |m| {
        j::tried(m, &[K::CriteriaUnmet, K::PhaseOrder, K::ReplayMismatch])
    }),
    control("40.6", "safe mode and halt blurred: tried and refused", |m| {
        j::tried(m, &[K::LabelUnproven, K::StatusUnproven])
    }),
    control("40.7", "emergency without expiry or trail: tried and refused", |m| {
        j::tried(m, &[K::ExpiryRequired, K::JustificationIncomplete])
    }),
    control("40.8", "dashboards over replay: tried and refused", |m| {
        j::tried(m, &[K::NotFinalized, K::EvidenceUnverified])
    }),
    control("40.9", "compromised key re-enabled: tried and refused", |m| {
        j::tried(m, &[K::KeyRevoked])
    }),
    control("40.10", "closed because quiet: tried and refused", j::closed_quiet),
    control("41.3", "every decision names a person, a role, a time and its inputs", j::accountable),
];
