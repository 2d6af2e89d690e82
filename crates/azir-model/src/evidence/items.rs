//! The checklists of annex N.3 as data.

use crate::vocab::IncidentClass;

/// What annex N.3 says about an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemRow {
    /// The item in the words of annex N.3.
    pub text: &'static str,
    /// Marked `p`: pinned at once.
    pub pin: bool,
    /// Marked `q`: has a qualifier and may be not applicable.
    pub qualified: bool,
    /// The event log itself holds it (D-053).
    pub from_log: bool,
}

const fn row(text: &'static str, pin: bool, qualified: bool) -> ItemRow {
    ItemRow { text, pin, qualified, from_log: false }
}

wire_enum! {
    /// Checklist items of annex N.3, and `other` for evidence that no list names.
    pub enum Item {
        /// Objects involved.
        Objects = "objects",
        /// Relevant state roots.
        StateRoots = "state_roots",
        /// Structured logs of the event window.
        Logs = "logs",
        /// Active parameter state.
        Parameters = "parameters",
        /// Evidence objects.
        EvidenceObjects = "evidence_objects",
        /// Who decided what and when, from the log itself.
        Decisions = "decisions",
        /// References of the relevant objects.
        ObjectRefs = "object_refs",
        /// Own state roots of the window.
        OwnRoots = "own_roots",
        /// Finalized state roots of the window.
        FinalizedRoots = "finalized_roots",
        /// Governance and emergency state.
        GovernanceState = "governance_state",
        /// Peer messages around the event window.
        PeerMessages = "peer_messages",
        /// Slash and fraud evidence.
        SlashEvidence = "slash_evidence",
        /// Code and version identifiers.
        Versions = "versions",
        /// Candidate graph.
        CandidateGraph = "candidate_graph",
        /// Committee derivation inputs.
        CommitteeInputs = "committee_inputs",
        /// Verifier and notary messages.
        VoteMessages = "vote_messages",
        /// Notarization candidates.
        NotarizationCandidates = "notarization_candidates",
        /// Replay traces.
        ReplayTraces = "replay_traces",
        /// Exact bytes of the object.
        ExactBytes = "exact_bytes",
        /// State fixture.
        StateFixture = "state_fixture",
        /// Verdict of each implementation.
        Verdicts = "verdicts",
        /// Active features.
        ActiveFeatures = "active_features",
        /// Module bytes.
        Module = "module",
        /// Code hash as referenced on chain.
        CodeHash = "code_hash",
        /// Argument bytes.
        Arguments = "arguments",
        /// Prior state and its root.
        PriorState = "prior_state",
        /// Execution trace.
        ExecutionTrace = "execution_trace",
        /// Effect accumulator data.
        EffectAccumulator = "effect_accumulator",
        /// Claims and proofs.
        Claims = "claims",
        /// Issuer policies.
        IssuerPolicies = "issuer_policies",
        /// Revocations.
        Revocations = "revocations",
        /// Dependent modules.
        DependentModules = "dependent_modules",
        /// Exploit path as transactions.
        ExploitPath = "exploit_path",
        /// Cost and gain, computed.
        CostAndGain = "cost_and_gain",
        /// State growth.
        StateGrowth = "state_growth",
        /// Mandate snapshot.
        Mandate = "mandate",
        /// Action references.
        ActionRefs = "action_refs",
        /// Journals.
        Journals = "journals",
        /// Exposure at detection.
        Exposure = "exposure",
        /// Proposals, reviews, votes, outcomes, activations, challenges.
        GovernanceObjects = "governance_objects",
        /// Governance state at the last good point.
        LastGoodGovernance = "last_good_governance",
        /// Proof of compromise.
        CompromiseProof = "compromise_proof",
        /// Timeline.
        KeyTimeline = "key_timeline",
        /// Messages signed since.
        MessagesSince = "messages_since",
        /// Linked scopes.
        LinkedScopes = "linked_scopes",
        /// Damaged store.
        DamagedStore = "damaged_store",
        /// Checksums.
        Checksums = "checksums",
        /// Peer or reference roots.
        ReferenceRoots = "reference_roots",
        /// Clock samples.
        ClockSamples = "clock_samples",
        /// Boot ids.
        BootIds = "boot_ids",
        /// Binary hashes.
        BinaryHashes = "binary_hashes",
        /// Build metadata.
        BuildMetadata = "build_metadata",
        /// Release manifests.
        Manifests = "manifests",
        /// Rebuild results.
        Rebuilds = "rebuilds",
        /// Bill of materials.
        BillOfMaterials = "bill_of_materials",
        /// The signal.
        Signal = "signal",
        /// Impact check.
        ImpactCheck = "impact_check",
        /// Evidence that no list names.
        Other = "other",
    }
}

