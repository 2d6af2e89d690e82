//! Fault switches of annex L.9 that concern the network and equivocation.

use std::collections::{BTreeMap, BTreeSet};

use azir_atlas::{Role, Seat};
use serde::{Deserialize, Serialize};

use crate::net::MessageKind;

/// A span of slots, the end not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slots {
    /// First slot.
    pub from: u64,
    /// First slot after the span.
    pub until: u64,
}

impl Slots {
    /// Whether a slot lies in the span.
    #[must_use]
    pub fn contain(self, slot: u64) -> bool {
        (self.from..self.until).contains(&slot)
    }
}

/// One scheduled fault. Faults are data: a schedule can be read from a drill's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Seats that neither send nor receive.
    Offline {
        /// Which seats.
        seats: BTreeSet<Seat>,
        /// When.
        slots: Slots,
    },
    /// Messages pass only between seats that share a group. A seat in no group is alone; a seat in
    /// several is connected to all of them. If several partitions are active, the last one holds.
    Partition {
        /// The groups.
        groups: Vec<BTreeSet<Seat>>,
        /// When.
        slots: Slots,
    },
    /// Seats that sign twice with bare keys: one twin for each group the seat is connected to, and
    /// two twins without a partition. Each twin by itself keeps the rules.
    Equivocate {
        /// Which seats.
        seats: BTreeSet<Seat>,
        /// In which roles; a further twin does nothing in other roles.
        roles: BTreeSet<Role>,
        /// When.
        slots: Slots,
    },
    /// Messages from these seats take longer.
    Delay {
        /// Which seats send late.
        seats: BTreeSet<Seat>,
        /// How much longer, in milliseconds.
        extra_ms: u64,
        /// When.
        slots: Slots,
    },
    /// Messages of one kind are lost.
    Drop {
        /// Which kind.
        kind: MessageKind,
        /// When.
        slots: Slots,
    },
}

/// One running node: a seat, or one of the twins of an equivocating seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// The seat.
    pub seat: Seat,
    /// 0 for the seat's own node, above for twins.
    pub twin: usize,
}

/// What the faults of one slot make of the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Topology {
    groups: BTreeMap<Endpoint, BTreeSet<usize>>,
    equivocating: BTreeMap<Seat, BTreeSet<Role>>,
    extra_ms: BTreeMap<Seat, u64>,
    dropped: BTreeSet<MessageKind>,
}

/// Group of everybody when nothing is partitioned.
const WHOLE: usize = usize::MAX;

impl Topology {
    /// The network in a slot.
    pub(crate) fn at(faults: &[Fault], seats: &[Seat], slot: u64) -> Self {
        let mut topology = Self::default();
        let (mut offline, mut partition) = (BTreeSet::<Seat>::new(), None);
        for fault in faults {
            match fault {
                Fault::Offline { seats, slots } if slots.contain(slot) => offline.extend(seats),
                Fault::Partition { groups, slots } if slots.contain(slot) => {
                    partition = Some(groups);
                }
                Fault::Equivocate { seats, roles, slots } if slots.contain(slot) => {
                    for seat in seats {
                        topology.equivocating.entry(*seat).or_default().extend(roles);
                    }
                }
                Fault::Delay { seats, extra_ms, slots } if slots.contain(slot) => {
                    for seat in seats {
                        let extra = topology.extra_ms.entry(*seat).or_default();
                        *extra = extra.saturating_add(*extra_ms);
                    }
                }
                Fault::Drop { kind, slots } if slots.contain(slot) => {
                    topology.dropped.insert(*kind);
                }
                Fault::Offline { .. }
                | Fault::Partition { .. }
                | Fault::Equivocate { .. }
                | Fault::Delay { .. }
                | Fault::Drop { .. } => {}
            }
        }
        for seat in seats {
            topology.place(*seat, offline.contains(seat), partition);
        }
        topology
    }

    fn place(&mut self, seat: Seat, offline: bool, partition: Option<&Vec<BTreeSet<Seat>>>) {
        let groups: Vec<usize> = match partition {
            None => vec![WHOLE],
            Some(groups) => (0..groups.len()).filter(|i| groups[*i].contains(&seat)).collect(),
        };
        let twins: Vec<BTreeSet<usize>> = if offline {
            vec![BTreeSet::new()]
        } else if !self.equivocating.contains_key(&seat) {
            vec![groups.into_iter().collect()]
        } else if groups.len() > 1 {
            groups.into_iter().map(|g| BTreeSet::from([g])).collect()
        } else {
            vec![groups.into_iter().collect(); 2]
        };
        for (twin, groups) in twins.into_iter().enumerate() {
            self.groups.insert(Endpoint { seat, twin }, groups);
        }
    }

