//! What the uncovered requirements wait for: the groups of `xtask/waiting.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Line;
use super::marks::ReqId;

/// The data file, relative to the root.
pub(super) const FILE: &str = "xtask/waiting.toml";

/// What an uncovered requirement waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Group {
    /// Runbooks as programs.
    RunbookEngine,
    /// Faults, further drills, rules that nodes enforce.
    ReferenceNetwork,
    /// Server, agents, pages, notification.
    RunningServer,
    /// Nothing: still to be done.
    Open,
}

impl Group {
    /// All groups, in the order of the table.
    pub(super) const ALL: [Self; 4] =
        [Self::RunbookEngine, Self::ReferenceNetwork, Self::RunningServer, Self::Open];

    /// Its name in the table.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::RunbookEngine => "runbook engine",
            Self::ReferenceNetwork => "reference network",
            Self::RunningServer => "running server",
            Self::Open => "open",
        }
    }

    /// What has to exist first.
    pub(super) const fn needs(self) -> &'static str {
        match self {
            Self::RunbookEngine => "runbooks as programs: steps, findings, releases, reviews",
            Self::ReferenceNetwork => {
                "injected faults, the other drills, protocol rules that nodes enforce"
            }
            Self::RunningServer => "server and agents: outlets, pages, notification",
            Self::Open => "nothing: still to be done",
        }
    }
}

/// The file as written: ids only.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    runbook_engine: Vec<ReqId>,
    #[serde(default)]
    reference_network: Vec<ReqId>,
    #[serde(default)]
    running_server: Vec<ReqId>,
}

/// The group of each listed requirement.
#[derive(Default)]
pub(super) struct Waiting {
    groups: BTreeMap<ReqId, Group>,
    twice: Vec<ReqId>,
}

impl Waiting {
    /// Reads the text of the data file.
    ///
    /// # Errors
    /// Text that is no TOML, an unknown group, or an id of another form.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|e| format!("{FILE}: {e}"))?;
        let mut waiting = Self::default();
        let lists = [
            (Group::RunbookEngine, file.runbook_engine),
            (Group::ReferenceNetwork, file.reference_network),
            (Group::RunningServer, file.running_server),
        ];
        for (group, ids) in lists {
            for id in ids {
                if waiting.groups.insert(id, group).is_some() {
                    waiting.twice.push(id);
                }
            }
        }
        Ok(waiting)
    }

    /// What an uncovered requirement waits for; `Open` when it is not listed.
    pub(super) fn of(&self, id: ReqId) -> Group {
        self.groups.get(&id).copied().unwrap_or(Group::Open)
    }

    /// Ids that are listed although they are covered, unknown to the catalogue, or listed twice.
    pub(super) fn problems(&self, lines: &[Line]) -> Vec<String> {
        let known: BTreeMap<ReqId, bool> =
            lines.iter().map(|l| (l.requirement.id, l.covered())).collect();
        let listed = |state: Option<bool>| -> Vec<ReqId> {
            let ids = self.groups.keys().filter(|id| known.get(id).copied() == state);
            ids.copied().collect()
        };
        let (covered, unknown) = (listed(Some(true)), listed(None));
        let each = [
            (covered, "covered, and still listed as waiting; remove from the list"),
            (unknown, "no requirement of the catalogue; correct the list"),
            (self.twice.clone(), "listed twice; keep the group of the last part that is needed"),
        ];
        let found = each.into_iter().filter(|(ids, _)| !ids.is_empty());
        found.map(|(ids, what)| format!("{FILE}: {what}: {}", words(&ids))).collect()
    }
}

/// The uncovered lines of each group; every group is there, empty or not.
pub(super) fn grouped<'a>(lines: &'a [Line], waiting: &Waiting) -> BTreeMap<Group, Vec<&'a Line>> {
    let mut groups: BTreeMap<Group, Vec<&Line>> =
        Group::ALL.iter().map(|g| (*g, Vec::new())).collect();
    for line in lines.iter().filter(|l| !l.covered()) {
        groups.entry(waiting.of(line.requirement.id)).or_default().push(line);
    }
    groups
}

/// One line for the terminal: how many requirements each group holds.
pub(super) fn counts(lines: &[Line], waiting: &Waiting) -> String {
    let groups = grouped(lines, waiting);
    let total: usize = groups.values().map(Vec::len).sum();
    let each: Vec<String> =
        groups.iter().map(|(group, lines)| format!("{} {}", lines.len(), group.name())).collect();
    format!("{total} not covered: {}", each.join(", "))
}

fn words(ids: &[ReqId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::trace::Requirement;

    fn line(id: &str, covered: bool) -> Line {
        let set = |name: &str| -> BTreeSet<String> {
            covered.then(|| name.to_owned()).into_iter().collect()
        };
        let id = id.parse().unwrap();
        let requirement = Requirement { id, level: "MUST".into(), text: "text".into() };
        let (code, passed) = (set("a.rs"), set("a t"));
        Line { requirement, code, passed, not_passed: BTreeSet::new() }
    }

    #[test]
    fn an_unlisted_requirement_is_open_and_every_group_is_counted() {
        let waiting = Waiting::parse("runbook_engine = [\"R-5.1-1\"]\n").unwrap();
        let lines = [line("R-5.1-1", false), line("R-5.1-2", false), line("R-5.1-3", true)];
        assert!(waiting.problems(&lines).is_empty());
        assert_eq!(
            counts(&lines, &waiting),
            "2 not covered: 1 runbook engine, 0 reference network, 0 running server, 1 open"
        );
    }

    #[test]
    fn covered_unknown_and_doubled_ids_are_problems() {
        let text = "reference_network = [\"R-5.1-1\", \"R-9.9-9\"]\n\
                    running_server = [\"R-5.1-2\", \"R-5.1-2\"]\n";
        let waiting = Waiting::parse(text).unwrap();
        let found = waiting.problems(&[line("R-5.1-1", true), line("R-5.1-2", false)]);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("covered") && found[0].ends_with(": R-5.1-1"));
        assert!(found[1].contains("catalogue") && found[1].ends_with(": R-9.9-9"));
        assert!(found[2].contains("twice") && found[2].ends_with(": R-5.1-2"));
    }

    #[test]
    fn another_group_or_another_id_form_is_refused() {
        assert!(Waiting::parse("later = []\n").is_err_and(|e| e.contains("later")));
        assert!(Waiting::parse("running_server = [\"R-5\"]\n").is_err_and(|e| e.contains("R-5")));
    }
}
