//! The `azir` binary.
fn main() {}
