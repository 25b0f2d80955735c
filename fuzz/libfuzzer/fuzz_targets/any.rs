//! Every target, by the name in `SOCKEYE_FUZZ`: one program, so that it is built once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_fuzz::{Target, find};
use std::sync::LazyLock;

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("SOCKEYE_FUZZ").expect("SOCKEYE_FUZZ names the target");
    find(&name).expect("a target of this name")
});

fuzz_target!(|data: &[u8]| {
    TARGET.run(data);
});
