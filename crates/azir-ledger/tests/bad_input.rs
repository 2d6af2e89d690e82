//! No input makes a reader panic, and what a reader accepts is what would be written.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

use azir_ledger::bundle::{MemoryBundle, Options, TlogProof, verify};
use azir_ledger::roster::parse_allowed_signers;
use azir_ledger::{Checkpoint, Entry, Roster, SignedNote, VerifierKey, canon, tiles};
use proptest::prelude::*;

/// Text made of the pieces that the formats are made of, so that parsing gets past the start.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "\n",
        "\n\n",
        "\u{2014} ",
        " ",
        "+",
        "a",
        "1",
        "0",
        "AAAAAAA=",
        "azir/x/0011223344556677",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "c2sp.org/tlog-proof@v1",
        "index ",
        "{",
        "}",
        "\"",
        ":",
        ",",
        "namespaces=\"",
        "ssh-ed25519 ",
        "18446744073709551616",
        "\u{e9}",
        "events/000000.json",
        "\"format\":\"azir.bundle/1\"",
        "\"log\":\"\"",
        "\"size\":9007199254740991",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|p| p.concat())
}

proptest! {
    #[test]
    fn readers_of_text_never_panic_and_accept_only_what_they_write(text in pieces()) {
        if let Ok(note) = SignedNote::parse(text.as_bytes()) {
            prop_assert_eq!(note.to_string(), text.as_str());
        }
        if let Ok(point) = Checkpoint::parse(&text) {
            prop_assert_eq!(point.text(), text.as_str());
        }
        if let Ok(key) = text.parse::<VerifierKey>() {
            prop_assert_eq!(key.to_string(), text.as_str());
        }
        if let Ok(proof) = TlogProof::parse(text.as_bytes()) {
            prop_assert_eq!(proof.to_string(), text.as_str());
        }
        let _never_panics = parse_allowed_signers(&text);
        let _never_panics = canon::decode::<Roster>(text.as_bytes());
    }

    #[test]
    fn readers_of_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _never_panics = Entry::from_leaf(&bytes);
        let _never_panics = SignedNote::parse(&bytes);
        let _never_panics = tiles::read_tile(&bytes, bytes.len() / 32);
        if let Some(entries) = tiles::read_entries(&bytes) {
            prop_assert_eq!(tiles::write_entries(&entries).unwrap(), bytes);
        }
    }

    #[test]
    fn a_check_of_rubbish_ends_with_findings(
        contents in prop::collection::vec(pieces(), 8),
        size in prop_oneof![0u64..9, Just(9_007_199_254_740_991)],
    ) {
        let names = [
            "bagit.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt", "events/000000.json",
            "events/000000.json.sig", "events/000000.meta.json", "roster/ledger.vkey",
            "roster/roster.json",
        ];
        let mut bundle = MemoryBundle::default();
        for (name, content) in names.into_iter().zip(contents) {
            bundle.0.insert(name.into(), content.into_bytes());
        }
        let info = format!(
            "{{\"format\":\"azir.bundle/1\",\"log\":\"x\",\"quorum\":0,\"size\":{size}}}"
        );
        bundle.0.insert("bundle.json".into(), info.into_bytes());
        let report = verify(&bundle, &Options::default(), &mut |_| {});
        prop_assert!(!report.is_clean());
    }
}
