//! azir-gate.
