//! Attacks with keys: bundles that are made anew, whole and with a fitting bag, by somebody who
//! holds some or all of the keys. The keys of a drill follow from its seed.

use std::collections::BTreeMap;
use std::io::Read;

use azir_engine::{Body, State};
use azir_ledger::bundle::{Export, ExportError, export};
use azir_ledger::checkpoint::{Checkpoint, ledger_key, origin};
use azir_ledger::entry::EntryMeta;
use azir_ledger::event::Event;
use azir_ledger::merkle::Tree;
use azir_ledger::note::{KeyKind, VerifierKey};
use azir_ledger::{Digest, Entry, MachineKey, Roster, Signature, SignedEvent, SignedNote, canon};
use azir_sim::cast;

use super::bundle::{Bundle, event};
use super::run::{MADE, SEED, drill, fresh};

const WITNESSES: [&str; 4] = ["agent:n3", "agent:n4", "agent:n5", "agent:n6"];

/// Everything of a bundle, ready to be changed and written again.
struct Forge {
    log: String,
    ledger: MachineKey,
    entries: Vec<Entry>,
    roster: Roster,
    records: Vec<Vec<u8>>,
    evidence: BTreeMap<Digest, Vec<u8>>,
    quorum: u64,
    cosigned: bool,
}

impl Forge {
    /// The long run's bundle, with all keys of the drill.
    fn long() -> Self {
        let bundle = Bundle::of(&MADE.bundle("long"));
        let names = bundle.names();
        let of = |top: &str| names.iter().filter(|n| n.starts_with(top)).collect::<Vec<_>>();
        let count = of("events/").len() as u64 / 3;
        let entries: Vec<_> = (0..count)
            .map(|index| {
                let [path, sig, meta] = event(index);
                let signature: Signature = bundle.text(&sig).parse().unwrap();
                let signed = SignedEvent::from_bytes(bundle.read(&path), signature).unwrap();
                let meta: EntryMeta = canon::decode(&bundle.read(&meta)).unwrap();
                Entry { meta, signed }
            })
            .collect();
        let bytes = |name: &&String| bundle.read(name);
        Self {
            log: entries[0].signed.event().log.clone(),
            ledger: cast::machine(SEED, "server:azir"),
            roster: canon::decode(&bundle.read("roster/roster.json")).unwrap(),
            records: of("incidents/").iter().map(bytes).collect(),
            evidence: of("evidence/").iter().map(bytes).map(|b| (Digest::of(&b), b)).collect(),
            entries,
            quorum: 3,
            cosigned: true,
        }
    }

    fn tree(&self) -> Tree {
        let mut tree = Tree::default();
        self.entries.iter().for_each(|e| tree.append(e.leaf_hash()));
        tree
    }

    /// A checkpoint by the ledger's key and, if they take part, all witnesses.
    fn note(&self, size: u64, root: Digest) -> SignedNote {
        let mut note = Checkpoint::new(&self.log, size, root).sign(&self.ledger).unwrap();
        for id in WITNESSES.iter().filter(|_| self.cosigned) {
            note.cosign(&id.replace(':', "/"), &cast::machine(SEED, id), 1_767_582_000).unwrap();
        }
        note
    }

    /// Leaves only what the first entries need.
    fn cut(&mut self, size: usize) {
        self.entries.truncate(size);
        let texts: Vec<_> = self
            .entries
            .iter()
            .map(|e| String::from_utf8_lossy(e.signed.bytes()).into_owned())
            .collect();
        self.evidence.retain(|digest, _| texts.iter().any(|t| t.contains(&digest.to_string())));
    }

    /// Positions and nothing else are made to fit again.
    fn renumber(&mut self) {
        for (index, entry) in self.entries.iter_mut().enumerate() {
            entry.meta.index = index as u64;
        }
    }

    /// Changes an event and signs it again with its author's own key.
    fn again(&mut self, at: usize, change: impl FnOnce(&mut Event)) {
        let mut event = self.entries[at].signed.event().clone();
        let actor = event.actor.clone();
        change(&mut event);
        let person = cast::people(SEED).into_iter().find(|p| p.id == actor);
        self.entries[at].signed = match person {
            Some(person) => SignedEvent::by_person(&event, &person.key).unwrap(),
            None => SignedEvent::by_machine(&event, &cast::machine(SEED, &actor)).unwrap(),
        };
    }

    /// Every view hash is computed again, as the log itself could do.
    fn refold(&mut self) {
        let mut state = State::default();
        for entry in &mut self.entries {
            let event = entry.signed.event();
            let body = Body::parse(&event.kind, &event.body).unwrap();
            entry.meta.view = state.apply_body(&entry.signed, entry.meta.recorded, &body).unwrap();
        }
    }

    fn position(&self, kind: &str) -> usize {
        self.entries.iter().position(|e| e.signed.event().kind == kind).unwrap()
    }

