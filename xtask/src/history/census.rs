//! Which rules and which signals of the advice only one record meets.
//!
//! A rule that one record alone meets may be written for that record. The conditions are copied
//! from the code by hand into `xtask/history-reasons.toml`; the census counts the records that meet
//! them, and fails when the quoted code is gone, so that somebody reads the rule again.

use std::collections::BTreeMap;
use std::str::FromStr;

use azir_model::IncidentClass;
use azir_model::advise::{Evidence, Fact, Radius, Signal, Situation, Tempo, When, advise};
use serde::Deserialize;

use super::record::Record;
use super::score::{Disagreement, Score};
use crate::workspace::{read, root};

/// Where the rules are.
const RULES: &str = "crates/azir-model/src/advise";

/// A conditional rule of the advice.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    /// File below [`RULES`].
    pub(super) file: String,
    /// A piece of the code that no other place of the file has; white space does not matter.
    code: String,
    /// What the rule says.
    pub(super) says: String,
    /// Clauses it rests on.
    pub(super) rules: Vec<String>,
    /// Its condition: all of these.
    pub(super) when: Vec<Condition>,
    /// For a rule that one record alone meets: why it is a rule nevertheless, or what is doubtful.
    #[serde(default)]
    pub(super) lone: Option<String>,
}

impl Rule {
    /// The records that meet the condition.
    pub(super) fn met_by<'a>(&self, cases: &[Case<'a>]) -> Vec<&'a str> {
        let meets = |case: &&Case<'_>| self.when.iter().all(|c| c.holds(case));
        cases.iter().filter(meets).map(|c| c.record.id.as_str()).collect()
    }

    /// What is wrong with this entry of the data file.
    pub(super) fn fault(&self, met_by: &[&str]) -> Option<String> {
        let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let code = match read(&root().join(RULES).join(&self.file)) {
            Ok(text) => flat(&text),
            Err(error) => return Some(error),
        };
        let (says, file) = (&self.says, &self.file);
        match code.matches(&flat(&self.code)).count() {
            1 => {}
            0 => return Some(format!("{says}: {:?} is no longer in {file}; read it", self.code)),
            n => return Some(format!("{says}: {:?} is {n} times in {file}", self.code)),
        }
        match (met_by, &self.lone) {
            ([one], None) => Some(format!("{says}: only {one} meets it; say why in `lone`")),
            ([_], Some(_)) | (_, None) => None,
            (_, Some(_)) => Some(format!("{says}: not one record meets it; remove `lone`")),
        }
    }
}

/// A record, and the class that the advice gives it without the reporter's proposal.
pub(super) struct Case<'a> {
    record: &'a Record,
    class: IncidentClass,
}

impl<'a> Case<'a> {
    /// Asks the advice for the class.
    pub(super) fn new(record: &'a Record) -> Self {
        let class = advise(&record.detection.clone().without_proposal()).class;
        Self { record, class }
    }
}

/// `key=a|b or key=c`, with `!` before it for "none of these".
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Condition {
    /// As written, for the page.
    pub(super) text: String,
    negated: bool,
    terms: Vec<Term>,
}

#[derive(Clone, Debug)]
enum Term {
    Signal(Vec<Signal>),
    /// No signal but these.
    Only(Vec<Signal>),
    Evidence(Vec<Evidence>),
    Class(Vec<IncidentClass>),
    Radius(Vec<Radius>),
    Tempo(Vec<Tempo>),
    Fact(FactName, Vec<Fact>),
}

#[derive(Clone, Copy, Debug)]
enum FactName {
    ExploitActive,
    FinalityAffected,
    ValidityAffected,
    FundsAtRisk,
    KeyCompromiseSuspected,
    ScopeDefinable,
    LocalOnly,
}

impl FactName {
    const fn of(self, situation: &Situation) -> Fact {
        match self {
            Self::ExploitActive => situation.exploit_active,
            Self::FinalityAffected => situation.finality_affected,
            Self::ValidityAffected => situation.validity_affected,
            Self::FundsAtRisk => situation.funds_at_risk,
            Self::KeyCompromiseSuspected => situation.key_compromise_suspected,
            Self::ScopeDefinable => situation.scope_definable,
            Self::LocalOnly => situation.local_only,
        }
    }
}

impl Condition {
    fn holds(&self, case: &Case<'_>) -> bool {
        self.terms.iter().any(|t| t.holds(case)) != self.negated
    }
}

impl Term {
    fn holds(&self, case: &Case<'_>) -> bool {
        let facts = &case.record.detection;
        match self {
            Self::Signal(list) => facts.seen().iter().any(|s| list.contains(s)),
            Self::Only(list) => facts.seen().iter().all(|s| list.contains(s)),
            Self::Evidence(list) => facts.evidence_available.iter().any(|e| list.contains(e)),
            Self::Class(list) => list.contains(&case.class),
            Self::Radius(list) => facts.blast_radius.is_some_and(|r| list.contains(&r)),
            Self::Tempo(list) => facts.harm_tempo.is_some_and(|t| list.contains(&t)),
            Self::Fact(name, list) => list.contains(&name.of(facts)),
        }
    }
}

impl TryFrom<String> for Condition {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (negated, rest) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text.as_str()),
        };
        let terms = rest.split(" or ").map(term).collect::<Result<_, _>>()?;
        Ok(Self { negated, terms, text })
    }
}

