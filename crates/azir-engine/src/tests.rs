//! Tests of admission, fold and effects on whole logs. Each module is about one part of the rules.

mod attacks;
mod classes;
mod closing;
mod containing;
mod envelope;
mod evidence;
mod findings;
mod keeping;
mod ledger;
mod opening;
mod people;
mod postmortem;
mod protocol;
mod readings;
mod recheck;
mod recovering;
mod reenable;
mod resolving;
mod running;
mod software;
mod status;
mod walk;
