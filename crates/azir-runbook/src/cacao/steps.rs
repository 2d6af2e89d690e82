//! The workflow of an export: one block of CACAO steps per step of the runbook.
//!
//! A block is a gate (`if-condition` on `__at__`), the action for a person, one action for the
//! case that it failed or came too late, and an `end`. Where an answer decides, a `switch-` or
//! `if-condition` follows the action, with one action and one `end` per branch.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::ids::{EXTENSION, uuid};
use crate::model::{Runbook, Step, Target, Work};
use crate::op::Effect;
use crate::predicate::Predicate;

/// Variable that names the step whose turn it is.
const AT: &str = "__at__";
/// Variable that holds the last answer.
const ANSWER: &str = "__answer__";
/// Activity of the actions that only choose the way.
const STEERING: &str = "step-sequence";

/// What an export consists in beside its metadata.
#[derive(Default)]
pub(super) struct Workflow {
    pub(super) start: String,
    pub(super) steps: Map<String, Value>,
    pub(super) agents: Map<String, Value>,
    pub(super) variables: Value,
    pub(super) activities: BTreeSet<&'static str>,
    pub(super) switches: bool,
    book: String,
}

/// Who does what in one action.
struct Act<'a> {
    name: String,
    command: String,
    sets: &'a str,
    activity: &'static str,
}

impl Workflow {
    pub(super) fn of(book: &Runbook) -> Self {
        let mut flow = Self { book: book.id().to_string(), ..Self::default() };
        let last = flow.id("end", "", "last");
        flow.put(&last, json!({ "type": "end", "name": "End" }));
        let mut following = last;
        for step in book.steps().iter().rev() {
            following = flow.block(step, &following);
        }
        flow.start = flow.id("start", "", "start");
        let start = json!({ "type": "start", "name": "Start", "on_completion": following });
        flow.put(&flow.start.clone(), start);
        let first = book.steps().first().map_or("end", |s| s.id.as_str());
        flow.variables = json!({
            AT: variable("Id of the step whose turn it is; `hold` and `end` name none.", first),
            ANSWER: variable("The last answer that was given.", ""),
        });
        flow
    }

    /// Ids depend on runbook, step and part of the block alone.
    fn id(&self, kind: &str, step: &str, part: &str) -> String {
        format!("{kind}--{}", uuid(4, &format!("{}/{step}/{part}", self.book)))
    }

    fn put(&mut self, id: &str, step: Value) {
        self.steps.insert(id.to_owned(), step);
    }

    /// One step; gives the id of its gate.
    fn block(&mut self, step: &Step, following: &str) -> String {
        let id = step.id.as_str();
        let [gate, act] =
            [("if-condition", "gate"), ("action", "act")].map(|(k, p)| self.id(k, id, p));
        let [late, end] = [("action", "late"), ("end", "end")].map(|(k, p)| self.id(k, id, p));
        self.put(
            &gate,
            json!({
                "type": "if-condition", "name": format!("Turn of {id}?"),
                "condition": format!("{AT}:value = '{id}'"),
                "on_true": act, "on_completion": following,
            }),
        );
        let (after, sets) = match self.branches(step, &end) {
            Some(after) => (after, ANSWER),
            None => (end.clone(), AT),
        };
        let main = Act {
            name: step.title.clone(),
            command: instruction(step),
            sets,
            activity: activity(step.effect),
        };
        let mut main = self.action(step, main);
        main["description"] = json!(step.text);
        main["timeout"] = json!(u64::from(step.deadline_s) * 1000);
        main["on_success"] = json!(after);
        main["on_failure"] = json!(late);
        main["step_extensions"] =
            json!({ EXTENSION: { "runbook_step": crate::write::step(step) } });
        self.put(&act, main);
        let name = format!("Not done in time: {id}");
        let command = lateness(step);
        let mut action = self.action(step, Act { name, command, sets: AT, activity: STEERING });
        action["on_completion"] = json!(end);
        self.put(&late, action);
        self.put(&end, json!({ "type": "end", "name": format!("End of {id}") }));
        gate
    }

