//! Evidence: checklists (annex N.3), end states of items (D-054), descriptors and list hashes
//! (D-015), and the proof that a scope was preserved before anything destroys it (D-041 O1).

use std::collections::{BTreeMap, BTreeSet};

use azir_ledger::{CanonError, Digest, Timestamp, canon};
use serde::{Deserialize, Serialize};

use crate::refusal::{Refusal, RefusalKind, Unmet};
use crate::vocab::{IncidentClass, Severity};

mod items;
mod preserve;
mod secret;

pub use items::{Item, ItemRow};
pub use preserve::{LossWaiver, PreservationReceipt, Preserved, preserved};
pub use secret::{KEY_SCAN_BYTES_MAX, MACHINE_SEED_MARK, private_key_format};

/// Tag of [`evidence_list_hash`].
pub const EVIDENCE_TAG: &str = "AZ:EVIDENCE:";
/// Tag of [`scopes_hash`].
pub const SCOPES_TAG: &str = "AZ:SCOPES:";

/// What a stored piece of evidence is (D-015).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Descriptor {
    /// Checklist item, or `other`.
    pub item: Item,
    /// SHA-256 of the bytes.
    pub hash: Digest,
    /// Size in bytes, at most 2^53 - 1.
    pub size: u64,
    /// Media type, for example `application/json`.
    pub media: String,
    /// Node, store or person that the bytes come from.
    pub source: String,
    /// When they were obtained, by the collector's clock.
    pub obtained_at: Timestamp,
    /// Who collected them: an actor.
    pub collector: String,
}

impl Descriptor {
    /// What is wrong with the members, if anything: empty source, collector or media, or a size
    /// above 2^53 - 1. Implements R-10.1-10 in part.
    #[must_use]
    pub fn problems(&self) -> Vec<Unmet> {
        let texts =
            [("media", &self.media), ("source", &self.source), ("collector", &self.collector)];
        let mut unmet: Vec<_> = texts
            .into_iter()
            .filter(|(_, text)| text.trim().is_empty())
            .map(|(name, _)| format!("descriptor of {} without {name}", self.item))
            .collect();
        if self.size > canon::INTEGER_MAX {
            unmet.push(format!("descriptor of {} with size {}", self.item, self.size));
        }
        unmet
            .into_iter()
            .map(|what| {
                Unmet::new(RefusalKind::InvalidSchema, what, "10.1, D-015, D-058", "fill it in")
            })
            .collect()
    }
}

/// Content of the item `key_timeline`: every suspicious use of the key, the first one first (21.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyTimeline {
    /// At least one, in the order of time; the ends are the first and the last suspicious use.
    pub uses: Vec<KeyUse>,
}

/// One suspicious use of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyUse {
    /// When the key was used.
    pub at: Timestamp,
    /// What it signed or opened.
    pub what: String,
}

impl KeyTimeline {
    /// Reads a timeline. Implements R-21.2-1.
    ///
    /// # Errors
    /// A text when the bytes are not canonical, or the uses are none or not in order.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let read: Self = canon::decode(bytes).map_err(|e| e.to_string())?;
        if read.uses.is_empty() || !read.uses.is_sorted_by_key(|u| u.at) {
            return Err("it lists no use, or not in the order of time".to_owned());
        }
        Ok(read)
    }
}

/// `H("AZ:EVIDENCE:" || canonical list)`, the list sorted by the canonical bytes of its members
/// and without repetition; the hash of `[]` when empty.
///
/// # Errors
/// [`CanonError::Unencodable`] when a size is above 2^53 - 1.
pub fn evidence_list_hash(list: &[Descriptor]) -> Result<Digest, CanonError> {
    let mut members = BTreeSet::new();
    for descriptor in list {
        members.insert(canon::encode(descriptor)?);
    }
    let members: Vec<_> = members.into_iter().collect();
    Ok(Digest::of_parts(&[EVIDENCE_TAG.as_bytes(), b"[", &members.join(&b','), b"]"]))
}

/// `H("AZ:SCOPES:" || canonical sorted unique list)`; the hash of `[]` when empty.
///
/// # Errors
/// None for texts; the type is that of [`Digest::of_canonical`].
pub fn scopes_hash<'a>(scopes: impl IntoIterator<Item = &'a str>) -> Result<Digest, CanonError> {
    let sorted: BTreeSet<_> = scopes.into_iter().collect();
    Digest::of_canonical(SCOPES_TAG, &sorted)
}

/// The items that an incident owes. Only grows: re-labelling never removes a duty (D-018).
///
/// Implements R-3.1-13.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Checklist(BTreeSet<Item>);

impl Checklist {
    /// Adds what these classes owe at this peak: the list of 2.5 always; that of 10.1 from SEV_3
    /// (D-053); the class lists from SEV_3, and from CONFIRMED on at any severity (D-055).
    pub fn grow(
        &mut self,
        classes: impl IntoIterator<Item = IncidentClass>,
        peak: Severity,
        confirmed: bool,
    ) {
        self.0.extend(items::GENERAL);
        if peak >= Severity::Sev3High {
            self.0.extend(items::HIGH);
        }
        if confirmed || peak >= Severity::Sev3High {
            for class in classes {
                self.0.extend(items::of_class(class));
            }
        }
    }

