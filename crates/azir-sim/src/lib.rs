//! A deterministic world: virtual time, a lossy network, atlas nodes with real gates, and drills
//! that run on the production engine, gate and replay.
//!
//! **In scope:** the simulated network and its faults, simulated disks of gates, one operator's
//! control plane without I/O, drill scripts and the data of their reports.
//!
//! **Out of scope:** deciding anything (`azir-engine`, `azir-model`), storing (`azir-store`, given
//! by the caller as a journal), rendering reports (the binary), real time and real networks.

pub mod atlas_gate;
pub mod cast;
pub mod deployment;
pub mod drill;
pub mod fault;
pub mod gates;
pub mod net;
pub mod network;
pub mod report;
pub mod world;
