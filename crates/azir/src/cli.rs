//! The command line: every command with its options. Help, man pages and completions are made from
//! these definitions.

use std::path::PathBuf;

use azir_model::{IncidentClass, Profile, Severity};
use clap::{Parser, Subcommand, ValueEnum};

use crate::cmd::act::Author;
use crate::error::CliError;
use crate::host::default_dir;

/// Incident control plane for networks that reach finality by votes (AZ-015).
#[derive(Parser, Debug)]
#[command(name = "azir", version, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 ok, 2 usage, 3 refused by a rule, 4 verification found \
faults, 5 unavailable, 70 internal.\nEvery code and refusal kind is explained by `azir explain CODE`.")]
pub(crate) struct Cli {
    /// Machine-readable output on standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// No progress lines on standard error
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// A deployment's directory.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Data {
    /// Directory of the deployment
    #[arg(long = "data", value_name = "DIR", default_value_os_t = default_dir())]
    pub(crate) dir: PathBuf,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run a drill: an incident on a simulated network, by the production engine, gate and replay
    ///
    /// `azir drill NAME` is short for `azir drill run NAME`; `azir drill list` names the drills.
    Drill {
        /// `run NAME`, `NAME` or `list`
        #[arg(required = true, num_args = 1..=2)]
        words: Vec<String>,
        /// Seed of keys and network delays; the same seed gives the same bytes
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Directory to write to [default: ./drill-NAME-SEED]; earlier drill output is replaced
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Which run
        #[arg(long, value_enum, default_value_t = Run::Both)]
        run: Run,
    },
    /// Check a bundle offline: bag, hashes, signatures, tree, and every decision decided again
    Verify {
        /// Directory of the bundle
        bundle: PathBuf,
        /// A newer signed checkpoint of the same log, seen elsewhere
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
        /// Consistency proof from the bundle's size to that checkpoint: one hash a line
        #[arg(long, value_name = "FILE", requires = "checkpoint")]
        proof: Option<PathBuf>,
        /// Key of the log that you trust, as in roster/ledger.vkey
        #[arg(long, value_name = "VKEY")]
        ledger_key: Option<String>,
        /// Keys of witnesses that you trust; the final checkpoint must carry all of them
        #[arg(long, value_name = "VKEY", requires = "ledger_key")]
        witness_key: Vec<String>,
    },
    /// Say which measure is the least that is enough, and why
    ///
    /// FILE is a TOML or JSON file: a decision input of annex D.2, or a short situation (the
    /// `[detection]` table described in docs/advise.md). `-` reads standard input.
    Advise {
        /// The situation
        file: PathBuf,
        /// Leave the reporter's proposal of class and severity out of account
        #[arg(long)]
        ignore_proposal: bool,
    },
    /// Make a deployment: its log, its vault and its server key
    Init {
        /// Name of the deployment, part of the log's origin
        #[arg(required_unless_present = "example")]
        name: Option<String>,
        /// TOML file that names people, nodes, their keys, and every number of the policy
        #[arg(long, value_name = "FILE", required_unless_present = "example")]
        roster: Option<PathBuf>,
        /// Print a roster with every setting explained, and do nothing else
        #[arg(long, conflicts_with_all = ["name", "roster"])]
        example: bool,
        #[command(flatten)]
        data: Data,
    },
    /// Open, list and show incidents
    Incident {
        /// Directory of the deployment
        #[arg(long, value_name = "DIR", global = true, default_value_os_t = default_dir())]
        data: PathBuf,
        #[command(subcommand)]
        what: IncidentWhat,
    },
    /// What may be done now, with which command, and what the rest still lacks
    ///
    /// Due things stand first, then what may be done at once or with a second person, then what
    /// waits, with every unmet condition and its remedy. Without --as for everybody who holds a
    /// role in the incident.
    Do {
        /// Incident, or the beginning of its id
        incident: String,
        /// For this person, for example operator:ana
        #[arg(long = "as", value_name = "WHO")]
        actor: Option<String>,
        /// In this role; without it in every role that the person holds
        #[arg(long, requires = "actor")]
        role: Option<azir_model::Role>,
        #[command(flatten)]
        data: Data,
    },
    /// Read, check, compare, write and release runbooks
    Runbook {
        #[command(subcommand)]
        what: crate::cmd::runbook::What,
    },
    /// Where the run of an incident's runbook stands: one step, and the way on
    Run {
        /// Incident, or the beginning of its id [default: the only one that is open]
        incident: Option<String>,
        #[command(flatten)]
        data: Data,
    },
    /// Take the run of an incident's runbook on by one step
    Step {
        #[command(subcommand)]
        verb: crate::cmd::step::Verb,
        /// Incident, or the beginning of its id [default: the only one that is open]
        #[arg(long, value_name = "ID", global = true)]
        incident: Option<String>,
        /// Directory of the deployment
        #[arg(long, value_name = "DIR", global = true, default_value_os_t = default_dir())]
        data: PathBuf,
        #[command(flatten)]
        by: crate::cmd::step::By,
    },
    /// Decide the containment of an incident from a situation, and record the decision
    Decide {
        /// Incident, or the beginning of its id
        incident: String,
        #[command(flatten)]
        from: DecideFrom,
        /// Declare this profile instead of the recommended one
        #[arg(long)]
        profile: Option<Profile>,
        /// Accept the harm that remains until requested measures are in force
        #[arg(long)]
        accept_residual: bool,
        /// Why a profile above the recommended one is declared
        #[arg(long = "override", value_name = "REASON")]
        override_reason: Option<String>,
        /// Show the decision; store and submit nothing
        #[arg(long)]
        preview: bool,
        #[command(flatten)]
        data: Data,
        #[command(flatten)]
        author: Decider,
    },
    /// Act on an incident: make an event of this type, sign and submit it
    Act {
        /// Type of event, for example role.assigned
        kind: String,
        /// Incident that it is about, or the beginning of its id
        #[arg(long, value_name = "ID")]
        incident: Option<String>,
        /// Members of the event as JSON, or @FILE
        #[arg(long, value_name = "JSON")]
        body: String,
        #[command(flatten)]
        data: Data,
        #[command(flatten)]
        author: Author,
    },
    /// Add, list and give back evidence
    Evidence {
        /// Directory of the deployment
        #[arg(long, value_name = "DIR", global = true, default_value_os_t = default_dir())]
        data: PathBuf,
        #[command(subcommand)]
        what: crate::cmd::evidence::What,
    },
    /// Write the whole log with its evidence as a bundle that anyone can check
    Export {
        /// Directory of the bundle, which must not exist yet
        out: PathBuf,
        /// For outsiders: sealed pieces and postmortems under embargo stay out, by hash only
        #[arg(long)]
        public: bool,
        #[command(flatten)]
        data: Data,
    },
    /// The public status: derived from the log, published by a signature, written as files
    Status(crate::cmd::status::Args),
    /// Draft, check, render and publish the postmortem of an incident
    Postmortem {
        /// Directory of the deployment
        #[arg(long, value_name = "DIR", global = true, default_value_os_t = default_dir())]
        data: PathBuf,
        #[command(subcommand)]
        what: crate::cmd::postmortem::What,
    },
    /// The ten contents of an incident's audit trail, and the failures that the log shows
    Audit {
        /// Incident, or the beginning of its id
        incident: String,
        #[command(flatten)]
        data: Data,
    },
    /// Which controls of AZ-015 a log shows, section by section, with the entries that show them
    Attest {
        /// Attest an exported bundle, after verifying it, instead of a deployment
        #[arg(long, value_name = "DIR", conflicts_with = "dir")]
        bundle: Option<PathBuf>,
        /// Write the attestation as JSON into this new file too
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        data: Data,
    },
    /// Show an event that was written with --out, and sign it
    ///
    /// With --key alone as its author. With --as and --role as a second person: the approval goes
    /// into FILE.approval.json, to be submitted before the event. Needs no deployment.
    Sign {
        /// The event
        file: PathBuf,
        /// Second person who approves, for example operator:bogdan
        #[arg(long = "as", value_name = "WHO", requires = "role")]
        actor: Option<String>,
        /// The role that the second person approves in
        #[arg(long, requires = "actor")]
        role: Option<String>,
        /// Unencrypted SSH private key file
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Seed file of the machine that is the author
        #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "actor"])]
        machine_key: Option<PathBuf>,
        /// Write the approval here [default: FILE.approval.json]
        #[arg(long, value_name = "FILE", requires = "actor")]
        out: Option<PathBuf>,
        /// A deployment that says how the incident stands and whether key and role fit
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Submit an event that was signed elsewhere, after the approvals of second persons
    Submit {
        /// The event, as --out wrote it
        event: PathBuf,
        /// Its signature [default: EVENT.sig]
        signature: Option<PathBuf>,
        /// An approval of this event, with its signature beside it as FILE.sig; may be repeated
        #[arg(long = "approval", value_name = "FILE")]
        approvals: Vec<PathBuf>,
        #[command(flatten)]
        data: Data,
    },
    /// Keys of machines, for nodes whose agent is not running
    Machine {
        #[command(subcommand)]
        what: MachineWhat,
    },
    /// Orders to gates that no gate has acknowledged yet
    Orders {
        /// Write each order as one file into this directory
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        #[command(flatten)]
        data: Data,
    },
    /// Explain a refusal kind or error code
    Explain {
        /// The code, for example gate_closed or AZ-E0004; without it all codes are listed
        code: Option<String>,
    },
    /// Print the completion script of a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Write man pages
    Man {
        /// Directory of the pages
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Measure against a limit or a peer in the same run, and print ratios
    #[command(hide = true)]
    Bench {
        /// append, verify, gate, sim, decide or all
        #[arg(default_value = "all")]
        name: String,
    },
}

/// What to do with incidents.
#[derive(Subcommand, Debug)]
pub(crate) enum IncidentWhat {
    /// Open an incident; repeating the same record returns the same incident
    Open {
        /// Proposed class, for example INC_CONSENSUS
        #[arg(long)]
        class: IncidentClass,
        /// Proposed severity, for example SEV_3_HIGH
        #[arg(long)]
        severity: Severity,
        /// Closed incident that this one goes on from, or the beginning of its id
        #[arg(long, value_name = "ID")]
        continues: Option<String>,
        /// Affected scope, for example node:n1/notary; may be repeated
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        #[command(flatten)]
        author: Author,
    },
    /// List incidents
    List,
    /// Show an incident: what is known, what may be done now, and why not the rest
    Show {
        /// Id, or its beginning
        id: String,
    },
    /// Print each new entry of the log as it comes
    Watch {
        /// Only entries of this incident: its id, or the beginning
        id: Option<String>,
        /// Begin with this entry [default: what comes from now on; with --once 0]
        #[arg(long, value_name = "INDEX")]
        since: Option<u64>,
        /// Print what is there, and end
        #[arg(long)]
        once: bool,
    },
}

/// What to do with keys of machines.
#[derive(Subcommand, Debug)]
pub(crate) enum MachineWhat {
    /// Make a key, and print the roster lines of the machine
    New {
        /// agent:, gate:, detector: or witness: and a name, for example agent:n1
        #[arg(long)]
        id: String,
        /// File for the secret seed, which only its owner can read
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// Who decides; nobody does in a preview.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Decider {
    /// Who decides, for example operator:bogdan
    #[arg(long = "as", value_name = "WHO", required_unless_present = "preview")]
    actor: Option<String>,
    /// The role acted in: IC, or OCO while no commander is assigned
    #[arg(long, required_unless_present = "preview")]
    role: Option<String>,
    /// Unencrypted SSH private key file that signs
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Write the event here instead, to be signed with `azir sign`; its input goes beside it
    #[arg(long, value_name = "FILE", conflicts_with = "key",
        required_unless_present_any = ["key", "preview"])]
    out: Option<PathBuf>,
}

impl Decider {
    /// The author, where one is named.
    pub(crate) fn author(self) -> Option<Author> {
        let role = self.role.unwrap_or_default();
        let (key, out) = (self.key, self.out);
        self.actor.map(|actor| Author { actor, role, key, machine_key: None, out })
    }
}

/// What a decision is made from.
#[derive(Clone, Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct DecideFrom {
    /// A short situation, as `azir advise` reads it (docs/advise.md); `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) situation: Option<PathBuf>,
    /// A full decision input of annex D.2; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
}

/// Which runs of a drill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Run {
    /// The fault heals soon.
    Short,
    /// The fault lasts.
    Long,
    /// Both.
    Both,
}

/// Reads the arguments. Who asks for JSON gets wrong usage told as JSON too.
pub(crate) fn arguments() -> Cli {
    Cli::try_parse().unwrap_or_else(|error| {
        let json = std::env::args_os().any(|word| word == "--json");
        if error.use_stderr() && json {
            let text = error.render().to_string();
            let usage = CliError::Usage(text.trim_start_matches("error: ").to_owned());
            usage.print(true);
            std::process::exit(usage.exit().into());
        }
        error.exit()
    })
}
