//! Steps: keys by kind, edges, and the rules that concern one step.

use std::collections::BTreeSet;
use std::ops::Range;

use azir_model::Role;
use toml::Spanned;

use super::Reader;
use crate::error::{LoadError, Place};
use crate::event::Outcome;
use crate::fact::FactType;
use crate::file::{AnswerFile, StepFile};
use crate::model::{Answer, EvidenceItem, Step, StepId, StepPart, Target, Undo, Work};
use crate::op::Effect;

/// Most attempts of one operation before its failure edge.
pub(crate) const ATTEMPTS_MAX: u32 = 5;
/// Kinds of steps of this version.
const KINDS: [&str; 6] = ["auto", "manual", "decision", "approval", "check", "wait"];
/// Longest deadline, in seconds: 30 days.
pub(crate) const DEADLINE_S_MAX: u32 = 30 * 86_400;

/// What the graph checks need to know about where a step stands in the file.
pub(crate) struct StepPlaces {
    pub(crate) id: Place,
    pub(crate) edges: Place,
    /// Place of each edge, in the order of [`Work::edges`], the deadline's last.
    pub(crate) targets: Vec<Place>,
}

impl Reader<'_> {
    pub(super) fn steps(
        &mut self,
        raw: Vec<StepFile>,
        evidence: &[EvidenceItem],
    ) -> Result<(Vec<Step>, Vec<StepPlaces>), LoadError> {
        let mut seen = BTreeSet::new();
        for step in &raw {
            let id = self.unique(&mut seen, "step", &step.id)?;
            if matches!(id.as_str(), "end" | "hold") {
                return Err(self.key(&step.id.span(), "id", "`end` and `hold` are edge targets"));
            }
        }
        let (mut steps, mut places) = (Vec::new(), Vec::new());
        for step in raw {
            for item in &step.evidence {
                if !evidence.iter().any(|e| e.id == *item.get_ref()) {
                    return Err(LoadError::Reference {
                        place: self.place(&item.span()),
                        what: "evidence item",
                        name: item.get_ref().clone(),
                        why: "is not on the checklist; add it there",
                    });
                }
            }
            places.push(self.step_places(&step));
            let step = self.step(step)?;
            let fact =
                if matches!(step.work, Work::Decision { .. }) { "answer" } else { "outcome" };
            self.run_facts.insert(format!("{fact}.{}", step.id), FactType::Text);
            steps.push(step);
        }
        Ok((steps, places))
    }

    fn step_places(&self, step: &StepFile) -> StepPlaces {
        let edges = step.edges.get_ref();
        let answers = step.answers.iter().flatten().map(|a| &a.goto);
        let written = [&edges.next, &edges.on_fail, &edges.on_reject, &edges.on_unknown];
        let written = written.into_iter().flatten().chain(answers).chain(&edges.on_deadline);
        StepPlaces {
            id: self.place(&step.id.span()),
            edges: self.place(&step.edges.span()),
            targets: written.map(|t| self.place(&t.span())).collect(),
        }
    }

    fn step(&self, mut raw: StepFile) -> Result<Step, LoadError> {
        let span = raw.id.span();
        let work = self.work(&mut raw)?;
        let undo = self.undo(&mut raw)?;
        let edges = raw.edges.get_ref();
        let on_deadline = self.edge(&raw, "on_deadline", &edges.on_deadline, work.kind())?;
        if edges.deadline_s == 0 || edges.deadline_s > DEADLINE_S_MAX {
            let why = "must be 1 s to 30 days";
            return Err(self.key(&raw.edges.span(), "deadline_s", why));
        }
        if raw.by.why.is_empty() || raw.by.roles.is_empty() {
            let key = if raw.by.why.is_empty() { "why" } else { "roles" };
            return Err(self.key(&span, key, "is empty; name at least one"));
        }
        let step = Step {
            id: StepId(raw.id.get_ref().clone()),
            part: raw.by.part,
            title: self.prose(raw.title, &span, "title")?,
            text: self.prose(raw.text, &span, "text")?,
            why: raw.by.why.iter().map(|c| self.clause(c)).collect::<Result<_, _>>()?,
            roles: raw.by.roles,
            effect: raw.does.effect,
            work,
            deadline_s: raw.edges.get_ref().deadline_s,
            on_deadline,
            guard: raw.guard.as_ref().map(|p| self.predicate(p)).transpose()?,
            evidence: raw.evidence.into_iter().map(Spanned::into_inner).collect(),
            mode: raw.by.mode,
            undo,
        };
        self.step_rules(&step, &span)?;
        Ok(step)
    }

    fn step_rules(&self, step: &Step, span: &Range<usize>) -> Result<(), LoadError> {
        let machine = step.roles.contains(&Role::Automatic);
        if step.part == StepPart::Recovery && step.mode.is_none() {
            return Err(self.key(span, "mode", "is missing; a recovery step names its RM_* mode"));
        }
        if let Work::Auto { op, .. } = &step.work {
            if op.effect() != step.effect {
                let why = format!("must be {} for {op}", op.effect());
                return Err(self.key(span, "effect", why));
            }
            if let Some(role) = step.roles.iter().find(|r| !op.roles().contains(r)) {
                return Err(self.rule(span, "6.1, annex C", format!("{role} may not start {op}")));
            }
        } else if step.effect.needs_person() {
            let why = format!("only an operation has the effect {}", step.effect);
            return Err(self.rule(span, "35.1", why));
        }
        let by_person = match step.work {
            Work::Manual { .. } | Work::Decision { .. } | Work::Approval { .. } => true,
            Work::Auto { .. } => step.effect.needs_person(),
            Work::Check { .. } | Work::Wait { .. } => false,
        };
        if by_person && machine {
            let why =
                format!("a {} step with effect {} is a person's", step.work.kind(), step.effect);
            return Err(self.rule(span, "D-049", why));
        }
        Ok(())
    }

    fn undo(&self, raw: &mut StepFile) -> Result<Undo, LoadError> {
        let span = raw.id.span();
        match (raw.undo.take(), raw.irreversible_because.take()) {
            (Some(_), Some(_)) => {
                Err(self.key(&span, "undo", "and irreversible_because exclude each other"))
            }
            (Some(text), None) => Ok(Undo::Undo(self.prose(text, &span, "undo")?)),
            (None, Some(text)) => {
                Ok(Undo::IrreversibleBecause(self.prose(text, &span, "irreversible_because")?))
            }
            (None, None) if raw.does.effect == Effect::Observe => Ok(Undo::NothingChanged),
            (None, None) => Err(self.key(&span, "undo", "or irreversible_because is missing")),
        }
    }

    fn edge(
        &self,
        raw: &StepFile,
        edge: &'static str,
        written: &Option<Spanned<String>>,
        kind: &'static str,
    ) -> Result<Target, LoadError> {
        let Some(text) = written else {
            let place = self.place(&raw.edges.span());
            return Err(LoadError::MissingEdge { place, kind, edge });
        };
        Ok(target(text.get_ref()))
    }

    /// Keys that belong to one kind only must be there for it, and nowhere else.
    fn only(&self, raw: &StepFile, kind: &str) -> Result<(), LoadError> {
        let edges = raw.edges.get_ref();
        let keys: [(&'static str, bool, &[&str]); 13] = [
            ("op", raw.does.op.is_some(), &["auto"]),
            ("args", raw.does.args.is_some(), &["auto"]),
            ("attempts_max", raw.does.attempts_max.is_some(), &["auto"]),
            ("outcomes", raw.does.outcomes.is_some(), &["manual"]),
            ("question", raw.does.question.is_some(), &["decision"]),
            ("answers", raw.answers.is_some(), &["decision"]),
            ("of_step", raw.does.of_step.is_some(), &["approval"]),
            ("quorum", raw.does.quorum.is_some(), &["approval"]),
            ("when", raw.does.when.is_some(), &["check"]),
            ("until", raw.does.until.is_some(), &["wait"]),
            ("on_fail", edges.on_fail.is_some(), &["auto", "manual", "check"]),
            ("on_unknown", edges.on_unknown.is_some(), &["check"]),
            ("on_reject", edges.on_reject.is_some(), &["approval"]),
        ];
        for (key, there, kinds) in keys {
            if there && !kinds.contains(&kind) {
                let why = format!("does not belong to a step of kind {kind}");
                return Err(self.key(&raw.id.span(), key, why));
            }
        }
        if edges.next.is_some() && kind == "decision" {
            let why = "does not belong to a decision; its answers lead on";
            return Err(self.key(&raw.edges.span(), "next", why));
        }
        Ok(())
    }

    fn need<T>(&self, raw: &StepFile, key: &'static str, value: Option<T>) -> Result<T, LoadError> {
        let why = || format!("is missing; a step of kind {} needs it", raw.does.kind.get_ref());
        value.ok_or_else(|| self.key(&raw.id.span(), key, why()))
    }

    fn work(&self, raw: &mut StepFile) -> Result<Work, LoadError> {
        let kind = raw.does.kind.get_ref().clone();
        if matches!(kind.as_str(), "call" | "parallel") {
            let why = format!("{kind:?} is not supported in this version; write single steps");
            return Err(self.key(&raw.does.kind.span(), "kind", why));
        }
        if !KINDS.contains(&kind.as_str()) {
            let why = format!("{kind:?} is none of {}", KINDS.join(", "));
            return Err(self.key(&raw.does.kind.span(), "kind", why));
        }
        self.only(raw, &kind)?;
        let edges = raw.edges.get_ref();
        match kind.as_str() {
            "auto" => self.auto(raw),
            "manual" => Ok(Work::Manual {
                outcomes: self.outcomes(raw)?,
                next: self.edge(raw, "next", &edges.next, "manual")?,
                on_fail: self.edge(raw, "on_fail", &edges.on_fail, "manual")?,
            }),
            "decision" => self.decision(raw),
            "approval" => self.approval(raw),
            "check" => Ok(Work::Check {
                when: self.predicate(self.need(raw, "when", raw.does.when.as_ref())?)?,
                next: self.edge(raw, "next", &edges.next, "check")?,
                on_fail: self.edge(raw, "on_fail", &edges.on_fail, "check")?,
                on_unknown: self.edge(raw, "on_unknown", &edges.on_unknown, "check")?,
            }),
            _ => Ok(Work::Wait {
                until: self.predicate(self.need(raw, "until", raw.does.until.as_ref())?)?,
                next: self.edge(raw, "next", &edges.next, "wait")?,
            }),
        }
    }

    fn auto(&self, raw: &StepFile) -> Result<Work, LoadError> {
        let edges = raw.edges.get_ref();
        let args = raw.does.args.clone().unwrap_or_default();
        let span = raw.id.span();
        for value in args.values() {
            self.value(value, &span)?;
        }
        let attempts_max = raw.does.attempts_max.unwrap_or(1);
        if attempts_max == 0 || attempts_max > ATTEMPTS_MAX {
            return Err(self.key(&span, "attempts_max", "must be 1 to 5"));
        }
        Ok(Work::Auto {
            op: self.need(raw, "op", raw.does.op)?,
            args,
            attempts_max,
            next: self.edge(raw, "next", &edges.next, "auto")?,
            on_fail: self.edge(raw, "on_fail", &edges.on_fail, "auto")?,
        })
    }

    fn outcomes(&self, raw: &StepFile) -> Result<Vec<Outcome>, LoadError> {
        let outcomes = self.need(raw, "outcomes", raw.does.outcomes.clone())?;
        let attested = |o: &Outcome| !matches!(o, Outcome::Failed | Outcome::Unknown);
        let unique = outcomes.iter().collect::<BTreeSet<_>>().len() == outcomes.len();
        if !outcomes.contains(&Outcome::Done) || !outcomes.iter().all(attested) || !unique {
            let why = "must hold done, and otherwise only done_with_deviation, could_not, \
                       not_applicable, each once";
            return Err(self.key(&raw.id.span(), "outcomes", why));
        }
        Ok(outcomes)
    }

    fn decision(&self, raw: &StepFile) -> Result<Work, LoadError> {
        let span = raw.id.span();
        let answers = self.need(raw, "answers", raw.answers.as_ref())?;
        if !(2..=16).contains(&answers.len()) {
            return Err(self.key(&span, "answers", "must be 2 to 16"));
        }
        let mut seen = BTreeSet::new();
        let answer = |a: &AnswerFile, id| {
            Ok(Answer {
                id,
                text: self.prose(a.text.clone(), &a.id.span(), "text")?,
                goto: target(a.goto.get_ref()),
                when: a.when.as_ref().map(|p| self.predicate(p)).transpose()?,
            })
        };
        let answers = answers
            .iter()
            .map(|a| self.unique(&mut seen, "answer", &a.id).and_then(|id| answer(a, id)))
            .collect::<Result<_, _>>()?;
        let question = self.need(raw, "question", raw.does.question.clone())?;
        Ok(Work::Decision { question: self.prose(question, &span, "question")?, answers })
    }

    fn approval(&self, raw: &StepFile) -> Result<Work, LoadError> {
        let edges = raw.edges.get_ref();
        let of_step = self.need(raw, "of_step", raw.does.of_step.as_ref())?;
        let next = self.edge(raw, "next", &edges.next, "approval")?;
        if next != target(of_step.get_ref()) {
            return Err(self.key(&of_step.span(), "of_step", "must be the step that `next` names"));
        }
        let quorum = self.need(raw, "quorum", raw.does.quorum)?;
        if quorum == 0 || quorum > 8 {
            return Err(self.key(&raw.id.span(), "quorum", "must be 1 to 8 people"));
        }
        let on_reject = self.edge(raw, "on_reject", &edges.on_reject, "approval")?;
        Ok(Work::Approval { quorum, next, on_reject })
    }
}

fn target(text: &str) -> Target {
    match text {
        "end" => Target::End,
        "hold" => Target::Hold,
        id => Target::Step(StepId::from(id)),
    }
}
