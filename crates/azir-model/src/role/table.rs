//! Annex C, cell by cell. `vectors/roles.json` holds the same table for other languages.

wire_enum! {
    /// A cell of annex C, by its short symbol.
    pub enum Cell {
        /// May act alone.
        May = "may",
        /// Refused.
        No = "no",
        /// Prepares only.
        Prepares = "prepares",
        /// Prepares only; the commander is the second person.
        PreparesWithIc = "prepares_with_IC",
        /// Approves what another prepared.
        Approves = "approve",
        /// May as lead of the class.
        Lead = "lead",
        /// May until a commander is assigned.
        UntilIc = "until_ic",
        /// May within D-050.
        Acting = "D-050",
        /// May where the signed policy lists it (D-084).
        Policy = "policy",
        /// With the lead of the class as second person.
        WithLead = "with_lead",
        /// With the Audit Scribe.
        WithScribe = "with_AS",
        /// With the Incident Commander.
        WithCommander = "with_IC",
        /// With the Consensus Lead.
        WithConsensus = "with_CL",
        /// With the Security Lead.
        WithSecurity = "with_SL",
        /// With the Governance Liaison.
        WithLiaison = "with_GL",
        /// With Governance Liaison and Consensus Lead.
        WithLiaisonAndConsensus = "with_GL_and_CL",
        /// With another deciding role.
        WithOther = "with_other",
        /// Nobody states it: it is derived from finalized objects (D-096).
        Derived = "derived",
        /// Computes it; people pin it.
        Computes = "computes",
        /// Signs the criteria that annex J.2 gives to the role.
        Signs = "signs",
        /// Measures criterion rc7.
        Measures = "rc7_measured",
        /// Co-signs for the notary role.
        Notary = "notary",
        /// Co-signs for agent execution.
        Agent = "agent",
        /// Carries out what the commander decided.
        CarriesOut = "carries_out",
        /// May up to SEV_2.
        UpToSev2 = "up_to_SEV_2",
        /// May by delegation.
        Delegated = "delegated",
        /// Derives the status class, writes no text.
        StatusClass = "class",
        /// Closes up to SEV_2.
        CloseLow = "close_up_to_SEV_2",
        /// Closes; at SEV_3 with a second person, from SEV_4 with the class lead.
        CloseAny = "close",
        /// Reviews the closure.
        Reviews = "review",
        /// Publishes the postmortem.
        Publishes = "publish",
        /// Signs the postmortem.
        SignsText = "sign",
        /// Writes and signs the postmortem.
        WritesAndSigns = "write_sign",
    }
}

wire_enum! {
    /// The acts of annex C; a row that names two acts has two members.
    pub enum Act {
        /// Row 1.
        OpenOrAttach = "open, attach or note",
        /// Row 2.
        Propose = "propose class, severity or scope",
        /// Row 3.
        Declare = "declare class and severity",
        /// Row 4.
        RaiseSeverity = "raise severity",
        /// Row 5.
        LowerSeverity = "lower severity",
        /// Row 6.
        AssignRoles = "assign or hand over roles",
        /// Row 7.
        Confirm = "confirm",
        /// Row 8.
        PinEvidence = "pin evidence",
        /// Row 9.
        WaiveEvidence = "waive an evidence item",
        /// Row 10.
        DegradeLocally = "apply a local degraded mode or quarantine of peers",
        /// Row 11.
        HaltLocally = "halt roles locally",
        /// Row 12.
        DecideContainment = "declare a containment profile and decision",
        /// Row 13.
        OverrideDecision = "override the decision function",
        /// Row 14.
        DraftMeasure = "draft a protocol measure",
        /// Row 14.
        ApproveMeasure = "approve the draft of a protocol measure",
        /// Row 15.
        DraftOwnerPath = "draft an owner-path transaction",
        /// Row 15.
        ApproveOwnerPath = "approve an owner-path draft",
        /// Row 16.
        DraftEmergency = "draft an emergency restriction",
        /// Row 16.
        ApproveEmergency = "approve an emergency draft",
        /// Row 17.
        DraftNetwork = "draft a measure on the network",
        /// Row 17.
        ApproveNetwork = "approve a draft on the network",
        /// Row 18.
        SubmitProtocolObject = "sign, submit or activate a protocol object",
        /// Row 19.
        StateProtocolActive = "state that a measure is protocol active",
        /// Row 20.
        PinCheckpoint = "pin the trusted checkpoint",
        /// Row 21.
        PreparePlan = "prepare a recovery plan",
        /// Row 21.
        ApprovePlan = "approve a recovery plan",
        /// Row 22.
        RunReplay = "run replay or rebuild",
        /// Row 23.
        SignCriterion = "sign this restart criterion",
        /// Row 24.
        DecideRestart = "decide a restart",
        /// Row 25.
        CosignRestart = "co-sign this restart",
        /// Row 26.
        CarryOutPhase = "carry out a re-enable phase",
        /// Row 27.
        StopReenable = "close a gate during re-enable",
        /// Row 28.
        LiftLocal = "lift a local measure",
        /// Row 28.
        CarryOutLift = "carry out the lift of a local measure",
        /// Row 29.
        PublishStatus = "publish a status text",
        /// Row 30.
        Close = "close the incident",
        /// Row 30.
        ReviewClosure = "review the closure",
        /// Row 31.
        Reopen = "reopen the incident",
        /// Row 32.
        WritePostmortem = "write the postmortem",
        /// Row 32.
        SignPostmortem = "sign the postmortem",
        /// Row 32.
        PublishPostmortem = "publish the postmortem",
        /// Row 33.
        WriteRunbook = "write a runbook version",
        /// Row 33.
        ApproveRunbook = "approve a runbook version",
        /// Row 34.
        RevokeOperatorKey = "revoke an operator key",
        /// Row 35.
        StartDrill = "start a drill",
    }
}

