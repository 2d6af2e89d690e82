//! Attacks without any key: files changed, removed, added, swapped, with and without a bag that
//! was made to fit again. Each must be found, with its place and kind.

use std::collections::BTreeMap;

use azir_ledger::Digest;

use super::bundle::{Bundle, event};
use super::run::{MADE, fresh};

/// Files of which one byte each is changed.
const SAMPLED: usize = 60;

/// A small generator, so that the same bytes are changed each time.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }
}

/// Files of every kind that a bundle has, taken in turn.
fn sample(bundle: &Bundle) -> Vec<String> {
    let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in bundle.names() {
        let (dir, file) = name.rsplit_once('/').unwrap_or(("", &name));
        let top = dir.split('/').next().unwrap_or_default();
        let kind = match top {
            "events" | "proofs" | "checkpoints" | "incidents" => {
                format!("{top} {}", file.split_once('.').map_or("", |(_, end)| end))
            }
            "evidence" => top.to_owned(),
            _ => name.clone(),
        };
        kinds.entry(kind).or_default().push(name);
    }
    assert!(kinds.len() >= 17, "{:?}", kinds.keys());
    let mut seeded = Seeded(20_260_105);
    let mut taken = Vec::new();
    while taken.len() < SAMPLED {
        for names in kinds.values_mut().filter(|names| !names.is_empty()) {
            let at = seeded.below(names.len());
            taken.push(names.swap_remove(at));
        }
    }
    taken.truncate(SAMPLED);
    taken
}

/// One byte of each of these files; each file must be named.
fn one_byte(bundle: &Bundle, names: &[String], seeded: &mut Seeded) {
    let sound: Vec<_> = names.iter().map(|name| bundle.read(name)).collect();
    for (name, sound) in names.iter().zip(&sound) {
        let mut changed = sound.clone();
        let at = seeded.below(changed.len());
        changed[at] ^= u8::try_from(1 + seeded.below(255)).unwrap();
        bundle.write(name, &changed);
    }
    let did = bundle.verify(&[]);
    assert_eq!(did.code, 4, "{names:?}:\n{}", did.out);
    let faults: Vec<_> = did.out.lines().filter(|l| l.starts_with("FAULT ")).collect();
    for name in names {
        // A digest changed in the outer manifest is told as a change of the file that it is for.
        let named = faults.iter().any(|l| l.starts_with(&format!("FAULT {name}")));
        assert!(
            named || name == "tagmanifest-sha256.txt" && !faults.is_empty(),
            "{name}: {faults:?}"
        );
    }
    for (name, sound) in names.iter().zip(sound) {
        bundle.write(name, sound);
    }
}

/// R-41.3-1: one byte anywhere. Files on which the check of others rests are changed alone.
#[test]
fn one_changed_byte_is_found_in_every_kind_of_file() {
    let bundle = Bundle::long();
    let mut seeded = Seeded(7);
    let alone = |name: &String| !name.contains('/') || name.starts_with("roster/");
    let (alone, others): (Vec<_>, Vec<_>) = sample(&bundle).into_iter().partition(alone);
    assert!(alone.len() >= 9 && others.len() >= 45, "{} {}", alone.len(), others.len());
    for name in alone {
        one_byte(&bundle, &[name], &mut seeded);
    }
    for names in others.chunks(10) {
        one_byte(&bundle, names, &mut seeded);
    }
    assert_eq!(bundle.verify(&[]).code, 0, "all was put back");
}

#[test]
fn removed_added_truncated_and_swapped_files_are_named() {
    let bundle = Bundle::long();
    bundle.remove("proofs/000050.tlog-proof");
    bundle.refused(&[], "proofs/000050.tlog-proof", "file_missing");

    let bundle = Bundle::long();
    bundle.write("extra/note.txt", "added");
    bundle.refused(&[], "extra/note.txt", "file_extra");

    let bundle = Bundle::long();
    let [name, ..] = event(60);
    let half = bundle.read(&name);
    bundle.write(&name, &half[..half.len() / 2]);
    bundle.refused(&[], &name, "file_changed");
    bundle.redo_bag();
    bundle.refused(&[], &name, "event_invalid");

    let bundle = Bundle::long();
    bundle.swap(&event(20)[0], &event(21)[0]);
    let did = bundle.refused(&[], &event(20)[0], "file_changed");
    assert!(did.out.contains(&format!("FAULT {}: file_changed", event(21)[0])));
    bundle.redo_bag();
    bundle.refused(&[], &event(20)[1], "signature_invalid");
}

