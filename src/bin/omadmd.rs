//! The agent.

use std::process::ExitCode;

fn main() -> ExitCode {
    omadm_agent::edge::omadmd()
}
