//! The input of the decision function (annex D.2): every number it may look at.

use std::collections::{BTreeMap, BTreeSet};

use azir_ledger::Digest;
use azir_ledger::canon::CanonError;
use serde::{Deserialize, Serialize};

use super::VERSION;
use super::action::ActionSet;
use crate::refusal::{Refusal, RefusalKind, Unmet};
use crate::scope::{Scope, ScopeKind};
use crate::vocab::{BlastRank, IncidentClass, Severity};

/// Tag of input hashes.
pub const INPUT_TAG: &str = "AZ:DECISION:INPUT:";
/// Most harm channels of one input.
pub const CHANNELS_MAX: usize = 64;
/// Most scopes with subjects in one input.
pub const SCOPES_MAX: usize = 4096;

wire_enum! {
    /// Flags of an incident (annex D.2).
    pub enum Flag {
        /// Bounded execution is bypassed.
        Boundedness = "boundedness",
        /// Two implementations differ on the same canonical bytes and state.
        SameBytesDisagree = "same_bytes_disagree",
        /// An activation is improper.
        ImproperActivation = "improper_activation",
        /// An economic exploit is cheap and repeatable.
        CheapRepeatable = "cheap_repeatable",
        /// The agent is a high-impact one.
        HighImpact = "high_impact",
        /// Two hard-final histories verify.
        ConflictingHardFinal = "conflicting_hard_final",
        /// Fewer than a quorum of seats can ever count again.
        QuorumLost = "quorum_lost",
        /// Something invalid is finalized.
        FinalizedInvalid = "finalized_invalid",
        /// The harm is over.
        HarmOver = "harm_over",
    }
}

wire_enum! {
    /// Evidence grade, rising (annex D.2).
    pub enum Grade {
        /// A statement.
        Asserted = "asserted",
        /// Two independent observers.
        Corroborated = "corroborated",
        /// Verified objects.
        Proven = "proven",
    }
}

wire_enum! {
    /// Where a harm channel begins.
    pub enum Origin {
        /// The operator's own nodes.
        Own = "own",
        /// The network.
        Network = "network",
    }
}

/// What the deciders declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IncidentFacts {
    /// Incident id, when one exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Primary class first, then secondary ones.
    pub classes: Vec<IncidentClass>,
    /// Declared severity.
    pub severity: Severity,
    /// How many people declared it; annex F and D-067 ask for two at `SEV_5`.
    #[serde(default = "one")]
    pub declarers: u8,
    /// Rank of the blast radius.
    pub blast_rank: BlastRank,
    /// Flags that hold.
    #[serde(default)]
    pub flags: BTreeSet<Flag>,
    /// Evidence grade.
    pub grade: Grade,
}

const fn one() -> u8 {
    1
}

impl IncidentFacts {
    /// The primary class; without any, observability only, which permits nothing.
    #[must_use]
    pub fn class(&self) -> IncidentClass {
        self.classes.first().copied().unwrap_or(IncidentClass::ObservabilityOnly)
    }
}

/// One harm channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// What the harm runs through.
    pub scope: Scope,
    /// Where it begins.
    pub origin: Origin,
    /// Harmful action kinds.
    pub actions: ActionSet,
    /// Seconds until unacceptable harm; 0 = running.
    pub t_harm: u64,
    /// Floor of the runbook: boundedness bypass 4, high-impact agent 3, else 0.
    #[serde(default)]
    pub min_capability: u8,
    /// Open exposure in whole settlement units; absent = not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_exposure: Option<u64>,
    /// Whether an orderly exit is possible: a clean key or the principal can act, and the price
    /// sources of the scope are not quarantined (annex H); absent = nothing known against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_possible: Option<bool>,
    /// True when the evidence of this channel is pinned or preserved (O1).
    pub pinned: bool,
    /// Whether a checker exists (another issuer, an approver); absent = by the issuer classes of
    /// `chain.subjects` (annex D.3, capability 1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checker: Option<bool>,
    /// The operator's own share of the channel: own roles that take part in it (D.7 step 5).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own_share: Vec<Scope>,
}

impl Channel {
    /// Annex H: exit-only is preferred to a freeze while there is something to exit from and a
    /// way to do it. Implements R-28.1-1, R-28.3-1 and R-19.2-4.
    #[must_use]
    pub fn prefers_exit_only(&self) -> bool {
        self.open_exposure != Some(0) && self.exit_possible != Some(false)
    }
}

/// What the chain says at a finalized height.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainFacts {
    /// Hard-final height.
    pub height: u64,
    /// Hard-final block id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<String>,
    /// Whether hard-final advances.
    pub finalizing: bool,
    /// p95 seconds from submission to hard-final.
    pub finality_s: u64,
    /// Seats, n.
    pub seats: u64,
    /// Quorum over all seats, q.
    pub quorum: u64,
    /// Seats that count now.
    pub counting: u64,
    /// The lowest disputed height, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disputed: Option<u64>,
    /// Live subjects per scope at `height`. A seat scope needs no entry.
    pub subjects: BTreeMap<Scope, BTreeSet<String>>,
}

/// One authority path as the finalized parameters offer it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Path {
    /// Votes and timelock in seconds, without finality.
    pub delay_s: u64,
    /// Scope kinds offered; absent = every protocol kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinds: Option<BTreeSet<ScopeKind>>,
    /// Capabilities offered, 1 to 4; absent = all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<BTreeSet<u8>>,
    /// Longest duration in seconds of what it puts in force; absent = until lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry_max_s: Option<u64>,
    /// Whether scope `network` is allowed.
    #[serde(default)]
    pub network: bool,
}

