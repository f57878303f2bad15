//! SHOW ServerURI (TS 5.4.7): starts the browser, and waits for nothing.

use std::process::Stdio;

use super::{Answer, CommandError, Context, plain};
use crate::transport::{Origin, Refused};

pub(super) fn run(parameters: &[String], context: &mut Context<'_>) -> Answer {
    let [uri] = parameters else { return Err(CommandError::Malformed("SHOW takes a ServerURI")) };
    let uri = super::repository::expand(uri, context)?;
    Origin::of(&uri).map_err(Refused::Uri)?;
    let [program, arguments @ ..] = context.settings.browser.as_slice() else {
        return Err(CommandError::NoBrowser);
    };
    let place = context.execs.programs().place()?;
    let mut browser = tokio::process::Command::new(program)
        .args(arguments)
        .arg(uri.to_string())
        // Between systemd and the agent only.
        .env_remove("NOTIFY_SOCKET")
        .env_remove("WATCHDOG_PID")
        .env_remove("WATCHDOG_USEC")
        .env_remove("CREDENTIALS_DIRECTORY")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .map_err(CommandError::Browser)?;
    // Somebody has to collect its exit, however much later that is.
    tokio::spawn(async move {
        let _place = place;
        browser.wait().await
    });
    Ok(plain(200))
}
