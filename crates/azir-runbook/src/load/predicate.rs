//! Predicates: shape, declared facts, types.

use std::ops::Range;

use azir_ledger::canon::INTEGER_MAX;
use toml::Spanned;

use super::Reader;
use crate::error::LoadError;
use crate::fact::{FactValue, known};
use crate::file::PredicateFile;
use crate::predicate::{DEPTH_MAX, OPERANDS_MAX, Predicate, Test};

impl Reader<'_> {
    pub(super) fn value(&self, value: &FactValue, span: &Range<usize>) -> Result<(), LoadError> {
        match value {
            FactValue::Int(i) if i.unsigned_abs() > INTEGER_MAX => {
                let why = "number above 2^53-1; write it as a text".to_owned();
                Err(LoadError::Predicate { place: self.place(span), why })
            }
            FactValue::Text(text) => self.prose(text.clone(), span, "value").map(|_| ()),
            FactValue::Int(_) | FactValue::Bool(_) => Ok(()),
        }
    }

    pub(super) fn predicate(&self, raw: &Spanned<PredicateFile>) -> Result<Predicate, LoadError> {
        self.predicate_at(raw.get_ref(), &raw.span(), 0)
    }

    fn predicate_at(
        &self,
        raw: &PredicateFile,
        span: &Range<usize>,
        depth: usize,
    ) -> Result<Predicate, LoadError> {
        let fail = |why: String| LoadError::Predicate { place: self.place(span), why };
        if depth > DEPTH_MAX {
            return Err(fail(format!("nested deeper than {DEPTH_MAX}")));
        }
        let many = |list: &Vec<PredicateFile>| {
            if list.is_empty() || list.len() > OPERANDS_MAX {
                return Err(fail(format!("`all` and `any` take 1 to {OPERANDS_MAX} operands")));
            }
            list.iter().map(|p| self.predicate_at(p, span, depth + 1)).collect()
        };
        let tests = raw.is.is_some() || raw.at_least.is_some() || raw.at_most.is_some();
        match (&raw.fact, &raw.all, &raw.any, &raw.not) {
            (Some(name), None, None, None) => self.leaf(name, raw, span),
            (None, Some(list), None, None) if !tests => many(list).map(Predicate::All),
            (None, None, Some(list), None) if !tests => many(list).map(Predicate::Any),
            (None, None, None, Some(inner)) if !tests => {
                Ok(Predicate::Not(Box::new(self.predicate_at(inner, span, depth + 1)?)))
            }
            _ => Err(fail("write exactly one of `fact` with a test, `all`, `any`, `not`".into())),
        }
    }

    fn leaf(
        &self,
        name: &str,
        raw: &PredicateFile,
        span: &Range<usize>,
    ) -> Result<Predicate, LoadError> {
        let fail = |why: String| LoadError::Predicate { place: self.place(span), why };
        let test = match (&raw.is, raw.at_least, raw.at_most) {
            (Some(value), None, None) => Test::Is(value.clone()),
            (None, Some(n), None) => Test::AtLeast(n),
            (None, None, Some(n)) => Test::AtMost(n),
            _ => {
                return Err(fail("a fact takes exactly one of `is`, `at_least`, `at_most`".into()));
            }
        };
        let kind = known(name).map(|f| f.kind).or_else(|| self.run_facts.get(name).copied());
        let Some(kind) = kind else {
            return Err(LoadError::Reference {
                place: self.place(span),
                what: "fact",
                name: name.to_owned(),
                why: "is not declared, or is about a step that comes later",
            });
        };
        if kind != test.kind() {
            return Err(fail(format!("{name} is {kind}, the test is for {}", test.kind())));
        }
        match &test {
            Test::Is(value) => self.value(value, span)?,
            Test::AtLeast(n) | Test::AtMost(n) => self.value(&FactValue::Int(*n), span)?,
        }
        Ok(Predicate::Fact { name: name.to_owned(), test })
    }
}
