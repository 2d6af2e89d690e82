//! Tests of the `azir` binary from outside, in one binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod advise;
mod attacks;
mod attest;
mod bundle;
mod cases;
mod classes;
mod crash;
mod drill;
mod evidence;
mod forged;
mod live;
mod people;
mod postmortem;
mod run;
mod runbooks;
mod status;
mod tools;
mod usage;
mod verify;
mod walk;
mod world;

#[test]
fn no_file_of_this_directory_is_forgotten() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let main = std::fs::read_to_string(dir.join("main.rs")).unwrap();
    for entry in std::fs::read_dir(dir).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let stem = name.strip_suffix(".rs").unwrap_or(&name);
        assert!(stem == "main" || main.contains(&format!("mod {stem};\n")), "{name}");
    }
}