#[test]
fn a_file_that_the_format_does_not_know_is_found_with_the_bag_redone() {
    let bundle = Bundle::long();
    bundle.write("events/000017.json.orig", "x");
    bundle.write("data/tile/0/999", "x");
    bundle.redo_bag();
    bundle.refused(&[], "events/000017.json.orig", "file_unexpected");
    bundle.refused(&[], "data/tile/0/999", "file_unexpected");
}

#[test]
fn a_link_is_not_followed() {
    let bundle = Bundle::long();
    bundle.remove("bagit.txt");
    let target = MADE.bundle("long").join("bagit.txt");
    std::os::unix::fs::symlink(target, bundle.dir.join("bagit.txt")).unwrap();
    bundle.refused(&[], "bagit.txt", "file_unreadable");
}

#[test]
fn two_whole_entries_swapped_with_the_bag_redone_are_out_of_order() {
    let bundle = Bundle::long();
    for (one, other) in event(100).iter().zip(event(101)) {
        bundle.swap(one, &other);
    }
    bundle.redo_bag();
    let did = bundle.refused(&[], &event(100)[2], "event_order");
    assert!(did.out.contains("root_mismatch"), "{}", did.out);
}

/// The tail cut: without a key no final checkpoint fits what is left.
#[test]
fn a_tail_that_was_cut_is_found_with_the_bag_redone() {
    let bundle = Bundle::long();
    let size: u64 = serde_json::from_slice::<serde_json::Value>(&bundle.read("bundle.json"))
        .unwrap()["size"]
        .as_u64()
        .unwrap();
    let cut = size - 1;
    for name in event(cut) {
        bundle.remove(&name);
    }
    let proof = format!("proofs/{cut:06}.tlog-proof");
    if bundle.dir.join(&proof).exists() {
        bundle.remove(&proof);
    }
    bundle.refused(&[], &event(cut)[0], "file_missing");
    bundle.redo_bag();
    bundle.refused(&[], &event(cut)[0], "file_missing");
    // The size is lowered too, and the final checkpoint is said to be of that size.
    bundle.edit("bundle.json", &format!("\"size\":{size}"), &format!("\"size\":{cut}"));
    let (old, new) = (format!("checkpoints/{size:06}.note"), format!("checkpoints/{cut:06}.note"));
    let note = bundle.text(&old).replacen(&format!("\n{size}\n"), &format!("\n{cut}\n"), 1);
    bundle.remove(&old);
    bundle.write(&new, &note);
    bundle.write("data/checkpoint", &note);
    bundle.redo_bag();
    bundle.refused(&[], &new, "checkpoint_signature");
}

#[test]
fn a_log_without_any_entry_is_no_log() {
    let bundle = Bundle::long();
    for name in bundle.names().iter().filter(|n| n.starts_with("events/")) {
        bundle.remove(name);
    }
    bundle.redo_bag();
    bundle.refused(&[], &event(0)[0], "file_missing");
}

fn some_evidence(bundle: &Bundle) -> String {
    let names = bundle.names();
    names.into_iter().find(|n| n.starts_with("evidence/")).unwrap()
}

fn place_of(bytes: &[u8]) -> String {
    let hex = Digest::of(bytes).to_string();
    format!("evidence/sha256/{}/{hex}", &hex[..2])
}

#[test]
fn evidence_with_other_content_is_found_under_the_old_name_and_under_its_own() {
    let bundle = Bundle::long();
    let name = some_evidence(&bundle);
    bundle.write(&name, "another story");
    bundle.redo_bag();
    bundle.refused(&[], &name, "evidence_mismatch");
    bundle.remove(&name);
    let own = place_of(b"another story");
    bundle.write(&own, "another story");
    bundle.redo_bag();
    let did = bundle.refused(&[], &own, "evidence_unreferenced");
    assert!(did.out.contains(": event_inadmissible: "), "the old one is missed\n{}", did.out);
}

#[test]
fn evidence_that_was_removed_is_missed_with_the_bag_redone() {
    let sound = Bundle::long();
    let pieces: Vec<_> = sound.names().into_iter().filter(|n| n.starts_with("evidence/")).collect();
    for name in pieces.iter().step_by(30) {
        let bundle = Bundle::long();
        bundle.remove(name);
        bundle.redo_bag();
        let did = bundle.verify(&[]);
        let hex = name.rsplit('/').next().unwrap();
        let line = did.out.lines().find(|l| l.starts_with("FAULT events/") && l.contains(hex));
        assert!(did.code == 4 && line.is_some(), "{name}:\n{}", did.out);
    }
}

