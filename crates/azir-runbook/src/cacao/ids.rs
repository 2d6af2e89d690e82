//! Identifiers: derived, so that the same runbook always gives the same playbook.

use azir_ledger::Digest;

/// Id of the one extension: what CACAO has no member for. Its version is 1.0.0.
pub const EXTENSION: &str = "extension-definition--7c2f5d0e-4b1a-4e63-9d58-3f0a6c9b7e21";
/// Semantic version of the extension; a reader refuses another one.
pub(crate) const EXTENSION_VERSION: &str = "1.0.0";
/// Namespace of every derived id. Not that of OASIS, whose inputs are fixed.
const NAMESPACE: &str = "2f1c8a94-6d3e-4f7b-8a05-c4e9d7b16032";

/// A UUID in the form of version 4 or 5, from SHA-256 of a name in our namespace.
pub(crate) fn uuid(version: u8, name: &str) -> String {
    let digest = Digest::tagged("AZ:CACAO:", format!("{NAMESPACE}:{name}").as_bytes());
    let mut bytes = [0_u8; 16];
    bytes.iter_mut().zip(digest.0).for_each(|(to, from)| *to = from);
    bytes[6] = (bytes[6] & 0x0f) | (version << 4);
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    let parts = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
    parts.map(|(from, to)| hex.get(from..to).unwrap_or_default()).join("-")
}

/// The identity that stands as creator of every export.
pub(crate) fn identity() -> String {
    format!("identity--{}", uuid(4, "identity"))
}

/// `type--UUID` as CACAO writes identifiers: the type in lower case, the UUID of RFC 4122.
pub(crate) fn is_identifier(text: &str) -> bool {
    let Some((kind, uuid)) = text.split_once("--") else { return false };
    let lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let uuid_at = |(at, b): (usize, u8)| match at {
        8 | 13 | 18 | 23 => b == b'-',
        14 => (b'1'..=b'5').contains(&b),
        19 => b"89abAB".contains(&b),
        _ => b.is_ascii_hexdigit(),
    };
    kind.starts_with(|c: char| c.is_ascii_lowercase())
        && kind.bytes().all(lower)
        && !kind.ends_with('-')
        && uuid.len() == 36
        && uuid.bytes().enumerate().all(uuid_at)
}

/// The type that an identifier or key names: everything before `--`, or all of it.
pub(crate) fn prefix(id: &str) -> &str {
    id.split_once("--").map_or(id, |(kind, _)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_have_the_form_of_their_version_and_depend_on_the_name_alone() {
        for (version, name) in [(4, "a"), (5, "a"), (4, "b")] {
            let id = format!("action--{}", uuid(version, name));
            assert!(is_identifier(&id), "{id}");
            assert_eq!(id.chars().nth(22), char::from_digit(u32::from(version), 10));
            assert_eq!(uuid(version, name), uuid(version, name));
        }
        assert_ne!(uuid(4, "a"), uuid(4, "b"));
        assert!(is_identifier(EXTENSION) && is_identifier(&identity()));
    }

    #[test]
    fn what_is_not_type_and_uuid_is_no_identifier() {
        for bad in [
            "action",
            "action--",
            "Action--61a6c41e-6efc-4516-a242-dfbc5c89d562",
            "action--61a6c41e-6efc-6516-a242-dfbc5c89d562",
            "action--61a6c41e-6efc-4516-c242-dfbc5c89d562",
            "action--61a6c41e-6efc-4516-a242-dfbc5c89d5620",
            "action--61a6c41e6efc-4516-a242-dfbc5c89d5622-",
            "",
        ] {
            assert!(!is_identifier(bad), "{bad}");
        }
    }
}
