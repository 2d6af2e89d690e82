//! Who may sign, and from which position of the log to which (D-051).
//!
//! Validity is judged at the log position of an event, never at a time. A roster is what the
//! events say about keys; making it from events is not done here.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::event::{PublicKey, SignedEvent};
use crate::machine::SignatureError;
use crate::person::{EVENT_NAMESPACE, PersonPublic};

/// One key of one actor, valid at positions `from <= position < until`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RosterKey {
    /// `operator:<id>`, `agent:<id>`, `gate:<id>`, `server:<id>`, `detector:<name>@<version>`.
    pub actor: String,
    /// The public key.
    pub key: PublicKey,
    /// First log position at which the key is valid.
    pub from: u64,
    /// Log position from which the key is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

/// All keys of a log, also revoked ones: earlier events stay verifiable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roster {
    /// Origin of the log.
    pub log: String,
    /// The keys, in the order in which they came.
    pub keys: Vec<RosterKey>,
}

/// Why an event is not accepted as its actor's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RosterError {
    /// No key of this actor: refusal kind `unknown_actor`.
    #[error("{actor:?} has no key in the roster")]
    UnknownActor {
        /// The actor.
        actor: String,
    },
    /// The actor's keys become valid later: refusal kind `unknown_actor`.
    #[error("the key of {actor:?} is valid from position {from}")]
    NotYet {
        /// The actor.
        actor: String,
        /// First position at which a key is valid.
        from: u64,
    },
    /// All keys of the actor are revoked: refusal kind `key_revoked`.
    #[error("the key of {actor:?} is revoked from position {at}")]
    Revoked {
        /// The actor.
        actor: String,
        /// Position of the last revocation.
        at: u64,
    },
    /// A valid key exists, but the signature is not by it: refusal kind `signature_invalid`.
    #[error("not signed by a valid key of {actor:?}: {why}")]
    Signature {
        /// The actor.
        actor: String,
        /// What is wrong with the signature.
        why: SignatureError,
    },
}

impl Roster {
    /// An empty roster.
    #[must_use]
    pub fn new(log: &str) -> Self {
        Self { log: log.to_owned(), keys: Vec::new() }
    }

    /// Adds a key that is valid from a position on.
    pub fn add(&mut self, actor: &str, key: PublicKey, from: u64) {
        self.keys.push(RosterKey { actor: actor.to_owned(), key, from, until: None });
    }

    /// The keys of an actor that are valid at a position, newest first.
    ///
    /// # Errors
    /// [`RosterError`] except `Signature`.
    pub fn keys_at(&self, actor: &str, position: u64) -> Result<Vec<&PublicKey>, RosterError> {
        let mut valid = Vec::new();
        let (mut soonest, mut revoked) = (None::<u64>, None::<u64>);
        for entry in self.keys.iter().rev().filter(|k| k.actor == actor) {
            match entry.until {
                _ if position < entry.from => {
                    soonest = Some(soonest.map_or(entry.from, |s| s.min(entry.from)));
                }
                Some(until) if position >= until => revoked = revoked.max(Some(until)),
                Some(_) | None => valid.push(&entry.key),
            }
        }
        let actor = actor.to_owned();
        match (valid.is_empty(), revoked, soonest) {
            (false, _, _) => Ok(valid),
            (true, Some(at), _) => Err(RosterError::Revoked { actor, at }),
            (true, None, Some(from)) => Err(RosterError::NotYet { actor, from }),
            (true, None, None) => Err(RosterError::UnknownActor { actor }),
        }
    }

    /// The newest key of an actor that is valid at a position.
    ///
    /// # Errors
    /// [`RosterError`] except `Signature`.
    pub fn key_at(&self, actor: &str, position: u64) -> Result<&PublicKey, RosterError> {
        let keys = self.keys_at(actor, position)?;
        keys.first().copied().ok_or(RosterError::UnknownActor { actor: actor.to_owned() })
    }

    /// Checks that an event is signed by a key of its actor that is valid at `position`.
    ///
    /// # Errors
    /// [`RosterError`].
    pub fn verify(&self, signed: &SignedEvent, position: u64) -> Result<(), RosterError> {
        let actor = &signed.event().actor;
        let mut why = SignatureError::Invalid;
        for key in self.keys_at(actor, position)? {
            match signed.verify(key) {
                Ok(()) => return Ok(()),
                Err(e) => why = e,
            }
        }
        Err(RosterError::Signature { actor: actor.clone(), why })
    }

