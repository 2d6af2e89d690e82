//! azir-atlas.
