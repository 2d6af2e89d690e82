//! Sources become pieces of the vault: first everything is read and searched for private keys, then
//! everything is stored. So a refusal leaves nothing behind, and what is stored is what was looked
//! at.

use std::fs::File;
use std::io::{self, Seek as _};
use std::path::{Path, PathBuf};

use azir_ledger::digest::Hasher;
use azir_ledger::{Digest, Timestamp, canon};
use azir_model::Refusal;
use azir_model::refusal::Unmet;
use azir_store::vault::{Vault, VaultError};
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

use super::media;
use super::resume::{Finished, Resume};
use super::scan;
use super::source::{self, Again, Origin, Seen, Source, Stamp};
use crate::cmd::{Talk, regular};
use crate::error::CliError;
use crate::host::now;

/// Media type of [`Manifest`].
pub(super) const MANIFEST_MEDIA: &str = "application/vnd.azir.manifest+json";
const MANIFEST_SCHEMA: &str = "azir.manifest/1";
/// Largest manifest that is read, in bytes.
pub(super) const MANIFEST_BYTES_MAX: u64 = 64 << 20;

/// The names of pieces, which descriptors do not hold: one more piece, canonical.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    schema: String,
    /// In the order in which the files were found.
    pub(super) files: Vec<Named>,
}

/// A piece and its name.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    pub(super) path: String,
    pub(super) hash: Digest,
    pub(super) size: u64,
}

/// A source that was read once, or was stored by an earlier run.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) name: String,
    pub(super) hash: Digest,
    pub(super) size: u64,
    pub(super) media: String,
    pub(super) obtained_at: Timestamp,
    /// An earlier run stored it.
    pub(super) skipped: bool,
    held: Held,
}

/// Where the content of a piece lies until it is stored.
#[derive(Debug)]
enum Held {
    Vault,
    File(PathBuf, Stamp),
    Scratch(File, Stamp),
}

/// The vault and what an upload needs beside it.
pub(super) struct Upload {
    pub(super) talk: Talk,
    pub(super) vault: Vault,
    /// The server's own seed, which is no evidence either.
    pub(super) seed: String,
    pub(super) resume: Resume,
    /// What could not be looked at, for people.
    pub(super) notes: Vec<String>,
}

impl Upload {
    /// Reads every source once: its hash, what it is, and whether it may be stored. Standard input
    /// goes to a scratch file meanwhile.
    ///
    /// # Errors
    /// A file that cannot be read or changed, or the refusal of everything that is no evidence.
    pub(super) fn read(&mut self, sources: Vec<Source>) -> Result<Vec<Piece>, CliError> {
        let bar = bar(self.talk, sources.iter().map(|s| s.size).sum());
        let (mut pieces, mut unmet) = (Vec::new(), Vec::new());
        for source in sources {
            bar.set_message(format!("reading {}", source.name));
            match self.read_one(&source, &bar)? {
                Ok(piece) => pieces.push(piece),
                Err(stop) => unmet.push(stop),
            }
        }
        bar.finish_and_clear();
        Refusal::unless_met(unmet).map_err(CliError::Refused)?;
        Ok(pieces)
    }

    fn read_one(
        &mut self,
        source: &Source,
        bar: &ProgressBar,
    ) -> Result<Result<Piece, Unmet>, CliError> {
        let place = match &source.origin {
            Origin::File(path) => path.clone(),
            Origin::Stream => PathBuf::from("-"),
        };
        let failed = |e: io::Error| CliError::read(&place, e);
        let file = match &source.origin {
            Origin::File(path) => regular(path)?,
            Origin::Stream => self.spool(bar)?,
        };
        let stamp = Stamp::of(&file.metadata().map_err(failed)?);
        if let Some(piece) = self.finished(source, &stamp)? {
            bar.inc(piece.size);
            return Ok(Ok(piece));
        }
        let obtained_at = now();
        let name = source::shown(&place);
        let found = scan::search(&self.vault, &self.seed, &name, &file, bar).map_err(failed)?;
        let clean = match found {
            Ok(clean) => clean,
            Err(stop) => return Ok(Err(stop)),
        };
        let seen = Seen { stamp, hash: clean.hash, size: clean.size };
        if let Origin::File(path) = &source.origin
            && let Some(why) = seen.differs(path, &file).map_err(failed)?
        {
            return Ok(Err(source::changed(&name, why)));
        }
        self.notes.extend(clean.notes);
        let held = match &source.origin {
            Origin::File(path) => Held::File(path.clone(), stamp),
            Origin::Stream => Held::Scratch(file, stamp),
        };
        Ok(Ok(Piece {
            name: source.name.clone(),
            hash: clean.hash,
            size: clean.size,
            media: media::guess(&clean.head).to_owned(),
            obtained_at,
            skipped: false,
            held,
        }))
    }

    /// Standard input as a scratch file: what is searched cannot be read twice from a pipe.
    fn spool(&self, above: &ProgressBar) -> Result<File, CliError> {
        let failed = |e: io::Error| CliError::read(Path::new("standard input"), e);
        let mut file = self.vault.scratch().map_err(|e| self.unstored(e))?;
        let stdin = above.suspend(source::stdin);
        let bar = bar(self.talk, 0);
        bar.set_message("reading standard input");
        let copied = io::copy(&mut bar.wrap_read(stdin.lock()), &mut file);
        bar.finish_and_clear();
        if copied.map_err(failed)? == 0 {
            return Err(CliError::Usage(
                "standard input gave no byte; nothing was stored".to_owned(),
            ));
        }
        Ok(file)
    }

