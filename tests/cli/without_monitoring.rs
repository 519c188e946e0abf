use std::fs;

use crate::rig::Rig;

#[test]
fn each_option_says_which_feature_it_needs() {
    let rig = Rig::new();
    for args in [
        "--serve 127.0.0.1:8080",
        "--backlog 9",
        "--metrics-addr 127.0.0.1:9464",
        "--metrics-linger 1s",
        "--metrics-file hifi.prom",
        "completions bash",
        "report",
        "lab --report lab.html",
    ] {
        rig.hifi(args)
            .code(2)
            .complains("this hifi was built without the feature `monitoring`; build it with `cargo build --features monitoring`");
    }
    assert_eq!(fs::read_dir(rig.path("")).expect("a folder").count(), 0);
}
