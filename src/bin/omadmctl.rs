//! `omadmctl`, the operator's tool.

use std::process::ExitCode;

fn main() -> ExitCode {
    omadm_agent::control::omadmctl()
}
