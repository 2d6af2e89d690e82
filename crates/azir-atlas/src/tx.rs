//! Transactions (annex L.3). The kinds form a closed list; each kind has its own strict body.

use azir_ledger::digest_id;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::amount::Amount;
use crate::object::Object;
use crate::state::AccountName;

digest_id!(
    /// Id of a transaction.
    TxId
);

/// Kinds of transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TxKind {
    /// Moves an amount from the sender to another account.
    Transfer,
}

/// What a transaction does, with the members of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Moves `amount` from the sender to `to`.
    Transfer {
        /// Receiving account; it has to exist.
        to: AccountName,
        /// Amount to move.
        amount: Amount,
    },
}

impl Action {
    /// The kind of this action.
    #[must_use]
    pub fn kind(&self) -> TxKind {
        match self {
            Self::Transfer { .. } => TxKind::Transfer,
        }
    }
}

/// The body of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawTx", into = "RawTx")]
pub struct Tx {
    /// Who pays and signs.
    pub sender: AccountName,
    /// The sender's next nonce.
    pub nonce: u64,
    /// Last slot in which the transaction may be executed.
    pub expiry: u64,
    /// Most units that the execution may cost.
    pub cost_limit: u64,
    /// Fee, charged whole and burned.
    pub fee: Amount,
    /// What it does.
    pub action: Action,
}

impl Object for Tx {
    const TYPE: &'static str = "Tx";
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTx {
    kind: TxKind,
    sender: AccountName,
    nonce: u64,
    expiry: u64,
    cost_limit: u64,
    fee: Amount,
    body: Value,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TransferBody {
    to: AccountName,
    amount: Amount,
}

impl From<Tx> for RawTx {
    fn from(tx: Tx) -> Self {
        let kind = tx.action.kind();
        let body = match tx.action {
            Action::Transfer { to, amount } => {
                serde_json::json!({ "to": to, "amount": amount })
            }
        };
        Self {
            kind,
            sender: tx.sender,
            nonce: tx.nonce,
            expiry: tx.expiry,
            cost_limit: tx.cost_limit,
            fee: tx.fee,
            body,
        }
    }
}

impl TryFrom<RawTx> for Tx {
    type Error = String;

    fn try_from(raw: RawTx) -> Result<Self, String> {
        let action = match raw.kind {
            TxKind::Transfer => {
                let body: TransferBody =
                    serde_json::from_value(raw.body).map_err(|e| e.to_string())?;
                Action::Transfer { to: body.to, amount: body.amount }
            }
        };
        Ok(Self {
            sender: raw.sender,
            nonce: raw.nonce,
            expiry: raw.expiry,
            cost_limit: raw.cost_limit,
            fee: raw.fee,
            action,
        })
    }
}

#[cfg(test)]
mod tests {
    use azir_ledger::canon;

    use super::*;

    #[test]
    fn a_transaction_reads_back_and_its_body_is_strict() {
        let tx = Tx {
            sender: "a".parse().unwrap(),
            nonce: 0,
            expiry: 9,
            cost_limit: 10,
            fee: Amount(1 << 60),
            action: Action::Transfer { to: "b".parse().unwrap(), amount: Amount(1) },
        };
        let text = String::from_utf8(canon::encode(&tx).unwrap()).unwrap();
        assert_eq!(canon::decode::<Tx>(text.as_bytes()).unwrap(), tx);
        assert!(text.contains(r#""body":{"amount":"1","to":"b"}"#), "{text}");
        for bad in [
            text.replace("\"to\":\"b\"", "\"to\":\"b\",\"x\":1"),
            text.replace(",\"to\":\"b\"", ""),
            text.replace("transfer", "mint"),
            text.replace("\"amount\":\"1\"", "\"amount\":1"),
        ] {
            assert!(canon::decode::<Tx>(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
