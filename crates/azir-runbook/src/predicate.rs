//! Three-valued predicates over named facts, with an explanation per leaf. An unknown fact makes
//! an answer unknown unless the rest decides it; unknown never passes for true.

use std::fmt;

use serde::Serialize;

use crate::fact::{FactType, FactValue, Facts};

/// Deepest nesting of a predicate.
pub const DEPTH_MAX: usize = 8;
/// Most operands of one `all` or `any`.
pub const OPERANDS_MAX: usize = 32;

azir_model::wire_enum! {
    /// Truth value of Kleene's strong logic.
    pub enum Truth {
        /// No.
        False = "false",
        /// Cannot be told from the facts.
        Unknown = "unknown",
        /// Yes.
        True = "true",
    }
}

impl Truth {
    /// From a known answer.
    #[must_use]
    pub const fn of(b: bool) -> Self {
        if b { Self::True } else { Self::False }
    }

    /// True turned into false and back; unknown stays.
    #[must_use]
    pub const fn not(self) -> Self {
        match self {
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
            Self::True => Self::False,
        }
    }
}

/// What one leaf demands of its fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// Equal to this value.
    Is(FactValue),
    /// This number or more.
    AtLeast(i64),
    /// This number or less.
    AtMost(i64),
}

impl Test {
    /// The type that the fact must have.
    #[must_use]
    pub const fn kind(&self) -> FactType {
        match self {
            Self::Is(value) => value.kind(),
            Self::AtLeast(_) | Self::AtMost(_) => FactType::Int,
        }
    }

    fn holds(&self, found: &FactValue) -> Truth {
        match (self, found) {
            (Self::Is(want), found) if want.kind() == found.kind() => Truth::of(want == found),
            (Self::AtLeast(want), FactValue::Int(found)) => Truth::of(found >= want),
            (Self::AtMost(want), FactValue::Int(found)) => Truth::of(found <= want),
            (Self::Is(_) | Self::AtLeast(_) | Self::AtMost(_), _) => Truth::Unknown,
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(value) => write!(f, "{value}"),
            Self::AtLeast(n) => write!(f, "at least {n}"),
            Self::AtMost(n) => write!(f, "at most {n}"),
        }
    }
}

/// A condition over facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Predicate {
    /// Every operand.
    All(Vec<Predicate>),
    /// At least one operand.
    Any(Vec<Predicate>),
    /// The opposite.
    Not(Box<Predicate>),
    /// One fact.
    Fact {
        /// Name of the fact.
        name: String,
        /// What it must be.
        test: Test,
    },
}

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |f: &mut fmt::Formatter<'_>, of: &[Self], word: &str| {
            for (i, operand) in of.iter().enumerate() {
                if i > 0 {
                    write!(f, " {word} ")?;
                }
                match operand {
                    Self::All(_) | Self::Any(_) => write!(f, "({operand})")?,
                    Self::Not(_) | Self::Fact { .. } => operand.fmt(f)?,
                }
            }
            Ok(())
        };
        match self {
            Self::All(of) => joined(f, of, "and"),
            Self::Any(of) => joined(f, of, "or"),
            Self::Not(of) => write!(f, "not ({of})"),
            Self::Fact { name, test: Test::Is(value) } => write!(f, "{name} is {value}"),
            Self::Fact { name, test } => write!(f, "{name} {test}"),
        }
    }
}

/// What one leaf found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Name of the fact.
    pub fact: String,
    /// What was asked, in words.
    pub asked: String,
    /// What is known about the fact.
    pub found: Option<FactValue>,
    /// Truth of this leaf alone.
    pub truth: Truth,
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            Some(found) => write!(f, "{} = {found} (asked: {})", self.fact, self.asked),
            None => write!(f, "{} is unknown (asked: {})", self.fact, self.asked),
        }
    }
}

/// Truth of a predicate with the reading of each leaf, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The answer.
    pub truth: Truth,
    /// One per leaf.
    pub leaves: Vec<Reading>,
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.truth)?;
        for (i, leaf) in self.leaves.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            leaf.fmt(f)?;
        }
        Ok(())
    }
}

impl Predicate {
    /// Evaluates over `facts`. A fact of another type than asked counts as unknown.
    #[must_use]
    pub fn eval(&self, facts: &Facts) -> Explained {
        let mut leaves = Vec::new();
        let truth = self.truth(facts, &mut leaves);
        Explained { truth, leaves }
    }

    fn truth(&self, facts: &Facts, leaves: &mut Vec<Reading>) -> Truth {
        match self {
            // The order False < Unknown < True makes `and` the minimum and `or` the maximum.
            Self::All(of) => of.iter().map(|p| p.truth(facts, leaves)).min().unwrap_or(Truth::True),
            Self::Any(of) => {
                of.iter().map(|p| p.truth(facts, leaves)).max().unwrap_or(Truth::False)
            }
            Self::Not(inner) => inner.truth(facts, leaves).not(),
            Self::Fact { name, test } => {
                let found = facts.get(name).cloned();
                let truth = found.as_ref().map_or(Truth::Unknown, |found| test.holds(found));
                let (fact, asked) = (name.clone(), test.to_string());
                leaves.push(Reading { fact, asked, found, truth });
                truth
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(name: &str, value: bool) -> Predicate {
        Predicate::Fact { name: name.into(), test: Test::Is(FactValue::Bool(value)) }
    }

    fn facts(list: &[(&str, FactValue)]) -> Facts {
        list.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect()
    }

    #[test]
    fn the_truth_tables_are_those_of_kleene() {
        use Truth::{False, True, Unknown};
        let value = |t: Truth| match t {
            True => vec![FactValue::Bool(true)],
            False => vec![FactValue::Bool(false)],
            Unknown => vec![],
        };
        let table = [
            (False, False, False, False),
            (False, Unknown, False, Unknown),
            (False, True, False, True),
            (Unknown, Unknown, Unknown, Unknown),
            (Unknown, True, Unknown, True),
            (True, True, True, True),
        ];
        for (a, b, and, or) in table {
            for (a, b) in [(a, b), (b, a)] {
                let mut f = Facts::new();
                f.extend(value(a).into_iter().map(|v| ("a".to_owned(), v)));
                f.extend(value(b).into_iter().map(|v| ("b".to_owned(), v)));
                let of = vec![is("a", true), is("b", true)];
                assert_eq!(Predicate::All(of.clone()).eval(&f).truth, and, "{a} and {b}");
                assert_eq!(Predicate::Any(of).eval(&f).truth, or, "{a} or {b}");
                let not = Predicate::Not(Box::new(is("a", true)));
                assert_eq!(not.eval(&f).truth, a.not());
            }
        }
    }

    #[test]
    fn a_fact_of_another_type_is_unknown_and_every_leaf_explains_itself() {
        let p = Predicate::All(vec![
            is("a", true),
            Predicate::Fact { name: "n".into(), test: Test::AtLeast(2) },
            Predicate::Fact { name: "m".into(), test: Test::AtMost(2) },
        ]);
        let told =
            p.eval(&facts(&[("a", FactValue::Text("true".into())), ("n", FactValue::Int(2))]));
        assert_eq!(told.truth, Truth::Unknown);
        let truths: Vec<_> = told.leaves.iter().map(|l| l.truth).collect();
        assert_eq!(truths, [Truth::Unknown, Truth::True, Truth::Unknown]);
        assert!(told.to_string().contains("m is unknown (asked: at most 2)"), "{told}");
    }
}