fn term(text: &str) -> Result<Term, String> {
    let (key, members) = text.split_once('=').ok_or(format!("{text:?} is not key=value"))?;
    let fact = |name: FactName| list(members).map(|facts| Term::Fact(name, facts));
    match key {
        "signal" => list(members).map(Term::Signal),
        "only" => list(members).map(Term::Only),
        "evidence" => list(members).map(Term::Evidence),
        "class" => list(members).map(Term::Class),
        "blast_radius" => list(members).map(Term::Radius),
        "harm_tempo" => list(members).map(Term::Tempo),
        "exploit_active" => fact(FactName::ExploitActive),
        "finality_affected" => fact(FactName::FinalityAffected),
        "validity_affected" => fact(FactName::ValidityAffected),
        "funds_at_risk" => fact(FactName::FundsAtRisk),
        "key_compromise_suspected" => fact(FactName::KeyCompromiseSuspected),
        "scope_definable" => fact(FactName::ScopeDefinable),
        "local_only" => fact(FactName::LocalOnly),
        other => Err(format!("{other:?} is no key of a condition")),
    }
}

fn list<T: FromStr<Err: ToString>>(members: &str) -> Result<Vec<T>, String> {
    members.split('|').map(|m| m.parse::<T>().map_err(|e| e.to_string())).collect()
}

/// A signal that one record alone carries.
pub(super) struct LoneSignal<'a> {
    pub(super) signal: Signal,
    pub(super) record: &'a str,
    /// What disagrees without it and agrees with it.
    pub(super) needed_for: Vec<Disagreement>,
}

/// Signals that one record alone carries at detection, and what its score owes to them.
pub(super) fn lone_signals(records: &[Record]) -> Vec<LoneSignal<'_>> {
    let mut carriers: BTreeMap<Signal, Vec<&Record>> = BTreeMap::new();
    for record in records {
        for signal in record.detection.seen() {
            carriers.entry(signal).or_default().push(record);
        }
    }
    let mut lone = Vec::new();
    for (signal, records) in carriers {
        if let [record] = records.as_slice() {
            let needed_for = lost_without(record, signal);
            lone.push(LoneSignal { signal, record: record.id.as_str(), needed_for });
        }
    }
    lone
}

fn lost_without(record: &Record, signal: Signal) -> Vec<Disagreement> {
    let full = record.detection.clone().without_proposal();
    let mut less = full.clone();
    less.signals.retain(|s| s.code != signal || s.when != When::AtDetection);
    let disagreements = |situation: &Situation| {
        let mut score = Score::default();
        score.add(record, &advise(situation));
        score.disagreements
    };
    let with = disagreements(&full);
    let news = |d: &Disagreement| !with.iter().any(|w| w.about == d.about);
    disagreements(&less).into_iter().filter(news).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(text: &str) -> Result<Condition, String> {
        text.to_owned().try_into()
    }

    fn record(signals: &[&str], radius: &str) -> Record {
        let signals: String = signals
            .iter()
            .map(|s| format!("[[detection.signals]]\ncode = \"{s}\"\nwhen = \"at_detection\"\n"))
            .collect();
        let text = format!(
            "schema = \"az-015-history/1\"\nid = \"x\"\n[detection]\nblast_radius = \"{radius}\"\n\
             local_only = \"no\"\n{signals}[final]\nclass = \"INC_INFRASTRUCTURE\"\n[expected]\n\
             severity_min = \"SEV_2_MEDIUM\"\nseverity_max = \"SEV_5_SYSTEMIC\"\n\
             containment_acceptable = [\"local_service_halt\"]\ncontainment_unacceptable = []\n\
             emergency_escalation = \"either\"\n"
        );
        toml::from_str(&text).unwrap()
    }

    #[test]
    fn conditions_read_codes_and_can_be_negated_and_joined() {
        let record = record(&["clock_skew"], "operator");
        let case = Case::new(&record);
        let holds = |text: &str| condition(text).unwrap().holds(&case);
        assert!(holds("signal=missing_log|clock_skew") && !holds("signal=missing_log"));
        assert!(holds("!signal=missing_log") && holds("only=clock_skew"));
        assert!(holds("signal=missing_log or blast_radius=operator"));
        assert!(holds("class=INC_INFRASTRUCTURE") && holds("local_only=no"));
        assert!(!holds("harm_tempo=none") && holds("!evidence=logs"));
        for bad in ["signal=sunspots", "mood=bad", "clock_skew", "local_only=maybe"] {
            assert!(condition(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_rule_that_one_record_meets_must_say_so_and_quote_code_that_is_there() {
        let rule = |code: &str, lone: Option<&str>| Rule {
            file: "classify.rs".into(),
            code: code.into(),
            says: "s".into(),
            rules: Vec::new(),
            when: vec![condition("signal=clock_skew").unwrap()],
            lone: lone.map(str::to_owned),
        };
        let code = "fn votes(signal: Signal,\n   reading: &Reading<'_>) -> Votes {";
        assert!(rule(code, None).fault(&["x"]).is_some_and(|f| f.contains("only x")));
        assert!(rule(code, Some("why")).fault(&["x"]).is_none());
        assert!(rule(code, Some("why")).fault(&["x", "y"]).is_some());
        assert!(rule(code, None).fault(&[]).is_none());
        assert!(rule("no such code", None).fault(&[]).is_some_and(|f| f.contains("no longer")));
        assert!(rule("vec!", None).fault(&[]).is_some_and(|f| f.contains("times")));
    }

    #[test]
    fn a_signal_of_one_record_is_found_with_what_its_score_owes_to_it() {
        let records = [
            record(&["clock_skew", "missed_blocks"], "operator"),
            record(&["missed_blocks"], "operator"),
        ];
        let lone = lone_signals(&records);
        assert_eq!(lone.len(), 1);
        assert_eq!(lone[0].signal, Signal::ClockSkew);
        let without = lost_without(&record(&["clock_skew"], "domain"), Signal::ClockSkew);
        assert!(!without.is_empty());
    }
}
