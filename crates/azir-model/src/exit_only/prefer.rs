//! When exit-only is preferred over freeze (28.3, last part of annex H).

use super::{AssetId, Positions};
use crate::decision::{Action, ActionSet};

wire_enum! {
    /// The conditions under which exit-only is preferred; one that fails is the logged reason for a
    /// freeze.
    pub enum ExitCondition {
        /// Something is open.
        OpenExposure = "open_exposure",
        /// The harmful actions are known and all open or increase.
        HarmOnlyOpens = "harm_only_opens",
        /// A clean key or the principal can act.
        CleanHand = "clean_key_or_principal",
        /// No price source of the scope is quarantined.
        PricesSound = "price_sources_sound",
    }
}

/// What the preference depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExitSituation {
    /// Open positions of the scope.
    pub positions: Positions,
    /// Its settlement asset, which is no exposure.
    pub settlement: AssetId,
    /// The harmful actions.
    pub harmful: ActionSet,
    /// A key that is active and not listed as compromised can act.
    pub clean_key: bool,
    /// The principal can act.
    pub principal: bool,
    /// Some price source of the scope is quarantined.
    pub prices_quarantined: bool,
}

/// Opening and increasing (annex D.2).
const OPENING: ActionSet =
    ActionSet::of(&[Action::ActOpen, Action::ActIncrease, Action::CallOpen, Action::CallIncrease]);

/// Whether exit-only is preferred over freeze.
///
/// # Errors
/// Every condition that fails: freeze, and log them. Harm that names no action fails as unknown.
pub fn prefer(situation: &ExitSituation) -> Result<(), Vec<ExitCondition>> {
    let s = situation;
    let open = s.positions.iter().any(|(asset, v)| *asset != s.settlement && v.0 != 0);
    let opens = !s.harmful.is_empty() && s.harmful.is_subset(OPENING);
    let holds = |condition: &ExitCondition| match condition {
        ExitCondition::OpenExposure => open,
        ExitCondition::HarmOnlyOpens => opens,
        ExitCondition::CleanHand => s.clean_key || s.principal,
        ExitCondition::PricesSound => !s.prices_quarantined,
    };
    let failed: Vec<_> = ExitCondition::ALL.iter().copied().filter(|c| !holds(c)).collect();
    if failed.is_empty() { Ok(()) } else { Err(failed) }
}
