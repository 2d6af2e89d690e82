//! A report whose every text is hostile.

use azir_sim::report::DrillReport;

use super::sample::sample;

/// The sample with `bad` in place of every text, except where a closed list chooses the drawing.
pub(super) fn hostile(bad: &str) -> DrillReport {
    let mut r = sample();
    let text = || bad.to_owned();
    (r.schema, r.drill, r.title, r.run) = (text(), text(), text(), text());
    r.summary.iter_mut().chain(&mut r.notes).for_each(|t| *t = text());
    r.checks.truncate(4);
    r.timeline.truncate(3);
    r.gates.truncate(2);
    r.criteria.truncate(2);
    for c in &mut r.checks {
        (c.group, c.claim, c.detail, c.passed) = (text(), text(), text(), false);
    }
    for s in &mut r.scores {
        (s.name, s.value, s.bar) = (text(), text(), text());
    }
    for i in &mut r.timeline {
        (i.kind, i.actor, i.role, i.text, i.tone) = (text(), text(), text(), text(), text());
    }
    for lane in &mut r.gates {
        (lane.node, lane.role) = (text(), text());
        lane.spans.iter_mut().for_each(|s| s.why = text());
    }
    for branch in &mut r.fork.branches {
        branch.name = text();
        branch.blocks.iter_mut().for_each(|b| (b.label, b.fate) = (text(), text()));
    }
    r.fork.certificates.iter_mut().for_each(|c| c.branch = text());
    let d = &mut r.decision;
    (d.recommended, d.declared, d.explanation) = (text(), text(), text());
    for list in [&mut d.applied, &mut d.requested, &mut d.residual, &mut d.flips] {
        list.iter_mut().for_each(|t| *t = text());
    }
    for m in &mut d.rejected {
        (m.channel, m.measure, m.verdict, m.reason) = (text(), text(), text(), text());
    }
    for l in &mut r.evidence {
        (l.item, l.text, l.state, l.verified) = (text(), text(), text(), text());
    }
    for l in &mut r.criteria {
        (l.subsystem, l.criterion, l.signer) = (text(), text(), text());
        (l.role, l.summary) = (text(), text());
    }
    for l in &mut r.refusals {
        (l.who, l.tried, l.protected) = (text(), text(), text());
        l.kinds.iter_mut().chain(&mut l.unmet).for_each(|t| *t = text());
    }
    r.people.iter_mut().for_each(|p| (p.id, p.role) = (text(), text()));
    for v in &mut r.verify {
        (v.shows, v.command, v.expect) = (text(), text(), text());
    }
    r
}