    /// Ends the validity of one key of an actor, or of all (`key` absent), from position `at` on.
    /// An earlier end stays. Gives the number of keys that were still valid.
    pub fn revoke(&mut self, actor: &str, key: Option<&PublicKey>, at: u64) -> usize {
        let mut ended = 0;
        for entry in self.keys.iter_mut().filter(|k| k.actor == actor) {
            if key.is_none_or(|k| *k == entry.key) && entry.until.is_none_or(|until| until > at) {
                entry.until = Some(at);
                ended += 1;
            }
        }
        ended
    }

    /// The `allowed_signers` text for `ssh-keygen -Y verify`: people only, one line for each key.
    /// Revoked keys stay, with a comment line: a file knows times, this log knows positions.
    #[must_use]
    pub fn allowed_signers(&self) -> String {
        let mut text = format!("# people of {}\n", one_line(&self.log));
        for entry in &self.keys {
            if let PublicKey::Person(key) = &entry.key {
                if let Some(at) = entry.until {
                    let _infallible = writeln!(text, "# revoked from log position {at}:");
                }
                let actor = principal(&entry.actor);
                let _infallible = writeln!(text, "{actor} namespaces=\"{EVENT_NAMESPACE}\" {key}");
            }
        }
        text
    }
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// An actor as one principal: what has a meaning in a principal list becomes `_`.
#[must_use]
pub fn principal(actor: &str) -> String {
    let special = |c: char| {
        c.is_whitespace() || c.is_control() || matches!(c, '*' | '?' | ',' | '!' | '"' | '#')
    };
    actor.chars().map(|c| if special(c) { '_' } else { c }).collect()
}

/// One line of an `allowed_signers` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedSigner {
    /// Patterns of principals, as written.
    pub principals: Vec<String>,
    /// Patterns of namespaces; any, if absent.
    pub namespaces: Option<Vec<String>>,
    /// `valid-after`, as written.
    pub valid_after: Option<String>,
    /// `valid-before`, as written.
    pub valid_before: Option<String>,
    /// The key.
    pub key: PersonPublic,
}

/// A line of an `allowed_signers` file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("allowed_signers line {line}: {why}")]
pub struct SignersError {
    /// Line number, from 1.
    pub line: usize,
    /// What is wrong.
    pub why: &'static str,
}

/// Reads an `allowed_signers` file. Certificate authorities are refused: no rule here uses them.
///
/// # Errors
/// [`SignersError`] for the first line that cannot be used.
pub fn parse_allowed_signers(text: &str) -> Result<Vec<AllowedSigner>, SignersError> {
    let mut signers = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            signers.push(parse_signer(line).map_err(|why| SignersError { line: at + 1, why })?);
        }
    }
    Ok(signers)
}

fn parse_signer(line: &str) -> Result<AllowedSigner, &'static str> {
    let (principals, rest) = field(line)?;
    let (options, key) = match rest.parse() {
        Ok(key) => ("", key),
        Err(_) => {
            let (options, key) = field(rest)?;
            (options, key.parse().map_err(|_| "no SSH public key")?)
        }
    };
    let mut signer = AllowedSigner {
        principals: principals.trim_matches('"').split(',').map(str::to_owned).collect(),
        namespaces: None,
        valid_after: None,
        valid_before: None,
        key,
    };
    for option in split_options(options) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let value = value.trim_matches('"');
        match name.to_ascii_lowercase().as_str() {
            "namespaces" => {
                signer.namespaces = Some(value.split(',').map(str::to_owned).collect());
            }
            "valid-after" => signer.valid_after = Some(value.to_owned()),
            "valid-before" => signer.valid_before = Some(value.to_owned()),
            "cert-authority" => return Err("certificate authorities are not used"),
            _ => return Err("unknown option"),
        }
    }
    Ok(signer)
}

/// The text up to the first blank outside quotes, and what follows.
fn field(text: &str) -> Result<(&str, &str), &'static str> {
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ' ' | '\t' if !quoted => return Ok((&text[..at], text[at..].trim_start())),
            _ => {}
        }
    }
    Err("expected principals, options and a key")
}