/// Which part of its row an act is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The row as a whole.
    Whole,
    /// Writing or drafting.
    Prepare,
    /// Approving, reviewing or signing what was written.
    Approve,
    /// Publishing.
    Publish,
    /// Carrying out what was decided.
    CarryOut,
}

impl Act {
    /// The row of annex C, 1 to 35.
    #[must_use]
    pub const fn row(self) -> u8 {
        PLACES[self as usize].1
    }

    pub(super) const fn place(self) -> (u8, Part) {
        let (_, row, part) = PLACES[self as usize];
        (row, part)
    }
}

/// Row and part of each act, in the order of the acts.
const PLACES: [(Act, u8, Part); 45] = [
    (Act::OpenOrAttach, 1, Part::Whole),
    (Act::Propose, 2, Part::Whole),
    (Act::Declare, 3, Part::Whole),
    (Act::RaiseSeverity, 4, Part::Whole),
    (Act::LowerSeverity, 5, Part::Whole),
    (Act::AssignRoles, 6, Part::Whole),
    (Act::Confirm, 7, Part::Whole),
    (Act::PinEvidence, 8, Part::Whole),
    (Act::WaiveEvidence, 9, Part::Whole),
    (Act::DegradeLocally, 10, Part::Whole),
    (Act::HaltLocally, 11, Part::Whole),
    (Act::DecideContainment, 12, Part::Whole),
    (Act::OverrideDecision, 13, Part::Whole),
    (Act::DraftMeasure, 14, Part::Prepare),
    (Act::ApproveMeasure, 14, Part::Approve),
    (Act::DraftOwnerPath, 15, Part::Prepare),
    (Act::ApproveOwnerPath, 15, Part::Approve),
    (Act::DraftEmergency, 16, Part::Prepare),
    (Act::ApproveEmergency, 16, Part::Approve),
    (Act::DraftNetwork, 17, Part::Prepare),
    (Act::ApproveNetwork, 17, Part::Approve),
    (Act::SubmitProtocolObject, 18, Part::Whole),
    (Act::StateProtocolActive, 19, Part::Whole),
    (Act::PinCheckpoint, 20, Part::Whole),
    (Act::PreparePlan, 21, Part::Prepare),
    (Act::ApprovePlan, 21, Part::Approve),
    (Act::RunReplay, 22, Part::Whole),
    (Act::SignCriterion, 23, Part::Whole),
    (Act::DecideRestart, 24, Part::Whole),
    (Act::CosignRestart, 25, Part::Whole),
    (Act::CarryOutPhase, 26, Part::Whole),
    (Act::StopReenable, 27, Part::Whole),
    (Act::LiftLocal, 28, Part::Whole),
    (Act::CarryOutLift, 28, Part::CarryOut),
    (Act::PublishStatus, 29, Part::Whole),
    (Act::Close, 30, Part::Whole),
    (Act::ReviewClosure, 30, Part::Approve),
    (Act::Reopen, 31, Part::Whole),
    (Act::WritePostmortem, 32, Part::Prepare),
    (Act::SignPostmortem, 32, Part::Approve),
    (Act::PublishPostmortem, 32, Part::Publish),
    (Act::WriteRunbook, 33, Part::Prepare),
    (Act::ApproveRunbook, 33, Part::Approve),
    (Act::RevokeOperatorKey, 34, Part::Whole),
    (Act::StartDrill, 35, Part::Whole),
];

/// One row of annex C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Number, 1 to 35.
    pub row: u8,
    /// The action in the words of annex C.
    pub action: &'static str,
    /// One cell for each role, in the order of [`Role::ALL`](crate::vocab::Role::ALL).
    pub cells: [Cell; 10],
}

const fn row(row: u8, action: &'static str, cells: [Cell; 10]) -> Row {
    Row { row, action, cells }
}

use Cell::*;

