//! Private keys never become evidence, wherever in a file they stand (D-025, annex N.3): content is
//! read whole, in windows that overlap, and what is an archive is opened and read too. What cannot
//! be read within the limits below is not clean: it is refused. Archives that are damaged are read
//! as far as they go, and that is said.
//!
//! Only known formats of keys, and only gzip, tar and zip (stored or deflated) are recognised.
//! Implements R-10.1-11.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, Read, Seek as _, Write as _};

use azir_ledger::Digest;
use azir_ledger::digest::Hasher;
use azir_model::RefusalKind;
use azir_model::evidence::{KEY_SCAN_BYTES_MAX, private_key_format};
use azir_model::refusal::Unmet;
use azir_store::vault::Vault;
use indicatif::ProgressBar;
use zip::read::Config;
use zip::result::ZipError;
use zip::unstable::read::ZipIterable;
use zip::{CompressionMethod, ZipReadOptions};

use super::media::{Archive, HEAD_BYTES, unopened};

/// Archives inside each other that are opened; a tar inside a gzip counts as one (D-025).
const DEPTH_MAX: u32 = 3;
/// Most bytes that are read inside one file's archives (D-025, bounded input).
const EXPANDED_BYTES_MAX: u64 = 64 << 30;
/// From this many bytes on, what is read inside may be at most [`RATIO_MAX`] times the file.
const RATIO_FREE_BYTES: u64 = 16 << 20;
/// Logs pack to a hundredth of their size; what grows much more is made to fill memory or time.
const RATIO_MAX: u64 = 400;
/// Most members of one file's archives.
const MEMBERS_MAX: u64 = 1_000_000;
/// Most bytes of names and headers of one member of a tar; they are held in memory.
const HEADER_BYTES_MAX: u64 = 1 << 20;
/// How much of a window is seen again at the beginning of the next, in bytes: more than the texts
/// of one key format lie apart.
const OVERLAP_BYTES: usize = 64 * 1024;
const CHUNK: usize = 64 * 1024;

/// What a search found out about a file on the way.
#[derive(Debug)]
pub(super) struct Clean {
    pub(super) hash: Digest,
    pub(super) size: u64,
    /// The first bytes.
    pub(super) head: Vec<u8>,
    /// What could not be looked at, for people.
    pub(super) notes: Vec<String>,
}

/// Reads a file from its beginning to its end. `Ok(Err)` says why it is no evidence.
///
/// # Errors
/// Reading the file, or the scratch file of the vault, failed.
pub(super) fn search(
    vault: &Vault,
    seed: &str,
    name: &str,
    file: &File,
    bar: &ProgressBar,
) -> io::Result<Result<Clean, Unmet>> {
    let scan = Scan {
        vault,
        seed,
        size: file.metadata()?.len(),
        place: RefCell::new(vec![name.to_owned()]),
        expanded: Cell::new(0),
        members: Cell::new(0),
        stop: RefCell::new(None),
        broken: Cell::new(false),
        notes: RefCell::new(Vec::new()),
    };
    let mut handle = file;
    handle.rewind()?;
    let mut base = Base { file, scan: &scan, bar, hasher: Hasher::default(), size: 0 };
    let read = scan.content(&mut base, Layer::default(), Some(file));
    let (hasher, size) = (base.hasher, base.size);
    if let Some(stop) = scan.stop.take() {
        return Ok(Err(stop));
    }
    let (head, notes) = (read?, scan.notes.take());
    Ok(Ok(Clean { hash: hasher.finish(), size, head, notes }))
}

/// Where in a nest of archives content lies.
#[derive(Clone, Copy, Debug, Default)]
struct Layer {
    depth: u32,
    in_gzip: bool,
}

