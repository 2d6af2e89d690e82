//! The `azir` binary: arguments, files, wiring. It decides nothing about incidents.
//!
//! Exit codes: 0 ok, 2 usage, 3 refused by a rule, 4 verification found faults, 5 unavailable,
//! 70 internal.

mod cli;
mod cmd;
mod error;
mod explain;
mod host;
mod report;

use std::path::Path;
use std::process::ExitCode;

use cli::{Command, IncidentWhat, MachineWhat};
use error::CliError;

fn main() -> ExitCode {
    let cli = cli::arguments();
    let talk = cmd::Talk { json: cli.json, quiet: cli.quiet };
    match run(talk, cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.print(talk.json);
            ExitCode::from(error.exit())
        }
    }
}

fn run(talk: cmd::Talk, command: Command) -> Result<(), CliError> {
    use cmd::incident::id_of;
    match command {
        Command::Drill { words, seed, out, run } => cmd::drill::run(talk, &words, seed, out, run),
        Command::Verify { bundle, checkpoint, proof, ledger_key, witness_key } => {
            let asked = cmd::verify::Asked { bundle, checkpoint, proof, ledger_key, witness_key };
            cmd::verify::run(talk, &asked)
        }
        Command::Advise { file, ignore_proposal } => cmd::advise::run(talk, &file, ignore_proposal),
        Command::Init { example: true, .. } => cmd::init::example(talk),
        Command::Init { name, roster, data, .. } => {
            let roster = roster.unwrap_or_default();
            cmd::init::run(talk, &name.unwrap_or_default(), &roster, &data.dir)
        }
        Command::Incident { data, what } => incident(talk, &data, what),
        Command::Do { incident, actor, role, data } => {
            cmd::todo::run(talk, &data.dir, &incident, actor.as_deref(), role)
        }
        Command::Runbook { what } => cmd::runbook::run(talk, what),
        Command::Run { incident, data } => cmd::runs::run(talk, &data.dir, incident.as_deref()),
        Command::Step { verb, incident, data, by } => {
            cmd::step::run(talk, &data, incident.as_deref(), &verb, &by)
        }
        Command::Decide { .. } => decide(talk, command),
        Command::Act { kind, incident, body, data, author } => {
            let id = incident.map(|id| id_of(&data.dir, &id)).transpose()?;
            cmd::act::run(talk, &data.dir, &kind, id, &body, &author)
        }
        Command::Sign { file, actor, role, key, machine_key, out, data } => {
            let second = actor.zip(role);
            let asked = cmd::sign::Asked { file, second, key, machine_key, out, data };
            cmd::sign::run(talk, &asked)
        }
        Command::Submit { event, signature, approvals, data } => {
            cmd::act::submit(talk, &data.dir, &event, signature.as_deref(), &approvals)
        }
        Command::Machine { what: MachineWhat::New { id, out } } => {
            cmd::machine::new(talk, &id, &out)
        }
        Command::Orders { out, data } => cmd::orders::run(talk, &data.dir, out.as_deref()),
        Command::Evidence { data, what } => cmd::evidence::run(talk, &data, what),
        Command::Export { out, public, data } => cmd::export::run(talk, &data.dir, &out, public),
        Command::Status(args) => cmd::status::run(talk, args),
        Command::Postmortem { data, what } => cmd::postmortem::run(talk, &data, what),
        Command::Audit { incident, data } => cmd::audit::run(talk, &data.dir, &incident),
        Command::Attest { bundle, out, data } => {
            cmd::attest::run(talk, &cmd::attest::Asked { data: data.dir, bundle, out })
        }
        Command::Explain { code } => cmd::explain::run(talk, code.as_deref()),
        Command::Completions { shell } => cmd::complete::completions(shell),
        Command::Man { out } => cmd::complete::man(talk, &out),
        Command::Bench { name } => cmd::bench::run(talk, &name),
    }
}

fn decide(talk: cmd::Talk, command: Command) -> Result<(), CliError> {
    let Command::Decide {
        incident,
        from,
        profile,
        accept_residual,
        override_reason,
        preview,
        data,
        author,
    } = command
    else {
        return Err(CliError::Internal("no decision was asked".to_owned()));
    };
    let full = from.input.is_some();
    let asked = cmd::decide::Asked {
        incident: cmd::incident::id_of(&data.dir, &incident)?,
        file: from.input.or(from.situation).unwrap_or_default(),
        full,
        profile,
        accept_residual,
        override_reason,
    };
    let author = author.author().filter(|_| !preview);
    cmd::decide::run(talk, &data.dir, &asked, author.as_ref())
}

fn incident(talk: cmd::Talk, data: &Path, what: IncidentWhat) -> Result<(), CliError> {
    match what {
        IncidentWhat::Open { class, severity, continues, scopes, author } => {
            let continues = continues.map(|id| cmd::incident::id_of(data, &id)).transpose()?;
            let proposed = cmd::incident::Proposed { class, severity, continues, scopes };
            cmd::incident::open(talk, data, proposed, &author)
        }
        IncidentWhat::List => cmd::incident::list(talk, data),
        IncidentWhat::Show { id } => cmd::incident::show(talk, data, &id),
        IncidentWhat::Watch { id, since, once } => {
            let incident = id.map(|id| cmd::incident::id_of(data, &id)).transpose()?;
            cmd::watch::run(talk, data, cmd::watch::Watched { incident, since, once })
        }
    }
}
