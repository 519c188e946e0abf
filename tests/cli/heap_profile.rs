use std::fs;

use serde_json::Value;

use crate::rig::Rig;

#[test]
fn the_file_and_the_list_name_who_allocated() {
    let rig = Rig::new();
    fs::write(rig.path("dhat-heap.json"), "an older one").unwrap();
    let run = rig
        .hifi("-t 2 -n 200 --time-scale 0 -q --data-limit 100000 --summary json")
        .code(0);
    assert!(
        run.json()["run"].is_string(),
        "standard output is the summary's"
    );
    let profile: Value = serde_json::from_str(&rig.read("dhat-heap.json")).unwrap();
    assert_eq!(profile["dhatFileVersion"], 2);
    assert_eq!(profile["mode"], "rust-heap");
    let frames = profile["ftbl"].as_array().unwrap();
    assert!(
        frames
            .iter()
            .any(|frame| frame.as_str().unwrap().contains("hifi::run::run"))
    );

    let said = run.stderr();
    let list: Vec<&str> = said
        .lines()
        .skip_while(|line| !line.ends_with("  call site"))
        .skip(1)
        .collect();
    assert_eq!(list.len(), 10, "{said}");
    // The ring of the Processor's 100,000 items of 8 bytes, and the one that is added before the oldest is dropped.
    let ring = list
        .iter()
        .find(|line| line.contains("hifi::work::processor::Processor::new ("))
        .unwrap_or_else(|| panic!("{said}"));
    let figures: Vec<&str> = ring.split_whitespace().take(4).collect();
    assert_eq!(figures, ["800008", "1", "800008", "1"], "{said}");
}

#[test]
fn a_folder_that_cannot_take_it_is_told() {
    let rig = Rig::new();
    fs::create_dir(rig.path("dhat-heap.json")).unwrap();
    rig.hifi("-t 1 -n 3 --time-scale 0 -q")
        .code(1)
        .complains("cannot write the heap profile dhat-heap.json; ");
}
