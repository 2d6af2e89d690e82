//! The postmortem as a document: drafted from the log, and held against it.

use azir_model::{IncidentState as S, RefusalKind as K, Role};

use crate::Body;
use crate::audit;
use crate::body::{BlastBasis, Embargo};
use crate::postmortem::{CONTENTS, Postmortem};
use crate::testing::{Stage, among, at, only};

fn told(stage: &mut Stage, change: impl FnOnce(&mut Postmortem)) -> Body {
    let mut doc = stage.written();
    change(&mut doc);
    Body::PostmortemPublished(stage.publication(&doc))
}

/// R-33.1-3: the timeline is the log's; one event less, more or elsewhere is found.
#[test]
fn an_edited_timeline_is_found() {
    let mut stage = at(S::PostmortemPending);
    let edits: [fn(&mut Postmortem); 5] = [
        |doc| doc.timeline.truncate(40),
        |doc| {
            doc.timeline.remove(5);
        },
        |doc| doc.timeline.swap(3, 4),
        |doc| doc.timeline.push(doc.timeline[0].clone()),
        |doc| doc.timeline[2].index += 1,
    ];
    for edit in edits {
        let body = told(&mut stage, edit);
        only(&stage.refused(Role::IncidentCommander, &body), K::HashMismatch, "timeline");
    }
}

/// R-33.1-4: the radius is the log's, and known.
#[test]
fn the_radius_is_measured_or_estimated() {
    let mut stage = at(S::PostmortemPending);
    let body = told(&mut stage, |doc| doc.blast.basis = BlastBasis::Unknown);
    let refusal = stage.refused(Role::IncidentCommander, &body);
    among(&refusal, K::PostmortemIncomplete, "4: blast_radius is unknown");
    let body = told(&mut stage, |doc| doc.scopes.clear());
    only(&stage.refused(Role::IncidentCommander, &body), K::HashMismatch, "scopes differ");
}

/// R-33.1-7, R-9.1-12: each permanent fix has an owner of this deployment, a date and a reference.
#[test]
fn each_fix_is_owned() {
    let mut stage = at(S::PostmortemPending);
    let body = told(&mut stage, |doc| {
        doc.contents.insert("long_term_fix".to_owned(), "gates for all".to_owned());
        doc.fixes.clear();
    });
    only(&stage.refused(Role::IncidentCommander, &body), K::PostmortemIncomplete, "7: no fix");
    let body = told(&mut stage, |doc| doc.fixes[0].owner.clear());
    only(&stage.refused(Role::IncidentCommander, &body), K::PostmortemIncomplete, "7:");
    let body = told(&mut stage, |doc| doc.fixes[0].reference.clear());
    only(&stage.refused(Role::IncidentCommander, &body), K::PostmortemIncomplete, "reference");
}

/// R-39.1-2, R-39.1-3: the second question names the vector that fell short, the third is backed by
/// a replay report over the fixture.
#[test]
fn the_second_and_third_question_are_backed() {
    let mut stage = at(S::PostmortemPending);
    let vector = stage.keep("vector 7");
    let body = told(&mut stage, |doc| doc.conformance[1].answer = true);
    only(&stage.refused(Role::IncidentCommander, &body), K::PostmortemIncomplete, "q2: a yes");
    let body = told(&mut stage, |doc| {
        doc.conformance[1].answer = true;
        doc.conformance[1].fixture = Some(vector);
    });
    only(&stage.refused(Role::IncidentCommander, &body), K::PostmortemIncomplete, "q3");
    let report = stage.keep("replay over vector 7");
    let body = told(&mut stage, |doc| {
        doc.conformance[1].answer = true;
        doc.conformance[1].fixture = Some(vector);
        doc.conformance[2].report = Some(report);
    });
    stage.act(Role::IncidentCommander, &body);
}

/// R-33.1-11: an embargo ends within ninety days and has a reason; the hash is public at once.
#[test]
fn an_embargo_is_bounded() {
    let mut stage = at(S::PostmortemPending);
    let doc = stage.written();
    let mut publication = stage.publication(&doc);
    let day = 24 * 3_600_000;
    publication.embargo = Some(Embargo { until: stage.now.plus_ms(120 * day), reason: " ".into() });
    let body = Body::PostmortemPublished(publication.clone());
    let refusal = stage.refused(Role::IncidentCommander, &body);
    assert_eq!(refusal.unmet().len(), 3, "{refusal}");
    among(&refusal, K::SecondPersonRequired, "");
    among(&refusal, K::ReasonRequired, "embargo");
    publication.embargo =
        Some(Embargo { until: stage.now.plus_ms(60 * day), reason: "a fix is under way".into() });
    let body = Body::PostmortemPublished(publication.clone());
    only(&stage.refused(Role::IncidentCommander, &body), K::SecondPersonRequired, "");
    stage.approve(Role::AuditScribe, &body);
    stage.act(Role::IncidentCommander, &body);
    let shown = audit::trail(stage.state(), stage.view());
    assert!(shown.items[9].lines[0].contains(&publication.document.to_string()));
}

/// R-32.1-2, R-32.1-7: all ten items answer, the second with every event of the incident.
#[test]
fn the_trail_has_ten_items_and_every_event() {
    let stage = at(S::PostmortemPublished);
    let trail = audit::trail(stage.state(), stage.view());
    assert_eq!(trail.items.len(), CONTENTS.len());
    assert!(trail.items.iter().all(audit::AuditItem::is_there), "{trail:?}");
    let about = stage.entries.iter().filter(|e| e.signed.event().subject == stage.incident);
    assert_eq!(trail.items[1].entries, about.map(|e| e.meta.index).collect::<Vec<_>>());
    let mut drafted = at(S::Containing);
    drafted.keep("x");
    let trail = audit::trail(drafted.state(), drafted.view());
    assert!(!trail.items[6].owed && !trail.items[9].owed);
}