impl Item {
    /// Text and marks of the item.
    #[must_use]
    pub const fn row(self) -> ItemRow {
        match self {
            Self::Objects => row("objects involved", true, false),
            Self::StateRoots => row("relevant state roots", true, false),
            Self::Logs => row("structured logs of the event window", true, false),
            Self::Parameters => row("active parameter state", true, false),
            Self::EvidenceObjects => row("evidence objects", false, false),
            Self::Decisions => ItemRow {
                from_log: true,
                ..row("who decided what and when, from the log itself", false, false)
            },
            Self::ObjectRefs => row("references of the relevant objects", true, false),
            Self::OwnRoots => row("own state roots of the window", true, false),
            Self::FinalizedRoots => row("finalized state roots of the window", true, false),
            Self::GovernanceState => row("governance and emergency state", true, false),
            Self::PeerMessages => row("peer messages around the event window", true, true),
            Self::SlashEvidence => row("slash and fraud evidence", true, true),
            Self::Versions => row("code and version identifiers", true, false),
            Self::CandidateGraph => row("candidate graph", true, false),
            Self::CommitteeInputs => row("committee derivation inputs", true, false),
            Self::VoteMessages => row("verifier and notary messages", true, false),
            Self::NotarizationCandidates => row("notarization candidates", true, false),
            Self::ReplayTraces => row("replay traces", false, false),
            Self::ExactBytes => row("exact bytes of the object", true, false),
            Self::StateFixture => row("state fixture", true, false),
            Self::Verdicts => row("verdict of each implementation", false, false),
            Self::ActiveFeatures => row("active features", false, false),
            Self::Module => row("module bytes", true, false),
            Self::CodeHash => row("code hash as referenced on chain", false, false),
            Self::Arguments => row("argument bytes", true, false),
            Self::PriorState => row("prior state and its root", true, false),
            Self::ExecutionTrace => row("execution trace", false, true),
            Self::EffectAccumulator => row("effect accumulator data", false, false),
            Self::Claims => row("claims and proofs", true, false),
            Self::IssuerPolicies => row("issuer policies as of the claims' heights", true, false),
            Self::Revocations => row("revocations", false, false),
            Self::DependentModules => row("dependent modules", false, false),
            Self::ExploitPath => row("exploit path as transactions", true, false),
            Self::CostAndGain => row("cost and gain, computed", false, false),
            Self::StateGrowth => row("state growth", false, false),
            Self::Mandate => row("mandate snapshot", true, false),
            Self::ActionRefs => row("action references", true, false),
            Self::Journals => row("journals", true, false),
            Self::Exposure => row("exposure at detection", false, false),
            Self::GovernanceObjects => {
                row("proposals, reviews, votes, outcomes, activations, challenges", true, false)
            }
            Self::LastGoodGovernance => {
                row("governance state at the last good point", false, false)
            }
            Self::CompromiseProof => row("proof of compromise", true, false),
            Self::KeyTimeline => row("timeline with first and last suspicious use", false, false),
            Self::MessagesSince => row("messages signed since", false, false),
            Self::LinkedScopes => row("linked scopes", false, false),
            Self::DamagedStore => row("damaged store", true, false),
            Self::Checksums => row("checksums", true, false),
            Self::ReferenceRoots => row("peer or reference roots", false, false),
            Self::ClockSamples => row("clock samples", false, false),
            Self::BootIds => row("boot ids", false, false),
            Self::BinaryHashes => row("binary hashes", true, false),
            Self::BuildMetadata => row("build metadata: toolchain, source, builders", true, false),
            Self::Manifests => row("release manifests", false, false),
            Self::Rebuilds => row("rebuild results", false, false),
            Self::BillOfMaterials => row("bill of materials", false, false),
            Self::Signal => row("the signal", true, false),
            Self::ImpactCheck => row("impact check", false, false),
            Self::Other => row("other evidence", false, false),
        }
    }
}