/// Options between commas outside quotes.
fn split_options(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let split = text.split(move |c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    split.filter(|option| !option.is_empty())
}

impl AllowedSigner {
    /// Whether this line lets `principal` sign in `namespace`; times are not judged.
    #[must_use]
    pub fn permits(&self, principal: &str, namespace: &str) -> bool {
        let namespaces = self.namespaces.as_deref();
        matches_list(&self.principals, principal)
            && namespaces.is_none_or(|list| matches_list(list, namespace))
    }
}

/// OpenSSH pattern list: one match, and no match of a pattern that starts with `!`.
fn matches_list(patterns: &[String], text: &str) -> bool {
    let hit = |p: &str| glob(p.as_bytes(), text.as_bytes());
    let denied = patterns.iter().filter_map(|p| p.strip_prefix('!')).any(hit);
    !denied && patterns.iter().filter(|p| !p.starts_with('!')).any(|p| hit(p))
}

/// `*` for any text and `?` for one byte, in time proportional to pattern times text.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    p = at + 1;
                    t = from + 1;
                    star = Some((at, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|c| *c == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MachineKey, PersonKey};

    fn person(seed: u8) -> PublicKey {
        PublicKey::Person(PersonKey::from_seed([seed; 32], "").public())
    }

    /// D-051: events before the position stay valid, those from it on do not.
    #[test]
    fn a_revoked_key_is_valid_before_its_position_and_void_from_it_on() {
        let mut roster = Roster::new("l");
        roster.add("operator:alice", person(1), 2);
        assert_eq!(roster.revoke("operator:alice", None, 7), 1);
        assert_eq!(roster.key_at("operator:alice", 6), Ok(&person(1)));
        let actor = "operator:alice".to_owned();
        assert_eq!(
            roster.key_at("operator:alice", 7),
            Err(RosterError::Revoked { actor: actor.clone(), at: 7 })
        );
        assert_eq!(roster.key_at("operator:alice", 1), Err(RosterError::NotYet { actor, from: 2 }));
        assert!(matches!(roster.key_at("operator:al", 3), Err(RosterError::UnknownActor { .. })));
        assert_eq!(roster.revoke("operator:alice", None, 9), 0, "an earlier end stays");
        roster.add("operator:alice", person(2), 8);
        assert_eq!(roster.key_at("operator:alice", 8), Ok(&person(2)));
        let text = serde_json::to_string(&roster).unwrap();
        assert_eq!(serde_json::from_str::<Roster>(&text).unwrap(), roster);
    }

    #[test]
    fn the_exported_signers_are_people_and_read_back() {
        let mut roster = Roster::new("l");
        roster.add("operator:alice", person(1), 0);
        roster.add("gate:n1", PublicKey::Machine(MachineKey::from_seed([5; 32]).public()), 0);
        roster.add("operator:b,*", person(2), 0);
        roster.revoke("operator:b,*", None, 4);
        let signers = parse_allowed_signers(&roster.allowed_signers()).unwrap();
        assert_eq!(signers.len(), 2);
        assert!(signers[0].permits("operator:alice", EVENT_NAMESPACE));
        assert!(!signers[0].permits("operator:alice", "file"));
        assert!(!signers[0].permits("operator:bob", EVENT_NAMESPACE));
        assert_eq!(signers[1].principals, ["operator:b__"]);
    }

    #[test]
    fn options_patterns_and_quotes_are_read_as_openssh_writes_them() {
        let key = person(1);
        let text = format!(
            "# comment\n\n\"a*,!ab\" valid-after=\"20260101Z\",namespaces=\"x,y z\" {key} me\nb? {key}\n"
        );
        let signers = parse_allowed_signers(&text).unwrap();
        assert_eq!(signers[0].valid_after.as_deref(), Some("20260101Z"));
        assert!(signers[0].permits("ac", "y z") && !signers[0].permits("ab", "x"));
        assert!(signers[1].permits("b1", "any") && !signers[1].permits("b12", "any"));
        for (bad, line) in [
            ("alice".to_owned(), 1),
            (format!("\na cert-authority {key}"), 2),
            (format!("a colour=\"red\" {key}"), 1),
            ("a ssh-ed25519 AAAA".to_owned(), 1),
        ] {
            assert_eq!(parse_allowed_signers(&bad).unwrap_err().line, line, "{bad}");
        }
    }
}
