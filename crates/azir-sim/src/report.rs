//! What a drill run tells people: plain data, rendered as JSON, as text and as a page.

use azir_ledger::{Digest, Timestamp};
use azir_model::IncidentId;
use serde::{Deserialize, Serialize};

/// The report of one drill run. Deterministic: same drill, same seed, same bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DrillReport {
    /// `azir.drill-report/1`.
    pub schema: String,
    /// Name of the drill, for example `conflicting-notarization`.
    pub drill: String,
    /// Title for people.
    pub title: String,
    /// Which run of the drill, `short` or `long`.
    pub run: String,
    /// Seed.
    pub seed: u64,
    /// The incident.
    pub incident: IncidentId,
    /// True when every check passed.
    pub passed: bool,
    /// What happened, in ten lines.
    pub summary: Vec<String>,
    /// Everything that had to be seen, decided, refused or reached.
    pub checks: Vec<Check>,
    /// Measured figures.
    pub scores: Vec<Score>,
    /// Timeline, by log index.
    pub timeline: Vec<TimelineItem>,
    /// First and last moment of the gate matrix.
    pub span: (Timestamp, Timestamp),
    /// Gate matrix over time, one lane per gate.
    pub gates: Vec<GateLane>,
    /// The fork.
    pub fork: Fork,
    /// The containment decision.
    pub decision: DecisionSummary,
    /// Evidence checklist.
    pub evidence: Vec<EvidenceLine>,
    /// Restart criteria with their signers.
    pub criteria: Vec<CriterionLine>,
    /// Refusals that protected the network.
    pub refusals: Vec<RefusalLine>,
    /// People and their roles.
    pub people: Vec<PersonLine>,
    /// Lines to paste for checking by hand, in the directory of the report.
    pub verify: Vec<VerifyLine>,
    /// What the reader must know to judge the run, for example shortened windows.
    pub notes: Vec<String>,
}

/// One thing that had to hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// `seen`, `decision`, `refused` or `way_back`.
    pub group: String,
    /// The claim.
    pub claim: String,
    /// Whether it held.
    pub passed: bool,
    /// What was measured.
    pub detail: String,
}

/// One measured figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// What.
    pub name: String,
    /// Value with its unit.
    pub value: String,
    /// The bar it is held against, if there is one.
    pub bar: String,
}

/// One entry of the timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineItem {
    /// Log index.
    pub index: u64,
    /// Author's clock.
    pub at: Timestamp,
    /// The log's clock.
    pub recorded: Timestamp,
    /// Kind of event.
    pub kind: String,
    /// Who.
    pub actor: String,
    /// In which role.
    pub role: String,
    /// What happened, in words.
    pub text: String,
    /// `alarm`, `stop`, `refused`, `evidence`, `decide`, `recover`, `open`, `close` or `plain`.
    pub tone: String,
}

/// One gate over time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateLane {
    /// Node.
    pub node: String,
    /// Role.
    pub role: String,
    /// Spans without gaps, in order of time.
    pub spans: Vec<GateSpan>,
}

/// One stretch of time in one state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateSpan {
    /// Start.
    pub from: Timestamp,
    /// End.
    pub to: Timestamp,
    /// True when open.
    pub open: bool,
    /// Why it is in this state.
    pub why: String,
}

/// The fork: the trusted checkpoint and the branches above it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fork {
    /// First slot with two certificates.
    pub slot: u64,
    /// Last common hard-final block.
    pub trusted: BlockNode,
    /// Branches above it.
    pub branches: Vec<Branch>,
    /// The two certificates of that slot.
    pub certificates: Vec<CertificateNode>,
    /// Seats that signed both.
    pub common_signers: Vec<u64>,
}

/// One branch, from the block above the checkpoint to its tip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branch {
    /// Name for people, `A` or `B`.
    pub name: String,
    /// Blocks in rising height.
    pub blocks: Vec<BlockNode>,
}

/// One block of the picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockNode {
    /// Id.
    pub id: Digest,
    /// Height.
    pub height: u64,
    /// Slot.
    pub slot: u64,
    /// Proposing seat.
    pub proposer: u64,
    /// True when a certificate for it is known.
    pub notarized: bool,
    /// Label under which it is shown: `speculative`, `soft_final`, `hard_final`, `disputed`.
    pub label: String,
    /// What became of it, for example `dropped, kept as evidence`.
    pub fate: String,
}

/// One certificate of the disputed slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateNode {
    /// The block.
    pub block: Digest,
    /// Branch name.
    pub branch: String,
    /// Seats that voted.
    pub voters: Vec<u64>,
}

/// The decision with its rejected measures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionSummary {
    /// Recommended profile.
    pub recommended: String,
    /// Declared profile, by whom.
    pub declared: String,
    /// Measures applied at once.
    pub applied: Vec<String>,
    /// Measures requested from the protocol.
    pub requested: Vec<String>,
    /// Harm that remains.
    pub residual: Vec<String>,
    /// Rejected measures with their reasons, per channel.
    pub rejected: Vec<RejectedMeasure>,
    /// Smallest input changes that would flip the choice.
    pub flips: Vec<String>,
    /// Text generated from the decision output.
    pub explanation: String,
}

/// One rejected measure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedMeasure {
    /// Channel of harm.
    pub channel: String,
    /// The measure.
    pub measure: String,
    /// Verdict of D.5.
    pub verdict: String,
    /// Reason with numbers.
    pub reason: String,
}

/// One line of the evidence checklist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceLine {
    /// Item id.
    pub item: String,
    /// What it is.
    pub text: String,
    /// `present`, `not_applicable`, `unavailable` or `missing`.
    pub state: String,
    /// Hashes of what is held.
    pub hashes: Vec<Digest>,
    /// Bytes held.
    pub bytes: u64,
    /// Rule by which it was verified, or `kept`.
    pub verified: String,
}

/// One signed restart criterion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CriterionLine {
    /// `node/role`.
    pub subsystem: String,
    /// `rc1` to `rc8`.
    pub criterion: String,
    /// Signer.
    pub signer: String,
    /// Role of the signer.
    pub role: String,
    /// What was signed.
    pub summary: String,
}

/// One refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalLine {
    /// Log index of the `attempt.refused` entry, if it left one.
    pub index: Option<u64>,
    /// Who tried.
    pub who: String,
    /// What was tried, in words.
    pub tried: String,
    /// Refusal kinds.
    pub kinds: Vec<String>,
    /// The unmet conditions, one line each.
    pub unmet: Vec<String>,
    /// What it protected.
    pub protected: String,
}

/// One person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonLine {
    /// Actor id.
    pub id: String,
    /// Role in words.
    pub role: String,
}

/// One way to check the bundle by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyLine {
    /// What it shows.
    pub shows: String,
    /// The command.
    pub command: String,
    /// What it prints when all is well.
    pub expect: String,
}
