//! `azir drill`: what it writes and prints.

use std::fs;

use super::run::{DRILL, MADE, SEED, azir, drill, fresh, walk};

/// R-36.1-9: the same drill with the same seed writes the same bytes, each file of each run.
#[test]
fn two_runs_with_one_seed_write_equal_trees() {
    let second = drill(SEED, &["--json"]);
    let (names, others) = (walk(&MADE.dir), walk(&second.dir));
    assert_eq!(names, others);
    assert!(names.len() > 2_000, "{}", names.len());
    for name in &names {
        let (one, other) = (fs::read(MADE.dir.join(name)), fs::read(second.dir.join(name)));
        assert!(one.unwrap() == other.unwrap(), "{name} differs");
    }
    let json = second.did.json();
    assert_eq!((&json["passed"], &json["seed"]), (&true.into(), &SEED.into()));
    assert_eq!(json["runs"].as_array().unwrap().len(), 2);
    for (run, told) in ["short", "long"].iter().zip(json["runs"].as_array().unwrap()) {
        let bundle = second.bundle(run).display().to_string();
        assert_eq!(told["run"], *run);
        let verify = told["verify"].as_str().unwrap();
        assert!(verify.ends_with(&format!("azir verify {bundle}")), "{verify}");
    }
    fs::remove_dir_all(&second.dir).unwrap();
}

#[test]
fn each_run_leaves_report_transcript_and_bundle_and_nothing_else() {
    for run in ["short", "long"] {
        let entries = fs::read_dir(MADE.dir.join(run)).unwrap();
        let mut names: Vec<_> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["bundle", "report.html", "report.json", "transcript.txt"]);
    }
    let mut top: Vec<_> = fs::read_dir(&MADE.dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    top.sort();
    assert_eq!(top, ["long", "short"], "no work directory is left behind");
}

#[test]
fn the_summary_has_ten_lines_the_page_and_the_command_to_verify() {
    let out = &MADE.did.out;
    for run in ["short", "long"] {
        let bundle = MADE.bundle(run).display().to_string();
        assert!(out.contains(&format!("azir verify {bundle}")), "{out}");
        let page = MADE.dir.join(run).join("report.html").display().to_string();
        assert!(out.contains(&page), "{out}");
    }
    assert_eq!(out.matches("  10.  ").count(), 2, "{out}");
    assert_eq!(out.matches("PASSED").count(), 2, "{out}");
    assert_eq!(MADE.did.err, "", "no progress when standard error is no terminal");
}

#[test]
fn every_check_of_the_written_reports_holds() {
    for run in ["short", "long"] {
        let report = MADE.report(run);
        assert_eq!(report["passed"], true);
        let checks = report["checks"].as_array().unwrap();
        assert!(checks.len() >= 35, "{}", checks.len());
        let failed: Vec<_> = checks.iter().filter(|c| c["passed"] != true).collect();
        assert!(failed.is_empty(), "{run}: {failed:#?}");
    }
}

#[test]
fn an_occupied_directory_is_left_as_it_is() {
    let out = fresh("occupied");
    fs::create_dir_all(out.join("short")).unwrap();
    fs::write(out.join("short/thesis.txt"), "three years of work").unwrap();
    let did = azir(["drill", DRILL, "--out", out.to_str().unwrap()]);
    assert_eq!(did.code, 5, "{}", did.err);
    assert!(did.err.contains("AZ-E0003") && did.err.contains("nothing was written"), "{}", did.err);
    assert_eq!(walk(&out), ["short/thesis.txt"]);
    assert_eq!(fs::read(out.join("short/thesis.txt")).unwrap(), b"three years of work");
}

#[test]
fn a_file_in_the_place_of_the_directory_is_left_as_it_is() {
    let file = fresh("file");
    fs::write(&file, "mine").unwrap();
    let did = azir(["drill", DRILL, "--out", file.to_str().unwrap()]);
    assert_eq!(did.code, 5);
    assert!(did.err.contains("AZ-E0003"), "{}", did.err);
    let below = file.join("below");
    let did = azir(["drill", DRILL, "--out", below.to_str().unwrap()]);
    assert_eq!(did.code, 5);
    assert!(did.err.contains("AZ-E0002"), "{}", did.err);
    assert_eq!(fs::read(file).unwrap(), b"mine");
}

#[test]
fn an_earlier_output_is_replaced_and_a_half_written_one_too() {
    let out = fresh("again");
    fs::create_dir_all(out.join("long/bundle.partial/events")).unwrap();
    fs::create_dir_all(out.join(".long.ledger")).unwrap();
    fs::write(out.join("long/bundle.partial/events/000000.json"), "half").unwrap();
    let args = ["drill", "run", DRILL, "--seed", "9", "--run", "long", "-q", "--out"];
    let did = azir(args.into_iter().chain([out.to_str().unwrap()]));
    assert_eq!(did.code, 0, "{}", did.err);
    let mut top: Vec<_> = fs::read_dir(&out)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    top.sort();
    assert_eq!(top, ["long"]);
    assert!(!out.join("long/bundle.partial").exists());
    let did = azir(["verify", out.join("long/bundle").to_str().unwrap()]);
    assert_eq!(did.code, 0, "{}", did.out);
}
