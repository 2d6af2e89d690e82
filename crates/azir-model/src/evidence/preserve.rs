//! The proof that a scope was preserved (D-041 O1).

use azir_ledger::Digest;
use serde::{Deserialize, Serialize};

use super::Waiver;
use crate::refusal::{Refusal, RefusalKind, Unmet};

/// A collector's acknowledged statement that a scope is preserved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreservationReceipt {
    /// The scope, as its scope text.
    pub scope: String,
    /// Hash of the manifest of what is held.
    pub manifest: Digest,
    /// Who holds it: an actor.
    pub by: String,
    /// Log index at which the receipt is durable.
    pub index: u64,
}

/// A waiver by two people that names what will be lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossWaiver {
    /// The scope, as its scope text.
    pub scope: String,
    /// What will be lost, at least one line.
    pub loses: Vec<String>,
    /// Who waived.
    pub waiver: Waiver,
    /// Log index at which the waiver is durable.
    pub index: u64,
}

/// A scope on which a destructive action may start. Made only by [`preserved`].
#[derive(Debug)]
pub struct Preserved {
    scope: String,
    manifest: Option<Digest>,
    loses: Vec<String>,
    index: u64,
}

impl Preserved {
    /// The scope.
    #[must_use]
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// Manifest of what is held; none when the loss was waived.
    #[must_use]
    pub fn manifest(&self) -> Option<Digest> {
        self.manifest
    }

    /// What will be lost, by waiver: an operational failure (D-054).
    #[must_use]
    pub fn loses(&self) -> &[String] {
        &self.loses
    }

    /// Log index of the receipt or waiver.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }
}

/// Checks that the scope is preserved by a receipt for exactly this scope, or waived by two people
/// who name what will be lost. No severity makes an exception.
///
/// Implements R-9.2-1, R-9.2-2.
///
/// # Errors
/// `destructive_before_preserve`; beside it what is wrong with a waiver that was given:
/// `second_person_required`, or `reason_required` when it names no loss.
pub fn preserved(
    scope: &str,
    receipts: &[PreservationReceipt],
    waiver: Option<&LossWaiver>,
) -> Result<Preserved, Refusal> {
    if let Some(receipt) = receipts.iter().filter(|r| r.scope == scope).max_by_key(|r| r.index) {
        return Ok(Preserved {
            scope: scope.to_owned(),
            manifest: Some(receipt.manifest),
            loses: Vec::new(),
            index: receipt.index,
        });
    }
    let mut unmet = vec![Unmet::new(
        RefusalKind::DestructiveBeforePreserve,
        format!("no preservation receipt for {scope}"),
        "9.2, D-041 O1",
        "preserve the scope, or let two people waive it and name what will be lost",
    )];
    if let Some(given) = waiver {
        let names_loss = given.loses.iter().any(|line| !line.trim().is_empty());
        if given.scope == scope && given.waiver.holds() && names_loss {
            return Ok(Preserved {
                scope: scope.to_owned(),
                manifest: None,
                loses: given.loses.clone(),
                index: given.index,
            });
        }
        unmet.extend(faults(scope, given, names_loss));
    }
    Refusal::unless_met(unmet)?;
    // Not reached: the list above is never empty.
    Err(Refusal::one(RefusalKind::DestructiveBeforePreserve, scope, "9.2", "preserve the scope"))
}

fn faults(scope: &str, given: &LossWaiver, names_loss: bool) -> Vec<Unmet> {
    let rule = "9.2, D-041 O1, D-054";
    let mut unmet = Vec::new();
    if given.scope != scope {
        let what = format!("the waiver is for {}", given.scope);
        unmet.push(Unmet::new(RefusalKind::ScopeInvalid, what, rule, "waive this scope"));
    }
    if !given.waiver.holds() {
        let what = format!("{} waived it alone", given.waiver.commander);
        let remedy = "Incident Commander and Audit Scribe sign, as two people";
        unmet.push(Unmet::new(RefusalKind::SecondPersonRequired, what, rule, remedy));
    }
    if !names_loss {
        let what = "the waiver names no loss";
        unmet.push(Unmet::new(RefusalKind::ReasonRequired, what, rule, "name what will be lost"));
    }
    unmet
}