    /// The piece of a file that an earlier run stored, if the file is unchanged and the vault holds
    /// the piece undamaged.
    fn finished(&self, source: &Source, stamp: &Stamp) -> Result<Option<Piece>, CliError> {
        let Origin::File(path) = &source.origin else { return Ok(None) };
        let path = std::path::absolute(path).map_err(|e| CliError::read(path, e))?;
        let Some(done) = self.resume.finished(&path, stamp) else { return Ok(None) };
        match self.vault.check(&done.hash) {
            Ok(size) if size == stamp.size => Ok(Some(Piece {
                name: source.name.clone(),
                hash: done.hash,
                size,
                media: done.media.clone(),
                obtained_at: done.obtained_at,
                skipped: true,
                held: Held::Vault,
            })),
            Ok(_) | Err(VaultError::Missing { .. }) => Ok(None),
            Err(e) => Err(self.unstored(e)),
        }
    }

    /// Stores every piece that the vault does not hold yet, and notes those of files.
    ///
    /// # Errors
    /// The vault failed, or a file is no longer what was read.
    pub(super) fn store(&mut self, pieces: &[Piece]) -> Result<(), CliError> {
        let todo = pieces.iter().filter(|p| !p.skipped);
        let bar = bar(self.talk, todo.map(|p| p.size).sum());
        for piece in pieces {
            bar.set_message(format!("storing {}", piece.name));
            match &piece.held {
                Held::Vault => {}
                Held::File(path, stamp) => {
                    let file = regular(path)?;
                    self.store_one(piece, &file, Some(path), *stamp, &bar)?;
                    let path = std::path::absolute(path).map_err(|e| CliError::read(path, e))?;
                    self.resume.note(&Finished {
                        path,
                        stamp: *stamp,
                        hash: piece.hash,
                        media: piece.media.clone(),
                        obtained_at: piece.obtained_at,
                    })?;
                }
                Held::Scratch(file, stamp) => self.store_one(piece, file, None, *stamp, &bar)?,
            }
        }
        bar.finish_and_clear();
        Ok(())
    }

    fn store_one(
        &self,
        piece: &Piece,
        mut file: &File,
        path: Option<&Path>,
        stamp: Stamp,
        bar: &ProgressBar,
    ) -> Result<(), CliError> {
        let place = path.unwrap_or(Path::new("-"));
        let seen = Seen { stamp, hash: piece.hash, size: piece.size };
        let refused = |why| {
            let unmet = source::changed(&source::shown(place), why);
            Refusal::unless_met(vec![unmet]).map_err(CliError::Refused)
        };
        // The same bytes were stored before, for this incident or another: nothing to copy.
        match self.vault.check(&piece.hash) {
            Ok(_) => {
                bar.inc(piece.size);
                let differs = path.map(|p| seen.differs(p, file)).transpose();
                let differs = differs.map_err(|e| CliError::read(place, e))?;
                return differs.flatten().map_or(Ok(()), refused);
            }
            Err(VaultError::Missing { .. }) => {}
            Err(e) => return Err(self.unstored(e)),
        }
        file.rewind().map_err(|e| CliError::read(place, e))?;
        let hasher = Some(Hasher::default());
        let mut again = Again { file, bar, seen, path, hasher, changed: None };
        match self.vault.put(&mut again) {
            Ok(_) => Ok(()),
            Err(VaultError::Source(e)) => match again.changed {
                Some(why) => refused(why),
                None => Err(CliError::read(place, e)),
            },
            Err(e) => Err(self.unstored(e)),
        }
    }

    /// Stores the names of the pieces.
    pub(super) fn manifest(&self, pieces: &[Piece]) -> Result<Piece, CliError> {
        let files = pieces.iter().map(|piece| Named {
            path: piece.name.clone(),
            hash: piece.hash,
            size: piece.size,
        });
        let manifest = Manifest { schema: MANIFEST_SCHEMA.to_owned(), files: files.collect() };
        let bytes = canon::encode(&manifest).map_err(|e| CliError::Internal(e.to_string()))?;
        let stored = self.vault.put(&mut &bytes[..]).map_err(|e| self.unstored(e))?;
        // Of the time of its newest file: a repeated run makes the same piece of it.
        let newest = pieces.iter().map(|p| p.obtained_at).max();
        Ok(Piece {
            name: "manifest".to_owned(),
            hash: stored.digest,
            size: stored.size,
            media: MANIFEST_MEDIA.to_owned(),
            obtained_at: newest.unwrap_or_else(now),
            skipped: false,
            held: Held::Vault,
        })
    }

    fn unstored(&self, error: VaultError) -> CliError {
        match error {
            VaultError::Missing { .. } | VaultError::Damaged { .. } => {
                CliError::content(self.vault.dir(), error)
            }
            VaultError::Disk(_) | VaultError::Source(_) => CliError::write(self.vault.dir(), error),
        }
    }
}

/// Progress in bytes with rate and, where the size is known, the time that remains.
fn bar(talk: Talk, total: u64) -> ProgressBar {
    if talk.quiet || talk.json {
        return ProgressBar::hidden();
    }
    let (bar, shape) = if total > 0 {
        let shape = "  {msg:<40!} [{bar:20}] {bytes}/{total_bytes} {bytes_per_sec}, {eta} left";
        (ProgressBar::new(total), shape)
    } else {
        (ProgressBar::no_length(), "  {msg:<40!} {bytes} {bytes_per_sec}")
    };
    // Invariant: the templates are constants that parse.
    if let Ok(style) = ProgressStyle::with_template(shape) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}
