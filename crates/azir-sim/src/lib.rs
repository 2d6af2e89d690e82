//! azir-sim.
