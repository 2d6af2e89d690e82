//! `azir machine new`: the key of a machine, for nodes whose agent or gate is not running yet.

use std::path::Path;

use azir_ledger::MachineKey;

use super::act::free;
use super::{Talk, say};
use crate::error::CliError;
use crate::host::{new_seed, write_key};

/// Kinds of machines that people make keys for. The server's key is made by `azir init`.
const KINDS: [&str; 4] = ["agent:", "gate:", "detector:", "witness:"];
/// Longest id of a machine, in bytes.
const ID_BYTES_MAX: usize = azir_model::policy::ID_BYTES_MAX;

/// Makes a seed file that its owner alone can read, and shows the lines of the roster.
pub(crate) fn new(talk: Talk, id: &str, out: &Path) -> Result<(), CliError> {
    let name = KINDS.iter().find_map(|kind| id.strip_prefix(kind));
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-/@".contains(&b);
    if !name.is_some_and(|n| !n.is_empty() && n.len() <= ID_BYTES_MAX && n.bytes().all(plain)) {
        return Err(CliError::Usage(format!(
            "--id {id:?} does not fit: one of {} and a name of letters, digits and . _ - / @",
            KINDS.join(" ")
        )));
    }
    free(out)?;
    let seed = new_seed()?;
    write_key(out, &seed)?;
    let key = MachineKey::from_seed(seed).public();
    let place = out.display();
    if talk.json {
        let value = serde_json::json!({"id": id, "key": key, "seed_file": place.to_string()});
        return say(&format!("{value}\n"));
    }
    say(&format!(
        "the seed is in {place}, readable by you alone; put these lines into the roster\n\n\
         [[machine]]\nid = \"{id}\"\nkey = \"{key}\"\n"
    ))
}
