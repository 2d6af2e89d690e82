//! A playbook of others as text for a person to start from, and what that text no longer says.
//! Nothing in a draft runs: a command is quoted, never performed.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;

use azir_ledger::Timestamp;
use base64ct::{Base64, Encoding as _};
use serde::Serialize;
use serde_json::{Map, Value};

use super::check::{Json, PLAYBOOK, STEP, STEP_TYPES, object_of};
use super::graph::{self, kind};
use super::ids::EXTENSION;
use crate::load::TEXT_CHARS_MAX;

azir_model::wire_enum! {
    /// What a step of a draft is for the person who reads it.
    pub enum DraftKind {
        /// Something to do by hand.
        Manual = "manual",
        /// A question whose answer chooses the way.
        Question = "question",
        /// Was a loop; written once, to be bounded by whoever takes it over.
        Loop = "loop",
        /// Was done in parallel; write the branches one after the other.
        Parallel = "parallel",
        /// Was another playbook.
        Playbook = "playbook",
        /// Where the playbook begins.
        Start = "start",
        /// Where a path or branch ends.
        End = "end",
        /// A type that CACAO 2.0 does not have.
        Unknown = "unknown",
    }
}

azir_model::wire_enum! {
    /// Kinds of loss on the way from a playbook of others to a draft.
    pub enum LostKind {
        /// A command for a machine became text for a person.
        Command = "command",
        /// A condition became text; nobody evaluates it.
        Condition = "condition",
        /// A loop.
        Loop = "loop",
        /// Branches at the same time.
        Parallel = "parallel",
        /// A call of another playbook.
        PlaybookCall = "playbook_call",
        /// Waiting times.
        Timing = "timing",
        /// Variables and arguments.
        Variables = "variables",
        /// Credentials; they are never copied.
        Authentication = "authentication",
        /// Headers of requests; they may hold credentials and are not copied.
        Headers = "headers",
        /// How an agent or target is reached; its name and type are kept.
        Address = "address",
        /// Sharing marks.
        Markings = "markings",
        /// Signatures are over the playbook, not over a draft.
        Signatures = "signatures",
        /// An extension of others, or ours in a playbook that disagrees with it.
        Extension = "extension",
        /// The step for exceptions of the whole playbook.
        Exception = "exception",
        /// Metadata without a place in a runbook.
        Metadata = "metadata",
        /// The order of versions: `modified` lies before `created`.
        VersionOrder = "version_order",
        /// A member that CACAO 2.0 does not have.
        UnknownMember = "unknown_member",
        /// The end of a text that is too long.
        TextEnd = "text_end",
    }
}

/// One loss.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Lost {
    /// Which kind.
    pub kind: LostKind,
    /// Where in the playbook: members from the top, joined by `/`.
    pub place: String,
    /// What it was, where a word helps.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.kind)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

/// A command of a playbook, as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DraftCommand {
    /// Its type in the playbook, for example `bash`.
    pub kind: String,
    /// Its text, decoded where it was base64.
    pub text: String,
}

/// Where a step led.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lead {
    /// The edge, for example `on_success` or `cases/yes`.
    pub edge: String,
    /// Id of the step in the playbook.
    pub to: String,
}

/// One step of a draft.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DraftStep {
    /// Id in the playbook.
    pub id: String,
    /// What it is.
    pub kind: DraftKind,
    /// Its name; may be empty.
    pub title: String,
    /// Its description, condition, agent and targets in words.
    pub text: String,
    /// Its commands, quoted.
    pub commands: Vec<DraftCommand>,
    /// Its edges.
    pub leads: Vec<Lead>,
}

/// Text for a person to start a runbook from. No runbook: nothing loads or runs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Draft {
    /// Id in the playbook; may be empty.
    pub playbook: String,
    /// Its name; may be empty.
    pub title: String,
    /// Its description; may be empty.
    pub summary: String,
    /// Its steps, from the start on, then those that no path reaches.
    pub steps: Vec<DraftStep>,
    /// Keys of a runbook file that no playbook of others can fill. A person writes them before
    /// the text can become a runbook.
    pub missing: Vec<&'static str>,
}

/// What a runbook file needs and a playbook of others does not say.
const MISSING: &[&str] = &[
    "id",
    "class",
    "classes",
    "severity_min",
    "owner",
    "trigger",
    "precondition",
    "evidence",
    "containment",
    "escalation",
    "exit",
    "step.by",
    "step.does.effect",
    "step.edges.on_deadline",
    "step.undo",
];

impl fmt::Display for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Draft, not a runbook: {}\n{}", self.title, self.summary)?;
        writeln!(f, "To be written by a person: {}", self.missing.join(", "))?;
        for step in &self.steps {
            writeln!(f, "\n{} [{}] {}", step.id, step.kind, step.title)?;
            for line in step.text.lines() {
                writeln!(f, "  {line}")?;
            }
            for command in &step.commands {
                writeln!(f, "  quoted {}, not run:", command.kind)?;
                command.text.lines().try_for_each(|line| writeln!(f, "    | {line}"))?;
            }
            for lead in &step.leads {
                writeln!(f, "  {} -> {}", lead.edge, lead.to)?;
            }
        }
        Ok(())
    }
}

