//! Closing and signing with everything on disk, beside one write and fdatasync (P1, P2).

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};

use azir_gate::ports::{BadRequest, FileAudit, Intent, IntentKind, Now, Protocol};
use azir_gate::{Config, FileDurable, Gate, IntegrityFacts, Keys, Ports, Provision, provision};
use azir_ledger::{Digest, MachineKey, Timestamp};
use azir_model::directive::{
    BlockPoint, ClosedBy, Lease, LeaseKind, LogPoint, Sealable, SignedLease,
};
use azir_model::policy::{Machine, Policy};
use azir_model::vocab::NodeRole;

use super::measure::{Row, Target, Unit, broken, millis, quantile, timed};
use crate::error::CliError;

const LOG: &str = "azir.bench/log";
const NODE: &str = "node-1";
/// Closes of a round: each needs a gate that is open.
const CLOSES: usize = 50;
/// Signatures of a round.
const SIGNS: usize = 200;

/// The bytes to sign are `BENCH:` and the request, which is a slot.
struct Slots;

impl Protocol for Slots {
    fn interpret(&self, request: &[u8]) -> Result<Intent, BadRequest> {
        let bad = || BadRequest("not a slot".to_owned());
        let text = std::str::from_utf8(request).map_err(|_| bad())?;
        let slot = text.parse().map_err(|_| bad())?;
        let message = format!("BENCH:{text}").into_bytes();
        Ok(Intent { kind: IntentKind::new("vote")?, slot, domain: None, message })
    }
}

/// Runs the benchmark.
pub(super) fn run(dir: &Path) -> Result<Vec<Row>, CliError> {
    let size = state_size(dir)?;
    let [mut close, mut sign, mut deny] = [const { Vec::new() }; 3];
    let [mut bare, mut signer] = [const { Vec::new() }; 2];
    for round in 0..super::measure::PAIRS {
        let own = dir.join(round.to_string());
        std::fs::create_dir_all(&own).map_err(|e| CliError::write(&own, e))?;
        let one = pairs_of_round(&own, size)?;
        close.push(one.close);
        sign.push(one.sign);
        deny.push(one.deny);
        bare.push(one.bare);
        signer.push(one.signer);
    }
    let at = |ours: &[Vec<f64>], theirs: &[Vec<f64>], q: f64| -> Vec<(f64, f64)> {
        let both = ours.iter().zip(theirs);
        both.map(|(o, t)| (quantile(o.clone(), q), quantile(t.clone(), q))).collect()
    };
    let ms = Unit::Millis;
    let one = "one write + fdatasync of the same size";
    let alone = "sign + write + fdatasync";
    let row = |what: &str, beside: &str, pairs: Vec<(f64, f64)>, target| {
        Row::new(what, beside, ms, &pairs, target)
    };
    Ok(vec![
        row(
            "gate close, latched and audited, p50",
            &format!("{one}, p50"),
            at(&close, &bare, 0.5),
            ("P1", Target::RatioAtMost(5.0)),
        ),
        row(
            "gate close, p99",
            &format!("{one}, p99"),
            at(&close, &bare, 0.99),
            ("P1", Target::OursAtMost(50.0)),
        ),
        row(
            "signature through the gate, p50",
            &format!("{alone}, p50"),
            at(&sign, &signer, 0.5),
            ("P2", Target::AddsAtMost(1.0)),
        ),
        row(
            "signature through the gate, p99",
            &format!("{alone}, p99"),
            at(&sign, &signer, 0.99),
            ("P2", Target::AddsAtMost(5.0)),
        ),
        row(
            "denial by a closed gate, p50",
            "signature through the gate, p50",
            at(&deny, &sign, 0.5),
            ("P2", Target::RatioAtMost(1.0)),
        ),
    ])
}

/// Milliseconds of every act of one round, taken in turn.
struct Round {
    close: Vec<f64>,
    sign: Vec<f64>,
    deny: Vec<f64>,
    bare: Vec<f64>,
    signer: Vec<f64>,
}

fn pairs_of_round(dir: &Path, size: usize) -> Result<Round, CliError> {
    let [mut close, mut bare] = [const { Vec::new() }; 2];
    let mut one = Bare::create(&dir.join("bare"))?;
    for index in 0..CLOSES {
        let mut gate = Bench::open(&dir.join(format!("close-{index}")))?;
        close.push(gate.close()?);
        bare.push(one.write(&vec![b'x'; size])?);
    }
    let [mut sign, mut signer, mut deny] = [const { Vec::new() }; 3];
    let mut gate = Bench::open(&dir.join("sign"))?;
    let key = keys().role;
    for slot in 1..=SIGNS {
        let request = slot.to_string();
        let grant = || gate.gate.sign(now(slot as u64), request.as_bytes()).map_err(broken);
        sign.push(millis(timed(grant)?.1));
        let alone = || {
            let sig = key.sign("", format!("BENCH:{request}").as_bytes());
            one.write(&[&sig.0[..], &vec![b'x'; size]].concat())
        };
        signer.push(millis(timed(alone)?.1));
    }
    gate.close()?;
    for slot in 1..=SIGNS {
        let request = (SIGNS + slot).to_string();
        let denial = || match gate.gate.sign(now(slot as u64), request.as_bytes()) {
            Ok(_) => Err(broken("a closed gate signed")),
            Err(denial) => Ok(denial),
        };
        deny.push(millis(timed(denial)?.1));
    }
    Ok(Round { close, sign, deny, bare, signer })
}

