//! `omadmd`, the agent; called `omadmctl`, it is the operator's tool, and called `omadm-exec` the privileged helper.

use std::process::ExitCode;

use omadm_agent::{control, helper, startup};

fn main() -> ExitCode {
    let called = std::env::args_os().next();
    match called.as_deref() {
        name if control::is_called(name) => control::omadmctl(),
        name if helper::is_called(name) => helper::omadm_exec(),
        _ => startup::omadmd(),
    }
}