impl Path {
    /// Whether this effect on this kind of scope is offered.
    #[must_use]
    pub fn offers(&self, kind: ScopeKind, capability: u8) -> bool {
        let kind_offered = match kind {
            ScopeKind::Network => self.network,
            _ => self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind)),
        };
        kind_offered && self.capabilities.as_ref().is_none_or(|c| c.contains(&capability))
    }
}

/// The paths that exist; an absent one does not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paths {
    /// One valid transaction of the entitled party (D-072).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Path>,
    /// Ordinary governance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordinary: Option<Path>,
    /// Expedited governance: only tightens a limit, capability 1 or 2 (D-087).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expedited: Option<Path>,
    /// Emergency governance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emergency: Option<Path>,
    /// Restart authority; its delay is the stated estimate of the whole restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<Path>,
}

/// The operator's own means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalFacts {
    /// Whether the gates of the own nodes can be reached; without them a stop is a process kill.
    pub gates_reachable: bool,
    /// p95 seconds until a gate is closed.
    pub close_s: u64,
    /// Whether gates close by a policy signed in advance (D-084).
    pub automatic: bool,
    /// Seconds a person needs to decide when not automatic.
    pub decision_s: u64,
}

/// Tolerated seconds of running harm per severity (D-076).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tolerance(pub BTreeMap<Severity, u64>);

impl Default for Tolerance {
    fn default() -> Self {
        Self(BTreeMap::from([
            (Severity::Sev5Systemic, 60),
            (Severity::Sev4Critical, 300),
            (Severity::Sev3High, 3_600),
            (Severity::Sev2Medium, 86_400),
        ]))
    }
}

impl Tolerance {
    /// Seconds for one severity; unlimited where the policy names none.
    #[must_use]
    pub fn seconds(&self, severity: Severity) -> u64 {
        self.0.get(&severity).copied().unwrap_or(azir_ledger::canon::INTEGER_MAX)
    }
}

/// The whole input (annex D.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Version of the function, 1.
    pub version: u64,
    /// What was declared.
    pub incident: IncidentFacts,
    /// Harm channels.
    pub channels: Vec<Channel>,
    /// The chain.
    pub chain: ChainFacts,
    /// Authority paths.
    pub paths: Paths,
    /// Own means.
    pub local: LocalFacts,
    /// Tolerances.
    #[serde(default)]
    pub tolerance: Tolerance,
    /// Where each measured number comes from, by its path in this object.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, String>,
}

impl Input {
    /// `AZ:DECISION:INPUT:` digest of the canonical form.
    ///
    /// # Errors
    /// An integer beyond 2^53-1.
    pub fn hash(&self) -> Result<Digest, CanonError> {
        Digest::of_canonical(INPUT_TAG, self)
    }

    /// Checks what the types cannot. [`super::decide`] is total without it: an unresolved scope is
    /// `ambiguous` there.
    ///
    /// # Errors
    /// A refusal naming every unresolved scope and every number out of range.
    pub fn check(&self) -> Result<(), Refusal> {
        let mut unmet = Vec::new();
        let unresolved = self.channels.iter().filter(|c| !self.resolves(&c.scope));
        let unresolved: Vec<Unmet> = unresolved
            .map(|channel| {
                Unmet::new(
                    RefusalKind::ScopeInvalid,
                    format!(
                        "{} has no live subject at height {}",
                        channel.scope, self.chain.height
                    ),
                    "24.3, D-024, annex D.1",
                    "name a scope that exists in the finalized state",
                )
            })
            .collect();
        let mut bad = |what: String, remedy: &str| {
            unmet.push(Unmet::new(RefusalKind::InvalidSchema, what, "24.2, annex D.2", remedy));
        };
        if self.version != VERSION {
            bad(format!("version {} is not {VERSION}", self.version), "use version 1");
        }
        if self.incident.classes.is_empty() {
            bad("incident.classes is empty".to_owned(), "name the primary class");
        }
        if self.channels.len() > CHANNELS_MAX || self.chain.subjects.len() > SCOPES_MAX {
            bad(
                format!("more than {CHANNELS_MAX} channels or {SCOPES_MAX} scopes"),
                "split the input",
            );
        }
        let (n, q, counting) = (self.chain.seats, self.chain.quorum, self.chain.counting);
        if q > n || counting > n {
            bad(
                format!("quorum {q} or counting seats {counting} exceed {n} seats"),
                "take n, q and the counting seats from one finalized height",
            );
        }
        for (i, channel) in self.channels.iter().enumerate() {
            if channel.min_capability > 4 {
                bad(format!("channels[{i}].min_capability is above 4"), "use 0 to 4");
            }
        }
        unmet.extend(unresolved);
        Refusal::unless_met(unmet)
    }

    /// True when the finalized state knows the scope; local, seat and network scopes need no entry.
    #[must_use]
    pub fn resolves(&self, scope: &Scope) -> bool {
        match scope.kind() {
            ScopeKind::Node | ScopeKind::Peers | ScopeKind::Seat | ScopeKind::Network => true,
            _ => self.chain.subjects.get(scope).is_some_and(|s| !s.is_empty()),
        }
    }

    /// True when `flag` holds.
    #[must_use]
    pub fn has(&self, flag: Flag) -> bool {
        self.incident.flags.contains(&flag)
    }
}
