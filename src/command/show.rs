//! SHOW ServerURI (TS 5.4.7): starts the browser, and waits for nothing.

use std::io;
use std::process::Stdio;

use hyper::Uri;

use super::context::{CommandContext, CommandResult};
use super::status::{CommandError, Done};
use crate::base;
use crate::base::heap;
use crate::transport::Refused;
use crate::uri::Origin;
use crate::uri::server::ServerUriTemplate;

pub(super) async fn run(parameters: &[String], context: &mut CommandContext<'_>) -> CommandResult {
    let [server_uri] = parameters else { return Err(CommandError::Malformed("SHOW takes a ServerURI")) };
    let uri = super::context::expand(server_uri, context)?;
    Origin::of(&uri).map_err(Refused::Uri)?;
    let [program, arguments @ ..] = context.settings.browser.as_slice() else {
        return Err(CommandError::NoBrowser);
    };
    let slot = context.execs.exec_slots().slot()?;
    let mut command = tokio::process::Command::new(program);
    command
        .args(arguments)
        .arg(page(&uri, server_uri))
        // Between systemd and the agent only.
        .env_remove("NOTIFY_SOCKET")
        .env_remove("WATCHDOG_PID")
        .env_remove("WATCHDOG_USEC")
        .env_remove("CREDENTIALS_DIRECTORY")
        .env_remove(heap::VARIABLE)
        .env_remove(heap::SAID)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let begun = crate::backend::run::begin(program, command).await;
    let begun = begun.map_err(|stuck| CommandError::Browser(io::Error::other(stuck.to_string())))?;
    let mut browser = begun.map_err(CommandError::Browser)?;
    // Somebody has to collect its exit, however much later that is.
    base::spawn(async move {
        let _place = slot;
        browser.wait().await
    });
    Ok(Done::ok())
}

/// The address that the browser opens. The fragment is no business of HTTP's, but may be all that a page is told apart
/// by.
fn page(uri: &Uri, server_uri: &str) -> String {
    let fragment =
        ServerUriTemplate::parse(server_uri).ok().and_then(|template| template.fragment().map(str::to_owned));
    fragment.map_or_else(|| uri.to_string(), |fragment| format!("{uri}#{fragment}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_gets_the_fragment_too() {
        for (server_uri, expected) in [
            ("https://a.example/b?c#/consent one", "https://a.example/b?c#/consent%20one"),
            ("https://a.example/b", "https://a.example/b"),
        ] {
            let uri = ServerUriTemplate::parse(server_uri).unwrap().expand(&|_| None).unwrap();
            assert_eq!(page(&uri, server_uri), expected);
        }
    }
}