/// List for all relevant incidents (2.5). Implements R-2.5-1, R-2.5-2, R-2.5-3, R-2.5-4, R-2.5-5,
/// R-2.5-6.
pub(super) const GENERAL: [Item; 6] = [
    Item::Objects,
    Item::StateRoots,
    Item::Logs,
    Item::Parameters,
    Item::EvidenceObjects,
    Item::Decisions,
];

/// List for SEV_3 and above (10.1). Implements R-10.1-1, R-10.1-2, R-10.1-3, R-10.1-4, R-10.1-5,
/// R-10.1-8.
pub(super) const HIGH: [Item; 9] = [
    Item::ObjectRefs,
    Item::OwnRoots,
    Item::FinalizedRoots,
    Item::Parameters,
    Item::GovernanceState,
    Item::Logs,
    Item::PeerMessages,
    Item::SlashEvidence,
    Item::Versions,
];

/// List for consensus (10.2). Implements R-10.2-1, R-10.2-2, R-10.2-3, R-10.2-4, R-10.2-5,
/// R-14.2-1.
const CONSENSUS: [Item; 5] = [
    Item::CandidateGraph,
    Item::CommitteeInputs,
    Item::VoteMessages,
    Item::NotarizationCandidates,
    Item::ReplayTraces,
];

/// List for validation (15.2).
const VALIDATION: [Item; 4] =
    [Item::ExactBytes, Item::StateFixture, Item::Verdicts, Item::ActiveFeatures];

/// List for BVM (10.3). Implements R-10.3-1, R-10.3-2, R-10.3-3, R-10.3-4, R-10.3-5, R-10.3-6,
/// R-16.2-1.
const BVM: [Item; 6] = [
    Item::Module,
    Item::CodeHash,
    Item::Arguments,
    Item::PriorState,
    Item::ExecutionTrace,
    Item::EffectAccumulator,
];

/// List for witness and proofs (17.2). Implements R-17.2-1.
const WITNESS_PROOF: [Item; 4] =
    [Item::Claims, Item::IssuerPolicies, Item::Revocations, Item::DependentModules];

/// List for economics (18.2).
const ECONOMIC: [Item; 4] =
    [Item::Parameters, Item::ExploitPath, Item::CostAndGain, Item::StateGrowth];

/// List for agents (19.2).
const AGENT_CONTROL: [Item; 4] = [Item::Mandate, Item::ActionRefs, Item::Journals, Item::Exposure];

/// List for governance (20.2).
const GOVERNANCE: [Item; 2] = [Item::GovernanceObjects, Item::LastGoodGovernance];

/// List for keys (21.2); never the private key. Implements R-21.2-1 in part.
const KEY_COMPROMISE: [Item; 4] =
    [Item::CompromiseProof, Item::KeyTimeline, Item::MessagesSince, Item::LinkedScopes];

/// List for infrastructure (22).
const INFRASTRUCTURE: [Item; 5] =
    [Item::DamagedStore, Item::Checksums, Item::ReferenceRoots, Item::ClockSamples, Item::BootIds];

/// List for supply chain (23.2). Implements R-23.2-1 in part.
const SUPPLY_CHAIN: [Item; 5] = [
    Item::BinaryHashes,
    Item::BuildMetadata,
    Item::Manifests,
    Item::Rebuilds,
    Item::BillOfMaterials,
];

/// List for observability only.
const OBSERVABILITY: [Item; 2] = [Item::Signal, Item::ImpactCheck];

/// The list of a class.
pub(super) const fn of_class(class: IncidentClass) -> &'static [Item] {
    match class {
        IncidentClass::Consensus => &CONSENSUS,
        IncidentClass::Validation => &VALIDATION,
        IncidentClass::Bvm => &BVM,
        IncidentClass::WitnessProof => &WITNESS_PROOF,
        IncidentClass::Economic => &ECONOMIC,
        IncidentClass::AgentControl => &AGENT_CONTROL,
        IncidentClass::Governance => &GOVERNANCE,
        IncidentClass::KeyCompromise => &KEY_COMPROMISE,
        IncidentClass::Infrastructure => &INFRASTRUCTURE,
        IncidentClass::SupplyChain => &SUPPLY_CHAIN,
        IncidentClass::ObservabilityOnly => &OBSERVABILITY,
    }
}
