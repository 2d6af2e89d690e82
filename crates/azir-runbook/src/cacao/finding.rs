//! What is wrong with a playbook. Any finding refuses activation; none is repaired.

use std::fmt;

use serde::Serialize;

azir_model::wire_enum! {
    /// Kinds of findings: stable words, one per rule.
    pub enum FindingKind {
        /// `type` is not `playbook`.
        NotAPlaybook = "not_a_playbook",
        /// `spec_version` is not `cacao-2.0`.
        SpecVersionUnknown = "spec_version_unknown",
        /// A required member is absent.
        MemberMissing = "member_missing",
        /// A member has another JSON type than CACAO gives it.
        WrongType = "wrong_type",
        /// `workflow` is not an object; nothing else is looked at then.
        WorkflowNotAnObject = "workflow_not_an_object",
        /// An identifier is not `type--UUID`.
        IdMalformed = "id_malformed",
        /// A time is no time.
        TimeMalformed = "time_malformed",
        /// `created` or `modified` without exactly three decimals.
        TimePrecision = "time_precision",
        /// A number is outside its range.
        NumberOutOfRange = "number_out_of_range",
        /// A step type that CACAO 2.0 does not have.
        StepTypeUnknown = "step_type_unknown",
        /// Key and type of a step differ.
        StepPrefixDiffers = "step_prefix_differs",
        /// No step has the type `start`.
        NoStartStep = "no_start_step",
        /// `workflow_start` names no step.
        StartDangling = "workflow_start_dangling",
        /// `workflow_start` names a step of another type.
        StartIsNoStart = "workflow_start_is_no_start",
        /// `workflow_exception` names no step.
        ExceptionDangling = "workflow_exception_dangling",
        /// An edge names no step.
        EdgeDangling = "edge_dangling",
        /// A step other than `end` leads nowhere on success.
        NoSuccessor = "no_successor",
        /// An `end` step leads on.
        EndLeadsOn = "end_leads_on",
        /// `on_completion` together with `on_success` or `on_failure`.
        EdgesExclude = "edges_exclude",
        /// Branches and continuation of one step are not different steps.
        BranchesNotDistinct = "branches_not_distinct",
        /// Two branches of one step end in the same `end` step.
        BranchEndShared = "branch_end_shared",
        /// A step leads back to itself.
        Cycle = "cycle",
        /// No path leads to a step.
        UnreachableStep = "unreachable_step",
        /// An action names no agent.
        ActionWithoutAgent = "action_without_agent",
        /// An action has no command.
        ActionWithoutCommand = "action_without_command",
        /// An agent is not defined.
        AgentDangling = "agent_dangling",
        /// A target is not defined.
        TargetDangling = "target_dangling",
        /// Type of an agent outside the vocabulary.
        AgentTypeUnknown = "agent_type_unknown",
        /// Key and type of an agent differ.
        AgentPrefixDiffers = "agent_prefix_differs",
        /// Type of a target outside the vocabulary.
        TargetTypeUnknown = "target_type_unknown",
        /// Key and type of a target differ.
        TargetPrefixDiffers = "target_prefix_differs",
        /// Type of a command outside the vocabulary.
        CommandTypeUnknown = "command_type_unknown",
        /// A command says nothing.
        CommandWithoutText = "command_without_text",
        /// Text that should be base64 is not.
        Base64Malformed = "base64_malformed",
        /// An extension is used and not declared.
        ExtensionUndeclared = "extension_undeclared",
        /// The creator has withdrawn the playbook.
        Revoked = "revoked",
        /// Our extension lacks a part, or says one twice.
        ExtensionMalformed = "extension_malformed",
        /// The runbook in our extension is not loaded.
        ExtensionRefused = "extension_refused",
        /// The runbook in our extension has another hash than it says.
        HashDiffers = "runbook_hash_differs",
        /// What people read is not what our extension carries.
        WorkflowDisagrees = "workflow_disagrees",
    }
}

/// One finding with its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// Which rule.
    pub kind: FindingKind,
    /// Where: members from the top, joined by `/`; empty for the playbook itself.
    pub place: String,
    /// What was found there; empty where the kind says it all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

impl Finding {
    pub(super) fn new(
        kind: FindingKind,
        place: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Self { kind, place: shown(&place.into()), detail: shown(&detail.into()) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = if self.place.is_empty() { "playbook" } else { &self.place };
        write!(f, "{at}: {}", self.kind)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

/// Longest text of a stranger that is quoted in a finding, in characters.
const QUOTE_CHARS_MAX: usize = 200;

/// Text of a stranger, short and safe to print.
fn shown(text: &str) -> String {
    super::draft::printable(text, QUOTE_CHARS_MAX).0
}
