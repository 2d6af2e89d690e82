//! One incident from opening to the published postmortem.

use azir_model::IncidentState as S;

use crate::testing::at;

#[test]
fn one_incident_goes_from_opening_to_the_published_postmortem() {
    let stage = at(S::PostmortemPublished);
    let path: Vec<_> = stage.view().moves.iter().map(|m| m.to).collect();
    let all = [
        S::Triaged,
        S::Confirmed,
        S::Containing,
        S::Stabilized,
        S::Recovering,
        S::Monitoring,
        S::Closed,
        S::PostmortemPending,
        S::PostmortemPublished,
    ];
    assert_eq!(path, all);
}