/// Text of a stranger that is safe to print: without control characters and without marks that
/// turn the direction of reading, at most `chars_max` characters. True where its end was cut off.
pub(super) fn printable(text: &str, chars_max: usize) -> (String, bool) {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let safe = |c: char| if (c.is_control() && c != '\n') || turns(c) { '\u{fffd}' } else { c };
    let mut rest = text.chars();
    let kept: String = rest.by_ref().take(chars_max).map(safe).collect();
    (kept, rest.next().is_some())
}

/// The draft of a playbook, with what it lost. Depends on the playbook alone.
pub(super) fn draft(playbook: &Map<String, Value>) -> (Draft, Vec<Lost>) {
    let mut writer = Writer { playbook, lost: Vec::new() };
    writer.metadata();
    let none = Map::new();
    let workflow = object_of(playbook, "workflow").unwrap_or(&none);
    let steps = order(playbook, workflow)
        .into_iter()
        .filter_map(|id| Some(writer.step(id, workflow.get(id)?)))
        .collect();
    let draft = Draft {
        playbook: writer.text(playbook, "", "id"),
        title: writer.text(playbook, "", "name"),
        summary: writer.text(playbook, "", "description"),
        steps,
        missing: MISSING.to_vec(),
    };
    (draft, writer.lost)
}

/// From the start on, nearest first; then what is not reached, by id.
fn order<'a>(playbook: &'a Map<String, Value>, workflow: &'a Map<String, Value>) -> Vec<&'a str> {
    let (mut order, mut seen) = (Vec::new(), BTreeSet::new());
    let start = playbook.get("workflow_start").and_then(Value::as_str);
    for root in start.into_iter().chain(workflow.keys().map(String::as_str)) {
        let mut open = VecDeque::from([root]);
        while let Some(id) = open.pop_front() {
            let Some(step) = workflow.get(id) else { continue };
            if seen.insert(id) {
                order.push(id);
                open.extend(graph::edges(step).into_iter().map(|e| e.to));
            }
        }
    }
    order
}

struct Writer<'a> {
    playbook: &'a Map<String, Value>,
    lost: Vec<Lost>,
}