/// A file that is overwritten and synced: what a signer does that remembers one watermark.
struct Bare {
    path: PathBuf,
    file: File,
}

impl Bare {
    fn create(path: &Path) -> Result<Self, CliError> {
        let file = File::create(path).map_err(|e| CliError::write(path, e))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Milliseconds of one write and sync.
    fn write(&mut self, bytes: &[u8]) -> Result<f64, CliError> {
        let Self { path, file } = self;
        let act = || {
            let done = file.rewind().and_then(|()| file.write_all(bytes));
            done.and_then(|()| file.sync_data()).map_err(|e| CliError::write(path, e))
        };
        Ok(millis(timed(act)?.1))
    }
}

/// An open gate on disk.
struct Bench {
    gate: Gate<FileDurable>,
}

impl Bench {
    fn open(dir: &Path) -> Result<Self, CliError> {
        std::fs::create_dir_all(dir).map_err(|e| CliError::write(dir, e))?;
        let (config, keys) = (config(), keys());
        let mut durable = FileDurable::open(&dir.join("state")).map_err(broken)?;
        provision(&mut durable, &config, &keys, Provision::NewKey).map_err(broken)?;
        let audit = FileAudit::open(&dir.join("audit")).map_err(broken)?;
        let ports = Ports { protocol: Box::new(Slots), audit: Box::new(audit) };
        let lease = lease(&keys);
        let mut gate = Gate::boot(config, keys, ports, durable, now(0));
        gate.report_facts(now(0), IntegrityFacts::all_true(Some(tip())));
        let lease = SignedLease::seal(lease, &server()).map_err(broken)?;
        gate.install_lease(now(0), &lease, None, &[]).map_err(broken)?;
        Ok(Self { gate })
    }

    /// Milliseconds until the gate is closed, the latch on disk and the audit line written.
    fn close(&mut self) -> Result<f64, CliError> {
        let close = || Ok(self.gate.close(now(1), ClosedBy::Command, "measure m1: bench"));
        let (ack, took) = timed(close)?;
        if ack.latch_durable && ack.trouble.is_empty() {
            Ok(millis(took))
        } else {
            Err(broken(ack.trouble.join("; ")))
        }
    }
}

/// Bytes of a sign state with a latch.
fn state_size(dir: &Path) -> Result<usize, CliError> {
    let dir = dir.join("size");
    Bench::open(&dir)?.close()?;
    let path = dir.join("state");
    let bytes = std::fs::read(&path).map_err(|e| CliError::read(&path, e))?;
    Ok(bytes.len())
}

fn now(mono_ms: u64) -> Now {
    Now { mono_ms, utc: Timestamp::EPOCH }
}

fn tip() -> BlockPoint {
    BlockPoint { height: 50, block: Digest::of(b"block 50") }
}

fn server() -> MachineKey {
    MachineKey::from_seed([20; 32])
}

fn keys() -> Keys {
    Keys { role: MachineKey::from_seed([21; 32]), identity: MachineKey::from_seed([22; 32]) }
}

fn config() -> Config {
    let machine = |id: &str, key: &MachineKey| Machine { id: id.to_owned(), key: key.public() };
    let mut policy = Policy::with_people(Vec::new());
    policy.machines =
        vec![machine("gate:node-1/notary", &keys().identity), machine("server:main", &server())];
    policy.lease_signers = vec!["server:main".to_owned()];
    Config {
        log: LOG.to_owned(),
        mode: "live".to_owned(),
        node: NODE.to_owned(),
        role: NodeRole::Notary,
        policy,
        facts_max_age_ms: 1_000_000_000,
    }
}

fn lease(keys: &Keys) -> Lease {
    Lease {
        schema: Lease::SCHEMA.to_owned(),
        log: LOG.to_owned(),
        mode: "live".to_owned(),
        node: NODE.to_owned(),
        role: NodeRole::Notary,
        key: keys.role.public(),
        fence: 1,
        kind: LeaseKind::Standing,
        not_after_ms: LeaseKind::Standing.ms_max(),
        checkpoint: LogPoint { size: 1, root: Digest::of(b"root") },
        trusted: tip(),
        restart_decision: None,
    }
}
