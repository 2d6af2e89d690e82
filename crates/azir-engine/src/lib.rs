//! azir-engine.
