//! Comparing the results of one block, and finding the first difference inside it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use azir_atlas::{BlockId, Roots, TxId};
use azir_ledger::Digest;
use serde_json::Value;

use crate::implementation::{BlockResult, Fault, Run};
use crate::report::{Computed, Difference, ImplementationRow, Row};
use crate::source::Step;

/// One implementation's answer for a block.
pub(crate) type Answer = Result<BlockResult, Fault>;

/// A block with every implementation's answer and the runs before it.
pub(crate) struct Compared<'a> {
    pub(crate) step: &'a Step,
    pub(crate) who: &'a [ImplementationRow],
    pub(crate) before: &'a [Arc<dyn Run>],
    pub(crate) answers: &'a [Answer],
}

fn roots(result: &BlockResult) -> Roots {
    Roots { post: result.post_root, receipts: result.receipts_root }
}

impl Compared<'_> {
    /// Whether everybody computed exactly what the header states.
    pub(crate) fn agreed(&self) -> bool {
        let first = self.answers.first().and_then(|a| a.as_ref().ok());
        let stated = |a: &Answer| {
            a.as_ref().is_ok_and(|r| {
                roots(r) == self.step.stated && first.is_some_and(|f| f.receipts == r.receipts)
            })
        };
        self.answers.iter().all(stated)
    }

    /// Whether all answers are one, and refute the header.
    pub(crate) fn refuted_by_all(&self) -> bool {
        let views: BTreeSet<_> = self.answers.iter().map(view).collect();
        let refutes = |a: &Answer| a.as_ref().map_or(true, |r| roots(r) != self.step.stated);
        views.len() == 1 && self.answers.iter().all(refutes)
    }

    pub(crate) fn row(&self) -> Row {
        let computed = self.who.iter().zip(self.answers).map(|(who, answer)| Computed {
            name: who.name.clone(),
            roots: answer.as_ref().ok().map(roots),
            fault: answer.as_ref().err().map(ToString::to_string),
        });
        Row {
            place: self.step.place,
            txs: self.step.txs.len() as u64,
            stated: self.step.stated,
            computed: if self.agreed() { Vec::new() } else { computed.collect() },
        }
    }

    /// The first difference of a block that is not agreed on.
    pub(crate) fn difference(&self, branch: Option<BlockId>, is_final: bool) -> Difference {
        let (index, member, values) = self
            .validity()
            .or_else(|| self.receipts())
            .or_else(|| self.receipts_root())
            .unwrap_or_else(|| self.post_root());
        let tx: Option<TxId> = index.and_then(|i| self.step.txs.get(i)).copied();
        Difference {
            block: self.step.place,
            branch,
            tx_index: index.map(|i| i as u64),
            tx,
            member,
            values,
            finalized_invalid: is_final && self.refuted_by_two_families(),
        }
    }

    fn refuted_by_two_families(&self) -> bool {
        let mut by_view: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
        for (who, answer) in self.who.iter().zip(self.answers) {
            if answer.as_ref().map_or(true, |r| roots(r) != self.step.stated) {
                by_view.entry(view(answer)).or_default().insert(&who.family);
            }
        }
        by_view.values().any(|families| families.len() >= 2)
    }

    fn values<T: ToString>(&self, of: impl Fn(&BlockResult) -> T) -> BTreeMap<String, String> {
        let value = |answer: &Answer| match answer {
            Ok(result) => of(result).to_string(),
            Err(fault) => fault.to_string(),
        };
        let pairs = self.who.iter().zip(self.answers);
        pairs.map(|(who, answer)| (who.name.clone(), value(answer))).collect()
    }

    fn validity(&self) -> Option<(Option<usize>, String, BTreeMap<String, String>)> {
        let invalid = |a: &Answer| match a {
            Err(Fault::Invalid { tx, .. }) => Some(*tx),
            Ok(_) | Err(Fault::Unable(_)) => None,
        };
        let invalid: Vec<_> = self.answers.iter().filter_map(invalid).collect();
        if invalid.is_empty() {
            return None;
        }
        let index = invalid.into_iter().flatten().min();
        let mut values = self.values(|_| "valid");
        values.insert("header".to_owned(), "valid".to_owned());
        Some((index, "validity".to_owned(), values))
    }

    fn results(&self) -> Vec<&BlockResult> {
        self.answers.iter().filter_map(|a| a.as_ref().ok()).collect()
    }

    /// First transaction whose receipts differ between implementations, and the member.
    fn receipts(&self) -> Option<(Option<usize>, String, BTreeMap<String, String>)> {
        let results = self.results();
        let most = results.iter().map(|r| r.receipts.len()).max().unwrap_or(0);
        for index in 0..most {
            let receipts: BTreeSet<_> = results.iter().map(|r| r.receipts.get(index)).collect();
            if receipts.len() < 2 {
                continue;
            }
            let member = self.receipt_member(index);
            let of = |r: &BlockResult| member_text(r.receipts.get(index), &member);
            return Some((Some(index), member.clone(), self.values(of)));
        }
        None
    }

    fn receipt_member(&self, index: usize) -> String {
        let results = self.results();
        for member in ["tx", "status", "code", "cost", "effects_digest"] {
            let texts = results.iter().map(|r| member_text(r.receipts.get(index), member));
            if texts.collect::<BTreeSet<_>>().len() > 1 {
                return member.to_owned();
            }
        }
        "receipt".to_owned()
    }

    fn receipts_root(&self) -> Option<(Option<usize>, String, BTreeMap<String, String>)> {
        let stated = self.step.stated.receipts;
        if self.results().iter().all(|r| r.receipts_root == stated) {
            return None;
        }
        let mut values = self.values(|r| r.receipts_root);
        values.insert("header".to_owned(), stated.to_string());
        Some((None, "receipts_root".to_owned(), values))
    }

    /// The state differs although the receipts do not: halve the block until one transaction is
    /// left (between implementations; a header alone has no roots in between).
    fn post_root(&self) -> (Option<usize>, String, BTreeMap<String, String>) {
        let mut values = self.values(|r| r.post_root);
        values.insert("header".to_owned(), self.step.stated.post.to_string());
        let roots: BTreeSet<_> = self.results().iter().map(|r| r.post_root).collect();
        if roots.len() < 2 {
            return (None, "post_root".to_owned(), values);
        }
        let (mut same, mut other) = (0, self.step.txs.len());
        if !self.prefixes_differ(other) {
            return (None, "rewards".to_owned(), values);
        }
        while other - same > 1 {
            let middle = same + (other - same) / 2;
            if self.prefixes_differ(middle) {
                other = middle;
            } else {
                same = middle;
            }
        }
        for (who, run) in self.who.iter().zip(self.before) {
            let root = run.prefix_root(&self.step.input, other);
            let text = root.map_or_else(|fault| fault.to_string(), |root| root.to_string());
            values.insert(who.name.clone(), text);
        }
        (Some(other - 1), "post_root".to_owned(), values)
    }

    fn prefixes_differ(&self, count: usize) -> bool {
        let prefix = |run: &Arc<dyn Run>| run.prefix_root(&self.step.input, count).ok();
        let prefixes: BTreeSet<Option<Digest>> = self.before.iter().map(prefix).collect();
        prefixes.len() > 1
    }
}

/// What an answer says, apart from wording: roots, or the transaction that is said to be invalid.
fn view(answer: &Answer) -> (Option<Roots>, Option<usize>) {
    match answer {
        Ok(result) => (Some(roots(result)), None),
        Err(Fault::Invalid { tx, .. }) => (None, *tx),
        Err(Fault::Unable(_)) => (None, None),
    }
}

fn member_text(receipt: Option<&Vec<u8>>, member: &str) -> String {
    let Some(receipt) = receipt else { return "absent".to_owned() };
    let value: Option<Value> = serde_json::from_slice(receipt).ok();
    match value.as_ref().and_then(|v| v.get(member)) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None if member == "receipt" => String::from_utf8_lossy(receipt).into_owned(),
        None => "absent".to_owned(),
    }
}
