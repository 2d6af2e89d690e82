//! What a bundle may lack: pieces that the log itself seals or removes, and a postmortem under
//! embargo (D-025, D-026). Everything else that is missing is a fault.

use std::collections::{BTreeMap, BTreeSet};

use azir_engine::State;
use azir_engine::recheck::Fault;
use azir_ledger::{Digest, Timestamp};
use azir_model::RefusalKind;
use serde::Serialize;

/// Why a piece may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// An event seals it.
    Sealed,
    /// The postmortem's embargo has not ended.
    Embargoed,
    /// A tombstone stands in its place.
    Removed,
}

/// What outsiders do not get at a time: sealed pieces, and postmortems under embargo.
pub(crate) fn secret(state: &State, at: Timestamp) -> BTreeMap<Digest, Why> {
    let mut out = BTreeMap::new();
    for view in state.incidents.values() {
        out.extend(view.sealed.iter().map(|digest| (*digest, Why::Sealed)));
        let postmortem = view.postmortem.as_ref();
        let kept = postmortem.filter(|p| p.embargo.as_ref().is_some_and(|b| b.until > at));
        out.extend(kept.map(|p| (p.document, Why::Embargoed)));
    }
    out
}

/// Pieces that are missing with the log's own leave.
#[derive(Debug, Serialize)]
pub(super) struct Withheld {
    /// Sealed pieces that are not here.
    sealed: u64,
    /// Postmortems under embargo that are not here.
    embargoed: u64,
    /// Pieces that were removed after their term.
    removed: u64,
    /// Entries that rest on such content, so that not all of their rules could be checked again.
    entries_resting_on_them: u64,
    #[serde(skip)]
    pieces: BTreeSet<Digest>,
}

impl Withheld {
    /// What is missing of the pieces that may be. `last` is the time of the newest entry.
    /// Implements R-10.1-13.
    pub(super) fn of(
        state: &State,
        last: Option<Timestamp>,
        is_missing: impl Fn(&Digest) -> bool,
    ) -> Self {
        let mut may = secret(state, last.unwrap_or(Timestamp::from_ms(0)));
        let removed = state.incidents.values().flat_map(|v| v.removed.keys());
        may.extend(removed.map(|digest| (*digest, Why::Removed)));
        may.retain(|digest, _| is_missing(digest));
        let count = |why: Why| may.values().filter(|w| **w == why).count() as u64;
        Self {
            sealed: count(Why::Sealed),
            embargoed: count(Why::Embargoed),
            removed: count(Why::Removed),
            entries_resting_on_them: 0,
            pieces: may.into_keys().collect(),
        }
    }

    /// True when nothing but such content is missing for an entry; then it is counted.
    pub(super) fn explains(&mut self, fault: &Fault, missed: &BTreeSet<Digest>) -> bool {
        let Fault::Inadmissible { refusal, .. } = fault else { return false };
        let only = refusal.unmet().iter().all(|u| u.kind == RefusalKind::EvidenceMissing);
        let explained = only && !missed.is_empty() && missed.is_subset(&self.pieces);
        self.entries_resting_on_them += u64::from(explained);
        explained
    }

    /// True when a text is about one of the missing pieces.
    pub(super) fn is_named_in(&self, text: &str) -> bool {
        self.pieces.iter().any(|digest| text.contains(&digest.to_string()))
    }

    /// What is said of it, where there is something to say.
    pub(super) fn lines(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let lines = [
            ("sealed pieces withheld: hash, size and kind stay in the log", self.sealed),
            ("postmortems withheld under embargo: the hash stays in the log", self.embargoed),
            ("pieces removed after their term: a tombstone stays", self.removed),
            ("entries that rest on such content, checked but for it", self.entries_resting_on_them),
        ];
        lines.into_iter().filter(|(_, n)| *n > 0)
    }
}

#[cfg(test)]
mod tests {
    use azir_model::Refusal;
    use azir_model::refusal::Unmet;

    use super::*;

    fn fault(kinds: &[RefusalKind]) -> Fault {
        let unmet = kinds.iter().map(|k| Unmet::new(*k, "x is not in the vault", "10.1", "y"));
        let refusal = Refusal::unless_met(unmet.collect()).unwrap_err();
        Fault::Inadmissible { index: 1, kind: "evidence.pinned".to_owned(), refusal }
    }

    #[test]
    fn only_content_that_the_log_lets_go_excuses_an_entry() {
        let (sealed, other) = (Digest::of(b"sealed"), Digest::of(b"other"));
        let pieces = BTreeSet::from([sealed]);
        let mut withheld =
            Withheld { sealed: 1, embargoed: 0, removed: 0, entries_resting_on_them: 0, pieces };
        let missing = fault(&[RefusalKind::EvidenceMissing]);
        assert!(withheld.explains(&missing, &BTreeSet::from([sealed])));
        assert!(!withheld.explains(&missing, &BTreeSet::from([sealed, other])));
        assert!(!withheld.explains(&missing, &BTreeSet::new()));
        let more = fault(&[RefusalKind::EvidenceMissing, RefusalKind::NotAuthorized]);
        assert!(!withheld.explains(&more, &BTreeSet::from([sealed])));
        assert_eq!(withheld.entries_resting_on_them, 1);
        assert!(withheld.is_named_in(&format!("draft {sealed} is no list")));
        assert!(!withheld.is_named_in(&format!("draft {other} is no list")));
    }
}