    /// The condition after a question, with a branch per answer; none where nothing is asked.
    fn branches(&mut self, step: &Step, end: &str) -> Option<String> {
        match &step.work {
            Work::Auto { .. } | Work::Manual { .. } => None,
            Work::Decision { answers, .. } => {
                let answers = answers.iter().map(|a| (a.id.as_str(), &a.goto)).collect();
                Some(self.switch(step, answers, end))
            }
            Work::Check { next, on_fail, on_unknown, .. } => {
                let answers = vec![("true", next), ("false", on_fail), ("unknown", on_unknown)];
                Some(self.switch(step, answers, end))
            }
            Work::Approval { next, on_reject, .. } => {
                Some(self.fork(step, ("approved", next), ("rejected", on_reject), end))
            }
            Work::Wait { next, .. } => {
                Some(self.fork(step, ("true", next), ("false", &step.on_deadline), end))
            }
        }
    }

    fn switch(&mut self, step: &Step, answers: Vec<(&str, &Target)>, end: &str) -> String {
        let cases: Map<String, Value> = answers
            .into_iter()
            .map(|(answer, to)| (answer.to_owned(), json!(self.branch(step, answer, to))))
            .collect();
        let id = self.id("switch-condition", step.id.as_str(), "answer");
        self.put(
            &id,
            json!({
                "type": "switch-condition", "name": format!("Answer to {}", step.id),
                "switch": format!("{ANSWER}:value"), "cases": cases, "on_completion": end,
            }),
        );
        self.switches = true;
        id
    }

    fn fork(
        &mut self,
        step: &Step,
        (yes, to): (&str, &Target),
        (no, otherwise): (&str, &Target),
        end: &str,
    ) -> String {
        let on_true = self.branch(step, yes, to);
        let on_false = self.branch(step, no, otherwise);
        let id = self.id("if-condition", step.id.as_str(), "answer");
        self.put(
            &id,
            json!({
                "type": "if-condition", "name": format!("Answer to {}", step.id),
                "condition": format!("{ANSWER}:value = '{yes}'"),
                "on_true": on_true, "on_false": on_false, "on_completion": end,
            }),
        );
        id
    }

    /// The branch of one answer: an action that says where it leads, and its own end.
    fn branch(&mut self, step: &Step, answer: &str, to: &Target) -> String {
        let id = step.id.as_str();
        let branch = self.id("action", id, &format!("go/{answer}"));
        let end = self.id("end", id, &format!("end/{answer}"));
        let act = Act {
            name: format!("{id}: {answer}"),
            command: sentence(&go(to, step)),
            sets: AT,
            activity: STEERING,
        };
        let mut action = self.action(step, act);
        action["on_completion"] = json!(end);
        self.put(&branch, action);
        self.put(&end, json!({ "type": "end", "name": format!("End of {id}: {answer}") }));
        branch
    }

    fn action(&mut self, step: &Step, act: Act<'_>) -> Value {
        self.activities.insert(act.activity);
        json!({
            "type": "action", "name": act.name, "agent": self.agent(step),
            "commands": [{
                "type": "manual", "command": act.command, "playbook_activity": act.activity,
            }],
            "out_args": [act.sets],
        })
    }

    /// One group per set of roles.
    fn agent(&mut self, step: &Step) -> String {
        let names: Vec<_> = step.roles.iter().map(|r| r.as_str()).collect();
        let name = names.join(", ");
        let id = format!("group--{}", uuid(4, &format!("{}/roles/{name}", self.book)));
        let agent =
            json!({ "type": "group", "name": name, "description": "Any one of these roles." });
        self.agents.insert(id.clone(), agent);
        id
    }
}

fn variable(description: &str, value: &str) -> Value {
    json!({ "type": "string", "description": description, "value": value,
            "constant": false, "external": false })
}

/// The nearest word of the vocabulary of playbook activities.
const fn activity(effect: Effect) -> &'static str {
    match effect {
        Effect::Observe | Effect::Preserve => "analyze-collected-data",
        Effect::Draft | Effect::RestrictProtocolDraft => "compose-content",
        Effect::RestrictLocal => "restrict-access",
        Effect::MutateLocal => "restore-data",
        Effect::Release => "restore-capabilities",
    }
}