    /// A whole bundle with fitting bag, tree, proofs and checkpoint.
    fn write(&self) -> Bundle {
        let tree = self.tree();
        let ledger = ledger_key(&self.log, &self.ledger.public()).unwrap();
        let witnesses = WITNESSES.map(|id| {
            let key = cast::machine(SEED, id).public();
            VerifierKey::new(&id.replace(':', "/"), KeyKind::Witness, key).unwrap()
        });
        let note = self.note(tree.size(), tree.root());
        let parts = Export {
            ledger: &ledger,
            witnesses: &witnesses,
            quorum: self.quorum,
            roster: &self.roster,
            checkpoints: &[note],
            records: &self.records,
            extras: &[],
        };
        let bundle = Bundle::empty();
        let mut entries = self.entries.iter().cloned().map(Ok::<_, ExportError>);
        let mut evidence = self
            .evidence
            .iter()
            .map(|(d, bytes)| Ok((*d, Box::new(bytes.as_slice()) as Box<dyn Read>)));
        let mut sink = |name: &str, from: &mut dyn Read| {
            let mut bytes = Vec::new();
            from.read_to_end(&mut bytes)?;
            bundle.write(name, bytes);
            Ok(())
        };
        export(&parts, &mut entries, &mut evidence, &mut sink).unwrap();
        bundle
    }
}

