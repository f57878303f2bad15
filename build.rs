//! How the programs of a release are linked: a smaller file, and nothing else changes. Tests, debug builds and libraries
//! are linked as usual. `packaging/release.ld` leaves out the tables for unwinding a stack, and the index to them goes
//! too; the addresses that the loader corrects at each start are packed (DT_RELR), which shortens their table. Functions
//! that came out the same are there once, where the linker can tell (LLD, which Rust takes on x86-64).

use std::env::var;

fn main() {
    println!("cargo::rerun-if-changed=packaging/release.ld");
    let is_release = var("PROFILE").is_ok_and(|profile| profile == "release");
    let is_linux = var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux");
    if let (true, true, Ok(folder)) = (is_release, is_linux, var("CARGO_MANIFEST_DIR")) {
        // Debian 12, the oldest that is packaged for, has a glibc (2.36) that knows relative relocations in a word each.
        for argument in [
            format!("-T,{folder}/packaging/release.ld"),
            "--no-eh-frame-hdr".into(),
            "-z,pack-relative-relocs".into(),
        ] {
            println!("cargo::rustc-link-arg-bins=-Wl,{argument}");
        }
        let is = |variable: &str, value: &str| var(variable).is_ok_and(|found| found == value);
        if is("CARGO_CFG_TARGET_ARCH", "x86_64") && is("CARGO_CFG_TARGET_ENV", "gnu") {
            println!("cargo::rustc-link-arg-bins=-Wl,--icf=all");
        }
    }
}
