//! `omadm-lab serve`: a DM server with a data repository, for an agent on a bench.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::demo::{self, Error};
use super::gateway::{self, Account};
use super::server::{Options as ServerOptions, Server};
use super::transcript::Transcript;
use super::{Authority, Repository, Script, Tape, files};

/// The options of `omadm-lab serve`.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address that the DM server listens on; the repository takes the next port.
    pub listen: SocketAddr,
    /// The host in certificate and account; the address listened on, where unsaid.
    pub host: Option<String>,
    /// The folder for the account, the CA and the secret.
    pub accounts: PathBuf,
    /// The file of the script that each session plays; the demo's script, where unsaid.
    pub script: Option<PathBuf>,
    /// Whether header fields and whole bodies are shown.
    pub verbose: bool,
    /// Whether the output shows colours.
    pub colour: bool,
}

/// Serves until Ctrl-C.
///
/// # Errors
/// The port is taken, the folder can't be written, the script is none.
pub async fn run(options: Options, out: impl Write) -> Result<(), Error> {
    let host = options.host.clone().unwrap_or_else(|| options.listen.ip().to_string());
    let shown = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let authority = authority(&options.accounts)?;
    let identity = authority.server_for(&host)?;
    let tape = Tape::default();
    let origin = |address: SocketAddr| format!("https://{shown}:{}", address.port());

    let repository = Repository::default();
    repository.put("/banner", "text/plain", demo::BANNER);
    // Port 0 is any port, for both.
    let port = options.listen.port();
    let beside = SocketAddr::new(options.listen.ip(), if port == 0 { 0 } else { port.wrapping_add(1) });
    let setup = ServerOptions { listen: beside, ..ServerOptions::new("repository", identity.clone(), &tape) };
    let repository_server = Server::start(setup, repository.handler()).await?;
    let repository_origin = origin(repository_server.address());

    let (replies, doubts) = demo::script(options.script.as_deref(), &repository_origin)?;
    let script = Script::session(replies).repeated();
    let setup = ServerOptions { listen: options.listen, ..ServerOptions::new("DM server", identity, &tape) };
    let server = Server::start(setup, script.handler()).await?;

    let uri = format!("{}/dm?id=[DevID]", origin(server.address()));
    let account = Account {
        origins: vec![repository_origin.clone()],
        secret: Some(secret(&options.accounts)?),
        ..Account::new(demo::SERVER_ID, &uri, &authority)
    };
    gateway::put_account(&options.accounts, &account)?;

    let mut transcript = Transcript::new(out, options.colour, options.verbose);
    transcript.line(&format!("      DM server   {uri}"))?;
    transcript.line(&format!("      repository  {repository_origin}"))?;
    transcript.line(&format!("      account     {}", options.accounts.join("lab.toml").display()))?;
    // The demo's own has a wrong one on purpose.
    for doubt in doubts.iter().filter(|_| options.script.is_some()) {
        transcript.line(&format!("      script      {doubt}"))?;
    }
    transcript.line("\nCtrl-C ends it.")?;
    tokio::select! {
        ended = show(&tape, &mut transcript) => ended,
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}

/// The CA of the last start with this folder, so that agents that trust it go on to; else a new one.
fn authority(folder: &Path) -> Result<Authority, Error> {
    const NAME: &str = "omadm-lab throw-away CA";
    let file = |name: &str| folder.join(format!("{}.{name}", demo::SERVER_ID));
    let read = |name: &str| std::fs::read_to_string(file(name)).ok();
    if let (Some(key), Some(pem)) = (read("ca.key"), read("ca.pem"))
        && let Some(kept) = Authority::kept(NAME, &key, &pem)
    {
        return Ok(kept);
    }
    let authority = Authority::new(NAME)?;
    files::put(&file("ca.key"), authority.key_pem(), files::SECRET)?;
    Ok(authority)
}

/// The notification secret of the last start with this folder, else a new one.
fn secret(folder: &Path) -> Result<String, Error> {
    let kept = std::fs::read_to_string(folder.join(format!("{}.notify", demo::SERVER_ID)));
    if let Some(kept) = kept.ok().filter(|kept| !kept.is_empty()) {
        return Ok(kept);
    }
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(super::challenge::hex(&random))
}

async fn show(tape: &Tape, transcript: &mut Transcript<impl Write>) -> Result<(), Error> {
    let mut changed = tape.watcher();
    let mut shown = 0;
    loop {
        for exchange in tape.since(shown) {
            shown += 1;
            transcript.exchange(&exchange)?;
        }
        changed.changed().await.map_err(io::Error::other)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_start_in_a_folder_keeps_what_agents_trust() {
        let folder = tempfile::tempdir().unwrap();
        let start = || {
            let (authority, secret) = (authority(folder.path()).unwrap(), secret(folder.path()).unwrap());
            let account = Account {
                secret: Some(secret.clone()),
                ..Account::new(demo::SERVER_ID, "https://dm.example/", &authority)
            };
            gateway::put_account(folder.path(), &account).unwrap();
            (authority.pem().to_owned(), secret)
        };
        let first = start();
        assert_eq!(start(), first);
        let other = Authority::new("other").unwrap();
        files::put(&folder.path().join("lab.ca.pem"), other.pem(), files::PLAIN).unwrap();
        assert_ne!(start().0, other.pem(), "a certificate of another key is none");
        // What was kept signs as before.
        assert!(authority(folder.path()).unwrap().server_for("dm.example").is_ok());
    }

    #[test]
    fn a_slip_in_a_script_is_noticed_at_the_start() {
        let script = r#"[[["GET", "urn:x:1.0"], ["GTE", "urn:x:1.0"]], [[], 5, ["END"]]]"#;
        assert_eq!(
            Script::doubts(script),
            [
                "package 1, command 2: \"GTE\" is no command",
                "package 2, command 1: \"\" is no command",
                "package 2, command 2: \"\" is no command",
            ]
        );
    }
}
