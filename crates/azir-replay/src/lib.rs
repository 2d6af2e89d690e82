//! azir-replay.
