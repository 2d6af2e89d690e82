//! `azir evidence`: content goes into the vault while it is hashed and is pinned in the log; what
//! is held is listed and given back.

mod enter;
mod keep;
mod list;
mod media;
mod resume;
mod scan;
mod source;
mod upload;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use azir_ledger::Digest;
use azir_model::evidence::{Descriptor, Item};
use azir_model::scope::{Scope, ScopeKind};
use azir_model::{Refusal, RefusalKind};
use azir_store::durable::DiskError;
use azir_store::vault::{Vault, VaultError};
use serde_json::{Value, json};

use self::enter::{Entered, how};
use self::resume::Resume;
use self::source::NAMES_MAX;
use self::upload::{Piece, Upload};
use super::act::Author;
use super::{Talk, input_text, say};
use crate::error::CliError;
use crate::host::{Host, bare_seed, patient};

/// What to do with evidence.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum What {
    /// Put files, directories or a stream into the vault, and pin them in the log
    ///
    /// All content is read and searched for private keys before anything is stored, also inside
    /// gzip, tar and zip. Links below a directory are not followed. An upload that was cut off goes
    /// on when the same command is run again.
    Add(Add),
    /// Store content that an act will name by its hash: a report, a proof, a draft; pins nothing
    Keep {
        /// Files and directories; `-` is standard input
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// List the items of an incident's checklist with their state, and every piece that is held
    List {
        /// Id of the incident, or its beginning
        incident: String,
    },
    /// Write a piece of the vault to a new file; its bytes are hashed again on the way
    Get {
        /// Its SHA-256, as `list` shows it
        hash: String,
        /// File to write, which must not exist yet
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// `azir evidence add`.
#[derive(clap::Args, Debug)]
pub(crate) struct Add {
    /// Incident that it is about, or the beginning of its id
    #[arg(long, value_name = "ID")]
    incident: String,
    /// Checklist item, for example logs
    #[arg(long)]
    item: Item,
    /// Scope that the content was taken from, for example node:n1
    #[arg(long)]
    scope: String,
    /// The content was gathered and stored, not only held in a hurry
    #[arg(long)]
    collected: bool,
    /// Files and directories; `-` is standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    author: Author,
}

/// What is to be held.
struct Held {
    incident: Digest,
    item: Item,
    scope: String,
    collected: bool,
}

/// `azir evidence`.
pub(crate) fn run(talk: Talk, data: &Path, what: What) -> Result<(), CliError> {
    match what {
        What::Add(asked) => {
            let incident = super::incident::id_of(data, &asked.incident)?;
            let Add { item, scope, collected, files, author, .. } = asked;
            add(talk, data, &Held { incident, item, scope, collected }, &files, &author)
        }
        What::Keep { files } => keep::keep(talk, data, &files),
        What::List { incident } => list::list(talk, data, &incident),
        What::Get { hash, out } => list::get(talk, data, &hash, &out),
    }
}

/// Stores what is named and pins or collects it for one checklist item. The log is held only at the
/// beginning and at the end: a long upload keeps nobody from acting.
fn add(
    talk: Talk,
    data: &Path,
    what: &Held,
    words: &[PathBuf],
    author: &Author,
) -> Result<(), CliError> {
    {
        let mut host = Host::open(data)?;
        enter::may(&mut host, what, author)?;
        resolves(&host, &what.scope)?;
    }
    let found = source::find(data, words)?;
    let mut upload = uploading(talk, data, &identity(what, author))?;
    let manifest = found.directory || found.sources.len() > 1;
    let mut pieces = upload.read(found.sources)?;
    upload.store(&pieces)?;
    if manifest {
        pieces.push(upload.manifest(&pieces)?);
    }
    let entered = enter::enter(data, what, author, descriptors(what, author, &pieces))?;
    upload.resume.remove()?;
    let told = Told { what, author, pieces, links: found.links, notes: upload.notes, entered };
    told.tell(talk)
}

/// An upload into the vault of a deployment that was opened before.
fn uploading(talk: Talk, data: &Path, identity: &Digest) -> Result<Upload, CliError> {
    let dir = data.join("vault");
    let vault = patient(
        || Vault::beside(&dir),
        |e| matches!(e, VaultError::Disk(DiskError::Locked { .. })),
    );
    let resume = Resume::open(data, identity)?;
    // Without a readable seed the deployment did not open before.
    let seed = bare_seed(&input_text(&data.join("keys/server.seed"))?).to_owned();
    let vault = vault.map_err(|e| CliError::write(&dir, e))?;
    Ok(Upload { talk, vault, seed, resume, notes: Vec::new() })
}

/// A node of ours must be one that the policy names, and hold the role; other subjects are known to
/// the network only. Refused before a byte is read (annex D.1), also where the event is signed
/// elsewhere and its rules are asked later.
fn resolves(host: &Host, scope: &str) -> Result<(), CliError> {
    let parsed: Scope = scope.parse().map_err(|e| CliError::Refused(Refusal::from(e)))?;
    let Some(policy) = host.engine().state().policy.as_ref() else { return Ok(()) };
    if parsed.kind() != ScopeKind::Node {
        return Ok(());
    }
    let node = policy.nodes.iter().find(|n| n.node == parsed.id());
    let fits = node.is_some_and(|n| parsed.role().is_none_or(|role| n.roles.contains(&role)));
    if fits {
        return Ok(());
    }
    let (known, what) = match node {
        None => (policy.nodes.iter().map(|n| n.node.clone()).collect::<Vec<_>>(), "own node"),
        Some(n) => (n.roles.iter().map(ToString::to_string).collect(), "role of this node"),
    };
    Err(CliError::Refused(Refusal::one(
        RefusalKind::ScopeInvalid,
        format!("{scope}: no such {what}"),
        "12.4, D-024, annex D.1",
        format!("name one of: {}", known.join(" ")),
    )))
}

/// Names an upload, so that the same command finds what an earlier run of it finished.
fn identity(what: &Held, author: &Author) -> Digest {
    let kind = if what.collected { "collected" } else { "pinned" };
    let item = what.item.as_str();
    let incident = what.incident.to_string();
    Digest::of([&incident, item, &what.scope, kind, &author.actor].join("\n").as_bytes())
}

/// One descriptor for each content: files with equal bytes are one piece.
fn descriptors(what: &Held, author: &Author, pieces: &[Piece]) -> Vec<Descriptor> {
    let mut seen = std::collections::BTreeSet::new();
    let unique = pieces.iter().filter(|piece| seen.insert(piece.hash));
    unique
        .map(|piece| Descriptor {
            item: what.item,
            hash: piece.hash,
            size: piece.size,
            media: piece.media.clone(),
            source: what.scope.clone(),
            obtained_at: piece.obtained_at,
            collector: author.actor.clone(),
        })
        .collect()
}

/// Tells a person something on standard error, which may be closed.
fn tell(text: &str) {
    let _untellable = writeln!(std::io::stderr().lock(), "{text}");
}

/// What an addition did.
struct Told<'a> {
    what: &'a Held,
    author: &'a Author,
    pieces: Vec<Piece>,
    links: Vec<String>,
    notes: Vec<String>,
    entered: Entered,
}

impl Told<'_> {
    fn tell(&self, talk: Talk) -> Result<(), CliError> {
        if talk.json {
            return say(&format!("{}\n", self.json()));
        }
        let skipped: Vec<&str> =
            self.pieces.iter().filter(|p| p.skipped).map(|p| p.name.as_str()).collect();
        listed("not followed, a link", &self.links);
        listed("skipped, stored by an earlier run and unchanged", &skipped);
        listed("not looked at", &self.notes);
        say(&self.words())
    }

    fn words(&self) -> String {
        let bytes: u64 = self.pieces.iter().map(|p| p.size).sum();
        let item = self.what.item;
        let mut out = format!("{} pieces of {item}, {bytes} bytes\n", self.pieces.len());
        let kind = if self.what.collected { "evidence.collected" } else { "evidence.pinned" };
        for (index, hash, count) in &self.entered.events {
            let _infallible = writeln!(out, "entry {index}: {kind}, event {hash}, {count} pieces");
        }
        for order in &self.entered.orders {
            let _infallible = writeln!(out, "order: {order}");
        }
        for file in &self.entered.files {
            let (sign, submit) = how(file, &self.author.actor);
            let _infallible = writeln!(out, "sign:   {sign}\nsubmit: {submit}");
        }
        if self.entered.before > 0 {
            let _infallible =
                writeln!(out, "{} pieces stood in the log already", self.entered.before);
        }
        out
    }

    fn json(&self) -> Value {
        let pieces = self.pieces.iter().map(|p| {
            json!({"name": p.name, "hash": p.hash, "size": p.size, "media": p.media,
                "skipped": p.skipped})
        });
        let events = self.entered.events.iter();
        let events =
            events.map(|(index, hash, n)| json!({"index": index, "event": hash, "pieces": n}));
        let files = self.entered.files.iter().map(|file| {
            let (sign, submit) = how(file, &self.author.actor);
            json!({"event_file": file.display().to_string(), "sign": sign, "submit": submit})
        });
        json!({"incident": self.what.incident, "item": self.what.item,
            "pieces": pieces.collect::<Vec<_>>(), "events": events.collect::<Vec<_>>(),
            "event_files": files.collect::<Vec<_>>(), "orders": self.entered.orders,
            "in_log_before": self.entered.before, "links_not_followed": self.links,
            "not_looked_at": self.notes})
    }
}

/// Says the same of several names, of the first few by name.
fn listed<S: AsRef<str>>(what: &str, names: &[S]) {
    for name in names.iter().take(NAMES_MAX) {
        tell(&format!("{what}: {}", name.as_ref()));
    }
    if let more @ 1.. = names.len().saturating_sub(NAMES_MAX) {
        tell(&format!("{what}: {more} more; --json lists all"));
    }
}
