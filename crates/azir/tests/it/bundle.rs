//! A bundle that may be tampered with.

use std::fs;
use std::path::{Path, PathBuf};

use azir_ledger::Digest;

use super::run::{Did, MADE, command, fresh, walk};

/// A copy of a bundle; it goes away with the value.
pub(crate) struct Bundle {
    pub(crate) dir: PathBuf,
}

impl Drop for Bundle {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.dir);
    }
}

impl Bundle {
    /// An empty directory.
    pub(crate) fn empty() -> Self {
        let dir = fresh("bundle");
        fs::create_dir_all(&dir).unwrap();
        Self { dir }
    }

    /// A copy of another one. Files are links until they are written.
    pub(crate) fn of(dir: &Path) -> Self {
        let copy = Self::empty();
        for name in walk(dir) {
            let to = copy.dir.join(&name);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::hard_link(dir.join(&name), to).unwrap();
        }
        copy
    }

    /// A copy of the long run's bundle.
    pub(crate) fn long() -> Self {
        Self::of(&MADE.bundle("long"))
    }

    pub(crate) fn names(&self) -> Vec<String> {
        walk(&self.dir)
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.dir.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.dir.join(name);
        let _absent = fs::remove_file(&path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.dir.join(name)).unwrap();
    }

    pub(crate) fn swap(&self, one: &str, other: &str) {
        let (a, b) = (self.read(one), self.read(other));
        assert_ne!(a, b, "{one} and {other} are equal");
        self.write(one, b);
        self.write(other, a);
    }

    /// Replaces a text that must be there.
    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.text(name);
        assert!(text.contains(from), "{name} holds no {from:?}");
        self.write(name, text.replacen(from, to, 1));
    }

    /// What anybody can do without a key: manifests and bag texts that fit the files again.
    pub(crate) fn redo_bag(&self) {
        let names = self.names();
        let (payload, tags): (Vec<_>, Vec<_>) = names.iter().partition(|n| n.starts_with("data/"));
        let info = self.text("bag-info.txt");
        let sizes = payload.iter().map(|n| self.read(n).len());
        let oxum = format!("Payload-Oxum: {}.{}\n", sizes.sum::<usize>(), payload.len());
        let head: String = info.lines().take(2).map(|l| format!("{l}\n")).collect();
        self.write("bag-info.txt", head + &oxum);
        let list = |names: &[&String]| -> String {
            names.iter().map(|n| format!("{}  {n}\n", Digest::of(&self.read(n)))).collect()
        };
        self.write("manifest-sha256.txt", list(&payload));
        let tags: Vec<_> = tags.into_iter().filter(|n| *n != "tagmanifest-sha256.txt").collect();
        self.write("tagmanifest-sha256.txt", list(&tags));
    }

    pub(crate) fn verify(&self, more: &[&str]) -> Did {
        Did::new(command(["verify"]).arg(&self.dir).args(more).output().unwrap())
    }

    /// The bundle is refused with exit code 4, and one line names this place and this kind.
    pub(crate) fn refused(&self, more: &[&str], place: &str, kind: &str) -> Did {
        let did = self.verify(more);
        let line = format!("FAULT {place}: {kind}: ");
        assert!(
            did.code == 4 && did.out.lines().any(|l| l.starts_with(&line)),
            "wanted {line:?}, exit code {}:\n{}{}",
            did.code,
            did.out,
            did.err
        );
        assert!(did.out.contains("NOT OK") && did.err.contains("AZ-E0006"), "{}", did.err);
        assert!(!did.out.contains("whole and of one hand"), "a faulty bundle is called whole");
        did
    }
}

/// Name of an event's file, its signature's and its meta data's.
pub(crate) fn event(index: u64) -> [String; 3] {
    ["json", "json.sig", "meta.json"].map(|end| format!("events/{index:06}.{end}"))
}
