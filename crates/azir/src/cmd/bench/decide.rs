//! Containment decisions on one core (P10).

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::path::Path;

use azir_model::decision::{
    Action, ActionSet, ChainFacts, Channel, Grade, IncidentFacts, Input, LocalFacts, Origin,
    Path as Authority, Paths, Tolerance, VERSION, decide,
};
use azir_model::scope::Scope;
use azir_model::vocab::{BlastRank, IncidentClass, Severity};

use super::measure::{Row, Target, Unit, broken, pairs, rate, timed};
use crate::error::CliError;

/// Decisions of a round.
const DECISIONS: usize = 20_000;

/// Runs the benchmark.
pub(super) fn run(_dir: &Path) -> Result<Vec<Row>, CliError> {
    let inputs = inputs()?;
    let pairs = pairs(
        |_| {
            let ((), took) = timed(|| {
                for input in inputs.iter().cycle().take(DECISIONS) {
                    black_box(decide(black_box(input)));
                }
                Ok(())
            })?;
            Ok(rate(DECISIONS, took))
        },
        |_| {
            let ((), took) = timed(|| {
                for input in inputs.iter().cycle().take(DECISIONS) {
                    black_box(input.hash().map_err(broken)?);
                }
                Ok(())
            })?;
            Ok(rate(DECISIONS, took))
        },
    )?;
    let what = format!("decisions, {} inputs of annex D.9's kind, 1 core", inputs.len());
    let beside = "hashing the input, which is part of it";
    let target = ("P10", Target::Ours(50_000.0));
    Ok(vec![Row::new(&what, beside, Unit::PerSecond, &pairs, target)])
}

/// Conflicting votes, a draining machine, an agent, an issuer, noise, and two channels at once.
fn inputs() -> Result<Vec<Input>, CliError> {
    use IncidentClass as C;
    use Severity as S;
    let votes = channel("seat:3", Origin::Own, &[Action::Notarize], 0)?;
    let machine = channel("machine:m1", Origin::Network, &[Action::CallOpen], 0)?;
    let agent = channel("mandate:a1", Origin::Network, &[Action::ActIncrease], 600)?;
    let issuer = channel("issuer:i1", Origin::Network, &[Action::ClaimUncorroborated], 3_600)?;
    let family = channel("machine-family:mf", Origin::Network, &[Action::CallAny], 7_200)?;
    Ok(vec![
        base(C::Consensus, S::Sev4Critical, 3, vec![votes.clone()])?,
        base(C::Bvm, S::Sev4Critical, 3, vec![machine.clone()])?,
        base(C::AgentControl, S::Sev3High, 2, vec![agent.clone()])?,
        base(C::ObservabilityOnly, S::Sev0Info, 0, Vec::new())?,
        base(C::Bvm, S::Sev5Systemic, 4, vec![family, machine])?,
        base(C::Consensus, S::Sev4Critical, 3, vec![votes, issuer, agent])?,
    ])
}

fn scope(text: &str) -> Result<Scope, CliError> {
    text.parse().map_err(|e| broken(format!("{text}: {e:?}")))
}

fn channel(at: &str, origin: Origin, actions: &[Action], t_harm: u64) -> Result<Channel, CliError> {
    Ok(Channel {
        scope: scope(at)?,
        origin,
        actions: ActionSet::of(actions),
        t_harm,
        min_capability: 0,
        open_exposure: None,
        exit_possible: None,
        pinned: true,
        checker: None,
        own_share: Vec::new(),
    })
}

fn base(
    class: IncidentClass,
    severity: Severity,
    rank: u8,
    channels: Vec<Channel>,
) -> Result<Input, CliError> {
    let path = |delay_s| Some(Authority { delay_s, ..Authority::default() });
    let subjects = [
        ("machine:m1", &["m1"][..]),
        ("machine-family:mf", &["m1", "m2"]),
        ("mandate:a1", &["a1"]),
        ("agent-class:ac", &["a1", "a2"]),
        ("issuer:i1", &["i1"]),
        ("issuer-class:ic", &["i1", "i2"]),
        ("domain:d", &["m1", "m2", "m3", "a1", "a2"]),
    ];
    let subjects: Result<BTreeMap<_, BTreeSet<_>>, CliError> = subjects
        .into_iter()
        .map(|(at, who)| Ok((scope(at)?, who.iter().map(|w| (*w).to_owned()).collect())))
        .collect();
    let emergency =
        Some(Authority { delay_s: 60, expiry_max_s: Some(86_400), ..Authority::default() });
    Ok(Input {
        version: VERSION,
        incident: IncidentFacts {
            id: None,
            classes: vec![class],
            severity,
            declarers: 1,
            blast_rank: BlastRank::try_from(rank).map_err(broken)?,
            flags: BTreeSet::new(),
            grade: Grade::Corroborated,
        },
        channels,
        chain: ChainFacts {
            height: 1000,
            block: None,
            finalizing: true,
            finality_s: 10,
            seats: 7,
            quorum: 5,
            counting: 7,
            disputed: None,
            subjects: subjects?,
        },
        paths: Paths {
            owner: path(0),
            ordinary: path(1200),
            expedited: None,
            emergency,
            restart: path(18_000),
        },
        local: LocalFacts { gates_reachable: true, close_s: 1, automatic: false, decision_s: 120 },
        tolerance: Tolerance::default(),
        sources: BTreeMap::new(),
    })
}