    /// The items, sorted.
    #[must_use]
    pub fn items(&self) -> &BTreeSet<Item> {
        &self.0
    }

    /// The items marked `p`: pinned at once.
    pub fn pins(&self) -> impl Iterator<Item = Item> + '_ {
        self.0.iter().copied().filter(|item| item.row().pin)
    }
}

/// The two people who waived an item or a loss: Incident Commander and Audit Scribe (D-054).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// Who signed as Incident Commander.
    pub commander: String,
    /// Who signed as Audit Scribe.
    pub scribe: String,
    /// One person in a small deployment signed both acts (D-048).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub self_reviewed: bool,
}

impl Waiver {
    /// True when two people signed, or one did and it is marked.
    #[must_use]
    pub fn holds(&self) -> bool {
        let named = !self.commander.is_empty() && !self.scribe.is_empty();
        named && (self.commander != self.scribe || self.self_reviewed)
    }
}

/// The end state of an item (D-054). Silence is not a state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case", deny_unknown_fields)]
pub enum ItemState {
    /// Stored.
    Present {
        /// Content hashes, at least one.
        hashes: Vec<Digest>,
    },
    /// Not applicable; only for items with a qualifier.
    NotApplicable {
        /// Why.
        reason: String,
        /// Who says so.
        who: String,
    },
    /// Could not be obtained. Without qualifier this is a waiver and an operational failure.
    Unavailable {
        /// Why.
        reason: String,
        /// Who says so.
        who: String,
        /// What was tried.
        tried: String,
        /// The waiver, for items without qualifier.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        waiver: Option<Waiver>,
    },
}

/// A complete checklist. Made only by [`completeness`].
#[derive(Debug)]
pub struct Complete {
    failures: Vec<Item>,
}

impl Complete {
    /// Items waived as unavailable: operational failures that the postmortem lists (D-054).
    #[must_use]
    pub fn failures(&self) -> &[Item] {
        &self.failures
    }
}

/// Items without a valid end state, each with what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing(Vec<(Item, &'static str)>);

impl Missing {
    /// The items and what is wrong with each.
    #[must_use]
    pub fn items(&self) -> &[(Item, &'static str)] {
        &self.0
    }

    /// As names for a guard's explanation.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(|(item, why)| format!("{item} ({why})")).collect()
    }

    /// As a refusal with one condition for each item.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        let unmet = self.0.iter().map(|(item, why)| {
            Unmet::new(
                RefusalKind::EvidenceMissing,
                format!("{item}: {why}"),
                "10, D-054, annex N.3",
                format!("store it ({}), or end it as D-054 allows", item.row().text),
            )
        });
        Refusal::unless_met(unmet.collect()).err().unwrap_or_else(|| {
            Refusal::one(RefusalKind::EvidenceMissing, "nothing named", "10, D-054", "name it")
        })
    }
}

/// Checks that each item ends in exactly one valid state of D-054. What the log itself holds
/// ("who decided") needs no state (D-053).
///
/// Implements R-10.1-6, R-10.1-7, R-10.1-9.
///
/// # Errors
/// [`Missing`] with every item that has no valid end state.
pub fn completeness(
    items: &BTreeSet<Item>,
    states: &BTreeMap<Item, ItemState>,
) -> Result<Complete, Missing> {
    let (mut missing, mut failures) = (Vec::new(), Vec::new());
    for item in items.iter().filter(|item| !item.row().from_log) {
        let qualified = item.row().qualified;
        let fault = match states.get(item) {
            None => Some("no end state"),
            Some(ItemState::Present { hashes }) => {
                hashes.is_empty().then_some("present without a hash")
            }
            Some(ItemState::NotApplicable { .. }) if !qualified => {
                Some("not applicable, and it has no qualifier")
            }
            Some(ItemState::NotApplicable { reason, who }) => {
                blank(&[reason, who]).then_some("not applicable without reason or person")
            }
            Some(ItemState::Unavailable { reason, who, tried, waiver }) => {
                if blank(&[reason, who, tried]) {
                    Some("unavailable without reason, person or what was tried")
                } else if qualified || waiver.as_ref().is_some_and(Waiver::holds) {
                    if !qualified {
                        failures.push(*item);
                    }
                    None
                } else {
                    Some("unavailable without waiver by commander and scribe")
                }
            }
        };
        missing.extend(fault.map(|why| (*item, why)));
    }
    if missing.is_empty() { Ok(Complete { failures }) } else { Err(Missing(missing)) }
}

fn blank(texts: &[&String]) -> bool {
    texts.iter().any(|text| text.trim().is_empty())
}

#[cfg(test)]
mod tests;
