//! `omadmd`, the agent; called `omadmctl`, it is the operator's tool.

use std::process::ExitCode;

fn main() -> ExitCode {
    match omadm_agent::control::is_called(std::env::args_os().next().as_deref()) {
        true => omadm_agent::control::omadmctl(),
        false => omadm_agent::startup::omadmd(),
    }
}
