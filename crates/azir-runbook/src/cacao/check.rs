//! The structural checks of a playbook. The published JSON schemas let pass what a program must
//! not follow (dangling ids, cycles, missing successors), so these are our own.

use azir_ledger::Timestamp;
use base64ct::{Base64, Encoding as _};
use serde_json::{Map, Value};

use super::finding::{Finding, FindingKind};
use super::graph;
use super::ids::{is_identifier, prefix};

/// JSON types of members.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Json {
    Text,
    Number,
    Truth,
    List,
    Object,
}
use Json::{List, Number, Object, Text, Truth};

impl Json {
    fn fits(self, value: &Value) -> bool {
        match self {
            Text => value.is_string(),
            Number => value.is_i64() || value.is_u64(),
            Truth => value.is_boolean(),
            List => value.is_array(),
            Object => value.is_object(),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Text => "a text",
            Number => "a whole number",
            Truth => "true or false",
            List => "a list",
            Object => "an object",
        }
    }
}

/// Members of a playbook.
pub(super) const PLAYBOOK: &[(&str, Json)] = &[
    ("type", Text),
    ("spec_version", Text),
    ("id", Text),
    ("name", Text),
    ("description", Text),
    ("playbook_types", List),
    ("playbook_activities", List),
    ("playbook_processing_summary", Object),
    ("created_by", Text),
    ("created", Text),
    ("modified", Text),
    ("revoked", Truth),
    ("valid_from", Text),
    ("valid_until", Text),
    ("derived_from", List),
    ("related_to", List),
    ("priority", Number),
    ("severity", Number),
    ("impact", Number),
    ("industry_sectors", List),
    ("labels", List),
    ("external_references", List),
    ("markings", List),
    ("playbook_variables", Object),
    ("workflow_start", Text),
    ("workflow_exception", Text),
    ("workflow", Object),
    ("playbook_extensions", Object),
    ("authentication_info_definitions", Object),
    ("agent_definitions", Object),
    ("target_definitions", Object),
    ("extension_definitions", Object),
    ("data_marking_definitions", Object),
    ("signatures", List),
];

/// Members that a playbook must have.
const REQUIRED: &[&str] = &[
    "type",
    "spec_version",
    "id",
    "name",
    "created_by",
    "created",
    "modified",
    "workflow_start",
    "workflow",
];

/// Members of steps of every type.
pub(super) const STEP: &[(&str, Json)] = &[
    ("type", Text),
    ("name", Text),
    ("description", Text),
    ("external_references", List),
    ("delay", Number),
    ("timeout", Number),
    ("step_variables", Object),
    ("owner", Text),
    ("on_completion", Text),
    ("on_success", Text),
    ("on_failure", Text),
    ("step_extensions", Object),
];