/// An older, weaker format is refused, never read by older rules.
#[test]
fn a_downgraded_format_is_refused_before_anything_is_judged() {
    for format in ["azir.bundle/0", "azir.bundle/2", ""] {
        let bundle = Bundle::long();
        bundle.edit("bundle.json", "azir.bundle/1", format);
        bundle.redo_bag();
        let did = bundle.refused(&[], "bundle.json", "format_unknown");
        assert!(did.out.contains("       0  signatures of people"), "{}", did.out);
    }
    let bundle = Bundle::long();
    bundle.edit(&event(60)[0], "azir.event/1", "azir.event/0");
    bundle.redo_bag();
    bundle.refused(&[], &event(60)[0], "event_invalid");
}

/// The roster in the bundle is what `ssh-keygen` is given: a false person in it must be found.
#[test]
fn a_false_person_in_the_roster_is_found_with_the_bag_redone() {
    let bundle = Bundle::long();
    let key = {
        let signers = bundle.text("roster/allowed_signers");
        let line = signers.lines().find(|l| l.starts_with("operator:ana ")).unwrap().to_owned();
        line.split_once("ssh-ed25519").map(|(_, key)| format!("ssh-ed25519{key}")).unwrap()
    };
    let entry =
        format!(",{{\"actor\":\"operator:mallory\",\"from\":0,\"key\":\"{key}\"}}],\"log\"");
    bundle.edit("roster/roster.json", "],\"log\"", &entry);
    let roster: azir_ledger::Roster =
        azir_ledger::canon::decode(&bundle.read("roster/roster.json")).unwrap();
    bundle.write("roster/allowed_signers", roster.allowed_signers());
    bundle.redo_bag();
    let did = bundle.refused(&[], "roster/roster.json", "roster_mismatch");
    assert!(did.out.contains("operator:mallory"), "{}", did.out);
    // Only one of the two forms.
    bundle.write("roster/roster.json", Bundle::long().read("roster/roster.json"));
    bundle.redo_bag();
    bundle.refused(&[], "roster/allowed_signers", "roster_invalid");
}

/// Fewer witnesses than the log's policy asks for.
#[test]
fn a_lowered_quorum_and_dropped_witnesses_are_found_with_the_bag_redone() {
    let bundle = Bundle::long();
    bundle.edit("bundle.json", "\"quorum\":3", "\"quorum\":0");
    bundle.redo_bag();
    bundle.refused(&[], "bundle.json", "quorum_mismatch");
    bundle.write("roster/witnesses.vkey", "");
    bundle.redo_bag();
    bundle.refused(&[], "roster/witnesses.vkey", "witnesses_mismatch");
}

#[test]
fn cosignatures_that_were_cut_off_are_missed() {
    let bundle = Bundle::long();
    let note = bundle.text("data/checkpoint");
    let without: String =
        note.lines().filter(|l| !l.contains("agent/")).map(|l| format!("{l}\n")).collect();
    assert_ne!(note, without);
    let names = bundle.names();
    let last = names.iter().rfind(|n| n.starts_with("checkpoints/")).unwrap();
    bundle.write(last, &without);
    bundle.write("data/checkpoint", &without);
    for name in names.iter().filter(|n| n.starts_with("proofs/")) {
        bundle.write(name, bundle.text(name).replace(&note, &without));
    }
    bundle.redo_bag();
    bundle.refused(&[], last, "quorum_missing");
}

/// A record that is edited no longer has the id of its incident.
#[test]
fn an_edited_opening_record_has_another_id() {
    let bundle = Bundle::long();
    let names = bundle.names();
    let record = names.iter().find(|n| n.ends_with("/record.json")).unwrap();
    let text = bundle.text(record);
    bundle.write(record, text.replacen("SEV_", "SEX_", 1));
    if bundle.text(record) == text {
        bundle.write(record, text.replacen('5', "4", 1));
    }
    bundle.redo_bag();
    bundle.refused(&[], record, "record_mismatch");
}

#[test]
fn a_checkpoint_of_another_log_is_no_newer_one() {
    let bundle = Bundle::long();
    let path = fresh("checkpoint");
    let forged = bundle.text("data/checkpoint").replacen("azir/drill/", "azir/other/", 1);
    std::fs::write(&path, forged).unwrap();
    bundle.refused(
        &["--checkpoint", path.to_str().unwrap()],
        "presented checkpoint",
        "presented_invalid",
    );
}