/// Writes a checkpoint, or a proof, where the binary can read it.
fn file(text: &str) -> String {
    let path = fresh("file");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// The true key of the log, as known from elsewhere.
fn true_key() -> String {
    Bundle::long().text("roster/ledger.vkey").trim().to_owned()
}

#[test]
fn what_is_written_again_without_a_change_still_verifies() {
    let did = Forge::long().write().verify(&["--ledger-key", &true_key()]);
    assert_eq!(did.code, 0, "the forge is sound:\n{}", did.out);
}

/// All re-chained by another key, after a change of who acted: no anchor from outside is needed,
/// because each event names the origin, and the origin is bound to the key.
#[test]
fn a_log_chained_again_by_another_key_does_not_fit_its_origin() {
    let mut forge = Forge::long();
    forge.ledger = MachineKey::from_seed([66; 32]);
    let at = forge.position("decision.recorded");
    let text = String::from_utf8(forge.entries[at].signed.bytes().to_vec()).unwrap();
    let edited = text.replacen("operator:bogdan", "operator:dan", 1);
    let signature = forge.entries[at].signed.signature().clone();
    forge.entries[at].signed = SignedEvent::from_bytes(edited.into_bytes(), signature).unwrap();
    let bundle = forge.write();
    let did = bundle.refused(&[], "roster/ledger.vkey", "origin_mismatch");
    assert!(did.out.contains("ledger_mismatch"), "{}", did.out);
    let [_, sig, meta] = event(at as u64);
    assert!(did.out.contains(&format!("FAULT {sig}: signature_invalid: ")), "{}", did.out);
    assert!(did.out.contains(&format!("FAULT {meta}: view_mismatch: ")), "{}", did.out);
    bundle.refused(&["--ledger-key", &true_key()], "roster/ledger.vkey", "ledger_foreign");
}

/// The same under an origin of the other key: then no event is of this log.
#[test]
fn a_log_under_another_origin_is_foreign_to_its_events() {
    let mut forge = Forge::long();
    forge.ledger = MachineKey::from_seed([66; 32]);
    forge.log = origin("drill", &forge.ledger.public());
    forge.roster.log = forge.log.clone();
    let bundle = forge.write();
    bundle.refused(&[], &event(0)[0], "event_foreign");
    bundle.refused(&["--ledger-key", &true_key()], "roster/ledger.vkey", "ledger_foreign");
}

/// A whole other log, with other people: nothing in it is wrong. Only a key that the caller knows
/// from elsewhere can tell it apart, and the answer says so.
#[test]
fn a_log_forged_from_the_ground_up_is_found_by_the_trusted_key_alone() {
    let other = drill(8, &["--run", "short"]);
    let bundle = Bundle::of(&other.bundle("short"));
    let did = bundle.verify(&[]);
    assert_eq!(did.code, 0);
    assert!(did.out.contains("to know whose, give --ledger-key"), "{}", did.out);
    bundle.refused(&["--ledger-key", &true_key()], "roster/ledger.vkey", "ledger_foreign");
}

/// The ledger's key signs, the witnesses do not.
#[test]
fn a_ledger_without_its_witnesses_has_no_quorum() {
    let mut forge = Forge::long();
    forge.cosigned = false;
    let place = format!("checkpoints/{:06}.note", forge.entries.len());
    let bundle = forge.write();
    bundle.refused(&[], &place, "quorum_missing");
}

/// Ledger and witnesses together, without the people: whom they make say something new is found.
#[test]
fn an_actor_changed_by_all_machines_together_is_found() {
    let mut forge = Forge::long();
    let at = forge.position("review.signed");
    let text = String::from_utf8(forge.entries[at].signed.bytes().to_vec()).unwrap();
    let actor = forge.entries[at].signed.event().actor.clone();
    let edited = text.replacen(&actor, "operator:ioana", 1);
    let signature = forge.entries[at].signed.signature().clone();
    forge.entries[at].signed = SignedEvent::from_bytes(edited.into_bytes(), signature).unwrap();
    forge.write().refused(&[], &event(at as u64)[1], "signature_invalid");
}

#[test]
fn an_entry_left_out_by_all_machines_together_is_missed() {
    let mut forge = Forge::long();
    let at = forge.position("approval.given");
    forge.entries.remove(at);
    forge.renumber();
    let did = forge.write().verify(&[]);
    assert_eq!(did.code, 4, "{}", did.out);
    let found = did.out.lines().find(|l| {
        l.starts_with("FAULT events/")
            && (l.contains("view_mismatch") || l.contains("event_inadmissible"))
    });
    assert!(found.is_some(), "{}", did.out);
}

/// R-41.3-1: with every key there is, an edited event no longer gives the view that the log keeps.
#[test]
fn an_event_edited_by_its_own_author_gives_another_view() {
    let mut forge = Forge::long();
    let at = forge.position("cause.stated");
    forge.again(at, |event| event.body["statement"] = "nobody could have known".into());
    let bundle = forge.write();
    bundle.refused(&[], &event(at as u64)[2], "view_mismatch");
}

/// R-41.3-1: a decision is decided again from its input: another output is found, whoever signs it.
#[test]
fn a_decision_with_another_output_is_decided_again() {
    let mut forge = Forge::long();
    let at = forge.position("decision.recorded");
    let output: Digest =
        forge.entries[at].signed.event().body["output"].as_str().unwrap().parse().unwrap();
    let text = String::from_utf8(forge.evidence.remove(&output).unwrap()).unwrap();
    let tampered = text.replacen("local_service_halt", "observe_only", 1).into_bytes();
    assert_ne!(text.as_bytes(), tampered);
    let digest = Digest::of(&tampered);
    forge.evidence.insert(digest, tampered);
    forge.again(at, |event| event.body["output"] = digest.to_string().into());
    let [path, _, meta] = event(at as u64);
    forge.write().refused(&[], &meta, "view_mismatch");
    forge.refold();
    let did = forge.write().refused(&[], &path, "event_inadmissible");
    assert!(did.out.contains("hash_mismatch"), "{}", did.out);
}

/// A decision that is turned into one that allows nothing: the measures after it stand out.
#[test]
fn a_decision_with_another_profile_is_found() {
    let mut forge = Forge::long();
    let at = forge.position("decision.recorded");
    forge.again(at, |event| event.body["profile"] = "RP_OBSERVE_ONLY".into());
    forge.refold();
    let measure = forge.position("measure.commanded") as u64;
    let did = forge.write().refused(&[], &event(measure)[0], "event_inadmissible");
    assert!(did.out.contains("profile_exceeded"), "{}", did.out);
}

/// An older backup is sound in itself; against a newer checkpoint it is found, with both sizes.
#[test]
fn an_older_bundle_is_found_against_a_newer_checkpoint() {
    let mut forge = Forge::long();
    let tree = forge.tree();
    let newer = file(&forge.note(tree.size(), tree.root()).to_string());
    forge.cut(150);
    let bundle = forge.write();
    assert_eq!(bundle.verify(&[]).code, 0, "nothing in it is wrong");
    let place = "presented checkpoint";
    let did = bundle.refused(&["--checkpoint", &newer], place, "older_than_presented");
    let sizes = format!("the bundle has 150 entries, the log has {}", tree.size());
    assert!(did.out.contains(&sizes), "{}", did.out);
    let proof = tree.consistency_proof(150, tree.size()).unwrap();
    let lines: String = proof.iter().map(|hash| format!("{hash}\n")).collect();
    let proof = file(&lines);
    let args = ["--checkpoint", &newer, "--proof", &proof];
    let did = bundle.refused(&args, place, "older_than_presented");
    assert!(!did.out.contains("no proof"), "{}", did.out);
}

/// Split view: the ledger itself shows others another history.
#[test]
fn two_histories_under_one_key_are_a_split_view() {
    let mut forge = Forge::long();
    let (size, root) = (forge.tree().size(), forge.tree().root());
    let bundle = Bundle::long();
    let place = "presented checkpoint";
    for (size, root) in [(size, Digest::of(b"other")), (150, root)] {
        let other = file(&forge.note(size, root).to_string());
        bundle.refused(&["--checkpoint", &other], place, "split_view");
    }
    // A larger one, with a proof that does not hold.
    let larger = file(&forge.note(size + 5, Digest::of(b"other")).to_string());
    let proof = file(&format!("{}\n", Digest::of(b"x")));
    bundle.refused(&["--checkpoint", &larger, "--proof", &proof], place, "split_view");
    // And one by another key.
    forge.ledger = MachineKey::from_seed([66; 32]);
    let foreign = file(&forge.note(size, root).to_string());
    bundle.refused(&["--checkpoint", &foreign], place, "presented_invalid");
}