/// What the person reads: the text of the step, its conditions, and what to set at the end.
fn instruction(step: &Step) -> String {
    let mut lines = vec![step.text.clone()];
    if let Some(guard) = &step.guard {
        lines.push(format!("Only if {}.", words(guard)));
    }
    if !step.evidence.is_empty() {
        lines.push(format!("Record: {}.", step.evidence.join(", ")));
    }
    let answer = |of: &str| format!("Set {ANSWER} to {of}.");
    match &step.work {
        Work::Auto { op, args, next, .. } => {
            let args: Vec<_> = args.iter().map(|(k, v)| format!("{k} = {v}")).collect();
            let with =
                if args.is_empty() { String::new() } else { format!(", {}", args.join(", ")) };
            lines.push(format!("Operation: {op}{with} (effect {}).", step.effect));
            lines.push(format!("When done, {}.", go(next, step)));
        }
        Work::Manual { next, .. } => lines.push(format!("When done, {}.", go(next, step))),
        Work::Decision { question, answers } => {
            lines.push(question.clone());
            lines.extend(answers.iter().map(|a| match &a.when {
                Some(when) => format!("'{}': {} Only if {}.", a.id, a.text, words(when)),
                None => format!("'{}': {}", a.id, a.text),
            }));
            lines.push(answer("one of these"));
        }
        Work::Approval { quorum, .. } => {
            lines.push(format!("Needs the consent of {quorum} of the roles, by different people."));
            lines.push(answer("'approved' or 'rejected'"));
        }
        Work::Check { when, .. } => {
            lines.push(format!("Holds if {}.", words(when)));
            lines.push(answer("'true', 'false' or 'unknown'"));
        }
        Work::Wait { until, .. } => {
            lines.push(format!("Wait until {}.", words(until)));
            lines.push(answer("'true' when it holds"));
        }
    }
    lines.join("\n")
}

/// What to do when the action failed or its deadline passed.
fn lateness(step: &Step) -> String {
    let late = format!("If its deadline passed, {}.", go(&step.on_deadline, step));
    match &step.work {
        Work::Auto { on_fail, .. } | Work::Manual { on_fail, .. } => {
            format!("If it could not be done, {}. {late}", go(on_fail, step))
        }
        Work::Decision { .. } | Work::Approval { .. } | Work::Check { .. } | Work::Wait { .. } => {
            late
        }
    }
}

fn go(to: &Target, from: &Step) -> String {
    match to {
        Target::Step(id) => format!("set {AT} to '{id}'"),
        Target::Hold => format!(
            "set {AT} to 'hold': keep every restriction, call a person, and start again with \
             {AT} at '{}' once that is settled",
            from.id
        ),
        Target::End => format!("set {AT} to 'end'"),
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).collect()
}

/// A predicate in words. As deep as a loaded predicate, so at most 9.
fn words(of: &Predicate) -> String {
    let all = |of: &[Predicate], by: &str| {
        format!("({})", of.iter().map(words).collect::<Vec<_>>().join(by))
    };
    match of {
        Predicate::All(of) => all(of, " and "),
        Predicate::Any(of) => all(of, " or "),
        Predicate::Not(inner) => format!("not {}", words(inner)),
        Predicate::Fact { name, test } => format!("{name} is {test}"),
    }
}

/// The blocks of an export, by the id of the runbook's step: the CACAO ids that carry it.
pub(super) fn carried(workflow: &Map<String, Value>) -> BTreeMap<&str, Vec<(&str, &Value)>> {
    let mut found: BTreeMap<&str, Vec<(&str, &Value)>> = BTreeMap::new();
    for (id, step) in workflow {
        let Some(carried) = step.pointer(&format!("/step_extensions/{EXTENSION}/runbook_step"))
        else {
            continue;
        };
        let name = carried.get("id").and_then(Value::as_str).unwrap_or_default();
        found.entry(name).or_default().push((id, carried));
    }
    found
}
