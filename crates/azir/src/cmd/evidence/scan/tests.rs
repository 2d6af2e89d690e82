//! Keys in archives, and archives that are not read to their end.

use std::io::Cursor;

use flate2::Compression;
use flate2::write::GzEncoder;
use zip::write::SimpleFileOptions;

use super::*;

const KEY: &[u8] = b"-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n";

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::best());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        out.append_data(&mut header, name, *bytes).unwrap();
    }
    out.into_inner().unwrap()
}

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        out.start_file(*name, SimpleFileOptions::default()).unwrap();
        out.write_all(bytes).unwrap();
    }
    out.finish().unwrap().into_inner()
}

fn searched(bytes: &[u8]) -> Result<Clean, Unmet> {
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::beside(&dir.path().join("vault")).unwrap();
    let path = dir.path().join("f");
    std::fs::write(&path, bytes).unwrap();
    let file = File::open(&path).unwrap();
    let found = search(&vault, "5eed", "f", &file, &ProgressBar::hidden()).unwrap();
    assert!(vault.list().unwrap().is_empty());
    found
}

fn refused(bytes: &[u8]) -> (RefusalKind, String) {
    let unmet = searched(bytes).unwrap_err();
    assert!(!unmet.remedy.is_empty());
    (unmet.kind, unmet.what)
}

/// R-10.1-11: a private key is found in each kind of archive, and its place is named.
#[test]
fn a_key_is_found_in_archives_and_the_member_is_named() {
    let long = "deep/".repeat(40) + "id";
    let with_key = tar(&[("a.log", b"slot 7\n"), (&long, KEY), ("b.log", b"slot 8\n")]);
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut plain = zip::ZipWriter::new(Cursor::new(Vec::new()));
    plain.start_file("s", stored).unwrap();
    plain.write_all(KEY).unwrap();
    let plain = plain.finish().unwrap().into_inner();
    for (bytes, place) in [
        (KEY.to_vec(), "f holds"),
        (gz(KEY), "f holds"),
        (with_key.clone(), &*format!("f > {long} holds")),
        (gz(&with_key), &format!("f > {long} holds")),
        (zip(&[("x", b"x"), ("keys/id", KEY)]), "f > keys/id holds"),
        (plain, "f > s holds"),
        (zip(&[("in.tar.gz", &gz(&with_key))]), &format!("f > in.tar.gz > {long} holds")),
        (gz(&tar(&[("in.zip", &zip(&[("id", KEY)]))])), "f > in.zip > id holds"),
        ([gz(b"first"), gz(KEY)].concat(), "f holds"),
        (b"seed 5eed".to_vec(), "f holds"),
        ([vec![b'x'; (1 << 20) - 7], KEY.to_vec()].concat(), "f holds"),
        (gz(&[vec![b'x'; (1 << 20) - 7], KEY.to_vec()].concat()), "f holds"),
    ] {
        let (kind, what) = refused(&bytes);
        assert_eq!(kind, RefusalKind::ForbiddenPower, "{what}");
        assert!(what.contains(place) && what.contains("private key"), "{what}: {place}");
    }
}

#[test]
fn a_file_that_grows_without_end_is_read_one_byte_further() {
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::beside(&dir.path().join("vault")).unwrap();
    let Ok(endless) = File::open("/proc/self/status") else {
        eprintln!("skipped: 1 test, no /proc on this machine");
        return;
    };
    // Its size is told as 0, and it gives bytes.
    let found = search(&vault, "5eed", "f", &endless, &ProgressBar::hidden()).unwrap();
    assert_eq!(found.unwrap().size, 1);
}

#[test]
fn clean_archives_are_hashed_as_they_stand() {
    let members = [("a.log", &b"slot 7\n"[..]), ("empty", b""), ("id.pub", b"ssh-ed25519 AAAA")];
    for bytes in [b"x".to_vec(), Vec::new(), tar(&members), gz(&tar(&members)), zip(&members)] {
        let clean = searched(&bytes).unwrap();
        assert_eq!((clean.hash, clean.size), (Digest::of(&bytes), bytes.len() as u64));
        assert_eq!(clean.notes, Vec::<String>::new());
    }
}

/// R-10.1-11: what is not read to its end is not taken for clean.
#[test]
fn bombs_and_deep_nests_are_refused_with_a_remedy() {
    let zeros = gz(&vec![0; usize::try_from(RATIO_FREE_BYTES).unwrap() + (1 << 20)]);
    let (kind, what) = refused(&zeros);
    assert_eq!(kind, RefusalKind::EvidenceUnverified);
    assert!(what.contains("over 400 times"), "{what}");
    assert!(searched(&gz(&vec![0; 1 << 20])).is_ok(), "small content may pack well");

    let mut nest = KEY.to_vec();
    for _ in 0..DEPTH_MAX {
        nest = zip(&[("in", &nest)]);
    }
    assert_eq!(refused(&nest).0, RefusalKind::ForbiddenPower);
    let (kind, what) = refused(&gz(&nest));
    assert_eq!(kind, RefusalKind::EvidenceUnverified);
    assert!(what.contains("over 3 archives"), "{what}");
    let (kind, _) = refused(&zip(&[("in", &zip(&[("in", &zip(&[("in", &gz(b"x"))]))]))]));
    assert_eq!(kind, RefusalKind::EvidenceUnverified, "clean or not");
}

#[test]
fn an_encrypted_or_unknown_member_is_refused_by_its_name() {
    let clear = zip(&[("secret", b"slot 7\n")]);
    // The encryption flag of the member, in the local and in the central header.
    let central = clear.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    let mut locked = clear.clone();
    locked[6] |= 1;
    locked[central + 8] |= 1;
    let mut method = clear;
    method[8] = 95;
    method[central + 10] = 95;
    for bytes in [locked, method] {
        let (kind, what) = refused(&bytes);
        assert_eq!(kind, RefusalKind::EvidenceUnverified, "{what}");
        assert!(what.contains("f > secret") && what.contains("encrypted"), "{what}");
    }
}

#[test]
fn a_long_header_of_a_tar_is_not_held_in_memory() {
    let name = vec![b'n'; usize::try_from(HEADER_BYTES_MAX).unwrap() + 1];
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(name.len() as u64);
    header.set_cksum();
    let mut out = tar::Builder::new(Vec::new());
    out.append(&header, &name[..]).unwrap();
    let (kind, what) = refused(&out.into_inner().unwrap());
    assert_eq!(kind, RefusalKind::EvidenceUnverified);
    assert!(what.contains("headers"), "{what}");
}

/// Damaged archives are evidence too: what can be read is searched, and the rest is said.
#[test]
fn a_damaged_archive_is_kept_with_a_note_and_searched_as_far_as_it_goes() {
    let noise: Vec<u8> =
        (0..40_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let members = tar(&[("a", &noise), ("b", b"slot 8\n")]);
    let packed = gz(&members);
    for bytes in [&packed[..packed.len() / 2], &members[..20_000], b"PK\x03\x04 torn"] {
        let clean = searched(bytes).unwrap();
        assert_eq!(clean.hash, Digest::of(bytes));
        assert!(clean.notes.iter().any(|n| n.contains("damaged")), "{:?}", clean.notes);
    }
    let with_key = gz(&[KEY, &noise].concat());
    assert_eq!(refused(&with_key[..with_key.len() - 9]).0, RefusalKind::ForbiddenPower);
    let zstd = searched(b"\x28\xb5\x2f\xfd....").unwrap();
    assert!(zstd.notes[0].contains("zstd is not opened"), "{:?}", zstd.notes);
}