struct Scan<'a> {
    vault: &'a Vault,
    seed: &'a str,
    size: u64,
    place: RefCell<Vec<String>>,
    expanded: Cell<u64>,
    members: Cell<u64>,
    /// Why the whole search ends.
    stop: RefCell<Option<Unmet>>,
    /// The file or the scratch file failed, not an archive.
    broken: Cell<bool>,
    notes: RefCell<Vec<String>>,
}

impl Scan<'_> {
    fn place(&self) -> String {
        self.place.borrow().join(" > ")
    }

    fn stop(&self, kind: RefusalKind, what: String, remedy: &str) -> io::Error {
        let mut stop = self.stop.borrow_mut();
        stop.get_or_insert_with(|| Unmet::new(kind, what, "10, 21.2, D-025", remedy));
        io::Error::other("the search ended")
    }

    fn key(&self, format: &str) -> io::Error {
        self.stop(
            RefusalKind::ForbiddenPower,
            format!("{} holds a {format}", self.place()),
            "store a proof of exposure instead, for example a challenge signed with the key",
        )
    }

    fn unread(&self, why: &str) -> io::Error {
        self.stop(
            RefusalKind::EvidenceUnverified,
            format!("{}: {why}, so nobody can tell that it holds no private key", self.place()),
            "unpack it and add the directory, or add only the part that matters",
        )
    }

    /// Counts what is read inside archives.
    fn spend(&self, bytes: u64) -> io::Result<()> {
        let spent = self.expanded.get().saturating_add(bytes);
        self.expanded.set(spent);
        if spent > EXPANDED_BYTES_MAX {
            return Err(self.unread(&format!("it unpacks to over {EXPANDED_BYTES_MAX} bytes")));
        }
        if spent > RATIO_FREE_BYTES && spent > self.size.saturating_mul(RATIO_MAX) {
            return Err(self.unread(&format!("it unpacks to over {RATIO_MAX} times its size")));
        }
        Ok(())
    }

    fn member(&self) -> io::Result<()> {
        self.members.set(self.members.get() + 1);
        if self.members.get() > MEMBERS_MAX {
            return Err(self.unread(&format!("it has over {MEMBERS_MAX} members")));
        }
        Ok(())
    }

    /// An archive that cannot be read on: noted, unless the whole search ends.
    fn damaged(&self, archive: Archive, error: io::Error) -> io::Result<()> {
        if self.stop.borrow().is_some() || self.broken.get() {
            return Err(error);
        }
        self.note(format!("damaged {}, read as far as it goes: {error}", archive.name()));
        Ok(())
    }

    fn note(&self, what: String) {
        self.notes.borrow_mut().push(format!("{}: {what}", self.place()));
    }

    /// Reads content to its end and opens it where it is an archive; gives its first bytes. A key
    /// that shows in an archive as it stands is told last: its member is the better place.
    fn content(
        &self,
        from: &mut dyn Read,
        layer: Layer,
        file: Option<&File>,
    ) -> io::Result<Vec<u8>> {
        let inside = layer.depth > 0;
        let mut watch = Watch { scan: self, from, inside, window: Vec::new(), hit: None };
        let read = self.opened(&mut watch, layer, file);
        match watch.hit {
            Some(format) => Err(self.key(format)),
            None => read,
        }
    }

    fn opened(
        &self,
        watch: &mut Watch<'_>,
        layer: Layer,
        file: Option<&File>,
    ) -> io::Result<Vec<u8>> {
        let mut head = Vec::with_capacity(HEAD_BYTES);
        watch.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head)?;
        if let Some(format) = unopened(&head) {
            self.note(format!("{format} is not opened; private keys inside would not be seen"));
        }
        let Some(kind) = Archive::of(&head) else {
            let mut chunk = vec![0; CHUNK];
            while watch.hit.is_none() && watch.read(&mut chunk)? > 0 {}
            return Ok(head);
        };
        let inner = self.enter(layer, kind)?;
        match kind {
            Archive::Gzip => self.gzip(&mut head.as_slice().chain(&mut *watch), inner)?,
            Archive::Tar => self.tar(&mut head.as_slice().chain(&mut *watch), inner)?,
            Archive::Zip => {
                // The reading position of a file is the zip's own from there on.
                match file {
                    Some(file) => drain(watch).and_then(|()| self.zip(file, inner))?,
                    None => self.zip(&self.spool(&head, watch)?, inner)?,
                }
                return Ok(head);
            }
        }
        drain(watch)?;
        Ok(head)
    }

    fn enter(&self, layer: Layer, kind: Archive) -> io::Result<Layer> {
        let one_with_gzip = kind == Archive::Tar && layer.in_gzip;
        let depth = layer.depth + u32::from(!one_with_gzip);
        if depth > DEPTH_MAX {
            return Err(self.unread(&format!("over {DEPTH_MAX} archives inside each other")));
        }
        Ok(Layer { depth, in_gzip: kind == Archive::Gzip })
    }

    /// [`Self::content`] of a member.
    fn inside(&self, name: &[u8], from: &mut dyn Read, layer: Layer) -> io::Result<()> {
        self.place.borrow_mut().push(super::source::escaped(name));
        let read = self.content(from, layer, None);
        self.place.borrow_mut().pop();
        read.map(|_| ())
    }

    fn gzip(&self, from: &mut dyn Read, layer: Layer) -> io::Result<()> {
        let mut decoder = flate2::read::MultiGzDecoder::new(from);
        match self.content(&mut decoder, layer, None) {
            Ok(_) => Ok(()),
            Err(e) => self.damaged(Archive::Gzip, e),
        }
    }

    fn tar(&self, from: &mut dyn Read, layer: Layer) -> io::Result<()> {
        let (left, member) = (Cell::new(HEADER_BYTES_MAX), Cell::new(false));
        let mut archive =
            tar::Archive::new(Headers { scan: self, from, left: &left, member: &member });
        let entries = match archive.entries() {
            Ok(entries) => entries,
            Err(e) => return self.damaged(Archive::Tar, e),
        };
        for entry in entries {
            let mut entry = match entry {
                Ok(entry) => entry,
                Err(e) => return self.damaged(Archive::Tar, e),
            };
            self.member()?;
            let name = entry.path_bytes().into_owned();
            member.set(true);
            let read = self.inside(&name, &mut entry, layer);
            member.set(false);
            left.set(HEADER_BYTES_MAX);
            if let Err(e) = read {
                return self.damaged(Archive::Tar, e);
            }
        }
        Ok(())
    }

    /// Members are walked one by one: an index by name would hide one of two with the same name.
    fn zip(&self, file: &File, layer: Layer) -> io::Result<()> {
        let mut archive = match ZipIterable::try_new(file, Config::default()) {
            Ok(archive) => archive,
            Err(e) => return self.unzipped(e),
        };
        let members = match archive.files() {
            Ok(members) => members,
            Err(e) => return self.unzipped(e),
        };
        while let Some(member) = members.next() {
            self.member()?;
            let member = match member {
                Ok(member) => member,
                Err(e) => return self.unzipped(e),
            };
            let name = member.name_raw().to_vec();
            let known = [CompressionMethod::Stored, CompressionMethod::Deflated];
            if member.encrypted() || !known.contains(&member.compression()) {
                self.place.borrow_mut().push(super::source::escaped(&name));
                return Err(self.unread("it is encrypted, or packed in a way that is not opened"));
            }
            match member.with_reader(members.reader_mut(), ZipReadOptions::new()) {
                Ok(mut open) => match self.inside(&name, &mut open, layer) {
                    Ok(()) => {}
                    Err(e) => self.damaged(Archive::Zip, e)?,
                },
                Err(e) => self.unzipped(e)?,
            }
        }
        Ok(())
    }

    /// A zip, or a member of one, that does not open: refused where others could open it.
    fn unzipped(&self, error: ZipError) -> io::Result<()> {
        match error {
            ZipError::UnsupportedArchive(_)
            | ZipError::InvalidPassword
            | ZipError::CompressionMethodNotSupported(_) => {
                Err(self.unread(&format!("it is a zip that is not opened here ({error})")))
            }
            other => self.damaged(Archive::Zip, io::Error::other(other)),
        }
    }

    /// A zip is read from its end, so one inside an archive is written out first.
    fn spool(&self, head: &[u8], from: &mut Watch<'_>) -> io::Result<File> {
        let broken = |e| {
            self.broken.set(true);
            e
        };
        let mut spool = self.vault.scratch().map_err(|e| broken(io::Error::other(e)))?;
        spool.write_all(head).map_err(broken)?;
        let mut chunk = vec![0; CHUNK];
        loop {
            let n = from.read(&mut chunk)?;
            if n == 0 {
                return Ok(spool);
            }
            spool.write_all(&chunk[..n]).map_err(broken)?;
        }
    }
}

