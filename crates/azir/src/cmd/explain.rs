//! `azir explain CODE`.

use super::{Talk, say};
use crate::error::CliError;
use crate::explain::{codes, explain};

/// Prints one page, or the list of codes.
pub(crate) fn run(talk: Talk, code: Option<&str>) -> Result<(), CliError> {
    let Some(code) = code else {
        let all: Vec<_> = codes().collect();
        return if talk.json {
            say(&format!("{}\n", serde_json::json!({ "codes": all })))
        } else {
            say(&format!("{}\n", all.join("\n")))
        };
    };
    let page = explain(code).ok_or_else(|| {
        CliError::Usage(format!("no code {code:?}; `azir explain` without a code lists all"))
    })?;
    if talk.json {
        say(&format!("{}\n", serde_json::json!({ "code": code, "page": page })))
    } else {
        say(page)
    }
}