/// Annex C: REP OCO IC CL EL SL GL RO AS AUT.
pub const ROWS: [Row; 35] = [
    row(
        1,
        "open an incident, attach evidence, add a note",
        [May, May, May, May, May, May, May, May, May, May],
    ),
    row(2, "propose class, severity, scope", [May, May, May, May, May, May, May, May, May, May]),
    row(3, "declare class and severity (triage)", [No, May, May, No, No, No, No, No, No, No]),
    row(4, "raise severity", [No, May, May, May, May, May, May, No, No, No]),
    row(5, "lower severity; from SEV_4+", [No, No, WithLead, No, No, No, No, No, No, No]),
    row(6, "assign or hand over roles", [No, UntilIc, May, No, No, No, No, No, No, No]),
    row(7, "confirm", [No, May, May, Lead, Lead, Lead, Lead, No, No, No]),
    row(8, "pin evidence", [May, May, May, May, May, May, May, May, May, May]),
    row(9, "waive an evidence item", [No, No, WithScribe, No, No, No, No, No, WithCommander, No]),
    row(
        10,
        "local degraded mode, local quarantine of peers",
        [No, May, May, May, No, May, No, May, No, Policy],
    ),
    row(11, "local service halt of roles", [No, May, May, May, May, May, No, May, No, Policy]),
    row(
        12,
        "declare containment profile and decision",
        [No, Acting, May, No, No, No, No, No, No, No],
    ),
    row(
        13,
        "override the decision function (SEV_3+)",
        [No, No, WithLead, No, No, No, No, No, No, No],
    ),
    row(
        14,
        "draft a protocol safe mode, halt, quarantine",
        [No, No, Approves, No, No, No, Prepares, No, No, No],
    ),
    row(
        15,
        "draft an owner-path transaction (key, mandate, challenge, fraud proof)",
        [No, Prepares, Approves, Prepares, Prepares, Prepares, Prepares, No, No, No],
    ),
    row(
        16,
        "draft an emergency restriction",
        [No, No, WithLiaison, No, No, No, PreparesWithIc, No, No, No],
    ),
    row(
        17,
        "draft with scope network",
        [No, No, WithLiaisonAndConsensus, No, No, No, Prepares, No, No, No],
    ),
    row(18, "sign, submit or activate a protocol object", [No, No, No, No, No, No, No, No, No, No]),
    row(
        19,
        "state that a measure is protocol active",
        [No, No, No, No, No, No, No, No, No, Derived],
    ),
    row(
        20,
        "pin the trusted checkpoint",
        [No, No, WithConsensus, WithCommander, No, No, No, No, No, Computes],
    ),
    row(
        21,
        "prepare a recovery plan / approve it",
        [No, No, Approves, Prepares, Prepares, Prepares, Prepares, Prepares, No, No],
    ),
    row(22, "run replay or rebuild", [No, No, No, May, May, No, No, May, No, No]),
    row(
        23,
        "sign restart criteria (annex J.2 names whose)",
        [No, No, Signs, Signs, Signs, Signs, Signs, No, No, Measures],
    ),
    row(24, "decide restart of a role", [No, No, May, No, No, No, No, No, No, No]),
    row(
        25,
        "co-sign restart of notary / of agent execution",
        [No, No, No, Notary, Agent, Agent, No, No, No, No],
    ),
    row(26, "carry out a re-enable phase", [No, No, No, No, No, No, No, May, No, No]),
    row(
        27,
        "close a gate during re-enable (stop)",
        [No, May, May, May, May, May, No, May, No, Policy],
    ),
    row(28, "lift a local measure", [No, No, May, No, No, No, No, CarriesOut, No, No]),
    row(
        29,
        "publish status text (class is derived)",
        [No, UpToSev2, May, No, No, No, No, No, Delegated, StatusClass],
    ),
    row(
        30,
        "close SEV_0-2 / SEV_3 / SEV_4+",
        [No, CloseLow, CloseAny, Reviews, Reviews, Reviews, Reviews, No, No, No],
    ),
    row(31, "reopen", [No, May, May, May, May, May, May, No, No, No]),
    row(
        32,
        "write / publish postmortem",
        [No, No, Publishes, SignsText, SignsText, SignsText, SignsText, No, WritesAndSigns, No],
    ),
    row(
        33,
        "write / approve a runbook version",
        [No, Prepares, May, May, May, May, May, Prepares, No, No],
    ),
    row(
        34,
        "revoke an operator key",
        [No, No, WithSecurity, WithSecurity, WithSecurity, WithOther, WithSecurity, No, No, No],
    ),
    row(35, "start a drill", [No, No, May, May, May, May, May, No, No, No]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_act_stands_at_its_own_place_and_each_row_has_an_act() {
        for (act, (name, ..)) in Act::ALL.iter().zip(PLACES) {
            assert_eq!(*act, name);
        }
        for (i, row) in ROWS.iter().enumerate() {
            assert_eq!(usize::from(row.row), i + 1);
            assert!(Act::ALL.iter().any(|act| act.row() == row.row), "row {}", row.row);
        }
    }
}
