//! Ledger before act, as one function for every host: an accepted event is appended, and only what
//! the engine releases after the acknowledgement is answered or ordered.

use std::collections::VecDeque;

use azir_ledger::{Digest, Entry, Event, SignedEvent, Timestamp};
use azir_model::{Refusal, RefusalKind};

use crate::engine::{Close, Effect, Engine, Input, Objects, Reopen};

/// What a host brings: durable storage and the server's signature.
pub trait Keeper {
    /// Stores the entry; returns only when it is durable.
    ///
    /// # Errors
    /// A text with place and remedy. Whether the entry is stored is then unknown, so the host must
    /// not be driven any further before it was opened again.
    fn append(&mut self, entry: &Entry) -> Result<(), String>;

    /// The server's own signature; nothing when it cannot sign.
    fn sign(&self, event: &Event) -> Option<SignedEvent>;
}

/// What the engine orders, to be delivered to gates.
#[derive(Clone, Debug)]
pub enum Order {
    /// Close gates.
    Close(Close),
    /// Reopen one gate.
    Reopen(Reopen),
}

/// What driving one submission gave.
#[derive(Debug)]
pub struct Driven {
    /// Position of the event, or why it was not accepted.
    pub answer: Result<u64, Refusal>,
    /// Orders that are released.
    pub orders: Vec<Order>,
    /// Set when a write failed: the log has stopped.
    pub failed: Option<String>,
}

/// Submits a signed event and performs every effect up to its acknowledgement, the server's own
/// consequences included.
pub fn submit(
    engine: &mut Engine,
    now: Timestamp,
    signed: SignedEvent,
    objects: &dyn Objects,
    keeper: &mut dyn Keeper,
) -> Driven {
    let drive = Drive { asked: Some(signed.hash()), answer: None, orders: Vec::new() };
    let (drive, failed) = run(engine, now, Input::Submit(Box::new(signed)), objects, keeper, drive);
    let answer = match (&failed, drive.answer) {
        (Some(why), _) => Err(stopped(why)),
        (None, answer) => answer.unwrap_or_else(|| Err(stopped("the engine gave no answer"))),
    };
    Driven { answer, orders: drive.orders, failed }
}

/// Lets the rules look at the time. A host does so when it has opened a log, and now and then:
/// consequences that a stop cut off are appended, and orders without acknowledgement are given
/// again. Gives the orders, and why a write failed.
pub fn tick(
    engine: &mut Engine,
    now: Timestamp,
    objects: &dyn Objects,
    keeper: &mut dyn Keeper,
) -> (Vec<Order>, Option<String>) {
    let drive = Drive { asked: None, answer: None, orders: Vec::new() };
    let (drive, failed) = run(engine, now, Input::Tick, objects, keeper, drive);
    (drive.orders, failed)
}

fn run(
    engine: &mut Engine,
    now: Timestamp,
    first: Input,
    objects: &dyn Objects,
    keeper: &mut dyn Keeper,
    mut drive: Drive,
) -> (Drive, Option<String>) {
    let mut inputs = VecDeque::from([first]);
    while let Some(input) = inputs.pop_front() {
        for effect in engine.step(now, input, objects) {
            match effect {
                Effect::Append(entry) => {
                    if let Err(why) = keeper.append(&entry) {
                        return (drive, Some(why));
                    }
                    inputs.push_front(Input::Durable(entry.meta.index + 1));
                }
                Effect::Record(event) => {
                    let own = keeper.sign(&event).map(|own| Input::Submit(Box::new(own)));
                    inputs.extend(own);
                }
                other => drive.take(other),
            }
        }
    }
    (drive, None)
}

struct Drive {
    asked: Option<Digest>,
    answer: Option<Result<u64, Refusal>>,
    orders: Vec<Order>,
}

impl Drive {
    fn take(&mut self, effect: Effect) {
        match effect {
            Effect::Reply { event, outcome } if Some(event) == self.asked => {
                self.answer = Some(outcome)
            }
            // Replies to the server's own events: nobody waits for them.
            Effect::Reply { .. } => {}
            Effect::Close(close) => self.orders.push(Order::Close(close)),
            Effect::Reopen(reopen) => self.orders.push(Order::Reopen(reopen)),
            // Handled by the loop.
            Effect::Append(_) | Effect::Record(_) => {}
        }
    }
}

/// The refusal of a log whose storage failed.
#[must_use]
pub fn stopped(why: &str) -> Refusal {
    Refusal::one(
        RefusalKind::Unavailable,
        format!("the ledger stopped: {why}"),
        "7.3, D-022",
        "start again from the store; nothing acknowledged is lost",
    )
}
