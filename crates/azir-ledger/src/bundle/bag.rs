//! The bag: manifests in one exact form, compared with the files in one pass.

use std::io::{self, BufRead, BufReader, Read};

use sha2::{Digest as _, Sha256};

use super::files::BundleFiles;
use super::layout::{self, DATA, MANIFEST, TAG_MANIFEST};
use super::report::{FindingKind, Report};
use crate::Digest;

/// Longest line of a manifest: a digest, two blanks, a path, a newline.
const LINE_MAX: usize = 64 + 2 + 512 + 1;

/// Line of a manifest: `<64 hex digits>  <path>` and a newline, as `sha256sum` writes it.
pub(super) fn manifest_line(path: &str, digest: &Digest) -> String {
    format!("{digest}  {path}\n")
}

/// Hashes what passes through.
pub(super) struct HashRead<'a> {
    from: &'a mut dyn Read,
    hash: Sha256,
    /// Further hashes of the same bytes behind a tag.
    tagged: Vec<Sha256>,
    length: u64,
}

impl<'a> HashRead<'a> {
    pub(super) fn new(from: &'a mut dyn Read, tags: &[&str]) -> Self {
        let tagged = tags.iter().map(|tag| Sha256::new_with_prefix(tag.as_bytes())).collect();
        Self { from, hash: Sha256::new(), tagged, length: 0 }
    }

    /// The plain digest, the tagged ones and the number of bytes that passed.
    pub(super) fn finish(self) -> Hashed {
        let tagged = self.tagged.into_iter().map(|h| Digest(h.finalize().into())).collect();
        Hashed { digest: Digest(self.hash.finalize().into()), tagged, length: self.length }
    }
}

impl Read for HashRead<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buf)?;
        let read = buf.get(..n).unwrap_or_default();
        self.hash.update(read);
        self.tagged.iter_mut().for_each(|h| h.update(read));
        self.length += n as u64;
        Ok(n)
    }
}

/// Digests of one file.
pub(super) struct Hashed {
    pub(super) digest: Digest,
    pub(super) tagged: Vec<Digest>,
    pub(super) length: u64,
}

/// One manifest, read line by line.
struct Manifest<'a> {
    name: &'static str,
    lines: Option<BufReader<Box<dyn Read + 'a>>>,
    line: u64,
    last: String,
    head: Option<(String, Digest)>,
}

impl<'a> Manifest<'a> {
    fn open(files: &'a dyn BundleFiles, name: &'static str, report: &mut Report) -> Self {
        let lines = match files.open(name) {
            Ok(file) => Some(BufReader::new(file)),
            Err(e) => {
                let missing = e.kind() == io::ErrorKind::NotFound;
                let kind =
                    if missing { FindingKind::FileMissing } else { FindingKind::FileUnreadable };
                report.add(name, kind, e);
                None
            }
        };
        let mut this = Self { name, lines, line: 0, last: String::new(), head: None };
        this.advance(report);
        this
    }

    fn owns(&self, path: &str) -> bool {
        (self.name == MANIFEST) == path.starts_with(DATA)
    }

    /// Moves to the next line that is in order.
    fn advance(&mut self, report: &mut Report) {
        self.head = None;
        while let Some(lines) = &mut self.lines {
            let mut line = Vec::new();
            let read = lines.take(LINE_MAX as u64).read_until(b'\n', &mut line);
            self.line += 1;
            let place = format!("{}:{}", self.name, self.line);
            match read {
                Ok(0) => self.lines = None,
                Err(e) => {
                    report.add(place, FindingKind::FileUnreadable, e);
                    self.lines = None;
                }
                Ok(_) => match parse_line(&line) {
                    Some((path, digest)) if path > self.last && self.owns(&path) => {
                        self.last.clone_from(&path);
                        self.head = Some((path, digest));
                        return;
                    }
                    Some((path, _)) => report.add(
                        place,
                        FindingKind::BagMalformed,
                        format!("{path:?} is out of order, repeated, or of the other manifest"),
                    ),
                    None => report.add(
                        place,
                        FindingKind::BagMalformed,
                        "expected 64 hex digits, two blanks, a path and a newline",
                    ),
                },
            }
        }
    }

    /// Reports every listed file before `path` as missing and gives the digest listed for it.
    fn expect(&mut self, path: Option<&str>, report: &mut Report) -> Option<Digest> {
        while let Some((listed, digest)) = self.head.take() {
            match path {
                Some(path) if *listed == *path => {
                    self.advance(report);
                    return Some(digest);
                }
                Some(path) if *listed > *path => {
                    self.head = Some((listed, digest));
                    return None;
                }
                Some(_) | None => {
                    let what = format!("listed in {}:{}", self.name, self.line);
                    report.add(listed, FindingKind::FileMissing, what);
                    self.advance(report);
                }
            }
        }
        None
    }
}

fn parse_line(line: &[u8]) -> Option<(String, Digest)> {
    let text = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (digest, path) = text.split_once("  ")?;
    layout::is_plain(path).then_some((path.to_owned(), digest.parse().ok()?))
}

/// Compares all files with the manifests. Calls `seen` for each file that could be read.
pub(super) fn check(
    files: &dyn BundleFiles,
    tags: &[&str],
    report: &mut Report,
    seen: &mut dyn FnMut(&mut Report, &str, &Hashed),
) {
    let names = match files.names() {
        Ok(names) => names,
        Err(e) => return report.add(".", FindingKind::FileUnreadable, e),
    };
    let mut payload = Manifest::open(files, MANIFEST, report);
    let mut other = Manifest::open(files, TAG_MANIFEST, report);
    for name in names {
        let name = match name {
            Ok(name) => name,
            Err(e) => {
                report.add(".", FindingKind::FileUnreadable, e);
                continue;
            }
        };
        let manifest = if payload.owns(&name) { &mut payload } else { &mut other };
        let listed = if name == TAG_MANIFEST { None } else { manifest.expect(Some(&name), report) };
        let hashed = match digest(files, &name, tags) {
            Ok(hashed) => hashed,
            Err(e) => {
                report.add(name, FindingKind::FileUnreadable, e);
                continue;
            }
        };
        report.counts.files += 1;
        report.counts.bytes += hashed.length;
        match listed {
            _ if name == TAG_MANIFEST => {}
            Some(listed) if listed == hashed.digest => {}
            Some(listed) => {
                let what = format!("expected sha256 {listed}, found {}", hashed.digest);
                report.add(name.as_str(), FindingKind::FileChanged, what);
            }
            None => report.add(name.as_str(), FindingKind::FileExtra, "in no manifest"),
        }
        seen(report, &name, &hashed);
    }
    payload.expect(None, report);
    other.expect(None, report);
}

fn digest(files: &dyn BundleFiles, name: &str, tags: &[&str]) -> io::Result<Hashed> {
    let mut file = files.open(name)?;
    let tags = if name.starts_with("evidence/") { tags } else { &[] };
    let mut reader = HashRead::new(&mut file, tags);
    io::copy(&mut reader, &mut io::sink())?;
    Ok(reader.finish())
}
