//! What a failing store does to a drill: nothing acknowledged is lost, nothing unacknowledged acts.

use std::cell::RefCell;
use std::rc::Rc;

use azir_engine::Engine;
use azir_ledger::{Digest, Entry};

use super::*;

#[derive(Default)]
struct Disk {
    entries: Vec<Entry>,
}

/// A journal whose append number `fails_at` fails, with or without storing the entry.
struct Failing {
    disk: Rc<RefCell<Disk>>,
    fails_at: usize,
    stored_all_the_same: bool,
}

impl Journal for Failing {
    fn append(&mut self, entries: &[Entry]) -> Result<(), String> {
        let mut disk = self.disk.borrow_mut();
        for entry in entries {
            let fails = disk.entries.len() == self.fails_at;
            if !fails || self.stored_all_the_same {
                disk.entries.push(entry.clone());
            }
            if fails {
                return Err("no space left on device".to_owned());
            }
        }
        Ok(())
    }

    fn keep(&mut self, _: &Digest, _: &[u8]) -> Result<(), String> {
        Ok(())
    }
}

/// R-7.3-1: each write x {fails, not stored; fails, but stored}: what is on disk folds, holds every
/// acknowledged entry, and at most the one whose outcome is unknown beside them.
#[test]
fn a_failed_append_stops_the_log_and_loses_nothing_acknowledged() {
    let plan = plan("conflicting-notarization").unwrap();
    for fails_at in [0, 1, 20, 60] {
        for stored_all_the_same in [false, true] {
            let disk = Rc::new(RefCell::new(Disk::default()));
            let journal = Failing { disk: Rc::clone(&disk), fails_at, stored_all_the_same };
            let ended = run(&plan, &plan.runs[0], 1, Box::new(journal), &mut |_, _, _| {});
            let error = ended.map(|_| ()).unwrap_err().to_string();
            assert!(error.contains("the ledger stopped: no space left"), "{fails_at}: {error}");
            let entries = &disk.borrow().entries;
            assert_eq!(entries.len(), fails_at + usize::from(stored_all_the_same));
            let Some(first) = entries.first() else { continue };
            let event = first.signed.event();
            let mut engine = Engine::new(&event.log, &event.mode);
            for entry in entries {
                engine.load(entry).unwrap();
            }
            assert_eq!(engine.state().size, entries.len() as u64);
        }
    }
}

#[test]
fn an_unknown_drill_is_refused_with_the_known_ones() {
    let error = plan("no-such-drill").unwrap_err().to_string();
    assert!(error.contains("conflicting-notarization"), "{error}");
}