fn drain(from: &mut Watch<'_>) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    while from.read(&mut chunk)? > 0 {}
    Ok(())
}

/// The file itself: hashed and counted while it is read.
struct Base<'a> {
    file: &'a File,
    scan: &'a Scan<'a>,
    bar: &'a ProgressBar,
    hasher: Hasher,
    size: u64,
}

impl Read for Base<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // A file that grows is read one byte further, and its size tells the caller.
        let room = usize::try_from(self.scan.size.saturating_add(1) - self.size);
        let most = into.len().min(room.unwrap_or(usize::MAX));
        let into = &mut into[..most];
        let n = self.file.read(into).inspect_err(|e| {
            self.scan.broken.set(e.kind() != io::ErrorKind::Interrupted);
        })?;
        self.hasher.update(&into[..n]);
        self.size += n as u64;
        self.bar.inc(n as u64);
        Ok(n)
    }
}

/// Content that is searched while somebody reads it.
struct Watch<'a> {
    scan: &'a Scan<'a>,
    from: &'a mut dyn Read,
    inside: bool,
    window: Vec<u8>,
    /// The format of a key that was seen.
    hit: Option<&'static str>,
}

impl Watch<'_> {
    /// Searches the window and keeps its end.
    fn check(&mut self) {
        let seed = self.scan.seed.as_bytes();
        let own = !seed.is_empty() && self.window.windows(seed.len()).any(|w| w == seed);
        let own = own.then_some("private key: the seed of this deployment's server");
        self.hit = self.hit.or_else(|| private_key_format(&self.window)).or(own);
        self.window.drain(..self.window.len().saturating_sub(OVERLAP_BYTES));
    }
}

impl Read for Watch<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = match self.from.read(into) {
            Ok(n) => n,
            Err(e) => {
                if e.kind() != io::ErrorKind::Interrupted {
                    self.check();
                }
                return Err(e);
            }
        };
        if n == 0 && !into.is_empty() {
            self.check();
        }
        if self.inside {
            self.scan.spend(n as u64)?;
        }
        let mut bytes = &into[..n];
        while !bytes.is_empty() {
            let room = KEY_SCAN_BYTES_MAX - self.window.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.window.extend_from_slice(now);
            bytes = later;
            if self.window.len() == KEY_SCAN_BYTES_MAX {
                self.check();
            }
        }
        Ok(n)
    }
}

/// The bytes of a tar; those between members, which the reader holds in memory, are bounded.
struct Headers<'a> {
    scan: &'a Scan<'a>,
    from: &'a mut dyn Read,
    left: &'a Cell<u64>,
    member: &'a Cell<bool>,
}

impl Read for Headers<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(into)?;
        if !self.member.get() {
            let left = self.left.get().checked_sub(n as u64).ok_or_else(|| {
                self.scan.unread(&format!("a member's headers pass {HEADER_BYTES_MAX} bytes"))
            })?;
            self.left.set(left);
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests;