    /// Nodes that run.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = Endpoint> + '_ {
        self.groups.keys().copied()
    }

    /// Whether a node is connected to anything.
    pub(crate) fn online(&self, endpoint: Endpoint) -> bool {
        self.groups.get(&endpoint).is_some_and(|groups| !groups.is_empty())
    }

    /// Whether messages pass between two nodes. A twin that did not run counts as its seat's node.
    pub(crate) fn connected(&self, a: Endpoint, b: Endpoint) -> bool {
        let groups = |e: Endpoint| {
            self.groups.get(&e).or_else(|| self.groups.get(&Endpoint { twin: 0, ..e }))
        };
        match (groups(a), groups(b)) {
            (Some(of_a), Some(of_b)) => a.seat != b.seat && !of_a.is_disjoint(of_b),
            _ => false,
        }
    }

    /// Roles in which a seat equivocates.
    pub(crate) fn equivocates(&self, seat: Seat, role: Role) -> bool {
        self.equivocating.get(&seat).is_some_and(|roles| roles.contains(&role))
    }

    /// Additional delay of what a seat sends, in milliseconds.
    pub(crate) fn extra_ms(&self, seat: Seat) -> u64 {
        self.extra_ms.get(&seat).copied().unwrap_or(0)
    }

    /// Whether messages of a kind are lost.
    pub(crate) fn drops(&self, kind: MessageKind) -> bool {
        self.dropped.contains(&kind)
    }
}

/// Takes seats out of every scheduled equivocation, because they have new operators.
pub(crate) fn forgive(faults: &mut [Fault], replaced: &BTreeSet<Seat>) {
    for fault in faults {
        if let Fault::Equivocate { seats, .. } = fault {
            seats.retain(|seat| !replaced.contains(seat));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(seats: &[u8]) -> BTreeSet<Seat> {
        seats.iter().copied().map(Seat).collect()
    }

    fn end(seat: u8, twin: usize) -> Endpoint {
        Endpoint { seat: Seat(seat), twin }
    }

    #[test]
    fn a_double_voter_has_one_twin_on_each_side_of_a_partition() {
        let slots = Slots { from: 3, until: 5 };
        let faults = [
            Fault::Partition { groups: vec![set(&[0, 2]), set(&[1, 2])], slots },
            Fault::Equivocate { seats: set(&[2]), roles: Role::ALL.into(), slots },
        ];
        let seats = [Seat(0), Seat(1), Seat(2), Seat(3)];
        let split = Topology::at(&faults, &seats, 3);
        assert!(split.connected(end(0, 0), end(2, 0)) && split.connected(end(1, 0), end(2, 1)));
        assert!(!split.connected(end(0, 0), end(2, 1)) && !split.connected(end(0, 0), end(1, 0)));
        assert!(!split.connected(end(2, 0), end(2, 1)));
        assert!(!split.online(end(3, 0)));
        let whole = Topology::at(&faults, &seats, 5);
        assert_eq!(whole.endpoints().filter(|e| e.seat == Seat(2)).count(), 1);
        assert!(whole.connected(end(0, 0), end(1, 0)));
    }

    #[test]
    fn an_honest_seat_in_two_groups_is_one_node_connected_to_both() {
        let slots = Slots { from: 0, until: 1 };
        let groups = vec![set(&[0, 2]), set(&[1, 2])];
        let split =
            Topology::at(&[Fault::Partition { groups, slots }], &[Seat(0), Seat(1), Seat(2)], 0);
        assert_eq!(split.endpoints().filter(|e| e.seat == Seat(2)).count(), 1);
        assert!(split.connected(end(0, 0), end(2, 0)) && split.connected(end(1, 0), end(2, 0)));
    }

    #[test]
    fn a_schedule_is_data_and_reads_back() {
        let text = r#"{"fault":"drop","kind":"verdict","slots":{"from":1,"until":2}}"#;
        let fault: Fault = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&fault).unwrap(), text);
        assert!(serde_json::from_str::<Fault>(&text.replace("drop", "lose")).is_err());
    }
}