impl Writer<'_> {
    fn lose(&mut self, kind: LostKind, place: &str, detail: &str) {
        let safe = |text| printable(text, 200).0;
        self.lost.push(Lost { kind, place: safe(place), detail: safe(detail) });
    }

    /// A text member, safe to print; empty where there is none.
    fn text(&mut self, of: &Map<String, Value>, place: &str, name: &str) -> String {
        let text = of.get(name).and_then(Value::as_str).unwrap_or_default();
        self.kept(text, &format!("{place}/{name}"))
    }

    fn kept(&mut self, text: &str, place: &str) -> String {
        let (kept, cut) = printable(text, TEXT_CHARS_MAX);
        if cut {
            self.lose(LostKind::TextEnd, place, "");
        }
        kept
    }

    fn metadata(&mut self) {
        let playbook = self.playbook;
        for name in playbook.keys() {
            let kind = match name.as_str() {
                "type"
                | "spec_version"
                | "id"
                | "name"
                | "description"
                | "workflow"
                | "workflow_start"
                | "created"
                | "modified"
                | "created_by"
                | "agent_definitions"
                | "target_definitions"
                | "extension_definitions" => continue,
                "playbook_extensions" => {
                    self.extensions(playbook, "playbook_extensions");
                    continue;
                }
                "playbook_variables" => LostKind::Variables,
                "authentication_info_definitions" => LostKind::Authentication,
                "markings" | "data_marking_definitions" => LostKind::Markings,
                "signatures" => LostKind::Signatures,
                "workflow_exception" => LostKind::Exception,
                other if PLAYBOOK.iter().any(|(known, _)| *known == other) => LostKind::Metadata,
                _ => LostKind::UnknownMember,
            };
            self.lose(kind, name, "");
        }
        for list in ["agent_definitions", "target_definitions"] {
            for (id, agent) in object_of(playbook, list).into_iter().flatten() {
                let named =
                    |name: &String| matches!(name.as_str(), "type" | "name" | "description");
                if agent.as_object().is_some_and(|a| !a.keys().all(named)) {
                    self.lose(LostKind::Address, &format!("{list}/{id}"), "");
                }
            }
        }
        let time = |name: &str| playbook.get(name)?.as_str()?.parse::<Timestamp>().ok();
        let times = time("created").zip(time("modified"));
        if let Some((created, modified)) = times.filter(|(created, modified)| modified < created) {
            let detail = format!("modified {modified} lies before created {created}");
            self.lose(LostKind::VersionOrder, "modified", &detail);
        }
    }

    fn extensions(&mut self, of: &Map<String, Value>, place: &str) {
        let name = place.rsplit('/').next().unwrap_or(place);
        for id in object_of(of, name).into_iter().flat_map(Map::keys) {
            let detail = if id == EXTENSION { "of this program" } else { id };
            self.lose(LostKind::Extension, place, detail);
        }
    }

    fn step(&mut self, id: &str, step: &Value) -> DraftStep {
        let place = format!("workflow/{id}");
        let none = Map::new();
        let members = step.as_object().unwrap_or(&none);
        let of = match kind(step) {
            "action" => DraftKind::Manual,
            "if-condition" | "switch-condition" => DraftKind::Question,
            "while-condition" => DraftKind::Loop,
            "parallel" => DraftKind::Parallel,
            "playbook-action" => DraftKind::Playbook,
            "start" => DraftKind::Start,
            "end" => DraftKind::End,
            _ => DraftKind::Unknown,
        };
        self.step_losses(of, members, &place);
        let edges = graph::edges(step);
        let safe = |text: &str| printable(text, 300).0;
        DraftStep {
            id: safe(id),
            kind: of,
            title: self.text(members, &place, "name"),
            text: self.step_text(members, &place),
            commands: self.commands(members, &place),
            leads: edges.iter().map(|e| Lead { edge: safe(&e.label), to: safe(e.to) }).collect(),
        }
    }

    fn step_losses(&mut self, of: DraftKind, step: &Map<String, Value>, place: &str) {
        match of {
            DraftKind::Question => self.lose(LostKind::Condition, place, ""),
            DraftKind::Loop => self.lose(LostKind::Loop, place, ""),
            DraftKind::Parallel => self.lose(LostKind::Parallel, place, ""),
            DraftKind::Playbook => self.lose(LostKind::PlaybookCall, place, ""),
            DraftKind::Manual | DraftKind::Start | DraftKind::End | DraftKind::Unknown => {}
        }
        let kind = step.get("type").and_then(Value::as_str).unwrap_or_default();
        let own = STEP_TYPES.iter().find(|(name, _, _)| *name == kind);
        let own: &[(&str, Json)] = own.map_or(&[], |(_, own, _)| own);
        for name in step.keys() {
            match name.as_str() {
                "delay" | "timeout" => self.lose(LostKind::Timing, &format!("{place}/{name}"), ""),
                "step_variables" | "in_args" | "out_args" => {
                    self.lose(LostKind::Variables, &format!("{place}/{name}"), "");
                }
                "step_extensions" => self.extensions(step, &format!("{place}/{name}")),
                "external_references" | "owner" => {
                    self.lose(LostKind::Metadata, &format!("{place}/{name}"), "");
                }
                other => {
                    let known = STEP.iter().chain(own).any(|(known, _)| *known == other);
                    if !known {
                        self.lose(LostKind::UnknownMember, &format!("{place}/{name}"), "");
                    }
                }
            }
        }
    }

    /// Description, condition, agent and targets, one per line.
    fn step_text(&mut self, step: &Map<String, Value>, place: &str) -> String {
        let text = |name: &str| step.get(name).and_then(Value::as_str);
        let mut lines: Vec<String> = text("description").map(str::to_owned).into_iter().collect();
        for (name, word) in [
            ("condition", "Condition"),
            ("switch", "Depends on"),
            ("playbook_id", "Playbook"),
            ("playbook_version", "Its version"),
        ] {
            lines.extend(text(name).map(|t| format!("{word}: {t}")));
        }
        let named = |list: &str, id: &str| {
            let agent = object_of(self.playbook, list).and_then(|known| known.get(id));
            let of = |name: &str| agent.and_then(|a| a.get(name)).and_then(Value::as_str);
            format!("{} ({})", of("name").unwrap_or(id), of("type").unwrap_or("not defined"))
        };
        lines.extend(text("agent").map(|id| format!("By: {}", named("agent_definitions", id))));
        let targets = step.get("targets").and_then(Value::as_array).into_iter().flatten();
        for target in targets.filter_map(Value::as_str) {
            lines.push(format!("On: {}", named("target_definitions", target)));
        }
        self.kept(&lines.join("\n"), place)
    }

    fn commands(&mut self, step: &Map<String, Value>, place: &str) -> Vec<DraftCommand> {
        let commands = step.get("commands").and_then(Value::as_array);
        let mut quoted = Vec::new();
        for (i, command) in commands.into_iter().flatten().enumerate() {
            let place = format!("{place}/commands/{i}");
            let kind = command.get("type").and_then(Value::as_str).unwrap_or("unknown");
            if kind != "manual" {
                self.lose(LostKind::Command, &place, kind);
            }
            if command.get("headers").is_some() {
                self.lose(LostKind::Headers, &place, "");
            }
            let text = |name: &str| command.get(name).and_then(Value::as_str);
            let parts = ["description", "command", "command_b64", "content", "content_b64"];
            let parts = parts.iter().filter_map(|name| {
                let text = text(name)?;
                Some(if name.ends_with("_b64") { decoded(text) } else { text.to_owned() })
            });
            let text = parts.collect::<Vec<_>>().join("\n");
            let kind = printable(kind, 64).0;
            quoted.push(DraftCommand { kind, text: self.kept(&text, &place) });
        }
        quoted
    }
}

/// Base64 as the text it holds; what is none stays as it is.
fn decoded(text: &str) -> String {
    match Base64::decode_vec(text) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => text.to_owned(),
    }
}
