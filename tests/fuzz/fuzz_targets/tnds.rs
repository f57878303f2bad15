//! DM 1.x documents: any bytes are a tree or an error, and what says where it hangs hangs there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use omadm_agent::mo::tnds::{Branch, parse};

fuzz_target!(|bytes: &[u8]| {
    for root in parse(bytes).unwrap_or_default() {
        check(&root);
    }
});

fn check(branch: &Branch) {
    assert!(!branch.name.is_empty());
    branch.children.iter().for_each(check);
}
