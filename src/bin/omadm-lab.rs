//! A DM server, data repository and notifier for a bench or a demo. See [`omadm_agent::lab`].

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    omadm_agent::lab::cli::run().await
}
