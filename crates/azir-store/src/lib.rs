//! azir-store.
