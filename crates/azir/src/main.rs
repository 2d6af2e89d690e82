//! The `azir` binary: arguments, files, wiring. It decides nothing about incidents.
//!
//! Exit codes: 0 ok, 2 usage, 3 refused by a rule, 4 verification found faults, 5 unavailable,
//! 70 internal.

mod cmd;
mod error;
mod explain;
mod host;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

/// Incident control plane for networks that reach finality by votes (AZ-015).
#[derive(Parser, Debug)]
#[command(name = "azir", version, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 ok, 2 usage, 3 refused by a rule, 4 verification found \
faults, 5 unavailable, 70 internal.\nEvery code and refusal kind is explained by `azir explain CODE`.")]
struct Cli {
    /// Machine-readable output on standard output
    #[arg(long, global = true)]
    json: bool,
    /// No progress lines on standard error
    #[arg(long, short, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
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
        name: String,
        /// TOML file that names people, nodes and their keys
        #[arg(long, value_name = "FILE")]
        roster: PathBuf,
        /// Directory of the deployment
        #[arg(long, value_name = "DIR", default_value_os_t = host::default_dir())]
        data: PathBuf,
    },
    /// Open, list and show incidents
    Incident {
        /// Directory of the deployment
        #[arg(long, value_name = "DIR", global = true, default_value_os_t = host::default_dir())]
        data: PathBuf,
        #[command(subcommand)]
        what: IncidentWhat,
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
        /// Directory of the deployment
        #[arg(long, value_name = "DIR", default_value_os_t = host::default_dir())]
        data: PathBuf,
        #[command(flatten)]
        author: cmd::act::Author,
    },
    /// Put files into the vault as evidence, and pin them in the log
    Evidence {
        /// Incident that it is about, or the beginning of its id
        #[arg(long, value_name = "ID")]
        incident: String,
        /// Checklist item, for example logs
        #[arg(long)]
        item: azir_model::evidence::Item,
        /// Scope that the files were taken from, for example node:n1
        #[arg(long)]
        scope: String,
        /// The files were gathered and stored, not only held in a hurry
        #[arg(long)]
        collected: bool,
        /// The files
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Directory of the deployment
        #[arg(long, value_name = "DIR", default_value_os_t = host::default_dir())]
        data: PathBuf,
        #[command(flatten)]
        author: cmd::act::Author,
    },
    /// Write the whole log with its evidence as a bundle that anyone can check
    Export {
        /// Directory of the bundle, which must not exist yet
        out: PathBuf,
        /// Directory of the deployment
        #[arg(long, value_name = "DIR", default_value_os_t = host::default_dir())]
        data: PathBuf,
    },
    /// Submit an event that was signed elsewhere
    Submit {
        /// The event, as `azir act --out` wrote it
        event: PathBuf,
        /// Its signature, as `ssh-keygen -Y sign` wrote it
        signature: PathBuf,
        /// Directory of the deployment
        #[arg(long, value_name = "DIR", default_value_os_t = host::default_dir())]
        data: PathBuf,
    },
    /// Explain a refusal kind or error code
    Explain {
        /// The code, for example gate_closed or AZ-E0004; without it all codes are listed
        code: Option<String>,
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
enum IncidentWhat {
    /// Open an incident; repeating the same record returns the same incident
    Open {
        /// Proposed class, for example INC_CONSENSUS
        #[arg(long)]
        class: azir_model::IncidentClass,
        /// Proposed severity, for example SEV_3_HIGH
        #[arg(long)]
        severity: azir_model::Severity,
        /// Affected scope, for example node:n1/notary; may be repeated
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        #[command(flatten)]
        author: cmd::act::Author,
    },
    /// List incidents
    List,
    /// Show an incident: what is known, what may be done now, and why not the rest
    Show {
        /// Id, or its beginning
        id: String,
    },
}

/// Which runs of a drill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Run {
    /// The fault heals soon.
    Short,
    /// The fault lasts.
    Long,
    /// Both.
    Both,
}

/// Reads the arguments. Who asks for JSON gets wrong usage told as JSON too.
fn arguments() -> Cli {
    Cli::try_parse().unwrap_or_else(|error| {
        let json = std::env::args_os().any(|word| word == "--json");
        if error.use_stderr() && json {
            let text = error.render().to_string();
            let usage = error::CliError::Usage(text.trim_start_matches("error: ").to_owned());
            usage.print(true);
            std::process::exit(usage.exit().into());
        }
        error.exit()
    })
}

fn main() -> ExitCode {
    let cli = arguments();
    let talk = cmd::Talk { json: cli.json, quiet: cli.quiet };
    let done = match cli.command {
        Command::Drill { words, seed, out, run } => cmd::drill::run(talk, &words, seed, out, run),
        Command::Verify { bundle, checkpoint, proof, ledger_key, witness_key } => {
            let asked = cmd::verify::Asked { bundle, checkpoint, proof, ledger_key, witness_key };
            cmd::verify::run(talk, &asked)
        }
        Command::Advise { file, ignore_proposal } => cmd::advise::run(talk, &file, ignore_proposal),
        Command::Init { name, roster, data } => cmd::init::run(talk, &name, &roster, &data),
        Command::Incident { data, what } => incident(talk, &data, what),
        Command::Act { kind, incident, body, data, author } => {
            let id = incident.map(|id| cmd::incident::id_of(&data, &id)).transpose();
            id.and_then(|id| cmd::act::run(talk, &data, &kind, id, &body, &author))
        }
        Command::Submit { event, signature, data } => {
            cmd::act::submit(talk, &data, &event, &signature)
        }
        Command::Evidence { incident, item, scope, collected, files, data, author } => {
            cmd::incident::id_of(&data, &incident).and_then(|id| {
                let what = cmd::evidence::Held { incident: id, item, scope, collected, files };
                cmd::evidence::add(talk, &data, &what, &author)
            })
        }
        Command::Export { out, data } => cmd::export::run(talk, &data, &out),
        Command::Explain { code } => cmd::explain::run(talk, code.as_deref()),
        Command::Bench { name } => cmd::bench::run(talk, &name),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.print(talk.json);
            ExitCode::from(error.exit())
        }
    }
}

fn incident(
    talk: cmd::Talk,
    data: &std::path::Path,
    what: IncidentWhat,
) -> Result<(), error::CliError> {
    match what {
        IncidentWhat::Open { class, severity, scopes, author } => {
            cmd::incident::open(talk, data, class, severity, &scopes, &author)
        }
        IncidentWhat::List => cmd::incident::list(talk, data),
        IncidentWhat::Show { id } => cmd::incident::show(talk, data, &id),
    }
}
