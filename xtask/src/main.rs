//! Developer commands of the azir workspace.
fn main() {}