/// Type of a step, members of that type only, and those of them that it must have.
type StepType = (&'static str, &'static [(&'static str, Json)], &'static [&'static str]);

/// Every type of step. Actions have rules of their own.
pub(super) const STEP_TYPES: &[StepType] = &[
    ("start", &[], &[]),
    ("end", &[], &[]),
    (
        "action",
        &[
            ("commands", List),
            ("agent", Text),
            ("targets", List),
            ("in_args", List),
            ("out_args", List),
        ],
        &[],
    ),
    (
        "playbook-action",
        &[("playbook_id", Text), ("playbook_version", Text), ("in_args", List), ("out_args", List)],
        &["playbook_id"],
    ),
    ("parallel", &[("next_steps", List)], &["next_steps"]),
    (
        "if-condition",
        &[("condition", Text), ("on_true", Text), ("on_false", Text)],
        &["condition", "on_true"],
    ),
    ("while-condition", &[("condition", Text), ("on_true", Text)], &["condition", "on_true"]),
    ("switch-condition", &[("switch", Text), ("cases", Object)], &["switch", "cases"]),
];

/// Types of agents and targets.
const AGENT_TYPES: &[&str] = &[
    "group",
    "individual",
    "location",
    "organization",
    "sector",
    "http-api",
    "linux",
    "net-address",
    "security-category",
    "ssh",
];

/// Types of commands.
const COMMAND_TYPES: &[&str] = &[
    "manual",
    "bash",
    "caldera-cmd",
    "elastic",
    "http-api",
    "jupyter",
    "kestrel",
    "openc2-http",
    "powershell",
    "sigma",
    "ssh",
    "yara",
];

/// Everything that is wrong with a playbook, in the order: metadata, definitions, steps, graph.
/// Empty for every playbook of [`super::export()`].
#[must_use]
pub fn findings(playbook: &Value) -> Vec<Finding> {
    match playbook {
        Value::Object(members) => of_members(members),
        _ => vec![Finding::new(FindingKind::NotAPlaybook, "", "")],
    }
}

/// [`findings`] of a playbook that is an object.
pub(super) fn of_members(members: &Map<String, Value>) -> Vec<Finding> {
    let mut check = Check { found: Vec::new() };
    if members.get("workflow").is_some_and(|w| !w.is_object()) {
        // An older form of the format; what else it holds means something else too.
        check.add(FindingKind::WorkflowNotAnObject, "workflow", "");
        return check.found;
    }
    check.metadata(members);
    check.agents(members);
    check.extensions(members, "playbook_extensions", members);
    let none = Map::new();
    let workflow = object_of(members, "workflow").unwrap_or(&none);
    for (id, step) in workflow {
        check.step(id, step, members);
    }
    if members.contains_key("workflow") {
        check.found.extend(graph::check(members, workflow));
    }
    check.found
}

pub(super) fn object_of<'a>(
    of: &'a Map<String, Value>,
    name: &str,
) -> Option<&'a Map<String, Value>> {
    of.get(name).and_then(Value::as_object)
}

fn text_of<'a>(of: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    of.get(name).and_then(Value::as_str)
}

struct Check {
    found: Vec<Finding>,
}

impl Check {
    fn add(&mut self, kind: FindingKind, place: &str, detail: &str) {
        self.found.push(Finding::new(kind, place, detail));
    }

    fn types(&mut self, of: &Map<String, Value>, place: &str, types: &[(&str, Json)]) {
        for (name, json) in types {
            if of.get(*name).is_some_and(|value| !json.fits(value)) {
                let at =
                    if place.is_empty() { (*name).to_owned() } else { format!("{place}/{name}") };
                self.add(FindingKind::WrongType, &at, &format!("must be {}", json.name()));
            }
        }
    }

    fn required(&mut self, of: &Map<String, Value>, place: &str, names: &[&str]) {
        for name in names.iter().filter(|name| !of.contains_key(**name)) {
            self.add(FindingKind::MemberMissing, place, name);
        }
    }

    fn metadata(&mut self, playbook: &Map<String, Value>) {
        self.types(playbook, "", PLAYBOOK);
        self.required(playbook, "", REQUIRED);
        let other = |name: &str, want: &str| text_of(playbook, name).filter(|t| *t != want);
        if let Some(found) = other("type", "playbook") {
            self.add(FindingKind::NotAPlaybook, "type", found);
        }
        if let Some(found) = other("spec_version", "cacao-2.0") {
            self.add(FindingKind::SpecVersionUnknown, "spec_version", found);
        }
        for name in ["id", "created_by"] {
            if let Some(id) = text_of(playbook, name).filter(|id| !is_identifier(id)) {
                self.add(FindingKind::IdMalformed, name, id);
            }
        }
        for (name, exact) in
            [("created", true), ("modified", true), ("valid_from", false), ("valid_until", false)]
        {
            if let Some(text) = text_of(playbook, name) {
                self.time(name, text, exact);
            }
        }
        for name in ["priority", "severity", "impact"] {
            self.range(playbook, "", name, 100);
        }
        if playbook.get("revoked") == Some(&Value::Bool(true)) {
            self.add(FindingKind::Revoked, "revoked", "");
        }
    }

    fn time(&mut self, name: &str, text: &str, exact: bool) {
        if text.parse::<Timestamp>().is_ok() {
            return;
        }
        // The same time with three decimals: is it one at all?
        let (head, tail) = text
            .strip_suffix('Z')
            .unwrap_or("")
            .split_once('.')
            .unwrap_or((text.strip_suffix('Z').unwrap_or(""), "000"));
        let decimals = !tail.is_empty() && tail.bytes().all(|b| b.is_ascii_digit());
        let millis: String = tail.chars().chain("000".chars()).take(3).collect();
        if !decimals || format!("{head}.{millis}Z").parse::<Timestamp>().is_err() {
            self.add(FindingKind::TimeMalformed, name, text);
        } else if exact {
            self.add(FindingKind::TimePrecision, name, name);
        }
    }

    fn range(&mut self, of: &Map<String, Value>, place: &str, name: &str, max: u64) {
        let Some(Value::Number(number)) = of.get(name) else { return };
        if number.as_u64().is_none_or(|n| n > max) && !number.is_f64() {
            let at = if place.is_empty() { name.to_owned() } else { format!("{place}/{name}") };
            self.add(FindingKind::NumberOutOfRange, &at, &number.to_string());
        }
    }

    fn agents(&mut self, playbook: &Map<String, Value>) {
        use FindingKind::{
            AgentPrefixDiffers, AgentTypeUnknown, TargetPrefixDiffers, TargetTypeUnknown,
        };
        for (list, unknown, differs) in [
            ("agent_definitions", AgentTypeUnknown, AgentPrefixDiffers),
            ("target_definitions", TargetTypeUnknown, TargetPrefixDiffers),
        ] {
            for (key, agent) in object_of(playbook, list).into_iter().flatten() {
                let place = format!("{list}/{key}");
                let Value::Object(agent) = agent else {
                    self.add(FindingKind::WrongType, &place, "must be an object");
                    continue;
                };
                self.types(agent, &place, &[("type", Text), ("name", Text)]);
                self.required(agent, &place, &["type", "name"]);
                self.extensions(agent, "agent_target_extensions", playbook);
                let Some(kind) = text_of(agent, "type") else { continue };
                if !AGENT_TYPES.contains(&kind) {
                    self.add(unknown, &place, kind);
                }
                if prefix(key) != kind {
                    self.add(differs, &place, &format!("{} != {kind}", prefix(key)));
                }
            }
        }
    }

    fn extensions(&mut self, of: &Map<String, Value>, member: &str, playbook: &Map<String, Value>) {
        let declared = object_of(playbook, "extension_definitions");
        for id in object_of(of, member).into_iter().flat_map(Map::keys) {
            if declared.is_none_or(|d| !d.contains_key(id)) {
                self.add(FindingKind::ExtensionUndeclared, member, id);
            }
        }
    }

    fn step(&mut self, id: &str, step: &Value, playbook: &Map<String, Value>) {
        let place = format!("workflow/{id}");
        let Value::Object(step) = step else {
            self.add(FindingKind::WrongType, &place, "must be an object");
            return;
        };
        if !is_identifier(id) {
            self.add(FindingKind::IdMalformed, &place, id);
        }
        self.types(step, &place, STEP);
        self.required(step, &place, &["type"]);
        // CACAO limits no wait; a negative one is none.
        self.range(step, &place, "timeout", u64::MAX);
        self.range(step, &place, "delay", u64::MAX);
        self.extensions(step, "step_extensions", playbook);
        let Some(kind) = text_of(step, "type") else { return };
        let Some((_, own, required)) = STEP_TYPES.iter().find(|(name, _, _)| *name == kind) else {
            self.add(FindingKind::StepTypeUnknown, &place, kind);
            return;
        };
        if prefix(id) != kind {
            let detail = format!("{} != {kind}", prefix(id));
            self.add(FindingKind::StepPrefixDiffers, &place, &detail);
        }
        self.types(step, &place, own);
        self.required(step, &place, required);
        let members = [("cases", step.get("cases")), ("next_steps", step.get("next_steps"))];
        for (name, value) in members.into_iter().filter_map(|(n, v)| Some((n, v?))) {
            self.members(value, &format!("{place}/{name}"));
        }
        if kind == "action" {
            self.action(step, &place, playbook);
        }
    }

    /// Branches of a switch or a parallel step: texts, and enough of them.
    fn members(&mut self, value: &Value, place: &str) {
        let (texts, count, least) = match value {
            Value::Object(of) => (of.values().all(Value::is_string), of.len(), 1),
            Value::Array(of) => (of.iter().all(Value::is_string), of.len(), 2),
            _ => return,
        };
        if !texts {
            self.add(FindingKind::WrongType, place, "must hold texts");
        }
        if count < least {
            self.add(FindingKind::NumberOutOfRange, place, &format!("{count} branches"));
        }
    }

    fn action(&mut self, step: &Map<String, Value>, place: &str, playbook: &Map<String, Value>) {
        let defined = |list: &str, id: &str| {
            object_of(playbook, list).is_some_and(|known| known.contains_key(id))
        };
        match step.get("agent") {
            None => self.add(FindingKind::ActionWithoutAgent, place, ""),
            Some(Value::String(id)) if !defined("agent_definitions", id) => {
                self.add(FindingKind::AgentDangling, place, id);
            }
            Some(_) => {}
        }
        for target in step.get("targets").and_then(Value::as_array).into_iter().flatten() {
            match target.as_str() {
                None => {
                    self.add(FindingKind::WrongType, &format!("{place}/targets"), "must hold texts")
                }
                Some(id) if !defined("target_definitions", id) => {
                    self.add(FindingKind::TargetDangling, place, id);
                }
                Some(_) => {}
            }
        }
        let commands = step.get("commands").and_then(Value::as_array);
        if commands.is_none_or(Vec::is_empty) {
            self.add(FindingKind::ActionWithoutCommand, place, "");
        }
        for (i, command) in commands.into_iter().flatten().enumerate() {
            self.command(command, &format!("{place}/commands/{i}"));
        }
    }

    fn command(&mut self, command: &Value, place: &str) {
        let Value::Object(command) = command else {
            self.add(FindingKind::WrongType, place, "must be an object");
            return;
        };
        let texts = ["command", "command_b64", "content", "content_b64"];
        self.types(command, place, &[("type", Text)]);
        self.types(command, place, &texts.map(|name| (name, Text)));
        self.required(command, place, &["type"]);
        for name in ["command_b64", "content_b64"] {
            if text_of(command, name).is_some_and(|text| Base64::decode_vec(text).is_err()) {
                self.add(FindingKind::Base64Malformed, &format!("{place}/{name}"), "");
            }
        }
        let Some(kind) = text_of(command, "type") else { return };
        if !COMMAND_TYPES.contains(&kind) {
            self.add(FindingKind::CommandTypeUnknown, place, kind);
        } else if !texts.iter().any(|name| text_of(command, name).is_some_and(|t| !t.is_empty())) {
            self.add(FindingKind::CommandWithoutText, place, kind);
        }
    }
}
