//! `azir advise FILE`: a situation in, a decision out.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use azir_model::advise::{Advice, Request};

use super::{Talk, say, strict, toml_fault};
use crate::error::CliError;

/// Largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Reads the situation and prints the advice.
pub(crate) fn run(talk: Talk, file: &Path, ignore_proposal: bool) -> Result<(), CliError> {
    let text = read(file)?;
    let value = parse(file, &text)?;
    let mut request = Request::from_value(&value).map_err(CliError::Refused)?;
    if ignore_proposal {
        request = match request {
            Request::Situation(s) => Request::Situation(Box::new(s.without_proposal())),
            Request::Input(input) => Request::Input(input),
        };
    }
    let advice = request.advice();
    if talk.json {
        let json =
            serde_json::to_string_pretty(&advice).map_err(|e| CliError::Internal(e.to_string()))?;
        say(&format!("{json}\n"))
    } else {
        say(&words(&advice))
    }
}

/// Reads a file, or standard input for `-`.
pub(crate) fn read(file: &Path) -> Result<String, CliError> {
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)
    } else {
        let open = std::fs::File::open(file).map_err(|e| CliError::read(file, e))?;
        open.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)
    };
    read.map_err(|e| CliError::read(file, e))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(CliError::content(file, format!("longer than {FILE_BYTES_MAX} bytes")));
    }
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        CliError::content(file, format!("no text: byte {at} is not UTF-8"))
    })
}

/// JSON when the text begins with a brace, else TOML. TOML dates become texts.
pub(crate) fn parse(file: &Path, text: &str) -> Result<serde_json::Value, CliError> {
    if text.trim_start().starts_with('{') {
        return strict::json(text).map_err(|e| CliError::content(file, e));
    }
    let table: toml::Table =
        text.parse().map_err(|e| CliError::content(file, toml_fault(text, &e)))?;
    Ok(convert(toml::Value::Table(table)))
}

fn convert(value: toml::Value) -> serde_json::Value {
    match value {
        toml::Value::String(s) => s.into(),
        toml::Value::Integer(i) => i.into(),
        toml::Value::Float(f) => f.into(),
        toml::Value::Boolean(b) => b.into(),
        toml::Value::Datetime(d) => d.to_string().into(),
        toml::Value::Array(items) => items.into_iter().map(convert).collect(),
        toml::Value::Table(table) => {
            table.into_iter().map(|(key, item)| (key, convert(item))).collect()
        }
    }
}

/// Advice in words.
pub(crate) fn words(advice: &Advice) -> String {
    let list = |items: Vec<String>| {
        if items.is_empty() { "none".to_owned() } else { items.join(", ") }
    };
    let mut out = String::new();
    let alternatives = advice.class_alternatives.iter().map(ToString::to_string).collect();
    let measures = advice.containment.iter().map(ToString::to_string).collect();
    for (name, value) in [
        ("class", advice.class.to_string()),
        ("alternatives", list(alternatives)),
        ("severity", advice.severity.to_string()),
        ("profile", advice.profile.to_string()),
        ("containment", list(measures)),
        ("emergency path", advice.emergency_escalation.to_string()),
        ("runbook", advice.runbook.to_string()),
    ] {
        let _infallible = writeln!(out, "{name:<15} {value}");
    }
    let _infallible = writeln!(out, "\nwhy\n{}", advice.explanation.trim_end());
    for (n, question) in advice.next_questions.iter().enumerate() {
        if n == 0 {
            out.push_str("\nfind out next\n");
        }
        let _infallible = writeln!(out, "{}. {}", n + 1, question.question);
        for answer in &question.answers {
            let then: Vec<_> = answer.containment.iter().map(ToString::to_string).collect();
            let _infallible = writeln!(out, "   if {}: {}", answer.answer, then.join(", "));
        }
    }
    out
}
