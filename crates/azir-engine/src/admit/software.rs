//! Builds of releases and changes of own nodes (2.3, 23.2).

use azir_model::refusal::{RefusalKind, Unmet};
use azir_model::scope::Scope;

use super::{Context, authority};
use crate::body::{ChangeRecorded, ChangedPart, ReleaseBuilt};
use crate::fold::subsystem;
use crate::software::{self, BUILDER};

/// Most binaries of one release (bounded input).
const BINARIES_MAX: usize = 64;

/// `release.built`: by a builder, once for each version; what a builder said stays. Implements
/// R-23.2-1.
pub(super) fn built(cx: &Context<'_>, b: &ReleaseBuilt, unmet: &mut Vec<Unmet>) {
    let mut refuse = |kind, what: String, remedy: &str| {
        unmet.push(Unmet::new(kind, what, "23.2, D-109, annex L.3", remedy));
    };
    if !cx.is_machine() || !cx.actor.starts_with(BUILDER) {
        let what = format!("{} is no builder", cx.actor);
        refuse(RefusalKind::NotAuthorized, what, "let a builder of the policy sign what it built");
    }
    let scope = b.scope();
    if let Err(error) = scope.parse::<Scope>() {
        let remedy = "name implementation and version as impl:NAME/VERSION takes them";
        refuse(RefusalKind::ScopeInvalid, format!("{scope:?}: {error}"), remedy);
    }
    let binaries = b.binaries.len();
    if binaries == 0 || binaries > BINARIES_MAX || b.toolchain.trim().is_empty() {
        let what = format!("{binaries} binaries, toolchain {:?}", b.toolchain);
        refuse(RefusalKind::InvalidSchema, what, "name 1 to 64 binaries and the toolchain");
    }
    let said = cx.state.builds.get(&scope).and_then(|of| of.get(cx.actor));
    if said.is_some_and(|said| said != b) {
        let what = format!("{} said something else of {scope}", cx.actor);
        refuse(RefusalKind::VersionConflict, what, "give the new build its own version");
    }
}

/// `change.recorded`: a person changes an own node, from what it runs or to what it runs by now.
/// Implements R-2.3-2.
pub(super) fn changed(cx: &Context<'_>, b: &ChangeRecorded, unmet: &mut Vec<Unmet>) {
    authority::person_only(cx, unmet);
    let mut refuse = |kind, what: String, remedy: &str| {
        unmet.push(Unmet::new(kind, what, "2.3, D-022", remedy));
    };
    if b.reason.trim().is_empty() {
        refuse(RefusalKind::ReasonRequired, "no reason".into(), "say why it is changed");
    }
    if b.before == b.after {
        let remedy = "name the hash before and the hash after";
        refuse(RefusalKind::InvalidSchema, format!("{} to itself", b.before), remedy);
    }
    let Some(own) = cx.policy.node(&b.node) else {
        let what = format!("{} is no node of this operator", b.node);
        refuse(RefusalKind::ScopeInvalid, what, "name a node of the policy");
        return;
    };
    let gates = own.roles.iter().map(|role| subsystem(&own.node, *role));
    let ran = gates.filter_map(|gate| software::running(cx.state, &gate));
    let hashes = ran.filter_map(|ran| match b.part {
        ChangedPart::Software => Some(ran.binary),
        ChangedPart::Configuration => Some(ran.configuration),
        ChangedPart::Rules | ChangedPart::Data => None,
    });
    let mut others = hashes.filter(|hash| *hash != b.before && *hash != b.after);
    if let Some(runs) = others.next() {
        let what = format!("{} of {} is {runs} by its gate's statement", b.part, b.node);
        refuse(RefusalKind::HashMismatch, what, "name the hash that the gate states");
    }
}
